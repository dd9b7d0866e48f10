"""Named rules, and soft rules: those that may be violated at a penalty."""

from collections.abc import Sequence
from dataclasses import dataclass

import cvxpy as cp
import numpy as np

from allocation.errors import OptimizationError
from allocation.optimizer.model.symbols import Constraint, Symbols


@dataclass(frozen=True)
class Named:
    """A rule with a name, which explanations and errors use."""

    name: str
    rule: Constraint

    def __call__(self, s: Symbols) -> list[cp.Constraint]:
        """The rule itself."""
        return self.rule(s)

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Soft:
    """A rule that may be violated at a `price`: utility per session lost for each unit of NAV of the violation."""

    rule: Constraint
    price: float

    def __post_init__(self) -> None:
        """At a price of zero or less there is no rule."""
        if not (np.isfinite(self.price) and self.price > 0):
            raise OptimizationError(f"the price of violating a rule is {self.price}: pass a finite number > 0")

    def __call__(self, s: Symbols) -> list[cp.Constraint]:
        """The rule itself: slacks are added where a program is compiled."""
        return self.rule(s)


def price_of(rule: Constraint) -> float | None:
    """What violating the rule costs, with or without a name; None for a hard rule."""
    while isinstance(rule, Named):
        rule = rule.rule
    return rule.price if isinstance(rule, Soft) else None


@dataclass(frozen=True)
class Softened:
    """Rules with slacks (`rows`), the bounds of those slacks, and the total `violation`."""

    rows: list[cp.Constraint]
    slacks: list[cp.Constraint]
    violation: cp.Expression


def softened(rules: Sequence[cp.Constraint]) -> Softened:
    """Return the rules with slacks.

    Raises:
        OptimizationError: a rule is neither an equality, an inequality nor a second-order cone.
    """
    rows: list[cp.Constraint] = []
    slacks: list[cp.Variable] = []
    for rule in rules:
        slacks.append(slack := cp.Variable(rule.args[0].shape if isinstance(rule, cp.SOC) else rule.shape))
        if isinstance(rule, cp.constraints.Inequality):
            row = rule.expr <= slack
        elif isinstance(rule, (cp.constraints.Equality, cp.constraints.Zero)):
            slacks.append(under := cp.Variable(rule.shape))
            row = rule.expr == slack - under
        elif isinstance(rule, cp.SOC):
            row = cp.SOC(rule.args[0] + slack, rule.args[1], axis=rule.axis)
        else:
            kind = type(rule).__name__
            raise OptimizationError(f"a rule of the kind {kind} cannot be soft: write it as an inequality")
        rows.append(row.set_label(rule.label) if rule.label else row)
    violation = sum(map(cp.sum, slacks), start=cp.Constant(0.0))
    return Softened(rows, [slack >= 0 for slack in slacks], violation)
