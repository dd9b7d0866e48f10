"""Portfolios that have a name: least risk, best ratio of return to risk, equal risk, and the frontier of them all."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from allocation.errors import OptimizationError
from allocation.frames import named
from allocation.optimizer.mean_variance import DUST, MeanVariance
from allocation.optimizer.model.constraints import LongOnly, MinReturn, NetExposure
from allocation.optimizer.model.symbols import Constraint
from allocation.optimizer.model.terms import ExpectedReturn, Variance
from allocation.risk.covariance import RiskModel
from newsfolio.shared.arrays import FloatArray

FULLY_INVESTED: tuple[Constraint, ...] = (LongOnly(), NetExposure(1.0, 1.0))
# Decades of risk aversion (of returns in units of the largest volatility) in which the best ratio is searched for.
LEAST_AVERSION, MOST_AVERSION = -6, 6
SAME_RATIO, SMALL_SIZE = 1e-3, 3e-3  # of the aversion; of the largest gain and risk: DUST is 3e-4 of it
MAX_SWEEPS, RISK_TOLERANCE = 2_000, 1e-12


def minimum_variance(risk: RiskModel | pd.DataFrame, constraints: Sequence[Constraint] = FULLY_INVESTED) -> pd.Series:
    """Return the weights of least variance that satisfy the constraints.

    Raises:
        OptimizationError: the constraints contradict each other.
    """
    risk = RiskModel.from_covariance(risk)
    nothing = pd.Series(0.0, index=risk.assets)
    return MeanVariance(list(risk.assets), Variance(1.0), constraints).weights(nothing, risk, nothing)


def max_sharpe(
    expected_return: pd.Series,
    risk: RiskModel | pd.DataFrame,
    constraints: Sequence[Constraint] = FULLY_INVESTED,
    *,
    risk_free: float = 0.0,
) -> pd.Series:
    """Return the weights with the largest (return - risk_free) / volatility, all per session.

    The ratio rises and then falls along the frontier; its maximum is where the risk aversion equals
    (return - risk_free) / (2 variance), and is found by a root search in its logarithm. Where portfolios of any size
    have the same ratio, as with cash beside them, it is the largest of them. The unit of returns does not matter.

    Raises:
        OptimizationError: no portfolio within the constraints is expected to earn more than `risk_free`, or one does
            with next to no risk, so that the ratio has no bound.
    """
    risk = RiskModel.from_covariance(risk)
    program = MeanVariance(list(risk.assets), (ExpectedReturn(), Variance(1.0)), constraints)
    nothing = pd.Series(0.0, index=risk.assets)
    excess = expected_return - risk_free
    unit = float(risk.volatility().max()) or 1.0
    scaled = RiskModel(risk.factors / unit, risk.specific / unit**2)
    gain = excess / (float(excess.abs().max()) or 1.0)

    def weights(log_aversion: float) -> pd.Series:
        return program.weights(gain / np.exp(log_aversion), scaled, nothing)

    def beyond_best(log_aversion: float) -> float:
        """Risk aversion over that of the best ratio, less 1: negative before it; NaN where little is at risk."""
        w = weights(log_aversion)
        gained, variance = _dot(gain, w), _variance(w, scaled)
        if abs(gained) < SMALL_SIZE * min(most, 1.0) and variance < SMALL_SIZE**2:
            return np.nan
        return 2.0 * float(np.exp(log_aversion)) * variance / gained - 1.0 if gained > 0 else np.inf

    decades = np.log(10.0) * np.arange(LEAST_AVERSION, MOST_AVERSION + 1)
    most = _dot(gain, weights(decades[0]))
    if not most > 0:
        raise OptimizationError(f"no portfolio is expected to earn more than {risk_free:g}: hold cash")
    over = np.array([beyond_best(at) for at in decades])
    decades, over = decades[~np.isnan(over)], over[~np.isnan(over)]
    if over[-1] < -SAME_RATIO:
        safe = weights(decades[-1])
        raise OptimizationError(
            f"the ratio has no bound: {named(safe.index[safe.abs() > DUST])} earn more than {risk_free:g} with next to "
            "no risk; use a shrunk covariance such as LedoitWolf, a risk_free of what such assets earn, or leave them "
            "out"
        )
    # Where it ends at 0, only the size changes from the best ratio on, and the largest of that ratio is wanted.
    margin = SAME_RATIO if over[-1] <= SAME_RATIO else 0.0
    place = int(np.flatnonzero(over + margin >= 0)[0]) if margin else int(np.flatnonzero(over < 0).max(initial=-1)) + 1
    if place == 0:  # the constraints leave little to choose
        return weights(decades[0])
    from scipy.optimize import brentq

    bracket = decades[place - 1], decades[place]
    return weights(float(brentq(lambda at: beyond_best(at) + margin, *bracket, xtol=1e-12, rtol=1e-14)))


def risk_parity(risk: RiskModel | pd.DataFrame, budgets: Mapping[str, float] | None = None) -> pd.Series:
    """Return long weights, summing to 1, whose shares of the portfolio's variance are as `budgets` (equal if None).

    They minimise w'Sigma w / 2 - sum(b log w), up to a factor (F. Spinu, "An algorithm for computing risk parity
    weights", 2013); solved by cyclical coordinate descent, which converges wherever there is a solution (T. Griveau-
    Billion, J. Richard and T. Roncalli, "A fast algorithm for computing high-dimensional risk parity portfolios",
    2013), with Newton's method for the last digits. The shares are checked.

    Raises:
        OptimizationError: a budget is missing or not positive, an asset has no risk, or a long portfolio has none, so
            that no shares of it exist.
    """
    risk = RiskModel.from_covariance(risk)
    assets = risk.assets
    shares = pd.Series(1.0, index=assets) if budgets is None else pd.Series(dict(budgets), dtype=float).reindex(assets)
    if not (np.isfinite(shares) & (shares > 0)).all():
        wrong = assets[~(np.isfinite(shares) & (shares > 0))]
        raise OptimizationError(f"the risk budget of {named(wrong)} is not > 0: pass one per asset")
    sd = risk.volatility()
    if (sd == 0).any():
        raise OptimizationError(f"{named(assets[sd == 0])} has no risk to share: leave it out")
    scale = sd.to_numpy()
    root = np.column_stack(
        [risk.factors.to_numpy() / scale[:, None], np.diag(np.sqrt(risk.specific.to_numpy()) / scale)]
    )
    budget = np.asarray(shares / shares.sum(), dtype=np.float64)
    y = _equal_risk(root @ root.T, budget)
    contribution = y * (root @ (root.T @ y))
    total = contribution.sum()
    if not (total > 0.0 and np.abs(contribution / total - budget).max() < 1e-8):
        raise OptimizationError(
            "no long portfolio has these shares of risk: some combination of assets has no variance at all; "
            "use a shrunk covariance such as LedoitWolf, or leave an asset out"
        )
    return pd.Series(y / scale / (y / scale).sum(), index=assets)


def _equal_risk(correlation: FloatArray, budget: FloatArray) -> FloatArray:
    """The minimum of y'C y / 2 - sum(b log y): each y in turn the positive root of C_ii y² + (C y)_-i y = b_i."""

    def objective(at: FloatArray) -> float:
        return float(at @ correlation @ at / 2.0 - budget @ np.log(at))

    y = np.sqrt(budget)
    for sweep in range(MAX_SWEEPS):
        for i in range(len(y)):
            others = correlation[i] @ y - correlation[i, i] * y[i]
            root = np.sqrt(others**2 + 4.0 * correlation[i, i] * budget[i])
            # Of the two forms of the root the one without cancellation.
            y[i] = 2.0 * budget[i] / (others + root) if others > 0 else (root - others) / (2.0 * correlation[i, i])
        slope = correlation @ y - budget / y
        if np.abs(y * slope).max() < RISK_TOLERANCE * budget.min():
            break
        if sweep % 10:
            continue
        try:  # a Newton step, where it keeps the weights positive and lowers the objective
            moved = y - np.linalg.solve(correlation + np.diag(budget / y**2), slope)
        except np.linalg.LinAlgError:  # the weights diverge: there is no minimum
            continue
        if (moved > 0).all() and objective(moved) <= objective(y):
            y = moved
    return y


