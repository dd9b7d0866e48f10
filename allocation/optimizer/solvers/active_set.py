"""A primal-dual active set method: where most weights stay at bounds or at what is held, a few steps are exact.

Each weight is at a bound, at the kink of a cost (at what is held, say), or free. Given which, weights and multipliers
follow from linear equations; they in turn say which weights would move, until none does. The first guess and all that
follows depend on the program's numbers alone. It need not converge: then another solver does the work.

Method: M. Hintermüller, K. Ito and K. Kunisch, "The primal-dual active set strategy as a semismooth Newton method",
SIAM J. Optimization 13, 2002.
"""

import numpy as np
from scipy.linalg import lapack

from allocation.optimizer.solvers.piecewise_linear import Candidate, PiecewiseLinearCost
from allocation.optimizer.solvers.portfolio_qp import Optimum, QuadraticProgram, total
from newsfolio.shared.arrays import BoolArray, FloatArray, IndexArray

MAX_STEPS = 16
# With more free weights an interior-point step is cheaper than a dense factorisation.
MAX_FREE = 300
# Tolerances: a coupling constraint is violated by more; its row is a combination of others; the result is not feasible.
VIOLATED, DEPENDENT, INFEASIBLE = 1e-12, 1e-8, 1e-11


def solve_active_set(program: QuadraticProgram) -> Optimum | None:
    """Return the optimum, or None where the method does not converge."""
    costs = PiecewiseLinearCost.read(program)
    if costs is None:
        return None
    return refine_active_set(program, costs, costs.start(), np.zeros(len(program.coupling_limit)), MAX_STEPS)


def refine_active_set(
    program: QuadraticProgram, costs: PiecewiseLinearCost, w: FloatArray, y: FloatArray, max_steps: int
) -> Optimum | None:
    """Return the optimum found from weights `w` and multipliers `y`; None where the method does not converge."""
    try:
        with np.errstate(all="ignore"):  # a guess that led nowhere is noticed by its residuals
            return _Search(program, costs, w, y).run(max_steps)
    except np.linalg.LinAlgError:
        return None


