"""Public faces: one stub lists the names, and nothing is loaded before one is touched."""

import sys

import pytest

from newsfolio.shared.faces import lazy_face


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package `lazy_example` whose only module counts how often it is loaded."""
    folder = tmp_path / "lazy_example"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from newsfolio.shared.faces import lazy_face\n__getattr__, __dir__, __all__ = lazy_face(__name__, __file__)\n"
    )
    (folder / "__init__.pyi").write_text("from lazy_example.inside import answer as answer, other as other\n")
    (folder / "inside.py").write_text("answer = 42\nother = object()\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "lazy_example"
    for name in [name for name in sys.modules if name.startswith("lazy_example")]:
        del sys.modules[name]


def test_a_module_loads_when_its_name_is_touched(package):
    face = __import__(package)
    assert "lazy_example.inside" not in sys.modules
    assert face.answer == 42
    assert face.other is sys.modules["lazy_example.inside"].other


def test_only_public_names_are_listed(package):
    face = __import__(package)
    assert dir(face) == face.__all__ == ["answer", "other"]


def test_an_unknown_name_is_an_attribute_error(package):
    with pytest.raises(AttributeError, match="module 'lazy_example' has no attribute 'nothing'"):
        _ = __import__(package).nothing


def test_a_package_without_a_stub_is_an_error_at_once(tmp_path):
    with pytest.raises(FileNotFoundError):
        lazy_face("nowhere", str(tmp_path / "__init__.py"))
