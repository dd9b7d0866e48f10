"""Label sets: that of tone, what the labels of published corpora mean, and those that a corpus brings itself."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from nlp.errors import CorpusError

TONE = "tone"  # the task of LABELS; the label sets of other tasks come from their corpora
LABELS = ("negative", "neutral", "positive")
MOST_LABELS = 100  # of one task: more are the values of another column, or texts
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


def label_set(labels: pd.Series) -> tuple[str, ...]:
    """Return the different labels of a corpus, sorted.

    Raises:
        CorpusError: one is no text, there is one only, or there are more than MOST_LABELS.
    """
    wrong = [label for label in labels if not isinstance(label, str) or not label.strip()]
    if wrong:
        raise CorpusError(f"the label {wrong[0]!r} is no text ({len(wrong)} such rows): give each row a name")
    found = tuple(sorted(set(labels)))
    if len(found) < 2:
        raise CorpusError(f"all texts have the label {', '.join(found) or 'none'}: a classifier needs two or more")
    if len(found) > MOST_LABELS:
        raise CorpusError(f"there are {len(found):,} different labels, at most {MOST_LABELS} are possible: merge some")
    return found


def label_codes(labels: pd.Series, where: str = "labels", *, known: Sequence[str] = LABELS) -> np.ndarray:
    """Positions of labels in `known`, as int64.

    Raises:
        CorpusError: a label is none of them.
    """
    codes = pd.Index(known).get_indexer(pd.Index(labels)).astype(np.int64)
    unknown = np.flatnonzero(codes < 0)
    if len(unknown):
        raise CorpusError(
            f"{where}: row {unknown[0] + 1}: label {pd.Index(labels)[unknown[0]]!r} is none of {', '.join(known)}: "
            "see read_labelled"
        )
    return codes


def need_all_labels(codes: np.ndarray, names: Sequence[str]) -> None:
    """Raise CorpusError where a label of `names` has no training text; codes: positions in `names`."""
    missing = [label for code, label in enumerate(names) if code not in codes]
    if missing:
        raise CorpusError(f"no training text is labelled {', '.join(missing)}: all of {', '.join(names)} are needed")
