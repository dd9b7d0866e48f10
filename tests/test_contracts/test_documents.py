"""Documents name what is there: every path in the architecture, every room in its tree."""

import ast
import importlib
import re
from pathlib import Path

import pytest
import typer

from allocation.policies.strategy_file import load_policy
from newsfolio.command.app import app

ROOT = Path(__file__).parents[2]
PACKAGES = ("newsfolio", "nlp", "allocation", "backtest")


def paths_in(document: str) -> list[str]:
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(rf"`((?:{'|'.join(PACKAGES)})/[\w/]+(?:\.\w+)?/?)`", text)


def test_every_path_in_the_architecture_exists():
    named = paths_in("ARCHITECTURE.md")
    assert len(named) > 30
    assert [path for path in named if not (ROOT / path).exists()] == []


def rooms_in_the_tree() -> set[str]:
    """Folders of the tree: a package at the margin, a room per branch, at most two floors down."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rooms, above = set(), ["", ""]
    for line in text.splitlines():
        found = re.match(r"((?:│   |    )*)(?:[├└]── )?(\w+)/(?: |$)", line)
        if found and (line[0] in "├└│ " or found[2] in PACKAGES):
            depth = 0 if line[0] not in "├└│ " else len(found[1]) // 4 + 1
            above[depth:] = [found[2]]
            rooms.add("/".join(above[: depth + 1]))
    return rooms


def test_the_tree_shows_every_room_of_two_floors():
    folders = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for pattern in ("*/__init__.py", "*/*/__init__.py")
        for path in ((ROOT / package).glob(pattern))
    }
    there = {folder.removesuffix("/__init__.py") for folder in folders} | set(PACKAGES)
    there -= {folder for folder in there if folder.endswith("/migrations")}
    assert len(there) > 30
    assert rooms_in_the_tree() == there


DOCUMENTS = sorted(path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("docs/*.md"), ROOT / "README.md"])


def blocks(document: str, language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```", (ROOT / document).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


def test_there_are_examples_to_check():
    assert sum(len(blocks(document, "python")) for document in DOCUMENTS) > 5
    assert sum(len(blocks(document, "sh")) for document in DOCUMENTS) > 5


@pytest.mark.parametrize("document", DOCUMENTS)
def test_python_in_documents_parses_and_imports_what_is_there(document):
    for block in blocks(document, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(str(node.module))
                assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_in_documents_have_the_options_they_are_given(document):
    commands = typer.main.get_command(app).commands
    for block in blocks(document, "sh"):
        for line in re.findall(r"(?:^|&& )newsfolio ([^#\n]*)", block, re.MULTILINE):
            words = line.split()
            command, rest = commands[words[0]], words[1:]
            while rest and hasattr(command, "commands"):
                command, rest = command.commands[rest[0]], rest[1:]
            known = {option for parameter in command.params for option in parameter.opts}
            assert [word for word in rest if word.startswith("--") and word not in {*known, "--help"}] == [], line


def test_the_strategies_of_the_documents_are_strategies(tmp_path):
    found = [block for block in blocks("docs/strategy.md", "python") if "def policy()" in block]
    assert len(found) == 2
    for number, block in enumerate(found):
        path = tmp_path / f"strategy_{number}.py"
        path.write_text(block)
        assert callable(load_policy(path))
