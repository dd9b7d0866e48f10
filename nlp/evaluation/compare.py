"""Is one classifier better than another? Both on the same texts, so that what makes a text hard cancels out."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from newsfolio.shared.arrays import FloatArray
from nlp.evaluation.bootstrap import Interval, group_codes, interval_of, resampled_sums
from nlp.evaluation.evaluate import Probabilities
from nlp.evaluation.metrics import outcome
from nlp.labels import LABELS

Figure = Callable[[FloatArray], FloatArray]  # sums of an Outcome's cells (... × cells) -> (...)


@dataclass(frozen=True)
class Paired:
    """One figure of both classifiers, and first - second with its 95 % interval."""

    first: float
    second: float
    difference: float
    interval: Interval

    def __str__(self) -> str:
        """Both, then the difference in percentage points."""
        low, high = self.interval
        return (
            f"{self.first:.3f} against {self.second:.3f}: "
            f"{100 * self.difference:+.1f} points (95 % {100 * low:+.1f} to {100 * high:+.1f})"
        )


@dataclass(frozen=True)
class Comparison:
    """Two classifiers on the same texts; only_first and only_second count the texts that one alone has right.

    p_value is McNemar's, exact and two-sided. It takes texts as independent; the intervals do not, where groups of
    near-duplicates were given, so trust these where the two disagree.
    """

    n: int
    groups: int
    accuracy: Paired
    macro_f1: Paired
    only_first: int
    only_second: int
    p_value: float

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        """The two figures, then the texts on which they part."""
        return "\n".join(
            [
                f"{self.n:,} texts in {self.groups:,} groups",
                f"accuracy  {self.accuracy}",
                f"macro-F1  {self.macro_f1}",
                f"right alone: first {self.only_first:,}, second {self.only_second:,} "
                f"(McNemar exact p = {self.p_value:.3g})",
            ]
        )


def compare(
    first: Probabilities,
    second: Probabilities,
    labels: pd.Series,
    *,
    names: Sequence[str] = LABELS,
    multi_label: bool = False,
    groups: ArrayLike | None = None,
    seed: int = 0,
) -> Comparison:
    """Compare two classifiers' probabilities (texts × names) of the same texts.

    groups: one number per text (see duplicate_groups); the bootstrap draws whole groups, as near-duplicates are
    right or wrong together. None draws single texts.

    Raises:
        CorpusError: no texts, an unknown label, or shapes that do not fit each other.
    """
    one, other = (outcome(each, labels, names, multi_label=multi_label) for each in (first, second))
    cells = np.concatenate([one.cells, other.cells], axis=1)
    drawn = resampled_sums(cells, groups, seed)
    only_first, only_second = int((one.right & ~other.right).sum()), int((other.right & ~one.right).sum())
    return Comparison(
        n=len(cells),
        groups=int(group_codes(groups, len(cells)).max()) + 1,
        accuracy=_paired(one.accuracy, cells.sum(axis=0), drawn),
        macro_f1=_paired(one.macro_f1, cells.sum(axis=0), drawn),
        only_first=only_first,
        only_second=only_second,
        p_value=mcnemar(only_first, only_second),
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided exact p-value of both being as often right alone; 1 where they never part.

    Q. McNemar, 1947: under the null each text on which they part falls to either with the chance 1/2.
    """
    from scipy.stats import binomtest

    parted = only_first + only_second
    return float(binomtest(only_first, parted, 0.5).pvalue) if parted else 1.0


def _paired(figure: Figure, cells: FloatArray, drawn: FloatArray) -> Paired:
    """`figure` of both halves of the sums (... × 2 cells), and the interval of the difference over the draws."""
    first, second = _both(figure, cells)
    one, other = _both(figure, drawn)
    return Paired(float(first), float(second), float(first - second), interval_of(one - other))


def _both(figure: Figure, sums: FloatArray) -> tuple[FloatArray, FloatArray]:
    cells = sums.shape[-1] // 2
    return figure(sums[..., :cells]), figure(sums[..., cells:])
