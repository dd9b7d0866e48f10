"""From a signal to an expected return per session, using the past only."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from allocation.errors import AllocationError
from allocation.newey_west import newey_west_variance
from allocation.risk import RiskModel

if TYPE_CHECKING:
    from allocation.policy import View

# Beside signals of size 1: equal signals less their mean are not always exactly 0.
ROUNDING = 1e-12

Forecast = Callable[["View"], pd.Series]  # what is known now -> expected return per session, by asset


@dataclass(frozen=True)
class NoView:
    """The forecast of somebody without an opinion: zero for every asset."""

    def __call__(self, view: "View") -> pd.Series:
        """Zeros, indexed by asset."""
        return pd.Series(0.0, index=view.prices.columns)


@dataclass(frozen=True)
class Grinold:
    """alpha = information coefficient × residual volatility × score (R. Grinold, "Alpha is volatility times
    IC times score", J. Portfolio Management 20(4), 1994).

    score: the signal less its mean over the assets that have one that session, divided by its root mean
    square over the last `window` sessions. Residual return: an asset's return less the mean of all assets.
    The IC is estimated by `past_information_coefficient` on the same window and shrunk with `prior_sd`.
    An asset without a signal has score 0; when the estimated IC is 0 the forecast is exactly 0.

    Raises:
        AllocationError: a setting with which every forecast would be 0, whatever the signal.
    """

    horizon: int = 5
    window: int = 252
    prior_sd: float = 0.03

    def __post_init__(self) -> None:
        """An IC needs two scores whose `horizon` sessions, after the one of the fill, are over."""
        if not (self.horizon >= 1 and self.window >= self.horizon + 3 and self.prior_sd > 0):
            raise AllocationError(
                f"{self} never forecasts anything: pass horizon >= 1, window >= horizon + 3 and prior_sd > 0"
            )

    def __call__(self, view: "View") -> pd.Series:
        """Return the expected residual return per session, averaged over the next `horizon` sessions."""
        prices = view.prices.iloc[-self.window - 1 :]
        score = standardised_score(view.signal.iloc[-self.window :])
        residual = residual_returns(prices)
        volatility = residual.std(ddof=0)
        ic = past_information_coefficient(score, residual, horizon=self.horizon, prior_sd=self.prior_sd)
        # An IC at horizon h speaks of the sum of h returns, whose volatility grows with sqrt(h); per session:
        alpha = ic * volatility / np.sqrt(self.horizon) * score.iloc[-1]
        return pd.Series(alpha.fillna(0.0))


def standardised_score(signal: pd.DataFrame) -> pd.DataFrame:
    """Signal less its session's mean over covered assets, over its pooled root mean square; NaN stays NaN."""
    centred = signal.sub(signal.mean(axis=1), axis=0)
    values = centred.to_numpy()
    known = np.isfinite(values)
    scale = np.sqrt(np.mean(values[known] ** 2)) if known.any() else 0.0
    return centred / scale if scale > ROUNDING else centred * 0.0


def residual_returns(prices: pd.DataFrame) -> pd.DataFrame:
    """Simple returns (row t: from close t-1 to close t) less their mean over the assets of the session."""
    returns = prices.pct_change(fill_method=None).iloc[1:]
    return returns.sub(returns.mean(axis=1), axis=0)


def past_information_coefficient(
    score: pd.DataFrame, residual: pd.DataFrame, *, horizon: int, prior_sd: float
) -> float:
    """Correlation of the score with the residual returns that followed it, shrunk, never below 0.

    The score of session s meets the sum of the residual returns of sessions s+2 ... s+1+horizon: a decision
    at close s is filled in session s+1, so what happens before that fill cannot be earned. Every return used
    is already known: the last score that counts is `horizon + 1` sessions old.

    The estimate m, with Newey-West standard error se, is combined with a normal prior of mean 0 and standard
    deviation `prior_sd`: m × prior_sd² / (prior_sd² + se²). Floored at 0, since a news signal that pointed
    the wrong way is taken to be noise, not an inverse signal.
    """
    known, volatility = score.index.intersection(residual.index), residual.std(ddof=0)
    standardised = (residual / volatility.where(volatility > 0)).loc[known].to_numpy()
    products = score.loc[known].to_numpy()[: -horizon - 1] * _following(standardised, horizon)
    counted = np.isfinite(products)
    per_session = counted.sum(axis=1)
    if (per_session > 0).sum() < 2:
        return 0.0
    coverage = per_session / per_session.mean()  # sessions weigh by the number of assets with news
    daily = np.where(counted, products, 0.0).sum(axis=1) / np.maximum(per_session, 1) * coverage
    mean, variance = daily.mean(), newey_west_variance(daily, lags=horizon - 1)
    return float(max(0.0, mean / (1.0 + variance / prior_sd**2)))  # so written, an infinite prior shrinks nothing


def _following(standardised: np.ndarray, horizon: int) -> np.ndarray:
    """Row s: sum of rows s+2 ... s+1+horizon over sqrt(horizon); the last horizon+1 rows have none."""
    n_rows = max(len(standardised) - horizon - 1, 0)
    sums = np.zeros((n_rows, standardised.shape[1]))
    for step in range(horizon):
        sums += standardised[2 + step : 2 + step + n_rows]
    return np.asarray(sums / np.sqrt(horizon))


def equilibrium_return(risk: RiskModel, reference: pd.Series, risk_aversion: float) -> pd.Series:
    """Return the expected returns at which `reference` is optimal: 2 × risk_aversion × Sigma × reference.

    Reverse optimisation (F. Black and R. Litterman, "Global portfolio optimization", Financial Analysts
    Journal 48(5), 1992) for the utility mu'w - risk_aversion × w'Sigma w. Added to a forecast, it makes
    the reference the portfolio that is held when there is no view.
    """
    return 2.0 * risk_aversion * risk.times(reference)
