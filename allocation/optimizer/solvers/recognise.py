"""Which quadratic programs the interior point method of `interior_point` solves, and how they are told from the rest.

cvxpy writes risk as new variables, y = F'w, bound by equalities, and costs as t >= w - h, t >= h - w. Once per
compilation the pattern of the matrices is read for exactly that; what reads otherwise goes to a general solver.
"""

from dataclasses import dataclass

import numpy as np

from allocation.optimizer.solvers.cone_program import ConeData, ParametrisedConeProgram
from allocation.optimizer.solvers.portfolio_qp import Optimum, PerAssetRows, QuadraticProgram
from newsfolio.shared.arrays import FloatArray, IndexArray

ZERO, ONE = np.zeros(1), np.ones(1)

# So many rows on one secondary variable, so many long rows beside the weights: more is not what this is for.
MOST_SHARING = 4
MOST_LONG = 64


@dataclass(frozen=True)
class PortfolioForm:
    """Positions in the canonical data of what a QuadraticProgram is made of.

    One past the end is where there is nothing: it reads as zero, and as a limit of one.
    """

    weights: IndexArray
    secondary: IndexArray
    defined: IndexArray
    defined_row: IndexArray
    defined_at: IndexArray
    factor: IndexArray
    factor_at: IndexArray
    single: IndexArray
    single_at: IndexArray
    single_weight: IndexArray
    weights_square: IndexArray
    defined_square: IndexArray
    n_equal: int
    long_row: IndexArray
    long_at: IndexArray
    short_row: IndexArray
    short_a: IndexArray
    short_b: IndexArray
    idle: FloatArray

    def costs(self, data: ConeData) -> FloatArray:
        """What a unit of each secondary variable costs (depth × weights)."""
        return np.concatenate([data.q, ZERO])[self.secondary]

    def program(self, data: ConeData) -> QuadraticProgram:
        """Fill in the numbers."""
        a = np.concatenate([data.a.entries, ZERO])
        p = np.concatenate([data.p.entries, ZERO])
        n = len(self.weights)
        curvature, coefficient = p[self.defined_square], a[self.defined_at]
        target = data.b[self.defined_row] / coefficient
        loadings = a[self.factor_at].T / coefficient[self.factor]
        alone = a[self.single_at] / coefficient[self.single]
        pull = curvature * target + data.q[self.defined]
        diagonal = p[self.weights_square]
        diagonal = diagonal + np.bincount(self.single_weight, curvature[self.single] * alone**2, minlength=n)
        linear = data.q[self.weights] - loadings @ pull[self.factor]
        linear = linear - np.bincount(self.single_weight, pull[self.single] * alone, minlength=n)
        long = a[self.long_at]
        limits = np.concatenate([data.b, ONE])
        short = PerAssetRows(a[self.short_a], a[self.short_b], limits[self.short_row], self.idle)
        return QuadraticProgram(
            diagonal, loadings * np.sqrt(curvature[self.factor]), linear, self.costs(data),
            long[:, :n], long[:, n:], data.b[self.long_row], self.n_equal, short,
        )  # fmt: skip

    def restore(self, data: ConeData, found: Optimum) -> tuple[FloatArray, FloatArray]:
        """Return the solution and the multipliers of the canonical problem."""
        x, z = np.zeros(len(data.q) + 1), np.zeros(len(data.b) + 1)
        x[self.weights], x[self.secondary] = found.w, found.t
        z[self.long_row], z[self.short_row] = found.y, found.z
        x, z = x[:-1], z[:-1]
        a = data.a.entries[self.defined_at]
        x[self.defined] = (data.b - data.a @ x)[self.defined_row] / a
        curvature = np.concatenate([data.p.entries, ZERO])[self.defined_square]
        z[self.defined_row] = -(curvature * x[self.defined] + data.q[self.defined]) / a
        return x, z


def recognise(canonical: ParametrisedConeProgram, weights: slice) -> PortfolioForm | None:
    """Read the pattern; None where the problem is of another kind."""
    if canonical.n_zero + canonical.n_nonnegative < canonical.n_rows:
        return None
    if not canonical.is_diagonal:
        return None
    return _Reader(canonical, weights).read()


