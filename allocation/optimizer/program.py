"""One compiled program of a fixed shape: its terms and rules by name, its parameters, its solution."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, SimpleNamespace

import cvxpy as cp
import numpy as np

from allocation.errors import OptimizationError
from allocation.optimizer.model.soft import Soft, price_of, softened
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
from allocation.optimizer.solvers.cascade import INFEASIBLE, UNBOUNDED, Solution, SolverForms, solve
from allocation.optimizer.solvers.cone_program import ParametrisedConeProgram
from newsfolio.shared.arrays import FloatArray

# Daily returns are tiny against the solvers' absolute tolerances: an unscaled objective stops 0.3 % early.
OBJECTIVE_SCALE = 252.0
LONGEST_LABEL = 90


@dataclass(frozen=True)
class ProgramSpec:
    """What a program is compiled from: terms and rules by unique name, in order."""

    assets: tuple[str, ...]
    universe: frozenset[str]
    terms: tuple[tuple[str, Objective], ...]
    rules: tuple[tuple[str, Constraint], ...]


def labelled(things: Sequence[Objective | Constraint]) -> list[str]:
    """Return a name for each term or rule: what it prints as, numbered where two print the same."""
    names: list[str] = []
    for thing in things:
        name = _label(thing)
        names.append(name if name not in names else f"{name} #{sum(n.startswith(name) for n in names) + 1}")
    return names


def _label(thing: Objective | Constraint) -> str:
    if isinstance(thing, FunctionType):  # a lambda's own name says nothing: its line does
        code = thing.__code__
        return f"{thing.__name__} ({Path(code.co_filename).name}:{code.co_firstlineno})"
    if isinstance(thing, Soft):
        return f"soft {_label(thing.rule)}"
    text = repr(thing)
    return text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 3]}..."


class Program:
    """A cvxpy problem over `spec.assets`, compiled once; its numbers enter as parameters.

    choice_is_fixed: of a mixed-integer program, whether the selection of positions is an input.
    """

    def __init__(self, spec: ProgramSpec, n_factors: int, *, choice_is_fixed: bool = False) -> None:
        self.spec, self.choice_is_fixed = spec, choice_is_fixed
        self.inputs = Inputs(spec.assets, spec.universe)
        self.choice: cp.Expression | None = None
        self.symbols = self._symbols(n_factors)
        self.terms = {name: _number(term, self.symbols) for name, term in spec.terms}
        self.rules = {name: rules_of(rule, self.symbols) for name, rule in spec.rules}
        # As they are in the problem: soft ones with their slacks. What violating them costs, by rule.
        self.enforced, self.penalties = dict(self.rules), dict[str, cp.Expression]()
        constraints: list[cp.Constraint] = []
        for name, rule in spec.rules:
            price = price_of(rule)
            if price is not None:
                soft = softened(self.rules[name])
                self.enforced[name], self.penalties[name] = soft.rows, -price * soft.violation
                constraints += soft.slacks
            constraints += self.enforced[name]
        utility = sum([*self.terms.values(), *self.penalties.values()], start=cp.Constant(0.0))
        self.problem = cp.Problem(cp.Maximize(OBJECTIVE_SCALE * utility), constraints)
        self.is_integer = bool(self.problem.is_mixed_integer())
        if not self.problem.is_dcp():
            raise OptimizationError(
                "the objective is not concave or a constraint is not convex (cvxpy's DCP rules): "
                "subtract risks and costs, and bound convex terms from above only"
            )
        self.cone_program: ParametrisedConeProgram | None = (
            None if self.is_integer else ParametrisedConeProgram(self.problem, self.inputs.computes)
        )
        if self.cone_program is not None:
            self.weights_at = self.cone_program.columns_of(self.symbols.weights)
            self.forms = SolverForms(self.cone_program, self.weights_at)

    def _symbols(self, n_factors: int) -> Symbols:
        assets, inputs = self.spec.assets, self.inputs
        n = len(assets)
        weights = cp.Variable(n, name="weights")
        mu = inputs.parameter(n, lambda v: v[EXPECTED_RETURN])
        loadings = inputs.parameter((n_factors, n), lambda v: v[LOADINGS].T)
        deviation = inputs.parameter(n, lambda v: np.sqrt(v[SPECIFIC]), nonneg=True)
        held = inputs.parameter(n, lambda v: v[HELD])
        budget = inputs.parameter((), lambda v: v[BUDGET])
        variance = cp.sum_squares(loadings @ weights) + cp.sum_squares(cp.multiply(deviation, weights))
        return Symbols(
            assets=assets,
            weights=weights,
            held=held,
            expected_return=mu @ weights,
            variance=variance,
            cash=budget - cp.sum(weights),
            inputs=inputs,
            loadings=loadings,
            specific_sd=deviation,
            choose=self._choose,
        )

    def _choose(self) -> cp.Expression:
        """The selection of positions, made when the first rule asks for it."""
        n = len(self.spec.assets)
        if self.choice is None:
            fixed = self.choice_is_fixed
            self.choice = self.inputs.parameter(n, lambda v: v["choice"]) if fixed else cp.Variable(n, boolean=True)
        return self.choice

    def solve(self, values: Mapping[str, FloatArray]) -> Solution:
        """Solve for the named numbers of one rebalancing."""
        assert self.cone_program is not None  # noqa: S101 - integer programs are solved in cardinality
        return solve(self.forms, self.cone_program.apply(values))

    def weights(self, solution: Solution) -> FloatArray:
        """The weights in a solution."""
        return solution.x[self.weights_at]

    def load(self, values: Mapping[str, FloatArray], solution: Solution) -> None:
        """Put a solution back into the problem, so that its expressions and constraints have values."""
        assert self.cone_program is not None  # noqa: S101
        set_values(self.inputs, values)
        raw = SimpleNamespace(
            status="Solved", x=solution.x, z=solution.z, obj_val=0.0, iterations=solution.iterations, solve_time=0.0
        )
        self.problem.unpack_results(raw, self.cone_program.chain, self.cone_program.inverse)


def set_values(inputs: Inputs, values: Mapping[str, FloatArray]) -> None:
    """Set the value of each parameter."""
    for parameter, compute in inputs.computes.items():
        parameter.value = compute(values)


def _number(term: Objective, symbols: Symbols) -> cp.Expression:
    value = term(symbols)
    if not isinstance(value, cp.Expression) or not value.is_scalar():
        raise OptimizationError(f"the objective returned {value}, which is not one number: sum it")
    return value


def rules_of(constraint: Constraint, symbols: Symbols) -> list[cp.Constraint]:
    """Return the cvxpy constraints of a rule, checked."""
    rules = constraint(symbols)
    if not isinstance(rules, (list, tuple)) or not all(isinstance(rule, (cp.Constraint, bool)) for rule in rules):
        raise OptimizationError(f"a constraint returned {rules}: return a list of cvxpy constraints, [{rules}]")
    return list(rules)


def describe_status(status: str) -> str:
    """The remedy for a program without an optimum."""
    if status == UNBOUNDED:
        return "nothing limits the gain; add a risk term or bounds"
    if status == INFEASIBLE:
        return "the constraints contradict each other or the held weights; loosen one"
    return "rescale the inputs or loosen the constraints"
