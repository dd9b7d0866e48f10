"""Which quadratic programs have the form of `portfolio_qp`, and where their numbers are in a compiled program.

cvxpy writes risk as new variables, y = F'w, bound by equalities, and costs as t >= w - h, t >= h - w. Once per
compilation the pattern of the matrices is read for exactly that; what reads otherwise goes to a general solver.
"""

from dataclasses import dataclass

import numpy as np

from allocation.optimizer.solvers.cone_program import ConeData, ParametrisedConeProgram
from allocation.optimizer.solvers.elimination import find_definitions
from allocation.optimizer.solvers.portfolio_qp import Optimum, PerAssetRows, QuadraticProgram
from newsfolio.shared.arrays import FloatArray, IndexArray

ZERO, ONE = np.zeros(1), np.ones(1)

# Rows of one epigraph variable, and coupling constraints, beyond which the active set is not the method of choice.
MAX_SIDES = 4
MAX_COUPLING = 64


@dataclass(frozen=True)
class PortfolioForm:
    """Positions in the cone data of what a QuadraticProgram is made of.

    One past the end is where there is nothing: it reads as zero, and as a limit of one.
    """

    weights: IndexArray
    epigraph: IndexArray
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
    coupling_row: IndexArray
    coupling_at: IndexArray
    asset_row: IndexArray
    asset_a: IndexArray
    asset_b: IndexArray
    absent: FloatArray

    def costs(self, data: ConeData) -> FloatArray:
        """What a unit of each epigraph variable costs (depth × weights)."""
        return np.concatenate([data.q, ZERO])[self.epigraph]

    def program(self, data: ConeData) -> QuadraticProgram:
        """Fill in the numbers."""
        a = np.concatenate([data.a.entries, ZERO])
        p = np.concatenate([data.p.entries, ZERO])
        n = len(self.weights)
        curvature, coefficient = p[self.defined_square], a[self.defined_at]
        target = data.b[self.defined_row] / coefficient
        loadings = a[self.factor_at].T / coefficient[self.factor]
        own = a[self.single_at] / coefficient[self.single]
        slope = curvature * target + data.q[self.defined]
        diagonal = p[self.weights_square]
        diagonal = diagonal + np.bincount(self.single_weight, curvature[self.single] * own**2, minlength=n)
        linear = data.q[self.weights] - loadings @ slope[self.factor]
        linear = linear - np.bincount(self.single_weight, slope[self.single] * own, minlength=n)
        coupling = a[self.coupling_at]
        limits = np.concatenate([data.b, ONE])
        return QuadraticProgram(
            p=diagonal,
            v=loadings * np.sqrt(curvature[self.factor]),
            q=linear,
            r=self.costs(data),
            coupling_w=coupling[:, :n],
            coupling_t=coupling[:, n:],
            coupling_limit=data.b[self.coupling_row],
            n_equal=self.n_equal,
            per_asset=PerAssetRows(a[self.asset_a], a[self.asset_b], limits[self.asset_row], self.absent),
        )

    def restore(self, data: ConeData, found: Optimum) -> tuple[FloatArray, FloatArray]:
        """Return the solution and the multipliers of the cone program."""
        x, z = np.zeros(len(data.q) + 1), np.zeros(len(data.b) + 1)
        x[self.weights], x[self.epigraph] = found.w, found.t
        z[self.coupling_row], z[self.asset_row] = found.y, found.z
        x, z = x[:-1], z[:-1]
        a = data.a.entries[self.defined_at]
        x[self.defined] = (data.b - data.a @ x)[self.defined_row] / a
        curvature = np.concatenate([data.p.entries, ZERO])[self.defined_square]
        z[self.defined_row] = -(curvature * x[self.defined] + data.q[self.defined]) / a
        return x, z


def recognise(cone_program: ParametrisedConeProgram, weights: slice) -> PortfolioForm | None:
    """Read the pattern; None where the problem is of another kind."""
    quadratic = cone_program.n_zero + cone_program.n_nonnegative == cone_program.n_rows
    if not quadratic or not cone_program.is_diagonal or weights.stop == weights.start:
        return None
    return _Reader(cone_program, weights).read()


