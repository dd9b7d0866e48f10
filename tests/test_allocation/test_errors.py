"""The error tree is the one its docstring draws."""

import inspect
import re

import pytest

from allocation import errors

CLASSES = {
    name: kind for name, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__
}


def drawn() -> list[tuple[int, str, str | None]]:
    """(column, class, base named in brackets) of each line of the drawing."""
    lines = [re.match(r"([ │├└─]*)(\w+Error|MissingPrice)(?:\((\w+)\))?", line) for line in errors.__doc__.splitlines()]
    return [(len(line[1]), line[2], line[3]) for line in lines if line and line[1]]


def test_every_error_is_drawn_once_and_no_other():
    names = [name for _, name, _ in drawn()]
    assert len(names) >= 7
    assert sorted(names) == sorted(CLASSES)


def test_each_error_hangs_where_it_is_drawn():
    above: list[tuple[int, str]] = []
    for column, name, base in drawn():
        above = [(left, parent) for left, parent in above if left < column]
        assert CLASSES[name].__base__.__name__ == (above[-1][1] if above else base)
        above.append((column, name))


@pytest.mark.parametrize("name", CLASSES)
def test_an_error_is_a_value_error_with_its_reason_documented(name):
    assert issubclass(CLASSES[name], errors.AllocationError)
    assert issubclass(CLASSES[name], ValueError)
    assert CLASSES[name].__doc__
    with pytest.raises(ValueError, match="what, where, remedy"):
        raise CLASSES[name]("what, where, remedy")
