"""Ranks and correlations across assets, one session per row, on arrays with gaps (NaN)."""

import numpy as np
from numpy.typing import NDArray

from backtest.statistics.significance import ROUNDING
from newsfolio.shared.arrays import FloatArray

FEWEST_NAMES = 3  # two names always correlate perfectly


def ranked(values: FloatArray) -> FloatArray:
    """Ranks from 1 within each row, NaN where the value is; ties share their mean rank."""
    order = np.argsort(values, axis=1)  # NaN comes last
    inside = np.take_along_axis(values, order, axis=1)
    place = np.broadcast_to(np.arange(1.0, values.shape[1] + 1), values.shape)
    if (inside[:, 1:] == inside[:, :-1]).any():
        begins = np.ones(inside.shape, dtype=bool)
        begins[:, 1:] = inside[:, 1:] != inside[:, :-1]
        ends = np.ones(inside.shape, dtype=bool)
        ends[:, :-1] = begins[:, 1:]
        first = np.maximum.accumulate(np.where(begins, place, 0.0), axis=1)
        last = np.minimum.accumulate(np.where(ends, place, np.inf)[:, ::-1], axis=1)[:, ::-1]
        place = (first + last) / 2.0
    ranks = np.empty_like(values)
    np.put_along_axis(ranks, order, place, axis=1)
    ranks[np.isnan(values)] = np.nan
    return ranks


def rank_correlation(one: FloatArray, other: FloatArray) -> FloatArray:
    """Spearman correlation of each row over the names that both have; NaN below three or without spread."""
    both = np.isfinite(one) & np.isfinite(other)
    return _correlation(ranked(np.where(both, one, np.nan)), ranked(np.where(both, other, np.nan)), both)


def no_correlation(signal: FloatArray, returns: FloatArray) -> str:
    """Say why no row has a correlation; empty where one has."""
    if np.isfinite(rank_correlation(signal, returns)).any():
        return ""
    both = np.isfinite(signal) & np.isfinite(returns)
    enough = both.sum(axis=1) >= FEWEST_NAMES
    if not enough.any():
        return "no session has three assets with both a signal and a return"
    if not (squares(centred(signal, both))[enough] > 0).any():
        return "the signal is the same for all assets in every session"
    return "signal or returns are the same for all assets in every session"


def linear_correlation(one: FloatArray, other: FloatArray) -> FloatArray:
    """Pearson correlation of each row over the names that both have; NaN below three or without spread."""
    return _correlation(one, other, np.isfinite(one) & np.isfinite(other))


def _correlation(one: FloatArray, other: FloatArray, both: NDArray[np.bool_]) -> FloatArray:
    n = both.sum(axis=1)
    size = squares(np.where(both, one, 0.0)) * squares(np.where(both, other, 0.0))
    a, b = centred(one, both), centred(other, both)
    spread = np.sqrt(squares(a) * squares(b))
    known = (n >= FEWEST_NAMES) & (spread > ROUNDING * np.sqrt(size))
    together = np.einsum("ij,ij->i", a, b)
    return np.asarray(np.divide(together, spread, out=np.full(len(a), np.nan), where=known))


def centred(values: FloatArray, among: NDArray[np.bool_]) -> FloatArray:
    """Values less their row's mean over the names among which they count, 0 elsewhere."""
    counted = np.where(among, values, 0.0)
    mean = counted.sum(axis=1) / np.maximum(among.sum(axis=1), 1)
    return np.asarray(np.where(among, counted - mean[:, None], 0.0))


def squares(values: FloatArray) -> FloatArray:
    """Sum of squares of each row."""
    return np.asarray(np.einsum("ij,ij->i", values, values))


def row_means(values: FloatArray) -> FloatArray:
    """Mean of each row over what is known, NaN where nothing is."""
    known = np.isfinite(values)
    n = known.sum(axis=1)
    total = np.where(known, values, 0.0).sum(axis=1)
    return np.asarray(np.divide(total, n, out=np.full(len(values), np.nan), where=n > 0))
