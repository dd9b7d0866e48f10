"""Figures of a classifier from counts of truth × guess: each takes one confusion matrix, or a stack of them.

Where a figure is undefined (no text of a label, no guess of it, a constant side) it is 0 here, as in scikit-learn with
zero_division=0; `evaluate` says which these are.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from newsfolio.shared.arrays import FloatArray, IntArray
from nlp.errors import CorpusError
from nlp.labels import LABELS, label_codes, label_matrix

YES = 0.5  # the probability from which a label of a multi-label task is guessed
Scores = NDArray[np.float32] | FloatArray
Counts = IntArray | FloatArray


def checked_codes(scores: Scores, labels: pd.Series, names: Sequence[str] = LABELS) -> IntArray:
    """Return the labels as positions in `names` after the checks that figures need; scores: probabilities or logits.

    Raises:
        CorpusError: no texts, an unknown label, or scores that are not (texts × names) and finite.
    """
    codes = np.asarray(label_codes(labels, known=names), dtype=np.int64)
    _check_shape(scores, len(codes), names)
    return codes


def checked_matrix(probabilities: Scores, labels: pd.Series, names: Sequence[str]) -> NDArray[np.bool_]:
    """Return which labels each text has (texts × names) after the checks that figures of multi-label tasks need.

    Raises:
        CorpusError: no texts, an unknown label, or no probabilities (texts × names).
    """
    matrix = label_matrix(labels, known=names)
    _check_shape(probabilities, len(matrix), names)
    off = ((probabilities < 0.0) | (probabilities > 1.0)).any(axis=1)
    if off.any():
        row = int(off.argmax())
        shown = ", ".join(f"{value:g}" for value in probabilities[row].tolist()[:5])
        raise CorpusError(
            f"row {row + 1}: {shown} are no probabilities: pass those of predict_proba, not logits "
            f"({int(off.sum())} such rows)"
        )
    return matrix


def _check_shape(scores: Scores, rows: int, names: Sequence[str]) -> None:
    if not rows:
        raise CorpusError("no labelled texts to compare with: pass at least one")
    if scores.shape != (rows, len(names)):
        raise CorpusError(
            f"probabilities are {' × '.join(map(str, scores.shape))}, needed are {rows} × {len(names)}: "
            f"one row per label with those of {', '.join(names)}"
        )
    if not np.isfinite(scores).all():
        raise CorpusError(f"row {int(np.argmin(np.isfinite(scores).all(axis=1))) + 1}: not a finite number")


def guesses(probabilities: Scores) -> IntArray:
    """The most probable label of each row, as a code."""
    return np.asarray(probabilities.argmax(axis=1), dtype=np.int64)


def confusion_of(truth: IntArray, guess: IntArray, n_labels: int = len(LABELS)) -> IntArray:
    """Counts of texts (truth × guess), both as codes."""
    return np.bincount(truth * n_labels + guess, minlength=n_labels**2).reshape(n_labels, n_labels)


def confusion_cells(truth: IntArray, guess: IntArray, n_labels: int = len(LABELS)) -> FloatArray:
    """Return one row per text with a 1 at its place in the flattened confusion matrix (texts × cells, truth first)."""
    cells = np.zeros((len(truth), n_labels**2))
    cells[np.arange(len(truth)), truth * n_labels + guess] = 1.0
    return cells


def as_confusion(cells: FloatArray) -> FloatArray:
    """Sums of `confusion_cells` (... × cells) as matrices (... × truth × guess)."""
    n_labels = math.isqrt(cells.shape[-1])
    return cells.reshape(*cells.shape[:-1], n_labels, n_labels)


def accuracy_of(confusion: Counts) -> FloatArray:
    """Share of texts on the diagonal of one confusion matrix, or of each of many (... × truth × guess)."""
    return np.asarray(np.trace(confusion, axis1=-2, axis2=-1) / confusion.sum(axis=(-2, -1)))


def precision(confusion: Counts) -> FloatArray:
    """Right guesses of a label over guesses of it (... × labels); 0 where it is never guessed."""
    return _ratio(_right(confusion), confusion.sum(axis=-2))


def recall(confusion: Counts) -> FloatArray:
    """Right guesses of a label over texts of it (... × labels); 0 where it never occurs."""
    return _ratio(_right(confusion), confusion.sum(axis=-1))


def f1_per_label(confusion: Counts) -> FloatArray:
    """Harmonic mean of precision and recall per label (... × labels); 0 for a label that neither side knows."""
    return _ratio(2.0 * _right(confusion), confusion.sum(axis=-2) + confusion.sum(axis=-1))


def macro_f1(confusion: Counts) -> FloatArray:
    """Mean F1 of the labels; one that neither occurs nor is guessed counts as 0."""
    return np.asarray(f1_per_label(confusion).mean(axis=-1))


def matthews(confusion: Counts) -> FloatArray:
    """Matthews correlation of truth and guess, in [-1, 1]; 0 where either is constant.

    J. Gorodkin, "Comparing two K-category assignments by a K-category correlation coefficient", 2004: the
    covariance (right · n - sum of texts_k · guesses_k) over the root of the two variances.
    """
    n = confusion.sum(axis=(-2, -1))
    texts, guessed = confusion.sum(axis=-1), confusion.sum(axis=-2)
    covariance = _right(confusion).sum(axis=-1) * n - (texts * guessed).sum(axis=-1)
    # Two roots, as the product of the two variances of a million texts would overflow whole numbers.
    spread = np.sqrt(n**2 - (texts**2).sum(axis=-1)) * np.sqrt(n**2 - (guessed**2).sum(axis=-1))
    return _ratio(covariance, spread)


def label_counts(truth: NDArray[np.bool_], guess: NDArray[np.bool_]) -> FloatArray:
    """Per text and label 1 where it was found, guessed falsely or missed (texts × labels × 3)."""
    return np.stack([truth & guess, guess & ~truth, truth & ~guess], axis=-1).astype(np.float64)


def figures_of_counts(counts: FloatArray, occurs: NDArray[np.bool_]) -> dict[str, FloatArray]:
    """Figures of sums of `label_counts` (... × labels × 3): macro_f1, micro_f1 and, per label, precision, recall, f1.

    occurs: (labels,), those of which the macro-F1 is the mean: without a text of it a label has no recall.
    """
    found, false, missed = np.moveaxis(counts, -1, 0)
    f1 = _ratio(2.0 * found, 2.0 * found + false + missed)
    total = counts.sum(axis=-2)
    return {
        "macro_f1": np.asarray(f1[..., occurs].mean(axis=-1)),
        "micro_f1": _ratio(2.0 * total[..., 0], 2.0 * total[..., 0] + total[..., 1] + total[..., 2]),
        "precision": _ratio(found, found + false),
        "recall": _ratio(found, found + missed),
        "f1": f1,
    }


@dataclass(frozen=True)
class Outcome:
    """What a classifier got right: right, per text, and sums over rows of `cells` from which figures are computed."""

    right: NDArray[np.bool_]
    cells: FloatArray
    accuracy: Callable[[FloatArray], FloatArray]
    macro_f1: Callable[[FloatArray], FloatArray]


def outcome(probabilities: Scores, labels: pd.Series, names: Sequence[str], *, multi_label: bool = False) -> Outcome:
    """Compare guesses with labels; of a multi-label task a text is right where all its labels are.

    Raises:
        CorpusError: see checked_codes and checked_matrix.
    """
    if not multi_label:
        truth, guess = checked_codes(probabilities, labels, names), guesses(probabilities)
        return Outcome(
            right=guess == truth,
            cells=confusion_cells(truth, guess, len(names)),
            accuracy=lambda sums: accuracy_of(as_confusion(sums)),
            macro_f1=lambda sums: macro_f1(as_confusion(sums)),
        )
    matrix = checked_matrix(probabilities, labels, names)
    chosen, occurs = probabilities >= YES, np.asarray(matrix.any(axis=0))
    right = (chosen == matrix).all(axis=1)
    counts = label_counts(matrix, chosen).reshape(len(matrix), -1)

    def macro(sums: FloatArray) -> FloatArray:
        """That of sums of the cells behind the first two."""
        per_label = sums[..., 2:].reshape(*sums.shape[:-1], len(names), 3)
        return figures_of_counts(per_label, occurs)["macro_f1"]

    return Outcome(
        right=right,
        cells=np.column_stack([np.ones(len(matrix)), right, counts]),
        accuracy=lambda sums: np.asarray(sums[..., 1] / sums[..., 0]),
        macro_f1=macro,
    )


def squared_errors(probabilities: Scores, truth: IntArray) -> FloatArray:
    """Squared distance of each row to its one-hot label, in [0, 2]; its mean is the score of G. Brier, 1950."""
    wanted = np.eye(probabilities.shape[1])[truth]
    return np.asarray(((probabilities.astype(np.float64) - wanted) ** 2).sum(axis=1))


def _right(confusion: Counts) -> FloatArray:
    return np.asarray(np.diagonal(confusion, axis1=-2, axis2=-1), dtype=np.float64)


def _ratio(part: FloatArray, whole: Counts) -> FloatArray:
    return np.asarray(np.divide(part, whole, out=np.zeros(np.shape(part)), where=whole > 0))
