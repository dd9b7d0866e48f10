"""walk_forward(): call a policy for targets at each date, showing it the past and nothing else."""

import numpy as np
import pandas as pd
from tqdm import tqdm

from allocation.errors import FrameError, PolicyError
from allocation.execution.book import CASH_ACCOUNT, Rules
from allocation.execution.costs import FREE, Costs
from allocation.frames import Bars, align, check_prices, sessions_of
from allocation.policies.call import call_policy
from allocation.schedule import rebalance_dates
from allocation.view import Policy, View
from backtest.engine.corporate_actions import UNEVENTFUL, Events
from backtest.engine.market import MarketArrays
from backtest.engine.replay import AccountReplay
from newsfolio.shared.arrays import FloatArray


def walk_forward(
    policy: Policy,
    prices: pd.DataFrame,
    signal: pd.DataFrame | None,
    dates: pd.DatetimeIndex | str | int,
    *,
    opens: pd.DataFrame | None = None,
    bars: Bars | None = None,
    costs: Costs | float = FREE,
    cash: float = 1_000_000.0,
    rules: Rules = CASH_ACCOUNT,
    events: Events = UNEVENTFUL,
    progress: bool = False,
) -> pd.DataFrame:
    """Return target weights (dates × assets), each row decided from what was known at that session's close.

    At each of `dates`, sessions of `prices`, the policy gets a View of all rows up to that close, and of the
    weights then held: those of earlier targets, filled in the session after each decision (at `opens` where
    given, else at that session's close), less `costs`, drifted with prices since. The View's arrays hold
    nothing later than that close: later rows are not written yet when the policy runs.

    dates may be a schedule instead, "daily", "weekly", "monthly" or each n-th session, of the exchange XNYS; for
    another see rebalance_dates. signal may be None, for policies that need none. costs: a number is a fraction of the
    traded value. cash, rules and events are those of simulate; cash matters only where costs or rules are in money or
    shares. bars: opens, highs and lows that the policy is shown as well; orders are filled at `opens`.

    Raises:
        FrameError: a frame breaks its contract, or a date is no session of `prices`.
        PolicyError: the policy returned something that is not a row of weights.
        AllocationError: what the policy itself raised, with the date in front.
    """
    targets, _ = walk(
        policy,
        prices,
        signal,
        dates,
        opens=opens,
        bars=bars,
        costs=Costs.of(costs),
        cash=cash,
        rules=rules,
        events=events,
        progress=progress,
    )
    return targets


def walk(
    policy: Policy,
    prices: pd.DataFrame,
    signal: pd.DataFrame | None,
    dates: pd.DatetimeIndex | str | int,
    *,
    opens: pd.DataFrame | None,
    bars: Bars | None,
    costs: Costs,
    cash: float,
    rules: Rules,
    events: Events,
    progress: bool,
    calendar: str = "XNYS",
) -> tuple[pd.DataFrame, AccountReplay]:
    """Return the targets of walk_forward, and the account that the policy was shown, as of the last decision."""
    if isinstance(policy, type) or not callable(policy):
        kind = f"the class {policy.__name__}" if isinstance(policy, type) else f"a {type(policy).__name__}"
        raise PolicyError(f"policy is {kind}: pass a callable that takes a View, such as EqualWeight()")
    prices, signal = align(prices, prices * np.nan if signal is None else signal)
    steps = _positions(sessions_of(prices), dates, calendar)
    replay = AccountReplay.start(MarketArrays.of(prices, opens, costs, events), costs, rules, cash, steps[0])
    past = _Past(prices, signal, bars)
    rows: list[FloatArray] = []
    for step in tqdm(steps, desc="walking forward", unit="date", disable=None if progress else True):
        replay.advance(step)
        targets = call_policy(policy, past.view(step, pd.Series(replay.weights(), index=prices.columns))).to_numpy()
        replay.order(targets)
        rows.append(targets)
    return pd.DataFrame(np.asarray(rows), index=prices.index[steps], columns=prices.columns), replay


def _positions(sessions: pd.DatetimeIndex, dates: pd.DatetimeIndex | str | int, calendar: str) -> list[int]:
    scheduled = isinstance(dates, str | int) and not isinstance(dates, bool)
    try:  # an unknown schedule is refused, by name, where schedules are known
        dates = rebalance_dates(sessions, dates, calendar) if scheduled else pd.DatetimeIndex(dates)  # type: ignore[arg-type]
    except FrameError:
        raise
    except (TypeError, ValueError) as error:
        raise FrameError(
            f"dates is {dates!r}: give sessions of the prices, or daily, weekly, monthly or a number of sessions"
        ) from error
    if not len(dates):
        raise FrameError("no rebalancing date was given: see rebalance_dates")
    positions = sessions.get_indexer(dates)
    if (positions < 0).any():
        raise FrameError(f"no prices on rebalancing date {dates[positions < 0][0].date()}: use sessions of the prices")
    if (np.diff(positions) <= 0).any():
        raise FrameError("rebalancing dates are not increasing: sort them and keep each once")
    return [int(position) for position in positions]


class _Past:
    """Rows of prices, of the signal and of what else bars have, copied into place only as time reaches them.

    A View shows read-only slices of these buffers without copying. The rows after its date are still NaN while
    the policy runs, so that not even a slice's base array holds the future; the dates are copied, so that theirs
    does not either. A view that a policy keeps shows at most what a later view shows.
    """

    def __init__(self, prices: pd.DataFrame, signal: pd.DataFrame, bars: Bars | None) -> None:
        self._sessions, self._assets = sessions_of(prices), prices.columns
        marks = {} if bars is None else {"opens": bars.open, "highs": bars.high, "lows": bars.low}
        known = {name: frame for name, frame in marks.items() if frame is not None}
        self._marks = tuple(known)
        others = (check_prices(frame, name).reindex_like(prices).to_numpy() for name, frame in known.items())
        self._sources = (prices.to_numpy(), signal.to_numpy(), *others)
        self._buffers = tuple(np.full(prices.shape, np.nan) for _ in self._sources)
        self._written = 0

    def view(self, step: int, held: pd.Series) -> View:
        """What is known at the close of session number `step`, and the weights held there."""
        end = step + 1
        for source, buffer in zip(self._sources, self._buffers, strict=True):
            buffer.flags.writeable = True
            buffer[self._written : end] = source[self._written : end]
            buffer.flags.writeable = False  # and with it every slice, and what a slice is based on
        self._written = end
        dates = self._sessions[:end].copy(deep=True)
        prices, signal, *marks = (pd.DataFrame(each[:end], dates, self._assets, copy=False) for each in self._buffers)
        return View(dates[-1], prices, signal, held, **dict(zip(self._marks, marks, strict=True)))
