"""The rules by which headlines are read, from the table beside this file."""

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from newsfolio.shared.arrays import BoolArray
from nlp.events.days import MONTH, WEEKDAY

EVENT_KINDS = (
    "results", "results-to-come", "guidance", "merger", "stake", "dividend", "buyback", "split", "offering", "legal",
    "product", "management", "rating", "insolvency", "macro",
)  # fmt: skip
TABLE = Path(__file__).parent / "data" / "rules.toml"  # its first lines say how it is read


class Rule(NamedTuple):
    """A headline in which `pattern` occurs and `unless` does not reports an event of this kind.

    before: kinds that rule it out where rules further up the table found them.
    """

    event: str
    name: str
    pattern: str
    unless: str = ""
    before: tuple[str, ...] = ()


@cache
def event_rules() -> tuple[Rule, ...]:
    """Return the rules in the order in which they are tried."""
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    words = {"MONTH": MONTH, "WEEKDAY": WEEKDAY, **table["words"]}
    return tuple(
        Rule(
            event=row["event"],
            name=row["name"],
            pattern=_spelled_out(row["pattern"], words),
            unless=_spelled_out(row.get("unless", ""), words),
            before=tuple(row.get("before", ())),
        )
        for row in table["rule"]
    )


def _spelled_out(pattern: str, words: dict[str, str]) -> str:
    """The pattern with its lines joined, words in place of their names and gaps in place of <n>."""
    joined = "".join(line.strip() for line in pattern.splitlines())
    named = re.sub(r"\{([A-Z]+)\}", lambda found: _spelled_out(words[found[1]], words), joined)
    return re.sub(r"<(\d)>", lambda found: rf"\s+(?:\S+\s+){{0,{found[1]}}}?", named)


def matching(texts: pa.Array, pattern: str) -> BoolArray:
    """Return in which texts (none missing) a pattern of the table occurs; RE2 reads a million texts in a second."""
    found = pc.match_substring_regex(texts, pattern, ignore_case=True)
    return np.asarray(found.to_numpy(zero_copy_only=False))
