"""From cone data to an optimum that is checked, not believed: one solver after the other until residuals are small."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csc_matrix

from allocation.errors import OptimizationError
from allocation.optimizer.solvers.active_set import solve_active_set
from allocation.optimizer.solvers.cone_program import ConeData, ParametrisedConeProgram, Residuals, residuals
from allocation.optimizer.solvers.interior_point import minimise
from allocation.optimizer.solvers.recognise import PortfolioForm
from newsfolio.shared.arrays import FloatArray

# Relative residuals below which a point is an optimum, whatever its solver calls it.
ACCURATE = 1e-8
# The first method is exact or gives way; a slightly worse point would hide which trades are only just worth it.
EXACT = 1e-10
OWN = ("guess", "structured")
# Entries of A up to which a compiled solver's few rows beat the fixed price of a step in NumPy.
SMALL = 1500
OPTIMAL, INFEASIBLE, UNBOUNDED = "optimal", "infeasible", "unbounded"
CLARABEL_SETTINGS = {"tol_gap_abs": 1e-14, "tol_gap_rel": 1e-14, "tol_feas": 1e-12}
CERTIFICATES = {
    "PrimalInfeasible": INFEASIBLE, "AlmostPrimalInfeasible": INFEASIBLE,
    "DualInfeasible": UNBOUNDED, "AlmostDualInfeasible": UNBOUNDED,
}  # fmt: skip


@dataclass(frozen=True)
class Solution:
    """What a solver answered; `x` is a direction of endless gain where the status is unbounded."""

    status: str
    x: FloatArray
    z: FloatArray
    solver: str
    iterations: int
    residuals: Residuals


Solver = Callable[[ParametrisedConeProgram, "PortfolioForm | None", ConeData], "Solution | None"]


def solve(canonical: ParametrisedConeProgram, structure: PortfolioForm | None, data: ConeData) -> Solution:
    """Return the first accurate optimum, or a certificate that there is none.

    Raises:
        OptimizationError: no solver came to either.
    """
    failures = []
    small = len(data.a.entries) <= SMALL
    for name in (
        ("guess", "CLARABEL", "structured", "second") if small else ("guess", "structured", "CLARABEL", "second")
    ):
        found = SOLVERS[name](canonical, structure, data)
        if found is None:
            continue
        if found.status in (INFEASIBLE, UNBOUNDED):
            return found  # a certificate, not a failure: another solver would only say it again
        if found.residuals.worst <= (EXACT if name in OWN else ACCURATE):
            return replace(found, status=OPTIMAL)
        failures.append(f"{found.solver} ended with {found.status} at residuals {found.residuals}")
    raise OptimizationError(f"no optimal weights ({'; '.join(failures)}): rescale the inputs or loosen the constraints")


def _guessed(_: ParametrisedConeProgram, structure: PortfolioForm | None, data: ConeData) -> Solution | None:
    if structure is None or not structure.costs(data).any():
        return None
    found = solve_active_set(structure.program(data))
    if found is None:
        return None
    x, z = structure.restore(data, found)
    return Solution(OPTIMAL, x, z, "active set", found.steps, residuals(data, x, z))


def _structured(_: ParametrisedConeProgram, structure: PortfolioForm | None, data: ConeData) -> Solution | None:
    found = minimise(structure.program(data)) if structure is not None else None
    if structure is None or found is None:
        return None
    x, z = structure.restore(data, found)
    return Solution(OPTIMAL, x, z, "structured interior point", found.steps, residuals(data, x, z))


def _clarabel(canonical: ParametrisedConeProgram, _: PortfolioForm | None, data: ConeData) -> Solution | None:
    import clarabel  # type: ignore[import-untyped]

    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = CLARABEL_SETTINGS["tol_gap_abs"]
    settings.tol_gap_rel = CLARABEL_SETTINGS["tol_gap_rel"]
    settings.tol_feas = CLARABEL_SETTINGS["tol_feas"]
    numbers = canonical.upper(data), data.q, data.a.csc, data.b
    found = clarabel.DefaultSolver(*numbers, _cones(canonical), settings).solve()
    x, z = np.asarray(found.x), np.asarray(found.z)
    status = CERTIFICATES.get(str(found.status), OPTIMAL if str(found.status) == "Solved" else str(found.status))
    return Solution(status, x, z, "CLARABEL", found.iterations, residuals(data, x, z))


def _cones(canonical: ParametrisedConeProgram) -> list[object]:
    import clarabel

    dims = canonical.cones
    kinds: list[object] = [clarabel.ZeroConeT(dims.zero)] if dims.zero else []
    kinds += [clarabel.NonnegativeConeT(dims.nonneg)] if dims.nonneg else []
    kinds += [clarabel.SecondOrderConeT(size) for size in dims.soc]
    kinds += [clarabel.PSDTriangleConeT(size) for size in dims.psd]
    kinds += [clarabel.ExponentialConeT()] * dims.exp
    return kinds + [clarabel.PowerConeT(power) for power in dims.p3d]


def _second_opinion(canonical: ParametrisedConeProgram, _: PortfolioForm | None, data: ConeData) -> Solution | None:
    return _osqp(canonical, data) if data.is_quadratic else _scs(canonical, data)


def _osqp(canonical: ParametrisedConeProgram, data: ConeData) -> Solution:
    import osqp  # type: ignore[import-untyped]

    lower = np.where(np.arange(len(data.b)) < data.n_zero, data.b, -np.inf)
    solver = osqp.OSQP()
    solver.setup(
        csc_matrix(canonical.upper(data)), data.q, csc_matrix(data.a.csc), lower, data.b, verbose=False, eps_abs=1e-9,
        eps_rel=1e-9, max_iter=100_000, polishing=True,
    )  # fmt: skip
    found = solver.solve(raise_error=False)
    status = {1: OPTIMAL, 3: INFEASIBLE, 5: UNBOUNDED}.get(found.info.status_val, found.info.status)
    x, z = (np.nan_to_num(np.asarray(part, dtype=np.float64)) for part in (found.x, found.y))
    return Solution(status, x, z, "OSQP", found.info.iter, residuals(data, x, z))


def _scs(canonical: ParametrisedConeProgram, data: ConeData) -> Solution:
    import scs  # type: ignore[import-untyped]

    dims = canonical.cones
    cones = {"z": dims.zero, "l": dims.nonneg, "q": dims.soc, "s": dims.psd, "ep": dims.exp, "p": dims.p3d}
    numbers = {"P": canonical.upper(data), "A": data.a.csc, "b": data.b, "c": data.q}
    found = scs.SCS(numbers, cones, verbose=False, eps_abs=1e-10, eps_rel=1e-10, max_iters=100_000).solve()
    status = {1: OPTIMAL, -2: INFEASIBLE, -1: UNBOUNDED}.get(found["info"]["status_val"], found["info"]["status"])
    x, z = (np.nan_to_num(part) for part in (found["x"], found["y"]))
    return Solution(status, x, z, "SCS", found["info"]["iter"], residuals(data, x, z))


SOLVERS: dict[str, Solver] = {
    "guess": _guessed, "structured": _structured, "CLARABEL": _clarabel, "second": _second_opinion,
}  # fmt: skip
