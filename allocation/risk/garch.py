"""GARCH(1,1) with Student's t innovations: the rival that a volatility forecast has to beat."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.signal import lfilter
from scipy.special import gammaln

from allocation.errors import RiskError
from allocation.frames import Bars
from newsfolio.shared.arrays import FloatArray

FEWEST = 250  # returns, below which the parameters mean nothing
START = (0.08, 0.9, 8.0)  # of alpha, beta and degrees of freedom
MOST_PERSISTENT = 0.999


@dataclass(frozen=True)
class GarchVolatility:
    """The volatility to expect over the next `horizon` sessions by GARCH(1,1)-t of each asset's log returns.

    h(t+1) = omega + alpha r(t)² + beta h(t), of which omega is set so that the long-run variance is that of the sample
    (variance targeting: C. Francq et al., J. Financial Econometrics 9, 2011); alpha, beta and the degrees of freedom by
    maximum likelihood on all returns up to then, anew every `refit` sessions. T. Bollerslev, "A conditionally
    heteroskedastic time series model", Review of Economics and Statistics 69, 1987.

    Raises:
        RiskError: a setting with which there is nothing to fit.
    """

    horizon: int = 5
    refit: int = 63

    def __post_init__(self) -> None:
        """There must be something to forecast."""
        if not (self.horizon >= 1 and self.refit >= 1):
            raise RiskError(f"{self} fits nothing: horizon and refit must be >= 1")

    def __call__(self, bars: Bars) -> pd.Series:
        """Return the volatility per session of each asset, as expected at the last close of `bars`."""
        row: pd.Series = self.path(bars).iloc[-1]
        return row

    def path(self, bars: Bars) -> pd.DataFrame:
        """Return the forecast of every session (sessions × assets), each made from rows up to it alone."""
        logs = np.log(bars.close.to_numpy())
        returns = np.vstack([np.full((1, logs.shape[1]), np.nan), np.diff(logs, axis=0)])
        found = np.full(returns.shape, np.nan)
        for asset in range(returns.shape[1]):
            rows = np.flatnonzero(np.isfinite(returns[:, asset]))
            found[rows, asset] = self._one(returns[rows, asset])
        return pd.DataFrame(found, index=bars.close.index, columns=bars.close.columns)

    def _one(self, returns: FloatArray) -> FloatArray:
        found, parameters = np.full(len(returns), np.nan), np.array(START)
        for start in range(FEWEST, len(returns), self.refit):
            known = returns[: start + 1]
            variance = float(known.var())
            if not variance > 0.0:
                continue
            mean = float(known.mean())
            parameters = _fit((known - mean) ** 2 / variance, parameters)
            alpha, beta, _ = parameters
            end = min(start + self.refit, len(returns))
            path = _variances((returns[:end] - mean) ** 2 / variance, alpha, beta)  # row t: of session t+1
            persistence = alpha + beta
            ahead = persistence ** np.arange(self.horizon)
            found[start:end] = variance * (1.0 + (path[start:end] - 1.0) * ahead.mean())
        return np.asarray(np.sqrt(found))


def _variances(squares: FloatArray, alpha: float, beta: float) -> FloatArray:
    """Row t: the variance of session t+1, relative to that of the sample; it starts at 1."""
    driven = 1.0 - alpha - beta + alpha * squares
    return np.asarray(lfilter([1.0], [1.0, -beta], driven, zi=[beta])[0])


def _fit(squares: FloatArray, start: FloatArray) -> FloatArray:
    """Alpha, beta and degrees of freedom by maximum likelihood."""

    def loss(parameters: FloatArray) -> float:
        alpha, beta, nu = map(float, parameters)
        if alpha + beta >= MOST_PERSISTENT:
            return 1e6 * (1.0 + alpha + beta)
        h = np.concatenate([[1.0], _variances(squares, alpha, beta)[:-1]])
        density = gammaln((nu + 1) / 2) - gammaln(nu / 2) - 0.5 * np.log(np.pi * (nu - 2))
        return float(-density + np.mean(0.5 * np.log(h) + (nu + 1) / 2 * np.log1p(squares / (h * (nu - 2)))))

    bounds = [(1e-4, 0.5), (0.0, MOST_PERSISTENT), (2.1, 100.0)]
    found = minimize(
        loss, start, method="Nelder-Mead", bounds=bounds, options={"maxiter": 200, "xatol": 1e-3, "fatol": 1e-6}
    )
    return np.asarray(found.x)
