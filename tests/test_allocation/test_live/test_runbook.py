"""The page for the person who is woken names what there is: guards, messages, options, metrics."""

import re
from pathlib import Path

import pytest
import typer.main

from allocation.live.monitor.prometheus import HELP
from allocation.live.step.guards import NAMES
from newsfolio.command.app import app

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "RUNBOOK.md"


@pytest.fixture(scope="module")
def sections():
    """Text by heading."""
    if not PAGE.exists():
        pytest.skip("the page is not beside the tests")
    parts = re.split(r"^## (.+)\n", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {"": parts[0]} | dict(zip(parts[1::2], parts[2::2], strict=True))


def first_cells(text):
    return [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("|")][2:]


def test_every_guard_is_there_once(sections):
    named = [name for cell in first_cells(sections["A guard holds it (3)"]) for name in cell.split(", ")]
    assert sorted(named) == sorted(NAMES)


def test_every_message_is_one_that_is_said(sections):
    said = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "allocation").rglob("*.py"))
    pages = sections["It failed (1)"], sections["Orders did not fill (3)"]
    quoted = re.findall(r"`([^`]+)`", "\n".join(cell for page in pages for cell in first_cells(page)))
    assert len(quoted) > 8
    assert [text for text in quoted if text not in said] == []


def test_every_option_and_metric_is_one(sections):
    whole = "\n".join(sections.values())
    root = typer.main.get_command(app).commands
    commands = [*root.values(), *root["account"].commands.values()]
    options = {name for command in commands for option in command.params for name in option.opts}
    asked = set(re.findall(r"--[a-z-]+", re.sub(r"\|[-|]+\|", "", whole)))
    assert asked
    assert asked <= options
    metrics = set(re.findall(r"newsfolio_\w+", whole))
    assert metrics
    assert metrics <= set(HELP)


def test_it_is_one_page(sections):
    assert sum(text.count("\n") for text in sections.values()) < 84
