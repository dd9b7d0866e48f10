"""Covariance models with few factors: found in the returns, or named by the user."""

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocation.errors import RiskError
from allocation.frames import named
from allocation.risk.covariance import RiskModel, centred_returns, recent_returns

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StatisticalFactors:
    """The first `n_factors` principal components of the last `window` returns, and each asset's residual variance.

    Residual variances are noisy: they are shrunk towards their mean over assets by `shrink` (0: as estimated, 1: the
    mean).
    Gaps are treated as in Sample, divisor n.

    Raises:
        RiskError: settings that leave no factor, or an asset with fewer than `min_returns` returns in the window.
    """

    n_factors: int = 15
    window: int = 252
    min_returns: int = 60
    shrink: float = 0.25

    def __post_init__(self) -> None:
        """Settings must leave a factor."""
        if self.n_factors < 1 or not 0.0 <= self.shrink <= 1.0:
            raise RiskError(f"{self} is not meaningful: pass n_factors >= 1 and shrink in [0, 1]")

    def __call__(self, prices: pd.DataFrame) -> RiskModel:
        """Estimate from prices (sessions × assets), all of them known; only the last rows are used."""
        centred = centred_returns(prices, self.window, self.min_returns)
        scaled = centred / np.sqrt(len(centred))
        # Eigenvectors of scaled'scaled times the roots of their eigenvalues, largest first, by the smaller Gram matrix.
        n_factors, wide = min(self.n_factors, *scaled.shape), scaled.shape[1] > scaled.shape[0]
        values, vectors = np.linalg.eigh(scaled @ scaled.T if wide else scaled.T @ scaled)
        values, vectors = values[::-1][:n_factors], vectors[:, ::-1][:, :n_factors]
        factors = scaled.T @ vectors if wide else vectors * np.sqrt(np.maximum(values, 0.0))
        left = np.maximum(np.sum(scaled**2, axis=0) - np.sum(factors**2, axis=1), 0.0)
        specific = (1.0 - self.shrink) * left + self.shrink * left.mean()
        return RiskModel(pd.DataFrame(factors, index=prices.columns), pd.Series(specific, index=prices.columns))


@dataclass(frozen=True)
class UserFactors:
    """Factors whose returns are known (sectors, styles, rates): loadings by least squares on the last `window` returns.

    returns: sessions × factors, row t known at the close of t. Factors that repeat one another share their loading.
    An asset's own history is used where it is shorter; what its factors do not explain is its specific variance.

    Raises:
        RiskError: a factor has no return on a session of the window, or an asset has fewer than `min_returns`.
    """

    returns: pd.DataFrame
    window: int = 252
    min_returns: int = 60

    def __repr__(self) -> str:
        return f"UserFactors({named(self.returns.columns)}, window={self.window})"

    def __call__(self, prices: pd.DataFrame) -> RiskModel:
        """Estimate from prices (sessions × assets), all of them known; only the last rows are used."""
        assets = recent_returns(prices, self.window)
        factors = self.returns.reindex(assets.index).to_numpy(dtype=np.float64)
        broken = np.argwhere(~np.isfinite(factors))
        if len(broken):
            row, column = broken[0]
            raise RiskError(
                f"the factor {self.returns.columns[column]} has no return on {str(assets.index[row])[:10]}: "
                "pass one for each session of the window"
            )
        common = factors - factors.mean(axis=0)
        rank = int(np.linalg.matrix_rank(common))
        if rank < common.shape[1]:
            log.info("of %d factors %d repeat others: they share a loading", common.shape[1], common.shape[1] - rank)
        values, needed = assets.to_numpy(), max(self.min_returns, common.shape[1] + 2)
        known = np.isfinite(values)
        loadings, specific = np.empty((values.shape[1], common.shape[1])), np.empty(values.shape[1])
        for pattern in np.unique(known, axis=1).T:  # assets of one history are one regression
            columns = np.flatnonzero((known == pattern[:, None]).all(axis=0))
            if pattern.sum() < needed:
                raise RiskError(
                    f"{named(assets.columns[columns])} has {int(pattern.sum())} returns in the window, {needed} are "
                    "needed: lower min_returns or leave it out"
                )
            x, y = common[pattern], values[np.ix_(pattern, columns)]
            x, y = x - x.mean(axis=0), y - y.mean(axis=0)
            found = np.linalg.lstsq(x, y, rcond=None)[0]
            loadings[columns] = found.T
            specific[columns] = np.mean((y - x @ found) ** 2, axis=0)
        root = np.asarray(np.linalg.qr(common / np.sqrt(len(common)), mode="r")).T
        return RiskModel(pd.DataFrame(loadings @ root, index=prices.columns), pd.Series(specific, index=prices.columns))
