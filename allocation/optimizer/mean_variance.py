"""The mean-variance program: compiled once, re-solved by value, its decisions and failures explained."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import cvxpy as cp
import numpy as np
import pandas as pd

from allocation.errors import OptimizationError
from allocation.frames import named
from allocation.optimizer.cardinality import choose_positions
from allocation.optimizer.decision import Decision
from allocation.optimizer.explain import explain_decision
from allocation.optimizer.infeasibility import Conflict, find_conflict
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

# Solver dust below a hundredth of a basis point of NAV: not a position, not a trade.
DUST = 1e-6
# Utility per session lost per unit by which a relaxed rule is broken: more than anything could earn.
SLACK_PENALTY = 10.0
NO_CHOICE = Solution(INFEASIBLE, np.zeros(0), np.zeros(0), "SCIP", 0, Residuals(np.inf, np.inf, np.inf))


@dataclass(frozen=True)
class RelaxationOrder:
    """What to do where the rules contradict each other: let some give way, one after the other, then perhaps hold.

    relax: rules (as they were passed, or their names) in the order in which they give way, each by as little as
    is needed; hold: keep what is held where that does not help either.
    """

    relax: tuple[Constraint | str, ...] = ()
    hold: bool = True


class MeanVariance:
    """A convex program over fixed `assets`, as a DPP problem whose numbers are parameters.

    objective: a callable from Symbols to a concave expression, or several whose sum is meant. The assets are
    kept sorted, so that the order in which they were named cannot change a result. One compiled problem is kept
    per number of risk factors. known: the tickers that tables of terms and rules may name beside `assets`.
    """

    def __init__(
        self,
        assets: Sequence[str],
        objective: Objective | Sequence[Objective],
        constraints: Sequence[Constraint] = (),
        *,
        ladder: RelaxationOrder | None = None,
        known: Iterable[str] = (),
    ) -> None:
        """Raise OptimizationError where no asset is named, or one is named twice."""
        self.assets = tuple(sorted(assets))
        if not self.assets:
            raise OptimizationError("no asset was named: pass at least one")
        if len(set(self.assets)) < len(self.assets):
            raise OptimizationError(f"an asset is named twice among {named(self.assets)}")
        self.objective = objective
        self.constraints = tuple(constraints)
        self.ladder = ladder
        rules = tuple(zip(labelled(self.constraints), self.constraints, strict=True))
        self._recipe = ProgramSpec(
            self.assets, frozenset(self.assets) | frozenset(known), _named_terms(objective), rules
        )
        self._index = pd.Index(self.assets)
        self._compiled: dict[tuple[int, int], Program] = {}

    def weights(
        self,
        expected_return: pd.Series,
        risk: RiskModel,
        held: pd.Series,
        *,
        locked: float = 0.0,
        given: Mapping[str, pd.Series | float] | None = None,
    ) -> pd.Series:
        """Return the optimal weights (a fraction of NAV per asset, indexed by the sorted assets).

        expected_return (per session), risk and held (weights before trading) are matched by label; `locked`
        is the fraction of NAV in assets outside this program, which the budget of 1 must also carry; `given`
        has the numbers that terms and rules ask for by name, per asset.
        Weights and trades below 1e-6 of NAV are solver dust and are set to zero.

        Raises:
            OptimizationError: an input lacks an asset or is not finite (assets and values are named), or there is no
                optimum: then the rules that contradict each other are named, and by how much each would have to give.
        """
        values = self.numbers(expected_return, risk, held, locked, given)
        return pd.Series(self._clean(self._solve(values), values), index=self._index)

    def decide(
        self,
        expected_return: pd.Series,
        risk: RiskModel,
        held: pd.Series,
        *,
        locked: float = 0.0,
        given: Mapping[str, pd.Series | float] | None = None,
    ) -> Decision:
        """Return the same weights as `weights`, with all that explains them."""
        numbers = self.numbers(expected_return, risk, held, locked, given)
        values = {name: np.array(some) for name, some in numbers.items()}  # the caller may change its tables later
        outcome = self._solve(values)
        weights = pd.Series(self._clean(outcome, values), index=self._index)
        before = pd.Series(values[HELD], index=self._index)
        if outcome.solved is None:
            exact, nothing = Residuals(0.0, 0.0, 0.0), pd.Series(dtype=float)
            decision = Decision(weights, before, "held", "none", 0, exact, nothing, ())
        else:
            decision = explain_decision(*outcome.solved, values, weights, before)
        status = "relaxed" if outcome.relaxed and outcome.solved else decision.status
        budget = float(values[BUDGET])
        return replace(decision, status=status, budget=budget, relaxed=outcome.relaxed, reason=outcome.reason)

    def is_dpp(self, n_factors: int) -> bool:
        """Whether the problem re-solves without being compiled again (disciplined parametrised program)."""
        return bool(self._program(n_factors).problem.is_dcp(dpp=True))

    def _solve(self, values: dict[str, FloatArray]) -> "_Outcome":
        """Solve, then climb down the ladder."""
        n_factors = values[LOADINGS].shape[1]
        program, solution = self._attempt(n_factors, 0, values)
        if solution.status == OPTIMAL:
            return _Outcome((program, solution))
        reason = self._why_not(program, solution, values)
        if self.ladder is None or solution.status != INFEASIBLE:
            raise OptimizationError(reason)
        order = self._relaxation()
        for rung in range(1, len(order) + 1):
            program, solution = self._attempt(n_factors, rung, values)
            if solution.status == OPTIMAL:
                log.warning("%s; relaxed %s", reason, named(order[:rung]))
                return _Outcome((program, solution), tuple(order[:rung]), reason)
        if not self.ladder.hold:
            raise OptimizationError(f"{reason}; relaxing {named(order) or 'nothing'} did not help")
        log.warning("%s; what is held is kept", reason)
        return _Outcome(None, tuple(order), reason)

    def _attempt(self, n_factors: int, rung: int, values: dict[str, FloatArray]) -> tuple[Program, Solution]:
        program = self._program(n_factors, rung)
        if not program.is_integer:
            return program, program.solve(values)
        choice = choose_positions(program, values)
        if choice is None:
            return program, NO_CHOICE
        values["choice"] = choice
        program = self._program(n_factors, rung, choice_is_given=True)
        return program, program.solve(values)

    def _why_not(self, program: Program, solution: Solution, values: Mapping[str, FloatArray]) -> str:
        failed = f"no optimal weights ({solution.solver} {solution.status})"
        conflict = find_conflict(program, values) if solution.status == INFEASIBLE else None
        if conflict is not None:
            return f"{failed}: the constraints contradict each other: {conflict}: loosen one"
        text = f"{failed}: {describe_status(solution.status)}"
        direction = program.weights(solution) if solution.status != INFEASIBLE else np.zeros(len(self.assets))
        endless = self._index[np.abs(direction) > DUST * max(1.0, np.abs(direction).max())]
        return f"{text}; without end grow {named(endless)}" if len(endless) else text

    def _relaxation(self) -> list[str]:
        names = {name for name, _ in self._recipe.rules}
        by_rule = [(rule, name) for name, rule in self._recipe.rules]
        order = []
        for wanted in self.ladder.relax if self.ladder else ():
            name = wanted if isinstance(wanted, str) else next((n for rule, n in by_rule if rule == wanted), None)
            if name not in names:
                raise OptimizationError(f"the ladder relaxes {wanted}, which is none of the rules: {named(names)}")
            order.append(str(name))
        return order

    def _program(self, n_factors: int, rung: int = 0, *, choice_is_given: bool = False) -> Program:
        key = n_factors, 2 * rung + choice_is_given
        if key not in self._compiled:
            soft = set(self._relaxation()[:rung])
            rules = tuple(
                (name, Soft(rule, SLACK_PENALTY) if name in soft and price_of(rule) is None else rule)
                for name, rule in self._recipe.rules
            )
            recipe = replace(self._recipe, rules=rules)
            self._compiled[key] = Program(recipe, n_factors, choice_is_given=choice_is_given)
        return self._compiled[key]

    def __getstate__(self) -> dict[str, object]:
        """Compiled programs hold solver handles, which no process can pass on: a copy compiles its own."""
        return self.__dict__ | {"_compiled": {}}

    def _clean(self, outcome: "_Outcome", values: Mapping[str, FloatArray]) -> FloatArray:
        if outcome.solved is None:
            return values[HELD]
        program, solution = outcome.solved
        return without_dust(program.weights(solution), values[HELD])

    def numbers(
        self,
        expected_return: pd.Series,
        risk: RiskModel,
        held: pd.Series,
        locked: float,
        given: Mapping[str, pd.Series | float] | None = None,
    ) -> dict[str, FloatArray]:
        """Check the inputs of one rebalancing and return them in the order of `assets`, by name."""
        if not np.isfinite(locked):
            raise OptimizationError(f"locked is {locked}: give the fraction of NAV in assets outside the program")
        loadings = self._loadings(risk)
        values = {
            EXPECTED_RETURN: self.vector(expected_return, "expected return"),
            LOADINGS: loadings,
            SPECIFIC: self.vector(risk.specific, "specific variance"),
            HELD: self.vector(held, "held weight"),
            BUDGET: np.array(1.0 - locked),
        }
        return values | self._given(given or {}, loadings.shape[1])

    def _given(self, given: Mapping[str, pd.Series | float], n_factors: int) -> dict[str, FloatArray]:
        inputs = self._program(n_factors).inputs
        missing = [name for name in inputs.given if name not in given]
        if missing:
            raise OptimizationError(f"{missing[0]!r} is asked for by a term or rule: pass it in given, one per asset")
        values = {name: inputs.check(name, self._numbers(given[name], name)) for name in inputs.given}
        inputs.check_bounds(values)
        return values

    def _numbers(self, numbers: pd.Series | float, name: str) -> FloatArray:
        if isinstance(numbers, pd.Series):
            return self.vector(numbers, name)
        if not np.isfinite(numbers):
            raise OptimizationError(f"{name} is {numbers}: give a finite number")
        return np.asarray(numbers, dtype=np.float64)

    def _loadings(self, risk: RiskModel) -> FloatArray:
        if risk.assets.equals(self._index):
            loadings = risk.factors.to_numpy(dtype=np.float64)
        else:
            missing = self._index.difference(risk.assets)
            if len(missing):
                raise OptimizationError(
                    f"the risk model lacks {named(missing)}: estimate it on all assets of the program"
                )
            loadings = risk.factors.loc[list(self.assets)].to_numpy(dtype=np.float64)
        # cvxpy knows no parameter without rows: a diagonal covariance has one factor that carries nothing.
        return loadings if loadings.shape[1] else np.zeros((len(self.assets), 1))

    def conflict(self, values: Mapping[str, FloatArray]) -> Conflict | None:
        """The rules that contradict each other for these `numbers`; None where none do."""
        return find_conflict(self._program(values[LOADINGS].shape[1]), values)

    def utility(self, symbols: Symbols) -> cp.Expression:
        """The sum of the objective's terms."""
        return sum((term(symbols) for _, term in self._recipe.terms), start=cp.Constant(0.0))

    def vector(self, values: pd.Series, what: str) -> FloatArray:
        """Return one finite number per asset, in order."""
        if values.index.equals(self._index):
            vector = values.to_numpy(dtype=np.float64)
        elif values.index.has_duplicates:
            twice = values.index[values.index.duplicated()][0]
            raise OptimizationError(f"{what} of {twice} is there twice: keep one")
        else:
            vector = values.reindex(self._index).to_numpy(dtype=np.float64)
        broken = np.flatnonzero(~np.isfinite(vector))
        if len(broken):
            there = self._index.isin(values.index)
            found = [f"{self.assets[i]} ({vector[i] if there[i] else 'missing'})" for i in broken]
            raise OptimizationError(f"{what} of {named(found)} is no finite number: give one for each asset")
        return vector


@dataclass(frozen=True)
class _Outcome:
    """What came of a solve; nothing solved means that what is held is kept."""

    solved: tuple[Program, Solution] | None
    relaxed: tuple[str, ...] = ()
    reason: str = ""


def _named_terms(objective: Objective | Sequence[Objective]) -> tuple[tuple[str, Objective], ...]:
    terms = list(objective) if isinstance(objective, Sequence) else [objective]
    parts = [part for term in terms if isinstance(term, NetUtility) for part in term.parts()]
    others = [term for term in terms if not isinstance(term, NetUtility)]
    return (*parts, *zip(labelled(others), others, strict=True))


def without_dust(weights: FloatArray, held: FloatArray) -> FloatArray:
    """Snap to zero, then to what is held, so that solver noise neither shorts nor trades, nor borrows."""
    clean = np.where(np.abs(weights) < DUST, 0.0, weights)
    kept = np.where(np.abs(clean - held) < DUST, held, clean)
    # A hundred assets, each moved up by a little less than DUST, together spend what is not there.
    return kept if kept.sum() - weights.sum() < DUST / 2 else clean
