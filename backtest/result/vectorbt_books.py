"""vectorbt, and nowhere else: its engine fills the orders, its Portfolio shows the books. Imported on first use."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from vectorbt import Portfolio
from vectorbt.base.array_wrapper import ArrayWrapper
from vectorbt.portfolio.dispatch import simulate_from_orders
from vectorbt.portfolio.enums import log_dt, order_dt

from allocation.errors import FrameError
from newsfolio.shared.arrays import FloatArray

FILLED = 1e-9  # of the largest order: difference between the shares ordered and the shares vectorbt filled
AT_ONCE = 16_384  # records looked at together: 0.9 MB of them, which stays in the processor's cache
FLOWS = "cash flows"  # name of the column that holds interest, fees for holding, and dividends

Fills = NDArray[Any]  # records: id, col, idx (row of the orders), size, price, fees, side (0 buys)


@dataclass(frozen=True)
class Orders:
    """Shares to trade, at which prices, and what each order costs (sessions with orders × assets)."""

    traded: FloatArray
    prices: FloatArray
    cost: FloatArray
    sessions: pd.DatetimeIndex
    assets: pd.Index


def fill_orders(orders: Orders, cash: float) -> Fills:
    """Let vectorbt fill orders out of `cash`, sells before buys, and return its records.

    It is given only the sessions with orders: in between nothing changes hands. Its engine is called below
    Portfolio.from_orders, which spends as long again on frames that are not used. vectorbt refuses a sale whose
    fees exceed its proceeds, which is a legal trade: it is given fees no higher than the proceeds, and the record then
    the true ones.
    """
    proceeds = np.where(orders.traded < 0.0, -orders.traded * orders.prices, np.inf)
    fills, _ = simulate_from_orders(
        target_shape=orders.traded.shape,
        group_lens=np.array([orders.traded.shape[1]]),  # one group that shares its cash
        init_cash=np.array([cash]),
        call_seq=np.argsort(orders.traded > 0.0, axis=1, kind="stable"),  # sells before buys; "auto" sorts by value
        size=orders.traded,  # an amount of shares, 0 for no order
        price=orders.prices,
        fixed_fees=np.minimum(orders.cost, proceeds),  # in money: fractions, minima and impact are worked out already
        max_orders=orders.traded.size,
        max_logs=1,
        engine="rust",
    )
    capped = (orders.cost > proceeds)[fills["idx"], fills["col"]]
    fills["fees"][capped] = orders.cost[fills["idx"], fills["col"]][capped]
    return np.asarray(fills)


def money_spent(fills: Fills, orders: Orders) -> FloatArray:
    """Return the money that each row of the orders took, by vectorbt's records of its fills.

    It is added up from the fills, not read off the engine's cash: that holds what was lent, which depends on the
    largest position ever, so that the last bits of early sessions would depend on later ones.

    Raises:
        FrameError: an order was cut, which vectorbt does silently, and logs as filled.
    """
    traded, n_assets = orders.traded, len(orders.assets)
    spent, whole = np.zeros(len(traded)), len(fills) == np.count_nonzero(traded)
    ordered, most = traded.ravel(), FILLED * float(np.abs(traded).max())
    for first in range(0, len(fills), AT_ONCE):
        some = fills[first : first + AT_ONCE]
        row, shares = some["idx"], np.where(some["side"] == 0, some["size"], -some["size"])
        whole = whole and not (np.abs(ordered[row * n_assets + some["col"]] - shares) > most).any()
        spent[row[0] : row[-1] + 1] += np.bincount(row - row[0], shares * some["price"] + some["fees"])
    if not whole:
        missing = traded.copy()
        missing[fills["idx"], fills["col"]] -= np.where(fills["side"] == 0, fills["size"], -fills["size"])
        for row, column in np.argwhere(np.abs(missing) > most):
            raise FrameError(
                f"vectorbt left {missing[row, column]:g} of {traded[row, column]:g} shares unfilled of "
                f"{orders.assets[column]} at {orders.sessions[row].date()}: leave more cash for costs"
            )
    return spent


def portfolio_of(
    trades: pd.DataFrame, closes: pd.DataFrame, flows: pd.Series, cash: float, sessions_per_year: int
) -> "BooksOfAccount":
    """Return vectorbt's Portfolio of these trades (rows as Result.trades) at these last known closes.

    flows: money per session without a trade. Where there is any, a last column, "cash flows", holds one unit bought
    for 1 in the first session, whose price then moves by the flows: value and returns are those of the account, and
    there is one order and one open position more. Fees are the trades' costs.
    """
    flowing = bool((flows != 0.0).any())
    columns = closes.assign(**{FLOWS: 1.0 + flows.cumsum()}) if flowing else closes
    records = np.zeros(len(trades) + flowing, dtype=order_dt)
    if flowing:
        records[-1]["col"], records[-1]["size"], records[-1]["price"] = closes.shape[1], 1.0, 1.0
    own = records[: len(trades)]
    shares = trades["shares"].to_numpy()
    own["col"] = closes.columns.get_indexer(pd.Index(trades["asset"]))
    own["idx"] = closes.index.get_indexer(pd.Index(trades["session"]))
    own["size"], own["side"] = np.abs(shares), shares < 0.0
    own["price"], own["fees"] = trades["price"], trades["cost"]
    records = records[np.argsort(records["idx"], kind="stable")]
    records["id"] = np.arange(len(records))
    wrapper = ArrayWrapper(columns.index, columns.columns, 2, freq="1D", group_by=True)
    return BooksOfAccount(
        wrapper=wrapper,
        close=columns,
        order_records=records,
        log_records=np.zeros(0, dtype=log_dt),
        init_cash=np.array([cash]),
        cash_sharing=True,
        engine="rust",
        year_freq=f"{sessions_per_year} days",
    )


class BooksOfAccount(Portfolio):  # type: ignore[misc] # vectorbt ships no types
    """vectorbt's Portfolio, with the sessions a year of its exchange in place of vectorbt's 365.

    One row is one session, so that durations count sessions, called days. The benchmark of `stats` and `plot` is the
    starting cash spread evenly over all assets at their first known close.
    """

    def __init__(self, *, year_freq: str, **books: Any) -> None:
        super().__init__(**books)
        self.update_config(year_freq=year_freq)  # so that what vectorbt copies has it too
        self._year_freq = year_freq

    @property
    def stats_defaults(self) -> dict[str, Any]:
        """As vectorbt's, annualised by sessions."""
        defaults: dict[str, Any] = super().stats_defaults
        return {**defaults, "settings": {**defaults.get("settings", {}), "year_freq": self._year_freq}}

    def get_returns_acc(self, *, year_freq: str | None = None, **options: Any) -> Any:
        """As vectorbt's, annualised by sessions unless stated otherwise."""
        return super().get_returns_acc(year_freq=year_freq or self._year_freq, **options)

    def benchmark_value(self, *_: Any, **__: Any) -> pd.Series:
        """What the starting cash, spread evenly over all assets, would be worth."""
        closes = self.close.drop(columns=FLOWS, errors="ignore").ffill().bfill()
        cash = float(np.sum(self.init_cash))
        value: pd.Series = (closes / closes.iloc[0]).mean(axis=1) * cash
        return value.rename("group")
