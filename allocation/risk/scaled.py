"""Correlations of one model, volatilities of another."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd

from allocation.errors import RiskError
from allocation.frames import Bars, frame_digest, named
from allocation.risk.covariance import LedoitWolf, RiskEstimator, RiskModel
from allocation.risk.volatility import HarVolatility
from allocation.view import inputs_digest_of

VolatilityForecast = Callable[[Bars], pd.Series]  # bars up to now -> volatility of a session's return, by asset


@dataclass(frozen=True)
class ScaledRisk:
    """Covariance D C D: the correlations C of `correlation`, and D the volatilities that are forecast.

    volatility: what forecasts volatility from the bars up to now (HarVolatility, by default), or a frame of forecasts
    made before (sessions × assets), row t of what is known at the close of t, of which the row of the last price is
    read. An asset without a forecast now, such as one listed lately, keeps the volatility of `correlation`. In factor
    form the rows of F are scaled and nothing of the size assets × assets is formed.
    """

    volatility: VolatilityForecast | pd.DataFrame = field(default_factory=HarVolatility)
    correlation: RiskEstimator = field(default_factory=LedoitWolf)

    @property
    def window(self) -> int:
        """How many returns the correlations look at; without a bound where their model states none."""
        return int(getattr(self.correlation, "window", sys.maxsize))

    def __call__(self, prices: pd.DataFrame) -> RiskModel:
        """Estimate from prices (sessions × assets), all of them known, without opens, highs or lows.

        Raises:
            RiskError: there is no row of volatilities for the last session, or one is not above 0.
        """
        return self.from_bars(Bars(prices), prices.columns)

    def from_bars(self, bars: Bars, assets: pd.Index) -> RiskModel:
        """Estimate for `assets` from bars up to now, which may have more assets: all of them tell of the market.

        Raises:
            RiskError: there is no row of volatilities for the last session, or one is not above 0.
        """
        base, now = self.correlation(bars.close[assets]), bars.close.index[-1]
        forecast = self._forecast(bars).reindex(base.assets).to_numpy(dtype=np.float64)
        if (forecast <= 0.0).any():
            wrong = base.assets[forecast <= 0.0]
            raise RiskError(f"the volatility of {named(wrong)} at {now.date()} is not above 0: correct the forecast")
        own = base.volatility().to_numpy()
        scale = np.where(np.isfinite(forecast) & (own > 0.0), forecast / np.where(own > 0.0, own, 1.0), 1.0)
        return RiskModel(base.factors.mul(scale, axis=0), base.specific * scale**2)

    def _forecast(self, bars: Bars) -> pd.Series:
        if not isinstance(self.volatility, pd.DataFrame):
            return self.volatility(bars)
        now = bars.close.index[-1]
        if now not in self.volatility.index:
            raise RiskError(f"no volatility was forecast at {now.date()}: forecast it on the sessions of the prices")
        row: pd.Series = self.volatility.loc[now]
        return row

    def inputs_digest(self, now: pd.Timestamp) -> str:
        """Return the digest of what is read beyond bars, as known at the close of `now`; empty if nothing is."""
        if isinstance(self.volatility, pd.DataFrame):
            return frame_digest(self.volatility.loc[:now])
        return inputs_digest_of(self.volatility, now)


@runtime_checkable
class ReadsBars(Protocol):
    """A risk model that reads opens, highs and lows as well as closes."""

    def from_bars(self, bars: Bars, assets: pd.Index) -> RiskModel:
        """Estimate for `assets` from bars up to now."""


def risk_of(estimator: RiskEstimator, bars: Bars, assets: pd.Index) -> RiskModel:
    """Return the risk of `assets` as estimated from all that is known now."""
    if isinstance(estimator, ReadsBars):
        return estimator.from_bars(bars, assets)
    close = bars.close
    return estimator(close if len(assets) == close.shape[1] and close.columns.equals(assets) else close[assets])
