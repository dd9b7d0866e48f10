"""The bootstrap of sums over rows, clustered by group, without touching rows again.

Every figure of a classifier is a function of sums over rows. A resample of groups is therefore a weighting of the
groups' sums, and groups with equal sums are drawn together: where these are counts, a thousand draws cost little more
for a million texts than for a thousand, and they do not depend on the order of rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from newsfolio.shared.arrays import FloatArray, IntArray
from nlp.errors import CorpusError

Figures = Mapping[str, FloatArray]  # by name: of the rows, or of each draw (first axis)

DRAWS = 1000
SIDES = (0.025, 0.975)
GRAIN = 2.0**30


class Interval(NamedTuple):
    """Lower and upper end."""

    low: float
    high: float


def resampled_sums(values: FloatArray, groups: ArrayLike | None, seed: int, draws: int = DRAWS) -> FloatArray:
    """Return the sums over rows of `values` (rows × k) in resamples of whole groups (draws × k).

    groups: one number per row, rows of one group being drawn together or not at all; None draws single rows.
    B. Efron, "Bootstrap methods: another look at the jackknife", 1979; by clusters: A. Davison and D. Hinkley,
    "Bootstrap Methods and their Application", 1997, section 3.8.
    """
    used = values.any(axis=0)  # of the confusions of many labels few occur
    sums = group_sums(values[:, used], groups)
    # Distinct rows, sorted, and how often each occurs; NumPy's own takes ten times as long for a million rows.
    counted = pd.DataFrame(sums).groupby(list(range(sums.shape[1])), sort=True).size()
    kinds: FloatArray = np.ascontiguousarray(counted.index.to_frame().to_numpy(dtype=np.float64))
    counts: IntArray = np.asarray(counted.to_numpy(), dtype=np.int64)
    random = np.random.default_rng(seed)
    # einsum and not @: products this small keep BLAS threads waiting for one another on a busy machine.
    drawn = np.zeros((draws, values.shape[1]))
    drawn[:, used] = [np.einsum("k,kj->j", _times(counts, random), kinds) for _ in range(draws)]
    return drawn


def group_sums(values: FloatArray, groups: ArrayLike | None) -> FloatArray:
    """Sums over the rows of each group (groups × k).

    Raises:
        CorpusError: groups and rows differ in number.
    """
    if groups is None:
        return values
    code = group_codes(groups, len(values))
    return np.stack([np.bincount(code, weights=column) for column in values.T], axis=1)


def group_codes(groups: ArrayLike | None, rows: int) -> IntArray:
    """Groups numbered from 0 in order of appearance (rows); each row is one where none are given.

    Raises:
        CorpusError: groups and rows differ in number.
    """
    if groups is None:
        return np.arange(rows)
    code = np.asarray(pd.factorize(np.asarray(groups))[0], dtype=np.int64)
    if len(code) != rows:
        raise CorpusError(f"{len(code)} groups for {rows} rows: pass one group number per row")
    return code


def in_grains(values: FloatArray) -> FloatArray:
    """Round to multiples of 2^-30 (1e-9), so that sums of up to eight million are exact, whatever the order of rows."""
    return np.asarray(np.round(values * GRAIN) / GRAIN)


def interval(draws: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Lower and upper 95 % percentile over the first axis."""
    low, high = np.quantile(draws, SIDES, axis=0)
    return low, high


def interval_of(draws: FloatArray) -> Interval:
    """The same of one figure (draws), as plain numbers."""
    low, high = interval(draws)
    return Interval(float(low), float(high))


def headline_of(value: Figures, drawn: Figures, names: Iterable[str]) -> dict[str, Any]:
    """Return figures of the whole, and the interval of each under name_interval, as an evaluation has them."""
    plain: dict[str, Any] = {name: float(value[name]) for name in names}
    return plain | {f"{name}_interval": interval_of(drawn[name]) for name in plain}


def per_label_table(value: Figures, drawn: Figures, names: Iterable[str], labels: Sequence[str]) -> pd.DataFrame:
    """Return figures of each label (labels × figures), each with the ends of its interval (…_low, …_high)."""
    columns: dict[str, FloatArray] = {}
    for name in names:
        low, high = interval(drawn[name])
        columns |= {name: value[name], f"{name}_low": low, f"{name}_high": high}
    return pd.DataFrame(columns, index=pd.Index(labels, name="label"))


def plain_figures(row: pd.Series, names: Iterable[str]) -> dict[str, Any]:
    """Return figures of one row of a table, each with its interval (…_low, …_high), as plain values for JSON."""
    plain: dict[str, Any] = {}
    for name in names:
        plain |= {name: float(row[name]), f"{name}_interval": [float(row[f"{name}_low"]), float(row[f"{name}_high"])]}
    return plain


def _times(counts: IntArray, random: np.random.Generator) -> FloatArray:
    """Draw how often each kind occurs in a resample: one law in two ways, as a multinomial costs by its kinds."""
    n = int(counts.sum())
    if 20 * len(counts) < n:
        return random.multinomial(n, counts / n).astype(np.float64)
    drawn = np.bincount(random.integers(0, n, n), minlength=n)
    return np.add.reduceat(drawn, np.cumsum(counts) - counts).astype(np.float64)
