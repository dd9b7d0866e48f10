"""Assets sorted into quantiles of the signal each session: return and turnover of each quantile."""

import numpy as np

from backtest.signal_study.row_correlation import ranked
from newsfolio.shared.arrays import FloatArray

QUANTILES = 5


def quantile_numbers(signal: FloatArray, quantiles: int = QUANTILES) -> FloatArray:
    """Quantile of each asset within its session, from 1 (lowest), NaN without a signal or with too few names.

    Edges are linearly interpolated and belong to the quantile below, as `pandas.qcut` has it; equal values share a
    quantile, so that some may be empty.
    """
    inside = np.sort(signal, axis=1)  # NaN comes last
    n = np.isfinite(signal).sum(axis=1)
    number = np.ones_like(signal)
    for step in range(1, quantiles):
        place = step / quantiles * (np.maximum(n, 1) - 1)
        below = np.floor(place).astype(np.int64)
        above = np.minimum(below + 1, np.maximum(n, 1) - 1)
        low, high = (np.take_along_axis(inside, each[:, None], axis=1)[:, 0] for each in (below, above))
        number += signal > (low + (place - below) * (high - low))[:, None]
    number[~np.isfinite(signal)] = np.nan
    number[n < quantiles] = np.nan
    return number


def quantile_returns(number: FloatArray, returns: FloatArray, quantiles: int = QUANTILES) -> FloatArray:
    """Mean return of each quantile less that of all its session's names (sessions × quantiles)."""
    one = (np.isfinite(number) & np.isfinite(returns)).astype(np.float64)
    filled = np.nan_to_num(returns) * one
    excess = (filled - (filled.sum(axis=1) / np.maximum(one.sum(axis=1), 1.0))[:, None]) * one
    cell = np.nan_to_num(number, nan=1.0).astype(np.int64) - 1 + quantiles * np.arange(len(number))[:, None]
    n_cells = len(number) * quantiles
    count, total = (np.bincount(cell.ravel(), each.ravel(), minlength=n_cells) for each in (one, excess))
    means = np.divide(total, count, out=np.full(n_cells, np.nan), where=count > 0)
    return np.asarray(means.reshape(len(number), quantiles))


def monotonicity(means: FloatArray) -> float:
    """Spearman correlation of a quantile's number with its mean return: 1 where each earns more than the one below."""
    if not np.isfinite(means).all() or np.ptp(means) == 0:
        return float("nan")
    ranks = ranked(means[None])[0]
    return float(np.corrcoef(np.arange(len(means)), ranks)[0, 1])


def quantile_turnover(number: FloatArray, quantile: int) -> FloatArray:
    """Share of a quantile's names that were not in it the session before; NaN where it is empty or in the first."""
    member = number == quantile
    fresh = member[1:] & ~member[:-1]
    n = member[1:].sum(axis=1)
    share = np.divide(fresh.sum(axis=1), n, out=np.full(len(n), np.nan), where=n > 0)
    return np.concatenate([[np.nan], share])
