"""How good a classifier is: accuracy, macro-F1 and calibration, each with an interval."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nlp.corpora import LABELS, label_codes
from nlp.errors import CorpusError
from nlp.tables import need_columns

if TYPE_CHECKING:
    from nlp.ensemble import Classifier

BINS = 15
DRAWS = 1000
Probabilities = NDArray[np.float32]
Codes = NDArray[np.int64]
Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """Lower and upper end."""

    low: float
    high: float


@dataclass(frozen=True)
class Evaluation:
    """Figures of one classifier on one labelled set, with 95 % bootstrap intervals; f1 is per label."""

    n: int
    accuracy: float
    accuracy_interval: Interval
    macro_f1: float
    macro_f1_interval: Interval
    ece: float
    ece_interval: Interval
    f1: dict[str, float]
    confusion: pd.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON; confusion[truth][guess] is a count."""
        counts = {str(truth): row.to_dict() for truth, row in self.confusion.iterrows()}
        return {
            "n": self.n,
            "accuracy": self.accuracy, "accuracy_interval": list(self.accuracy_interval),
            "macro_f1": self.macro_f1, "macro_f1_interval": list(self.macro_f1_interval),
            "ece": self.ece, "ece_interval": list(self.ece_interval),
            "f1": self.f1, "confusion": counts,
        }  # fmt: skip

    def __str__(self) -> str:
        """The figures, then the confusion matrix (rows: truth)."""
        lines = [f"{self.n:,} texts"]
        for name, value, (low, high) in (
            ("accuracy", self.accuracy, self.accuracy_interval),
            ("macro-F1", self.macro_f1, self.macro_f1_interval),
            ("ECE", self.ece, self.ece_interval),
        ):
            lines.append(f"{name:<9} {value:.3f}  (95 % {low:.3f} to {high:.3f})")
        lines += [f"F1 {label:<9} {value:.3f}" for label, value in self.f1.items()]
        return "\n".join([*lines, "confusion (rows: truth, columns: guess)", self.confusion.to_string()])


def evaluate(classifier: "Classifier", labelled: pd.DataFrame, *, seed: int = 0) -> Evaluation:
    """Score the rows of `labelled` (text, label: see read_labelled) and compare.

    Raises:
        CorpusError: a column is missing, there are no rows, or a label is unknown.
    """
    need_columns(labelled, ("text", "label"), "labelled texts", CorpusError)
    return evaluate_probabilities(classifier.predict_proba(list(labelled["text"])), labelled["label"], seed=seed)


def evaluate_probabilities(probabilities: Probabilities, labels: pd.Series, *, seed: int = 0) -> Evaluation:
    """Compare probabilities (texts × 3: negative, neutral, positive) with labels.

    The intervals are those of the bootstrap over texts; that of the calibration error is moved to be centred on
    the figure, as drawing anew adds noise to a mean of absolute values and so raises it.

    Raises:
        CorpusError: no texts, an unknown label, or not one row of three probabilities per label.
    """
    truth = label_codes(labels)
    _check_shape(probabilities, len(truth))
    rows = _sorted_rows(probabilities, truth)
    confusion, ece = confusion_of(truth, probabilities.argmax(axis=1)), rows.ece()
    drawn = _drawn(rows, seed)
    per_label = f1_per_label(confusion)
    return Evaluation(
        n=len(truth),
        accuracy=float(accuracy_of(confusion)), accuracy_interval=_interval(accuracy_of(drawn.confusion)),
        macro_f1=float(per_label.mean()), macro_f1_interval=_interval(f1_per_label(drawn.confusion).mean(axis=-1)),
        ece=ece, ece_interval=_interval(np.clip(drawn.ece - drawn.ece.mean() + ece, 0.0, 1.0)),
        f1=dict(zip(LABELS, map(float, per_label), strict=True)),
        confusion=pd.DataFrame(confusion, index=LABELS, columns=LABELS),
    )  # fmt: skip


