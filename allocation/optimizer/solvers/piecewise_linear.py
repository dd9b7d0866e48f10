"""A quadratic program's per-asset constraints as what they are to one weight: bounds, and costs with a kink."""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from allocation.optimizer.solvers.portfolio_qp import PerAssetRows, QuadraticProgram, total
from newsfolio.shared.arrays import BoolArray, FloatArray, IndexArray

# A weight so near a kink of its cost is at the kink: the rest is rounding.
NEAR = 1e-12


class Candidate(NamedTuple):
    """A guess of the weights: which are free, what the others are (zero for the free), and the epigraph variables
    `t`, each with the slope at which it grows with its weight."""

    w: FloatArray
    free: BoolArray
    fixed: FloatArray
    t: FloatArray
    slope: FloatArray


@dataclass(frozen=True)
class PiecewiseLinearCost:
    """The bounds of each weight, and for each of its epigraph variables t = level + slope × (w - kink), where the
    slope is `low` left of the kink and `high` right of it (depth × weights).

    unit: by how much each of its two rows moves with t; swapped: where the first of them is the right side; order: of
    the kinks of each weight, rising, None for a single one; sorted_kinks: in that order, infinite where there is none.
    """

    per_asset: PerAssetRows
    unit: FloatArray
    lower: FloatArray
    upper: FloatArray
    kink: FloatArray
    level: FloatArray
    low: FloatArray
    high: FloatArray
    swapped: BoolArray
    order: IndexArray | None
    sorted_kinks: FloatArray

    @classmethod
    def read(cls, program: QuadraticProgram) -> "PiecewiseLinearCost | None":
        """None where an epigraph variable has other than two sides of different slopes."""
        rows, unit = program.per_asset, program.per_asset.absent - program.per_asset.b
        if len(unit) != 2 and unit.size:
            return None
        unit = unit.reshape(2, *program.r.shape) if unit.size else np.ones((2, 0, len(program.p)))
        a, h = (rows.epigraph(part).reshape(unit.shape) for part in (rows.a, rows.h))
        with np.errstate(all="ignore"):  # an epigraph variable with a coefficient of zero is refused below
            slopes, starts = a / unit, -h / unit
        low, high = np.minimum(*slopes), np.maximum(*slopes)
        absent = rows.absent.reshape(low.shape)
        if not ((unit > 0.0) & ((high > low) | (absent > 0.0))).all():
            return None
        swapped = slopes[0] > slopes[1]
        kink = _merged(np.where(swapped, starts[1] - starts[0], starts[0] - starts[1]) / (high - low + absent))
        sorted_kinks = np.where(absent > 0.0, np.inf, kink)
        order = np.argsort(sorted_kinks, axis=0, kind="stable") if len(kink) > 1 else None
        of_bounds = rows.bounds(rows.a)
        with np.errstate(all="ignore"):  # a row that is not needed has a coefficient of zero
            bound = rows.bounds(rows.h) / of_bounds
        return cls(
            per_asset=rows,
            unit=unit,
            lower=np.where(of_bounds < 0, bound, -np.inf).max(axis=0, initial=-np.inf),
            upper=np.where(of_bounds > 0, bound, np.inf).min(axis=0, initial=np.inf),
            kink=kink,
            level=np.where(swapped, starts[1], starts[0]) + low * kink,
            low=low,
            high=high,
            swapped=swapped,
            order=order,
            sorted_kinks=sorted_kinks if order is None else np.take_along_axis(sorted_kinks, order, axis=0),
        )

    def start(self) -> FloatArray:
        """The lowest kink of each weight, or zero where it has none, within its bounds."""
        lowest = self.sorted_kinks[0] if len(self.sorted_kinks) else np.zeros(len(self.lower))
        return np.asarray(np.minimum(np.maximum(np.where(np.isfinite(lowest), lowest, 0.0), self.lower), self.upper))

    def epigraph(self, w: FloatArray) -> FloatArray:
        """The epigraph variables at these weights."""
        moved = w - self.kink
        return np.asarray(self.level + np.maximum(self.low * moved, self.high * moved))

    def candidate(self, slope: FloatArray, curvature: FloatArray, cost: FloatArray) -> Candidate:
        """Where each weight alone is optimal: minimise curvature w²/2 + slope w + cost × t within its bounds."""
        jumps = cost * (self.high - self.low)
        if self.order is not None:
            jumps = np.take_along_axis(jumps, self.order, axis=0)
        slope = slope + total(cost * self.low)
        w = -slope / curvature
        for kink, jump in zip(self.sorted_kinks, jumps, strict=True):
            slope = slope + jump
            w = np.where(w > kink, np.maximum(kink, -slope / curvature), w)
            w = np.where(np.abs(w - kink) < NEAR, kink, w)
        free = (w > self.lower) & (w < self.upper) & np.logical_and.reduce(w != self.sorted_kinks)
        w = np.minimum(np.maximum(w, self.lower), self.upper)
        moved = w - self.kink
        side = np.where(moved > 0.0, self.high, self.low)
        return Candidate(w, free, np.where(free, 0.0, w), self.level + side * moved, side)

    def resistance(self, w: FloatArray, slope: FloatArray, cost: FloatArray, direction: FloatArray) -> FloatArray:
        """By how much the slope of everything but the epigraph variables' cost must change before a weight moves.

        direction: the side, -1 or 1. Infinite at a bound, and for the side 0.
        """
        left = direction < 0.0
        side = np.where((w > self.kink) | ((w == self.kink) & ~left), self.high, self.low)
        needed = direction * (slope + total(cost * side))
        stopped = (direction == 0.0) | np.where(left, w <= self.lower, w >= self.upper)
        return np.where(stopped, np.inf, np.maximum(needed, 0.0))

    def multipliers(self, w: FloatArray, force: FloatArray, cost: FloatArray) -> FloatArray:
        """The multipliers of the per-asset rows at which their forces are `force`, and each t costs `cost`.

        A kink takes what it can; a bound at the same weight has what is left.
        """
        jump = cost * (self.high - self.low)
        right, on = w > self.kink, w == self.kink
        rest = force - total(cost * self.low + np.where(right, jump, 0.0))
        room = total(np.where(on, jump, 0.0))
        share = np.minimum(np.maximum(rest / np.where(room > 0, room, 1.0), 0.0), 1.0)
        highs = np.where(on, share, right)
        first = np.where(self.swapped, highs, 1.0 - highs)
        of_kinks = np.concatenate([first, 1.0 - first]).reshape(self.unit.shape) * cost / self.unit
        # Of several bounds at one weight the first holds it.
        rest, rows = rest - share * room, self.per_asset
        a, h = rows.bounds(rows.a), rows.bounds(rows.h)
        holds = (a * rest > 0) & (h / a == w)
        first_bound = holds & (np.cumsum(holds, axis=0) == 1)
        return np.concatenate([of_kinks.reshape(-1, len(w)), np.where(first_bound, rest / a, 0.0)])


def _merged(kinks: FloatArray) -> FloatArray:
    """Two kinks of one weight that differ by rounding are one: else a weight at both would be at only one of them."""
    if len(kinks) <= 1:
        return kinks
    order = np.argsort(kinks, axis=0, kind="stable")
    rising = np.take_along_axis(kinks, order, axis=0)
    for lower, upper in pairwise(rising):
        upper[:] = np.where(upper - lower < NEAR, lower, upper)
    merged = np.empty_like(kinks)
    np.put_along_axis(merged, order, rising, axis=0)
    return merged
