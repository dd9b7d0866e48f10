"""Tables with a label for each entity of a text, as SEntFiN's: Title, and Decisions {'entity': 'positive', ...}.

A. Sinha, S. Kedas, R. Kumar and P. Malo, "SEntFiN 1.0: entity-aware sentiment analysis for financial news", 2022.
"""

import ast
import json
from collections.abc import Mapping
from itertools import chain
from typing import Any

import pandas as pd

from nlp.corpora.labelled import has_text, named_columns
from nlp.errors import CorpusError

TITLE, DECISIONS = "Title", "Decisions"
LONGEST = 10_000  # characters of one cell; more is not a headline's

Pairs = list[tuple[Any, Any]]


def entity_rows(table: pd.DataFrame, where: str) -> pd.DataFrame:
    """Return one row per entity: text, target (the entity), label as given, and the table's other columns.

    Decisions holds a JSON object, a Python dict literal of strings or a mapping; nothing in it is ever run. The
    index is the row of the table. A row without a title stays, without a target: checked_rows counts it.

    Raises:
        CorpusError: a column is missing or in the way, or a cell of Decisions is none of these, or empty.
    """
    taken = sorted({"label", "target"} & set(table.columns))
    if taken:
        raise CorpusError(f"{where}: has a column {taken[0]} as well as {DECISIONS}, which gives it too: drop one")
    rows = named_columns(table, where, {"text": TITLE, DECISIONS: DECISIONS})
    pairs = [
        _pairs(cell, f"{where}: row {number}") if titled else [(None, None)]
        for number, (cell, titled) in enumerate(zip(rows[DECISIONS], has_text(rows["text"]), strict=True), 1)
    ]
    each = list(chain.from_iterable(pairs))
    repeated = rows.drop(columns=DECISIONS).loc[rows.index.repeat([len(of_row) for of_row in pairs])]
    target, label = ([pair[side] for pair in each] for side in (0, 1))
    return repeated.assign(target=target, label=label)


def _pairs(cell: object, where: str) -> Pairs:
    pairs = list(cell.items()) if isinstance(cell, Mapping) else _read_pairs(cell)
    if not pairs or not all(isinstance(word, str) and word.strip() for pair in pairs for word in pair):
        shown = cell[:60] if isinstance(cell, str) else cell
        raise CorpusError(f"{where}: {DECISIONS} is {shown!r}: write {{'entity': 'positive', ...}}")
    return pairs


def _read_pairs(cell: object) -> Pairs:
    """Pairs and no dict, so that an entity given twice counts twice; none where the cell is not understood."""
    if not isinstance(cell, str) or len(cell) > LONGEST:
        return []
    try:
        found = json.loads(cell, object_pairs_hook=tuple)
        return list(found) if isinstance(found, tuple) else []
    except (ValueError, RecursionError):
        pass
    try:  # parsed, never run: names, calls and sums are no constants
        literal = ast.parse(cell.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return []
    if not isinstance(literal, ast.Dict):
        return []
    return [(_constant(key), _constant(value)) for key, value in zip(literal.keys, literal.values, strict=True)]


def _constant(node: ast.expr | None) -> object:
    return node.value if isinstance(node, ast.Constant) else None
