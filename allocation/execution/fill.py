"""fill(): what trading to target weights does to a book; the walk, the simulation and live sizing all call it."""

from dataclasses import dataclass

import numpy as np

from allocation.errors import AllocationError
from allocation.execution.book import CASH_ACCOUNT, Book, Rules
from allocation.execution.costs import Costs, total_cost
from allocation.execution.whole_lots import LotSizing, LotTrade, holdings_rounded_down
from newsfolio.shared.arrays import BoolArray, FloatArray

MOST_ITERATIONS = 100  # each shrinks the error by rate × gross exposure: three or four at 10 bp
CONVERGED = 1e-14  # of NAV: after so small a step the next one would be rounding
DUST = 1e-13  # of NAV: a smaller trade is rounding, and would pay a minimum commission


@dataclass(frozen=True)
class Fill:
    """One session's trades: the book afterwards, shares traded, money paid for it, what kept it from the targets.

    nav: NAV after costs that the targets are fractions of. scale: 1, or the factor by which all targets were cut
    because value locked in assets that were held left less than they needed. untraded: assets with a target but no
    price. small: assets whose order would have been worth less than the rules' minimum. gap: with whole lots, how
    much money at most is further from the targets than necessary.
    """

    book: Book
    traded: FloatArray
    cost: float
    nav: float
    scale: float
    untraded: BoolArray
    small: BoolArray
    gap: float = 0.0


def fill(
    book: Book,
    targets: FloatArray,
    prices: FloatArray,
    marks: FloatArray,
    costs: Costs,
    *,
    rules: Rules = CASH_ACCOUNT,
    slopes: FloatArray | None = None,
    to_lots: LotSizing = holdings_rounded_down,
) -> Fill:
    """Trade to `targets`, fractions of the NAV that is left after the costs of getting there (NaN: hold).

    prices are those of the fill (NaN: cannot trade); marks are the same where known, else the last known price;
    slopes are those of the impact, where unknown (NaN) taken as 0. NAV after costs solves
    V = V0 - cost(target × V - value) and is found by iteration, a contraction for any marginal cost × gross exposure
    below 1. Value locked in untraded assets comes first: the targets are scaled down alike where more cash would be
    borrowed than the rules allow. An order below the rules' minimum is left out, and the others are sized again.
    to_lots: how holdings become whole lots, where the rules ask for lots.

    Raises:
        AllocationError: costs exceed NAV.
    """
    trading = np.isfinite(targets * prices)
    untraded = ~trading
    if untraded.any():  # nothing wanted where nothing is held was not missed
        untraded &= np.isfinite(targets) & ((targets != 0.0) | (book.shares != 0.0))
    small = np.zeros(len(targets), dtype=np.bool_)
    while True:
        whole = bool(trading.all())
        these = slice(None) if whole else trading  # views instead of copies where everything trades
        aims, at, held = targets[these], prices[these], book.shares[these]
        impact = None if slopes is None else np.nan_to_num(slopes[these])
        nav, scale = _nav_after_costs(book, aims, None if whole else trading, marks, costs, rules, impact)
        wanted, gap = aims * (scale * nav) / at, 0.0
        dust = np.abs((wanted - held) * at) <= DUST * abs(nav)
        wanted = np.where(dust, held, wanted) if dust.any() else wanted
        if rules.lot:
            locked = 0.0 if whole else float(book.values(marks)[~trading].sum())
            trade = LotTrade(
                wanted=wanted,
                held=held,
                price=at,
                cash=book.cash,
                costs=costs,
                lot=rules.lot,
                reserve=rules.reserve * nav,
                cash_aim=nav - locked - float(aims.sum()) * scale * nav,
            )
            wanted, gap = to_lots(trade)
        moved = wanted - held
        value = moved * at
        if not rules.minimum or not (below := (moved != 0.0) & (np.abs(value) < rules.minimum)).any():
            break
        number = np.flatnonzero(trading)[below]
        small[number], trading[number] = True, False
    cost = total_cost(costs, np.abs(value), at, impact)
    shares, traded = wanted, moved
    if not whole:
        shares, traded = book.shares.copy(), np.zeros(len(targets))
        shares[these], traded[these] = wanted, moved
    cash = book.cash - float(value.sum()) - cost
    return Fill(Book(shares, cash), traded, cost, nav=nav, scale=scale, untraded=untraded, small=small, gap=gap)


def _nav_after_costs(
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
    if not gross_nav > 0.0:
        raise AllocationError(f"the account is worth {gross_nav:,.2f} before it trades: losses exceed all capital")
    most = rules.leverage - rules.reserve
    nav, scale = gross_nav, 1.0
    for _ in range(MOST_ITERATIONS):
        taken = locked / nav
        scale = 1.0 if aimed <= 0.0 or aimed + taken <= most else max(0.0, (most - taken) / aimed)
        value = np.abs(aims * (scale * nav) - held)
        if costs.minimum:
            value = np.where(value <= DUST * nav, 0.0, value)
        previous, nav = nav, gross_nav - total_cost(costs, value, at, impact)
        if nav <= 0:
            raise AllocationError(f"trading costs of {gross_nav - nav:,.2f} exceed NAV {gross_nav:,.2f}")
        if abs(nav - previous) <= CONVERGED * nav:
            break
    return nav, scale
