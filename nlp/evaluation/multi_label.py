"""How good a multi-label classifier is: its figures count labels, not texts with one label each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from newsfolio.shared.arrays import FloatArray
from nlp.evaluation.bootstrap import (
    Interval,
    group_codes,
    headline_of,
    in_grains,
    per_label_table,
    plain_figures,
    resampled_sums,
)
from nlp.evaluation.metrics import YES, Scores, checked_matrix, figures_of_counts, label_counts

NAMES = {"accuracy": "accuracy", "macro_f1": "macro-F1", "micro_f1": "micro-F1", "brier": "Brier"}
PER_LABEL = ("precision", "recall", "f1")
MOST_NAMED = 8  # labels in a note


@dataclass(frozen=True)
class MultiLabelEvaluation:
    """Figures of one multi-label classifier on one labelled set, with 95 % bootstrap intervals.

    n texts in `groups` groups of near-duplicates, which the bootstrap draws whole. accuracy: share of texts all of
    whose labels are right and none too many. macro_f1: mean F1 of the labels that occur. micro_f1: F1 of all pairs of
    text and label together. brier: mean squared distance of a text's probabilities to its labels, 0 to the number of
    labels, least is best. per_class: label × precision, recall, f1 (each with _low and _high), support and guessed.
    """

    n: int
    groups: int
    accuracy: float
    accuracy_interval: Interval
    macro_f1: float
    macro_f1_interval: Interval
    micro_f1: float
    micro_f1_interval: Interval
    brier: float
    brier_interval: Interval
    per_class: pd.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def f1(self) -> dict[str, float]:
        """F1 per label."""
        return {str(label): float(value) for label, value in self.per_class["f1"].items()}

    @property
    def headline(self) -> dict[str, tuple[float, Interval]]:
        """The four figures of the whole, each with its interval."""
        return {name: (getattr(self, name), getattr(self, f"{name}_interval")) for name in NAMES}

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        flat: dict[str, Any] = {"n": self.n, "groups": self.groups, "multi_label": True}
        for name, (value, ends) in self.headline.items():
            flat |= {name: value, f"{name}_interval": list(ends)}
        per_label = {
            str(label): {"support": int(row["support"]), "guessed": int(row["guessed"])} | plain_figures(row, PER_LABEL)
            for label, row in self.per_class.iterrows()
        }
        return flat | {"f1": self.f1, "per_class": per_label, "notes": list(self.notes)}

    def __str__(self) -> str:
        """The figures, then the labels, commonest first."""
        lines = [f"{self.n:,} texts in {self.groups:,} groups of near-duplicates, several labels each"]
        for name, (value, (low, high)) in self.headline.items():
            lines.append(f"{NAMES[name]:<9} {value:.3f}  (95 % {low:.3f} to {high:.3f})")
        common = self.per_class.sort_values("support", ascending=False, kind="stable")
        lines += [f"F1 {label:<9} {row['f1']:.3f}  ({row['support']:.0f} texts)" for label, row in common.iterrows()]
        return "\n".join([*lines, *self.notes])


def evaluate_multi_label(
    probabilities: Scores,
    labels: pd.Series,
    *,
    names: Sequence[str],
    groups: ArrayLike | None = None,
    seed: int = 0,
) -> MultiLabelEvaluation:
    """Compare probabilities (texts × names) with cells of labels (see nlp.labels.divided).

    A label is guessed from a probability of 0.5 up. groups: as in `evaluate_probabilities`.

    Raises:
        CorpusError: no texts, an unknown label, or no probabilities in [0, 1] of one row per text.
    """
    truth = checked_matrix(probabilities, labels, names)
    guess, occurs = probabilities >= YES, np.asarray(truth.any(axis=0))
    errors = in_grains(((probabilities.astype(np.float64) - truth) ** 2).sum(axis=1))
    right, counts = (guess == truth).all(axis=1), label_counts(truth, guess).reshape(len(truth), -1)
    sums = np.column_stack([np.ones(len(truth)), right, errors, counts])
    value, drawn = (_figures(each, occurs) for each in (sums.sum(axis=0), resampled_sums(sums, groups, seed)))
    per_class = per_label_table(value, drawn, PER_LABEL, names)
    return MultiLabelEvaluation(
        n=len(truth),
        groups=int(group_codes(groups, len(truth)).max()) + 1,
        **headline_of(value, drawn, NAMES),
        per_class=per_class.assign(support=truth.sum(axis=0), guessed=guess.sum(axis=0)),
        notes=tuple(_notes(truth, guess, names)),
    )


def _figures(sums: FloatArray, occurs: NDArray[np.bool_]) -> dict[str, FloatArray]:
    """Figures (... or ... × label) from sums of texts, right ones, squared errors and counts per label."""
    n, counts = sums[..., 0], sums[..., 3:].reshape(*sums.shape[:-1], len(occurs), 3)
    return {"accuracy": sums[..., 1] / n, "brier": sums[..., 2] / n} | figures_of_counts(counts, occurs)


def _notes(truth: NDArray[np.bool_], guess: NDArray[np.bool_], names: Sequence[str]) -> list[str]:
    texts, guessed = truth.sum(axis=0).tolist(), guess.sum(axis=0).tolist()
    absent = [label for label, count in zip(names, texts, strict=True) if not count]
    unguessed = [label for label, of, by in zip(names, texts, guessed, strict=True) if of and not by]
    without = int((~guess.any(axis=1)).sum())
    notes = []
    if absent:
        notes.append(f"No text is {_named(absent)}: the macro-F1 is that of the other labels.")
    if unguessed:
        notes.append(f"No guess is {_named(unguessed)}: precision is undefined there and given as 0.")
    if without:
        notes.append(f"{without:,} texts get no label, as none has a probability of {YES:g}.")
    return notes


def _named(labels: Sequence[str]) -> str:
    more = len(labels) - MOST_NAMED
    return ", ".join(labels[:MOST_NAMED]) + (f" or {more} others" if more > 0 else "")
