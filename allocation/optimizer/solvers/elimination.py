"""Variables that an equality defines, such as the factor returns y = F'w, replaced by what defines them.

cvxpy writes each square of the objective as a variable of its own, bound by an equality. Where there are few factors
that keeps the matrices sparse; where there are as many as assets, a dense quadratic form is several times faster. An
asset's specific risk never needs a variable (benchmarks/optimizer_solvers.py).
"""

from dataclasses import dataclass

import numpy as np

from allocation.optimizer.solvers.cone_program import ConeData, ParametrisedConeProgram, Pattern, SparseMatrix
from newsfolio.shared.arrays import BoolArray, FloatArray, IndexArray

# Share of factors to assets from which one dense quadratic form is faster than a variable for each factor.
MANY_FACTORS = 0.4


@dataclass(frozen=True)
class Definitions:
    """Variables `columns`, each defined by one of the equalities `rows` as a sum over `n_weights` weights.

    at: the position of the variable's own coefficient among the entries of A.
    """

    columns: IndexArray
    rows: IndexArray
    at: IndexArray
    n_weights: IndexArray

    def only(self, chosen: BoolArray) -> "Definitions":
        """Some of them."""
        return Definitions(self.columns[chosen], self.rows[chosen], self.at[chosen], self.n_weights[chosen])


def find_definitions(cone_program: ParametrisedConeProgram, is_weight: BoolArray) -> Definitions:
    """Find the variables that occur in one equality only, with a constant coefficient, beside nothing but weights."""
    pattern, squares, n_variables = cone_program.a_pattern, cone_program.p_pattern, cone_program.n_variables
    rows, columns = pattern.rows, pattern.columns
    per_column, per_row = np.bincount(columns, minlength=n_variables), np.bincount(rows, minlength=pattern.shape[0])
    of_weights = np.bincount(rows[is_weight[columns]], minlength=pattern.shape[0])
    starts, width = cone_program.a_map.indptr, cone_program.a_map.shape[1]
    is_constant = (np.diff(starts) == 1) & (cone_program.a_map.indices[starts[:-1]] == width - 1)
    off_diagonal = squares.rows != squares.columns
    is_mixed = np.bincount(squares.columns[off_diagonal], minlength=n_variables) > 0
    candidate = (per_column == 1) & ~is_weight & ~is_mixed
    at = np.flatnonzero(candidate[columns] & is_constant & (rows < cone_program.n_zero))
    at = at[per_row[rows[at]] - of_weights[rows[at]] == 1]
    return Definitions(columns[at], rows[at], at, of_weights[rows[at]])


class Elimination:
    """A compiled program without those defined variables that its solvers are faster without."""

    def __init__(self, cone_program: ParametrisedConeProgram, weights: slice) -> None:
        is_weight = np.zeros(cone_program.n_variables, dtype=bool)
        is_weight[weights] = True
        found = find_definitions(cone_program, is_weight)
        is_factor = found.n_weights > 1
        self.n_weights = int(is_weight.sum())
        self.is_dense = bool(is_factor.sum() > MANY_FACTORS * self.n_weights)
        self.gone = found if self.is_dense else found.only(~is_factor)
        keeps_row = np.ones(cone_program.n_rows, dtype=bool)
        keeps_row[self.gone.rows] = False
        keeps_column = np.ones(cone_program.n_variables, dtype=bool)
        keeps_column[self.gone.columns] = False
        self.kept_rows, self.kept_columns = np.flatnonzero(keeps_row), np.flatnonzero(keeps_column)
        self.row, self.column = np.cumsum(keeps_row) - 1, np.cumsum(keeps_column) - 1
        self.weights = self.column[is_weight]
        self.n_zero = cone_program.n_zero - len(self.gone.rows)
        # Where the entries of the smaller A, and the definitions' coefficients of weights, are among those of A.
        pattern = cone_program.a_pattern
        kept = self.kept_entries = np.flatnonzero(keeps_row[pattern.rows])
        shape = len(self.kept_rows), len(self.kept_columns)
        self.a_pattern = Pattern(self.row[pattern.rows[kept]], self.column[pattern.columns[kept]], shape)
        definition = np.zeros(pattern.shape[0], dtype=np.intp)
        definition[self.gone.rows] = np.arange(len(self.gone.rows))
        self.loading_at = np.flatnonzero(~keeps_row[pattern.rows] & is_weight[pattern.columns])
        weight = np.cumsum(is_weight) - 1
        self.loading_place = definition[pattern.rows[self.loading_at]], weight[pattern.columns[self.loading_at]]
        # The upper triangle of the smaller P: what is kept of it, and what the definitions add at weights.
        pattern = cone_program.p_pattern
        square = np.full(len(keeps_column), len(pattern.columns))  # one past the end reads as zero
        diagonal = pattern.rows == pattern.columns
        square[pattern.columns[diagonal]] = np.flatnonzero(diagonal)
        self.square_at = square[self.gone.columns]
        self.kept_squares = np.flatnonzero((pattern.rows <= pattern.columns) & keeps_column[pattern.columns])
        n, size = self.n_weights, len(self.kept_columns)
        self.added = np.triu_indices(n) if self.is_dense else (np.arange(n), np.arange(n))
        kept = self.column[pattern.columns[self.kept_squares]] * size + self.column[pattern.rows[self.kept_squares]]
        places = np.concatenate([kept, self.weights[self.added[1]] * size + self.weights[self.added[0]]])
        flat, self.square_place = np.unique(places, return_inverse=True)
        self.p_pattern = Pattern(flat % size, flat // size, (size, size))

    def reduce(self, data: ConeData) -> ConeData:
        """Return the smaller program; of P, only the upper triangle.

        With y = (t - l'w) / a for each definition, curvature y² / 2 + q y adds to the quadratic and linear terms of w.
        """
        a, coefficient = data.a.entries, data.a.entries[self.gone.at]
        loadings = np.zeros((len(self.gone.rows), self.n_weights))
        loadings[self.loading_place] = a[self.loading_at]
        loadings /= coefficient[:, None]
        curvature, target = np.append(data.p.entries, 0.0)[self.square_at], data.b[self.gone.rows] / coefficient
        q = data.q[self.kept_columns]
        q[self.weights] -= (curvature * target + data.q[self.gone.columns]) @ loadings
        scaled = loadings * np.sqrt(curvature)[:, None]
        added = (scaled.T @ scaled)[self.added] if self.is_dense else (scaled**2).sum(axis=0)
        squares = np.concatenate([data.p.entries[self.kept_squares], added])
        p = np.bincount(self.square_place, squares, len(self.p_pattern.rows)).astype(np.float64, copy=False)
        return ConeData(
            p=SparseMatrix(p, self.p_pattern),
            q=q,
            a=SparseMatrix(a[self.kept_entries], self.a_pattern),
            b=data.b[self.kept_rows],
            n_zero=self.n_zero,
            n_nonnegative=data.n_nonnegative,
            second_order=data.second_order,
        )

    def restore(self, data: ConeData, x: FloatArray, z: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the solution and multipliers of the whole program."""
        gone, full_x, full_z = self.gone, np.zeros(len(data.q)), np.zeros(len(data.b))
        full_x[self.kept_columns], full_z[self.kept_rows] = x, z
        coefficient = data.a.entries[gone.at]
        full_x[gone.columns] = (data.b - data.a @ full_x)[gone.rows] / coefficient
        curvature = np.append(data.p.entries, 0.0)[self.square_at]
        full_z[gone.rows] = -(curvature * full_x[gone.columns] + data.q[gone.columns]) / coefficient
        return full_x, full_z
