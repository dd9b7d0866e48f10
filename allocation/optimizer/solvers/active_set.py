"""Where trading costs, most of what is held stays as it is: the optimum is guessed from there and solved exactly.

Each weight stands at a bound, at the bend of a cost (at what is held, say), or moves freely. Given which of these,
weights and prices follow from linear equations; they in turn say where each weight would rather stand, until nobody
moves. The first guess and all that follows depend on the program's numbers alone. The guess need not settle: then
`interior_point` does the work.

Method: M. Hintermüller, K. Ito and K. Kunisch, "The primal-dual active set strategy as a semismooth Newton method",
SIAM J. Optimization 13, 2002.
"""

from collections.abc import Sequence

import numpy as np
from scipy.linalg import lapack

from allocation.optimizer.solvers.piecewise_linear import Candidate, PiecewiseLinearCost
from allocation.optimizer.solvers.portfolio_qp import Optimum, QuadraticProgram, total
from newsfolio.shared.arrays import BoolArray, FloatArray, IndexArray

MOST_STEPS = 16
# Beyond so many free weights an interior point step is cheaper than a dense factorisation.
MOST_FREE = 300
# A long row is obeyed within this; one that the others nearly imply has no price of its own.
BROKEN, DEPENDENT, FAR = 1e-12, 1e-8, 1e-11


def solve_active_set(program: QuadraticProgram) -> Optimum | None:
    """Return the optimum, or None where trading is free or the guess does not settle: another method then."""
    with np.errstate(all="ignore"):  # a guess that came to nothing is noticed by its residuals
        bends = PiecewiseLinearCost.read(program)
        if bends is None or not bends.all_cost(program.r):
            return None
        return refine_active_set(program, bends, bends.start(), np.zeros(len(program.long_limit)), MOST_STEPS)


def refine_active_set(
    program: QuadraticProgram, bends: PiecewiseLinearCost, w: FloatArray, y: FloatArray, most: int
) -> Optimum | None:
    """Return the optimum to which the guess at weights `w` and prices `y` settles; None where it does not."""
    try:
        return _Search(program, bends, w, y).run(most)
    except np.linalg.LinAlgError:
        return None


