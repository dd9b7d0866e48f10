"""Risk profiles: what a personal mandate means in risk aversion and limits."""

from dataclasses import dataclass

import numpy as np

from allocation.errors import OptimizationError
from allocation.forecast.grinold import Grinold
from allocation.optimizer.mean_variance import RelaxationOrder
from allocation.optimizer.model.constraints import LongOnly, MaxTurnover, MaxVolatility, MaxWeight, MinCash
from allocation.optimizer.model.symbols import Constraint
from allocation.policies.sentiment import SentimentPolicy
from allocation.risk.covariance import LedoitWolf, RiskEstimator
from allocation.risk.scaled import ScaledRisk
from allocation.view import Forecast

SESSIONS_PER_YEAR = 252


@dataclass(frozen=True)
class RiskProfile:
    """How much risk an investor is willing to take, long only.

    risk_aversion per unit of one-session variance; `most_per_asset`, `least_cash` and `most_turnover` (per
    rebalancing) are fractions of NAV; target_volatility, of a year's return, caps the forecast risk where given.
    """

    risk_aversion: float
    most_per_asset: float
    least_cash: float = 0.0
    most_turnover: float = 2.0
    target_volatility: float | None = None

    def __post_init__(self) -> None:
        """Limits that leave no portfolio are an error."""
        sound = self.risk_aversion > 0 and 0 < self.most_per_asset <= 1 and 0 <= self.least_cash < 1
        if not (sound and self.most_turnover > 0 and (self.target_volatility is None or self.target_volatility > 0)):
            raise OptimizationError(f"{self} leaves no portfolio: pass positive numbers, and cash below 1")

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """The limits, as rules."""
        rules: list[Constraint] = [LongOnly(), MaxWeight(self.most_per_asset)]
        rules += [MinCash(self.least_cash)] if self.least_cash else []
        rules += [MaxTurnover(self.most_turnover)] if self.most_turnover < 2.0 else []
        if self.target_volatility is not None:
            rules.append(MaxVolatility(self.target_volatility / np.sqrt(SESSIONS_PER_YEAR)))
        return tuple(rules)

    @property
    def relaxation_order(self) -> RelaxationOrder:
        """Where a market move violates the limits, turnover is relaxed first, then volatility; then hold."""
        return RelaxationOrder(
            tuple(rule for rule in self.constraints if isinstance(rule, (MaxTurnover, MaxVolatility)))
        )

    def policy(
        self,
        *,
        forecast: Forecast | None = None,
        risk: RiskEstimator | None = None,
        constraints: tuple[Constraint, ...] = (),
        cost: float = 0.001,
        horizon: int = 5,
    ) -> SentimentPolicy:
        """A policy with this profile's risk aversion and limits, and further `constraints`.

        Where a volatility is aimed at, risk is by default forecast from the bars (ScaledRisk with HarVolatility): the
        book keeps closer to its target, at a higher turnover unless it trades on drift alone (OnDrift). Else it is
        LedoitWolf's.
        """
        return SentimentPolicy(
            forecast=forecast or Grinold(),
            risk=risk or (LedoitWolf() if self.target_volatility is None else ScaledRisk()),
            risk_aversion=self.risk_aversion,
            cost=cost,
            horizon=horizon,
            constraints=(*self.constraints, *constraints),
            relaxation_order=self.relaxation_order,
        )


def target_volatility(annual: float, *, most_per_asset: float = 0.25) -> RiskProfile:
    """The profile that takes up to this volatility of a year's return (0.10 is 10 %)."""
    return RiskProfile(2.0, most_per_asset, target_volatility=annual)


CONSERVATIVE = RiskProfile(risk_aversion=15.0, most_per_asset=0.10, least_cash=0.20, most_turnover=0.25)
BALANCED = RiskProfile(risk_aversion=5.0, most_per_asset=0.20, least_cash=0.05, most_turnover=0.5)
AGGRESSIVE = RiskProfile(risk_aversion=2.0, most_per_asset=0.35)
PROFILES = {"conservative": CONSERVATIVE, "balanced": BALANCED, "aggressive": AGGRESSIVE}
