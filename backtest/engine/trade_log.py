"""trade_log_of(): what a ledger did over all sessions, as arrays: shares traded and held, prices paid, costs, flows."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from allocation.execution.book import market_value
from allocation.execution.costs import CostBreakdown, Flows, cost_breakdown
from backtest.engine.replay import Ledger, MarketArrays, SessionRecord
from newsfolio.shared.arrays import FloatArray

WHOLE = 1.0 - 1e-6  # a scale below it is a cut, above it a solver's dust
NOTHING = 1e-300  # vectorbt wants prices above zero, also of what has become worthless


@dataclass(frozen=True)
class TradeLog:
    """What was done in the sessions with orders, by their row numbers `rows`, and what missed its target.

    traded: shares bought (+) or sold (-); prices: of what was traded; cost of trading it, in all, and by kind in
    cost_by_kind (all rows × assets). held: shares at first, none, and after each row. spent: money that each row took.
    flows: money without trades (sessions × kinds). untraded, scaled, exits: targets without a price, rows of targets
    cut, positions closed at their delisting; pending: whether a decision had no session to be filled in.
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
    scaled: int
    exits: int
    pending: bool

    def shares(self, first: int, end: int) -> FloatArray:
        """Held after each session from row `first` up to `end`, excluded."""
        return np.asarray(self.held[np.searchsorted(self.rows, np.arange(first, end), side="right")])

    def notes(self, sessions: pd.DatetimeIndex) -> Iterator[str]:
        """In words, whatever did not go as the targets said."""
        if self.untraded:
            yield f"{self.untraded} targets not filled: the asset had no price in the fill session"
        if self.scaled:
            yield f"{self.scaled} rows of targets scaled down: value in held assets left too little cash"
        if self.exits:
            yield f"{self.exits} positions closed at their delisting"
        if self.pending:
            yield f"the decision of {sessions[-1].date()} has no session after it to be filled in"


def trade_log_of(targets: FloatArray, decided: NDArray[np.int64], ledger: Ledger) -> TradeLog:
    """Let the ledger live through all sessions, ordering the rows `decided` of `targets` (sessions × assets)."""
    days = list(_lived(targets, decided, ledger))
    fills = [day.fill for day in days if day.fill is not None]
    flows = np.zeros((len(targets), len(Flows._fields)))
    flows[[day.row for day in days]] = [day.flows for day in days] or np.zeros((0, flows.shape[1]))
    trading = [day for day in days if day.exits or (day.fill is not None and np.count_nonzero(day.fill.traded))]
    rows = np.array([day.row for day in trading], dtype=np.int64)
    traded, prices = _orders(trading, rows, ledger.paths)
    value = market_value(traded, prices)
    paid = _cost_by_kind(trading, rows, value, traded, ledger)
    cost = paid.per_asset
    return TradeLog(
        rows=rows, traded=traded, prices=prices, cost=cost, cost_by_kind=paid, flows=flows,
        held=_stacked([np.zeros(targets.shape[1]), *(day.shares for day in trading)], targets.shape[1]),
        spent=value.sum(axis=1) + cost.sum(axis=1),
        untraded=sum(int(np.count_nonzero(done.untraded)) for done in fills),
        scaled=sum(done.scale < WHOLE for done in fills),
        exits=sum(len(day.exits) for day in days),
        pending=len(targets) - 1 in decided,
    )  # fmt: skip


def _lived(targets: FloatArray, decided: NDArray[np.int64], ledger: Ledger) -> Iterator[SessionRecord]:
    for row in [*decided.tolist(), len(targets) - 1]:
        yield from ledger.advance(row)
        ledger.order(targets[row])


def _orders(
    trading: list[SessionRecord], rows: NDArray[np.int64], paths: MarketArrays
) -> tuple[FloatArray, FloatArray]:
    """Shares traded and at which prices; those of delisted assets are given up for what their holders are paid."""
    nothing = np.zeros(paths.closes.shape[1])
    traded = _stacked([nothing if day.fill is None else day.fill.traded for day in trading], len(nothing))
    prices = paths.fills[rows]
    for number, column, shares in _given_up(trading):
        traded[number, column] = -shares
        prices[number, column] = max(paths.exits[int(rows[number])][column], NOTHING)
    return traded, prices


def _cost_by_kind(
    trading: list[SessionRecord], rows: NDArray[np.int64], value: FloatArray, traded: FloatArray, ledger: Ledger
) -> CostBreakdown:
    """What the orders cost; holders of delisted assets are paid free of costs."""
    slopes = None if ledger.paths.slopes is None else np.nan_to_num(ledger.paths.slopes[rows])
    paid = cost_breakdown(ledger.costs, np.abs(value), np.abs(traded), slopes)
    for number, column, _ in _given_up(trading):
        for kind in paid:
            kind[number, column] = 0.0
    return paid


def _given_up(trading: list[SessionRecord]) -> Iterator[tuple[int, int, float]]:
    """(number of the row, column, shares) of each position closed at its delisting."""
    for number, day in enumerate(trading):
        for column, shares in day.exits.items():
            yield number, column, shares


def _stacked(rows: list[FloatArray], columns: int) -> FloatArray:
    return np.asarray(np.stack(rows)) if rows else np.zeros((0, columns))
