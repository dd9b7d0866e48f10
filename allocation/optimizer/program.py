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
from allocation.optimizer.solvers.cascade import INFEASIBLE, UNBOUNDED, Solution, solve
from allocation.optimizer.solvers.cone_program import ParametrisedConeProgram
from allocation.optimizer.solvers.recognise import recognise
from newsfolio.shared.arrays import FloatArray

# Daily returns are tiny beside the solvers' absolute tolerances: an unscaled objective stops 0.3 % early.
OBJECTIVE_SCALE = 252.0
LONGEST_LABEL = 90


@dataclass(frozen=True)
class ProgramSpec:
    """What a program is compiled from: terms and rules by their unique names, in order."""

    assets: tuple[str, ...]
    known: frozenset[str]
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
    """A cvxpy problem over `recipe.assets`, compiled once; its numbers enter as parameters.

    chosen: for a mixed-integer program, None leaves the choice of positions to the solver, True makes it an input.
    """

    def __init__(self, recipe: ProgramSpec, n_factors: int, *, choice_is_given: bool = False) -> None:
        self.recipe, self.choice_is_given = recipe, choice_is_given
        self.inputs = Inputs(recipe.assets, recipe.known)
        self.choice: cp.Expression | None = None
        self.symbols = self._symbols(n_factors)
        self.terms = {name: _number(term, self.symbols) for name, term in recipe.terms}
        self.rules = {name: rules_of(rule, self.symbols) for name, rule in recipe.rules}
        # As they stand in the problem: soft ones with their slack. What breaking them costs, by rule.
        self.enforced, self.penalties = dict(self.rules), dict[str, cp.Expression]()
        self._assemble()
        self.canonical: ParametrisedConeProgram | None = (
            None if self.is_integer else ParametrisedConeProgram(self.problem, self.inputs.computes)
        )
        if self.canonical is not None:
            self.place = self.canonical.place(self.symbols.weights)
            self.structure = recognise(self.canonical, self.place)

    def _symbols(self, n_factors: int) -> Symbols:
        assets, inputs = self.recipe.assets, self.inputs
        n = len(assets)
        weights = cp.Variable(n, name="weights")
        mu = inputs.parameter(n, lambda v: v[EXPECTED_RETURN])
        loadings = inputs.parameter((n_factors, n), lambda v: v[LOADINGS].T)
        deviation = inputs.parameter(n, lambda v: np.sqrt(v[SPECIFIC]), nonneg=True)
        held = inputs.parameter(n, lambda v: v[HELD])
        budget = inputs.parameter((), lambda v: v[BUDGET])
        variance = cp.sum_squares(loadings @ weights) + cp.sum_squares(cp.multiply(deviation, weights))
        return Symbols(
            assets, weights, held, mu @ weights, variance, budget - cp.sum(weights), inputs, loadings, deviation,
            self._choose,
        )  # fmt: skip

    def _choose(self) -> cp.Expression:
        n = len(self.recipe.assets)
        if self.choice is None:
            given = self.choice_is_given
            self.choice = self.inputs.parameter(n, lambda v: v["choice"]) if given else cp.Variable(n, boolean=True)
        return self.choice

    def _assemble(self) -> None:
        constraints: list[cp.Constraint] = []
        for name, rule in self.recipe.rules:
            price = price_of(rule)
            if price is not None:
                soft = softened(self.rules[name])
                self.enforced[name], self.penalties[name] = soft.rows, -price * soft.broken
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

    def solve(self, values: Mapping[str, FloatArray]) -> Solution:
        """Solve for the named numbers of one rebalancing."""
        assert self.canonical is not None  # noqa: S101 - integer programs are solved in allocation.integer
        return solve(self.canonical, self.structure, self.canonical.apply(values))

    def weights(self, solution: Solution) -> FloatArray:
        """The weights in a solution."""
        return solution.x[self.place]

    def load(self, values: Mapping[str, FloatArray], solution: Solution) -> None:
        """Put a solution back into the problem, so that its expressions and multipliers have values."""
        assert self.canonical is not None  # noqa: S101
        set_values(self.inputs, values)
        raw = SimpleNamespace(
            status="Solved", x=solution.x, z=solution.z, obj_val=0.0, iterations=solution.iterations, solve_time=0.0
        )
        self.problem.unpack_results(raw, self.canonical.chain, self.canonical.inverse)


def set_values(inputs: Inputs, values: Mapping[str, FloatArray]) -> None:
    """Set the value of each parameter."""
    for parameter, compute in inputs.computes.items():
        parameter.value = compute(values)


def _number(term: Objective, symbols: Symbols) -> cp.Expression:
    value = term(symbols)
    if not isinstance(value, cp.Expression) or not value.is_scalar():
        raise OptimizationError(f"the objective returned {value}, which is not one number: sum it up")
    return value


def rules_of(constraint: Constraint, symbols: Symbols) -> list[cp.Constraint]:
    """Return what a rule is made of, checked."""
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
