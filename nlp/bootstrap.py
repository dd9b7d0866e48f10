"""Figures from confusion counts, and their bootstrap, clustered by duplicate group, without touching rows again.

Every figure here is a function of sums over rows. A resample of groups is therefore a weighting of the groups' sums,
and groups with equal sums are drawn together: where these are counts, a thousand draws cost little more for a
million texts than for a thousand, and they do not depend on the order of rows.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from nlp.corpora import LABELS, label_codes
from nlp.errors import CorpusError
from nlp.evaluate import f1_per_label

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

DRAWS = 1000
SIDES = (0.025, 0.975)


def checked_codes(probabilities: NDArray[np.floating], labels: pd.Series) -> Codes:
    """Return the labels as codes after the checks that figures need.

    Raises:
        CorpusError: no texts, an unknown label, or probabilities that are not (texts × 3) and finite.
    """
    codes = np.asarray(label_codes(labels), dtype=np.int64)
    if not len(codes):
        raise CorpusError("no labelled texts to compare with: pass at least one")
    if probabilities.shape != (len(codes), len(LABELS)):
        raise CorpusError(f"probabilities are {probabilities.shape}: {len(codes)} labels need {len(codes)} × 3")
    if not np.isfinite(probabilities).all():
        raise CorpusError(f"row {int(np.argmin(np.isfinite(probabilities).all(axis=1))) + 1}: not a finite number")
    return codes


def confusion_cells(truth: Codes, guess: Codes) -> Floats:
    """Return one row per text with a 1 at its place in the flattened confusion matrix (texts × 9, truth first)."""
    return np.asarray(np.eye(len(LABELS) ** 2)[truth * len(LABELS) + guess])


def resampled_sums(values: Floats, groups: ArrayLike | None, seed: int, draws: int = DRAWS) -> Floats:
    """Return the sums over rows of `values` (rows × k) in resamples of whole groups (draws × k).

    groups: one number per row, rows of one group being drawn together or not at all; None draws single rows.
    B. Efron, "Bootstrap methods: another look at the jackknife", 1979; by clusters: A. Davison and D. Hinkley,
    "Bootstrap Methods and their Application", 1997, section 3.8.
    """
    kinds, counts = _kinds(group_sums(values, groups))
    random = np.random.default_rng(seed)
    # einsum and not @: products this small keep BLAS threads waiting for one another on a busy machine.
    return np.stack([np.einsum("k,kj->j", _times(counts, random), kinds) for _ in range(draws)])


def _kinds(sums: Floats) -> tuple[Floats, Codes]:
    """Distinct rows, sorted, and how often each occurs; NumPy's own takes ten times as long for a million rows."""
    counted = pd.DataFrame(sums).groupby(list(range(sums.shape[1])), sort=True).size()
    kinds = counted.index.to_frame().to_numpy(dtype=np.float64)
    return np.ascontiguousarray(kinds), np.asarray(counted.to_numpy(dtype=np.int64), dtype=np.int64)


def _times(counts: Codes, random: np.random.Generator) -> Floats:
    """Draw how often each kind occurs in a resample: one law in two ways, as a multinomial costs by its kinds."""
    n = int(counts.sum())
    if 20 * len(counts) < n:
        return random.multinomial(n, counts / n).astype(np.float64)
    drawn = np.bincount(random.integers(0, n, n), minlength=n)
    return np.add.reduceat(drawn, np.cumsum(counts) - counts).astype(np.float64)


def group_sums(values: Floats, groups: ArrayLike | None) -> Floats:
    """Sums over the rows of each group (groups × k).

    Raises:
        CorpusError: groups and rows differ in number.
    """
    if groups is None:
        return values
    code, names = pd.factorize(np.asarray(groups))
    if len(code) != len(values):
        raise CorpusError(f"{len(code)} groups for {len(values)} rows: pass one group number per row")
    sums = [np.bincount(code, weights=column, minlength=len(names)) for column in values.T]
    return np.stack(sums, axis=1)


def interval(draws: Floats) -> tuple[Floats, Floats]:
    """Lower and upper 95 % percentile over the first axis."""
    low, high = np.quantile(draws, SIDES, axis=0)
    return low, high


def as_confusion(cells: Floats) -> Floats:
    """Sums of `confusion_cells` (... × 9) as matrices (... × 3 × 3): truth, guess."""
    return cells.reshape(*cells.shape[:-1], len(LABELS), len(LABELS))


def precision(confusion: Floats) -> Floats:
    """Right guesses of a label over guesses of it (... × 3); 0 where it is never guessed."""
    return _ratio(_right(confusion), confusion.sum(axis=-2))


def recall(confusion: Floats) -> Floats:
    """Right guesses of a label over texts of it (... × 3); 0 where it never occurs."""
    return _ratio(_right(confusion), confusion.sum(axis=-1))


def macro_f1(confusion: Floats) -> Floats:
    """Mean F1 of the three labels; one that neither occurs nor is guessed counts as 0."""
    return np.asarray(f1_per_label(confusion).mean(axis=-1))


def matthews(confusion: Floats) -> Floats:
    """Matthews correlation of truth and guess, in [-1, 1]; 0 where either is constant.

    J. Gorodkin, "Comparing two K-category assignments by a K-category correlation coefficient", 2004: the
    covariance (right · n - sum of texts_k · guesses_k) over the root of the two variances.
    """
    n = confusion.sum(axis=(-2, -1))
    texts, guesses = confusion.sum(axis=-1), confusion.sum(axis=-2)
    covariance = _right(confusion).sum(axis=-1) * n - (texts * guesses).sum(axis=-1)
    spread = (n**2 - (texts**2).sum(axis=-1)) * (n**2 - (guesses**2).sum(axis=-1))
    return _ratio(covariance, np.sqrt(spread))


def squared_errors(probabilities: NDArray[np.float32], truth: Codes) -> Floats:
    """Squared distance of each row to its one-hot label, in [0, 2]; its mean is the score of G. Brier, 1950."""
    wanted = np.eye(len(LABELS))[truth]
    return np.asarray(((probabilities.astype(np.float64) - wanted) ** 2).sum(axis=1))


def guesses(probabilities: NDArray[np.float32]) -> Codes:
    """The most probable label of each row, as a code."""
    return np.asarray(probabilities.argmax(axis=1), dtype=np.int64)


def _right(confusion: Floats) -> Floats:
    return np.asarray(np.diagonal(confusion, axis1=-2, axis2=-1))


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.asarray(np.divide(part, whole, out=np.zeros(np.shape(part)), where=whole > 0))
