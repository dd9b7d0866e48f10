"""What trading and holding cost, as terms of the objective: negative, per session.

Costs of trading are paid once; a `horizon` spreads them over the sessions until the next rebalancing, since
expected return and risk are per session too. Numbers per asset are one number for all, a table by ticker, or
the name of numbers given at each rebalancing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import cvxpy as cp
import numpy as np

from allocation.errors import OptimizationError
from allocation.optimizer.model.symbols import PerAsset, Symbols, not_negative

# Of a volatility of 2 % per session and a traded value of four times NAV.
TYPICAL_IMPACT = 0.01


@dataclass(frozen=True)
class LinearCost:
    """Commission and half the bid-ask spread: `rate` of the traded value."""

    rate: PerAsset = 0.001
    horizon: int = 1

    def __post_init__(self) -> None:
        """A cost spread over no session would never be paid."""
        _need_horizon(self.horizon)

    def __call__(self, s: Symbols) -> cp.Expression:
        """-sum(rate |trade|) / horizon."""
        return -cp.norm1(s.scaled_trades(not_negative(self.rate, "rate"), "cost rate")) / self.horizon


@dataclass(frozen=True)
class QuadraticCost:
    """Impact that grows with the size of the trade: `rate` of the traded value, per unit of NAV traded."""

    rate: PerAsset
    horizon: int = 1

    def __post_init__(self) -> None:
        """A cost spread over no session would never be paid."""
        _need_horizon(self.horizon)

    def __call__(self, s: Symbols) -> cp.Expression:
        """-sum(rate × trade²) / horizon."""
        scaled = s.scaled_trades(not_negative(self.rate, "rate"), "quadratic cost rate", power=0.5)
        return -cp.sum_squares(scaled) / self.horizon


@dataclass(frozen=True)
class ImpactCost:
    """Market impact by the square-root law: a trade of value v moves the price by
    coefficient × volatility × sqrt(v / volume).

    volatility per session; volume is the traded value of a session in units of NAV. Paying the moved price makes
    the cost grow with the power 3/2 of the trade. (R. Grinold and R. Kahn, "Active Portfolio Management", 1999,
    ch. 16; R. Almgren et al., "Direct estimation of equity market impact", Risk, 2005.)
    """

    impact: PerAsset
    horizon: int = 1

    def __post_init__(self) -> None:
        """A cost spread over no session would never be paid."""
        _need_horizon(self.horizon)

    def __call__(self, s: Symbols) -> cp.Expression:
        """-sum(impact |trade|^1.5) / horizon; `impact` as `square_root_impact` returns it."""
        # Trades are raised to the power in units of about one: in those of the impact they would be lost in tolerances.
        unit = TYPICAL_IMPACT if isinstance(self.impact, str) else _largest(self.impact)
        scaled = s.scaled_trades(not_negative(self.impact, "impact"), "impact", power=2 / 3, unit=unit)
        return -unit * cp.sum(cp.power(cp.abs(scaled), 1.5)) / self.horizon


def square_root_impact(volatility: np.ndarray, volume: np.ndarray, coefficient: float = 1.0) -> np.ndarray:
    """Return the `impact` of ImpactCost: coefficient × volatility / sqrt(volume in units of NAV), asset by asset."""
    return np.asarray(coefficient * volatility / np.sqrt(volume))


@dataclass(frozen=True)
class BorrowCost:
    """The fee for borrowed shares: `rate` of a short position's value, per session."""

    rate: PerAsset

    def __call__(self, s: Symbols) -> cp.Expression:
        """-sum(rate × short)."""
        rate = s.per_asset(not_negative(self.rate, "rate"), "borrow rate")
        if isinstance(self.rate, str):
            s.inputs.never_negative.add(self.rate)
        return -cp.sum(cp.neg(cp.multiply(rate, s.weights)))


@dataclass(frozen=True)
class CashYield:
    """Interest on cash, per session; on negative cash the same rate is paid, plus `spread`."""

    rate: float
    spread: float = 0.0

    def __post_init__(self) -> None:
        """With debt cheaper than deposits, borrowing would be unbounded."""
        if not (np.isfinite(self.rate) and np.isfinite(self.spread) and self.spread >= 0):
            raise OptimizationError(f"{self} is not meaningful: pass a finite rate and a spread >= 0")

    def __call__(self, s: Symbols) -> cp.Expression:
        """rate × cash - spread × debt."""
        earned = self.rate * s.cash
        return earned - self.spread * cp.neg(s.cash) if self.spread else earned


def _largest(numbers: float | Mapping[str, float]) -> float:
    values = [numbers] if isinstance(numbers, (int, float)) else list(numbers.values())
    return float(max(values, default=0.0)) or 1.0


def _need_horizon(horizon: int) -> None:
    if not horizon > 0:
        raise OptimizationError(f"horizon is {horizon}: a cost is spread over at least one session")