class _Reader:
    """The pattern of A, looked at by row and by column."""

    def __init__(self, canonical: ParametrisedConeProgram, weights: slice) -> None:
        self.canonical = canonical
        self.n = canonical.n_variables
        self.rows, self.columns = canonical.a_pattern.rows, canonical.a_pattern.columns
        self.nothing = len(self.rows)  # the position that reads as zero
        self.in_row = np.bincount(self.rows, minlength=canonical.n_rows)
        self.in_column = np.bincount(self.columns, minlength=self.n)
        self.is_weight = np.zeros(self.n, dtype=bool)
        self.is_weight[weights] = True
        self.is_quadratic = np.zeros(self.n, dtype=bool)
        self.is_quadratic[canonical.p_pattern.columns] = True
        constant = np.diff(canonical.a_map.indptr) == 1
        self.is_constant = constant & (
            canonical.a_map.indices[canonical.a_map.indptr[:-1]] == canonical.a_map.shape[1] - 1
        )

    def read(self) -> PortfolioForm | None:
        """Return where everything stands; None where the pattern is of another kind."""
        self._find_defined()
        self.is_secondary = ~self.is_weight & ~self.is_defined
        if self.is_quadratic[self.is_secondary].any() or not self._definitions_speak_of_weights():
            return None
        self._sort_rows()
        if len(self.long_row) > MOST_LONG or not self._pair_up():
            return None
        return self._structure()

    def _find_defined(self) -> None:
        """A variable in one equality only, with a constant coefficient, alone of its kind there."""
        only = (self.in_column[self.columns] == 1) & ~self.is_weight[self.columns] & self.is_constant
        only &= self.rows < self.canonical.n_zero
        per_row = np.bincount(self.rows[only], minlength=self.canonical.n_rows)
        self.defined_at = np.flatnonzero(only & (per_row[self.rows] == 1))
        self.defined, self.defined_row = self.columns[self.defined_at], self.rows[self.defined_at]
        self.is_defined = np.zeros(self.n, dtype=bool)
        self.is_defined[self.defined] = True
        self.is_definition = np.zeros(self.canonical.n_rows, dtype=bool)
        self.is_definition[self.defined_row] = True

    def _definitions_speak_of_weights(self) -> bool:
        inside = self.is_definition[self.rows]
        return bool((self.is_weight | self.is_defined)[self.columns[inside]].all())

    def _sort_rows(self) -> None:
        """Short rows are inequalities on one variable, or on one weight and one secondary variable."""
        canonical = self.canonical
        of_weights = np.bincount(self.rows[self.is_weight[self.columns]], minlength=canonical.n_rows)
        others = self.in_row - of_weights
        inequality = np.arange(canonical.n_rows) >= canonical.n_zero
        short = inequality & (of_weights <= 1) & (others <= 1) & (self.in_row > 0)
        self.short_row = np.flatnonzero(short)
        self.long_row = np.flatnonzero(~short & ~self.is_definition)
        self.n_equal = int((self.long_row < canonical.n_zero).sum())

    def _pair_up(self) -> bool:
        """Find each short row's variables, and a weight for each secondary variable to stand beside."""
        self.order = np.cumsum(self.is_weight) - 1
        number, n_secondary = np.cumsum(self.is_secondary) - 1, int(self.is_secondary.sum())
        at = np.full((2, self.canonical.n_rows), self.nothing)
        for kind, mask in enumerate((self.is_weight, self.is_secondary)):
            where = np.flatnonzero(mask[self.columns])
            at[kind, self.rows[where]] = where
        self.at_weight, self.at_second = at[:, self.short_row]
        columns = np.append(self.columns, 0)
        has_weight, self.is_shared = self.at_weight < self.nothing, self.at_second < self.nothing
        self.weight_of, self.second_of = self.order[columns[self.at_weight]], number[columns[self.at_second]]
        both = has_weight & self.is_shared
        partner = np.full(n_secondary, -1)
        partner[self.second_of[both]] = self.weight_of[both]
        agree = self.weight_of[both] == partner[self.second_of[both]]
        sharing = np.bincount(self.second_of[self.is_shared], minlength=n_secondary)
        self.partner = _with_company(partner, int(self.is_weight.sum()))
        self.weight_of = np.where(self.is_shared, np.append(self.partner, 0)[self.second_of], self.weight_of)
        return bool(agree.all() and (sharing > 0).all() and (sharing <= MOST_SHARING).all())

    def _structure(self) -> PortfolioForm:
        canonical, n_weights = self.canonical, int(self.is_weight.sum())
        of_weights = np.bincount(self.rows[self.is_weight[self.columns]], minlength=canonical.n_rows)[self.defined_row]
        factor, single = np.flatnonzero(of_weights > 1), np.flatnonzero(of_weights == 1)
        slot = _rank(self.partner)
        secondary = _placed(np.flatnonzero(self.is_secondary), slot, self.partner, n_weights, self.n)
        depth = len(secondary)
        place = np.where(self.is_weight, self.order, 0)
        place[self.is_secondary] = n_weights * (1 + slot) + self.partner
        width = n_weights * (1 + depth)
        table = self._table(self.defined_row[factor], place, width)[:, :n_weights]
        single_at = self._table(self.defined_row[single], place, width)[:, :n_weights].min(axis=1, initial=self.nothing)
        square_at = np.full(self.n, len(canonical.p_pattern.columns))
        square_at[canonical.p_pattern.columns] = np.arange(len(canonical.p_pattern.columns))
        return PortfolioForm(
            np.flatnonzero(self.is_weight), secondary, self.defined, self.defined_row, self.defined_at, factor, table,
            single, single_at, self.order[self.columns[single_at]], square_at[self.is_weight], square_at[self.defined],
            self.n_equal, self.long_row, self._table(self.long_row, place, width),
            *self._short_rows(slot, depth, n_weights), (secondary == self.n).astype(np.float64),
        )  # fmt: skip

    def _short_rows(self, slot: IndexArray, depth: int, n_weights: int) -> tuple[IndexArray, IndexArray, IndexArray]:
        """Where the short rows' limits, and the coefficients of their weights and secondary variables are."""
        shared, alone = np.flatnonzero(self.is_shared), np.flatnonzero(~self.is_shared)
        rank = _rank(self.second_of[shared])
        sharing = int(rank.max(initial=-1)) + 1
        line = np.empty(len(self.short_row), dtype=np.intp)
        line[shared] = rank * depth + slot[self.second_of[shared]]
        line[alone] = sharing * depth + _rank(self.weight_of[alone])
        row, a, b = (
            _placed(what, line, self.weight_of, n_weights, nothing, sharing * depth)
            for what, nothing in (
                (self.short_row, self.canonical.n_rows), (self.at_weight, self.nothing), (self.at_second, self.nothing),
            )
        )  # fmt: skip
        return row, a, b[: sharing * depth].reshape(sharing, depth, n_weights)

    def _table(self, rows: IndexArray, place: IndexArray, width: int) -> IndexArray:
        """Positions of the entries of `rows`, one line for each, in the order of weights and secondary variables."""
        line = np.full(self.canonical.n_rows, -1)
        line[rows] = np.arange(len(rows))
        inside = np.flatnonzero((line[self.rows] >= 0) & ~self.is_defined[self.columns])
        table = np.full((len(rows), width), self.nothing)
        table[line[self.rows[inside]], place[self.columns[inside]]] = inside
        return table


def _with_company(partner: IndexArray, n_weights: int) -> IndexArray:
    """Give each secondary variable without a weight (-1) one, the least crowded first."""
    lonely = np.flatnonzero(partner < 0)
    emptiest = np.argsort(np.bincount(partner[partner >= 0], minlength=n_weights), kind="stable")
    company = partner.copy()
    company[lonely] = emptiest[np.arange(len(lonely)) % n_weights]
    return company


def _rank(of: IndexArray) -> IndexArray:
    """How many entries before each one are equal to it."""
    order = np.argsort(of, kind="stable")
    ordered, rank = of[order], np.empty(len(of), dtype=np.intp)
    rank[order] = np.arange(len(of)) - np.searchsorted(ordered, ordered)
    return rank


def _placed(
    what: IndexArray, line: IndexArray, weight: IndexArray, n_weights: int, nothing: int, least: int = 0
) -> IndexArray:
    """A table (lines × weights, at least so many lines) of `what`, and of `nothing` elsewhere."""
    table = np.full((max(int(line.max(initial=-1)) + 1, least), n_weights), nothing)
    table[line, weight] = what
    return table
