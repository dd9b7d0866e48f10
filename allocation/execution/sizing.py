"""Target weights, shares and cash -> a basket of orders that the cash pays for."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocation.errors import AllocationError, MissingPriceError
from allocation.execution.whole_lots import LotTrade, cash_after, nearest_lots
from allocation.frames import named
from newsfolio.shared.arrays import FloatArray

MOST_ITERATIONS = 100  # each shrinks the error by rate × gross exposure: 1e-17 in six or seven at 10 bp


@dataclass(frozen=True)
class Rules:
    """What one order may be. rate: cost per unit of traded value; lot: shares that a trade is a multiple of, 0 for
    any fraction; minimum: least value of an order; reserve: fraction of NAV kept in cash against a worse price.
    """

    rate: float = 0.001
    lot: float = 0.0
    minimum: float = 0.0
    reserve: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what no broker means."""
        checks = {
            "rate must lie in [0, 0.1], 0.001 for 10 bp": 0.0 <= self.rate <= 0.1,
            "lot must be 0 (any fraction) or a positive number of shares": 0.0 <= self.lot < np.inf,
            "minimum must be an amount of money >= 0": 0.0 <= self.minimum < np.inf,
            "reserve must be a fraction in [0, 1)": 0.0 <= self.reserve < 1.0,
        }
        broken = [rule for rule, holds in checks.items() if not holds]
        if broken:
            raise AllocationError(f"no orders under {self}: {'; '.join(broken)}")


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
        return self.cash + float(self.worth.sum())

    @property
    def worth(self) -> pd.Series:
        """Money in each asset; 0 where none is held, priced or not."""
        return (self.shares * self.marks).where(self.shares != 0.0, 0.0)


def client_id(portfolio: str, session: pd.Timestamp, asset: str) -> str:
    """Name an order by what it is: the same decision gives the same name, however often it is sent."""
    digest = hashlib.sha256(f"{portfolio}|{session:%Y-%m-%d}|{asset}".encode()).hexdigest()
    return f"nf-{session:%Y%m%d}-{digest[:20]}"


def size_orders(targets: pd.Series, standing: Holdings, prices: pd.Series, rules: Rules) -> OrderList:
    """Return the orders that bring `standing` closest to `targets`, and that its cash pays for.

    targets: fractions of the NAV that is left after the costs of getting there; NaN holds. prices: those that the
    orders are expected to fill at, NaN where an asset cannot be traded. Where value held in untraded assets leaves
    too little, all targets are scaled down alike. With any fraction allowed the result is what the backtest's
    fill() does; with whole lots it is the least tracking error, by a mixed-integer program whose gap is stated.

    Raises:
        MissingPriceError: an asset is held that has no mark.
        AllocationError: there is nothing to invest, or costs exceed what there is.
    """
    labels = pd.Index(sorted(targets.index))
    targets, prices = targets[labels], prices.reindex(labels)
    standing = Holdings(standing.shares.reindex(labels, fill_value=0.0), standing.marks.reindex(labels), standing.cash)
    _check(standing)
    trading = targets.notna() & prices.notna()
    untraded = _unpriced(targets, standing, prices)
    while True:
        aim = _aim(targets, standing, trading, rules)
        traded, gap = _sized(aim, standing, prices, rules)
        values = (traded * prices[traded.index]).abs()
        small = values.index[(values > 0.0) & (values < rules.minimum)]
        if not len(small):
            return _basket(traded, gap, aim, standing, prices, rules, untraded)
        untraded |= {str(asset): f"the order would be worth less than {rules.minimum:g}" for asset in small}
        trading = trading & ~trading.index.isin(small)


def _check(standing: Holdings) -> None:
    unmarked = standing.shares.index[(standing.shares != 0.0) & ~(standing.marks > 0.0)]
    if len(unmarked):
        raise MissingPriceError(f"{named(unmarked)} is held and has no price: add its prices")
    if not standing.nav > 0.0:
        raise AllocationError(f"the portfolio is worth {standing.nav:,.2f}: nothing can be invested")


