"""From cone data to an optimum that is verified: one solver after the other until residuals are small.

The order is that of benchmarks/optimizer_solvers.py: the active set where trading costs, PIQP for other quadratic
programs (R. Schwan, Y. Jiang, D. Kuhn and C. Jones, "PIQP: a proximal interior-point quadratic programming solver",
IEEE CDC 2023), Clarabel for cones and for certificates that there is no optimum (P. Goulart and Y. Chen, "Clarabel: an
interior-point solver for conic programs with quadratic objectives", 2024).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.sparse import csc_matrix

from allocation.errors import OptimizationError
from allocation.optimizer.solvers.active_set import refine_active_set, solve_active_set
from allocation.optimizer.solvers.cone_program import ConeData, ParametrisedConeProgram, Pattern, Residuals, residuals
from allocation.optimizer.solvers.elimination import Elimination
from allocation.optimizer.solvers.piecewise_linear import PiecewiseLinearCost
from allocation.optimizer.solvers.portfolio_qp import Optimum
from allocation.optimizer.solvers.recognise import PortfolioForm, recognise
from allocation.optimizer.solvers.scaling import Scaling
from newsfolio.shared.arrays import FloatArray

# Relative residuals below which a point is an optimum, whatever its solver calls it.
ACCURATE = 1e-8
# Below these no other solver is asked: a slightly worse point would hide which trades are only just worth it.
EXACT = 1e-10
# Of cones: where a trade is near zero the power 3/2 of it is a cone near its tip, where steps become short. In utility
# per session 3e-7 of the scaled objective is far below a hundredth of a basis point.
CONE_ACCURATE = 3e-7
OPTIMAL, INFEASIBLE, UNBOUNDED = "optimal", "infeasible", "unbounded"
PIQP_TOLERANCE, PIQP_MAX_STEPS, MAX_REFINEMENTS = 1e-12, 60, 5
CLARABEL_SETTINGS = {"tol_gap_abs": 1e-14, "tol_gap_rel": 1e-14, "tol_feas": 1e-12}
CERTIFICATES = {
    "PrimalInfeasible": INFEASIBLE,
    "AlmostPrimalInfeasible": INFEASIBLE,
    "DualInfeasible": UNBOUNDED,
    "AlmostDualInfeasible": UNBOUNDED,
}


class SolverForms:
    """A compiled cone program in the forms that its solvers take; `weights` is where those are in x.

    steps: where the weights of several steps are, which are solved without a form of their own.
    """

    def __init__(self, cone_program: ParametrisedConeProgram, weights: slice, steps: Sequence[slice] = ()) -> None:
        self.cone_program = cone_program
        self.scaling = Scaling(cone_program, [weights, *steps])
        self.form = recognise(cone_program, weights)
        self.elimination = Elimination(cone_program, weights)

    @cached_property
    def equalities(self) -> tuple[np.ndarray, Pattern]:
        """Which entries of the reduced A are in equalities, and their pattern."""
        pattern, n_zero = self.elimination.a_pattern, self.elimination.n_zero
        inside = np.flatnonzero(pattern.rows < n_zero)
        return inside, Pattern(pattern.rows[inside], pattern.columns[inside], (n_zero, pattern.shape[1]))

    @cached_property
    def inequalities(self) -> tuple[np.ndarray, Pattern]:
        """Which entries of the reduced A are in the other rows, and their pattern."""
        pattern, n_zero = self.elimination.a_pattern, self.elimination.n_zero
        inside = np.flatnonzero(pattern.rows >= n_zero)
        shape = pattern.shape[0] - n_zero, pattern.shape[1]
        return inside, Pattern(pattern.rows[inside] - n_zero, pattern.columns[inside], shape)


@dataclass(frozen=True)
class Solution:
    """What a solver returned; `x` is a direction in which utility grows for ever where the status is unbounded."""

    status: str
    x: FloatArray
    z: FloatArray
    solver: str
    iterations: int
    residuals: Residuals

    def utility(self, data: ConeData) -> float:
        """What was maximised, but for a constant."""
        return -float(self.x @ (data.p @ self.x) / 2 + data.q @ self.x)


Solver = Callable[[SolverForms, ConeData], "Solution | None"]


def solve(forms: SolverForms, data: ConeData) -> Solution:
    """Return the first exact optimum, else the most accurate one, or a certificate that there is none.

    Raises:
        OptimizationError: no solver found either.
    """
    scaled = forms.scaling.apply(data)
    found: list[Solution] = []
    for solver in SOLVERS.values():
        solution = solver(forms, scaled.data)
        if solution is None:
            continue
        x, z = scaled.restore(solution.x, solution.z)
        solution = replace(solution, x=x, z=z)
        if solution.status in (INFEASIBLE, UNBOUNDED):
            return solution  # a certificate, not a failure: another solver would only repeat it
        if solution.residuals.worst <= EXACT:
            return replace(solution, status=OPTIMAL)
        found.append(solution)
    best = min(found, key=lambda solution: solution.residuals.worst, default=None)
    if best is not None and best.residuals.worst <= (ACCURATE if data.is_quadratic else CONE_ACCURATE):
        return replace(best, status=OPTIMAL)
    failures = "; ".join(f"{each.solver} ended with {each.status} at residuals {each.residuals}" for each in found)
    raise OptimizationError(f"no optimal weights ({failures}): rescale the inputs or loosen the constraints")


def _active_set(forms: SolverForms, data: ConeData) -> Solution | None:
    """The active set's optimum, where it is likely to find one: trading costs, or a step of PIQP is dense."""
    form = forms.form
    if form is None or not (form.costs(data).any() or forms.elimination.is_dense):
        return None
    return _restored(form, data, solve_active_set(form.program(data)), "active set")


