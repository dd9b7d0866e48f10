"""Portfolios that have a name: least risk, best ratio of return to risk, equal risk, and the frontier of them all."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from allocation.errors import OptimizationError
from allocation.frames import named
from allocation.optimizer.mean_variance import MeanVariance
from allocation.optimizer.model.constraints import LongOnly, MinReturn, NetExposure
from allocation.optimizer.model.symbols import Constraint
from allocation.optimizer.model.terms import ExpectedReturn, Ridge, Variance
from allocation.risk.covariance import RiskModel

FULLY_INVESTED: tuple[Constraint, ...] = (LongOnly(), NetExposure(1.0, 1.0))
# Risk aversions between which the best ratio is looked for; both ends are portfolios of one kind.
LEAST_AVERSION, MOST_AVERSION = 1e-4, 1e8
MOST_NEWTON_STEPS = 100


def minimum_variance(risk: RiskModel, constraints: Sequence[Constraint] = FULLY_INVESTED) -> pd.Series:
    """Return the weights of least variance that obey the constraints.

    Raises:
        OptimizationError: the constraints contradict each other.
    """
    nothing = pd.Series(0.0, index=risk.assets)
    return MeanVariance(list(risk.assets), Variance(1.0), constraints).weights(nothing, risk, nothing)


def max_sharpe(
    expected_return: pd.Series,
    risk: RiskModel,
    constraints: Sequence[Constraint] = FULLY_INVESTED,
    *,
    risk_free: float = 0.0,
) -> pd.Series:
    """Return the weights with the largest (return - risk_free) / volatility, all per session.

    The ratio rises and then falls along the frontier; its top is where the risk aversion equals
    (return - risk_free) / (2 variance), and is found by bisection in its logarithm.

    Raises:
        OptimizationError: no portfolio within the constraints is expected to earn more than `risk_free`.
    """
    program = MeanVariance(list(risk.assets), (ExpectedReturn(), Variance(1.0)), constraints)
    nothing = pd.Series(0.0, index=risk.assets)
    excess = expected_return - risk_free

    def weights(log_aversion: float) -> pd.Series:
        return program.weights(excess / np.exp(log_aversion), risk, nothing)

    def beyond(log_aversion: float) -> float:
        w = weights(log_aversion)
        return 2.0 * float(np.exp(log_aversion)) * _variance(w, risk) - _dot(excess, w)

    low, high = np.log(LEAST_AVERSION), np.log(MOST_AVERSION)
    if not _dot(excess, weights(low)) > 0:
        raise OptimizationError(f"no portfolio is expected to earn more than {risk_free:g}: hold cash")
    from scipy.optimize import brentq

    if beyond(low) >= 0 or beyond(high) <= 0:  # one end is the best: the constraints leave one risk only
        return max((weights(low), weights(high)), key=lambda w: _dot(excess, w) / _variance(w, risk) ** 0.5)
    return weights(float(brentq(beyond, low, high, xtol=1e-12, rtol=1e-14)))


def risk_parity(risk: RiskModel, budgets: Mapping[str, float] | None = None) -> pd.Series:
    """Return long weights, summing to 1, whose shares of the portfolio's variance are as `budgets` (equal if None).

    They minimise w'Sigma w / 2 - sum(b log w), up to a factor (T. Roncalli, "Introduction to Risk Parity and
    Budgeting", 2013); solved by a damped Newton method.

    Raises:
        OptimizationError: a budget is missing or not positive, or an asset has no risk.
    """
    assets = risk.assets
    shares = pd.Series(1.0, index=assets) if budgets is None else pd.Series(dict(budgets), dtype=float).reindex(assets)
    if not (shares > 0).all():
        raise OptimizationError(f"the risk budget of {named(assets[~(shares > 0)])} is not > 0: pass one per asset")
    still = risk.volatility() == 0
    if still.any():
        raise OptimizationError(f"{named(assets[still])} has no risk to share: leave it out")
    budget = np.asarray(shares / shares.sum(), dtype=np.float64)
    w = _newton(risk.covariance().to_numpy(dtype=np.float64), budget)
    return pd.Series(w / w.sum(), index=assets)


def _newton(sigma: NDArray[np.float64], budget: NDArray[np.float64]) -> NDArray[np.float64]:
    sd = np.sqrt(np.diag(sigma))
    correlation = sigma / np.outer(sd, sd)
    y = np.sqrt(budget)
    for _ in range(MOST_NEWTON_STEPS):
        slope = correlation @ y - budget / y
        step = np.linalg.solve(correlation + np.diag(budget / y**2), slope)
        decrement = float(np.sqrt(max(slope @ step, 0.0)))
        if decrement < 1e-14:
            break
        # Self-concordance: a step so damped stays positive and always improves.
        smallest = float(np.sqrt(budget.min()))
        y = y - step / (1.0 + decrement / smallest)
    return np.asarray(y / sd)


def efficient_frontier(
    expected_return: pd.Series,
    risk: RiskModel,
    constraints: Sequence[Constraint] = FULLY_INVESTED,
    *,
    n_points: int = 20,
) -> pd.DataFrame:
    """Return portfolios from the least risk to the largest return, evenly spaced in return.

    Columns: `expected_return` and `volatility` per session, then one weight per asset. Each row is the least
    variance at its return.

    Raises:
        OptimizationError: fewer than two points, or constraints that contradict each other.
    """
    if n_points < 2:
        raise OptimizationError(f"n_points is {n_points}: a frontier has at least two ends")
    assets = list(risk.assets)
    nothing = pd.Series(0.0, index=risk.assets)
    least = minimum_variance(risk, constraints)
    # A trace of curvature picks one of several portfolios of the same return.
    greedy = MeanVariance(assets, (ExpectedReturn(), Ridge(1e-9)), constraints).weights(expected_return, risk, nothing)
    program = MeanVariance(assets, Variance(1.0), (*constraints, MinReturn("target")))
    targets = np.linspace(_dot(expected_return, least), _dot(expected_return, greedy), n_points)
    rows = [
        least,
        *(program.weights(expected_return, risk, nothing, parameters={"target": t}) for t in targets[1:-1]),
        greedy,
    ]
    weights = pd.DataFrame(rows).reset_index(drop=True)
    summary = pd.DataFrame({
        "expected_return": [_dot(expected_return, w) for w in rows],
        "volatility": [_variance(w, risk) ** 0.5 for w in rows],
    })  # fmt: skip
    return pd.concat([summary, weights], axis=1)


def _dot(left: pd.Series, right: pd.Series) -> float:
    return float(left.reindex(right.index).to_numpy() @ right.to_numpy())


def _variance(w: pd.Series, risk: RiskModel) -> float:
    return _dot(risk.times(w), w)
