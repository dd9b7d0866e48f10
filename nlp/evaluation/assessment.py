"""All that one test says about a classifier: its figures, where it is good, and what it is compared with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from newsfolio.shared.tables import need_columns
from nlp.errors import CorpusError
from nlp.evaluation.bootstrap import plain_figures
from nlp.evaluation.breakdown import breakdowns
from nlp.evaluation.compare import Comparison, compare
from nlp.evaluation.evaluate import Evaluation, Probabilities, evaluate_probabilities
from nlp.evaluation.metrics import YES, checked_codes, checked_matrix, guesses
from nlp.evaluation.multi_label import MultiLabelEvaluation, evaluate_multi_label
from nlp.labels import LABELS, joined
from nlp.texts.near_duplicates import duplicate_groups

MOST_MISTAKES = 20


@dataclass(frozen=True)
class Rival:
    """Another classifier on the same texts; `comparison` has the assessed one first, this one second."""

    evaluation: Evaluation | MultiLabelEvaluation
    comparison: Comparison

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON: the figures, and the comparison."""
        return self.evaluation.to_dict() | {"comparison": self.comparison.to_dict()}


@dataclass(frozen=True)
class Assessment:
    """One classifier on one labelled set; rivals and breakdown are by name.

    mistakes: the most confident misclassifications: text, truth, guess, confidence and the probability of the truth.
    """

    name: str
    evaluation: Evaluation | MultiLabelEvaluation
    breakdown: dict[str, pd.DataFrame]
    mistakes: pd.DataFrame
    against: dict[str, Rival] = field(default_factory=dict)
    baselines: dict[str, Rival] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def rivals(self) -> list[tuple[str, Rival]]:
        """Name and figures of whatever the classifier is compared with: other models first."""
        return [*self.against.items(), *self.baselines.items()]

    @property
    def evaluations(self) -> list[tuple[str, Evaluation | MultiLabelEvaluation]]:
        """Name and figures of all, the assessed one first."""
        return [(self.name, self.evaluation), *((name, rival.evaluation) for name, rival in self.rivals)]

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON: the figures at the top, then breakdown, baselines and comparison.

        comparison is None where there is no other model, else its name as `against` and its figures.
        """
        other = None
        for name, rival in list(self.against.items())[:1]:
            figures = rival.to_dict()
            other = {"against": name, **figures.pop("comparison"), "figures": figures}
        return self.evaluation.to_dict() | {
            "model": self.name,
            "notes": [*self.evaluation.notes, *self.notes],
            "breakdown": {name: _plain(table) for name, table in self.breakdown.items()},
            "baselines": {name: rival.to_dict() for name, rival in self.baselines.items()},
            "comparison": other,
        }

    def __str__(self) -> str:
        """Everything as tables for people."""
        from nlp.evaluation.output.tables import as_text

        return as_text(self)


def assess(
    name: str,
    probabilities: Probabilities,
    labelled: pd.DataFrame,
    *,
    names: Sequence[str] = LABELS,
    multi_label: bool = False,
    against: Mapping[str, Probabilities] | None = None,
    baselines: Mapping[str, Probabilities] | None = None,
    notes: Sequence[str] = (),
    seed: int = 0,
) -> Assessment:
    """Compare probabilities (texts × names) with the rows of `labelled` (text, label), whole, by part and with others.

    against, baselines: probabilities of the very same texts by the name of who gave them. Near-duplicates among the
    texts are drawn together in every interval. notes: what else a reader must know, passed on. multi_label: whether a
    cell of `label` may name several, see `evaluate_multi_label`.

    Raises:
        CorpusError: a column is missing, there are no rows, a label is unknown, or shapes do not fit.
    """
    need_columns(labelled, ("text", "label"), "labelled texts", CorpusError)
    labels, groups = labelled["label"], duplicate_groups(list(labelled["text"]))

    def _evaluated(given: Probabilities) -> Evaluation | MultiLabelEvaluation:
        figures = evaluate_multi_label if multi_label else evaluate_probabilities
        return figures(given, labels, names=names, groups=groups, seed=seed)

    def _rivals(others: Mapping[str, Probabilities] | None) -> dict[str, Rival]:
        return {
            other: Rival(
                _evaluated(given),
                compare(probabilities, given, labels, names=names, multi_label=multi_label, groups=groups, seed=seed),
            )
            for other, given in (others or {}).items()
        }

    return Assessment(
        name=name,
        evaluation=_evaluated(probabilities),
        breakdown=breakdowns(probabilities, labelled, names=names, multi_label=multi_label, groups=groups, seed=seed),
        mistakes=(worst_label_mistakes if multi_label else worst_mistakes)(probabilities, labelled, names),
        against=_rivals(against),
        baselines=_rivals(baselines),
        notes=tuple(notes),
    )


def worst_mistakes(
    probabilities: Probabilities, labelled: pd.DataFrame, names: Sequence[str] = LABELS, most: int = MOST_MISTAKES
) -> pd.DataFrame:
    """Return the most confident misclassifications: text, truth, guess, confidence, given_truth."""
    truth = checked_codes(probabilities, labelled["label"], names)
    guess, row, words = guesses(probabilities), np.arange(len(truth)), np.array(names)
    table = pd.DataFrame(
        {
            "text": labelled["text"].to_numpy(),
            "truth": words[truth],
            "guess": words[guess],
            "confidence": probabilities[row, guess],
            "given_truth": probabilities[row, truth],
        }
    )
    return _surest(table[guess != truth], most)


def worst_label_mistakes(
    probabilities: Probabilities, labelled: pd.DataFrame, names: Sequence[str], most: int = MOST_MISTAKES
) -> pd.DataFrame:
    """Return those of a multi-label task; confidence and given_truth are of the label on which it is furthest off."""
    matrix, words = checked_matrix(probabilities, labelled["label"], names), np.array(names, dtype=object)
    chosen, off = probabilities >= YES, np.abs(probabilities - matrix).max(axis=1)
    table = pd.DataFrame(
        {
            "text": labelled["text"].to_numpy(),
            "truth": labelled["label"].to_numpy(),
            "guess": [joined(words[row]) for row in chosen],
            "confidence": off,
            "given_truth": 1.0 - off,
        }
    )
    return _surest(table[(chosen != matrix).any(axis=1)], most)


def _surest(mistakes: pd.DataFrame, most: int) -> pd.DataFrame:
    wrong: pd.DataFrame = mistakes.sort_values(["confidence", "text"], ascending=[False, True], kind="stable")
    return wrong.head(most).reset_index(drop=True)


def _plain(table: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """A breakdown as {part: {n, accuracy, accuracy_interval, macro_f1, macro_f1_interval}}."""
    return {
        name: {"n": int(row["n"])} | plain_figures(row, ("accuracy", "macro_f1"))
        for name, (_, row) in zip(part_names(list(table.index)), table.iterrows(), strict=True)
    }


def part_names(parts: Sequence[object]) -> list[str]:
    """The name of each part; those that would share one ("A" and "A ") are named to the last character instead."""
    names = [part_name(part) for part in parts]
    return [name if names.count(name) == 1 else str(part) for name, part in zip(names, parts, strict=True)]


def part_name(part: object) -> str:
    """The value of a column as people write it: 50 for 50.0, as missing values turn whole numbers into floats."""
    return f"{part:g}" if isinstance(part, float) else str(part).strip()
