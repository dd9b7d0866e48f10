"""The public face of a package: names that load nothing until they are touched (PEP 562)."""

import ast
from collections.abc import Callable
from importlib import import_module
from pathlib import Path


def lazy_face(package: str, init_file: str) -> tuple[Callable[[str], object], Callable[[], list[str]], list[str]]:
    """Return `__getattr__`, `__dir__` and `__all__` of a package from the imports of the stub next to its __init__.py.

    The stub is the one list of public names: type checkers and editors read it as it stands. Names are offered by the
    module that defines them, in whatever package that is.
    """
    stub = ast.parse(Path(init_file).with_suffix(".pyi").read_text(encoding="utf-8"))
    home = {alias.name: node.module for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names}

    def __getattr__(name: str) -> object:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(str(home[name])), name)

    return __getattr__, lambda: sorted(home), sorted(home)