def _restored(form: PortfolioForm, data: ConeData, optimum: Optimum | None, solver: str) -> Solution | None:
    if optimum is None:
        return None
    x, z = form.restore(data, optimum)
    return Solution(OPTIMAL, x, z, solver, optimum.steps, residuals(data, x, z))


def _piqp(forms: SolverForms, data: ConeData) -> Solution | None:
    """PIQP's optimum, refined to the last digits by the active set where it determines one."""
    if not data.is_quadratic:
        return None
    import piqp  # type: ignore[import-untyped]

    small, solver = forms.elimination.reduce(data), piqp.SparseSolver()
    settings = solver.settings
    settings.eps_abs = settings.eps_rel = PIQP_TOLERANCE
    settings.eps_duality_gap_abs = settings.eps_duality_gap_rel = PIQP_TOLERANCE
    settings.max_iter = PIQP_MAX_STEPS
    (equal, equal_pattern), (other, other_pattern) = forms.equalities, forms.inequalities
    entries, split = small.a.entries, small.n_zero
    solver.setup(
        P=_csc(small.p.entries, small.p.pattern),
        c=small.q,
        A=_csc(entries[equal], equal_pattern),
        b=small.b[:split],
        G=_csc(entries[other], other_pattern),
        h_u=small.b[split:],
    )
    status, found = str(solver.solve()), solver.result
    x, z = forms.elimination.restore(data, found.x, np.concatenate([found.y, found.z_u]))
    solution = Solution(status.rpartition(".")[2], x, z, "PIQP", found.info.iter, residuals(data, x, z))
    form = forms.form
    if form is None or not np.isfinite(solution.residuals.worst):
        return solution
    program = form.program(data)
    costs, w, y = PiecewiseLinearCost.read(program), x[form.weights], z[form.coupling_row]
    optimum = None if costs is None else refine_active_set(program, costs, w, y, MAX_REFINEMENTS)
    refined = _restored(form, data, optimum, solution.solver)
    if refined is None or not refined.residuals.worst <= EXACT:
        return solution
    return replace(refined, iterations=solution.iterations + refined.iterations)


def _csc(entries: FloatArray, pattern: Pattern) -> csc_matrix:
    return csc_matrix((entries, pattern.rows.astype(np.intc), pattern.pointers), pattern.shape)


def _clarabel(forms: SolverForms, data: ConeData) -> Solution | None:
    """Clarabel's optimum, or its certificate that there is none."""
    import clarabel  # type: ignore[import-untyped]

    small, settings = forms.elimination.reduce(data), clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = CLARABEL_SETTINGS["tol_gap_abs"]
    settings.tol_gap_rel = CLARABEL_SETTINGS["tol_gap_rel"]
    settings.tol_feas = CLARABEL_SETTINGS["tol_feas"]
    dims = forms.cone_program.cones
    cones: list[object] = [clarabel.ZeroConeT(small.n_zero)] if small.n_zero else []
    cones += [clarabel.NonnegativeConeT(dims.nonneg)] if dims.nonneg else []
    cones += [clarabel.SecondOrderConeT(size) for size in dims.soc]
    cones += [clarabel.PSDTriangleConeT(size) for size in dims.psd]
    cones += [clarabel.ExponentialConeT()] * dims.exp
    cones += [clarabel.PowerConeT(power) for power in dims.p3d]
    found = clarabel.DefaultSolver(small.p.csc, small.q, small.a.csc, small.b, cones, settings).solve()
    x, z = forms.elimination.restore(data, np.asarray(found.x), np.asarray(found.z))
    status = CERTIFICATES.get(str(found.status), OPTIMAL if str(found.status) == "Solved" else str(found.status))
    return Solution(status, x, z, "CLARABEL", found.iterations, residuals(data, x, z))


SOLVERS: dict[str, Solver] = {"active set": _active_set, "PIQP": _piqp, "CLARABEL": _clarabel}