def confusion_of(truth: Codes, guess: Codes) -> Codes:
    """Counts of texts (truth × guess), both as positions in LABELS."""
    return np.bincount(_cells(truth, guess), minlength=len(LABELS) ** 2).reshape(len(LABELS), len(LABELS))


def accuracy_of(confusion: NDArray[Any]) -> Floats:
    """Share of texts on the diagonal of one confusion matrix, or of each of many (... × truth × guess)."""
    return np.asarray(np.trace(confusion, axis1=-2, axis2=-1) / confusion.sum(axis=(-2, -1)))


def f1_per_label(confusion: NDArray[Any]) -> Floats:
    """Harmonic mean of precision and recall per label (... × label); 0 for a label that neither side knows."""
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    told_and_true = confusion.sum(axis=-2) + confusion.sum(axis=-1)
    return np.asarray(2.0 * right / np.maximum(told_and_true, 1))


def expected_calibration_error(probabilities: Probabilities, truth: Codes, bins: int = BINS) -> float:
    """Mean gap between confidence and accuracy over bins of equal mass, weighted by their size.

    M. Naeini, G. Cooper and M. Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning",
    AAAI 2015, with bins of (nearly) equal counts instead of equal width. Equal confidences share a bin.
    """
    return _sorted_rows(probabilities, truth).ece(bins=bins)


def _cells(truth: Codes, guess: Codes) -> Codes:
    return truth * len(LABELS) + guess


def _check_shape(probabilities: Probabilities, labels: int) -> None:
    if not labels:
        raise CorpusError("no labelled texts to compare with: pass at least one")
    if probabilities.shape != (labels, len(LABELS)):
        raise CorpusError(
            f"probabilities are {' × '.join(map(str, probabilities.shape))}, needed are {labels} × {len(LABELS)}: "
            f"one row per label with those of {', '.join(LABELS)}"
        )


class _Drawn(NamedTuple):
    """Confusion matrices (draws × truth × guess) and calibration errors (draws) of the bootstrap."""

    confusion: Floats
    ece: Floats


@dataclass(frozen=True)
class _SortedRows:
    """Texts by confidence: cell of the confusion matrix, confidence - right, first text of equal confidence.

    Sorted once, so that each of a thousand draws is a count per text and costs no further sorting.
    """

    cell: Codes
    gap: Floats
    first: Codes

    def ece(self, times: Codes | None = None, bins: int = BINS) -> float:
        """The calibration error where each text occurs `times` times, once unless told."""
        times = np.ones(len(self.gap), dtype=np.int64) if times is None else times
        n = times.sum()
        rank = (np.cumsum(times) - times)[self.first]
        return float(np.abs(np.bincount(rank * bins // n, weights=times * self.gap)).sum() / n)


def _sorted_rows(probabilities: Probabilities, truth: Codes) -> _SortedRows:
    guess, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1).astype(np.float64)
    cell = _cells(truth, guess)
    order = np.lexsort((cell, confidence))  # what still ties is alike: the order of rows cannot show
    sorted_confidence = confidence[order]
    gap = sorted_confidence - (guess == truth)[order]
    return _SortedRows(cell[order], gap, np.searchsorted(sorted_confidence, sorted_confidence))


def _drawn(rows: _SortedRows, seed: int) -> _Drawn:
    """Draw as many texts as there are, with replacement, one draw after the other: together they fill gigabytes."""
    random, n = np.random.default_rng(seed), len(rows.cell)
    cells, ece = np.empty((DRAWS, len(LABELS) ** 2)), np.empty(DRAWS)
    for draw in range(DRAWS):
        times = np.bincount(random.integers(0, n, n), minlength=n)
        cells[draw] = np.bincount(rows.cell, weights=times, minlength=len(LABELS) ** 2)
        ece[draw] = rows.ece(times)
    return _Drawn(cells.reshape(DRAWS, len(LABELS), len(LABELS)), ece)


def _interval(draws: Floats) -> Interval:
    low, high = np.quantile(draws, [0.025, 0.975])
    return Interval(float(low), float(high))
