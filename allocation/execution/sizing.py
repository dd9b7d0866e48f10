"""Target weights, shares and cash -> a basket of orders that the cash pays for."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocation.errors import AllocationError, MissingPriceError
from allocation.execution.book import CASH_ACCOUNT, Book, Rules
from allocation.execution.costs import Costs, total_cost
from allocation.execution.fill import Fill, fill
from allocation.execution.whole_lots import nearest_lots, trades_rounded
from allocation.frames import named


@dataclass(frozen=True)
class Order:
    """Buy (shares > 0) or sell; `price` is what it was sized with. The client id is the order's only name."""

    client_id: str
    asset: str
    shares: float
    price: float

    @property
    def value(self) -> float:
        """Money that changes hands at that price, never negative."""
        return abs(self.shares) * self.price

    def cost(self, costs: Costs, price: float | None = None) -> float:
        """What it costs when it fills at `price`, that which it was sized with if None."""
        at = self.price if price is None else price
        return total_cost(costs, np.array([abs(self.shares) * at]), np.array([at]))


@dataclass(frozen=True)
class OrderList:
    """Shares to trade by asset, sells first, each largest value first, at these prices.

    tracking_error: half the sum of |value after - target value| over assets and cash, a fraction of NAV. gap: how
    far at most that is above the least there is under the rules. cash: what is left after all costs, never below 0
    unless it was before. untraded: assets with a target that could not be traded, by reason.
    """

    shares: pd.Series
    prices: pd.Series
    cash: float
    tracking_error: float
    gap: float
    untraded: dict[str, str]


@dataclass(frozen=True)
class Holdings:
    """What is held when orders are sized: shares and the marks they are valued at (both by asset), and cash."""

    shares: pd.Series
    marks: pd.Series
    cash: float

    @property
    def nav(self) -> float:
        """Cash and the value of all shares."""
        return self.cash + float(self.market_value.sum())

    @property
    def market_value(self) -> pd.Series:
        """Money in each asset; 0 where none is held, priced or not."""
        return (self.shares * self.marks).where(self.shares != 0.0, 0.0)


def client_id(portfolio: str, session: pd.Timestamp, asset: str) -> str:
    """Name an order by what it is: the same decision gives the same name, however often it is sent."""
    digest = hashlib.sha256(f"{portfolio}|{session:%Y-%m-%d}|{asset}".encode()).hexdigest()
    return f"nf-{session:%Y%m%d}-{digest[:20]}"


def size_orders(
    targets: pd.Series, holdings: Holdings, prices: pd.Series, rules: Rules = CASH_ACCOUNT, costs: Costs | None = None
) -> OrderList:
    """Return the orders that bring `holdings` closest to `targets`, and that the cash pays for.

    targets: fractions of the NAV that is left after the costs of getting there; NaN holds. prices: those that the
    orders are expected to fill at, NaN where an asset cannot be traded. costs: 10 bp of the traded value if None.
    Where value held in untraded assets leaves too little, all targets are scaled down alike. This is the backtest's
    fill(), but for whole lots: they are those with the least tracking error, by a mixed-integer program whose gap is
    stated, where the backtest rounds holdings down.

    Raises:
        MissingPriceError: an asset is held that has no mark.
        AllocationError: there is nothing to invest, or costs exceed what there is, or they have a market impact,
            which is not known before the session.
    """
    costs = Costs.of(costs)
    if costs.impact is not None:
        raise AllocationError(
            "costs: the impact of an order is not known when it is sized: raise the commission instead"
        )
    labels = pd.Index(sorted(targets.index))
    targets, prices = targets[labels], prices.reindex(labels)
    holdings = Holdings(holdings.shares.reindex(labels, fill_value=0.0), holdings.marks.reindex(labels), holdings.cash)
    unmarked = holdings.shares.index[(holdings.shares != 0.0) & ~(holdings.marks > 0.0)]
    if len(unmarked):
        raise MissingPriceError(f"{named(unmarked)} is held and has no price: add its prices")
    if not holdings.nav > 0.0:
        raise AllocationError(f"the portfolio is worth {holdings.nav:,.2f}: nothing can be invested")
    book = Book(holdings.shares.to_numpy(dtype=np.float64), holdings.cash)
    aims, fills, marks = (each.to_numpy(dtype=np.float64) for each in (targets, prices, holdings.marks))
    to_lots = nearest_lots if rules.lot >= 1.0 else trades_rounded
    done = fill(book, aims, fills, marks, costs, rules=rules, to_lots=to_lots)
    return _order_list(done, targets, holdings, prices, rules)


def _order_list(done: Fill, targets: pd.Series, holdings: Holdings, prices: pd.Series, rules: Rules) -> OrderList:
    """Sells first, largest value first; what is in the wrong place, as a fraction of NAV after costs."""
    reasons = {str(asset): "no price to trade at" for asset in targets.index[done.untraded]}
    reasons |= {
        str(asset): f"the order would be worth less than {rules.minimum:g}" for asset in targets.index[done.small]
    }
    sized = (targets.notna() & prices.notna()).to_numpy() & ~done.small
    money = done.scale * done.nav * targets[sized]
    off = done.book.shares[sized] * prices[sized] - money
    cash_aim = done.nav - float(holdings.market_value[~sized].sum()) - float(money.sum())
    wrong = float(off.abs().sum()) + abs(done.book.cash - cash_aim)
    # A broker takes 5 shares and no 5.000000000000001, which is what 5.3 - 0.3 leaves.
    traded = np.round(done.traded / rules.lot) * rules.lot if rules.lot else done.traded
    orders = pd.Series(traded, targets.index)[traded != 0.0]
    place = pd.DataFrame({"buy": orders > 0.0, "value": -(orders * prices[orders.index]).abs()})
    place = place.sort_values(["buy", "value"], kind="stable")
    return OrderList(
        shares=orders[place.index],
        prices=prices[place.index],
        cash=done.book.cash,
        tracking_error=wrong / (2.0 * done.nav),
        gap=done.gap / (2.0 * done.nav),
        untraded=reasons,
    )