@dataclass(frozen=True)
class TargetValues:
    """Money wanted in each traded asset, and the NAV that is left after the costs of getting there."""

    money: pd.Series
    nav: float
    locked: float

    @property
    def cash(self) -> float:
        """Money that is wanted in cash."""
        return self.nav - self.locked - float(self.money.sum())


def _aim(targets: pd.Series, standing: Holdings, trading: pd.Series, rules: Rules) -> TargetValues:
    """NAV after costs solves V = V0 - rate × sum |w V - value| and is found by iteration."""
    held = standing.worth
    wanted, before = targets[trading].to_numpy(), held[trading].to_numpy()
    gross, locked = standing.nav, float(held[~trading].sum())
    nav, scale = gross, 1.0
    for _ in range(MOST_ITERATIONS):
        scale = _affordable(float(wanted.sum()), locked / nav + rules.reserve)
        after = gross - rules.rate * float(np.abs(scale * wanted * nav - before).sum())
        if after <= 0.0:
            raise AllocationError(f"trading costs of {gross - after:,.2f} exceed the portfolio of {gross:,.2f}")
        if after == nav:
            break
        nav = after
    return TargetValues(pd.Series(scale * wanted * nav, index=targets.index[trading]), nav, locked)


def _affordable(aimed: float, taken: float) -> float:
    return 1.0 if aimed <= 0.0 or aimed + taken <= 1.0 else max(0.0, (1.0 - taken) / aimed)


def _sized(aim: TargetValues, standing: Holdings, prices: pd.Series, rules: Rules) -> tuple[pd.Series, float]:
    """Shares to trade, and how far their tracking error may lie above the least (both before small orders go)."""
    assets = aim.money.index
    held, price = standing.shares[assets].to_numpy(), prices[assets].to_numpy()
    ideal, gap = aim.money.to_numpy() / price - held, 0.0
    if rules.lot >= 1.0:
        trade = LotTrade(ideal, held, price, standing.cash, rules.rate, rules.lot, rules.reserve * aim.nav)
        ideal, excess = nearest_lots(trade, aim.cash)
        gap = excess / (2.0 * aim.nav)
    elif rules.lot > 0.0:
        ideal = _rounded(ideal, held, price, standing.cash, rules)
    return pd.Series(ideal, index=assets), gap


def _rounded(ideal: FloatArray, held: FloatArray, price: FloatArray, cash: float, rules: Rules) -> FloatArray:
    """Round buys down and sells up, to no more than is held; each trade is off by less than a lot."""
    lots = np.where(ideal > 0.0, np.floor(ideal / rules.lot), -np.ceil(-ideal / rules.lot))
    most = np.floor(np.maximum(held, 0.0) / rules.lot)  # what a sell leaves of a lot stays
    keeps_long = (held >= 0.0) & (ideal >= -held)
    lots = np.where(keeps_long, np.maximum(lots, -most), lots)
    while cash_after(lots * rules.lot, price, cash, rules.rate) < min(0.0, cash) and (lots > 0).any():
        lots[np.argmax(np.where(lots > 0, price, 0.0))] -= 1.0
    return np.asarray(lots * rules.lot)


def _basket(
    traded: pd.Series,
    gap: float,
    aim: TargetValues,
    standing: Holdings,
    prices: pd.Series,
    rules: Rules,
    untraded: dict[str, str],
) -> OrderList:
    assets = traded.index
    price = prices[assets]
    cash = cash_after(traded.to_numpy(), price.to_numpy(), standing.cash, rules.rate)
    after = (standing.shares[assets] + traded) * price
    wrong = float((after - aim.money).abs().sum()) + abs(cash - aim.cash)
    orders = traded[traded != 0.0]
    place = pd.DataFrame({"buy": orders > 0.0, "value": -(orders * price[orders.index]).abs()})
    place = place.sort_values(["buy", "value"], kind="stable")
    return OrderList(orders[place.index], price[place.index], cash, wrong / (2.0 * aim.nav), gap, untraded)


def _unpriced(targets: pd.Series, standing: Holdings, prices: pd.Series) -> dict[str, str]:
    asked = targets.notna() & prices.isna() & ((targets != 0.0) | (standing.shares != 0.0))
    return {str(asset): "no price to trade at" for asset in targets.index[asked]}
