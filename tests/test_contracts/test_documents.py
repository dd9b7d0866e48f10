"""Documents name what is there: every path in the architecture, every room in its tree."""

import re
from pathlib import Path

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
