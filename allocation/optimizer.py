"""The mean-variance program: compiled once, re-solved by value, its failures said aloud."""

import warnings
from collections.abc import Sequence

import cvxpy as cp
import numpy as np
import pandas as pd

from allocation.errors import OptimizationError
from allocation.frames import named
from allocation.risk import RiskModel
from allocation.terms import Constraint, Objective, Symbols

# Daily returns are tiny beside the solvers' absolute tolerances: an unscaled objective stops 0.3 % early.
OBJECTIVE_SCALE = 252.0
# Solver dust below a hundredth of a basis point of NAV: not a position, not a trade.
DUST = 1e-6
# Interior point first, as it is exact and knows nothing of the last solve; a first-order second opinion.
# A gap is in units of the objective, and where a bound or a cost binds only just, weights are off by its square
# root: a gap of 1e-8 is a trade of 1e-4.
SOLVERS: dict[str, dict[str, float]] = {
    cp.CLARABEL: {"tol_gap_abs": 1e-14, "tol_gap_rel": 1e-14, "tol_feas": 1e-12},
    cp.OSQP: {"eps_abs": 1e-9, "eps_rel": 1e-9, "max_iter": 100_000, "polishing": True},
}


class MeanVariance:
    """A convex program over fixed `assets`, as a DPP problem whose numbers are parameters.

    The assets are kept sorted, so that the order in which they were named cannot change a result. One
    compiled problem is kept per number of risk factors.
    """

    def __init__(self, assets: Sequence[str], objective: Objective, constraints: Sequence[Constraint] = ()) -> None:
        """Raise OptimizationError where no asset is named, or one is named twice."""
        self.assets = tuple(sorted(assets))
        if not self.assets:
            raise OptimizationError("no asset was named: pass at least one")
        if len(set(self.assets)) < len(self.assets):
            raise OptimizationError(f"an asset is named twice among {named(self.assets)}")
        self.objective = objective
        self.constraints = tuple(constraints)
        self._compiled: dict[int, _Program] = {}

    def weights(
        self, expected_return: pd.Series, risk: RiskModel, held: pd.Series, *, locked: float = 0.0
    ) -> pd.Series:
        """Return the optimal weights (a fraction of NAV per asset, indexed by the sorted assets).

        expected_return (per session), risk and held (weights before trading) are matched by label; `locked`
        is the fraction of NAV in assets outside this program, which the budget of 1 must also carry.
        Weights and trades below 1e-6 of NAV are solver dust and are set to zero.

        Raises:
            OptimizationError: an input lacks an asset or is not finite, or no solver found an optimum.
        """
        if not np.isfinite(locked):
            raise OptimizationError(f"locked is {locked}: give the fraction of NAV in assets outside the program")
        loadings = self._loadings(risk)
        program = self._program(loadings.shape[1])
        program.update(
            self._vector(expected_return, "expected return"),
            loadings,
            self._vector(risk.specific, "specific variance"),
            self._vector(held, "held weight"),
            1.0 - locked,
        )
        return pd.Series(_without_dust(program.solve(), program.held.value), index=list(self.assets))

    def is_dpp(self, n_factors: int) -> bool:
        """Whether the problem re-solves without being compiled again (disciplined parametrised program)."""
        return bool(self._program(n_factors).problem.is_dcp(dpp=True))

    def _program(self, n_factors: int) -> "_Program":
        if n_factors not in self._compiled:
            self._compiled[n_factors] = _Program(self.assets, n_factors, self.objective, self.constraints)
        return self._compiled[n_factors]

    def __getstate__(self) -> dict[str, object]:
        """Compiled programs hold solver handles, which no process can pass on: a copy compiles its own."""
        return self.__dict__ | {"_compiled": {}}

    def _loadings(self, risk: RiskModel) -> np.ndarray:
        missing = pd.Index(self.assets).difference(risk.assets)
        if len(missing):
            raise OptimizationError(f"the risk model lacks {named(missing)}: estimate it on all assets of the program")
        loadings = risk.factors.loc[list(self.assets)].to_numpy(dtype=np.float64)
        # cvxpy knows no parameter without rows: a diagonal covariance has one factor that carries nothing.
        return loadings if loadings.shape[1] else np.zeros((len(self.assets), 1))

    def _vector(self, values: pd.Series, what: str) -> np.ndarray:
        if values.index.has_duplicates:
            twice = values.index[values.index.duplicated()][0]
            raise OptimizationError(f"{what} of {twice} is there twice: keep one")
        vector = values.reindex(list(self.assets)).to_numpy(dtype=np.float64)
        broken = ~np.isfinite(vector)
        if broken.any():
            where = named(np.asarray(self.assets)[broken])
            raise OptimizationError(f"{what} of {where} is missing, NaN or infinite: give a number for each asset")
        return vector