class _Reader:
    """The pattern of A, looked at by row and by column."""

    def __init__(self, cone_program: ParametrisedConeProgram, weights: slice) -> None:
        self.cone_program = cone_program
        self.n_variables, self.n_rows = cone_program.n_variables, cone_program.n_rows
        self.rows, self.columns = cone_program.a_pattern.rows, cone_program.a_pattern.columns
        self.nothing = len(self.rows)  # the position that reads as zero
        self.is_weight = np.zeros(self.n_variables, dtype=bool)
        self.is_weight[weights] = True
        self.n_weights = weights.stop - weights.start
        self.defined = find_definitions(cone_program, self.is_weight)
        self.is_defined = np.zeros(self.n_variables, dtype=bool)
        self.is_defined[self.defined.columns] = True
        self.is_epigraph = ~self.is_weight & ~self.is_defined

    def read(self) -> PortfolioForm | None:
        """Return where everything stands; None where the pattern is of another kind."""
        is_quadratic = np.zeros(self.n_variables, dtype=bool)
        is_quadratic[self.cone_program.p_pattern.columns] = True
        if is_quadratic[self.is_epigraph].any():
            return None
        # Per-asset constraints are inequalities on one variable, or on one weight and one epigraph variable.
        n_zero, n_rows = self.cone_program.n_zero, self.n_rows
        in_row = np.bincount(self.rows, minlength=n_rows)
        of_weights = np.bincount(self.rows[self.is_weight[self.columns]], minlength=n_rows)
        is_definition = np.zeros(n_rows, dtype=bool)
        is_definition[self.defined.rows] = True
        per_asset = (np.arange(n_rows) >= n_zero) & (of_weights <= 1) & (in_row - of_weights <= 1) & (in_row > 0)
        self.asset_row = np.flatnonzero(per_asset)
        self.coupling_row = np.flatnonzero(~per_asset & ~is_definition)
        self.n_equal = int((self.coupling_row < n_zero).sum())
        return self._form() if len(self.coupling_row) <= MAX_COUPLING and self._assign_weights() else None

    def _assign_weights(self) -> bool:
        """Find the variables of each per-asset row, and the weight that each epigraph variable belongs to."""
        self.order = np.cumsum(self.is_weight) - 1
        number, n_epigraph = np.cumsum(self.is_epigraph) - 1, int(self.is_epigraph.sum())
        at = np.full((2, self.n_rows), self.nothing)
        for kind, mask in enumerate((self.is_weight, self.is_epigraph)):
            where = np.flatnonzero(mask[self.columns])
            at[kind, self.rows[where]] = where
        self.at_weight, self.at_epigraph = at[:, self.asset_row]
        columns = np.append(self.columns, 0)
        has_weight, self.has_epigraph = self.at_weight < self.nothing, self.at_epigraph < self.nothing
        self.weight_of, self.epigraph_of = self.order[columns[self.at_weight]], number[columns[self.at_epigraph]]
        both = has_weight & self.has_epigraph
        owner = np.full(n_epigraph, -1)
        owner[self.epigraph_of[both]] = self.weight_of[both]
        agree = self.weight_of[both] == owner[self.epigraph_of[both]]
        sides = np.bincount(self.epigraph_of[self.has_epigraph], minlength=n_epigraph)
        self.owner = _with_owner(owner, self.n_weights)
        self.weight_of = np.where(self.has_epigraph, np.append(self.owner, 0)[self.epigraph_of], self.weight_of)
        return bool(agree.all() and (sides > 0).all() and (sides <= MAX_SIDES).all())

    def _form(self) -> PortfolioForm:
        defined, n = self.defined, self.n_weights
        factor, single = np.flatnonzero(defined.n_weights > 1), np.flatnonzero(defined.n_weights == 1)
        line = _rank(self.owner)
        epigraph = _table(np.flatnonzero(self.is_epigraph), line, self.owner, n, self.n_variables)
        depth = len(epigraph)
        place = np.where(self.is_weight, self.order, 0)
        place[self.is_epigraph] = n * (1 + line) + self.owner
        width = n * (1 + depth)
        single_at = self._entries(defined.rows[single], place, width)[:, :n].min(axis=1, initial=self.nothing)
        squares = self.cone_program.p_pattern.columns
        square_at = np.full(self.n_variables, len(squares))
        square_at[squares] = np.arange(len(squares))
        asset_row, asset_a, asset_b = self._per_asset(line, depth)
        return PortfolioForm(
            weights=np.flatnonzero(self.is_weight),
            epigraph=epigraph,
            defined=defined.columns,
            defined_row=defined.rows,
            defined_at=defined.at,
            factor=factor,
            factor_at=self._entries(defined.rows[factor], place, width)[:, :n],
            single=single,
            single_at=single_at,
            single_weight=self.order[self.columns[single_at]],
            weights_square=square_at[self.is_weight],
            defined_square=square_at[defined.columns],
            n_equal=self.n_equal,
            coupling_row=self.coupling_row,
            coupling_at=self._entries(self.coupling_row, place, width),
            asset_row=asset_row,
            asset_a=asset_a,
            asset_b=asset_b,
            absent=(epigraph == self.n_variables).astype(np.float64),
        )

    def _per_asset(self, line: IndexArray, depth: int) -> tuple[IndexArray, IndexArray, IndexArray]:
        """Where the per-asset rows' limits and the coefficients of their weights and epigraph variables are."""
        with_epigraph, bounds = np.flatnonzero(self.has_epigraph), np.flatnonzero(~self.has_epigraph)
        rank = _rank(self.epigraph_of[with_epigraph])
        sides = int(rank.max(initial=-1)) + 1
        row = np.empty(len(self.asset_row), dtype=np.intp)
        row[with_epigraph] = rank * depth + line[self.epigraph_of[with_epigraph]]
        row[bounds] = sides * depth + _rank(self.weight_of[bounds])
        positions = (self.asset_row, self.n_rows), (self.at_weight, self.nothing), (self.at_epigraph, self.nothing)
        limit, a, b = (
            _table(values, row, self.weight_of, self.n_weights, nothing, sides * depth) for values, nothing in positions
        )
        return limit, a, b[: sides * depth].reshape(sides, depth, self.n_weights)

    def _entries(self, rows: IndexArray, place: IndexArray, width: int) -> IndexArray:
        """Positions of the entries of `rows`, a line for each, in the order of weights and epigraph variables."""
        line = np.full(self.n_rows, -1)
        line[rows] = np.arange(len(rows))
        inside = np.flatnonzero((line[self.rows] >= 0) & ~self.is_defined[self.columns])
        table = np.full((len(rows), width), self.nothing)
        table[line[self.rows[inside]], place[self.columns[inside]]] = inside
        return table


def _with_owner(owner: IndexArray, n_weights: int) -> IndexArray:
    """Give each epigraph variable that is of no weight (-1) to one, those with the fewest first."""
    free = np.flatnonzero(owner < 0)
    by_count = np.argsort(np.bincount(owner[owner >= 0], minlength=n_weights), kind="stable")
    complete = owner.copy()
    complete[free] = by_count[np.arange(len(free)) % n_weights]
    return complete


def _rank(of: IndexArray) -> IndexArray:
    """How many entries before each one are equal to it."""
    order = np.argsort(of, kind="stable")
    ordered, rank = of[order], np.empty(len(of), dtype=np.intp)
    rank[order] = np.arange(len(of)) - np.searchsorted(ordered, ordered)
    return rank


def _table(
    values: IndexArray, line: IndexArray, weight: IndexArray, n_weights: int, nothing: int, n_lines: int = 0
) -> IndexArray:
    """A table (lines × weights, at least `n_lines`) of `values`, and of `nothing` elsewhere."""
    table = np.full((max(int(line.max(initial=-1)) + 1, n_lines), n_weights), nothing)
    table[line, weight] = values
    return table
