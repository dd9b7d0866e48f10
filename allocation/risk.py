"""Covariance models in factor form: Sigma = F F' + diag(d), positive semidefinite by construction."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocation.errors import RiskError
from allocation.frames import named


@dataclass(frozen=True)
class RiskModel:
    """Covariance of one session's returns, as `factors` F (assets × k) and `specific` variances d (assets).

    Raises:
        RiskError: labels differ or repeat, a value is NaN or infinite, or a specific variance is negative.
    """

    factors: pd.DataFrame
    specific: pd.Series

    def __post_init__(self) -> None:
        """Refuse what no optimizer can use."""
        if not self.factors.index.equals(self.specific.index):
            raise RiskError("factors and specific variances name different assets: build both on one index")
        if self.assets.has_duplicates:
            twice = self.assets[self.assets.duplicated()][0]
            raise RiskError(f"the risk model has {twice} twice: keep one row per asset")
        broken = ~(np.isfinite(self.factors).all(axis=1) & np.isfinite(self.specific))
        if broken.any():
            raise RiskError(
                f"the covariance of {named(self.assets[broken])} is NaN or infinite: "
                "drop these assets or give them more history"
            )
        if (self.specific < 0).any():
            worst = int(self.specific.argmin())
            raise RiskError(
                f"specific variance of {self.assets[worst]} is {self.specific.iloc[worst]:g}: it must be >= 0"
            )

    @property
    def assets(self) -> pd.Index:
        """The assets, in the model's own order."""
        return self.factors.index

    def covariance(self) -> pd.DataFrame:
        """The full matrix (assets × assets), per session."""
        loadings = self.factors.to_numpy()
        matrix = loadings @ loadings.T + np.diag(self.specific.to_numpy())
        return pd.DataFrame(matrix, index=self.assets, columns=self.assets)

    def volatility(self) -> pd.Series:
        """Standard deviation of each asset's return per session."""
        return ((self.factors**2).sum(axis=1) + self.specific) ** 0.5

    def times(self, weights: pd.Series) -> pd.Series:
        """Sigma @ weights, matched by label, without forming Sigma."""
        missing = self.assets.difference(weights.index)
        if len(missing):
            raise RiskError(f"no weight of {named(missing)} was given: pass one for each asset of the risk model")
        w = weights.reindex(self.assets).to_numpy()
        loadings = self.factors.to_numpy()
        return pd.Series(loadings @ (loadings.T @ w) + self.specific.to_numpy() * w, index=self.assets)


RiskEstimator = Callable[[pd.DataFrame], RiskModel]  # prices up to now -> the risk of the next session


@dataclass(frozen=True)
class LedoitWolf:
    """Sample covariance of the last `window` returns, shrunk towards a multiple of the identity.

    The shrinkage is scikit-learn's `ledoit_wolf_shrinkage` (O. Ledoit and M. Wolf, "A well-conditioned
    estimator for large-dimensional covariance matrices", J. Multivariate Analysis 88, 2004), divisor n,
    returns demeaned. A missing return counts as the asset's own mean, and the asset is rescaled so that its
    variance stays that of the returns it has; the matrix stays positive semidefinite.

    Raises:
        RiskError: an asset has fewer than `min_returns` returns (and never fewer than 2) in the window.
    """

    window: int = 252
    min_returns: int = 60

    def __call__(self, prices: pd.DataFrame) -> RiskModel:
        """Estimate from prices (sessions × assets), all of them known; only the last rows are used."""
        returns = recent_returns(prices, self.window)
        _need_returns(returns, max(self.min_returns, 2))  # one return is its own mean: no variance
        return _shrunk(_demeaned(returns), returns.columns)


def recent_returns(prices: pd.DataFrame, window: int) -> pd.DataFrame:
    """Return the last `window` simple returns (sessions × assets); NaN beside a gap in the prices."""
    return prices.iloc[-window - 1 :].pct_change(fill_method=None).iloc[1:]


def _need_returns(returns: pd.DataFrame, least: int) -> None:
    counts = returns.notna().sum()
    short = counts.index[counts < least]
    if len(short):
        raise RiskError(
            f"{named(short)} has {int(counts[short[0]])} returns in the window, {least} are needed: "
            "start later, lower min_returns, or leave the asset out"
        )


def _demeaned(returns: pd.DataFrame) -> np.ndarray:
    """Returns less their means, gaps at the mean, each column scaled up for its gaps."""
    centred = (returns - returns.mean()).to_numpy()
    known = np.isfinite(centred)
    return np.asarray(np.where(known, centred, 0.0) * np.sqrt(len(centred) / known.sum(axis=0)))


def _shrunk(centred: np.ndarray, assets: pd.Index) -> RiskModel:
    from sklearn.covariance import ledoit_wolf_shrinkage  # a second to load: only when a risk is estimated

    n_sessions, n_assets = centred.shape
    scale = np.sqrt(np.mean(centred**2)) or 1.0  # shrinkage has no unit; daily returns squared underflow in it
    shrinkage = float(ledoit_wolf_shrinkage(centred / scale, assume_centered=True))
    mean_variance = np.sum(centred**2) / (n_sessions * n_assets)
    # R'R = X'X with R from a QR decomposition: a factor form without squaring the condition number.
    triangular = np.asarray(np.linalg.qr(centred, mode="r"))
    factors = triangular.T * np.sqrt((1.0 - shrinkage) / n_sessions)
    return RiskModel(
        pd.DataFrame(factors, index=assets),
        pd.Series(np.full(n_assets, shrinkage * mean_variance), index=assets),
    )
