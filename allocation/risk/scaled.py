"""Correlations of one model, volatilities of another."""

import sys
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from allocation.errors import RiskError
from allocation.frames import frame_digest, named
from allocation.risk.covariance import LedoitWolf, RiskEstimator, RiskModel


@dataclass(frozen=True)
class ScaledRisk:
    """Covariance D C D: the correlations C of `correlation`, and D the volatilities that are forecast.

    volatility: per session (sessions × assets), row t made of what is known at the close of t, as HarVolatility.path
    gives it. Only the row of the last price is read. An asset without a forecast in that row keeps the volatility of
    `correlation`. In factor form the rows of F are scaled and nothing of the size assets × assets is formed.
    """

    volatility: pd.DataFrame = field(repr=False)
    correlation: RiskEstimator = field(default_factory=LedoitWolf)

    @property
    def window(self) -> int:
        """How many returns the correlations look at; without a bound where their model states none."""
        return int(getattr(self.correlation, "window", sys.maxsize))

    def __call__(self, prices: pd.DataFrame) -> RiskModel:
        """Estimate from prices (sessions × assets), all of them known.

        Raises:
            RiskError: there is no row of volatilities for the last session, or one is not above 0.
        """
        base, now = self.correlation(prices), prices.index[-1]
        if now not in self.volatility.index:
            raise RiskError(f"no volatility was forecast at {now.date()}: forecast it on the sessions of the prices")
        forecast = self.volatility.loc[now].reindex(base.assets).to_numpy(dtype=np.float64)
        if (forecast <= 0.0).any():
            wrong = base.assets[forecast <= 0.0]
            raise RiskError(f"the volatility of {named(wrong)} at {now.date()} is not above 0: correct the forecast")
        own = base.volatility().to_numpy()
        scale = np.where(np.isfinite(forecast) & (own > 0.0), forecast / np.where(own > 0.0, own, 1.0), 1.0)
        return RiskModel(base.factors.mul(scale, axis=0), base.specific * scale**2)

    def inputs_digest(self, now: pd.Timestamp) -> str:
        """Return the digest of the volatilities as known at the close of `now`."""
        return frame_digest(self.volatility.loc[:now])
