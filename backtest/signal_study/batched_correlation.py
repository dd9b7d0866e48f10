"""Correlations of one signal with many returns, and of many signals with one return, with shared work done once.

The values equal those of `row_correlation`. Sorting each row again for every pair is what took the time; and since
masks of news are as good as random, values are multiplied by 0 and 1 rather than selected, which defeats branch
prediction.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backtest.signal_study.row_correlation import FEWEST_NAMES, linear_correlation, rank_correlation, ranked, squares
from backtest.statistics.significance import ROUNDING
from newsfolio.shared.arrays import BoolArray, FloatArray


@dataclass(frozen=True)
class SignalRows:
    """A signal (sessions × assets, NaN without one) with everything that is computed from it repeatedly.

    count (sessions): assets with a signal; mask: 1 where known, else 0; demeaned, demeaned_ranks: values and ranks less
    their row means, 0 where unknown; squared_norm (sessions): sum of squared values.
    """

    values: FloatArray
    known: BoolArray
    count: FloatArray
    mask: NDArray[np.int32]
    ranks: FloatArray
    demeaned: FloatArray
    demeaned_ranks: FloatArray
    squared_norm: FloatArray

    @classmethod
    def of(cls, values: FloatArray) -> "SignalRows":
        """Rank once."""
        known, ranks = np.isfinite(values), ranked(values)
        mask, count = known.astype(np.int32), known.sum(axis=1).astype(np.float64)
        filled = np.where(known, values, 0.0)
        return cls(
            values=values,
            known=known,
            count=count,
            mask=mask,
            ranks=ranks,
            demeaned=_demean(filled, mask, count),
            demeaned_ranks=np.where(known, ranks - (count[:, None] + 1.0) / 2.0, 0.0),
            squared_norm=squares(filled),
        )

    def head(self, sessions: int) -> "SignalRows":
        """The first sessions alone."""
        return SignalRows(**{name: rows[: max(sessions, 0)] for name, rows in vars(self).items()})


@dataclass(frozen=True)
class ReturnRows:
    """Returns (sessions × assets, NaN where unknown), zero-filled, the sort order of each row, and which rows have no
    ties.
    """

    values: FloatArray
    known: BoolArray
    filled: FloatArray
    order: NDArray[np.int32]
    distinct: BoolArray

    @classmethod
    def of(cls, values: FloatArray) -> "ReturnRows":
        """Sort each row once."""
        order = np.argsort(values, axis=1)  # NaN comes last
        inside, known = np.take_along_axis(values, order, axis=1), np.isfinite(values)
        distinct = ~(inside[:, 1:] == inside[:, :-1]).any(axis=1)
        filled = np.where(known, values, 0.0)
        return cls(values=values, known=known, filled=filled, order=order.astype(np.int32), distinct=distinct)

    def select_assets(self, assets: BoolArray) -> FloatArray:
        """Return the returns of some assets."""
        return self.values[:, assets]

    def shift(self, sessions: int) -> "ReturnRows":
        """Drop the first sessions, so that row t holds the return of session t + `sessions`."""
        return ReturnRows(**{name: rows[sessions:] for name, rows in vars(self).items()})


def rank_ics(signal: SignalRows, returns: ReturnRows) -> FloatArray:
    """`rank_correlation` of each session.

    In the order of the returns, an asset's rank among those with a signal is how many of them have come so far; ranks
    being whole or half numbers, all sums are exact. Sessions with a signal on an asset without a return, or with tied
    returns, are computed the slow way.
    """
    width, n = signal.values.shape[1], signal.count
    place = returns.order + (np.arange(len(n)) * width)[:, None]
    rank = np.arange(1, width + 1) if signal.known.all() else np.take(signal.mask.ravel(), place).cumsum(axis=1)
    product = np.einsum("ij,ij->i", np.take(signal.demeaned_ranks.ravel(), place), np.broadcast_to(rank, place.shape))
    spread = np.sqrt(squares(signal.demeaned_ranks) * (n * (n * n - 1.0) / 12.0))
    ics = np.divide(product, spread, out=np.full(len(n), np.nan), where=(n >= FEWEST_NAMES) & (spread > 0))
    return _with_exceptions(ics, signal, returns, ~returns.distinct, rank_correlation)


def linear_ics(signal: SignalRows, returns: ReturnRows) -> FloatArray:
    """`linear_correlation` of each session."""
    other = returns.filled * signal.mask
    squared_norms = signal.squared_norm * squares(other)
    other = _demean(other, signal.mask, signal.count)
    spread = np.sqrt(squares(signal.demeaned) * squares(other))
    known = (signal.count >= FEWEST_NAMES) & (spread > ROUNDING * np.sqrt(squared_norms))
    product = np.einsum("ij,ij->i", signal.demeaned, other)
    ics = np.divide(product, spread, out=np.full(len(spread), np.nan), where=known)
    return _with_exceptions(ics, signal, returns, np.zeros(len(spread), dtype=bool), linear_correlation)


def _with_exceptions(
    ics: FloatArray,
    signal: SignalRows,
    returns: ReturnRows,
    exceptions: BoolArray,
    correlation: Callable[[FloatArray, FloatArray], FloatArray],
) -> FloatArray:
    """Compute exceptional sessions, and those with a signal but no return, row by row; NaN without any return."""
    exceptions = exceptions | (signal.known & ~returns.known).any(axis=1)
    ics[exceptions] = np.nan
    exceptions &= returns.known.any(axis=1)
    if exceptions.any():
        ics[exceptions] = correlation(signal.values[exceptions], returns.values[exceptions])
    return ics


def _demean(filled: FloatArray, mask: NDArray[np.int32], count: FloatArray) -> FloatArray:
    return np.asarray((filled - (filled.sum(axis=1) / np.maximum(count, 1.0))[:, None]) * mask)
