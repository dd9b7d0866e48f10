"""The labels of sentiment, what those of published corpora mean, and label maps written on one line."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from nlp.errors import CorpusError

LABELS = ("negative", "neutral", "positive")
LABEL_MAP: Mapping[str, str] = {label: label for label in LABELS} | {"bearish": "negative", "bullish": "positive"}

# Numbers mean another label in each corpus, so none is guessed: these are two of the most used, for read_labelled.
TWITTER_NEWS_LABELS: Mapping[int, str] = {0: "negative", 1: "positive", 2: "neutral"}  # bearish, bullish, neutral
PHRASEBANK_HUB_LABELS: Mapping[int, str] = {0: "negative", 1: "neutral", 2: "positive"}


def parse_label_map(line: str) -> dict[str, str]:
    """Return the label map of a line such as "0=bearish, 1=bullish, 2=neutral", for the command line.

    Raises:
        CorpusError: a part is not of the form theirs=ours, ours is not known, or one of theirs occurs twice.
    """
    found: dict[str, str] = {}
    for part in line.split(","):
        theirs, _, ours = (word.strip().lower() for word in part.partition("="))
        if not theirs or ours not in LABEL_MAP:
            known = ", ".join(LABEL_MAP)
            raise CorpusError(f"{part.strip()!r} is no label and its meaning: write 0=negative; known are {known}")
        if theirs in found:
            raise CorpusError(f"the label {theirs!r} is given two meanings: leave one")
        found[theirs] = LABEL_MAP[ours]
    return found


def label_codes(labels: pd.Series, where: str = "labels") -> np.ndarray:
    """Positions of labels in LABELS, as int64.

    Raises:
        CorpusError: a label is none of them.
    """
    codes = pd.Index(LABELS).get_indexer(pd.Index(labels)).astype(np.int64)
    unknown = np.flatnonzero(codes < 0)
    if len(unknown):
        raise CorpusError(
            f"{where}: row {unknown[0] + 1}: label {pd.Index(labels)[unknown[0]]!r} is none of {', '.join(LABELS)}: "
            "see read_labelled"
        )
    return codes
