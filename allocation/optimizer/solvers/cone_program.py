"""A compiled cvxpy problem as numbers: the affine map from its parameters to the data that solvers take.

cvxpy reduces a disciplined parametrised problem once; for new parameters a sparse product is left. It is computed
here, without cvxpy's checks of every value, and each compilation verifies that both have the same result.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import cvxpy as cp
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csc_array, csr_array, vstack

from allocation.errors import OptimizationError
from newsfolio.shared.arrays import FloatArray

IndexArray = NDArray[np.integer]
Compute = Callable[[Mapping[str, FloatArray]], FloatArray]


@dataclass(frozen=True)
class Pattern:
    """Which entries of a matrix can be other than zero, column by column."""

    rows: IndexArray
    columns: IndexArray
    shape: tuple[int, int]

    @cached_property
    def pointers(self) -> IndexArray:
        """Where each column begins, as solvers need it."""
        return np.searchsorted(self.columns, np.arange(self.shape[1] + 1)).astype(np.intc)


@dataclass(frozen=True)
class SparseMatrix:
    """A matrix of a known pattern; its products omit scipy's checks, which take longer than the products."""

    entries: FloatArray
    pattern: Pattern

    def __matmul__(self, x: FloatArray) -> FloatArray:
        """The matrix times x."""
        at = self.pattern
        return np.asarray(np.bincount(at.rows, self.entries * x[at.columns], at.shape[0]), dtype=np.float64)

    def transposed_times(self, z: FloatArray) -> FloatArray:
        """The transposed matrix times z."""
        at = self.pattern
        return np.asarray(np.bincount(at.columns, self.entries * z[at.rows], at.shape[1]), dtype=np.float64)

    @cached_property
    def csc(self) -> csc_array:
        """As compiled solvers take it."""
        return csc_array((self.entries, self.pattern.rows.astype(np.intc), self.pattern.pointers), self.pattern.shape)


@dataclass(frozen=True)
class ConeData:
    """minimise x'P x / 2 + q'x subject to A x + s = b, s in the cones: first zeros, then what is >= 0, then others."""

    p: SparseMatrix
    q: FloatArray
    a: SparseMatrix
    b: FloatArray
    n_zero: int
    n_nonnegative: int
    second_order: tuple[int, ...] = ()

    @property
    def is_quadratic(self) -> bool:
        """Whether there are no cones but equalities and inequalities."""
        return self.n_zero + self.n_nonnegative == len(self.b)


@dataclass(frozen=True)
class Residuals:
    """Residuals of the Karush-Kuhn-Tucker conditions, relative to the size of the problem's numbers."""

    primal: float
    dual: float
    gap: float

    @property
    def worst(self) -> float:
        """The largest of the three."""
        return max(self.primal, self.dual, self.gap)

    def __str__(self) -> str:
        return f"primal {self.primal:.0e}, dual {self.dual:.0e}, gap {self.gap:.0e}"


def residuals(data: ConeData, x: FloatArray, z: FloatArray) -> Residuals:
    """Measure a primal and dual point of `data` (of exponential and power cones only the gap counts)."""
    px, slack, zero, n = data.p @ x, data.b - data.a @ x, data.n_zero, data.n_zero + data.n_nonnegative
    outside = max(_worst(slack[:zero]), _worst(np.minimum(slack[zero:n], 0.0)), _beyond_cones(slack[n:], data))
    wrong = max(_worst(px + data.q + data.a.transposed_times(z)), _worst(np.minimum(z[zero:n], 0.0)))
    wrong = max(wrong, _beyond_cones(z[n:], data))
    gap = abs(float(x @ px + data.q @ x + data.b @ z))
    cost = abs(float(x @ px / 2 + data.q @ x))
    return Residuals(outside / (1 + _worst(data.b)), wrong / (1 + _worst(data.q)), gap / (1 + cost))


def _beyond_cones(values: FloatArray, data: ConeData) -> float:
    """By how much the norm in a second-order cone exceeds its bound; the cone is its own dual."""
    if not data.second_order:
        return 0.0
    starts = np.cumsum([0, *data.second_order[:-1]])
    bounds, squares = values[starts], values[: sum(data.second_order)] ** 2
    squares[starts] = 0.0
    return float((np.sqrt(np.add.reduceat(squares, starts)) - bounds).max(initial=0.0))


def _worst(values: FloatArray) -> float:
    return float(np.abs(values).max(initial=0.0))


