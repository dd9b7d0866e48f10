"""Label sets: that of tone, what the labels of published corpora mean, and those that a corpus brings itself."""

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nlp.errors import CorpusError

TONE = "tone"  # the task of LABELS; the label sets of other tasks come from their corpora
LABELS = ("negative", "neutral", "positive")
MOST_LABELS = 100  # of one task: more are the values of another column, or texts
DIVIDER_TEXT = "|"  # between the labels of one text
DIVIDER = re.compile(r"(?<!\s)\|(?!\s)")
HALF_BAR = re.compile(r"(?<=\s)\|(?=\S)|(?<=\S)\|(?=\s)")
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


def divided(label: object) -> tuple[str, ...]:
    """Return the names in one cell of labels, sorted: `|` with no blank on either side divides them.

    " | " is part of a name, as in "Company | Product News".

    Raises:
        CorpusError: the cell is no text, a name is empty, or a `|` has a blank on one side only.
    """
    if not isinstance(label, str) or not label.strip():
        raise CorpusError(f"the label {label!r} is no text: give each row a name")
    if HALF_BAR.search(label):
        raise CorpusError(
            f"the label {label!r} has a | with a blank on one side: write a|b for two labels, 'a | b' for one name"
        )
    found = DIVIDER.split(label)
    if not all(found):
        raise CorpusError(f"the label {label!r} has an empty name before or after a |: leave that | out")
    return tuple(sorted({name.strip() for name in found}))


def joined(names: Iterable[str]) -> str:
    """Return labels as one cell, so that `divided` gives them back."""
    return DIVIDER_TEXT.join(sorted(names))


def has_several(labels: pd.Series) -> bool:
    """Whether a column of labels is multi-label: any cell names several, see `divided`."""
    return any(isinstance(label, str) and DIVIDER.search(label) is not None for label in labels.unique())


def label_set(labels: pd.Series, *, multi_label: bool = False) -> tuple[str, ...]:
    """Return the different labels of a corpus, sorted.

    Raises:
        CorpusError: one is no text, there is one only, or there are more than MOST_LABELS.
    """
    wrong = [label for label in labels if not isinstance(label, str) or not label.strip()]
    if wrong:
        raise CorpusError(f"the label {wrong[0]!r} is no text ({len(wrong)} such rows): give each row a name")
    cells = set(labels)
    found = tuple(sorted({name for cell in cells for name in divided(cell)} if multi_label else cells))
    if len(found) < 2:
        raise CorpusError(f"all texts have the label {', '.join(found) or 'none'}: a classifier needs two or more")
    if len(found) > MOST_LABELS:
        raise CorpusError(f"there are {len(found):,} different labels, at most {MOST_LABELS} are possible: merge some")
    return found


def label_matrix(labels: pd.Series, where: str = "labels", *, known: Sequence[str]) -> NDArray[np.bool_]:
    """Which of `known` each cell names (texts × known), for multi-label tasks.

    Raises:
        CorpusError: a cell names another, or none.
    """
    place = {name: code for code, name in enumerate(known)}
    matrix = np.zeros((len(labels), len(known)), dtype=bool)
    for row, cell in enumerate(labels):
        for name in divided(cell):
            if name not in place:
                raise CorpusError(f"{where}: row {row + 1}: label {name!r} is none of {', '.join(known)}")
            matrix[row, place[name]] = True
    return matrix


def label_codes(labels: pd.Series, where: str = "labels", *, known: Sequence[str] = LABELS) -> np.ndarray:
    """Positions of labels in `known`, as int64.

    Raises:
        CorpusError: a label is none of them.
    """
    codes = pd.Index(known).get_indexer(pd.Index(labels)).astype(np.int64)
    unknown = np.flatnonzero(codes < 0)
    if len(unknown):
        wrong = str(pd.Index(labels)[unknown[0]])
        raise CorpusError(
            f"{where}: row {unknown[0] + 1}: label {wrong!r} is none of {', '.join(known)}: see read_labelled"
        )
    return codes


def need_all_labels(codes: np.ndarray, names: Sequence[str]) -> None:
    """Raise CorpusError where a label of `names` has no training text.

    codes: the position in `names` of each text's label, or 0 and 1 for several labels (texts × names).
    """
    found = np.flatnonzero(codes.any(axis=0)) if codes.ndim == 2 else codes
    missing = [label for code, label in enumerate(names) if code not in found]
    if missing:
        raise CorpusError(f"no training text is labelled {', '.join(missing)}: all of {', '.join(names)} are needed")
