"""simulate(): what target weights would have earned. The only home of vectorbt."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from allocation.errors import FrameError, MissingPrice
from allocation.frames import check_prices, check_weights, named, sessions_of
from backtest.book import Book, Costs, Mask, Vector, fill
from backtest.result import Result
from backtest.walk import price_paths

FULL = 1.0 + 1e-6  # weights that sum to one, and a solver's dust
FILLED = 1e-9  # relative difference between the shares ordered and the shares vectorbt filled


def simulate(
    prices: pd.DataFrame,
    weights: pd.DataFrame,
    costs: Costs | None = None,
    *,
    opens: pd.DataFrame | None = None,
    cash: float = 1_000_000.0,
    name: str = "portfolio",
) -> Result:
    """Fill target weights in the session after each was decided and keep the books from then on.

    prices: adjusted closes (sessions × assets). weights: targets decided at the close of their row, fractions
    of the NAV left after the costs of reaching them; NaN holds. Fills are at the next session's open where
    `opens` is given, else at its close. costs default to 10 bp of the traded value. The result begins at the
    first decision; cash earns nothing.

    Shorts are filled without a borrow fee; weights that sum to more than 1, which would borrow cash, are
    refused. A target for an asset that has no price in the fill session is not filled, and a decision on the
    last session has no session to fill in: both are counted in `Result.notes`.

    Raises:
        FrameError: a frame breaks its contract, or weights sum to more than 1.
        MissingPrice: weights name assets or sessions without prices, or a position outlives its prices.
    """
    if not 0.0 < cash < np.inf:
        raise FrameError(f"cash is {cash:g}: start with a positive amount of money")
    costs = Costs() if costs is None else costs
    prices, weights = check_prices(prices), check_weights(weights)
    targets = _on_sessions(weights, prices)
    closes, fills, fill_marks = price_paths(prices, opens)
    start = int(np.flatnonzero(targets.notna().any(axis=1))[0]) if targets.notna().any(axis=None) else 0
    plan = _plan(targets.to_numpy()[start:], fills[start:], fill_marks[start:], costs, cash)
    sessions = sessions_of(prices)[start:]
    _refuse_stranded(prices.iloc[start:], plan, cash)
    portfolio = _run(pd.DataFrame(closes[start:], sessions, prices.columns), fills[start:], plan, costs, cash)
    nav = portfolio.value().rename("nav")
    _refuse_ruin(nav)
    return Result(
        name=name,
        nav=nav,
        weights=portfolio.asset_value(group_by=False).div(nav, axis=0),
        trades=_trades(portfolio, prices.columns),
        targets=targets.iloc[start:].dropna(how="all"),
        notes=tuple(plan.notes(sessions)),
    )


def _on_sessions(weights: pd.DataFrame, prices: pd.DataFrame) -> pd.DataFrame:
    strangers = weights.columns.difference(prices.columns)
    if len(strangers):
        raise MissingPrice(f"weights has {named(strangers)} without a price column: add prices or drop the column")
    unpriced = weights.index.difference(prices.index)
    if len(unpriced):
        raise MissingPrice(f"weights has a row on {unpriced[0].date()} where prices has none: decide on sessions")
    total = weights.sum(axis=1)
    if (total > FULL).any():
        worst = int(total.argmax())
        raise FrameError(
            f"weights sum to {total.iloc[worst]:.6g} at {weights.index[worst].date()}: more than 1 would borrow cash, "
            "which this simulation refuses; scale the row to at most 1"
        )
    return weights.reindex(index=prices.index, columns=prices.columns)


@dataclass(frozen=True)
class _Plan:
    """Shares traded in each session (NaN: no order), and what differed from the targets."""

    traded: Vector
    untraded: Mask
    scaled: Mask
    pending: bool

    def notes(self, sessions: pd.DatetimeIndex) -> Iterator[str]:
        if self.untraded.any():
            yield f"{self.untraded.sum()} targets not filled: the asset had no price in the fill session"
        if self.scaled.any():
            yield f"{self.scaled.sum()} rows of targets scaled down: value in held assets left too little cash"
        if self.pending:
            yield f"the decision of {sessions[-1].date()} has no session after it to be filled in"


def _plan(targets: Vector, fills: Vector, marks: Vector, costs: Costs, cash: float) -> _Plan:
    """Turn targets into shares; the only state is the book, carried from fill to fill."""
    traded = np.full(targets.shape, np.nan)
    untraded = np.zeros(targets.shape, dtype=bool)
    scaled = np.zeros(len(targets), dtype=bool)
    book = Book(np.zeros(targets.shape[1]), cash)
    decided = np.flatnonzero(np.isfinite(targets).any(axis=1))
    for row in decided[decided + 1 < len(targets)] + 1:
        done = fill(book, targets[row - 1], fills[row], marks[row], costs)
        orders = done.traded != 0.0
        traded[row, orders] = done.traded[orders]
        untraded[row], scaled[row] = done.untraded, done.scale < 2.0 - FULL
        book = done.book
    pending = len(decided) > 0 and decided[-1] + 1 == len(targets)
    return _Plan(traded, untraded, scaled, pending)


def _refuse_stranded(prices: pd.DataFrame, plan: _Plan, cash: float) -> None:
    """A position whose prices end before the sessions do would stay frozen at its last value for ever."""
    shares = np.nancumsum(plan.traded, axis=0)[-1]
    value = np.abs(shares) * prices.ffill().iloc[-1].fillna(0.0)
    stranded = (value > FILLED * cash) & prices.iloc[-1].isna()
    if stranded.any():
        asset = stranded.idxmax()
        last = prices[asset].last_valid_index()
        raise MissingPrice(
            f"{asset} is still held at the end, but its prices end on {last.date()}: "
            "set its target to 0 before that, or give its prices a last row with what holders received"
        )


def _run(closes: pd.DataFrame, fills: Vector, plan: _Plan, costs: Costs, cash: float) -> Any:
    import vectorbt  # 1.5-3 s to load: only when something is simulated

    portfolio = vectorbt.Portfolio.from_orders(
        close=closes.fillna(1.0),  # before an asset's first price none of it is held, and 0 × NaN is NaN
        size=plan.traded,
        size_type="amount",
        price=fills,
        fees=costs.rate,
        init_cash=cash,
        group_by=True,
        cash_sharing=True,
        call_seq="auto",  # sells before buys
        freq="1D",
        engine="rust",
    )
    _refuse_cuts(portfolio, plan, closes)
    return portfolio


def _refuse_cuts(portfolio: Any, plan: _Plan, closes: pd.DataFrame) -> None:
    """vectorbt cuts an order it has no cash for and logs it as filled; here that is an error."""
    records = portfolio.orders.records
    filled = np.zeros_like(plan.traded)
    sign = np.where(records["side"].to_numpy() == 0, 1.0, -1.0)
    filled[records["idx"].to_numpy(), records["col"].to_numpy()] = sign * records["size"].to_numpy()
    ordered = np.nan_to_num(plan.traded)
    wrong = np.abs(filled - ordered) > FILLED * (np.abs(ordered) + np.abs(ordered).max())
    if wrong.any():
        row, column = (int(each[0]) for each in np.nonzero(wrong))
        raise FrameError(
            f"vectorbt filled {filled[row, column]:g} of {ordered[row, column]:g} shares of "
            f"{closes.columns[column]} at {closes.index[row].date()}: leave more cash for costs"
        )


def _refuse_ruin(nav: pd.Series) -> None:
    """Below zero no weight has a meaning, and no broker would have let the positions stand."""
    if (nav <= 0).any():
        ruin = int((nav <= 0).argmax())
        raise FrameError(
            f"the portfolio is worth {nav.iloc[ruin]:,.0f} at {nav.index[ruin].date()}: losses on shorts exceed all "
            "capital; use smaller positions"
        )


def _trades(portfolio: Any, assets: pd.Index) -> pd.DataFrame:
    records = portfolio.orders.records
    sign = np.where(records["side"].to_numpy() == 0, 1.0, -1.0)
    trades = pd.DataFrame(
        {
            "session": portfolio.wrapper.index[records["idx"].to_numpy()],
            "asset": assets[records["col"].to_numpy()],
            "shares": sign * records["size"].to_numpy(),
            "price": records["price"].to_numpy(),
            "cost": records["fees"].to_numpy(),
        }
    )
    return trades.sort_values(["session", "asset"], ignore_index=True)
