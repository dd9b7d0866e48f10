"""trade_log_of(): what an account did over all sessions, as arrays: shares traded and held, prices, costs, flows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from allocation.execution.book import market_value
from allocation.execution.costs import CostBreakdown, Flows, cost_breakdown
from backtest.engine.replay import AccountReplay
from newsfolio.shared.arrays import FloatArray

WHOLE = 1.0 - 1e-6  # a scale below it is a cut, above it a solver's dust
ROUNDING = 1e-9  # of the starting cash: a position worth less is what selling all of it left
NOTHING = 1e-300  # vectorbt wants prices above zero, also of what has become worthless


@dataclass(frozen=True)
class TradeLog:
    """What was done in the sessions with orders, by their row numbers `rows`, and what missed its target.

    traded: shares bought (+) or sold (-); prices: of what was traded; cost of trading it, in all, and by kind in
    cost_by_kind (all rows × assets). held: shares at first, none, and after each row. spent: money that each row took.
    flows: money without trades (sessions × kinds). untraded: targets without a price; small: orders below the rules'
    minimum; scaled: rows of targets that were cut; exits: positions closed at their delisting; pending: whether a
    decision had no session to be filled in.
    """

    rows: NDArray[np.int64]
    traded: FloatArray
    held: FloatArray
    prices: FloatArray
    cost: FloatArray
    cost_by_kind: CostBreakdown
    spent: FloatArray
    flows: FloatArray
    untraded: int
    small: int
    scaled: int
    exits: int
    pending: bool

    def shares(self, first: int, end: int) -> FloatArray:
        """Held after each session from row `first` up to `end`, excluded."""
        return np.asarray(self.held[np.searchsorted(self.rows, np.arange(first, end), side="right")])

    def cash(self, held: FloatArray, cash: float, sessions: pd.DatetimeIndex, assets: pd.Index) -> FloatArray:
        """Cash after each session of an account that began with `cash`, interest and dividends aside, as vectorbt does.

        held: value of the positions at the closes. vectorbt knows no loans, interest or dividends and cuts orders that
        are short of cash: it is lent money for as long as it fills, 0 in a long-only account that never needs any.
        """
        if not len(self.rows):
            return np.full(len(sessions), cash)
        from backtest.result.vectorbt_books import Orders, fill_orders, money_spent

        least = float((cash - np.cumsum(self.spent)).min())
        borrowing = least < -ROUNDING * cash or bool((self.held < 0).any())
        lent = 2.0 * float(np.abs(held).sum(axis=1).max()) + max(0.0, -least) if borrowing else 0.0
        orders = Orders(self.traded, self.prices, self.cost, sessions[self.rows], assets)
        spent = money_spent(fill_orders(orders, cash + lent), orders)
        after = cash - np.cumsum(np.concatenate([[0.0], spent]))
        return np.asarray(after[np.searchsorted(self.rows, np.arange(len(sessions)), side="right")])

    def trades(self, sessions: pd.DatetimeIndex, assets: pd.Index) -> pd.DataFrame:
        """One row per fill, by session and asset, with its cost in all and by kind."""
        filled = self.traded != 0.0
        these: Any = slice(None) if filled.all() else filled.ravel()  # a slice copies nothing
        columns: dict[str, Any] = {
            "session": sessions[self.rows].repeat(filled.sum(axis=1)),
            "asset": assets.take(np.broadcast_to(np.arange(len(assets)), filled.shape)[filled]),
        }
        numbers = {"shares": self.traded, "price": self.prices, "cost": self.cost, **self.cost_by_kind._asdict()}
        columns |= {name: values.ravel()[these] for name, values in numbers.items()}
        return pd.DataFrame(columns, copy=False)

    def notes(self, sessions: pd.DatetimeIndex) -> Iterator[str]:
        """In words, whatever did not go as the targets said."""
        if self.untraded:
            yield f"{self.untraded} targets not filled: the asset had no price in the fill session"
        if self.small:
            yield f"{self.small} orders not sent: worth less than the least value of an order"
        if self.scaled:
            yield f"{self.scaled} rows of targets scaled down: value in held assets left too little cash"
        if self.exits:
            yield f"{self.exits} positions closed at their delisting"
        if self.pending:
            yield f"the decision of {sessions[-1].date()} has no session after it to be filled in"


def trade_log_of(replay: AccountReplay) -> TradeLog:
    """Let the account live on to the last session, and lay what happened side by side."""
    market = replay.market
    n_sessions, n_assets = market.closes.shape
    replay.advance(n_sessions - 1)
    records = replay.records
    flows = np.zeros((n_sessions, len(Flows._fields)))
    for record in records:
        flows[record.row] = record.flows
    trading = [each for each in records if each.exits or (each.fill is not None and np.count_nonzero(each.fill.traded))]
    rows = np.array([record.row for record in trading], dtype=np.int64)
    nothing = np.zeros(n_assets)
    traded = _stacked([nothing if each.fill is None else each.fill.traded for each in trading], n_assets)
    prices = market.fills[rows]
    # Shares of delisted assets are given up for what their holders are paid, free of costs.
    exits = [(n, column, count) for n, record in enumerate(trading) for column, count in record.exits.items()]
    for number, column, count in exits:
        traded[number, column] = -count
        prices[number, column] = max(market.exits[int(rows[number])][column], NOTHING)
    value = market_value(traded, prices)
    slopes = None if market.slopes is None else np.nan_to_num(market.slopes[rows])
    paid = cost_breakdown(replay.costs, np.abs(value), np.abs(traded), slopes)
    for number, column, _ in exits:
        for kind in paid:
            kind[number, column] = 0.0
    cost = paid.per_asset
    fills = [record.fill for record in records if record.fill is not None]
    return TradeLog(
        rows=rows,
        traded=traded,
        held=_stacked([nothing, *(record.shares for record in trading)], n_assets),
        prices=prices,
        cost=cost,
        cost_by_kind=paid,
        spent=value.sum(axis=1) + cost.sum(axis=1),
        flows=flows,
        untraded=sum(int(np.count_nonzero(done.untraded)) for done in fills),
        small=sum(int(np.count_nonzero(done.small)) for done in fills),
        scaled=sum(done.scale < WHOLE for done in fills),
        exits=sum(len(record.exits) for record in records),
        pending=replay.pending,
    )


def _stacked(rows: list[FloatArray], columns: int) -> FloatArray:
    return np.asarray(np.stack(rows)) if rows else np.zeros((0, columns))
