"""How good a classifier is: accuracy, macro-F1, MCC, Brier score and calibration, each with an interval."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from newsfolio.shared.arrays import BoolArray, FloatArray
from newsfolio.shared.tables import need_columns
from nlp.errors import CorpusError
from nlp.evaluation.bootstrap import (
    Interval,
    group_codes,
    headline_of,
    in_grains,
    per_label_table,
    plain_figures,
    resampled_sums,
)
from nlp.evaluation.calibration import (
    CalibrationNull,
    calibration_error,
    confidence_histogram,
    error_if_calibrated,
    gaps_by_bin,
    reliability_curve,
)
from nlp.evaluation.metrics import (
    accuracy_of,
    as_confusion,
    checked_codes,
    confusion_cells,
    confusion_of,
    f1_per_label,
    guesses,
    macro_f1,
    matthews,
    precision,
    recall,
    squared_errors,
)
from nlp.evaluation.multi_label import MultiLabelEvaluation, evaluate_multi_label
from nlp.labels import LABELS
from nlp.texts.near_duplicates import duplicate_groups

Probabilities = NDArray[np.float32]

NAMES = {"accuracy": "accuracy", "macro_f1": "macro-F1", "mcc": "MCC", "brier": "Brier", "ece": "ECE"}
PER_CLASS = ("precision", "recall", "f1")
OFF_ONE = 1e-3  # half precision sums to 1 no better
FEW = 30  # groups


class Predictor(Protocol):
    """Whatever gives probabilities: a fine-tuned classifier, an ensemble of them, a baseline."""

    def predict_proba(self, texts: Sequence[str]) -> Probabilities:
        """Probabilities (texts × labels)."""


@dataclass(frozen=True)
class Evaluation:
    """Figures of one classifier on one labelled set, with 95 % bootstrap intervals.

    n texts in `groups` groups of near-duplicates, which the bootstrap draws whole. brier is in [0, 2], least is best;
    ece_if_calibrated is the calibration error that chance alone would show. per_class: label × precision, recall, f1
    (each with _low and _high) and support. confusion: truth × guess, counts. reliability and confidence: see
    reliability_curve and confidence_histogram. notes: what is undefined, or less certain than its interval suggests.
    """

    n: int
    groups: int
    accuracy: float
    accuracy_interval: Interval
    macro_f1: float
    macro_f1_interval: Interval
    mcc: float
    mcc_interval: Interval
    brier: float
    brier_interval: Interval
    ece: float
    ece_interval: Interval
    ece_if_calibrated: CalibrationNull
    per_class: pd.DataFrame
    confusion: pd.DataFrame
    reliability: pd.DataFrame
    confidence: pd.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def f1(self) -> dict[str, float]:
        """F1 per label."""
        return {str(label): float(value) for label, value in self.per_class["f1"].items()}

    @property
    def headline(self) -> dict[str, tuple[float, Interval]]:
        """The five figures of the whole, each with its interval."""
        return {name: (getattr(self, name), getattr(self, f"{name}_interval")) for name in NAMES}

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON; `confusion[truth][guess]` is a count."""
        flat: dict[str, Any] = {"n": self.n, "groups": self.groups}
        for name, (value, ends) in self.headline.items():
            flat |= {name: value, f"{name}_interval": list(ends)}
        # Each text has one label and one guess: then micro-F1 is the accuracy.
        flat |= {"micro_f1": self.accuracy, "micro_f1_interval": list(self.accuracy_interval)}
        rows = self.per_class.iterrows()
        return flat | {
            "ece_if_calibrated": self.ece_if_calibrated._asdict(),
            "f1": self.f1,
            "per_class": {
                str(label): {"support": int(row["support"])} | plain_figures(row, PER_CLASS) for label, row in rows
            },
            "confusion": {str(truth): row.to_dict() for truth, row in self.confusion.iterrows()},
            "reliability": self.reliability.reset_index().to_dict("records"),
            "confidence": self.confidence.to_dict("records"),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        """The figures, then the confusion matrix (rows: truth)."""
        lines = [f"{self.n:,} texts in {self.groups:,} groups of near-duplicates"]
        for name, (value, (low, high)) in self.headline.items():
            lines.append(f"{NAMES[name]:<9} {value:.3f}  (95 % {low:.3f} to {high:.3f})")
        lines += [f"F1 {label:<9} {value:.3f}" for label, value in self.f1.items()]
        lines += ["confusion (rows: truth, columns: guess)", self.confusion.to_string(), *self.notes]
        return "\n".join(lines)


def evaluate(classifier: Predictor, labelled: pd.DataFrame, *, seed: int = 0) -> Evaluation | MultiLabelEvaluation:
    """Score the rows of `labelled` (text, label: see read_labelled) and compare; near-duplicates count as a group.

    A MultiLabelEvaluation is what a classifier of a multi-label task gets. Texts that the classifier cannot read are
    left out, which the notes say.

    Raises:
        CorpusError: a column is missing, there are no rows, a label is unknown, or most texts cannot be read.
    """
    need_columns(labelled, ("text", "label"), "labelled texts", CorpusError)
    names, probabilities = getattr(classifier, "labels", LABELS), classifier.predict_proba(list(labelled["text"]))
    read = readable_rows(probabilities)
    probabilities, labels = probabilities[read], labelled["label"][read]
    groups = duplicate_groups(list(labelled["text"][read]))
    found: Evaluation | MultiLabelEvaluation
    if getattr(classifier, "multi_label", False):
        found = evaluate_multi_label(probabilities, labels, names=names, groups=groups, seed=seed)
    else:
        found = evaluate_probabilities(probabilities, labels, names=names, groups=groups, seed=seed)
    return found if read.all() else replace(found, notes=(*found.notes, left_out(read)))


def readable_rows(*probabilities: Probabilities) -> BoolArray:
    """Return which rows all of these classifiers have an answer for; of a text that it cannot read, one has NaN.

    Raises:
        CorpusError: for most rows one of them has none.
    """
    read = np.asarray(np.all([~np.isnan(each).any(axis=1) for each in probabilities], axis=0))
    if 2 * int(read.sum()) < len(read):
        raise CorpusError(
            f"{int((~read).sum()):,} of {len(read):,} labelled texts are in words that the model does not know: test "
            "one that knows their language (newsfolio finetune --base with a multilingual encoder)"
        )
    return read


def left_out(read: BoolArray) -> str:
    """What a reader must know where not all texts could be read."""
    return f"{int((~read).sum()):,} of {len(read):,} texts are left out: the model does not know their words."


def evaluate_probabilities(
    probabilities: Probabilities,
    labels: pd.Series,
    *,
    names: Sequence[str] = LABELS,
    groups: ArrayLike | None = None,
    seed: int = 0,
) -> Evaluation:
    """Compare probabilities (texts × names) with labels.

    groups: one number per text (see duplicate_groups); the bootstrap draws whole groups, as near-duplicates are
    right or wrong together. None draws single texts.

    Raises:
        CorpusError: no texts, an unknown label, not one group or not one row of probabilities per label.
    """
    truth, n_labels = checked_codes(probabilities, labels, names), len(names)
    off = (probabilities < 0.0).any(axis=1) | (np.abs(probabilities.sum(axis=1) - 1.0) > OFF_ONE)
    if off.any():
        row = int(off.argmax())
        shown = ", ".join(f"{value:g}" for value in probabilities[row].tolist())
        raise CorpusError(
            f"row {row + 1}: {shown} are no probabilities, which sum to 1: pass those of predict_proba, not logits "
            f"({int(off.sum())} such rows)"
        )
    guess = guesses(probabilities)
    errors = in_grains(squared_errors(probabilities, truth))
    sums = np.column_stack([confusion_cells(truth, guess, n_labels), errors, gaps_by_bin(probabilities, truth)])
    value, drawn = (_figures(each, n_labels**2) for each in (sums.sum(axis=0), resampled_sums(sums, groups, seed)))
    headline = headline_of(value, drawn, NAMES)
    headline["ece_interval"] = _error_interval(drawn["ece"], headline["ece"])
    confusion, clusters = confusion_of(truth, guess, n_labels), int(group_codes(groups, len(truth)).max()) + 1
    return Evaluation(
        n=len(truth),
        groups=clusters,
        **headline,
        ece_if_calibrated=error_if_calibrated(probabilities, groups, seed=seed),
        per_class=per_label_table(value, drawn, PER_CLASS, names).assign(support=confusion.sum(axis=1)),
        confusion=pd.DataFrame(confusion, index=list(names), columns=list(names)),
        reliability=reliability_curve(probabilities, truth, groups=groups),
        confidence=confidence_histogram(probabilities, truth),
        notes=tuple(_notes(confusion, clusters, names)),
    )


def _figures(sums: FloatArray, cells: int) -> dict[str, FloatArray]:
    """Figures (... or ... × label) from sums of confusion cells, squared errors and gaps by bin (... × columns)."""
    confusion, n = as_confusion(sums[..., :cells]), sums[..., :cells].sum(axis=-1)
    return {
        "accuracy": accuracy_of(confusion),
        "macro_f1": macro_f1(confusion),
        "mcc": matthews(confusion),
        "brier": sums[..., cells] / n,
        "ece": calibration_error(sums[..., cells + 1 :], n),
        "precision": precision(confusion),
        "recall": recall(confusion),
        "f1": f1_per_label(confusion),
    }


def _error_interval(draws: FloatArray, figure: float) -> Interval:
    """Chance raises a mean of absolute values, so the figure is too high, and the draws, of it in turn, too high twice.

    The lower end takes the excess off (the basic bootstrap: A. Davison and D. Hinkley, 1997, section 5.2); the upper
    one only moves the draws to the figure, as that is what the interval should contain.
    """
    high = float(np.quantile(draws, 0.975))
    low = float(np.clip(2.0 * figure - high, 0.0, figure))
    return Interval(low, float(np.clip(high - draws.mean() + figure, figure, 1.0)))


def _notes(confusion: NDArray[np.int64], groups: int, names: Sequence[str]) -> list[str]:
    """What a reader must know before trusting a figure: what is undefined, and where an interval is too narrow."""
    texts, guessed = confusion.sum(axis=1), confusion.sum(axis=0)
    absent = [label for label, count in zip(names, texts, strict=True) if not count]
    unguessed = [label for label, count in zip(names, guessed, strict=True) if not count]
    notes = []
    if absent:
        notes.append(
            f"No text is {' or '.join(absent)}: recall is undefined there, and its F1 of 0 lowers the macro-F1."
        )
    if unguessed:
        notes.append(f"No guess is {' or '.join(unguessed)}: precision is undefined there and given as 0.")
    if len(names) - 1 in (len(absent), len(unguessed)):
        notes.append("MCC is undefined where all texts or all guesses have one label, and given as 0.")
    if np.trace(confusion) == confusion.sum():
        notes.append(
            "No text is wrong: the bootstrap cannot show errors that it never saw. Were the accuracy "
            f"{0.025 ** (1 / groups):.3f}, so many texts without an error would still come up once in forty times."
        )
    if groups < FEW:
        notes.append(f"Only {groups} texts that are no near-duplicates: the intervals are too narrow.")
    return notes
