"""Why rules contradict each other: the smallest set of them that does, and by how much each would have to give."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import cvxpy as cp

from allocation.optimizer.model.soft import softened
from allocation.optimizer.program import Program, set_values
from newsfolio.shared.arrays import FloatArray

# Sets of up to so many rules are tried one by one; a larger conflict is narrowed down rule by rule.
SMALL = 3
LEAST_SHORTFALL = 1e-7


@dataclass(frozen=True)
class Conflict:
    """Rules that cannot all hold, and for each by how much it alone would have to give (None: it cannot help)."""

    needed: Mapping[str, float | None]

    def __str__(self) -> str:
        parts = [f"{rule} ({_give(amount)})" for rule, amount in self.needed.items()]
        return " and ".join(parts)


def _give(amount: float | None) -> str:
    return "cannot help alone" if amount is None else f"would have to give {amount:.6g}"


def find_conflict(program: Program, values: Mapping[str, FloatArray]) -> Conflict | None:
    """Return the conflict among the program's rules for these numbers; None where there is none.

    The set is the smallest where up to three rules conflict, else one from which no rule can be left out.
    """
    set_values(program.inputs, values)
    names = [name for name in program.rules if name not in program.penalties]  # soft rules never stand in the way
    if _shortfall(program, names, names) == 0.0:
        return None
    found = next((list(some) for some in _candidates(names) if _contradict(program, some)), None) or _narrowed(
        program, names
    )
    return Conflict({name: _shortfall(program, found, [name]) for name in found})


def _candidates(names: Sequence[str]) -> list[tuple[str, ...]]:
    return [some for size in range(1, min(SMALL, len(names)) + 1) for some in combinations(names, size)]


def _contradict(program: Program, names: Sequence[str]) -> bool:
    return _shortfall(program, names, names) != 0.0


def _narrowed(program: Program, names: list[str]) -> list[str]:
    kept = list(names)
    for name in names:
        fewer = [other for other in kept if other != name]
        if _contradict(program, fewer):
            kept = fewer
    return kept


def _shortfall(program: Program, names: Sequence[str], giving: Sequence[str]) -> float | None:
    """By how much in all the rules `giving` must be broken so that `names` hold otherwise; None: whatever they give."""
    rules: list[cp.Constraint] = []
    broken: cp.Expression = cp.Constant(0.0)
    for name in names:
        if name in giving:
            soft = softened(program.rules[name])
            rules, broken = [*rules, *soft.rows, *soft.slacks], broken + soft.broken
        else:
            rules += program.rules[name]
    problem = cp.Problem(cp.Minimize(broken), rules)
    problem.solve(solver=cp.SCIP if problem.is_mixed_integer() else cp.CLARABEL)
    if problem.status not in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE):
        return None
    amount = float(problem.value)
    return 0.0 if amount < LEAST_SHORTFALL else amount
