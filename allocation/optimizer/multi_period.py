"""Several rebalancings planned together: a forecast that decays is worth trading on only as far as it lasts."""

from collections.abc import Mapping, Sequence
from itertools import product

import cvxpy as cp
import numpy as np
import pandas as pd

from allocation.errors import OptimizationError
from allocation.optimizer.inputs import asset_vector
from allocation.optimizer.mean_variance import MeanVariance, without_dust
from allocation.optimizer.model.soft import price_of, softened
from allocation.optimizer.model.symbols import (
    BUDGET,
    EXPECTED_RETURN,
    HELD,
    LOADINGS,
    SPECIFIC,
    Constraint,
    Inputs,
    Objective,
    Symbols,
)
from allocation.optimizer.program import OBJECTIVE_SCALE, describe_status, rules_of
from allocation.optimizer.solvers.cascade import INFEASIBLE, OPTIMAL, Solution, SolverForms, solve
from allocation.optimizer.solvers.cone_program import ParametrisedConeProgram
from allocation.risk.covariance import RiskModel
from newsfolio.shared.arrays import FloatArray


class MultiPeriod:
    """The same objective and constraints at each of `n_steps` rebalancings, each from the weights of the one before.

    Drift between the steps is neglected, since later steps are decided again when they are due: trade the first row,
    then plan again. (S. Boyd et al., "Multi-period trading via convex optimization", Foundations and
    Trends in Optimization 3(1), 2017.)
    """

    def __init__(
        self, assets: Sequence[str], objective: Objective, constraints: Sequence[Constraint] = (), *, n_steps: int
    ) -> None:
        """Raise OptimizationError where there is no asset or no step."""
        if n_steps < 1:
            raise OptimizationError(f"n_steps is {n_steps}: a plan has at least one step")
        self._single = MeanVariance(assets, objective, constraints)  # checks names and inputs
        self.assets, self.n_steps = self._single.assets, n_steps
        self._compiled: dict[int, _Plan] = {}

    def plan(
        self, expected_returns: pd.DataFrame, risk: RiskModel, held: pd.Series, *, untradable_weight: float = 0.0
    ) -> pd.DataFrame:
        """Return the weights after each step (steps × assets); the first row is what to trade to now.

        expected_returns (steps × assets): per session, during the step; the other inputs as in MeanVariance.

        Raises:
            OptimizationError: an input lacks a step or an asset or is not finite, or there is no optimum.
        """
        if len(expected_returns) != self.n_steps:
            raise OptimizationError(f"{len(expected_returns)} forecasts for {self.n_steps} steps: pass one for each")
        values = self._single.numbers(expected_returns.iloc[0], risk, held, untradable_weight)
        for step in range(self.n_steps):
            values[_forecast(step)] = asset_vector(
                expected_returns.iloc[step], self._single.index, f"expected return of step {step + 1}"
            )
        n_factors = values[LOADINGS].shape[1]
        if n_factors not in self._compiled:
            self._compiled[n_factors] = _Plan(self._single, self.n_steps, n_factors)
        plan = self._compiled[n_factors]
        found = solve(plan.forms, plan.cone_program.apply(values))
        if found.status != OPTIMAL:
            raise OptimizationError(f"no optimal plan ({found.solver} {found.status}): {self._why_not(found, values)}")
        weights = plan.weights_of(found)
        weights[0] = without_dust(weights[0], values[HELD])
        return pd.DataFrame(weights, columns=list(self.assets), index=expected_returns.index)

    def _why_not(self, found: Solution, values: Mapping[str, FloatArray]) -> str:
        """The rules that conflict at the first step; later ones start from the weights of the first."""
        conflict = self._single.conflict(values) if found.status == INFEASIBLE else None
        if conflict is None:
            return describe_status(found.status)
        return f"the constraints contradict each other at the first step: {conflict}: loosen one"


def _forecast(step: int) -> str:
    return f"{EXPECTED_RETURN} {step + 1}"


def _no_choice() -> cp.Expression:
    raise OptimizationError("cardinality rules cannot be planned ahead: leave them out")


class _Plan:
    """One compiled problem over all steps."""

    def __init__(self, single: MeanVariance, n_steps: int, n_factors: int) -> None:
        self.inputs = Inputs(single.assets, frozenset(single.assets))
        n, inputs = len(single.assets), self.inputs
        self.budget = inputs.parameter((), lambda v: v[BUDGET])
        self.loadings = inputs.parameter((n_factors, n), lambda v: v[LOADINGS].T)
        self.deviation = inputs.parameter(n, lambda v: np.sqrt(v[SPECIFIC]), nonneg=True)
        before: cp.Expression = inputs.parameter(n, lambda v: v[HELD])
        steps = []
        for step in range(n_steps):
            steps.append(self._symbols(single.assets, step, before))
            before = steps[-1].weights
        self.weights = [symbols.weights for symbols in steps]
        utility = sum((single.utility(symbols) for symbols in steps), start=cp.Constant(0.0))
        rules: list[cp.Constraint] = []
        for symbols, constraint in product(steps, single.constraints):
            price, obeyed = price_of(constraint), rules_of(constraint, symbols)
            if price is not None:
                soft = softened(obeyed)
                obeyed, utility = [*soft.rows, *soft.slacks], utility - price * soft.violation
            rules += obeyed
        self.cone_program = ParametrisedConeProgram(
            cp.Problem(cp.Maximize(OBJECTIVE_SCALE * utility), rules), inputs.computes
        )
        self.forms = SolverForms(
            self.cone_program, slice(0, 0), [self.cone_program.columns_of(weights) for weights in self.weights]
        )

    def _symbols(self, assets: tuple[str, ...], step: int, held: cp.Expression) -> Symbols:
        name = _forecast(step)
        weights = cp.Variable(len(assets))
        mu = self.inputs.parameter(len(assets), lambda v: v[name])
        variance = cp.sum_squares(self.loadings @ weights) + cp.sum_squares(cp.multiply(self.deviation, weights))
        return Symbols(
            assets=assets,
            weights=weights,
            held=held,
            expected_return=mu @ weights,
            variance=variance,
            cash=self.budget - cp.sum(weights),
            inputs=self.inputs,
            loadings=self.loadings,
            specific_sd=self.deviation,
            choose=_no_choice,
        )

    def weights_of(self, solution: Solution) -> FloatArray:
        """The weights in a solution, steps × assets."""
        return np.array([solution.x[self.cone_program.columns_of(weights)] for weights in self.weights])
