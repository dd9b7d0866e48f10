"""A quadratic program's short rows as what they are to one weight: bounds, and costs with a bend."""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from allocation.optimizer.solvers.portfolio_qp import PerAssetRows, QuadraticProgram, total
from newsfolio.shared.arrays import FloatArray

# A weight so near a bend of its cost stands there: the rest is rounding.
NEAR = 1e-12


class Candidate(NamedTuple):
    """Where weights stand: which are free, what the others are (zero for the free), and the secondary variables `t`,
    each with the slope at which it grows with its weight."""

    w: FloatArray
    free: NDArray[np.bool_]
    fixed: FloatArray
    t: FloatArray
    slope: FloatArray


@dataclass(frozen=True)
class PiecewiseLinearCost:
    """The bounds of each weight, and for each secondary variable beside it t = level + slope × (w - bend), where the
    slope is `low` left of the bend and `high` right of it (depth × weights).

    unit: by how much each of its two rows moves with it; turned: where the first of them makes the right side;
    rising: the order of the bends beside each weight, None for a single one; depth: the bends in that order, infinite
    where there is none.
    """

    short: PerAssetRows
    unit: FloatArray
    lower: FloatArray
    upper: FloatArray
    bend: FloatArray
    level: FloatArray
    low: FloatArray
    high: FloatArray
    turned: NDArray[np.bool_]
    rising: NDArray[np.intp] | None
    depth: FloatArray

    @classmethod
    def read(cls, program: QuadraticProgram) -> "PiecewiseLinearCost | None":
        """None where there is no secondary variable, or one of another kind."""
        short, unit = program.short, program.short.idle - program.short.b
        if len(unit) != 2 or not unit.size:
            return None
        slopes, starts = short.shared(short.a) / unit, -short.shared(short.h) / unit
        low, high = np.minimum(*slopes), np.maximum(*slopes)
        if not ((unit > 0.0) & ((high > low) | (short.idle > 0.0))).all():
            return None
        turned = slopes[0] > slopes[1]
        bend = _merged(np.where(turned, starts[1] - starts[0], starts[0] - starts[1]) / (high - low + short.idle))
        level = np.where(turned, starts[1], starts[0]) + low * bend
        depth = np.where(short.idle > 0.0, np.inf, bend)
        rising = np.argsort(depth, axis=0, kind="stable") if len(depth) > 1 else None
        if rising is not None:
            depth = np.take_along_axis(depth, rising, axis=0)
        return cls(short, unit, *_bounds(short), bend, level, low, high, turned, rising, depth)

    def all_cost(self, price: FloatArray) -> bool:
        """Whether each weight has a bend at which something is paid, with these prices of the secondary variables."""
        return bool((price >= 0).all() and (total(price * (self.high - self.low)) > 0).all())

    def start(self) -> FloatArray:
        """The lowest bend of each weight, within its bounds."""
        return np.asarray(np.minimum(np.maximum(self.depth[0], self.lower), self.upper))

    def second(self, w: FloatArray) -> FloatArray:
        """The secondary variables at these weights."""
        moved = w - self.bend
        return np.asarray(self.level + np.maximum(self.low * moved, self.high * moved))

    def place(self, pull: FloatArray, curvature: FloatArray, cost: FloatArray) -> Candidate:
        """Where each weight would stand alone: the least of curvature w²/2 + pull w + cost × t within its bounds."""
        jumps = cost * (self.high - self.low)
        if self.rising is not None:
            jumps = np.take_along_axis(jumps, self.rising, axis=0)
        slope = pull + total(cost * self.low)
        w = -slope / curvature
        for bend, jump in zip(self.depth, jumps, strict=True):
            slope = slope + jump
            w = np.where(w > bend, np.maximum(bend, -slope / curvature), w)
            w = np.where(np.abs(w - bend) < NEAR, bend, w)
        free = (w > self.lower) & (w < self.upper) & np.logical_and.reduce(w != self.depth)
        w = np.minimum(np.maximum(w, self.lower), self.upper)
        moved = w - self.bend
        side = np.where(moved > 0.0, self.high, self.low)
        return Candidate(w, free, np.where(free, 0.0, w), self.level + side * moved, side)

    def resistance(self, w: FloatArray, slope: FloatArray, cost: FloatArray, toward: FloatArray) -> FloatArray:
        """By how much the slope of everything but the secondary variables' cost must change before a weight moves.

        toward: the side, -1 or 1. Infinite at a bound, and for the side 0.
        """
        left = toward < 0.0
        side = np.where((w > self.bend) | ((w == self.bend) & ~left), self.high, self.low)
        needed = toward * (slope + total(cost * side))
        stopped = (toward == 0.0) | np.where(left, w <= self.lower, w >= self.upper)
        return np.where(stopped, np.inf, np.maximum(needed, 0.0))

    def multipliers(self, w: FloatArray, force: FloatArray, cost: FloatArray) -> FloatArray:
        """The multipliers of the short rows at which their forces are `force`, and each t costs `cost`.

        What a bend can hold, it holds: a bound at the same weight has only what is left.
        """
        jump = cost * (self.high - self.low)
        right, on = w > self.bend, w == self.bend
        rest = force - total(cost * self.low + np.where(right, jump, 0.0))
        room = total(np.where(on, jump, 0.0))
        share = np.minimum(np.maximum(rest / np.where(room > 0, room, 1.0), 0.0), 1.0)
        highs = np.where(on, share, right)
        first = np.where(self.turned, highs, 1.0 - highs)
        shared = np.concatenate([first, 1.0 - first]).reshape(self.unit.shape) * cost / self.unit
        return np.concatenate([shared.reshape(-1, len(w)), self._held(w, rest - share * room)])

    def _held(self, w: FloatArray, force: FloatArray) -> FloatArray:
        """The multipliers of the bounds that hold `force`: of several at one weight the first."""
        a, h = self.short.alone(self.short.a), self.short.alone(self.short.h)
        holds = (a * force > 0) & (h / a == w)
        first = holds & (np.cumsum(holds, axis=0) == 1)
        return np.where(first, force / a, 0.0)


def _merged(bends: FloatArray) -> FloatArray:
    """Two bends of one weight that differ by rounding are one: else a weight at both would stand beside one of them."""
    if len(bends) == 1:
        return bends
    order = np.argsort(bends, axis=0, kind="stable")
    rising = np.take_along_axis(bends, order, axis=0)
    for lower, upper in pairwise(rising):
        upper[:] = np.where(upper - lower < NEAR, lower, upper)
    merged = np.empty_like(bends)
    np.put_along_axis(merged, order, rising, axis=0)
    return merged


def _bounds(short: PerAssetRows) -> tuple[FloatArray, FloatArray]:
    a = short.alone(short.a)
    bound = short.alone(short.h) / a
    lower = np.where(a < 0, bound, -np.inf).max(axis=0, initial=-np.inf)
    return lower, np.where(a > 0, bound, np.inf).min(axis=0, initial=np.inf)
