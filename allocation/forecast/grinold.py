"""From a signal to an expected return per session, using the past only."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from allocation.errors import AllocationError
from allocation.forecast.newey_west import newey_west_variance
from allocation.risk.covariance import RiskModel
from allocation.view import View
from newsfolio.shared.arrays import FloatArray

# Of signals of size 1: equal signals less their mean are not always exactly 0.
ROUNDING = 1e-12


@dataclass(frozen=True)
class NoView:
    """No view: zero for every asset."""

    def __call__(self, view: View) -> pd.Series:
        """Zeros, indexed by asset."""
        return pd.Series(0.0, index=view.prices.columns)


@dataclass(frozen=True)
class AlphaInputs:
    """What a model estimates from the past: how much a score is worth, and the volatility of returns.

    coefficient: shrunk information coefficient, >= 0; volatility: of residual returns per session, by asset; score: of
    now, NaN without a signal; weights: of the sessions that the coefficient looked ahead (`decay_weights`).
    """

    coefficient: float
    volatility: pd.Series
    score: pd.Series
    weights: FloatArray

    def per_session(self, volatility: pd.Series) -> pd.Series:
        """Volatility in the unit of an expected return per session: the mean over the sessions looked ahead.

        The coefficient is that of a weighted sum of returns, whose volatility grows with the root of the sum of squared
        weights; one session expects coefficient / root, times its own weight.
        """
        values = volatility.to_numpy() / np.sqrt((self.weights**2).sum()) * self.weights.mean()
        return pd.Series(values, volatility.index)


@dataclass(frozen=True)
class Grinold:
    """alpha = information coefficient × residual volatility × score (R. Grinold, "Alpha is volatility times
    IC times score", J. Portfolio Management 20(4), 1994).

    score: the signal less its mean over the assets that have one that session, divided by its root mean
    square over the last `window` sessions. Residual return: an asset's return less the mean of all assets.
    The IC is estimated by `past_information_coefficient` on the same window and shrunk with `prior_sd`.
    An asset without a signal has score 0; when the estimated IC is 0 the forecast is exactly 0.

    decay: the share of a score's information left one session later, from 0 to 1, or `fit`: the `score_decay` of the
    window. Session k after the fill is then expected to earn decay^(k-1) times the return of the first (N. Garleanu and
    L. Pedersen, "Dynamic trading with predictable returns and transaction costs", J. Finance 68(6), 2013): the IC is
    estimated with those weights, and the forecast is their mean over `horizon` sessions. With 1 all sessions count the
    same.

    Raises:
        AllocationError: a setting with which every forecast would be 0, whatever the signal, or an invalid decay.
    """

    horizon: int = 5
    window: int = 252
    prior_sd: float = 0.03
    decay: float | Literal["fit"] = 1.0

    def __post_init__(self) -> None:
        """An IC needs two scores whose `horizon` sessions, after the one of the fill, are over."""
        if not (self.horizon >= 1 and self.window >= self.horizon + 3 and self.prior_sd > 0):
            raise AllocationError(
                f"{self} never forecasts anything: pass horizon >= 1, window >= horizon + 3 and prior_sd > 0"
            )
        check_decay(self.decay)

    def __call__(self, view: View) -> pd.Series:
        """Return the expected residual return per session, averaged over the next `horizon` sessions."""
        read = self.read(view)
        per_score = read.per_session(read.coefficient * read.volatility)
        values = per_score.to_numpy() * read.score.reindex(per_score.index).to_numpy()
        return pd.Series(np.where(np.isnan(values), 0.0, values), per_score.index)

    def read(self, view: View) -> AlphaInputs:
        """Return the inputs of the forecast, from the last `window` sessions."""
        score = standardised_score(view.signal.iloc[-self.window :])
        residual = residual_returns(view.prices.iloc[-self.window - 1 :])
        decay = score_decay(score) if self.decay == "fit" else float(self.decay)
        ic = past_information_coefficient(score, residual, horizon=self.horizon, prior_sd=self.prior_sd, decay=decay)
        volatility = pd.Series(_deviations(residual.to_numpy()), index=residual.columns)
        return AlphaInputs(ic, volatility, score.iloc[-1], decay_weights(decay, self.horizon))


def standardised_score(signal: pd.DataFrame) -> pd.DataFrame:
    """Signal less its session's mean over covered assets, over its pooled root mean square; NaN stays NaN."""
    centred = _less_row_means(signal.to_numpy(dtype=np.float64))
    known = np.isfinite(centred)
    scale = np.sqrt(np.mean(centred[known] ** 2)) if known.any() else 0.0
    values = centred / scale if scale > ROUNDING else centred * 0.0
    return pd.DataFrame(values, index=signal.index, columns=signal.columns)


def residual_returns(prices: pd.DataFrame) -> pd.DataFrame:
    """Simple returns (row t: from close t-1 to close t) less their mean over the assets of the session."""
    values = prices.to_numpy(dtype=np.float64)
    returns = _less_row_means(values[1:] / values[:-1] - 1.0)
    return pd.DataFrame(returns, index=prices.index[1:], columns=prices.columns)


def _less_row_means(values: FloatArray) -> FloatArray:
    """Each row less the mean of what it has; here and below pandas' own way takes five times as long, on each date."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        means = np.where(known, values, 0.0).sum(axis=1) / known.sum(axis=1)
    return np.asarray(values - means[:, None])


def _deviations(values: FloatArray) -> FloatArray:
    """Standard deviation of each column, divisor n; NaN where there is nothing."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        count = known.sum(axis=0)
        means = np.where(known, values, 0.0).sum(axis=0) / count
        return np.asarray(np.sqrt(np.where(known, (values - means) ** 2, 0.0).sum(axis=0) / count))


def check_decay(decay: object) -> None:
    """Raise AllocationError unless the decay is a number from 0 to 1 or `fit`."""
    if decay != "fit" and not (isinstance(decay, int | float) and 0 <= decay <= 1):
        raise AllocationError(f"decay is {decay!r}: pass a number from 0 to 1, or 'fit'")


def decay_weights(decay: float, horizon: int) -> FloatArray:
    """Return the weight of each of the next `horizon` sessions: 1, decay, decay², ..."""
    return np.asarray(decay ** np.arange(horizon, dtype=np.float64))


def score_decay(score: pd.DataFrame) -> float:
    """Return what is left of a score one session later: its pooled first autocorrelation, within [0, 1].

    A score that is gone (NaN) counts as 0, as it does in a forecast. Without any score, 0.
    """
    values = np.nan_to_num(score.to_numpy(dtype=np.float64))
    squares = float((values[:-1] ** 2).sum())
    return float(np.clip((values[1:] * values[:-1]).sum() / squares, 0.0, 1.0)) if squares > 0 else 0.0


def past_information_coefficient(
    score: pd.DataFrame, residual: pd.DataFrame, *, horizon: int, prior_sd: float, decay: float = 1.0
) -> float:
    """Correlation of the score with the residual returns that followed it, shrunk, never below 0.

    The score of session s meets the sum of the residual returns of sessions s+2 ... s+1+horizon: a decision
    at close s is filled in session s+1, so what happens before that fill cannot be earned. Every return used
    is already known: the last score that counts is `horizon + 1` sessions old. With a `decay` below 1 the later
    sessions weigh less (`decay_weights`): where a score's information decays so, that sum shows it best.

    The estimate m, with Newey-West standard error se, is combined with a normal prior of mean 0 and standard
    deviation `prior_sd`: m × prior_sd² / (prior_sd² + se²). Floored at 0, since a news signal that pointed
    the wrong way is taken to be noise, not an inverse signal.
    """
    volatility = _deviations(residual.to_numpy())
    values = residual.to_numpy() / np.where(volatility > 0, volatility, np.nan)
    standardised = pd.DataFrame(values, residual.index, residual.columns)
    if not score.index.equals(residual.index):
        both = score.index.intersection(residual.index)
        score, standardised = score.loc[both], standardised.loc[both]
    ahead = forward_sums(standardised.to_numpy(), decay_weights(decay, horizon))
    products = score.to_numpy()[: -horizon - 1] * ahead
    counted = np.isfinite(products)
    per_session = counted.sum(axis=1)
    if (per_session > 0).sum() < 2:
        return 0.0
    coverage = per_session / per_session.mean()  # sessions weigh by the number of assets with news
    daily = np.where(counted, products, 0.0).sum(axis=1) / np.maximum(per_session, 1) * coverage
    mean, variance = daily.mean(), newey_west_variance(daily, lags=horizon - 1)
    return float(max(0.0, mean / (1.0 + variance / prior_sd**2)))  # so written, an infinite prior shrinks nothing


def forward_sums(standardised: FloatArray, weights: FloatArray) -> FloatArray:
    """Row s: weighted sum of rows s+2, s+3, ... of unit variance, over the root of the sum of squared weights.

    The last rows, as many as there are weights and one more, have none.
    """
    n_rows = max(len(standardised) - len(weights) - 1, 0)
    sums = np.zeros((n_rows, standardised.shape[1]))
    for step, weight in enumerate(weights):
        sums += weight * standardised[2 + step : 2 + step + n_rows]
    return np.asarray(sums / np.sqrt((weights**2).sum()))


def equilibrium_return(risk: RiskModel, reference: pd.Series, risk_aversion: float) -> pd.Series:
    """Return the expected returns at which `reference` is optimal: 2 × risk_aversion × Sigma × reference.

    Reverse optimisation (F. Black and R. Litterman, "Global portfolio optimization", Financial Analysts
    Journal 48(5), 1992) for the utility mu'w - risk_aversion × w'Sigma w. Added to a forecast, it makes
    the reference the portfolio that is held when there is no view.
    """
    return 2.0 * risk_aversion * risk.times(reference)
