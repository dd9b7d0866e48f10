"""What an optimization is written with: terms of the objective as small callables on `Symbols`.

cvxpy is the algebra. An objective is any callable from Symbols to a concave cvxpy expression, or a sequence of
them, whose sum is meant; a constraint is any callable from Symbols to a list of cvxpy constraints:

    objective = lambda s: s.expected_return - 5 * s.variance - 0.001 * s.turnover
    constraints = [LongOnly(), MaxWeight(0.1), lambda s: [s.cash >= 0.02]]

A term is what it adds to utility per session: costs and risks are negative. The rules are in `constraints`,
what trading and holding cost in `costs`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cvxpy as cp
import numpy as np
import pandas as pd

from allocation.errors import OptimizationError
from allocation.optimizer.model.constraints import benchmark_table
from allocation.optimizer.model.symbols import LOADINGS, SPECIFIC, Objective, PerAsset, Symbols


def refuse_negative(value: float, what: str) -> None:
    """Raise OptimizationError where a setting is not a finite number of at least zero."""
    if not (np.isfinite(value) and value >= 0):
        raise OptimizationError(f"{what} is {value}: pass a finite number >= 0")


@dataclass(frozen=True)
class ExpectedReturn:
    """The forecast return of the portfolio, per session."""

    def __call__(self, s: Symbols) -> cp.Expression:
        """mu'w."""
        return s.expected_return


@dataclass(frozen=True)
class Variance:
    """Risk: `aversion` per unit of one-session variance (H. Markowitz, "Portfolio selection", 1952)."""

    aversion: float = 5.0

    def __post_init__(self) -> None:
        """A negative aversion would seek risk."""
        refuse_negative(self.aversion, "risk aversion")

    def __call__(self, s: Symbols) -> cp.Expression:
        """-aversion × w'Sigma w."""
        return -self.aversion * s.variance


@dataclass(frozen=True)
class TrackingVariance:
    """Risk against `benchmark` (weights that sum to 1): the variance of the difference in return."""

    benchmark: Mapping[str, float] | str
    aversion: float = 5.0

    def __post_init__(self) -> None:
        """A benchmark sums to 1."""
        refuse_negative(self.aversion, "tracking aversion")
        benchmark_table(self.benchmark)

    def __call__(self, s: Symbols) -> cp.Expression:
        """-aversion × (w - b)'Sigma(w - b)."""
        return -self.aversion * cp.sum_squares(s.deviation(self.benchmark))


@dataclass(frozen=True)
class WorstCaseReturn:
    """What the forecast loses where it is wrong by up to `error` per asset (per session) against the portfolio.

    With `jointly`, errors lie in an ellipsoid: not all are at their worst together.
    (D. Goldfarb and G. Iyengar, "Robust portfolio selection problems", Math. Operations Research 28, 2003.)
    """

    error: PerAsset
    jointly: bool = False

    def __call__(self, s: Symbols) -> cp.Expression:
        """-sum(error |w|), or minus the norm of error × w."""
        exposed = cp.multiply(s.per_asset(self.error, "forecast error"), s.weights)
        return -cp.norm2(exposed) if self.jointly else -cp.norm1(exposed)


@dataclass(frozen=True)
class WorstCaseRisk:
    """Variance added where each covariance is wrong by up to `error` × both volatilities.

    (S. Boyd et al., "Markowitz portfolio construction at seventy", J. Portfolio Management 50(8), 2024.)
    """

    error: float
    aversion: float = 5.0

    def __post_init__(self) -> None:
        """Neither may be negative."""
        refuse_negative(self.error, "covariance error")
        refuse_negative(self.aversion, "risk aversion")

    def __call__(self, s: Symbols) -> cp.Expression:
        """-aversion × error × (sigma'|w|)²."""
        sigma = s.inputs.parameter(
            len(s.assets), lambda v: np.sqrt((v[LOADINGS] ** 2).sum(axis=1) + v[SPECIFIC]), nonneg=True
        )
        return -self.aversion * self.error * cp.square(cp.norm1(cp.multiply(sigma, s.weights)))


@dataclass(frozen=True)
class CardinalityPenalty:
    """An L1 penalty on weights: small positions are closed."""

    price: float

    def __post_init__(self) -> None:
        """A negative penalty is not concave."""
        refuse_negative(self.price, "price")

    def __call__(self, s: Symbols) -> cp.Expression:
        """-price × sum |w|."""
        return -self.price * cp.norm1(s.weights)


@dataclass(frozen=True)
class Ridge:
    """An L2 penalty on weights: positions are spread."""

    price: float

    def __post_init__(self) -> None:
        """A negative penalty is not concave."""
        refuse_negative(self.price, "price")

    def __call__(self, s: Symbols) -> cp.Expression:
        """-price × sum w²."""
        return -self.price * cp.sum_squares(s.weights)


@dataclass(frozen=True)
class CVaR:
    """Expected loss in the worst sessions of `scenarios` (returns, sessions × assets), the share 1 - `level` of them.

    (R. Rockafellar and S. Uryasev, "Optimization of conditional value-at-risk", J. Risk 2, 2000.)
    """

    scenarios: pd.DataFrame
    level: float = 0.95
    aversion: float = 1.0

    def __post_init__(self) -> None:
        """The level is a share of the sessions."""
        refuse_negative(self.aversion, "aversion to tail losses")
        if not 0 <= self.level < 1:
            raise OptimizationError(
                f"level is {self.level}: pass the share of sessions that are not in the tail, in [0, 1)"
            )

    def __repr__(self) -> str:
        return f"CVaR({len(self.scenarios)} scenarios, level={self.level:g}, aversion={self.aversion:g})"

    def __call__(self, s: Symbols) -> cp.Expression:
        """-aversion × CVaR of -R w."""
        return -self.aversion * cp.cvar(-scenario_returns(self.scenarios, s.assets) @ s.weights, self.level)


def scenario_returns(scenarios: pd.DataFrame, assets: Sequence[str]) -> np.ndarray:
    """Return the scenarios' returns of `assets`, every one a finite number."""
    returns = scenarios.reindex(columns=list(assets))
    broken = ~np.isfinite(returns.to_numpy(dtype=np.float64))
    if broken.any():
        row, column = np.argwhere(broken)[0]
        raise OptimizationError(
            f"scenario {scenarios.index[row]} has no return of {assets[column]}: pass one, or drop the scenario"
        )
    return returns.to_numpy(dtype=np.float64)


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
        """A negative cost is left to the rules of convexity."""
        if not (self.horizon > 0 and np.isfinite([self.risk_aversion, self.cost, self.horizon]).all()):
            raise OptimizationError(f"{self} is not meaningful: pass a horizon > 0, finite risk_aversion and cost")

    def __call__(self, s: Symbols) -> cp.Expression:
        """Mean-variance utility of H. Markowitz (1952) with a linear cost of trading."""
        return s.expected_return + self.risk(s) + self.trading_cost(s)

    def risk(self, s: Symbols) -> cp.Expression:
        """The price of variance."""
        return -self.risk_aversion * s.variance

    def trading_cost(self, s: Symbols) -> cp.Expression:
        """The cost of the trades per session, until the next rebalancing."""
        traded = 2 * cp.sum(cp.neg(s.trades)) if self.idle_cash_is_free else s.turnover
        return -self.cost / self.horizon * traded

    def parts(self) -> tuple[tuple[str, Objective], ...]:
        """The three of them by name, for an explanation."""
        return ("expected return", ExpectedReturn()), ("risk", self.risk), ("trading cost", self.trading_cost)
