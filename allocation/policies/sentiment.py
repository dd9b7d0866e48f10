"""Policies: from what is known at one close to target weights; the same object live and in a backtest."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from allocation.errors import OptimizationError, RiskError
from allocation.forecast.grinold import Grinold, equilibrium_return
from allocation.optimizer.decision import Decision
from allocation.optimizer.mean_variance import MeanVariance, RelaxationOrder, rules_of
from allocation.optimizer.model.constraints import LongOnly, MaxWeight, need_session_limits
from allocation.optimizer.model.symbols import Constraint, Objective
from allocation.optimizer.model.terms import NetUtility
from allocation.risk.covariance import LedoitWolf, RiskEstimator
from allocation.risk.scaled import risk_of
from allocation.view import Forecast, View, inputs_digest_of
from newsfolio.shared.arrays import BoolArray

# Compiled programs kept, one per set of tradable assets: compiling takes some 30 ms.
MAX_PROGRAMS = 16


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
        if not view.held.to_numpy().any():
            return _equal(view)
        return pd.Series(np.nan, index=view.held.index)


@dataclass(frozen=True)
class SentimentPolicy:
    """Mean-variance weights from a news signal, around equal weights, net of trading cost.

    The expected return is the forecast plus the equilibrium return of equal weights, so that without a view
    the portfolio is equal weight within the constraints. risk_aversion is per unit of one-session variance;
    cost is the fraction of the traded value, spread over `horizon` sessions, the time until the next
    rebalancing; rotation from one asset into another pays it, opening positions from idle cash does not
    (see NetUtility). `terms` are added to that objective. Assets without a price now, or with fewer than
    `min_history` returns in the window of the risk model, are held. relaxation_order: what is relaxed where
    constraints contradict each other (if None, that is an error). parameters: how the numbers that terms and
    constraints use by name follow from what is known now.

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
    terms: tuple[Objective, ...] = ()
    relaxation_order: RelaxationOrder | None = None
    parameters: Mapping[str, Callable[[View], pd.Series]] = field(default_factory=dict)
    _programs: dict[tuple[tuple[str, ...], ...], MeanVariance] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        """Rules are callables; a history that the risk model never looks at would never be long enough."""
        object.__setattr__(self, "constraints", rules_of(self.constraints, "constraints", "LongOnly()"))
        need_session_limits(self.constraints)
        object.__setattr__(self, "terms", rules_of(self.terms, "terms", "LinearCost(0.001)"))
        for name, part, such in (("forecast", self.forecast, "Grinold()"), ("risk", self.risk, "LedoitWolf()")):
            if isinstance(part, type) or not callable(part):
                kind = f"the class {part.__name__}" if isinstance(part, type) else f"a {type(part).__name__}"
                raise OptimizationError(f"{name} is {kind}: pass a callable such as {such}")
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
        ready = self._rebalancing(view)
        if ready is None:
            return pd.Series(np.nan, index=view.held.index)
        program, numbers = ready
        return program.weights(**numbers).reindex(view.held.index)

    def decide(self, view: View) -> Decision:
        """Return the same weights, of the assets inside the program, with all that explains them.

        Raises:
            RiskError, OptimizationError: as a call; and no asset can be traded.
        """
        ready = self._rebalancing(view)
        if ready is None:
            raise OptimizationError(
                f"nothing to decide at {view.now.date()}: no asset has a price and {self.min_history} returns"
            )
        program, numbers = ready
        return program.decide(**numbers)

    def inputs_digest(self, now: pd.Timestamp) -> str:
        """Return a digest of what forecast and risk model read beyond the view; empty where they read nothing more."""
        return "".join(inputs_digest_of(reader, now) for reader in (self.forecast, self.risk))

    def _rebalancing(self, view: View) -> tuple[MeanVariance, dict[str, Any]] | None:
        """The program over the assets that can be traded, and what it is solved for; None where there is no asset."""
        window: int = getattr(self.risk, "window", len(view.prices))  # a plain function may look at every price
        priced: BoolArray = np.isfinite(view.prices.to_numpy()[-window - 1 :])
        returns = (priced[1:] & priced[:-1]).sum(axis=0)
        assets: pd.Index = view.prices.columns[priced[-1] & (returns >= self.min_history)]
        if not len(assets):
            return None
        held, forecast, untradable_weight = view.held, self.forecast(view), 0.0
        if not (held.index.equals(assets) and forecast.index.equals(assets)):
            untradable_weight = float(held.drop(assets).sum())
            held, forecast = held[assets], forecast[assets]
        risk = risk_of(self.risk, view.bars, assets)
        reference = pd.Series((1.0 - untradable_weight) / len(assets), index=assets)
        names, universe = (tuple(labels.tolist()) for labels in (assets, view.prices.columns))  # a list first: quicker
        return self._program(names, universe), {
            "expected_return": forecast + equilibrium_return(risk, reference, self.risk_aversion),
            "risk": risk,
            "held": held,
            "untradable_weight": untradable_weight,
            "parameters": {name: numbers(view)[assets] for name, numbers in self.parameters.items()},
        }

    def _program(self, assets: tuple[str, ...], universe: tuple[str, ...]) -> MeanVariance:
        program = self._programs.pop((assets, universe), None)
        if program is None:
            utility = NetUtility(self.risk_aversion, self.cost, self.horizon, idle_cash_is_free=True)
            program = MeanVariance(
                assets,
                (utility, *self.terms),
                self.constraints,
                relaxation_order=self.relaxation_order,
                universe=universe,
            )
        self._programs[assets, universe] = program  # last used, last in
        while len(self._programs) > MAX_PROGRAMS:
            del self._programs[next(iter(self._programs))]
        return program


def _equal(view: View) -> pd.Series:
    held = view.held
    trades = held.index.isin(view.tradable)
    each = (1.0 - held.to_numpy()[~trades].sum()) / max(np.count_nonzero(trades), 1)
    return pd.Series(np.where(trades, each, np.nan), index=held.index)