class _Search:
    """The guesses of one solve: weights `w` and the prices `y` of the long rows."""

    def __init__(self, program: QuadraticProgram, bends: PiecewiseLinearCost, w: FloatArray, y: FloatArray) -> None:
        self.program, self.bends, self.w, self.y = program, bends, w, y
        self.rows, self.second = program.long_first, program.long_second
        self.touched, self.beside = bool(self.second.any()), self.second.reshape(len(self.rows), *program.r.shape)
        self.is_equality = np.arange(len(self.rows)) < program.n_equal
        self.curvature = program.p + np.einsum("ij,ij->i", program.v, program.v)
        self.stiffness = self._stiffness()

    def _stiffness(self) -> FloatArray:
        """The price that a unit of each long row costs where all weights are free."""
        reach = np.abs(self.rows)
        if self.touched:
            steepest = np.maximum(np.abs(self.bends.low), np.abs(self.bends.high))
            reach += np.add.reduce(np.abs(self.beside) * steepest, axis=1)
        return np.asarray(1.0 / (reach**2 / self.curvature).sum(axis=1))

    def run(self, most: int) -> Optimum | None:
        """Return the optimum once a guess repeats itself; None after `most` guesses, or one that came before."""
        seen: list[tuple[bytes, ...]] = []
        for steps in range(most):
            place = self.bends.place(self._slope() - self.curvature * self.w, self.curvature, self._cost())
            active = self._active(place)
            state = place.free.tobytes(), place.slope.tobytes(), place.fixed.tobytes(), active.tobytes()
            if seen and state == seen[-1]:
                if not self._raise_price():
                    return self._optimum(steps)
                continue
            if state in seen or np.count_nonzero(place.free) > MOST_FREE:
                return None  # it goes in circles, or is no small correction
            seen.append(state)
            self._solve(place, active)
        return None

    def _slope(self) -> FloatArray:
        """The slope of everything but the secondary variables' cost."""
        program = self.program
        slope = program.p * self.w + program.v @ (program.v.T @ self.w) + program.q
        return slope + self.y @ self.rows if len(self.rows) else slope

    def _cost(self) -> FloatArray:
        """What a unit of each secondary variable costs, with the prices of the long rows."""
        cost = self.program.r
        return cost + (self.y @ self.second).reshape(cost.shape) if self.touched else cost

    def _over(self, w: FloatArray, t: FloatArray) -> FloatArray:
        """By how much each long row is beyond its limit."""
        return self.rows @ w + self.second @ t.reshape(-1) - self.program.long_limit

    def _active(self, place: Candidate) -> BoolArray:
        """The long rows that hold: those whose price outweighs their slack, and the one most broken of the rest."""
        if not len(self.rows):
            return self.is_equality
        over = self._over(place.w, place.t)
        active = self.is_equality | ((self.y > 0.0) & (self.y + self.stiffness * over > 0.0))
        over[active] = 0.0
        worst = int(over.argmax())
        active[worst] |= over[worst] > BROKEN
        return active

    def _solve(self, place: Candidate, active: BoolArray) -> None:
        """Weights and prices at which the free weights gain nothing and the active long rows hold."""
        program, free = self.program, np.flatnonzero(place.free)
        self.w, before = place.w.copy(), self.y
        self.y = np.where(active, before, 0.0)
        if not len(free):
            return
        loadings = program.v[free]
        matrix = loadings @ loadings.T
        matrix.reshape(-1)[:: len(matrix) + 1] += program.p[free]
        factor, failed = lapack.dpotrf(matrix.T, lower=1, clean=0, overwrite_a=1)
        if failed:
            raise np.linalg.LinAlgError
        own = total(program.r * place.slope)[free]
        pull = -(program.q[free] + own + loadings @ (program.v.T @ place.fixed))
        held = np.flatnonzero(active)
        normals = self._normals(place, held)[:, free]
        both = lapack.dpotrs(factor, np.concatenate([pull[None], normals]).T, lower=1)[0]
        if len(held):
            moved = normals @ both
            prices = self._prices(held, moved[:, 1:], moved[:, 0] - self._left(place, held))
            self.w[free] = both[:, 0] - both[:, 1:] @ prices[held]
            self.y = np.where(self.is_equality, prices, np.maximum(prices, 0.0))
        else:
            self.w[free] = both[:, 0]

    def _raise_price(self) -> bool:
        """Where all weights that a broken row could move stay at bends, let it pay them to go; whether it could.

        The price is that at which the weights, each alone, give way by what the row asks: weight i does from its
        resistance on, by reach² / curvature for each unit of the price above it.
        """
        over = self._over(self.w, self.bends.second(self.w))
        if over.max(initial=0.0) <= FAR or self.second[row := int(over.argmax())].any():
            return False
        reach = np.abs(self.rows[row])
        resistance = self.bends.resistance(self.w, self._slope(), self._cost(), -np.sign(self.rows[row])) / reach
        order = np.argsort(resistance)[: np.count_nonzero(np.isfinite(resistance))]
        if not len(order):
            return False
        begun, given = resistance[order], (reach**2 / self.curvature)[order]
        prices = (over[row] + np.cumsum(given * begun)) / np.cumsum(given)
        enough = prices <= np.append(begun[1:], np.inf)
        self.y = self.y.copy()
        self.y[row] += prices[enough.argmax()]
        return True

    def _normals(self, place: Candidate, held: IndexArray) -> FloatArray:
        """How the active long rows grow with each weight, its secondary variables moving along."""
        normals = self.rows[held]
        return normals + np.add.reduce(self.beside[held] * place.slope, axis=1) if self.touched else normals

    def _left(self, place: Candidate, held: IndexArray) -> FloatArray:
        """What the weights that do not move leave of the active rows' limits."""
        left = self.program.long_limit[held] - self.rows[held] @ place.fixed
        if not self.touched:
            return left
        still = place.t - place.slope * (place.w - place.fixed)
        return left - self.second[held] @ still.reshape(-1)

    def _prices(self, held: IndexArray, schur: FloatArray, over: FloatArray) -> FloatArray:
        """The prices at which the rows hold; a row that the free weights cannot move keeps its price."""
        prices = self.y.copy()
        if not _are_independent(schur):
            order = sorted(range(len(held)), key=lambda at: (held[at] >= self.program.n_equal, -self.y[held[at]]))
            kept = _independent(schur, order)
            others = np.setdiff1d(np.arange(len(held)), kept)
            over = over - schur[:, others] @ prices[held[others]]
            held, schur, over = held[kept], schur[np.ix_(kept, kept)], over[kept]
        if len(held):
            prices[held] = lapack.dposv(schur, over)[1].reshape(-1)
        return prices

    def _optimum(self, steps: int) -> Optimum | None:
        t = self.bends.second(self.w)
        over = self._over(self.w, t)
        if over.max(initial=0.0) > FAR or over[self.is_equality | (self.y > 0.0)].min(initial=0.0) < -FAR:
            return None  # a row that the others nearly imply, but not quite
        z = self.bends.multipliers(self.w, -self._slope(), self._cost())
        return Optimum(self.w, t, self.y, z, steps)


def _are_independent(schur: FloatArray) -> bool:
    """Whether no row is implied by others: each has a pivot of its own."""
    size = np.sqrt(schur.diagonal())
    lower, failed = lapack.dpotrf(schur / (size[:, None] * size), lower=1)
    return not failed and bool(lower.diagonal().min() ** 2 > DEPENDENT)


def _independent(schur: FloatArray, order: Sequence[int]) -> list[int]:
    """The rows, taken in this order, that no earlier ones imply."""
    kept: list[int] = []
    for at in order:
        left = schur[at, at]
        if kept and left > 0.0:
            left -= schur[at, kept] @ np.linalg.solve(schur[np.ix_(kept, kept)], schur[kept, at])
        if left > DEPENDENT * schur[at, at]:
            kept.append(at)
    return sorted(kept)
