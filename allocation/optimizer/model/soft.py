"""Rules under a name of their own, and rules that may be broken at a price."""

from collections.abc import Sequence
from dataclasses import dataclass

import cvxpy as cp
import numpy as np

from allocation.errors import OptimizationError
from allocation.optimizer.model.symbols import Constraint, Symbols


@dataclass(frozen=True)
class Named:
    """A rule under a name of its own, by which explanations speak of it."""

    name: str
    rule: Constraint

    def __call__(self, s: Symbols) -> list[cp.Constraint]:
        """The rule itself."""
        return self.rule(s)

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Soft:
    """A rule that may be broken at a `price`: utility per session lost for each unit of NAV by which it is."""

    rule: Constraint
    price: float

    def __post_init__(self) -> None:
        """A price of zero or less is no rule."""
        if not (np.isfinite(self.price) and self.price > 0):
            raise OptimizationError(f"the price of breaking a rule is {self.price}: give a finite number > 0")

    def __call__(self, s: Symbols) -> list[cp.Constraint]:
        """The rule itself: who compiles a program asks for its price, and softens it."""
        return self.rule(s)


def price_of(rule: Constraint) -> float | None:
    """What breaking the rule costs, whatever it is named; None where it may not be broken."""
    while isinstance(rule, Named):
        rule = rule.rule
    return rule.price if isinstance(rule, Soft) else None


@dataclass(frozen=True)
class Softened:
    """Rules that may be broken (`rows`), that their slacks are not negative, and by how much they are broken in all."""

    rows: list[cp.Constraint]
    slacks: list[cp.Constraint]
    broken: cp.Expression


def softened(rules: Sequence[cp.Constraint]) -> Softened:
    """Return the rules with slacks.

    Raises:
        OptimizationError: a rule is neither an equality, an inequality nor a second-order cone.
    """
    loose = [_loosened(rule) for rule in rules]
    slacks = [slack for _, some in loose for slack in some]
    broken = sum(map(cp.sum, slacks), start=cp.Constant(0.0))
    return Softened([row for row, _ in loose], [slack >= 0 for slack in slacks], broken)


def _loosened(rule: cp.Constraint) -> tuple[cp.Constraint, list[cp.Variable]]:
    if isinstance(rule, cp.constraints.Inequality):
        slack = cp.Variable(rule.shape)
        return rule.expr <= slack, [slack]
    if isinstance(rule, (cp.constraints.Equality, cp.constraints.Zero)):
        over, under = cp.Variable(rule.shape), cp.Variable(rule.shape)
        return rule.expr == over - under, [over, under]
    if isinstance(rule, cp.SOC):
        slack = cp.Variable(rule.args[0].shape)
        return cp.SOC(rule.args[0] + slack, rule.args[1], axis=rule.axis), [slack]
    raise OptimizationError(f"a rule of the kind {type(rule).__name__} cannot be made soft: write it as an inequality")