class ParametrisedConeProgram:
    """The map from parameter values to ConeData, and from a solver's x to the values of a variable."""

    def __init__(self, problem: cp.Problem, inputs: Mapping[cp.Parameter, Compute]) -> None:
        """Compile. `inputs` says how each parameter follows from the named numbers of a rebalancing."""
        for parameter in problem.parameters():
            parameter.value = np.ones(parameter.shape)
        self.problem = problem
        try:
            data, self.chain, self.inverse = problem.get_problem_data(cp.CLARABEL, enforce_dpp=True, solver_opts={})
        except cp.error.DPPError as error:
            raise OptimizationError(
                "a term or rule multiplies numbers that change at each rebalancing with one another (cvxpy's DPP): "
                "pass their product under one name in `parameters`"
            ) from error
        program = data["param_prob"]
        self.n_variables, self.columns = program.x.size, program.var_id_to_col
        self.n_zero, self.n_nonnegative = program.cone_dims.zero, program.cone_dims.nonneg
        self.cones = program.cone_dims
        self.n_rows = program.constr_size
        by_id = {parameter.id: compute for parameter, compute in inputs.items()}
        placed = sorted((column, id_) for id_, column in program.param_id_to_col.items() if id_ in by_id)
        self.computes = [by_id[id_] for _, id_ in placed]
        self._split(program)
        maps = self.p_map, self.q_map, self.a_map, self.b_map
        ends = np.cumsum([0, *(part.shape[0] for part in maps)])
        self.map, self.parts = csr_array(vstack(maps)), [slice(*pair) for pair in pairwise(ends)]

        ours, n = self._data(np.ones(self.a_map.shape[1])), self.n_variables
        pairs = [(ours.a.csc, data["A"]), (ours.p.csc, data.get("P", csc_array((n, n))))]
        same = all(abs(csc_array(mine) - csc_array(theirs)).sum() == 0 for mine, theirs in pairs)
        if not (same and np.array_equal(ours.q, data["c"]) and np.array_equal(ours.b, data["b"])):
            raise OptimizationError(
                f"cvxpy {cp.__version__} compiles problems in another way than this version expects: "
                "install a version that newsfolio was tested with"
            )

    def _split(self, program: object) -> None:
        n, m = self.n_variables, self.n_rows
        tensor = coo_array(program.A)  # type: ignore[attr-defined]
        tensor.sum_duplicates()
        rows, columns, values = tensor.coords[0], tensor.coords[1], tensor.data
        is_limit = rows >= n * m  # the last column of the tensor's matrix is b
        width = tensor.shape[1]
        limits = values[is_limit], (rows[is_limit] - n * m, columns[is_limit])
        self.b_map = csr_array(limits, shape=(m, width))
        entries = -values[~is_limit], rows[~is_limit], columns[~is_limit]
        self.a_map, self.a_pattern = _pattern(entries, (m, n), width)
        self.q_map = csr_array(program.q)[:n]  # type: ignore[attr-defined]
        squares = program.P  # type: ignore[attr-defined]
        quadratic = coo_array((n * n, width)) if squares is None else coo_array(squares)
        quadratic.sum_duplicates()
        self.p_map, self.p_pattern = _pattern((quadratic.data, quadratic.coords[0], quadratic.coords[1]), (n, n), width)

    def apply(self, values: Mapping[str, FloatArray]) -> ConeData:
        """The numbers of one rebalancing."""
        parts = [np.asarray(compute(values), dtype=np.float64).ravel(order="F") for compute in self.computes]
        return self._data(np.concatenate([*parts, np.ones(1)]))

    def _data(self, theta: FloatArray) -> ConeData:
        numbers = self.map @ theta
        p, q, a, b = (numbers[part] for part in self.parts)
        return ConeData(
            p=SparseMatrix(p, self.p_pattern),
            q=q,
            a=SparseMatrix(a, self.a_pattern),
            b=b,
            n_zero=self.n_zero,
            n_nonnegative=self.n_nonnegative,
            second_order=tuple(self.cones.soc),
        )

    @cached_property
    def is_diagonal(self) -> bool:
        """Whether P has no entries off its diagonal."""
        return np.array_equal(self.p_pattern.rows, self.p_pattern.columns)

    def columns_of(self, variable: cp.Variable) -> slice:
        """Where a variable is in x."""
        start = self.columns[variable.id]
        return slice(start, start + variable.size)


def _pattern(
    entries: tuple[FloatArray, IndexArray, IndexArray], shape: tuple[int, int], width: int
) -> tuple[csr_array, Pattern]:
    """Keep the entries that can be other than zero, and how each follows from the parameters."""
    values, places, columns = entries
    kept, at = np.unique(places, return_inverse=True)
    found = csr_array((values, (at, columns)), shape=(len(kept), width))
    return found, Pattern((kept % shape[0]).astype(np.intp), (kept // shape[0]).astype(np.intp), shape)
