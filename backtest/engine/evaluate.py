"""evaluate(): the Result that follows from an account's trades, with vectorbt's books; and run(), all of it at once."""

import numpy as np
import pandas as pd

from allocation.data.sessions import ends_note
from allocation.errors import FrameError, MissingPriceError
from allocation.execution.book import CASH_ACCOUNT, Rules, market_value
from allocation.execution.costs import Costs, Flows
from allocation.frames import Bars, sessions_of
from allocation.schedule import rows_a_year, sessions_a_year
from allocation.view import Policy
from backtest.engine.corporate_actions import UNEVENTFUL, Events
from backtest.engine.replay import AccountReplay
from backtest.engine.trade_log import ROUNDING, trade_log_of
from backtest.engine.walk import walk
from backtest.result.result import Result

FULL = 1.0 + 1e-6  # weights that sum to one, and a solver's dust


def run(
    policy: Policy,
    bars: Bars | pd.DataFrame,
    signal: pd.DataFrame | None,
    dates: pd.DatetimeIndex | str | int,
    *,
    costs: Costs | float | None = None,
    name: str = "portfolio",
    progress: bool = False,
    cash: float = 1_000_000.0,
    rules: Rules = CASH_ACCOUNT,
    events: Events = UNEVENTFUL,
    calendar: str | None = None,
) -> Result:
    """Return the Result of asking `policy` at the close of each of `dates`.

    Orders are filled in the session after, at `bars.open` where known, else at the close. The policy sees opens, highs
    and lows up to its date beside prices. The result is made of the
    very fills that the policy was shown. A frame of closes may be given for bars, and a schedule such as "weekly", of
    `calendar`, for dates. See walk_forward and simulate for what the other arguments mean and what is raised.

        run(EqualWeight(), prices, None, "monthly", costs=0.001).sharpe
    """
    if isinstance(bars, pd.DataFrame):
        bars = Bars(bars)
    elif not isinstance(bars, Bars):
        raise FrameError(f"bars is a {type(bars).__name__}: give Bars(close, open), or a frame of closes")
    targets, replay = walk(
        policy,
        bars.close,
        signal,
        dates,
        opens=bars.open,
        bars=bars,
        costs=Costs.of(costs),
        cash=cash,
        rules=rules,
        events=events,
        progress=progress,
        calendar=calendar or "XNYS",
    )
    check_leverage(targets, rules)
    return evaluate(replay, targets.dropna(how="all"), bars.close, cash=cash, name=name, calendar=calendar)


def check_leverage(weights: pd.DataFrame, rules: Rules) -> None:
    """Refuse targets that would borrow more than the rules allow."""
    total = weights.sum(axis=1)
    if (total > rules.leverage * FULL).any():
        worst = int(total.argmax())
        raise FrameError(
            f"weights sum to {total.iloc[worst]:.6g} at {weights.index[worst].date()}: more than {rules.leverage:g} "
            "would borrow cash that is not allowed; scale the row down, or pass rules=Rules(leverage=...)"
        )


def evaluate(
    replay: AccountReplay, targets: pd.DataFrame, prices: pd.DataFrame, *, cash: float, name: str, calendar: str | None
) -> Result:
    """Return the Result of an account that started with `cash` and was ordered the rows of `targets`.

    Raises:
        FrameError: all capital is lost.
        MissingPriceError: a position outlives its prices and no delisting is stated.
    """
    log, market = trade_log_of(replay), replay.market
    sessions = market.sessions
    start = int(sessions.get_indexer(targets.index[:1])[0]) if len(targets) else 0
    shares = log.shares(start, len(sessions))
    stranded = prices[market.assets].iloc[-1].isna() & (np.abs(shares[-1] * market.closes[-1]) > ROUNDING * cash)
    if stranded.any():  # it would stay frozen at its last value for ever
        asset = stranded.index[stranded][0]
        last = sessions_of(prices[asset].dropna())[-1]
        raise MissingPriceError(
            f"{asset} is still held at the end, but its prices end on {last.date()}; "
            f"{ends_note(prices)} or events=Events(delistings=...), or set its target to 0 before"
        )
    held = market_value(shares, market.closes[start:])
    flows = pd.DataFrame(log.flows[start:], sessions[start:], list(Flows._fields))
    money = log.cash(held, cash, sessions, market.assets)[start:] + flows.to_numpy().sum(axis=1).cumsum()
    nav = pd.Series(money + held.sum(axis=1), sessions[start:], name="nav")
    if (nav <= 0).any():  # no weight has a meaning, and no broker would have let the positions stand
        ruin = int((nav <= 0).argmax())
        raise FrameError(
            f"the portfolio is worth {nav.iloc[ruin]:,.0f} at {nav.index[ruin].date()}: losses on shorts exceed all "
            "capital; use smaller positions"
        )
    sparse = rows_a_year(sessions)
    rows = () if sparse is None else (f"prices have {sparse} rows a year, not one a session: a fill is a row later",)
    return Result(
        name=name,
        nav=nav,
        weights=pd.DataFrame(held / nav.to_numpy()[:, None], nav.index, market.assets, copy=False),
        trades=log.trades(sessions, market.assets),
        targets=targets,
        notes=(*rows, *log.notes(sessions), *market.notes),
        flows=flows,
        sessions_in_year=None if calendar is None else sessions_a_year(sessions, calendar),
        closes=pd.DataFrame(market.closes[start:], nav.index, market.assets, copy=False),
    )
