"""simulate(): what target weights would have earned. vectorbt's Rust engine is asked here, and nowhere else."""

from typing import Any

import numpy as np
import pandas as pd

from allocation.errors import FrameError, MissingPriceError
from allocation.execution.book import CASH_ACCOUNT, Rules, market_value
from allocation.execution.costs import Costs, Flows
from allocation.frames import check_prices, check_weights, named, sessions_of
from allocation.schedule import sessions_a_year
from backtest.engine.corporate_actions import UNEVENTFUL, Events
from backtest.engine.replay import Ledger, MarketArrays
from backtest.engine.trade_log import TradeLog, trade_log_of
from backtest.engine.vectorbt_books import FILLED, Fills, money_of
from backtest.result.result import Result
from newsfolio.shared.arrays import FloatArray

FULL = 1.0 + 1e-6  # weights that sum to one, and a solver's dust


def simulate(
    prices: pd.DataFrame,
    weights: pd.DataFrame,
    costs: Costs | None = None,
    *,
    opens: pd.DataFrame | None = None,
    cash: float = 1_000_000.0,
    name: str = "portfolio",
    rules: Rules = CASH_ACCOUNT,
    events: Events = UNEVENTFUL,
    calendar: str | None = None,
) -> Result:
    """Fill target weights in the session after each was decided and keep the books from then on.

    prices: adjusted closes (sessions × assets), or split-adjusted ones with their dividends in `events`. weights:
    targets decided at the close of their row, fractions of the NAV left after the costs of reaching them; NaN
    holds. Fills are in the next session: at `opens` where given (any frame of prices, such as vwap_proxy's), else
    at its close. costs default to 10 bp of the traded value and nothing for holding. rules: whole shares and
    leverage. The result begins at the first decision. calendar: the exchange whose sessions a year annualise the
    figures; 252, or 365 where every day has a session, if None.

    Weights that sum to more than rules.leverage are refused. A target for an asset that has no price in the fill
    session is not filled, and a decision on the last session has no session to fill in: both are counted in
    `Result.notes`.

    Raises:
        FrameError: a frame breaks its contract, weights sum to more than is allowed, or all capital is lost.
        MissingPriceError: weights name assets or sessions without prices, or a position outlives its prices and
            no delisting return is stated.
    """
    costs = Costs() if costs is None else costs
    prices, weights = check_prices(prices), check_weights(weights)
    targets = _on_sessions(weights, prices, rules)
    paths = MarketArrays.of(prices, opens, costs, events)
    decided = np.flatnonzero(np.isfinite(targets.to_numpy()).any(axis=1))
    start = int(decided[0]) if len(decided) else 0
    plan = trade_log_of(targets.to_numpy(), decided, Ledger.start(paths, costs, rules, cash, start))
    sessions = sessions_of(prices)
    shares = plan.shares(start, len(prices))
    _refuse_stranded(prices, shares[-1] * paths.closes[-1], cash)
    flows = pd.DataFrame(plan.flows[start:], sessions[start:], list(Flows._fields))
    held = market_value(shares, paths.closes[start:])
    money = _cash(plan, held, cash, prices)[start:] + flows.to_numpy().sum(axis=1).cumsum()
    nav = pd.Series(money + held.sum(axis=1), sessions[start:], name="nav")
    _refuse_ruin(nav)
    return Result(
        name=name,
        nav=nav,
        weights=pd.DataFrame(held / nav.to_numpy()[:, None], nav.index, prices.columns, copy=False),
        trades=_trades(plan, sessions, prices.columns),
        targets=targets.iloc[decided],
        notes=tuple(plan.notes(sessions)),
        flows=flows,
        sessions_in_year=None if calendar is None else sessions_a_year(sessions, calendar),
    )


