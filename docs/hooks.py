"""Writes the reference: what each package offers, by the module that defines it, from its one list of public names."""

import ast
from collections import defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Put the public names of a package in place of the line that asks for them."""
    before, mark, rest = markdown.partition("{{ public names of ")
    if not mark:
        return markdown
    package, _, after = rest.partition(" }}")
    return before + reference(package) + after


def reference(package: str) -> str:
    """Return one directive per public name of a package, under a heading per module."""
    stub = ast.parse((ROOT / package.replace(".", "/") / "__init__.pyi").read_text(encoding="utf-8"))
    names = defaultdict(list)
    for node in stub.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            names[node.module] += [alias.name for alias in node.names]
    parts = []
    for module in sorted(names):
        parts.append(f"## {module}\n")
        parts += [f"::: {module}.{name}\n    options:\n      heading_level: 3\n" for name in sorted(names[module])]
    return "\n".join(parts)
