"""What each text is trained towards: probabilities of the labels, and how much the text counts."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nlp.corpora.phrasebank import share_agreeing
from nlp.errors import CorpusError
from nlp.labels import LABELS, label_codes, label_matrix

Targets = NDArray[np.float32]
# Of the votes against a label, in the order negative, neutral, positive: who gets them.
_NEXT = np.array([[0.0, 1.0, 0.0], [0.5, 0.0, 0.5], [0.0, 1.0, 0.0]], dtype=np.float32)


def class_weights(
    codes: NDArray[np.int64], power: float, counts: Targets | None = None, *, n_labels: int = len(LABELS)
) -> Targets:
    """Return (1 / label frequency)^power per label, scaled so that the mean over the texts is 1.

    counts: how much each text counts; by default 1.
    """
    totals = np.bincount(codes, weights=counts, minlength=n_labels)
    weights = (totals.sum() / totals) ** power
    return np.asarray(weights / (weights * totals).sum() * totals.sum(), dtype=np.float32)


def targets(rows: pd.DataFrame, *, soft: bool = False, names: Sequence[str] = LABELS) -> Targets:
    """Return texts × labels: 1 at the text's label, or less where annotators disagreed and `soft` is true.

    The share of annotators behind the label is read from the column `agree` (see share_agreeing); the others'
    votes are not published. They are given to the labels next to it, in the order negative, neutral, positive: who
    does not read a text as positive reads it as neutral, and the votes against neutral are halved between both
    sides. Each row sums to 1. Labels of other tasks have no such order: theirs are never soft.
    """
    codes = label_codes(rows["label"], known=names)
    certain = np.eye(len(names), dtype=np.float32)
    if not soft or "agree" not in rows or tuple(names) != LABELS:
        return np.asarray(certain[codes])
    share = share_agreeing(rows).to_numpy(np.float32)[:, None]
    return np.asarray(share * certain[codes] + (1.0 - share) * _NEXT[codes], dtype=np.float32)


def binary_targets(rows: pd.DataFrame, names: Sequence[str]) -> Targets:
    """Return texts × labels × 2: 0 and 1 at a label that the text has, 1 and 0 at the others."""
    yes = label_matrix(rows["label"], known=names)
    return np.stack([~yes, yes], axis=-1).astype(np.float32)


def row_weights(rows: pd.DataFrame) -> Targets:
    """Return the column `weight`, scaled to the mean 1; all 1 where there is none.

    Raises:
        CorpusError: a weight is missing, negative or infinite, or all are 0.
    """
    if "weight" not in rows:
        return np.ones(len(rows), dtype=np.float32)
    weights = pd.to_numeric(rows["weight"], errors="coerce").to_numpy(np.float64)
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(wrong):
        raise CorpusError(f"row {wrong[0] + 1}: the weight is {rows['weight'].iloc[wrong[0]]}: give a number >= 0")
    if not weights.any():
        raise CorpusError("all weights are 0: no text would count")
    return np.asarray(weights / weights.mean(), dtype=np.float32)
