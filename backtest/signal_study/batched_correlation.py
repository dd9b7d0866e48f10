"""One signal against many returns, and one return against many signals: what either needs is worked out once.

The figures are those of `backtest.rows`. Ordering each row anew for every pair is what took the time; and since masks
of news are as good as random, values are multiplied by 0 and 1 here and not chosen, which processors guess wrong.
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
    """A signal (sessions × assets, NaN without one) with all that is asked of it again and again.

    n (sessions): names spoken of; one: 1 where known, else 0; ranks; from_mean, from_middle: values and ranks less
    their means, 0 where not known; size (sessions): sum of the squares of values.
    """

    values: FloatArray
    known: BoolArray
    n: FloatArray
    one: NDArray[np.int32]
    ranks: FloatArray
    from_mean: FloatArray
    from_middle: FloatArray
    size: FloatArray

    @classmethod
    def of(cls, values: FloatArray) -> "SignalRows":
        """Rank once."""
        known, ranks = np.isfinite(values), ranked(values)
        one, n = known.astype(np.int32), known.sum(axis=1).astype(np.float64)
        filled = np.where(known, values, 0.0)
        from_mean = _less_mean(filled, one, n)
        from_middle = np.where(known, ranks - (n[:, None] + 1.0) / 2.0, 0.0)
        return cls(values, known, n, one, ranks, from_mean, from_middle, squares(filled))

    def first(self, sessions: int) -> "SignalRows":
        """The first sessions alone."""
        end = max(sessions, 0)
        return SignalRows(
            self.values[:end], self.known[:end], self.n[:end], self.one[:end], self.ranks[:end],
            self.from_mean[:end], self.from_middle[:end], self.size[:end],
        )  # fmt: skip


@dataclass(frozen=True)
class ReturnRows:
    """Returns (sessions × assets, NaN where unknown), filled with 0, with the order of each row, and which sessions
    have no value twice.
    """

    values: FloatArray
    known: BoolArray
    filled: FloatArray
    order: NDArray[np.int32]
    distinct: BoolArray

    @classmethod
    def of(cls, values: FloatArray) -> "ReturnRows":
        """Put each row in order once."""
        order = np.argsort(values, axis=1)  # NaN comes last
        inside, known = np.take_along_axis(values, order, axis=1), np.isfinite(values)
        distinct = ~(inside[:, 1:] == inside[:, :-1]).any(axis=1)
        return cls(values, known, np.where(known, values, 0.0), order.astype(np.int32), distinct)

    def among(self, assets: BoolArray) -> FloatArray:
        """Return the returns of some assets."""
        return self.values[:, assets]

    def after(self, sessions: int) -> "ReturnRows":
        """Without the first sessions."""
        return ReturnRows(
            self.values[sessions:], self.known[sessions:], self.filled[sessions:], self.order[sessions:],
            self.distinct[sessions:],
        )  # fmt: skip


def rank_ics(signal: SignalRows, returns: ReturnRows) -> FloatArray:
    """`rank_correlation` of each session.

    In the order of the returns, the rank of one among the names spoken of is how many of these have come so far; and
    ranks being whole and halves, all sums are exact. Where a name is spoken of that has no return, or returns are
    equal, the session is done the long way.
    """
    width, n = signal.values.shape[1], signal.n
    place = returns.order + (np.arange(len(n)) * width)[:, None]
    rank = np.arange(1, width + 1) if signal.known.all() else np.take(signal.one.ravel(), place).cumsum(axis=1)
    together = np.einsum("ij,ij->i", np.take(signal.from_middle.ravel(), place), np.broadcast_to(rank, place.shape))
    spread = np.sqrt(squares(signal.from_middle) * (n * (n * n - 1.0) / 12.0))
    found = np.divide(together, spread, out=np.full(len(n), np.nan), where=(n >= FEWEST_NAMES) & (spread > 0))
    return _mended(found, signal, returns, ~returns.distinct, rank_correlation)


def linear_ics(signal: SignalRows, returns: ReturnRows) -> FloatArray:
    """`linear_correlation` of each session."""
    other = returns.filled * signal.one
    size = signal.size * squares(other)
    other = _less_mean(other, signal.one, signal.n)
    spread = np.sqrt(squares(signal.from_mean) * squares(other))
    known = (signal.n >= FEWEST_NAMES) & (spread > ROUNDING * np.sqrt(size))
    together = np.einsum("ij,ij->i", signal.from_mean, other)
    found = np.divide(together, spread, out=np.full(len(spread), np.nan), where=known)
    return _mended(found, signal, returns, np.zeros(len(spread), dtype=bool), linear_correlation)


def _mended(
    found: FloatArray,
    signal: SignalRows,
    returns: ReturnRows,
    strange: BoolArray,
    correlation: Callable[[FloatArray, FloatArray], FloatArray],
) -> FloatArray:
    """Do the long way what was strange, or spoken of without a return; NaN where there is no return at all."""
    strange = strange | (signal.known & ~returns.known).any(axis=1)
    found[strange] = np.nan
    strange &= returns.known.any(axis=1)
    if strange.any():
        found[strange] = correlation(signal.values[strange], returns.values[strange])
    return found


def _less_mean(filled: FloatArray, one: NDArray[np.int32], n: FloatArray) -> FloatArray:
    return np.asarray((filled - (filled.sum(axis=1) / np.maximum(n, 1.0))[:, None]) * one)