class _Program:
    """One cvxpy problem of a fixed shape, and the parameters that its values enter by."""

    def __init__(
        self, assets: tuple[str, ...], n_factors: int, objective: Objective, constraints: Sequence[Constraint]
    ) -> None:
        n_assets = len(assets)
        weights = cp.Variable(n_assets, name="weights")
        self.mu = cp.Parameter(n_assets, name="expected_return")
        self.factors_t = cp.Parameter((n_factors, n_assets), name="factors_transposed")
        self.specific_sd = cp.Parameter(n_assets, nonneg=True, name="specific_sd")
        self.held = cp.Parameter(n_assets, name="held")
        self.budget = cp.Parameter(name="budget")
        variance = cp.sum_squares(self.factors_t @ weights) + cp.sum_squares(cp.multiply(self.specific_sd, weights))
        symbols = Symbols(assets, weights, self.held, self.mu @ weights, variance, self.budget - cp.sum(weights))
        self.weights = weights
        self.problem = cp.Problem(
            _goal(objective, symbols),
            [rule for constraint in constraints for rule in _rules(constraint, symbols)],
        )
        if not self.problem.is_dcp():
            raise OptimizationError(
                "the objective is not concave or a constraint is not convex (cvxpy's DCP rules): "
                "subtract risks and costs, and bound convex terms from above only"
            )

    def update(
        self, mu: np.ndarray, factors: np.ndarray, specific: np.ndarray, held: np.ndarray, budget: float
    ) -> None:
        self.mu.value = mu
        self.factors_t.value = factors.T
        self.specific_sd.value = np.sqrt(specific)
        self.held.value = held
        self.budget.value = budget

    def solve(self) -> np.ndarray:
        failures = []
        for solver in SOLVERS:
            status = self._attempt(solver)
            if status == cp.OPTIMAL:
                return np.asarray(self.weights.value)
            failures.append(f"{solver} {status}")
            if status in (cp.INFEASIBLE, cp.UNBOUNDED):
                break  # a certificate, not a failure: another solver would only say it again
        raise OptimizationError(f"no optimal weights ({', '.join(failures)}): {_remedy(failures)}")

    def _attempt(self, solver: str) -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # inaccurate solutions: the status says it too
            try:
                self.problem.solve(solver=solver, warm_start=False, **SOLVERS[solver])
            except cp.SolverError as error:
                return f"failed ({error})"
        return str(self.problem.status)


def _goal(objective: Objective, symbols: Symbols) -> cp.Maximize:
    utility = objective(symbols)
    try:
        return cp.Maximize(OBJECTIVE_SCALE * utility)
    except (TypeError, ValueError) as error:
        raise OptimizationError(f"the objective returned {utility}, which is not one number: sum it up") from error


def _rules(constraint: Constraint, symbols: Symbols) -> list[cp.Constraint]:
    rules = constraint(symbols)
    if not isinstance(rules, (list, tuple)) or not all(isinstance(rule, (cp.Constraint, bool)) for rule in rules):
        raise OptimizationError(f"a constraint returned {rules}: return a list of cvxpy constraints, [{rules}]")
    return list(rules)


def _remedy(failures: list[str]) -> str:
    if any(cp.UNBOUNDED in failure for failure in failures):
        return "nothing limits the gain; add a risk term or bounds"
    if any(cp.INFEASIBLE in failure for failure in failures):
        return "the constraints contradict each other or the held weights; loosen one"
    return "rescale the inputs or loosen the constraints"


def _without_dust(weights: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Snap to zero, then to what is held, so that solver noise neither shorts nor trades, nor borrows."""
    clean = np.where(np.abs(weights) < DUST, 0.0, weights)
    kept = np.where(np.abs(clean - held) < DUST, held, clean)
    # A hundred assets, each moved up by a little less than DUST, together spend what is not there.
    return kept if kept.sum() - weights.sum() < DUST / 2 else clean
