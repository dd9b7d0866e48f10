"""Importing a package must stay cheap: heavy libraries load only when something of theirs is used."""

import subprocess
import sys

import pytest

HEAVY = (
    "torch",
    "transformers",
    "cvxpy",
    "vectorbt",
    "sklearn",
    "yfinance",
    "exchange_calendars",
    "sqlalchemy",
)


def loaded_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("statement", ["import nlp", "import allocation", "import backtest", "import newsfolio"])
def test_importing_a_package_loads_nothing_heavy(statement):
    assert loaded_after(statement) == set()


@pytest.mark.parametrize("module", ["allocation", "backtest"])
def test_no_torch_below_even_when_every_public_name_is_touched(module):
    touch = f"import {module}; [getattr({module}, name) for name in {module}.__all__]"
    assert not loaded_after(touch) & {"torch", "transformers"}


@pytest.mark.parametrize("module", ["nlp", "allocation", "backtest"])
def test_every_public_name_is_there_and_is_not_a_module(module):
    import importlib
    from types import ModuleType

    package = importlib.import_module(module)
    assert len(package.__all__) > 5
    for name in package.__all__:
        assert not isinstance(getattr(package, name), ModuleType), name


@pytest.mark.parametrize("package", ["nlp", "allocation", "backtest", "allocation.live"])
def test_no_public_name_is_hidden_by_a_module_of_that_name(package):
    import importlib
    import pkgutil

    loaded = importlib.import_module(package)
    assert not set(loaded.__all__) & {module.name for module in pkgutil.iter_modules(loaded.__path__)}


def test_the_command_s_help_loads_no_library_of_numbers():
    code = (
        "import sys; import newsfolio.command.app; print(*({'pandas', 'numpy', 'torch', 'cvxpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
