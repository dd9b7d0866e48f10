"""Which quadratic programs the interior point method of `interior_point` solves, and how they are told from the rest.

cvxpy writes risk as new variables, y = F'w, bound by equalities, and costs as t >= w - h, t >= h - w. Once per
compilation the pattern of the matrices is read for exactly that; what reads otherwise goes to a general solver.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from allocation.bends import Layout
from allocation.canonical import Canonical, ConeData, Vector
from allocation.quadratic import Optimum, QuadraticProgram, ShortRows

Positions = NDArray[np.integer]

# So many rows on one secondary variable, so many long rows beside the weights: more is not what this is for.
MOST_SHARING = 4
MOST_LONG = 64


@dataclass(frozen=True)
class Structure:
    """Positions in the canonical data of what a QuadraticProgram is made of; one past the end means zero."""

    weights: Positions
    secondary: Positions
    defined: Positions
    defined_row: Positions
    defined_at: Positions
    factor: Positions
    factor_at: Positions
    single: Positions
    single_at: Positions
    single_weight: Positions
    quadratic_at: Positions
    n_equal: int
    long_row: Positions
    long_at: Positions
    short_row: Positions
    short_a: Positions
    short_b: Positions
    primary: Positions
    secondary_of: Positions
    couples: tuple[Positions, Positions]
    partner: Positions
    layout: Layout | None

    def program(self, data: ConeData) -> QuadraticProgram:
        """Fill in the numbers."""
        a = np.append(data.a.entries, 0.0)
        p = np.append(data.p.entries, 0.0)
        n = len(self.weights)
        curvature, coefficient = p[self.quadratic_at[self.defined]], a[self.defined_at]
        target = data.b[self.defined_row] / coefficient
        loadings = a[self.factor_at].T / coefficient[self.factor]
        alone = a[self.single_at] / coefficient[self.single]
        pull = curvature * target + data.q[self.defined]
        diagonal = p[self.quadratic_at[self.weights]]
        diagonal = diagonal + np.bincount(self.single_weight, curvature[self.single] * alone**2, minlength=n)
        linear = data.q[self.weights] - loadings @ pull[self.factor]
        linear = linear - np.bincount(self.single_weight, pull[self.single] * alone, minlength=n)
        long = a[self.long_at]
        short = ShortRows(
            self.primary, self.secondary_of, a[self.short_a], a[self.short_b], data.b[self.short_row], *self.couples
        )
        return QuadraticProgram(
            diagonal, loadings * np.sqrt(curvature[self.factor]), linear, np.append(data.q[self.secondary], 0.0),
            long[:, :n], long[:, n:], data.b[self.long_row], self.n_equal, short, self.partner,
        )  # fmt: skip

    def restore(self, data: ConeData, found: Optimum) -> tuple[Vector, Vector]:
        """Return the solution and the multipliers of the canonical problem."""
        x, z = np.zeros(len(data.q)), np.zeros(len(data.b))
        x[self.weights], x[self.secondary] = found.w, found.t[:-1]
        a = data.a.entries[self.defined_at]
        x[self.defined] = (data.b - data.a @ x)[self.defined_row] / a
        z[self.long_row], z[self.short_row] = found.y, found.z
        curvature = np.append(data.p.entries, 0.0)[self.quadratic_at[self.defined]]
        z[self.defined_row] = -(curvature * x[self.defined] + data.q[self.defined]) / a
        return x, z


def recognise(canonical: Canonical, weights: slice) -> Structure | None:
    """Read the pattern; None where the problem is of another kind."""
    if canonical.n_zero + canonical.n_nonnegative < canonical.n_rows:
        return None
    if not canonical.is_diagonal:
        return None
    return _Reader(canonical, weights).read()


class _Reader:
    """The pattern of A, looked at by row and by column."""

    def __init__(self, canonical: Canonical, weights: slice) -> None:
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

    def read(self) -> Structure | None:
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
        """Find each short row's variables, each secondary variable's weight, and the rows that share one."""
        self.order = np.cumsum(self.is_weight) - 1
        self.number = np.cumsum(self.is_secondary) - 1
        n_secondary = int(self.is_secondary.sum())
        at = np.full((2, self.canonical.n_rows), self.nothing)
        for kind, mask in enumerate((self.is_weight, self.is_secondary)):
            where = np.flatnonzero(mask[self.columns])
            at[kind, self.rows[where]] = where
        self.short_a, self.short_b = at[:, self.short_row]
        columns = np.append(self.columns, 0)
        has_weight, has_second = self.short_a < self.nothing, self.short_b < self.nothing
        self.secondary_of = np.where(has_second, self.number[columns[self.short_b]], n_secondary)
        partner = np.full(n_secondary + 1, -1)
        both = has_weight & has_second
        partner[self.secondary_of[both]] = self.order[columns[self.short_a[both]]]
        lonely = np.flatnonzero(partner < 0)
        partner[lonely] = 0
        self.partner = partner
        self.primary = np.where(has_weight, self.order[columns[self.short_a]], partner[self.secondary_of])
        sharing = np.bincount(self.secondary_of[has_second], minlength=n_secondary)
        agree = self.primary[both] == partner[self.secondary_of[both]]
        return bool(agree.all() and (sharing > 0).all() and (sharing <= MOST_SHARING).all())

    def _couples(self) -> tuple[Positions, Positions]:
        order = np.argsort(self.secondary_of, kind="stable")
        order = order[self.secondary_of[order] < len(self.partner) - 1]
        pairs: list[tuple[int, ...]] = []
        for group in np.split(order, np.flatnonzero(np.diff(self.secondary_of[order])) + 1):
            pairs.extend(combinations(group, 2))
        first, second = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
        return np.ascontiguousarray(first), np.ascontiguousarray(second)

    def _structure(self) -> Structure:
        canonical, n_weights = self.canonical, int(self.is_weight.sum())
        of_weights = np.bincount(self.rows[self.is_weight[self.columns]], minlength=canonical.n_rows)[self.defined_row]
        factor, single = np.flatnonzero(of_weights > 1), np.flatnonzero(of_weights == 1)
        width = n_weights + int(self.is_secondary.sum()) + 1
        place = np.where(self.is_weight, self.order, n_weights + self.number)
        table = self._table(self.defined_row[factor], place, width)[:, :n_weights]
        single_at = self._table(self.defined_row[single], place, width)[:, :n_weights].min(axis=1, initial=self.nothing)
        couples = self._couples()
        layout = Layout.read(self.secondary_of, couples, self.partner, n_weights)
        quadratic_at = np.full(self.n, len(canonical.p_pattern.columns))
        quadratic_at[canonical.p_pattern.columns] = np.arange(len(canonical.p_pattern.columns))
        return Structure(
            np.flatnonzero(self.is_weight), np.flatnonzero(self.is_secondary), self.defined, self.defined_row,
            self.defined_at, factor, table, single, single_at, self.order[self.columns[single_at]], quadratic_at,
            self.n_equal, self.long_row, self._table(self.long_row, place, width), self.short_row, self.short_a,
            self.short_b, self.primary, self.secondary_of, couples, self.partner, layout,
        )  # fmt: skip

    def _table(self, rows: Positions, place: Positions, width: int) -> Positions:
        """Positions of the entries of `rows`, one line for each, in the order of weights and secondary variables."""
        line = np.full(self.canonical.n_rows, -1)
        line[rows] = np.arange(len(rows))
        inside = np.flatnonzero((line[self.rows] >= 0) & ~self.is_defined[self.columns])
        table = np.full((len(rows), width), self.nothing)
        table[line[self.rows[inside]], place[self.columns[inside]]] = inside
        return table
