"""A quadratic program's short rows as what they are to one weight: bounds, and costs with a bend."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allocation.quadratic import Matrix, Positions, QuadraticProgram, ShortRows, Vector

NEVER, NOTHING = np.full(1, np.inf), np.zeros(1)  # the bend and the cost of a secondary variable that is not there
# A weight so near a bend of its cost stands there: the rest is rounding.
NEAR = 1e-12


@dataclass(frozen=True)
class Layout:
    """Which short rows are bounds (`alone`), and which two make each secondary variable (`first`, `second`).

    of: the weight that each secondary variable stands beside; slots (deepest × weights): the secondary variables
    beside each weight, one past the end where there are fewer.
    """

    alone: Positions
    first: Positions
    second: Positions
    of: Positions
    slots: Positions

    @classmethod
    def read(
        cls, secondary_of: Positions, couples: tuple[Positions, Positions], partner: Positions, n_weights: int
    ) -> "Layout | None":
        """None where there is no secondary variable, or one that has not exactly two rows."""
        n_second = len(partner) - 1
        if not n_second or (np.bincount(secondary_of, minlength=n_second + 1)[:-1] != 2).any():
            return None
        order, of = np.argsort(secondary_of[couples[0]]), partner[:-1]
        slots: list[list[int]] = [[] for _ in range(n_weights)]
        for number, weight in enumerate(of):
            slots[weight].append(number)
        deepest = max(map(len, slots))
        table = np.array([some + [n_second] * (deepest - len(some)) for some in slots])
        alone = np.flatnonzero(secondary_of == n_second)
        return cls(alone, couples[0][order], couples[1][order], of, np.ascontiguousarray(table.T))


@dataclass(frozen=True)
class Place:
    """Where weights stand: which are free, what the others are (zero for the free), and the secondary variables `t`,
    each with the slope at which it grows with its weight."""

    w: Vector
    free: NDArray[np.bool_]
    fixed: Vector
    t: Vector
    slope: Vector


@dataclass(frozen=True)
class Bends:
    """The bounds of each weight, and for each secondary variable t = level + slope × (w - bend), where the slope is
    `low` left of the bend and `high` right of it.

    low_row, high_row: the short rows that make the two sides; slots: as in Layout, by rising bend; depth: the bends
    there.
    """

    short: ShortRows
    alone: Positions
    of: Positions
    slots: Positions
    lower: Vector
    upper: Vector
    bend: Vector
    level: Vector
    low: Vector
    high: Vector
    low_row: Positions
    high_row: Positions
    depth: Matrix

    @classmethod
    def read(cls, program: QuadraticProgram, layout: Layout) -> "Bends | None":
        """None where rows are of another kind."""
        short, one, two = program.short, layout.first, layout.second
        slopes, starts = short.a / -short.b, short.h / short.b  # what is alone has neither, and is not asked
        turned = slopes[one] > slopes[two]
        low_row, high_row = np.where(turned, two, one), np.where(turned, one, two)
        low, high = slopes[low_row], slopes[high_row]
        if not ((short.b[low_row] < 0).all() and (short.b[high_row] < 0).all() and (high > low).all()):
            return None
        bend = (starts[low_row] - starts[high_row]) / (high - low)
        slots, depth = layout.slots, np.concatenate([bend, NEVER])[layout.slots]
        if len(slots) > 1:
            rising = np.argsort(depth, axis=0, kind="stable")
            slots, depth = np.take_along_axis(slots, rising, axis=0), np.take_along_axis(depth, rising, axis=0)
        lower, upper = _bounds(short, layout.alone, len(program.q))
        level = starts[low_row] + low * bend
        return cls(
            short, layout.alone, layout.of, slots, lower, upper, bend, level, low, high, low_row, high_row, depth
        )

    def all_cost(self, price: Vector) -> bool:
        """Whether each weight has a bend at which something is paid, with these prices of the secondary variables."""
        paid = np.bincount(self.of, price * (self.high - self.low), minlength=len(self.lower))
        return bool((price >= 0).all() and (paid > 0).all())

    def start(self) -> Vector:
        """The lowest bend of each weight, within its bounds."""
        return np.asarray(np.minimum(np.maximum(self.depth[0], self.lower), self.upper))

    def second(self, w: Vector) -> Vector:
        """The secondary variables at these weights."""
        moved = w[self.of] - self.bend
        return np.asarray(self.level + np.maximum(self.low * moved, self.high * moved))

    def place(self, pull: Vector, curvature: Vector, cost: Vector) -> Place:
        """Where each weight would stand alone: the least of curvature w²/2 + pull w + cost × t within its bounds."""
        jumps = np.concatenate([cost * (self.high - self.low), NOTHING])[self.slots]
        slope = pull + np.bincount(self.of, cost * self.low, minlength=len(pull))
        w = -slope / curvature
        for bend, jump in zip(self.depth, jumps, strict=True):
            slope = slope + jump
            w = np.where(w > bend, np.maximum(bend, -slope / curvature), w)
            w = np.where(np.abs(w - bend) < NEAR, bend, w)
        free = (w > self.lower) & (w < self.upper) & (w != self.depth).all(axis=0)
        w = np.minimum(np.maximum(w, self.lower), self.upper)
        side = np.where(w[self.of] > self.bend, self.high, self.low)
        return Place(w, free, np.where(free, 0.0, w), self.second(w), side)

    def multipliers(self, w: Vector, force: Vector, cost: Vector) -> Vector:
        """The multipliers of the short rows at which their forces are `force`, and each t costs `cost`.

        What a bend can hold, it holds: a bound at the same weight has only what is left.
        """
        short, at, n = self.short, w[self.of], len(w)
        jump = cost * (self.high - self.low)
        right, on = at > self.bend, at == self.bend
        rest = force - np.bincount(self.of, cost * self.low + np.where(right, jump, 0.0), minlength=n)
        room = np.bincount(self.of, np.where(on, jump, 0.0), minlength=n)
        share = np.clip(rest / np.where(room > 0, room, 1.0), 0.0, 1.0)
        z = np.zeros(len(short.h))
        highs = np.where(on, share[self.of], right)
        z[self.low_row] = cost * (1.0 - highs) / -short.b[self.low_row]
        z[self.high_row] = cost * highs / -short.b[self.high_row]
        rest = rest - share * room
        rows, pull = self.alone, short.a[self.alone]
        holds = (short.a[rows] * rest[short.primary[rows]] > 0) & (short.h[rows] / pull == w[short.primary[rows]])
        first = np.unique(short.primary[rows[holds]], return_index=True)[1]
        chosen = rows[holds][first]  # of several bounds at one weight the first
        z[chosen] = rest[short.primary[chosen]] / short.a[chosen]
        return z


def _bounds(short: ShortRows, alone: Positions, n: int) -> tuple[Vector, Vector]:
    lower, upper = np.full(n, -np.inf), np.full(n, np.inf)
    of, a, bound = short.primary[alone], short.a[alone], short.h[alone] / short.a[alone]
    np.maximum.at(lower, of[a < 0], bound[a < 0])
    np.minimum.at(upper, of[a > 0], bound[a > 0])
    return lower, upper
