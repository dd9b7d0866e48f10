"""Public corpora that lie beside another, known by the names they are spread under."""

import logging
from collections.abc import Collection
from pathlib import Path

import pandas as pd

log = logging.getLogger(__name__)

# By name, never whatever lies there: another labelled file beside the training texts may be the test.
PUBLIC = ("phrasebank", "twitter_financial_news", "fiqa_sentiment")
MOST = 1000  # texts of each: in-domain ones are worth more, and the time of a training is bounded


def public_beside(file: Path, endings: Collection[str], *, taken: Collection[str]) -> list[Path]:
    """Return the public corpora in the folder of `file`, in the order of PUBLIC, without those `taken` (names).

    One that lies there in several forms counts once, in the first of the `endings`.
    """
    forms = ([file.with_name(f"{name}{ending}") for ending in endings] for name in PUBLIC if name not in taken)
    found = (next(filter(Path.is_file, places), None) for places in forms)
    return [place for place in found if place]


def at_most(rows: pd.DataFrame, most: int, name: str, seed: int) -> pd.DataFrame:
    """Return so many of the rows, drawn at random; all where there are no more. What is left out is told in the log."""
    if len(rows) <= most:
        return rows
    log.warning("%s: %d of %d texts drawn", name, most, len(rows))
    return rows.sample(most, random_state=seed).reset_index(drop=True)
