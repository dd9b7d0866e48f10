"""simulate(): what target weights would have earned. The only home of vectorbt."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from allocation.errors import FrameError, MissingPrice
from allocation.frames import check_prices, check_weights, named, sessions_of
from backtest.book import CASH_ACCOUNT, Costs, Mask, Rules, Vector
from backtest.costs import Bill, Flows
from backtest.events import UNEVENTFUL, Events
from backtest.ledger import Day, Ledger, Paths
from backtest.result import Result
from backtest.schedule import sessions_a_year

FULL = 1.0 + 1e-6  # weights that sum to one, and a solver's dust
FILLED = 1e-9  # of the largest order: difference between the shares ordered and the shares vectorbt filled
NOTHING = 1e-300  # vectorbt wants prices above zero, also of what has become worthless


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
        MissingPrice: weights name assets or sessions without prices, or a position outlives its prices and
            no delisting return is stated.
    """
    costs = Costs() if costs is None else costs
    prices, weights = check_prices(prices), check_weights(weights)
    targets = _on_sessions(weights, prices, rules)
    paths = Paths.of(prices, opens, costs, events)
    start = int(np.flatnonzero(targets.notna().any(axis=1))[0]) if targets.notna().any(axis=None) else 0
    plan = _plan(targets.to_numpy(), Ledger.start(paths, costs, rules, cash, start))
    sessions = sessions_of(prices)
    _refuse_stranded(prices, plan, cash)
    flows = pd.DataFrame(plan.flows[start:], sessions[start:], list(Flows._fields))
    held = np.where(plan.shares == 0.0, 0.0, plan.shares * paths.closes)[start:]
    money = _cash(prices, paths, plan, cash)[start:] + flows.to_numpy().sum(axis=1).cumsum()
    nav = pd.Series(money + held.sum(axis=1), sessions[start:], name="nav")
    _refuse_ruin(nav)
    return Result(
        name=name,
        nav=nav,
        weights=pd.DataFrame(held / nav.to_numpy()[:, None], nav.index, prices.columns),
        trades=_trades(plan, paths, prices),
        targets=targets.iloc[start:].dropna(how="all"),
        notes=tuple(plan.notes(sessions)),
        flows=flows,
        sessions_in_year=None if calendar is None else sessions_a_year(sessions, calendar),
    )


