"""Policies: from what is known at one close to target weights; the same object live and in a backtest."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from allocation.errors import RiskError
from allocation.forecast import Forecast, Grinold, equilibrium_return
from allocation.optimizer import MeanVariance
from allocation.risk import LedoitWolf, RiskEstimator, recent_returns
from allocation.terms import Constraint, LongOnly, MaxWeight, NetUtility


@dataclass(frozen=True)
class View:
    """All that a policy may know at the close of session `now`.

    prices and signal (sessions × assets) end at `now`; held is the weight of each asset at that close,
    after drift, before any trade. The target a policy returns is filled in the session after `now`.
    """

    now: pd.Timestamp
    prices: pd.DataFrame
    signal: pd.DataFrame
    held: pd.Series

    @property
    def tradable(self) -> pd.Index:
        """Assets with a price at `now`."""
        return self.prices.columns[self.prices.iloc[-1].notna()]


Policy = Callable[[View], pd.Series]


@dataclass(frozen=True)
class EqualWeight:
    """The same weight in every asset that trades, at every rebalancing."""

    def __call__(self, view: View) -> pd.Series:
        """1/n each; an asset without a price now is held as it is, out of the same budget."""
        return _equal(view)


@dataclass(frozen=True)
class Hold:
    """Buy equal weights once, then never trade again."""

    def __call__(self, view: View) -> pd.Series:
        """Equal weights while nothing is held, NaN (hold) afterwards."""
        if (view.held == 0).all():
            return _equal(view)
        return pd.Series(np.nan, index=view.held.index)


@dataclass(frozen=True)
class SentimentPolicy:
    """Mean-variance weights from a news signal, around equal weights, net of trading cost.

    The expected return is the forecast plus the equilibrium return of equal weights, so that without a view
    the portfolio is equal weight within the constraints. risk_aversion is per unit of one-session variance;
    cost is the fraction of the traded value, spread over `horizon` sessions, the time until the next
    rebalancing; rotation from one asset into another pays it, opening positions from idle cash does not
    (see NetUtility). Assets without a price now, or with fewer than `min_history` returns in the window of
    the risk model, are held.

    Raises:
        RiskError: the risk model's window is shorter than `min_history`: nothing would ever be traded.
    """

    forecast: Forecast = field(default_factory=Grinold)
    risk: RiskEstimator = field(default_factory=LedoitWolf)
    risk_aversion: float = 5.0
    cost: float = 0.001
    horizon: int = 5
    constraints: tuple[Constraint, ...] = (LongOnly(), MaxWeight(0.25))
    min_history: int = 60
    _programs: dict[tuple[str, ...], MeanVariance] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse a history that the risk model never looks at."""
        window = getattr(self.risk, "window", self.min_history)
        if window < self.min_history:
            raise RiskError(
                f"min_history is {self.min_history}, but the risk model looks at {window} returns: "
                "lower min_history or widen the window"
            )

    def __call__(self, view: View) -> pd.Series:
        """Return target weights; NaN (hold) for every asset outside the program.

        Raises:
            RiskError, OptimizationError: the program has no numbers or no optimum at `view.now`.
        """
        assets = self._investable(view)
        if not len(assets):
            return pd.Series(np.nan, index=view.held.index)
        locked = float(view.held.drop(assets).sum())
        risk = self.risk(view.prices[assets])
        reference = pd.Series((1.0 - locked) / len(assets), index=assets)
        expected = self.forecast(view)[assets] + equilibrium_return(risk, reference, self.risk_aversion)
        weights = self._program(tuple(assets)).weights(expected, risk, view.held[assets], locked=locked)
        return weights.reindex(view.held.index)

    def _investable(self, view: View) -> pd.Index:
        window = getattr(self.risk, "window", len(view.prices))  # a plain function may look at every price
        enough = recent_returns(view.prices, window).notna().sum() >= self.min_history
        return view.tradable[enough[view.tradable]]

    def _program(self, assets: tuple[str, ...]) -> MeanVariance:
        if assets not in self._programs:
            utility = NetUtility(self.risk_aversion, self.cost, self.horizon, idle_cash_is_free=True)
            self._programs[assets] = MeanVariance(assets, utility, self.constraints)
        return self._programs[assets]


def _equal(view: View) -> pd.Series:
    tradable = view.tradable
    weights = pd.Series(np.nan, index=view.held.index)
    weights[tradable] = (1.0 - view.held.drop(tradable).sum()) / max(len(tradable), 1)
    return weights
