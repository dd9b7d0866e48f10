"""What an optimization is written with: `Symbols` for the quantities, small callables for the rules.

cvxpy is the algebra. An objective is any callable from Symbols to a concave cvxpy expression, a constraint
any callable from Symbols to a list of cvxpy constraints:

    objective = lambda s: s.expected_return - 5 * s.variance - 0.001 * s.turnover
    constraints = [LongOnly(), MaxWeight(0.1), lambda s: [s.cash >= 0.02]]
"""

from collections.abc import Callable
from dataclasses import dataclass

import cvxpy as cp
import numpy as np

from allocation.errors import OptimizationError


@dataclass(frozen=True)
class Symbols:
    """The quantities of one rebalancing; vectors are in the order of `assets`, all fractions of NAV.

    `expected_return` and `variance` are per session. `cash` is what the weights leave of the budget, and the
    budget is 1 less what is locked in assets that cannot be traded now.
    """

    assets: tuple[str, ...]
    weights: cp.Variable
    held: cp.Parameter
    expected_return: cp.Expression
    variance: cp.Expression
    cash: cp.Expression

    @property
    def trades(self) -> cp.Expression:
        """Weights bought (positive) and sold (negative)."""
        return self.weights - self.held

    @property
    def turnover(self) -> cp.Expression:
        """Sum of absolute trades: 2 means everything sold and bought anew."""
        return cp.norm1(self.trades)


Objective = Callable[[Symbols], cp.Expression]
Constraint = Callable[[Symbols], list[cp.Constraint]]


@dataclass(frozen=True)
class NetUtility:
    """Expected return less risk and trading cost, per session.

    risk_aversion (per unit of variance) and cost (fraction of the traded value, paid once and spread over
    `horizon` sessions until the next rebalancing). With `idle_cash_is_free` only rotation is charged: what is
    sold, twice, as it is bought again elsewhere. Buying from idle cash is then free, since a cost spread over
    days must not keep a lasting position from being opened.

    Raises:
        OptimizationError: a horizon of zero or less, or a number that is not finite.
    """

    risk_aversion: float = 5.0
    cost: float = 0.001
    horizon: int = 1
    idle_cash_is_free: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers that mean nothing; a negative cost is left to the rules of convexity."""
        if not (self.horizon > 0 and np.isfinite([self.risk_aversion, self.cost, self.horizon]).all()):
            raise OptimizationError(f"{self} means nothing: pass a horizon > 0, finite risk_aversion and cost")

    def __call__(self, s: Symbols) -> cp.Expression:
        """Mean-variance utility of H. Markowitz (1952) with a linear cost of trading."""
        traded = 2 * cp.sum(cp.neg(s.trades)) if self.idle_cash_is_free else s.turnover
        return s.expected_return - self.risk_aversion * s.variance - self.cost / self.horizon * traded


@dataclass(frozen=True)
class LongOnly:
    """No short positions and no borrowed cash."""

    def __call__(self, s: Symbols) -> list[cp.Constraint]:
        """w >= 0, cash >= 0."""
        return [s.weights >= 0, s.cash >= 0]


@dataclass(frozen=True)
class MaxWeight:
    """No asset above `limit`; with shorts allowed, none below minus `limit` either."""

    limit: float

    def __post_init__(self) -> None:
        """A limit of zero or less leaves no portfolio at all."""
        if not self.limit > 0:
            raise OptimizationError(f"MaxWeight({self.limit:g}) allows no position: pass a limit > 0")

    def __call__(self, s: Symbols) -> list[cp.Constraint]:
        """|w| <= limit."""
        return [s.weights <= self.limit, s.weights >= -self.limit]


@dataclass(frozen=True)
class MinCash:
    """Keep at least this fraction of NAV in cash."""

    fraction: float

    def __post_init__(self) -> None:
        """NaN would only fail inside the solver."""
        if not np.isfinite(self.fraction):
            raise OptimizationError(f"MinCash({self.fraction}) is no fraction of NAV: pass a number below 1")

    def __call__(self, s: Symbols) -> list[cp.Constraint]:
        """cash >= fraction."""
        return [s.cash >= self.fraction]
