"""walk_forward(): ask a policy for targets at each date, showing it the past and nothing else."""

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd
from tqdm import tqdm

from allocation.errors import AllocationError, FrameError, PolicyError
from allocation.frames import align, check_prices, named, sessions_of
from allocation.policy import Policy, View
from backtest.book import FREE, Book, Costs, Vector, fill

log = logging.getLogger(__name__)


def walk_forward(
    policy: Policy,
    prices: pd.DataFrame,
    signal: pd.DataFrame | None,
    dates: pd.DatetimeIndex,
    *,
    opens: pd.DataFrame | None = None,
    costs: Costs = FREE,
    progress: bool = False,
) -> pd.DataFrame:
    """Return target weights (dates × assets), each row decided from what was known at that session's close.

    At each of `dates`, sessions of `prices`, the policy gets a View of all rows up to that close, and of the
    weights then held: those of earlier targets, filled in the session after each decision (at `opens` where
    given, else at that session's close), less `costs`, drifted with prices since. The View's arrays hold
    nothing later than that close: later rows are not written yet when the policy runs.

    signal may be None, for policies that need none.

    Raises:
        FrameError: a frame breaks its contract, or a date is no session of `prices`.
        PolicyError: the policy returned something that is not a row of weights.
        AllocationError: what the policy itself raised, with the date in front.
    """
    prices, signal = align(prices, _blank_like(prices) if signal is None else signal)
    steps = _positions(sessions_of(prices), dates)
    ledger = _Ledger.start(prices, opens, costs)
    past = _Past(prices, signal)
    rows = []
    for step in tqdm(steps, desc="walking forward", unit="date", disable=None if progress else True):
        view = past.view(step, ledger.weights_at(step))
        targets = _ask(policy, view)
        ledger.order(step, targets)
        rows.append(targets)
    return pd.DataFrame(np.asarray(rows), index=prices.index[steps], columns=prices.columns)


def _blank_like(prices: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(np.nan, index=prices.index, columns=prices.columns)


def _positions(sessions: pd.DatetimeIndex, dates: pd.DatetimeIndex) -> list[int]:
    if not len(dates):
        raise FrameError("no rebalancing date was given: see rebalance_dates")
    positions = sessions.get_indexer(dates)
    if (positions < 0).any():
        raise FrameError(f"no prices on rebalancing date {dates[positions < 0][0].date()}: use sessions of the prices")
    if (np.diff(positions) <= 0).any():
        raise FrameError("rebalancing dates are not increasing: sort them and keep each once")
    return [int(position) for position in positions]


class _Past:
    """Price and signal rows, copied into place only as time reaches them.

    A View shows slices of these buffers without copying. The rows after its date are still NaN while the
    policy runs, so that not even a slice's base array holds the future.
    """

    def __init__(self, prices: pd.DataFrame, signal: pd.DataFrame) -> None:
        self._sources = (prices, signal)
        self._buffers = tuple(np.full(frame.shape, np.nan) for frame in self._sources)
        self._written = 0

    def view(self, step: int, held: pd.Series) -> View:
        end = step + 1
        for source, buffer in zip(self._sources, self._buffers, strict=True):
            buffer[self._written : end] = source.iloc[self._written : end].to_numpy()
        self._written = end
        prices, signal = (self._slice(i, end) for i in range(2))
        return View(prices.index[-1], prices, signal, held)

    def _slice(self, which: int, end: int) -> pd.DataFrame:
        source = self._sources[which]
        rows = self._buffers[which][:end]
        rows.flags.writeable = False
        return pd.DataFrame(rows, index=source.index[:end], columns=source.columns, copy=False)


@dataclass
class _Ledger:
    """The book between decisions: orders are filled in the session after they were given."""

    closes: Vector
    fills: Vector
    fill_marks: Vector
    assets: pd.Index
    costs: Costs
    book: Book
    pending: tuple[int, Vector] | None = None

    @classmethod
    def start(cls, prices: pd.DataFrame, opens: pd.DataFrame | None, costs: Costs) -> "_Ledger":
        closes, fills, fill_marks = price_paths(prices, opens)
        return cls(closes, fills, fill_marks, prices.columns, costs, Book(np.zeros(prices.shape[1]), 1.0))

    def order(self, step: int, targets: Vector) -> None:
        self.pending = (step + 1, targets)

    def weights_at(self, step: int) -> pd.Series:
        if self.pending is not None:
            session, targets = self.pending
            self.book = fill(self.book, targets, self.fills[session], self.fill_marks[session], self.costs).book
            self.pending = None
        return pd.Series(self.book.weights(self.closes[step]), index=self.assets)


def price_paths(prices: pd.DataFrame, opens: pd.DataFrame | None) -> tuple[Vector, Vector, Vector]:
    """Return arrays of the last known close, the fill price, and the value of each asset at the fill.

    Fills are at `opens` where given, else at closes. At the open an asset that does not trade is worth its
    last close before that session; one that has an open but no close up to then could not be valued, and
    counts as not trading.
    """
    closes = prices.ffill()
    if opens is None:
        return closes.to_numpy(), prices.to_numpy(), closes.to_numpy()
    fills = matching_opens(opens, prices).where(closes.notna())
    return closes.to_numpy(), fills.to_numpy(), fills.fillna(closes.shift(1)).to_numpy()


def matching_opens(opens: pd.DataFrame, prices: pd.DataFrame) -> pd.DataFrame:
    """Return opens on exactly the sessions and assets of `prices`."""
    opens = check_prices(opens, "opens")
    for kind, wanted, given in (
        ("assets", prices.columns, opens.columns),
        ("sessions", prices.index, opens.index),
    ):
        absent = wanted.difference(given)
        if len(absent):
            first = str(absent[0]).removesuffix(" 00:00:00")
            raise FrameError(f"opens lacks {len(absent)} {kind} of prices, such as {first}: give both or none")
    return opens.loc[prices.index, prices.columns]


def _ask(policy: Policy, view: View) -> Vector:
    when = f"{view.now.date()}"
    try:
        answer = policy(view)
    except AllocationError as error:
        raise type(error)(f"{when}: {error}") from error
    if not isinstance(answer, pd.Series):
        raise PolicyError(f"{when}: the policy returned a {type(answer).__name__}: return a Series of weights by asset")
    if answer.index.has_duplicates:
        raise PolicyError(
            f"{when}: the policy weighs {answer.index[answer.index.duplicated()][0]} twice: give one weight each"
        )
    if set(answer.index) != set(view.held.index):
        differing = set(answer.index) ^ set(view.held.index)
        raise PolicyError(
            f"{when}: the policy's weights and the assets differ in {named(sorted(map(str, differing)))}: "
            "return one weight per asset of the view, NaN to hold"
        )
    if not pd.api.types.is_numeric_dtype(answer) or pd.api.types.is_complex_dtype(answer):
        raise PolicyError(
            f"{when}: the policy returned weights of type {answer.dtype}, such as {answer.iloc[0]!r}: "
            "return numbers, NaN to hold"
        )
    targets = answer.reindex(view.held.index).to_numpy(dtype=np.float64)
    if np.isinf(targets).any():
        raise PolicyError(f"{when}: infinite weight of {view.held.index[np.isinf(targets)][0]}: return finite weights")
    return targets
