"""How good a classifier is: accuracy, macro-F1 and calibration, each with an interval."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nlp.classifier import SentimentClassifier
from nlp.corpora import LABELS, label_codes

BINS = 15
DRAWS = 1000
Probabilities = NDArray[np.float32]
Codes = NDArray[np.int64]


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


def evaluate(classifier: SentimentClassifier, labelled: pd.DataFrame, *, seed: int = 0) -> Evaluation:
    """Score the rows of `labelled` (text, label: see read_labelled) and compare."""
    return evaluate_probabilities(classifier.predict_proba(list(labelled["text"])), labelled["label"], seed=seed)


def evaluate_probabilities(probabilities: Probabilities, labels: pd.Series, *, seed: int = 0) -> Evaluation:
    """Compare probabilities (texts × 3: negative, neutral, positive) with labels."""
    from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

    truth, guess = label_codes(labels), probabilities.argmax(axis=1)
    codes = range(len(LABELS))

    def macro_f1(rows: Codes) -> float:
        return float(f1_score(truth[rows], guess[rows], labels=codes, average="macro", zero_division=0.0))

    def accuracy(rows: Codes) -> float:
        return float(accuracy_score(truth[rows], guess[rows]))

    def ece(rows: Codes) -> float:
        return expected_calibration_error(probabilities[rows], truth[rows])

    everything = np.arange(len(truth))
    drawn = np.random.default_rng(seed).integers(0, len(truth), (DRAWS, len(truth)))
    per_label = f1_score(truth, guess, labels=codes, average=None, zero_division=0.0)
    return Evaluation(
        n=len(truth),
        accuracy=accuracy(everything), accuracy_interval=_interval(accuracy, drawn),
        macro_f1=macro_f1(everything), macro_f1_interval=_interval(macro_f1, drawn),
        ece=ece(everything), ece_interval=_interval(ece, drawn),
        f1=dict(zip(LABELS, map(float, per_label), strict=True)),
        confusion=pd.DataFrame(confusion_matrix(truth, guess, labels=codes), index=LABELS, columns=LABELS),
    )  # fmt: skip


def expected_calibration_error(probabilities: Probabilities, truth: Codes, bins: int = BINS) -> float:
    """Mean gap between confidence and accuracy over bins of equal mass, weighted by their size.

    M. Naeini, G. Cooper and M. Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning",
    AAAI 2015, with bins of (nearly) equal counts instead of equal width.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    gap = confidence - (probabilities.argmax(axis=1) == truth)
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(gap[order], min(bins, len(gap)))
    return float(sum(abs(part.sum()) for part in parts) / len(gap))


def _interval(figure: Any, drawn: Codes) -> Interval:
    low, high = np.quantile([figure(rows) for rows in drawn], [0.025, 0.975])
    return Interval(float(low), float(high))