def _on_sessions(weights: pd.DataFrame, prices: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    strangers = weights.columns.difference(prices.columns)
    if len(strangers):
        raise MissingPrice(f"weights has {named(strangers)} without a price column: add prices or drop the column")
    unpriced = weights.index.difference(prices.index)
    if len(unpriced):
        raise MissingPrice(f"weights has a row on {unpriced[0].date()} where prices has none: decide on sessions")
    total = weights.sum(axis=1)
    if (total > rules.leverage * FULL).any():
        worst = int(total.argmax())
        raise FrameError(
            f"weights sum to {total.iloc[worst]:.6g} at {weights.index[worst].date()}: more than {rules.leverage:g} "
            "would borrow cash that is not allowed; scale the row down, or pass rules=Rules(leverage=...)"
        )
    return weights.reindex(index=prices.index, columns=prices.columns)


@dataclass(frozen=True)
class _Plan:
    """Shares traded in each session (0: none), what they cost, money that flowed, and what missed its target."""

    traded: Vector
    bill: Bill
    flows: Vector
    untraded: Mask
    scaled: Mask
    exits: int
    pending: bool

    @classmethod
    def empty(cls, shape: tuple[int, ...], *, pending: bool) -> "_Plan":
        rows = np.zeros(shape[0], dtype=bool)
        bill = Bill(np.zeros(shape), np.zeros(shape), np.zeros(shape))
        flows = np.zeros((shape[0], len(Flows._fields)))
        return cls(np.zeros(shape), bill, flows, np.zeros(shape, dtype=bool), rows, 0, pending)

    @cached_property
    def shares(self) -> Vector:
        """Held after each session; what was sold is 0, not the rounding of a sum."""
        shares = np.cumsum(self.traded, axis=0)
        return np.where(np.abs(shares) <= FILLED * np.cumsum(np.abs(self.traded), axis=0), 0.0, shares)

    def record(self, day: Day) -> None:
        self.flows[day.row] = day.flows
        for column, shares in day.exits.items():
            self.traded[day.row, column] = -shares
        if day.fill is not None:
            self.traded[day.row] += day.fill.traded
            self.untraded[day.row], self.scaled[day.row] = day.fill.untraded, day.fill.scale < 2.0 - FULL
            for kind, paid in zip(self.bill, day.fill.bill, strict=True):
                kind[day.row] = paid

    def notes(self, sessions: pd.DatetimeIndex) -> Iterator[str]:
        if self.untraded.any():
            yield f"{self.untraded.sum()} targets not filled: the asset had no price in the fill session"
        if self.scaled.any():
            yield f"{self.scaled.sum()} rows of targets scaled down: value in held assets left too little cash"
        if self.exits:
            yield f"{self.exits} positions closed at their delisting"
        if self.pending:
            yield f"the decision of {sessions[-1].date()} has no session after it to be filled in"


def _plan(targets: Vector, ledger: Ledger) -> _Plan:
    """Let the ledger live through all sessions, ordering each row of targets, and note what it did."""
    decided = np.flatnonzero(np.isfinite(targets).any(axis=1))
    last = len(targets) - 1
    plan = _Plan.empty(targets.shape, pending=len(decided) > 0 and bool(decided[-1] == last))
    exits = 0
    for row in [*decided.tolist(), last]:
        for day in ledger.advance(row):
            plan.record(day)
            exits += len(day.exits)
        ledger.order(targets[row])
    return replace(plan, exits=exits)


def _refuse_stranded(prices: pd.DataFrame, plan: _Plan, cash: float) -> None:
    """A position whose prices end before the sessions do would stay frozen at its last value for ever."""
    value = np.abs(plan.traded.sum(axis=0)) * prices.ffill().iloc[-1].fillna(0.0)
    stranded = (value > FILLED * cash) & prices.iloc[-1].isna()
    if stranded.any():
        asset = stranded.idxmax()
        last = prices[asset].last_valid_index()
        raise MissingPrice(
            f"{asset} is still held at the end, but its prices end on {last.date()}: "
            "set its target to 0 before that, or state what holders received: events=Events(delistings=...)"
        )


def _cash(prices: pd.DataFrame, paths: Paths, plan: _Plan, cash: float) -> Vector:
    """Cash after each session, interest and dividends aside, as vectorbt keeps it.

    vectorbt is told only the sessions with orders: in between nothing changes hands.
    """
    rows = np.flatnonzero((plan.traded != 0.0).any(axis=1))
    if not len(rows):
        return np.full(len(prices), cash)
    lent = _to_lend(paths, plan, cash)
    spent = _run(prices.index[rows], prices.columns, _Orders.of(paths, plan, rows), cash + lent)
    after = cash - np.cumsum(np.concatenate([[0.0], spent]))
    return np.asarray(after[np.searchsorted(rows, np.arange(len(prices)), side="right")])


@dataclass(frozen=True)
class _Orders:
    """What is traded in some sessions (sessions × assets): shares, 0 for none, prices, costs, and values there."""

    traded: Vector
    prices: Vector
    costs: Vector
    closes: Vector

    @classmethod
    def of(cls, paths: Paths, plan: _Plan, rows: NDArray[np.int64]) -> "_Orders":
        traded, closes = plan.traded[rows], paths.closes[rows]
        at = np.where(traded == 0.0, np.nan, _order_prices(paths)[rows])
        # Before an asset's first price none of it is held, and 0 × NaN is NaN.
        return cls(traded, at, plan.bill.per_asset[rows], np.where(np.isnan(closes), 1.0, closes))


def _run(sessions: pd.Index, assets: pd.Index, orders: _Orders, cash: float) -> Vector:
    """Let vectorbt fill the orders; return the money that each session took.

    It is added up from the fills, not read off vectorbt's cash: that holds the money lent, which depends on the
    largest position ever, so that the last bits of early sessions would depend on later ones.
    """
    import vectorbt  # 1.5-3 s to load: only when something is simulated

    portfolio = vectorbt.Portfolio.from_orders(
        close=pd.DataFrame(orders.closes, sessions, assets),
        size=np.where(orders.traded == 0.0, np.nan, orders.traded),
        size_type="amount",
        price=orders.prices,
        fees=0.0,
        fixed_fees=orders.costs,  # in money: fractions, minima and impact are worked out already
        init_cash=cash,
        group_by=True,
        cash_sharing=True,
        call_seq=np.argsort(orders.traded > 0.0, axis=1, kind="stable"),  # sells before buys; "auto" sorts by value
        freq="1D",
        engine="rust",
    )
    fills = portfolio.order_records  # as an array: each `orders.records` would copy all of it into a frame
    filled = np.where(fills["side"] == 0, fills["size"], -fills["size"])
    _refuse_cuts(fills, filled, orders.traded, sessions, assets)
    return np.asarray(np.bincount(fills["idx"], filled * fills["price"] + fills["fees"], minlength=len(sessions)))


def _order_prices(paths: Paths) -> Vector:
    """Fill prices, and what holders of delisted assets were paid."""
    at = paths.fills.copy() if paths.exits else paths.fills
    for row, paid in paths.exits.items():
        at[row, list(paid)] = np.maximum(list(paid.values()), NOTHING)
    return at


def _to_lend(paths: Paths, plan: _Plan, cash: float) -> float:
    """vectorbt knows no loans, interest or dividends, and cuts orders short of cash: money lent, and taken off NAV.

    0 in a long-only account without flows, where the plan never needs any.
    """
    spent = np.nansum(plan.traded * _order_prices(paths) + plan.bill.per_asset, axis=1)
    least = float((cash - np.cumsum(spent)).min())
    if least >= -FILLED * cash and not (plan.shares < 0).any():
        return 0.0
    return 2.0 * float(np.nansum(np.abs(plan.shares) * paths.closes, axis=1).max()) + max(0.0, -least)


def _refuse_cuts(fills: Any, filled: Vector, ordered: Vector, sessions: pd.Index, assets: pd.Index) -> None:
    """vectorbt cuts an order it has no cash for and logs it as filled; here that is an error."""
    missing = ordered.copy()
    missing[fills["idx"], fills["col"]] -= filled
    wrong = np.abs(missing) > FILLED * np.abs(ordered).max()
    if wrong.any():
        row, column = (int(each[0]) for each in np.nonzero(wrong))
        raise FrameError(
            f"vectorbt left {missing[row, column]:g} of {ordered[row, column]:g} shares unfilled of "
            f"{assets[column]} at {pd.DatetimeIndex(sessions)[row].date()}: leave more cash for costs"
        )


def _refuse_ruin(nav: pd.Series) -> None:
    """Below zero no weight has a meaning, and no broker would have let the positions stand."""
    if (nav <= 0).any():
        ruin = int((nav <= 0).argmax())
        raise FrameError(
            f"the portfolio is worth {nav.iloc[ruin]:,.0f} at {nav.index[ruin].date()}: losses on shorts exceed all "
            "capital; use smaller positions"
        )


def _trades(plan: _Plan, paths: Paths, prices: pd.DataFrame) -> pd.DataFrame:
    """One row per fill, by session and asset, with its cost in all and by kind."""
    rows, columns = np.nonzero(plan.traded)
    at = paths.fills[rows, columns]
    paid = [kind[rows, columns] for kind in plan.bill]
    for row, exits in paths.exits.items():
        for column, price in exits.items():
            at[(rows == row) & (columns == column)] = price
    return pd.DataFrame(
        {
            "session": prices.index[rows],
            "asset": prices.columns[columns],
            "shares": plan.traded[rows, columns],
            "price": at,
            "cost": sum(paid[1:], start=paid[0]),
            **dict(zip(Bill._fields, paid, strict=True)),
        },
        copy=False,
    )
