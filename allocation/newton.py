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
        # With few factors their loadings and the long rows are one low-rank border of a diagonal matrix.
        self.wide = np.hstack([v, program.long_first.T]) if self.square is None else None


class Newton:
    """The KKT matrix at one iterate, factorised."""

    def __init__(self, program: QuadraticProgram, fixed: Fixed, theta: Vector, long_inverse: Vector) -> None:
        self.program, self.short, self.fixed = program, program.short, fixed
        self._eliminate(theta)
        self._factorise(long_inverse)

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

    def _factorise(self, long_inverse: Vector) -> None:
        rows = self._rows()
        if self.fixed.square is None:
            self._factorise_wide(rows, long_inverse)
        else:
            self._factorise_dense(self.fixed.square, rows, long_inverse)

    def _rows(self) -> Matrix:
        """The long rows once the secondary variables have moved along."""
        program = self.program
        if not len(self.fixed.touched):
            return program.long_first
        rows = program.long_first.copy()
        for row in self.fixed.touched:
            shifted = program.long_second[row] * self.ratio
            rows[row] -= np.bincount(program.partner, shifted, minlength=rows.shape[1])
        return rows

    def _factorise_wide(self, rows: Matrix, long_inverse: Vector) -> None:
        wide, k = self.fixed.wide, self.program.v.shape[1]
        assert wide is not None  # noqa: S101
        if len(self.fixed.touched):
            wide = wide.copy()
            wide[:, k:] = rows.T
        self.inverse = 1.0 / self.diagonal
        self.scaled = wide * self.inverse[:, None]
        core = wide.T @ self.scaled
        core[k:, k:] += self._own()
        core.flat[:: len(core) + 1] += np.concatenate([np.ones(k), long_inverse])
        self.cholesky = _cholesky(core)

    def _factorise_dense(self, square: Matrix, rows: Matrix, long_inverse: Vector) -> None:
        core = square.copy()
        core.flat[:: len(core) + 1] += self.diagonal
        self.cholesky, self.rows = _cholesky(core), rows
        if len(rows):
            self.solved = lapack.dpotrs(self.cholesky, rows.T, lower=1)[0]
            schur = rows @ self.solved + self._own()
            schur.flat[:: len(schur) + 1] += long_inverse
            self.lower = _cholesky(schur)

    def _own(self) -> Matrix | float:
        """What the long rows have of the secondary variables' own."""
        long = self.program.long_second
        return (long / self.second) @ long.T if len(self.fixed.touched) else 0.0

    def _weights(self, first: Vector, wanted: Vector) -> tuple[Vector, Vector]:
        """The step of w, and of y at which the long rows move as is wanted."""
        if self.fixed.square is None:
            k = self.program.v.shape[1]
            right = self.scaled.T @ first
            right[k:] -= wanted
            both = lapack.dpotrs(self.cholesky, right, lower=1)[0].ravel() if len(right) else right
            return self.inverse * first - self.scaled @ both, both[k:]
        dw = lapack.dpotrs(self.cholesky, first, lower=1)[0].ravel()
        if not len(self.rows):
            return dw, np.zeros(0)
        dy = lapack.dpotrs(self.lower, self.rows @ dw - wanted, lower=1)[0].ravel()
        return dw - self.solved @ dy, dy

    def solve(self, first: Vector, second: Vector, u: Vector, long: Vector) -> tuple[Vector, Vector, Vector, Vector]:
        """Return the step of w, t and y, and by how much it moves each short row."""
        program, short = self.program, self.short
        n, m = len(program.p), len(program.r)
        gathered = np.bincount(program.partner, self.ratio * second, minlength=n)
        rest = second - np.bincount(short.secondary, short.b * u, minlength=m)
        touched = len(self.fixed.touched) > 0
        wanted = long - program.long_second @ (rest / self.second) if touched else long
        dw, dy = self._weights(first - gathered - np.bincount(short.primary, self.slope * u, minlength=n), wanted)
        free = (rest - dy @ program.long_second if touched else rest) / self.second
        moved = self.slope * dw[short.primary] + short.b * free[short.secondary]
        return dw, free - self.ratio * dw[program.partner], dy, moved


def _cholesky(matrix: Matrix) -> Matrix:
    if not len(matrix):
        return matrix
    factor, failed = lapack.dpotrf(matrix.T, lower=1, clean=0, overwrite_a=1)  # symmetric, and so laid out as LAPACK's
    if failed:
        raise np.linalg.LinAlgError
    return np.asarray(factor)
