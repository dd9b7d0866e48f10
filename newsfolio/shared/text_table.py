"""Figures as plain text: tables with aligned columns, and JSON that every parser reads."""

import json
import math
from collections.abc import Sequence


def text_table(rows: Sequence[Sequence[str]], *, rule: bool = False, indent: str = "") -> str:
    """Return rows of cells, the header first, in columns as wide as their widest cell.

    The first column is aligned to the left, the others to the right. rule: underline the header. indent: in front of
    each line.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    drawn = [rows[0], ["-" * width for width in widths], *rows[1:]] if rule else rows
    lines = []
    for first, *rest in drawn:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))]
        lines.append((indent + "  ".join(cells)).rstrip())
    return "\n".join(lines)


def printable(text: str) -> str:
    """Return the text with a space for each control character: a terminal would obey it, a log would break."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def json_text(figures: object, indent: int | None = None) -> str:
    """Return figures as JSON, in which what is not finite (NaN, infinite) is null: JSON has no word for it."""
    return json.dumps(_finite(figures), indent=indent, allow_nan=False)


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
