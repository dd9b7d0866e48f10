"""Fractional trades -> whole lots: rounded, or with the least money in the wrong place and a proof of how near."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from allocation.errors import AllocationError
from allocation.execution.costs import Costs, total_cost
from newsfolio.shared.arrays import FloatArray

# Nodes of the search, not seconds: the same basket on a slow machine and on a fast one.
MOST_NODES = 200
GAP = 2e-3  # of the least deviation, itself some half a percent of NAV: a tenth of a basis point
OVERSHOOT = 2  # lots beyond the ideal that the search may go to where cash asks for it
WHOLE = 1e-9  # lots: 99.9999999999 shares are 100


@dataclass(frozen=True)
class LotTrade:
    """What is to become whole lots: holdings wanted and held (shares, vectors by asset), prices, cash, costs, lot.

    reserve: money that stays in cash. cash_aim: money that is wanted in cash.
    """

    wanted: FloatArray
    held: FloatArray
    price: FloatArray
    cash: float
    costs: Costs
    lot: float
    reserve: float = 0.0
    cash_aim: float = 0.0

    @property
    def ideal(self) -> FloatArray:
        """Shares to trade if any fraction were allowed."""
        return self.wanted - self.held

    def cash_after(self, traded: FloatArray) -> float:
        """Cash that is left when these shares are traded."""
        paid = traded * self.price
        return self.cash - float(paid.sum()) - total_cost(self.costs, np.abs(paid), self.price)


LotSizing = Callable[[LotTrade], tuple[FloatArray, float]]  # -> holdings, money by which they may miss the best


def holdings_rounded_down(trade: LotTrade) -> tuple[FloatArray, float]:
    """Holdings down to a multiple of the lot, shorts away from zero: no cash is needed that the targets did not leave.

    Of a backtest: one pass over the assets. What is in no lot is sold with the first trade.
    """
    return np.floor(trade.wanted / trade.lot + WHOLE) * trade.lot, 0.0


def trades_rounded(trade: LotTrade) -> tuple[FloatArray, float]:
    """Trades that are multiples of the lot: buys rounded down and sells up, to no more than is held.

    Each trade is off by less than a lot; where the cash does not pay for all buys, those of the highest price go first.
    """
    ideal, held, lot = trade.ideal, trade.held, trade.lot
    lots = np.where(ideal > 0.0, np.floor(ideal / lot), -np.ceil(-ideal / lot))
    most = np.floor(np.maximum(held, 0.0) / lot)  # what a sell leaves of a lot stays
    keeps_long = (held >= 0.0) & (ideal >= -held)
    lots = np.where(keeps_long, np.maximum(lots, -most), lots)
    while trade.cash_after(lots * lot) < min(0.0, trade.cash) and (lots > 0).any():
        lots[np.argmax(np.where(lots > 0, trade.price, 0.0))] -= 1.0
    return held + lots * lot, 0.0


def nearest_lots(trade: LotTrade) -> tuple[FloatArray, float]:
    """Holdings after trades of whole lots with the least money in the wrong place, and by how much they may miss it.

    The deviation is the sum of |value after - value wanted| over assets and cash; cash never ends below the
    reserve (nor, where that cannot be had, lower than nothing being bought leaves it). A mixed-integer program with
    one whole number per asset, no asset ever moved away from its target: between two neighbouring whole numbers the
    deviation is replaced by the line that joins its values there, which changes nothing at whole numbers and leaves
    little to search. A minimum commission is set aside for every order.

    Raises:
        AllocationError: the search found nothing (it never should: trading nothing is allowed).
    """
    ideal, held, lot, costs = trade.ideal, trade.held, trade.lot, trade.costs
    if not len(ideal):
        return held, 0.0
    sides = np.where(ideal >= 0.0, 1.0, -1.0)
    most = np.ceil(np.abs(ideal) / lot) + OVERSHOOT
    stays_long = (ideal < 0.0) & (held >= 0.0) & (ideal >= -held)  # a sell ends at nothing held, unless for a short
    most = np.where(stays_long, np.minimum(most, np.floor(held / lot)), most)
    unit = sides * lot * trade.price  # money that goes into the asset per lot
    spent = unit + costs.rate * np.abs(unit) + costs.per_share * lot  # and out of cash
    wanted = ideal / (sides * lot)  # lots, fractional
    proceeds = float(np.where(spent < 0, -spent * np.floor(wanted), 0.0).sum())
    set_aside = costs.minimum * np.count_nonzero(ideal)
    budget = max(trade.cash - min(trade.reserve, trade.cash + proceeds) - set_aside, -proceeds)
    found = _solve(np.abs(unit), spent, wanted, most, trade.cash - trade.cash_aim, budget)
    if found is None:
        raise AllocationError("no basket of whole lots was found: allow fractions, or a smaller lot")
    lots, excess = found
    return np.asarray(held + lots * sides * lot), excess


def _solve(
    unit: FloatArray, spent: FloatArray, wanted: FloatArray, most: FloatArray, to_spend: float, budget: float
) -> tuple[FloatArray, float] | None:
    """Choose lots n: least sum(e) + u, e >= unit × |n - wanted|, u >= |spent @ n - to_spend|, spent @ n <= budget."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    n, eye, none = len(unit), np.eye(len(unit)), np.zeros((len(unit), 1))
    scale = 1.0 / float(unit.sum())
    # e >= slope × n + level: left of floor(wanted), right of the next whole number, and between the two.
    below = np.floor(wanted)
    left, right = unit * (wanted - below), unit * (below + 1.0 - wanted)
    middle = right - left
    lines = [(-unit, unit * wanted), (unit, -unit * wanted), (middle, left - middle * below)]
    rows = [np.hstack([-np.diag(slope * scale), eye, none]) for slope, _ in lines]
    of_cash = ((-spent, 1.0), (spent, 1.0), (spent, 0.0))
    rows += [np.hstack([paid * scale, np.zeros(n), [deviation]]) for paid, deviation in of_cash]
    lower = np.concatenate([*(level * scale for _, level in lines), [-to_spend * scale, to_spend * scale, -np.inf]])
    upper = np.append(np.full(len(lower) - 1, np.inf), budget * scale)
    answer = milp(
        np.concatenate([np.zeros(n), np.ones(n + 1)]),
        integrality=np.concatenate([np.ones(n), np.zeros(n + 1)]),
        bounds=Bounds(np.zeros(2 * n + 1), np.concatenate([most, np.full(n + 1, np.inf)])),
        constraints=LinearConstraint(np.vstack(rows), lower, upper),
        options={"node_limit": MOST_NODES, "mip_rel_gap": GAP},
    )
    if answer.x is None:
        return None
    lots = np.round(answer.x[:n])
    reached = float((unit * np.abs(lots - wanted)).sum()) + abs(float(spent @ lots) - to_spend)
    return lots, max(0.0, reached - float(answer.mip_dual_bound) / scale)
