"""Shares and cash between sessions: what a fill does to them, shared by the walk and the simulation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allocation.errors import AllocationError
from backtest.engine.costs import FREE as FREE
from backtest.engine.costs import Costs as Costs
from backtest.engine.costs import cost_breakdown
from newsfolio.shared.arrays import FloatArray

BoolArray = NDArray[np.bool_]

MOST_ITERATIONS = 100  # each shrinks the error by rate × gross exposure: three or four at 10 bp
SETTLED = 1e-14  # of NAV: after so small a step the next one would be rounding
DUST = 1e-13  # of NAV: a smaller trade is rounding, and would pay a minimum commission
WHOLE = 1e-9  # lots: 99.9999999999 shares are 100


@dataclass(frozen=True)
class Rules:
    """What the account may do.

    lot: shares come in multiples of it (0: any fraction), and holdings are rounded down to one, shorts away from
    zero, so that no cash is needed that the targets did not leave. leverage: the most that weights may sum to;
    above 1 cash is borrowed.
    """

    lot: float = 0.0
    leverage: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a negative lot and a leverage that leaves money forcibly idle or has no bound."""
        if not 0.0 <= self.lot < np.inf:
            raise AllocationError(f"lot is {self.lot:g}: give a number of shares, 0 for any fraction")
        if not 1.0 <= self.leverage <= 100.0:
            raise AllocationError(f"leverage is {self.leverage:g}: give the most that weights may sum to, in [1, 100]")


CASH_ACCOUNT = Rules()


def worth(shares: FloatArray, prices: FloatArray) -> FloatArray:
    """Return shares × prices, 0 where there are no shares even if the price is not known."""
    value = shares * prices
    np.copyto(value, 0.0, where=shares == 0.0)
    return value


@dataclass(frozen=True)
class Book:
    """Shares of each asset (a vector) and cash."""

    shares: FloatArray
    cash: float

    def values(self, marks: FloatArray) -> FloatArray:
        """Money in each asset at prices `marks`; an asset without any price yet is worth 0 as none is held."""
        return worth(self.shares, marks)

    def nav(self, marks: FloatArray) -> float:
        """Cash plus the value of all shares."""
        return self.cash + float(self.values(marks).sum())

    def weights(self, marks: FloatArray) -> FloatArray:
        """Value of each asset over NAV."""
        return self.values(marks) / self.nav(marks)


@dataclass(frozen=True)
class Fill:
    """One session's trades: the book afterwards, shares traded, money paid for it, what kept it from the targets.

    `untraded`: assets with a target but no price. `scale`: 1, or the factor by which all targets were cut
    because value locked in assets that were held left less than they needed.
    """

    book: Book
    traded: FloatArray
    cost: float
    untraded: BoolArray
    scale: float


def fill(
    book: Book,
    targets: FloatArray,
    prices: FloatArray,
    marks: FloatArray,
    costs: Costs,
    *,
    rules: Rules = CASH_ACCOUNT,
    slopes: FloatArray | None = None,
) -> Fill:
    """Trade to `targets`, fractions of the NAV that is left after the costs of getting there (NaN: hold).

    prices are those of the fill (NaN: cannot trade); marks are the same where known, else the last known price;
    slopes are those of the impact, where unknown (NaN) taken as 0. NAV after costs solves
    V = V0 - cost(target × V - value) and is found by iteration, a contraction for any marginal cost × gross exposure
    below 1. Value locked in untraded assets comes first: the targets are scaled down alike where more cash would be
    borrowed than the rules allow.
    """
    trading = np.isfinite(targets * prices)
    whole = bool(trading.all())
    these = slice(None) if whole else trading  # views instead of copies where everything trades
    aims, at, held = targets[these], prices[these], book.shares[these]
    impact = None if slopes is None else np.nan_to_num(slopes[these])
    nav, scale = _after_costs(book, aims, None if whole else trading, marks, costs, rules, impact)
    wanted = _orderly(aims * (scale * nav) / at, held, at, DUST * abs(nav), rules.lot)
    moved = wanted - held
    value = moved * at
    cost = _cost(costs, np.abs(value), at, impact)
    cash = book.cash - float(value.sum()) - cost
    if whole:
        return Fill(Book(wanted, cash), moved, cost, ~trading, scale)
    shares, traded = book.shares.copy(), np.zeros(len(targets))
    shares[trading], traded[trading] = wanted, moved
    return Fill(Book(shares, cash), traded, cost, _left_untraded(book, targets, trading), scale)


def _orderly(wanted: FloatArray, held: FloatArray, at: FloatArray, least: float, lot: float) -> FloatArray:
    """Shares wanted, but those held where the trade would be worth next to nothing, and in whole lots."""
    dust = np.abs((wanted - held) * at) <= least
    wanted = np.where(dust, held, wanted) if dust.any() else wanted
    return np.floor(wanted / lot + WHOLE) * lot if lot else wanted


def _cost(costs: Costs, value: FloatArray, at: FloatArray, impact: FloatArray | None) -> float:
    """Money paid for orders of these absolute values at these prices, all kinds together."""
    if impact is None and not (costs.per_share or costs.minimum):
        return costs.rate * float(value.sum())
    return float(cost_breakdown(costs, value, value / at, impact).per_asset.sum())


def _left_untraded(book: Book, targets: FloatArray, trading: BoolArray) -> BoolArray:
    """Assets with a target and no price; nothing wanted where nothing is held was not missed."""
    return np.asarray(np.isfinite(targets) & ~trading & ((targets != 0.0) | (book.shares != 0.0)))


def _after_costs(
    book: Book,
    aims: FloatArray,
    trading: BoolArray | None,
    marks: FloatArray,
    costs: Costs,
    rules: Rules,
    impact: FloatArray | None,
) -> tuple[float, float]:
    """NAV after the costs of reaching `aims`, and the factor that makes them affordable; trading: None means all."""
    if trading is None:
        before = held = book.shares * marks
        at, locked = marks, 0.0
    else:
        before = book.values(marks)
        held, at, locked = before[trading], marks[trading], float(before[~trading].sum())
    gross_nav, aimed = book.cash + float(before.sum()), float(aims.sum())
    nav, scale = gross_nav, 1.0
    for _ in range(MOST_ITERATIONS):
        scale = _affordable(aimed, locked / nav, rules.leverage)
        value = np.abs(aims * (scale * nav) - held)
        if costs.minimum:
            value = np.where(value <= DUST * nav, 0.0, value)
        previous, nav = nav, gross_nav - _cost(costs, value, at, impact)
        if nav <= 0:
            raise AllocationError(f"trading costs of {gross_nav - nav:,.2f} exceed NAV {gross_nav:,.2f}")
        if abs(nav - previous) <= SETTLED * nav:
            break
    return nav, scale


def _affordable(aimed: float, locked: float, leverage: float) -> float:
    return 1.0 if aimed <= 0.0 or aimed + locked <= leverage else max(0.0, (leverage - locked) / aimed)
