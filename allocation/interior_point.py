"""A primal-dual interior point method for the programs of `quadratic`.

Each solve starts afresh: its result depends on its numbers alone.

Method: S. Mehrotra, "On the implementation of a primal-dual interior point method", SIAM J. Optimization 2,
1992, with one step length for both sides.
"""

import numpy as np

from allocation.active_set import settled
from allocation.bends import Bends, Layout
from allocation.newton import Fixed, Newton
from allocation.quadratic import Optimum, QuadraticProgram, Vector

MOST_STEPS = 60
# Where a cost or bound binds only just, weights are off by the root of the gap: a gap of 1e-8 is a trade of 1e-4.
GAP = 1e-14
RESIDUAL = 1e-12
# Steps without progress before rounding is taken to be all that is left.
PATIENCE = 3
NEARLY = 1e4  # times the tolerances: so near, a step without progress is rounding
ENDLESS = 1e14  # multipliers that grow beyond are a sign that no point satisfies the rows
# What is left of a slack by a step that could use it up: as little as the gap, which so shrinks faster and faster,
# but rows that come too close at once leave nothing but rounding.
MOST_LEFT, LEAST_LEFT = 1e-3, 1e-5
# Slacks and multipliers start well inside: from nearer the boundary the first steps are short.
FIRST_SLACK, FIRST_MULTIPLIER = 0.03, 0.3
# The gap below which the active set may be plain, by how much less it must be for another try, and guesses of each.
NEAR, NEARER, MOST_SETTLING = 1e-2, 1e-3, 5


def minimise(program: QuadraticProgram, layout: Layout | None = None) -> Optimum | None:
    """Return the optimum, or None where the method does not get there: another solver then says why.

    With a `layout` the last steps are left to the active set that the first ones show.
    """
    try:
        with np.errstate(all="ignore"):  # a diverging iterate is noticed by its residual
            return _Search(program, layout).run()
    except np.linalg.LinAlgError:
        return None


