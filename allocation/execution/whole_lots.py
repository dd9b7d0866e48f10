"""Fractional trades -> whole lots with the least money in the wrong place, and a proof of how near to the least."""

from dataclasses import dataclass

import numpy as np

from allocation.errors import AllocationError
from newsfolio.shared.arrays import FloatArray

# Nodes of the search, not seconds: the same basket on a slow machine and on a fast one.
MOST_NODES = 200
GAP = 2e-3  # of the least deviation, itself some half a percent of NAV: a tenth of a basis point
OVERSHOOT = 2  # lots beyond the ideal that the search may go to where cash asks for it


@dataclass(frozen=True)
class LotTrade:
    """Ideal trades (shares, vectors by asset), what is held, prices, cash; what is never spent of it, costs, lot."""

    ideal: FloatArray
    held: FloatArray
    price: FloatArray
    cash: float
    rate: float
    lot: float
    reserve: float = 0.0

    @property
    def sides(self) -> FloatArray:
        """1 to buy, -1 to sell: no asset is ever moved away from its target."""
        return np.where(self.ideal >= 0.0, 1.0, -1.0)

    @property
    def most(self) -> FloatArray:
        """Lots at most; a sell ends at nothing held, unless the target is a short."""
        lots = np.ceil(np.abs(self.ideal) / self.lot) + OVERSHOOT
        stays_long = (self.ideal < 0.0) & (self.held >= 0.0) & (self.ideal >= -self.held)
        return np.where(stays_long, np.minimum(lots, np.floor(self.held / self.lot)), lots)


def nearest_lots(trade: LotTrade, cash_aim: float) -> tuple[FloatArray, float]:
    """Return shares to trade, multiples of the lot, and by how much money at most they miss the least deviation.

    The deviation is the sum of |value after - value wanted| over assets and cash; cash never ends below the
    reserve (nor, where that cannot be had, lower than nothing being bought leaves it). A mixed-integer program with
    one whole number per asset: between two neighbouring whole numbers the deviation is replaced by the line that
    joins its values there, which changes nothing at whole numbers and leaves little to search.

    Raises:
        AllocationError: the search found nothing (it never should: trading nothing is allowed).
    """
    if not len(trade.ideal):
        return np.zeros(0), 0.0
    unit = trade.sides * trade.lot * trade.price  # money that goes into the asset per lot
    spent = unit + trade.rate * np.abs(unit)  # and out of cash
    wanted = trade.ideal / (trade.sides * trade.lot)  # lots, fractional
    floor = min(trade.reserve, trade.cash + float(np.where(spent < 0, -spent * np.floor(wanted), 0.0).sum()))
    found = _solve(np.abs(unit), spent, wanted, trade.most, trade.cash - cash_aim, trade.cash - floor)
    if found is None:
        raise AllocationError("no basket of whole lots was found: allow fractions, or a smaller lot")
    lots, excess = found
    return np.asarray(lots * trade.sides * trade.lot), excess


def _solve(
    unit: FloatArray, spent: FloatArray, wanted: FloatArray, most: FloatArray, to_spend: float, budget: float
) -> tuple[FloatArray, float] | None:
    """Choose lots n: least sum(e) + u, e >= unit × |n - wanted|, u >= |spent @ n - to_spend|, spent @ n <= budget."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    n, eye, none = len(unit), np.eye(len(unit)), np.zeros((len(unit), 1))
    scale = 1.0 / float(unit.sum())
    rows = np.vstack([
        *(np.hstack([-np.diag(slope * scale), eye, none]) for slope, _ in _lines(unit, wanted)),
        np.hstack([-spent * scale, np.zeros(n), [1.0]]),
        np.hstack([spent * scale, np.zeros(n), [1.0]]),
        np.hstack([spent * scale, np.zeros(n), [0.0]]),
    ])  # fmt: skip
    lower = np.concatenate([
        *(level * scale for _, level in _lines(unit, wanted)), [-to_spend * scale, to_spend * scale, -np.inf],
    ])  # fmt: skip
    upper = np.append(np.full(len(lower) - 1, np.inf), budget * scale)
    answer = milp(
        np.concatenate([np.zeros(n), np.ones(n + 1)]),
        integrality=np.concatenate([np.ones(n), np.zeros(n + 1)]),
        bounds=Bounds(np.zeros(2 * n + 1), np.concatenate([most, np.full(n + 1, np.inf)])),
        constraints=LinearConstraint(rows, lower, upper),
        options={"node_limit": MOST_NODES, "mip_rel_gap": GAP},
    )
    if answer.x is None:
        return None
    lots = np.round(answer.x[:n])
    reached = float((unit * np.abs(lots - wanted)).sum()) + abs(float(spent @ lots) - to_spend)
    return lots, max(0.0, reached - float(answer.mip_dual_bound) / scale)


def _lines(unit: FloatArray, wanted: FloatArray) -> list[tuple[FloatArray, FloatArray]]:
    """Slopes and levels of e >= slope × n + level: left of floor(wanted), right of the next, and between the two."""
    below = np.floor(wanted)
    left, right = unit * (wanted - below), unit * (below + 1.0 - wanted)
    middle = right - left
    return [(-unit, unit * wanted), (unit, -unit * wanted), (middle, left - middle * below)]


def cash_after(traded: FloatArray, price: FloatArray, cash: float, rate: float) -> float:
    """Cash that is left of `cash` when these shares are traded at these prices."""
    paid = traded * price
    return cash - float(paid.sum()) - rate * float(np.abs(paid).sum())
