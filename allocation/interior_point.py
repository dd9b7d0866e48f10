"""A primal-dual interior point method for the quadratic programs that portfolios are.

    minimise    w'(diag(p) + V V')w / 2 + q'w + r't
    subject to  B w + C t = c   (equalities),   B w + C t <= c   (a few long rows),
                a w_i + b t_j <= h   (many short rows)

w are the primary variables (weights), t the secondary ones, each beside one weight: the absolute size of a
trade, say. Secondary variables are eliminated one by one and the low-rank risk by the Woodbury identity, so a
step costs O(n k²) where a general sparse solver factorises thousands of rows. Each solve starts afresh: its
result depends on its numbers alone.

Method: S. Mehrotra, "On the implementation of a primal-dual interior point method", SIAM J. Optimization 2,
1992, with one step length for both sides.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Positions = NDArray[np.integer]

MOST_STEPS = 60
# Where a cost or bound binds only just, weights are off by the root of the gap: a gap of 1e-8 is a trade of 1e-4.
GAP = 1e-16
RESIDUAL = 1e-12
# Steps without progress before rounding is taken to be all that is left.
PATIENCE = 3
NEARLY = 1e4  # times the tolerances: so near, a step without progress is rounding
ENDLESS = 1e14  # multipliers that grow beyond are a sign that no point satisfies the rows
TO_THE_BOUNDARY = 0.999
# Slacks and multipliers start well inside: from nearer the boundary the first steps are short.
FIRST_SLACK, FIRST_MULTIPLIER = 0.03, 0.3
# Above this share of factors one dense factorisation is cheaper than the Woodbury identity.
MANY_FACTORS = 0.4


@dataclass(frozen=True)
class ShortRows:
    """Rows a[r] w[primary[r]] + b[r] t[secondary[r]] <= h[r].

    A row without secondary variable has b = 0 and names the last, a dummy. `first` and `second` are the
    pairs of rows that share a secondary variable.
    """

    primary: Positions
    secondary: Positions
    a: Vector
    b: Vector
    h: Vector
    first: Positions
    second: Positions


@dataclass(frozen=True)
class QuadraticProgram:
    """The numbers of one program; `partner` names the weight that each secondary variable stands beside."""

    p: Vector
    v: Matrix
    q: Vector
    r: Vector
    long_first: Matrix
    long_second: Matrix
    long_limit: Vector
    n_equal: int
    short: ShortRows
    partner: Positions


@dataclass(frozen=True)
class Optimum:
    """Variables; multipliers of the long rows (equalities first) and of the short ones; steps taken."""

    w: Vector
    t: Vector
    y: Vector
    z: Vector
    steps: int


def minimise(program: QuadraticProgram) -> Optimum | None:
    """Return the optimum, or None where the method does not get there: another solver then says why."""
    try:
        with np.errstate(all="ignore"):  # a diverging iterate is noticed by its residual
            return _Search(program).run()
    except np.linalg.LinAlgError:
        return None


class _Fixed:
    """What of the KKT matrix stays the same from step to step."""

    def __init__(self, program: QuadraticProgram) -> None:
        short, v = program.short, program.v
        first, other = short.first, short.second
        self.square = v @ v.T if v.shape[1] > MANY_FACTORS * v.shape[0] else None
        self.alone = np.where(short.b == 0.0, short.a, 0.0)
        self.alone_squared = self.alone**2
        self.determinant = short.a[first] * short.b[other] - short.b[first] * short.a[other]
        self.couple_of, self.couple_primary = short.secondary[first], short.primary[first]
        both = np.concatenate([first, other])
        self.once = len(both) == len(np.unique(both))
        self.touched = np.flatnonzero(program.long_second.any(axis=1))


class _Newton:
    """The KKT matrix at one iterate, factorised."""

    def __init__(self, program: QuadraticProgram, fixed: _Fixed, theta: Vector, long_inverse: Vector) -> None:
        self.program, self.short, self.fixed = program, program.short, fixed
        self._eliminate(theta)
        self._factorise()
        self._border(long_inverse)

    def _eliminate(self, theta: Vector) -> None:
        """Remove the secondary variables.

        What remains is written as sums of positive terms (Lagrange's identity): the plain difference cancels
        as soon as one row of a pair is active.
        """
        short, fixed, n, m = self.short, self.fixed, len(self.program.p), len(self.program.r)
        weighted = theta * short.b
        self.second = second = np.bincount(short.secondary, weighted * short.b, minlength=m)
        second[-1] = 1.0
        self.ratio = np.bincount(short.secondary, weighted * short.a, minlength=m) / second
        first, other = short.first, short.second
        shared = fixed.determinant / second[fixed.couple_of]
        pull, push = weighted[other] * shared, weighted[first] * shared
        # How a short row's left side answers to its weight once its secondary variable has moved along.
        self.slope = fixed.alone.copy()
        if fixed.once:
            self.slope[first], self.slope[other] = pull, -push
        else:
            np.add.at(self.slope, first, pull)
            np.subtract.at(self.slope, other, push)
        stiffness = theta * fixed.alone_squared
        self.diagonal = self.program.p + np.bincount(short.primary, stiffness, minlength=n)
        joint = theta[first] * theta[other] * fixed.determinant * shared
        self.diagonal += np.bincount(fixed.couple_primary, joint, minlength=n)

    def _factorise(self) -> None:
        v, square = self.program.v, self.fixed.square
        self.dense = square is not None
        if not v.shape[1]:  # independent assets: the matrix is its diagonal
            self.inverse = 1.0 / self.diagonal
            return
        if square is None:
            self.inverse = 1.0 / self.diagonal
            self.scaled = v * self.inverse[:, None]
            core = v.T @ self.scaled
            core.flat[:: len(core) + 1] += 1.0
        else:
            core = square.copy()
            core.flat[:: len(core) + 1] += self.diagonal
        self.cholesky = _cholesky(core)

    def _primary(self, right: Matrix) -> Matrix:
        if self.dense:
            return np.asarray(lapack.dpotrs(self.cholesky, right, lower=1)[0])
        if not self.program.v.shape[1]:
            return np.asarray((self.inverse * right.T).T)
        inner = lapack.dpotrs(self.cholesky, self.scaled.T @ right, lower=1)[0]
        return np.asarray((self.inverse * right.T).T - self.scaled @ inner.reshape(-1, *right.shape[1:]))

    def _border(self, long_inverse: Vector) -> None:
        program = self.program
        self.rows = program.long_first
        if not len(self.rows):
            return
        if len(self.fixed.touched):
            self.rows = self.rows.copy()
        for row in self.fixed.touched:
            shifted = program.long_second[row] * self.ratio
            self.rows[row] -= np.bincount(program.partner, shifted, minlength=self.rows.shape[1])
        self.solved = self._primary(self.rows.T)
        schur = self.rows @ self.solved
        if len(self.fixed.touched):
            schur += (program.long_second / self.second) @ program.long_second.T
        schur.flat[:: len(schur) + 1] += long_inverse
        self.lower = _cholesky(schur)

    def solve(self, first: Vector, second: Vector, u: Vector, long: Vector) -> tuple[Vector, Vector, Vector, Vector]:
        """Return the step of w, t and y, and by how much it moves each short row."""
        program, short = self.program, self.short
        n, m = len(program.p), len(program.r)
        gathered = np.bincount(program.partner, self.ratio * second, minlength=n)
        dw = self._primary(first - gathered - np.bincount(short.primary, self.slope * u, minlength=n))
        rest = second - np.bincount(short.secondary, short.b * u, minlength=m)
        dy = np.zeros(0)
        if len(self.rows):
            wanted = self.rows @ dw - long
            if len(self.fixed.touched):
                wanted += program.long_second @ (rest / self.second)
            dy = lapack.dpotrs(self.lower, wanted, lower=1)[0].ravel()
            dw = dw - self.solved @ dy
            rest = rest - dy @ program.long_second if len(self.fixed.touched) else rest
        free = rest / self.second
        moved = self.slope * dw[short.primary] + short.b * free[short.secondary]
        return dw, free - self.ratio * dw[program.partner], dy, moved


def _cholesky(matrix: Matrix) -> Matrix:
    factor, failed = lapack.dpotrf(matrix, lower=1, clean=0, overwrite_a=1)
    if failed:
        raise np.linalg.LinAlgError
    return np.asarray(factor)


class _Search:
    """The iterates of one solve; the objective is scaled to gradients of about one."""

    def __init__(self, program: QuadraticProgram) -> None:
        size = max(float(np.abs(program.q).max()), float(np.abs(program.r).max(initial=0.0))) or 1.0
        self.unit = float(2.0 ** -np.round(np.log2(size)))  # a power of two rounds nothing
        self.program = QuadraticProgram(
            program.p * self.unit, program.v * np.sqrt(self.unit), program.q * self.unit, program.r * self.unit,
            program.long_first, program.long_second, program.long_limit, program.n_equal, program.short,
            program.partner,
        )  # fmt: skip
        self.n_equal, self.n_long = program.n_equal, len(program.long_limit) - program.n_equal
        self.fixed = _Fixed(self.program)
        self._start()

    def _start(self) -> None:
        """Start at the optimum of the program whose rows are penalties, with slacks moved off zero."""
        program, short = self.program, self.program.short
        newton = _Newton(program, self.fixed, np.ones(len(short.h)), self._with_equalities(np.ones(self.n_long)))
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
        best, least, stale = None, np.inf, 0
        for steps in range(MOST_STEPS):
            self._stationarity()
            error, gap = self._error(), float(self.s @ self.z)
            score = max(error / RESIDUAL, gap / GAP)
            if not np.isfinite(score) or self.z.max(initial=0.0) > ENDLESS:
                break
            stale = stale + 1 if score >= least and least < NEARLY else 0
            if score < least:
                best, least = (steps, self.w, self.t, self.y, self.z), score
            if score <= 1.0 or stale > PATIENCE or not self._advance(gap / max(len(self.s), 1)):
                break
        self.score = least
        return None if best is None else self._optimum(*best)

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
        both = np.concatenate([y, z[: self.n_long]])
        return Optimum(w, t, both / self.unit, z[self.n_long :] / self.unit, steps)

    def _advance(self, mu: float) -> bool:
        """Predict, correct, step; False where no step is left."""
        theta = self.z / self.s
        inverse = self._with_equalities(1.0 / theta[: self.n_long])
        newton = _Newton(self.program, self.fixed, theta[self.n_long :], inverse)
        product = self.s * self.z
        *_, ds, dz = self._direction(newton, -product)
        length = _length(self.s, ds, self.z, dz)
        ahead = float((self.s + length * ds) @ (self.z + length * dz)) / max(len(self.s), 1)
        dw, dt, dy, ds, dz = self._direction(newton, (ahead / mu) ** 3 * mu - product - ds * dz)
        length = min(1.0, TO_THE_BOUNDARY * _length(self.s, ds, self.z, dz, most=1.0 / TO_THE_BOUNDARY))
        self.w, self.t, self.y = self.w + length * dw, self.t + length * dt, self.y + length * dy
        self.s, self.z = self.s + length * ds, self.z + length * dz
        # Computed anew, these residuals would be rounding, which tiny slacks magnify.
        self.primal, self.equal = (1.0 - length) * self.primal, (1.0 - length) * self.equal
        return length > 1e-9

    def _direction(self, newton: _Newton, target: Vector) -> tuple[Vector, Vector, Vector, Vector, Vector]:
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
