"""A primal-dual interior point method for the programs of `quadratic`.

Each solve starts afresh: its result depends on its numbers alone. Where the factors are few and a compiler was at
hand, the first steps are taken in C (kernels.c), which says the same as `_start` and `_advance`.

Method: S. Mehrotra, "On the implementation of a primal-dual interior point method", SIAM J. Optimization 2,
1992, with one step length for both sides.
"""

from dataclasses import replace
from functools import cached_property

import numpy as np

from allocation.optimizer.solvers.active_set import refine_active_set
from allocation.optimizer.solvers.kernels import kernels
from allocation.optimizer.solvers.newton import Fixed, Newton, has_few_factors
from allocation.optimizer.solvers.piecewise_linear import PiecewiseLinearCost
from allocation.optimizer.solvers.portfolio_qp import Optimum, QuadraticProgram, total
from newsfolio.shared.arrays import FloatArray

MOST_STEPS = 60
# Where a cost or bound binds only just, weights are off by the root of the gap: a gap of 1e-8 is a trade of 1e-4.
GAP = 1e-14
RESIDUAL = 1e-12
# Steps without progress before rounding is taken to be all that is left.
PATIENCE = 3
NEARLY = 1e4  # times the tolerances: so near, a step without progress is rounding
SHORTEST, ENDLESS = 1e-9, 1e14  # steps so short and multipliers so large say that no point satisfies the rows
# What is left of a slack by a step that could use it up: as little as the gap, which so shrinks faster and faster,
# but rows that come too close at once leave nothing but rounding.
MOST_LEFT, LEAST_LEFT = 1e-3, 1e-5
# Slacks and multipliers start well inside: from nearer the boundary the first steps are short.
FIRST_SLACK, FIRST_MULTIPLIER = 0.03, 0.3
# The gap below which the active set may be plain, by how much less it must be for another try, and guesses of each.
NEAR, NEARER, MOST_SETTLING = 1e-3, 1e-3, 5
SETTINGS = np.array([FIRST_SLACK, FIRST_MULTIPLIER, NEAR, MOST_LEFT, LEAST_LEFT, SHORTEST, ENDLESS])


def minimise(program: QuadraticProgram) -> Optimum | None:
    """Return the optimum, or None where the method does not get there: another solver then says why.

    The last steps are left to the active set that the first ones show, where it shows one.
    """
    try:
        with np.errstate(all="ignore"):  # a diverging iterate is noticed by its residual
            return _Search(program).run()
    except np.linalg.LinAlgError:
        return None


