"""Why rules contradict each other: the smallest set of them that does, and how far each would have to be relaxed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import cvxpy as cp

from allocation.optimizer.model.soft import softened
from allocation.optimizer.program import Program, set_values
from newsfolio.shared.arrays import FloatArray

# Sets of up to so many rules are tried one by one; a larger conflict is reduced rule by rule.
MAX_TRIED = 3
MIN_VIOLATION = 1e-7


@dataclass(frozen=True)
class Conflict:
    """Rules that cannot all hold, and how far each alone would have to be relaxed (None: that does not help)."""

    needed: Mapping[str, float | None]

    def __str__(self) -> str:
        return " and ".join(
            f"{rule} (relaxing it alone does not help)"
            if amount is None
            else f"{rule} (would have to be relaxed by {amount:.6g})"
            for rule, amount in self.needed.items()
        )


def find_conflict(program: Program, values: Mapping[str, FloatArray]) -> Conflict | None:
    """Return the conflict among the program's rules for these numbers; None where there is none.

    The set is the smallest where up to three rules conflict, else one from which no rule can be left out.
    """
    set_values(program.inputs, values)
    names = [name for name in program.rules if name not in program.penalties]  # soft rules never conflict

    def contradict(some: Sequence[str]) -> bool:
        return _least_violation(program, some, some) != 0.0

    if not contradict(names):
        return None
    small = (some for size in range(1, min(MAX_TRIED, len(names)) + 1) for some in combinations(names, size))
    found: Sequence[str] | None = next((some for some in small if contradict(some)), None)
    if found is None:
        found = names
        for name in names:
            fewer = [other for other in found if other != name]
            found = fewer if contradict(fewer) else found
    return Conflict({name: _least_violation(program, found, [name]) for name in found})


def _least_violation(program: Program, names: Sequence[str], relaxed: Sequence[str]) -> float | None:
    """The total by which the rules `relaxed` must be violated so that all `names` hold otherwise; None: no amount."""
    rules: list[cp.Constraint] = []
    violation: cp.Expression = cp.Constant(0.0)
    for name in names:
        if name in relaxed:
            soft = softened(program.rules[name])
            rules, violation = [*rules, *soft.rows, *soft.slacks], violation + soft.violation
        else:
            rules += program.rules[name]
    problem = cp.Problem(cp.Minimize(violation), rules)
    problem.solve(solver=cp.SCIP if problem.is_mixed_integer() else cp.CLARABEL)
    if problem.status not in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE):
        return None
    amount = float(problem.value)
    return 0.0 if amount < MIN_VIOLATION else amount