class _Search:
    """One solve: weights `w` and the multipliers `y` of the coupling constraints."""

    def __init__(self, program: QuadraticProgram, costs: PiecewiseLinearCost, w: FloatArray, y: FloatArray) -> None:
        self.program, self.costs, self.w, self.y = program, costs, w, y
        self.rows = program.coupling_w
        self.couples_t = bool(program.coupling_t.any())
        self.of_t = program.coupling_t.reshape(len(self.rows), *program.r.shape)
        self.is_equality = np.arange(len(self.rows)) < program.n_equal
        self.curvature = program.p + np.einsum("ij,ij->i", program.v, program.v)
        # The multiplier that a unit of each coupling constraint costs where all weights are free.
        reach = np.abs(self.rows)
        if self.couples_t:
            steepest = np.maximum(np.abs(costs.low), np.abs(costs.high))
            reach += np.add.reduce(np.abs(self.of_t) * steepest, axis=1)
        self.stiffness = 1.0 / (reach**2 / self.curvature).sum(axis=1)

    def run(self, max_steps: int) -> Optimum | None:
        """Return the optimum once a guess repeats itself; None after `max_steps`, or where an earlier one does."""
        seen: list[tuple[bytes, ...]] = []
        for steps in range(max_steps):
            guess = self.costs.candidate(self._slope() - self.curvature * self.w, self.curvature, self._cost())
            active = self.is_equality
            if len(self.rows):  # those whose multiplier outweighs their slack, and of the others the most violated
                excess = self._excess(guess.w, guess.t)
                active = active | ((self.y > 0.0) & (self.y + self.stiffness * excess > 0.0))
                excess[active] = 0.0
                worst = int(excess.argmax())
                active[worst] |= excess[worst] > VIOLATED
            state = guess.free.tobytes(), guess.slope.tobytes(), guess.fixed.tobytes(), active.tobytes()
            if seen and state == seen[-1]:
                if self._raise_multiplier():
                    continue
                t = self.costs.epigraph(self.w)
                excess = self._excess(self.w, t)
                held = excess[self.is_equality | (self.y > 0.0)]
                if excess.max(initial=0.0) > INFEASIBLE or held.min(initial=0.0) < -INFEASIBLE:
                    return None  # a constraint that is almost a combination of others, but not quite
                z = self.costs.multipliers(self.w, -self._slope(), self._cost())
                return Optimum(self.w, t, self.y, z, steps)
            if state in seen or np.count_nonzero(guess.free) > MAX_FREE:
                return None  # it cycles, or is no small correction
            seen.append(state)
            self._solve(guess, active)
        return None

    def _slope(self) -> FloatArray:
        """The slope of everything but the epigraph variables' cost."""
        program = self.program
        slope = program.p * self.w + program.v @ (program.v.T @ self.w) + program.q
        return slope + self.y @ self.rows if len(self.rows) else slope

    def _cost(self) -> FloatArray:
        """What a unit of each epigraph variable costs, with the multipliers of the coupling constraints."""
        cost = self.program.r
        return cost + (self.y @ self.program.coupling_t).reshape(cost.shape) if self.couples_t else cost

    def _excess(self, w: FloatArray, t: FloatArray) -> FloatArray:
        """By how much each coupling constraint is beyond its limit."""
        return self.rows @ w + self.program.coupling_t @ t.reshape(-1) - self.program.coupling_limit

    def _solve(self, guess: Candidate, active: BoolArray) -> None:
        """Weights and multipliers at which the free weights gain nothing and the active coupling constraints hold."""
        program, free = self.program, np.flatnonzero(guess.free)
        self.w, before = guess.w.copy(), self.y
        self.y = np.where(active, before, 0.0)
        if not len(free):
            return
        loadings = program.v[free]
        matrix = loadings @ loadings.T
        matrix.reshape(-1)[:: len(matrix) + 1] += program.p[free]
        factor, failed = lapack.dpotrf(matrix.T, lower=1, clean=0, overwrite_a=1)
        if failed:
            raise np.linalg.LinAlgError
        own = total(program.r * guess.slope)[free]
        right = -(program.q[free] + own + loadings @ (program.v.T @ guess.fixed))
        # How the active coupling constraints grow with each weight, and what the weights that do not move leave of
        # their limits; the epigraph variables move along with their weights.
        held = np.flatnonzero(active)
        normals, limit = self.rows[held], program.coupling_limit[held] - self.rows[held] @ guess.fixed
        if self.couples_t:
            normals = normals + np.add.reduce(self.of_t[held] * guess.slope, axis=1)
            still = guess.t - guess.slope * (guess.w - guess.fixed)
            limit = limit - program.coupling_t[held] @ still.reshape(-1)
        normals = normals[:, free]
        both = lapack.dpotrs(factor, np.concatenate([right[None], normals]).T, lower=1)[0]
        if len(held):
            moved = normals @ both
            y = self._multipliers(held, moved[:, 1:], moved[:, 0] - limit)
            self.w[free] = both[:, 0] - both[:, 1:] @ y[held]
            self.y = np.where(self.is_equality, y, np.maximum(y, 0.0))
        else:
            self.w[free] = both[:, 0]

    def _raise_multiplier(self) -> bool:
        """Where all weights of a violated constraint stay at kinks, raise its multiplier until some move; whether.

        It is the one at which the weights, each alone, give what the constraint needs: weight i does from its
        resistance on, by reach² / curvature for each unit of the multiplier above it.
        """
        excess = self._excess(self.w, self.costs.epigraph(self.w))
        if excess.max(initial=0.0) <= INFEASIBLE or self.program.coupling_t[row := int(excess.argmax())].any():
            return False
        reach = np.abs(self.rows[row])
        resistance = self.costs.resistance(self.w, self._slope(), self._cost(), -np.sign(self.rows[row])) / reach
        order = np.argsort(resistance)[: np.count_nonzero(np.isfinite(resistance))]
        if not len(order):
            return False
        begun, given = resistance[order], (reach**2 / self.curvature)[order]
        multipliers = (excess[row] + np.cumsum(given * begun)) / np.cumsum(given)
        enough = multipliers <= np.append(begun[1:], np.inf)
        self.y = self.y.copy()
        self.y[row] += multipliers[enough.argmax()]
        return True

    def _multipliers(self, held: IndexArray, schur: FloatArray, excess: FloatArray) -> FloatArray:
        """The multipliers at which the constraints hold; one that free weights cannot move keeps its multiplier."""
        y = self.y.copy()
        size = np.sqrt(schur.diagonal())
        lower, failed = lapack.dpotrf(schur / (size[:, None] * size), lower=1)
        if failed or not lower.diagonal().min() ** 2 > DEPENDENT:
            kept: list[int] = []  # the rows that are no combination of earlier ones, in this order
            for at in sorted(range(len(held)), key=lambda at: (held[at] >= self.program.n_equal, -self.y[held[at]])):
                left = schur[at, at]
                if kept and left > 0.0:
                    left -= schur[at, kept] @ np.linalg.solve(schur[np.ix_(kept, kept)], schur[kept, at])
                if left > DEPENDENT * schur[at, at]:
                    kept.append(at)
            kept.sort()
            others = np.setdiff1d(np.arange(len(held)), kept)
            excess = excess - schur[:, others] @ y[held[others]]
            held, schur, excess = held[kept], schur[np.ix_(kept, kept)], excess[kept]
        if len(held):
            y[held] = lapack.dposv(schur, excess)[1].reshape(-1)
        return y