class _Search:
    """The iterates of one solve; the objective is scaled to gradients of about one.

    `sz` are the slacks (first row) and multipliers of the inequalities: of the long rows, then of the short ones.
    `lack` and `lack_equal` are what inequalities with their slacks, and equalities, fall short of their limits.
    """

    def __init__(self, program: QuadraticProgram) -> None:
        size = max(float(np.abs(program.q).max()), float(np.abs(program.r).max(initial=0.0))) or 1.0
        self.unit = float(2.0 ** -np.round(np.log2(size)))  # a power of two rounds nothing
        self.program = replace(
            program, p=program.p * self.unit, v=program.v * np.sqrt(self.unit), q=program.q * self.unit,
            r=program.r * self.unit,
        )  # fmt: skip
        self.n_equal, self.n_long = program.n_equal, len(program.long_limit) - program.n_equal
        self.steps = self._approach()

    @cached_property
    def fixed(self) -> Fixed:
        """What the equations of all steps share."""
        return Fixed(self.program)

    def _approach(self) -> int:
        """Start, and step to where the active set may be plain; how many steps that took."""
        compiled = kernels() if has_few_factors(self.program) else None
        if compiled is not None:
            steps, parts = compiled.approach(self.program, SETTINGS, MOST_STEPS)
            if steps < 0:
                raise np.linalg.LinAlgError
            self.w, t, self.y, self.lack_equal, sz, self.lack = parts
            self.t, self.sz = t.reshape(self.program.r.shape), sz.reshape(2, -1)
            return steps
        self._start()
        for steps in range(MOST_STEPS):
            gap = float(self.sz[0] @ self.sz[1])
            self._stationarity()
            if not gap >= NEAR or not self._advance(gap):  # nor where it is no number
                return steps
        return MOST_STEPS

    def _start(self) -> None:
        """Start at the optimum of the program whose rows are penalties, with slacks moved off zero."""
        program, short = self.program, self.program.short
        newton = Newton(program, self.fixed, np.ones(short.h.shape), self._with_equalities(np.ones(self.n_long)))
        self.w, self.t, y, moved = newton.solve(-program.q, -program.r, -short.h, program.long_limit)
        self.y = y[: self.n_equal]
        long = program.long_limit - program.long_first @ self.w - program.long_second @ self.t.reshape(-1)
        slack = np.concatenate([long[self.n_equal :], (short.h - moved).reshape(-1)])
        self.sz = np.full((2, len(slack)), FIRST_MULTIPLIER)
        self.sz[0] = np.maximum(np.abs(slack), FIRST_SLACK)
        self.lack, self.lack_equal = slack - self.sz[0], long[: self.n_equal]

    def _with_equalities(self, values: FloatArray) -> FloatArray:
        return np.concatenate([np.zeros(self.n_equal), values])

    def _prices(self) -> tuple[FloatArray, FloatArray]:
        """The multipliers of the long rows, equalities first, and of the short ones."""
        z = self.sz[1]
        return np.concatenate([self.y, z[: self.n_long]]), z[self.n_long :].reshape(self.program.short.h.shape)

    def run(self) -> Optimum | None:
        """Return the most accurate iterate, or what the active set settles to on the way; None where all diverge."""
        best, least, stale, near = None, np.inf, 0, NEAR
        for steps in range(self.steps, MOST_STEPS):
            gap = float(self.sz[0] @ self.sz[1])
            if gap < near:
                near *= NEARER
                if (found := self._settled(steps)) is not None:
                    return found
            self._stationarity()
            score = max(self._error() / RESIDUAL, gap / GAP)
            if not np.isfinite(score):
                break
            stale = stale + 1 if score >= least and least < NEARLY else 0
            if score < least:
                best, least = (steps, self.w, self.t, *self._prices()), score
            if score <= 1.0 or stale > PATIENCE or not self._advance(gap):
                break
        return best and self._optimum(*best)

    def _settled(self, steps: int) -> Optimum | None:
        """The optimum, where the active set is plain enough by now."""
        bends = PiecewiseLinearCost.read(self.program)
        found = (
            refine_active_set(self.program, bends, self.w, self._prices()[0], MOST_SETTLING)
            if bends is not None
            else None
        )
        return found and self._optimum(steps + found.steps, found.w, found.t, found.y, found.z)

    def _stationarity(self) -> None:
        """What pulls at the weights and at the secondary variables: nothing, at an optimum."""
        program, (y, z) = self.program, self._prices()
        forces, shape = program.short.a * z, program.r.shape
        self.pull = -(program.p * self.w + program.v @ (program.v.T @ self.w) + program.q + total(forces))
        self.pull_second = -(program.r + total(program.short.b * program.short.shared(z)))
        if len(y):
            self.pull -= y @ program.long_first
            self.pull_second -= (y @ program.long_second).reshape(shape)

    def _error(self) -> float:
        parts = np.concatenate([self.pull, self.pull_second.reshape(-1), self.lack, self.lack_equal])
        return float(np.abs(parts).max())

    def _optimum(self, steps: int, w: FloatArray, t: FloatArray, y: FloatArray, z: FloatArray) -> Optimum:
        return Optimum(w, t, y / self.unit, z / self.unit, steps)

    def _advance(self, gap: float) -> bool:
        """Predict, correct, step; False where no step is left."""
        (s, z), k = self.sz, self.n_long
        theta = z / s
        inverse = self._with_equalities(1.0 / theta[:k])
        newton = Newton(self.program, self.fixed, theta[k:].reshape(self.program.short.h.shape), inverse)
        product, owed = s * z, theta * self.lack
        *_, change = self._direction(newton, -product, owed)
        s, z = self.sz + _length(self.sz, change) * change
        ahead, mu = float(s @ z) / max(len(s), 1), gap / max(len(s), 1)
        target = (ahead / mu) ** 3 * mu - product - change[0] * change[1]
        dw, dt, dy, change = self._direction(newton, target, owed)
        reach = 1.0 - min(max(gap, LEAST_LEFT), MOST_LEFT)
        length = min(1.0, reach * _length(self.sz, change, most=1.0 / reach))
        self.w, self.t, self.y = self.w + length * dw, self.t + length * dt, self.y + length * dy
        self.sz = self.sz + length * change
        # Computed anew, these residuals would be rounding, which tiny slacks magnify.
        self.lack, self.lack_equal = (1.0 - length) * self.lack, (1.0 - length) * self.lack_equal
        return length > SHORTEST and self.sz[1].max(initial=0.0) < ENDLESS

    def _direction(
        self, newton: Newton, target: FloatArray, owed: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """The step to where slack × multiplier is `target`, to first order: of w, t, y and of `sz`."""
        (s, z), k = self.sz, self.n_long
        u = (target / s - owed)[k:].reshape(self.program.short.h.shape)
        long = np.concatenate([self.lack_equal, self.lack[:k] - target[:k] / z[:k]])
        dw, dt, dy, moved = newton.solve(self.pull, self.pull_second, u, long)
        change = np.empty_like(self.sz)
        change[0, k:] = self.lack[k:] - moved.reshape(-1)
        change[1, k:] = (target[k:] - z[k:] * change[0, k:]) / s[k:]
        # With its multiplier solved for, a long row's slack follows from complementarity, without cancellation.
        change[1, :k] = dy[self.n_equal :]
        change[0, :k] = (target[:k] - s[:k] * change[1, :k]) / z[:k]
        return dw, dt, dy[: self.n_equal], change


def _length(sz: FloatArray, change: FloatArray, most: float = 1.0) -> float:
    """The longest step that keeps slacks and multipliers positive."""
    return 1.0 / max(1.0 / most, -float((change / sz).min(initial=0.0)))