def efficient_frontier(
    expected_return: pd.Series,
    risk: RiskModel | pd.DataFrame,
    constraints: Sequence[Constraint] = FULLY_INVESTED,
    *,
    n_points: int = 20,
) -> pd.DataFrame:
    """Return portfolios from the least risk to the largest return, evenly spaced in return.

    Columns: `expected_return` and `volatility` per session, then one weight per asset. Each row is the least
    variance at its return, the last one too where several portfolios share the largest return.

    Raises:
        OptimizationError: fewer than two points, or constraints that contradict each other.
    """
    if n_points < 2:
        raise OptimizationError(f"n_points is {n_points}: a frontier has at least two ends")
    risk = RiskModel.from_covariance(risk)
    assets = list(risk.assets)
    nothing = pd.Series(0.0, index=risk.assets)
    unit, size = float(risk.volatility().max()) or 1.0, float(expected_return.abs().max()) or 1.0
    scaled, gain = RiskModel(risk.factors / unit, risk.specific / unit**2), expected_return / size
    least = minimum_variance(scaled, constraints)
    largest = MeanVariance(assets, ExpectedReturn(), constraints).decide(gain, scaled, nothing).utility
    program = MeanVariance(assets, Variance(1.0), (*constraints, MinReturn("target")))
    targets = np.linspace(_dot(gain, least), largest, n_points)
    # At exactly the largest return the multiplier of that rule is unbounded: a millionth less is enough to solve for.
    targets[-1] -= 1e-6 * max(abs(targets[-1]), 1e-3)
    rows = [least, *(program.weights(gain, scaled, nothing, parameters={"target": t}) for t in targets[1:])]
    weights = pd.DataFrame(rows).reset_index(drop=True)
    weights.insert(0, "expected_return", [_dot(expected_return, w) for w in rows])
    weights.insert(1, "volatility", [unit * _variance(w, scaled) ** 0.5 for w in rows])
    return weights


def _dot(left: pd.Series, right: pd.Series) -> float:
    return float(left.reindex(right.index).to_numpy() @ right.to_numpy())


def _variance(w: pd.Series, risk: RiskModel) -> float:
    return _dot(risk.times(w), w)
