"""The mean-variance program: compiled once, solved for new numbers, its decisions and failures explained."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cvxpy as cp
import numpy as np
import pandas as pd

from allocation.errors import OptimizationError
from allocation.frames import named
from allocation.optimizer.cardinality import choose_positions
from allocation.optimizer.decision import Decision
from allocation.optimizer.explain import explain_decision
from allocation.optimizer.infeasibility import Conflict, find_conflict
from allocation.optimizer.inputs import asset_vector, factor_loadings, parameter_value
from allocation.optimizer.model.soft import Soft, price_of
from allocation.optimizer.model.symbols import (
    BUDGET,
    EXPECTED_RETURN,
    HELD,
    LOADINGS,
    SPECIFIC,
    Constraint,
    Objective,
    Symbols,
)
from allocation.optimizer.model.terms import NetUtility
from allocation.optimizer.program import Program, ProgramSpec, describe_status, labelled
from allocation.optimizer.solvers.cascade import INFEASIBLE, OPTIMAL, Solution
from allocation.optimizer.solvers.cone_program import Residuals
from allocation.risk.covariance import RiskModel
from newsfolio.shared.arrays import FloatArray

log = logging.getLogger(__name__)

# Below a hundredth of a basis point of NAV a weight is no position and a change no trade: it is solver noise.
DUST = 1e-6
# Utility per session lost per unit by which a relaxed rule is violated: more than anything could earn.
SLACK_PENALTY = 10.0


@dataclass(frozen=True)
class RelaxationOrder:
    """What to do where the rules contradict each other: relax some, one after the other, then perhaps hold.

    relax: rules (as they were passed, or their names) in the order in which they are relaxed, each by as little as
    is needed; hold: keep what is held where that does not help either.
    """

    relax: tuple[Constraint | str, ...] = ()
    hold: bool = True


@dataclass(frozen=True)
class _Outcome:
    """The result of a solve; without a solution what is held is kept."""

    solved: tuple[Program, Solution] | None
    relaxed: tuple[str, ...] = ()
    reason: str = ""


class MeanVariance:
    """A convex program over fixed `assets`, as a DPP problem whose numbers are parameters.

    objective: a callable from Symbols to a concave expression, or several whose sum is meant. constraints: rules, or
    one of them. The assets are
    kept sorted, so that the order in which they were named cannot change a result. One compiled problem is kept
    per number of risk factors. universe: further tickers that tables of terms and rules may name.

    Raises:
        OptimizationError: no asset is named, or one is named twice.

    Example:
        >>> import pandas as pd
        >>> from allocation import LongOnly, MeanVariance, NetUtility, RiskModel
        >>> mu = pd.Series({"A": 1e-3, "B": 5e-4})
        >>> risk = RiskModel(pd.DataFrame({"market": [0.01, 0.01]}, index=mu.index), pd.Series(1e-4, index=mu.index))
        >>> MeanVariance(["A", "B"], NetUtility(cost=0.0), [LongOnly()]).weights(mu, risk, mu * 0).round(3).to_dict()
        {'A': 0.5, 'B': 0.0}
    """

    def __init__(
        self,
        assets: Sequence[str],
        objective: Objective | Sequence[Objective],
        constraints: Constraint | Sequence[Constraint] = (),
        *,
        relaxation_order: RelaxationOrder | None = None,
        universe: Iterable[str] = (),
    ) -> None:
        self.assets = tuple(sorted(assets))
        if not self.assets:
            raise OptimizationError("no asset was named: pass at least one")
        if len(set(self.assets)) < len(self.assets):
            raise OptimizationError(f"an asset is named twice among {named(self.assets)}")
        self.objective = objective
        self.constraints = rules_of(constraints, "constraints", "LongOnly()")
        self.relaxation_order = relaxation_order
        terms = rules_of(objective, "objective", "NetUtility()")
        parts = [part for term in terms if isinstance(term, NetUtility) for part in term.parts()]
        others = [term for term in terms if not isinstance(term, NetUtility)]
        self._spec = ProgramSpec(
            assets=self.assets,
            universe=frozenset(self.assets) | frozenset(universe),
            terms=(*parts, *zip(labelled(others), others, strict=True)),
            rules=tuple(zip(labelled(self.constraints), self.constraints, strict=True)),
        )
        self.index = pd.Index(self.assets)
        self._compiled: dict[tuple[int, int, bool], Program] = {}

    def weights(
        self,
        expected_return: pd.Series,
        risk: RiskModel | pd.DataFrame,
        held: pd.Series,
        *,
        untradable_weight: float = 0.0,
        parameters: Mapping[str, pd.Series | float] | None = None,
    ) -> pd.Series:
        """Return the optimal weights (a fraction of NAV per asset, indexed by the sorted assets).

        expected_return (per session), risk (or a covariance of one session's returns, assets × assets) and held
        (weights before trading) are matched by label;
        `untradable_weight` is the fraction of NAV in assets outside this program, which the budget of 1 must also
        carry; `parameters` has the numbers that terms and rules ask for by name, per asset.
        Weights and trades below 1e-6 of NAV are solver noise and are set to zero.

        Raises:
            OptimizationError: an input lacks an asset or is not finite (assets and values are named), or there is no
                optimum: then the rules that contradict each other are named, and how far each would have to be relaxed.
        """
        values = self.numbers(expected_return, risk, held, untradable_weight, parameters)
        return self._weights(self._solve(values), values)

    def decide(
        self,
        expected_return: pd.Series,
        risk: RiskModel | pd.DataFrame,
        held: pd.Series,
        *,
        untradable_weight: float = 0.0,
        parameters: Mapping[str, pd.Series | float] | None = None,
    ) -> Decision:
        """Return the same weights as `weights`, with all that explains them."""
        numbers = self.numbers(expected_return, risk, held, untradable_weight, parameters)
        values = {name: np.array(some) for name, some in numbers.items()}  # the caller may change its tables later
        outcome = self._solve(values)
        weights, before = self._weights(outcome, values), pd.Series(values[HELD], index=self.index)
        if outcome.solved is None:
            decision = Decision.of_held(weights)
        else:
            decision = explain_decision(*outcome.solved, values, weights, before)
        status = "relaxed" if outcome.relaxed and outcome.solved else decision.status
        budget = float(values[BUDGET])
        return replace(decision, status=status, budget=budget, relaxed=outcome.relaxed, reason=outcome.reason)

    def is_dpp(self, n_factors: int) -> bool:
        """Whether the problem is solved again without being compiled again (disciplined parametrised program)."""
        return bool(self._program(n_factors).problem.is_dcp(dpp=True))

    def numbers(
        self,
        expected_return: pd.Series,
        risk: RiskModel | pd.DataFrame,
        held: pd.Series,
        untradable_weight: float,
        parameters: Mapping[str, pd.Series | float] | None = None,
    ) -> dict[str, FloatArray]:
        """Check the inputs of one rebalancing and return them in the order of `assets`, by name."""
        if not np.isfinite(untradable_weight):
            raise OptimizationError(
                f"untradable_weight is {untradable_weight}: pass the fraction of NAV in assets outside the program"
            )
        risk = RiskModel.from_covariance(risk)
        loadings = factor_loadings(risk, self.index)
        named_values = parameters or {}
        values = {
            EXPECTED_RETURN: asset_vector(expected_return, self.index, "expected return"),
            LOADINGS: loadings,
            SPECIFIC: asset_vector(risk.specific, self.index, "specific variance"),
            HELD: asset_vector(held, self.index, "held weight"),
            BUDGET: np.array(1.0 - untradable_weight),
        }
        inputs = self._program(loadings.shape[1]).inputs
        for name in inputs.named:
            if name not in named_values:
                raise OptimizationError(f"a term or rule needs {name!r}: pass it in `parameters`, one number per asset")
            values[name] = inputs.check(name, parameter_value(named_values[name], self.index, name))
        inputs.check_bounds(values)
        return values

    def conflict(self, values: Mapping[str, FloatArray]) -> Conflict | None:
        """The rules that contradict each other for these `numbers`; None where none do."""
        return find_conflict(self._program(values[LOADINGS].shape[1]), values)

    def utility(self, symbols: Symbols) -> cp.Expression:
        """The sum of the objective's terms."""
        return sum((term(symbols) for _, term in self._spec.terms), start=cp.Constant(0.0))

    def _solve(self, values: dict[str, FloatArray]) -> _Outcome:
        """Solve; where rules contradict each other, relax one more of them at a time."""
        n_factors = values[LOADINGS].shape[1]
        program, solution = self._attempt(n_factors, 0, values)
        if solution.status == OPTIMAL:
            return _Outcome((program, solution))
        reason = self._why_not(program, solution, values)
        if self.relaxation_order is None or solution.status != INFEASIBLE:
            raise OptimizationError(reason)
        order = self._relaxed_names()
        for n_relaxed in range(1, len(order) + 1):
            program, solution = self._attempt(n_factors, n_relaxed, values)
            if solution.status == OPTIMAL:
                log.warning("%s; relaxed %s", reason, named(order[:n_relaxed]))
                return _Outcome((program, solution), tuple(order[:n_relaxed]), reason)
        if not self.relaxation_order.hold:
            raise OptimizationError(f"{reason}; relaxing {named(order) or 'nothing'} did not help")
        log.warning("%s; what is held is kept", reason)
        return _Outcome(None, tuple(order), reason)

    def _attempt(self, n_factors: int, n_relaxed: int, values: dict[str, FloatArray]) -> tuple[Program, Solution]:
        program = self._program(n_factors, n_relaxed)
        if not program.is_integer:
            return program, program.solve(values)
        choice = choose_positions(program, values)
        if choice is None:
            nothing, unknown = np.zeros(0), Residuals(np.inf, np.inf, np.inf)
            return program, Solution(INFEASIBLE, nothing, nothing, "SCIP", 0, unknown)
        values["choice"] = choice
        program = self._program(n_factors, n_relaxed, choice_is_fixed=True)
        return program, program.solve(values)

    def _why_not(self, program: Program, solution: Solution, values: Mapping[str, FloatArray]) -> str:
        failed = f"no optimal weights ({solution.solver} {solution.status})"
        if solution.status == INFEASIBLE:
            conflict = find_conflict(program, values)
            if conflict is not None:
                return f"{failed}: the constraints contradict each other: {conflict}: loosen one"
            return f"{failed}: {describe_status(solution.status)}"
        direction = np.abs(program.weights(solution))
        unbounded = self.index[direction > DUST * max(1.0, direction.max())]
        where = f"; unbounded in {named(unbounded)}" if len(unbounded) else ""
        return f"{failed}: {describe_status(solution.status)}{where}"

    def _relaxed_names(self) -> list[str]:
        """The names of the rules to relax, in order."""
        order = []
        for wanted in self.relaxation_order.relax if self.relaxation_order else ():
            name = next((name for name, rule in self._spec.rules if wanted in (name, rule)), None)
            if name is None:
                names = named(name for name, _ in self._spec.rules)
                raise OptimizationError(f"the relaxation order has {wanted}, which is none of the rules: {names}")
            order.append(name)
        return order

    def _program(self, n_factors: int, n_relaxed: int = 0, *, choice_is_fixed: bool = False) -> Program:
        key = n_factors, n_relaxed, choice_is_fixed
        if key not in self._compiled:
            soft = set(self._relaxed_names()[:n_relaxed])
            rules = tuple(
                (name, Soft(rule, SLACK_PENALTY) if name in soft and price_of(rule) is None else rule)
                for name, rule in self._spec.rules
            )
            self._compiled[key] = Program(replace(self._spec, rules=rules), n_factors, choice_is_fixed=choice_is_fixed)
        return self._compiled[key]

    def __getstate__(self) -> dict[str, object]:
        """Compiled programs hold solver handles, which no process can pass on: a copy compiles its own."""
        return self.__dict__ | {"_compiled": {}}

    def _weights(self, outcome: _Outcome, values: Mapping[str, FloatArray]) -> pd.Series:
        clean = values[HELD]
        if outcome.solved is not None:
            program, solution = outcome.solved
            clean = without_dust(program.weights(solution), values[HELD])
        return pd.Series(clean, index=self.index)


def rules_of(
    given: Constraint | Sequence[Constraint] | Objective | Sequence[Objective], what: str, such: str
) -> tuple[Any, ...]:
    """Return terms or rules as a tuple, one alone as well.

    Raises:
        OptimizationError: one is a class, or cannot be called.
    """
    rules = (given,) if callable(given) or isinstance(given, str) or not isinstance(given, Iterable) else tuple(given)
    for rule in rules:
        if isinstance(rule, type):
            raise OptimizationError(f"{what}: {rule.__name__} is a class: write {rule.__name__}(...)")
        if not callable(rule):
            raise OptimizationError(f"{what}: {rule!r} is no rule: pass callables such as {such}")
    return rules


def without_dust(weights: FloatArray, held: FloatArray) -> FloatArray:
    """Snap to zero, then to what is held, so that solver noise neither shorts nor trades, nor borrows."""
    clean = np.where(np.abs(weights) < DUST, 0.0, weights)
    kept = np.where(np.abs(clean - held) < DUST, held, clean)
    # A hundred assets, each moved up by a little less than DUST, together spend what is not there.
    return kept if kept.sum() - weights.sum() < DUST / 2 else clean
