"""The command itself: its version, and how it fails."""

import importlib.metadata

import pytest

import newsfolio
from allocation import SourceError
from newsfolio.command.app import main


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    shown = capsys.readouterr()
    return ended.value.code, shown.out, shown.err


def test_version_is_the_installed_one(capsys):
    assert run(capsys, "--version") == (0, f"newsfolio {newsfolio.__version__}\n", "")
    assert importlib.metadata.version("newsfolio") == newsfolio.__version__


def test_an_error_is_one_line(capsys):
    code, out, err = run(capsys, "study", "missing.csv", "missing.csv")
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert err.startswith("error: ")


@pytest.mark.parametrize("place", [0, 1, 3])
def test_traceback_anywhere_raises_the_error_itself(place):
    line = ["study", "missing.csv", "missing.csv"]
    with pytest.raises(SourceError, match="no such file"):
        main([*line[:place], "--traceback", *line[place:]])


def test_completion_is_offered(capsys):
    code, out, _ = run(capsys, "--help")
    assert code == 0
    assert "--install-completion" in out
