"""The linear equations of one interior point step, factorised.

Secondary variables are eliminated one by one and the low-rank risk by the Woodbury identity, so a step costs
O(n k²) where a general sparse solver factorises thousands of rows.
"""

import numpy as np
from scipy.linalg import lapack

from allocation.quadratic import Matrix, QuadraticProgram, Vector

# Above this share of factors one dense factorisation is cheaper than the Woodbury identity.
MANY_FACTORS = 0.4


class Fixed:
    """What of the KKT matrix stays the same from step to step."""

    def __init__(self, program: QuadraticProgram) -> None:
        short, v = program.short, program.v
        first, other = short.first, short.second
        self.square = v @ v.T if v.shape[1] > MANY_FACTORS * v.shape[0] else None
        self.alone = np.where(short.b == 0.0, short.a, 0.0)
        self.alone_squared = self.alone**2
        self.determinant = short.a[first] * short.b[other] - short.b[first] * short.a[other]
        self.couple_of, self.couple_primary = short.secondary[first], short.primary[first]
        self.once = int(np.bincount(np.concatenate([first, other])).max(initial=0)) <= 1
        self.touched = np.flatnonzero(program.long_second.any(axis=1))


class Newton:
    """The KKT matrix at one iterate, factorised."""

    def __init__(self, program: QuadraticProgram, fixed: Fixed, theta: Vector, long_inverse: Vector) -> None:
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
    factor, failed = lapack.dpotrf(matrix.T, lower=1, clean=0, overwrite_a=1)  # symmetric, and so laid out as LAPACK's
    if failed:
        raise np.linalg.LinAlgError
    return np.asarray(factor)
