"""Cardinality: how many positions, and how small one may be.

A mixed-integer program is slower than a convex one by orders of magnitude (SCIP searches a tree of them): use it for
some tens of assets. The positions selected are then fixed and the convex program solved exactly.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import cvxpy as cp
import numpy as np

from allocation.errors import OptimizationError
from allocation.optimizer.model.symbols import Symbols
from allocation.optimizer.program import Program, set_values
from newsfolio.shared.arrays import FloatArray

GAP = 1e-6


@dataclass(frozen=True)
class MaxHoldings:
    """At most `count` positions, none of them beyond `largest` in size (a bound that the search needs)."""

    count: int
    largest: float = 1.0

    def __post_init__(self) -> None:
        """No position at all is no portfolio."""
        if self.count < 1 or not 0 < self.largest < np.inf:
            raise OptimizationError(f"{self} allows no position: pass a count >= 1 and a largest position > 0")

    def __call__(self, s: Symbols) -> list[cp.Constraint]:
        """|w| <= largest × chosen, sum(chosen) <= count."""
        chosen = s.choose()
        rules = [s.weights <= self.largest * chosen, s.weights >= -self.largest * chosen]
        return [*rules, cp.sum(chosen) <= self.count] if isinstance(chosen, cp.Variable) else rules


@dataclass(frozen=True)
class MinHolding:
    """No position smaller than `size`, unless it is none; for portfolios without shorts."""

    size: float
    largest: float = 1.0

    def __post_init__(self) -> None:
        """A smallest position beyond the largest leaves none."""
        if not 0 < self.size <= self.largest < np.inf:
            raise OptimizationError(f"{self} allows no position: pass 0 < size <= largest")

    def __call__(self, s: Symbols) -> list[cp.Constraint]:
        """Size × chosen <= w <= largest × chosen."""
        chosen = s.choose()
        return [s.weights >= self.size * chosen, s.weights <= self.largest * chosen]


def choose_positions(program: Program, values: Mapping[str, FloatArray]) -> FloatArray | None:
    """Return 1 for each asset that the optimum has a position in, else 0; None where no selection satisfies the rules.

    Raises:
        OptimizationError: SCIP is not installed, or found no selection.
    """
    if cp.SCIP not in cp.installed_solvers():
        raise OptimizationError('cardinality rules need SCIP: pip install "newsfolio[integer]"')
    set_values(program.inputs, values)
    with warnings.catch_warnings():  # only the selection is used: the weights are solved for exactly afterwards
        warnings.simplefilter("ignore", UserWarning)
        program.problem.solve(solver=cp.SCIP, scip_params={"limits/gap": GAP, "randomization/randomseedshift": 0})
    if program.problem.status in (cp.INFEASIBLE, cp.INFEASIBLE_INACCURATE):
        return None
    if program.problem.status not in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE) or program.choice is None:
        raise OptimizationError(
            f"no selection of positions was found (SCIP {program.problem.status}): bound the weights"
        )
    return np.asarray(np.round(program.choice.value), dtype=np.float64)
