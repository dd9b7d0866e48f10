"""The linear equations of one interior point step, factorised.

Secondary variables are eliminated one by one and the low-rank risk by the Woodbury identity, so a step costs
O(n k²) where a general sparse solver factorises thousands of rows.
"""

from itertools import combinations

import numpy as np
from scipy.linalg import lapack

from allocation.optimizer.solvers.portfolio_qp import QuadraticProgram, total
from newsfolio.shared.arrays import FloatArray

# Above this share of factors one dense factorisation is cheaper than the Woodbury identity.
MANY_FACTORS = 0.4


def has_few_factors(program: QuadraticProgram) -> bool:
    """Whether the Woodbury identity is cheaper than a dense factorisation."""
    return bool(program.v.shape[1] <= MANY_FACTORS * program.v.shape[0])


class Fixed:
    """What of the KKT matrix stays the same from step to step."""

    def __init__(self, program: QuadraticProgram) -> None:
        short, v = program.short, program.v
        self.square = None if has_few_factors(program) else v @ v.T
        self.alone, self.shared = short.alone(short.a), short.shared(short.a)
        self.alone_squared = self.alone**2
        # Of each two rows that share a secondary variable: what is left of them once it is eliminated.
        self.couples = [
            (one, two, self.shared[one] * short.b[two] - short.b[one] * self.shared[two])
            for one, two in combinations(range(len(short.b)), 2)
        ]
        self.touched = bool(program.long_second.any())
        self.long_second = program.long_second.reshape(len(program.long_limit), *program.r.shape)
        # With few factors their loadings and the long rows are one low-rank border of a diagonal matrix.
        self.border = np.concatenate([v.T, program.long_first])


class Newton:
    """The KKT matrix at one iterate, factorised; `theta` (as the short rows) is multiplier by slack."""

    def __init__(self, program: QuadraticProgram, fixed: Fixed, theta: FloatArray, long_inverse: FloatArray) -> None:
        self.program, self.short, self.fixed = program, program.short, fixed
        self._eliminate(theta)
        self._factorise(long_inverse)

    def _eliminate(self, theta: FloatArray) -> None:
        """Remove the secondary variables.

        What remains is written as sums of positive terms (Lagrange's identity): the plain difference cancels
        as soon as one row of a pair is active.
        """
        short, fixed = self.short, self.fixed
        shared = short.shared(theta)
        weighted = shared * short.b
        self.second = total(weighted * short.b) + short.idle
        self.ratio = total(weighted * fixed.shared) / self.second
        self.diagonal = self.program.p + total(short.alone(theta) * fixed.alone_squared)
        # How a short row's left side answers to its weight once its secondary variable has moved along.
        slope = np.zeros(short.b.shape)
        for one, two, determinant in fixed.couples:
            left = determinant / self.second
            slope[one] += weighted[two] * left
            slope[two] -= weighted[one] * left
            self.diagonal += total(shared[one] * shared[two] * determinant * left)
        self.slope = np.concatenate([slope.reshape(-1, len(self.diagonal)), fixed.alone])

    def _factorise(self, long_inverse: FloatArray) -> None:
        if self.fixed.square is None:
            self._factorise_wide(self._border(), long_inverse)
        else:
            self._factorise_dense(self.fixed.square, self._border()[self.program.v.shape[1] :], long_inverse)

    def _border(self) -> FloatArray:
        """The border once the secondary variables have moved along with their weights."""
        border, k = self.fixed.border, self.program.v.shape[1]
        if self.fixed.touched:
            border = border.copy()
            border[k:] -= np.add.reduce(self.fixed.long_second * self.ratio, axis=1)
        return border

    def _factorise_wide(self, border: FloatArray, long_inverse: FloatArray) -> None:
        k = self.program.v.shape[1]
        self.inverse = 1.0 / self.diagonal
        self.scaled = border * self.inverse
        core = self.scaled @ border.T
        if self.fixed.touched:
            core[k:, k:] += self._own()
        pivots = core.reshape(-1)[:: len(core) + 1]
        pivots[:k] += 1.0
        pivots[k:] += long_inverse
        self.cholesky = _cholesky(core)

    def _factorise_dense(self, square: FloatArray, rows: FloatArray, long_inverse: FloatArray) -> None:
        core = square.copy()
        core.reshape(-1)[:: len(core) + 1] += self.diagonal
        self.cholesky, self.rows = _cholesky(core), rows
        if len(rows):
            self.solved = lapack.dpotrs(self.cholesky, rows.T, lower=1)[0]
            schur = rows @ self.solved
            if self.fixed.touched:
                schur += self._own()
            schur.reshape(-1)[:: len(schur) + 1] += long_inverse
            self.lower = _cholesky(schur)

    def _own(self) -> FloatArray:
        """What the long rows have of the secondary variables' own."""
        long = self.program.long_second
        return np.asarray((long / self.second.reshape(-1)) @ long.T)

    def _weights(self, first: FloatArray, wanted: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The step of w, and of y at which the long rows move as is wanted."""
        if self.fixed.square is None:
            k = self.program.v.shape[1]
            right = self.scaled @ first
            right[k:] -= wanted
            both = lapack.dpotrs(self.cholesky, right, lower=1)[0].reshape(-1) if len(right) else right
            return self.inverse * first - both @ self.scaled, both[k:]
        dw = lapack.dpotrs(self.cholesky, first, lower=1)[0].reshape(-1)
        if not len(self.rows):
            return dw, np.zeros(0)
        dy = lapack.dpotrs(self.lower, self.rows @ dw - wanted, lower=1)[0].reshape(-1)
        return dw - self.solved @ dy, dy

    def solve(
        self, first: FloatArray, second: FloatArray, u: FloatArray, long: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return the step of w, t and y, and by how much it moves each short row."""
        short, touched, shape = self.short, self.fixed.touched, self.second.shape
        free = (second - total(short.b * short.shared(u))) / self.second  # how t moves while all else stays
        wanted = long - self.program.long_second @ free.reshape(-1) if touched else long
        dw, dy = self._weights(first - total(self.ratio * second) - total(self.slope * u), wanted)
        if touched:
            free -= (dy @ self.program.long_second).reshape(shape) / self.second
        moved = self.slope * dw
        short.shared(moved)[:] += short.b * free
        return dw, free - self.ratio * dw, dy, moved


def _cholesky(matrix: FloatArray) -> FloatArray:
    if not len(matrix):
        return matrix
    factor, failed = lapack.dpotrf(matrix.T, lower=1, clean=0, overwrite_a=1)  # symmetric, and so laid out as LAPACK's
    if failed:
        raise np.linalg.LinAlgError
    return np.asarray(factor)