class _Search:
    """The iterates of one solve; the objective is scaled to gradients of about one."""

    def __init__(self, program: QuadraticProgram, layout: Layout | None = None) -> None:
        size = max(float(np.abs(program.q).max()), float(np.abs(program.r).max(initial=0.0))) or 1.0
        self.unit = float(2.0 ** -np.round(np.log2(size)))  # a power of two rounds nothing
        self.program = QuadraticProgram(
            program.p * self.unit, program.v * np.sqrt(self.unit), program.q * self.unit, program.r * self.unit,
            program.long_first, program.long_second, program.long_limit, program.n_equal, program.short,
            program.partner,
        )  # fmt: skip
        self.n_equal, self.n_long = program.n_equal, len(program.long_limit) - program.n_equal
        self.fixed, self.layout = Fixed(self.program), layout
        self._start()

    def _start(self) -> None:
        """Start at the optimum of the program whose rows are penalties, with slacks moved off zero."""
        program, short = self.program, self.program.short
        newton = Newton(program, self.fixed, np.ones(len(short.h)), self._with_equalities(np.ones(self.n_long)))
        self.w, self.t, y, _ = newton.solve(-program.q, -program.r, -short.h, program.long_limit)
        self.y = y[: self.n_equal]
        long = program.long_limit - program.long_first @ self.w - program.long_second @ self.t
        shorts = short.h - short.a * self.w[short.primary] - short.b * self.t[short.secondary]
        slack = np.concatenate([long[self.n_equal :], shorts])
        self.s, self.z = np.maximum(np.abs(slack), FIRST_SLACK), np.full(len(slack), FIRST_MULTIPLIER)
        self.primal, self.equal = self.s - slack, -long[: self.n_equal]

    def _with_equalities(self, values: Vector) -> Vector:
        return np.concatenate([np.zeros(self.n_equal), values])

    def run(self) -> Optimum | None:
        """Return the most accurate iterate, or what the active set settles to on the way; None where all diverge."""
        best, least, stale, self.near = None, np.inf, 0, NEAR
        for steps in range(MOST_STEPS):
            self._stationarity()
            error, gap = self._error(), float(self.s @ self.z)
            score = max(error / RESIDUAL, gap / GAP)
            if not np.isfinite(score) or self.z.max(initial=0.0) > ENDLESS:
                break
            stale = stale + 1 if score >= least and least < NEARLY else 0
            if score < least:
                best, least = (steps, self.w, self.t, self.y, self.z), score
            if gap < self.near and (found := self._settled(steps)) is not None:
                return found
            if score <= 1.0 or stale > PATIENCE or not self._advance(gap / max(len(self.s), 1)):
                break
        if best is None:
            return None
        steps, w, t, y, z = best
        return self._optimum(steps, w, t, np.concatenate([y, z[: self.n_long]]), z[self.n_long :])

    def _settled(self, steps: int) -> Optimum | None:
        """The optimum, where the active set is plain enough by now."""
        self.near *= NEARER
        bends = Bends.read(self.program, self.layout) if self.layout is not None else None
        if bends is None:
            return None
        y = np.concatenate([self.y, self.z[: self.n_long]])
        found = settled(self.program, bends, self.w, y, MOST_SETTLING)
        return found and self._optimum(steps + found.steps, found.w, found.t, found.y, found.z)

    def _stationarity(self) -> None:
        program, short = self.program, self.program.short
        y, z = np.concatenate([self.y, self.z[: self.n_long]]), self.z[self.n_long :]
        forces = np.bincount(short.primary, short.a * z, minlength=len(self.w))
        self.dual = program.p * self.w + program.v @ (program.v.T @ self.w) + program.q + forces
        self.dual_second = program.r + np.bincount(short.secondary, short.b * z, minlength=len(self.t))
        if len(y):
            self.dual += y @ program.long_first
            self.dual_second += y @ program.long_second

    def _error(self) -> float:
        parts = np.concatenate([self.dual, self.dual_second, self.primal, self.equal])
        return float(np.abs(parts).max())

    def _optimum(self, steps: int, w: Vector, t: Vector, y: Vector, z: Vector) -> Optimum:
        return Optimum(w, t, y / self.unit, z / self.unit, steps)

    def _advance(self, mu: float) -> bool:
        """Predict, correct, step; False where no step is left."""
        theta = self.z / self.s
        inverse = self._with_equalities(1.0 / theta[: self.n_long])
        newton = Newton(self.program, self.fixed, theta[self.n_long :], inverse)
        product = self.s * self.z
        *_, ds, dz = self._direction(newton, -product)
        length = _length(self.s, ds, self.z, dz)
        ahead = float((self.s + length * ds) @ (self.z + length * dz)) / max(len(self.s), 1)
        dw, dt, dy, ds, dz = self._direction(newton, (ahead / mu) ** 3 * mu - product - ds * dz)
        reach = 1.0 - min(max(mu * len(self.s), LEAST_LEFT), MOST_LEFT)
        length = min(1.0, reach * _length(self.s, ds, self.z, dz, most=1.0 / reach))
        self.w, self.t, self.y = self.w + length * dw, self.t + length * dt, self.y + length * dy
        self.s, self.z = self.s + length * ds, self.z + length * dz
        # Computed anew, these residuals would be rounding, which tiny slacks magnify.
        self.primal, self.equal = (1.0 - length) * self.primal, (1.0 - length) * self.equal
        return length > 1e-9

    def _direction(self, newton: Newton, target: Vector) -> tuple[Vector, Vector, Vector, Vector, Vector]:
        k = self.n_long
        u = (target + self.z * self.primal) / self.s
        long = np.concatenate([-self.equal, -self.primal[:k] - target[:k] / self.z[:k]])
        dw, dt, dy, moved = newton.solve(-self.dual, -self.dual_second, u[k:], long)
        # With its multiplier solved for, a long row's slack follows from complementarity, without cancellation.
        dz_long = dy[self.n_equal :]
        ds_long = (target[:k] - self.s[:k] * dz_long) / self.z[:k]
        ds_short = -self.primal[k:] - moved
        ds = np.concatenate([ds_long, ds_short])
        dz = np.concatenate([dz_long, (target[k:] - self.z[k:] * ds_short) / self.s[k:]])
        return dw, dt, dy[: self.n_equal], ds, dz


def _length(s: Vector, ds: Vector, z: Vector, dz: Vector, most: float = 1.0) -> float:
    """The longest step that keeps slacks and multipliers positive."""
    lowest = np.minimum.reduce
    return 1.0 / max(1.0 / most, -float(lowest(ds / s, initial=0.0)), -float(lowest(dz / z, initial=0.0)))