def _on_sessions(weights: pd.DataFrame, prices: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    strangers = weights.columns.difference(prices.columns)
    if len(strangers):
        raise MissingPriceError(f"weights has {named(strangers)} without a price column: add prices or drop the column")
    unpriced = weights.index.difference(prices.index)
    if len(unpriced):
        raise MissingPriceError(f"weights has a row on {unpriced[0].date()} where prices has none: decide on sessions")
    total = weights.sum(axis=1)
    if (total > rules.leverage * FULL).any():
        worst = int(total.argmax())
        raise FrameError(
            f"weights sum to {total.iloc[worst]:.6g} at {weights.index[worst].date()}: more than {rules.leverage:g} "
            "would borrow cash that is not allowed; scale the row down, or pass rules=Rules(leverage=...)"
        )
    return weights.reindex(index=prices.index, columns=prices.columns)


def _refuse_stranded(prices: pd.DataFrame, values: FloatArray, cash: float) -> None:
    """A position whose prices end before the sessions do would stay frozen at its last value for ever."""
    stranded = np.flatnonzero(prices.iloc[-1].isna() & (np.abs(values) > FILLED * cash))
    if len(stranded):
        asset = prices.columns[stranded[0]]
        last = sessions_of(prices[asset].dropna())[-1]
        raise MissingPriceError(
            f"{asset} is still held at the end, but its prices end on {last.date()}: "
            "set its target to 0 before that, or state what holders received: events=Events(delistings=...)"
        )


def _cash(plan: TradeLog, held: FloatArray, cash: float, prices: pd.DataFrame) -> FloatArray:
    """Cash after each session, interest and dividends aside, as vectorbt keeps it."""
    if not len(plan.rows):
        return np.full(len(prices), cash)
    lent = _to_lend(plan, held, cash)
    spent = money_of(_filled(plan, cash + lent), plan, sessions_of(prices), prices.columns)
    after = cash - np.cumsum(np.concatenate([[0.0], spent]))
    return np.asarray(after[np.searchsorted(plan.rows, np.arange(len(prices)), side="right")])


def _filled(plan: TradeLog, cash: float) -> Fills:
    """Let vectorbt fill the orders of a plan out of `cash`.

    It is told only the sessions with orders: in between nothing changes hands. It is asked below
    Portfolio.from_orders, which spends as long again on frames that nobody looks at.
    """
    from vectorbt.portfolio.dispatch import simulate_from_orders  # 2-3 s to load: only when something is simulated

    fills, _ = simulate_from_orders(
        target_shape=plan.traded.shape,
        group_lens=np.array([plan.traded.shape[1]]),  # one group that shares its cash
        init_cash=np.array([cash]),
        call_seq=np.argsort(plan.traded > 0.0, axis=1, kind="stable"),  # sells before buys; "auto" sorts by value
        size=plan.traded,  # an amount of shares, 0 for no order
        price=plan.prices,
        fixed_fees=plan.cost,  # in money: fractions, minima and impact are worked out already
        max_orders=plan.traded.size,
        max_logs=1,
        engine="rust",
    )
    return np.asarray(fills)


def _to_lend(plan: TradeLog, held: FloatArray, cash: float) -> float:
    """vectorbt knows no loans, interest or dividends, and cuts orders short of cash: money lent, and taken off NAV.

    0 in a long-only account without flows, where the plan never needs any.
    """
    least = float((cash - np.cumsum(plan.spent)).min())
    if least >= -FILLED * cash and not (plan.held < 0).any():
        return 0.0
    return 2.0 * float(np.abs(held).sum(axis=1).max()) + max(0.0, -least)


def _refuse_ruin(nav: pd.Series) -> None:
    """Below zero no weight has a meaning, and no broker would have let the positions stand."""
    if (nav <= 0).any():
        ruin = int((nav <= 0).argmax())
        raise FrameError(
            f"the portfolio is worth {nav.iloc[ruin]:,.0f} at {nav.index[ruin].date()}: losses on shorts exceed all "
            "capital; use smaller positions"
        )


def _trades(plan: TradeLog, sessions: pd.DatetimeIndex, assets: pd.Index) -> pd.DataFrame:
    """One row per fill, by session and asset, with its cost in all and by kind."""
    filled = plan.traded != 0.0
    these: Any = slice(None) if filled.all() else filled.ravel()  # a slice copies nothing
    columns: dict[str, Any] = {
        "session": sessions[plan.rows].repeat(filled.sum(axis=1)),
        "asset": assets.take(np.broadcast_to(np.arange(len(assets)), filled.shape)[filled]),
    }
    numbers = {"shares": plan.traded, "price": plan.prices, "cost": plan.cost, **plan.cost_by_kind._asdict()}
    columns |= {name: values.ravel()[these] for name, values in numbers.items()}
    return pd.DataFrame(columns, copy=False)
