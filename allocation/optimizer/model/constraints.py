"""The rules that weights must obey, as small frozen callables from Symbols to cvxpy constraints.

All are fractions of NAV. Numbers per asset are one number for all, a table by ticker, or the name of numbers
passed at each rebalancing. Limits on the number and the size of positions are in `cardinality`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import cvxpy as cp
import numpy as np
import pandas as pd

from allocation.errors import OptimizationError
from allocation.frames import named
from allocation.optimizer.model.soft import Named as Named
from allocation.optimizer.model.soft import Soft as Soft
from allocation.optimizer.model.symbols import SUM_TOLERANCE, PerAsset, Symbols, not_negative

MOST_WEIGHT, MOST_TURNOVER, MOST_LEVERAGE = 3.0, 10.0, 20.0  # of NAV: a larger number is meant in percent
MOST_VOLATILITY = 0.1  # of a session, 159 % a year: a larger number is meant a year
SESSIONS = 252  # a year


@dataclass(frozen=True)
class LongOnly:
    """No short positions and no borrowed cash."""

    def __call__(self, s: Symbols) -> list[cp.Constraint]:
        """w >= 0, cash >= 0."""
        return [s.weights >= 0, s.cash >= 0]


@dataclass(frozen=True)
class MaxWeight:
    """No asset above `limit`; with shorts allowed, none below minus `limit` either."""

    limit: float

    def __post_init__(self) -> None:
        """A limit of zero or less leaves no portfolio at all."""
        _need_number(self.limit, "MaxWeight", MOST_WEIGHT)
        if not self.limit > 0:
            raise OptimizationError(f"MaxWeight({self.limit:g}) allows no position: pass a limit > 0")

    def __call__(self, s: Symbols) -> list[cp.Constraint]:
        """|w| <= limit."""
        return [s.weights <= self.limit, s.weights >= -self.limit]


@dataclass(frozen=True)
class Box:
    """Each weight between `least` and `most`."""

    least: PerAsset = 0.0
    most: PerAsset = 1.0

    def __call__(self, s: Symbols) -> list[cp.Constraint]:
        """least <= w <= most."""
        least, most = s.bounds(self.least, self.most)
        return [s.weights >= least, s.weights <= most]


@dataclass(frozen=True)
class MinCash:
    """Keep at least this fraction of NAV in cash."""

    fraction: float

    def __post_init__(self) -> None:
        """NaN would only fail inside the solver."""
        _need_number(self.fraction, "MinCash", MOST_WEIGHT)
        if not np.isfinite(self.fraction):
            raise OptimizationError(f"MinCash({self.fraction}) is not a fraction of NAV: pass a number below 1")

    def __call__(self, s: Symbols) -> list[cp.Constraint]:
        """cash >= fraction."""
        return [s.cash >= self.fraction]


@dataclass(frozen=True)
class NetExposure:
    """Longs less shorts between `least` and `most`."""

    least: float
    most: float

    def __post_init__(self) -> None:
        """Bounds must not cross."""
        _need_order(self.least, self.most, "net exposure")

    def __call__(self, s: Symbols) -> list[cp.Constraint]:
        """least <= sum(w) <= most."""
        return _between(cp.sum(s.weights), self.least, self.most)


@dataclass(frozen=True)
class MaxLeverage:
    """Longs plus shorts up to `limit`."""

    limit: float

    def __post_init__(self) -> None:
        """Must be finite and not negative."""
        _need_limit(self.limit, "leverage", MOST_LEVERAGE)

    def __call__(self, s: Symbols) -> list[cp.Constraint]:
        """sum |w| <= limit."""
        return [cp.norm1(s.weights) <= self.limit]


@dataclass(frozen=True)
class GroupBounds:
    """The sum of weights of each group (a sector, an asset class) between bounds.

    groups: the group of each ticker; `least` and `most`: bounds by group, none where a group is not named.
    """

    groups: Mapping[str, str]
    most: Mapping[str, float]
    least: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        """Each group has an asset, and its bounds do not cross."""
        bounds = set(self.most) | set(self.least or {})
        empty = sorted(bounds - set(self.groups.values()))
        if empty:
            raise OptimizationError(f"no asset belongs to the group {named(empty)}: correct its name")
        for group in sorted(bounds):
            _need_order((self.least or {}).get(group, -np.inf), self.most.get(group, np.inf), f"group {group}")

    def __call__(self, s: Symbols) -> list[cp.Constraint]:
        """least <= sum of the group's weights <= most."""
        groups = self._of(s)
        rules = []
        for group in sorted(set(self.most) | set(self.least or {})):
            inside = np.array([of == group for of in groups], dtype=float)
            bounds = (self.least or {}).get(group, -np.inf), self.most.get(group, np.inf)
            limits = _between(inside @ s.weights, *bounds) if inside.any() else []
            rules += [limit.set_label(f"group {group}") for limit in limits]
        return rules

    def _of(self, s: Symbols) -> list[str]:
        unknown = sorted(set(self.groups) - s.inputs.universe)
        if unknown:
            group = self.groups[unknown[0]]
            raise OptimizationError(f"the group {group} has {named(unknown)} without a price column: correct it")
        missing = [asset for asset in s.assets if asset not in self.groups]
        if missing:
            raise OptimizationError(f"{named(missing)} belongs to no group: assign each asset to one")
        return [self.groups[asset] for asset in s.assets]


@dataclass(frozen=True)
class FactorBounds:
    """The portfolio's exposure to a factor (beta, size, ...) between bounds; neutral where both are 0."""

    exposure: PerAsset
    least: float = 0.0
    most: float = 0.0

    def __post_init__(self) -> None:
        """Bounds must not cross."""
        _need_order(self.least, self.most, "factor exposure")

    def __call__(self, s: Symbols) -> list[cp.Constraint]:
        """least <= exposure'w <= most."""
        return _between(s.per_asset(self.exposure, "factor exposure") @ s.weights, self.least, self.most)


@dataclass(frozen=True)
class MaxTurnover:
    """The sum of absolute trades up to `limit`: 2 means that everything is sold and other assets bought."""

    limit: float

    def __post_init__(self) -> None:
        """Must be finite and not negative."""
        _need_limit(self.limit, "turnover", MOST_TURNOVER)

    def __call__(self, s: Symbols) -> list[cp.Constraint]:
        """sum |trade| <= limit."""
        return [s.turnover <= self.limit]


@dataclass(frozen=True)
class MaxTrade:
    """No trade larger than `fraction` of an asset's volume (a session's traded value in units of NAV)."""

    fraction: float
    volume: PerAsset

    def __post_init__(self) -> None:
        """Must be finite and not negative."""
        _need_limit(self.fraction, "trade as a fraction of volume")

    def __call__(self, s: Symbols) -> list[cp.Constraint]:
        """|trade| <= fraction × volume."""
        most = self.fraction * s.per_asset(not_negative(self.volume, "volume"), "volume")
        if isinstance(self.volume, str):
            s.inputs.never_negative.add(self.volume)
        return [s.trades <= most, s.trades >= -most]


@dataclass(frozen=True)
class NoTrade:
    """These assets are kept as they are held."""

    assets: tuple[str, ...]

    def __call__(self, s: Symbols) -> list[cp.Constraint]:
        """Trade = 0."""
        unknown = sorted(set(self.assets) - s.inputs.universe)
        if unknown:
            raise OptimizationError(f"the no-trade list has {named(unknown)} without a price column: correct it")
        inside = [s.assets.index(asset) for asset in self.assets if asset in s.assets]
        return [s.trades[inside] == 0] if inside else []


@dataclass(frozen=True)
class MaxVolatility:
    """The standard deviation of the portfolio's return, per session, up to `limit`."""

    limit: float

    def __post_init__(self) -> None:
        """Must be finite and not negative."""
        _need_limit(self.limit, "volatility")

    def __call__(self, s: Symbols) -> list[cp.Constraint]:
        """sqrt(w'Sigma w) <= limit."""
        return [s.volatility <= self.limit]


@dataclass(frozen=True)
class MaxTrackingError:
    """The standard deviation, per session, of the return less that of `benchmark` (weights that sum to 1)."""

    limit: float
    benchmark: Mapping[str, float] | str

    def __post_init__(self) -> None:
        """A benchmark sums to 1."""
        _need_limit(self.limit, "tracking error")
        benchmark_table(self.benchmark)

    def __call__(self, s: Symbols) -> list[cp.Constraint]:
        """sqrt((w - b)'Sigma(w - b)) <= limit."""
        return [cp.norm2(s.deviation(self.benchmark)) <= self.limit]


@dataclass(frozen=True)
class MinReturn:
    """The portfolio's expected return, per session, at least `least`: a number, or the name of a parameter."""

    least: float | str

    def __call__(self, s: Symbols) -> list[cp.Constraint]:
        """mu'w >= least."""
        return [s.expected_return >= s.number(self.least, "least return")]


def benchmark_table(benchmark: Mapping[str, float] | str) -> None:
    """Raise OptimizationError where weights do not sum to 1; those passed by name are checked at each rebalancing."""
    if isinstance(benchmark, str):
        return
    weights = pd.Series(dict(benchmark), dtype=float)
    if not np.isfinite(weights).all():
        broken = weights.index[~np.isfinite(weights)][0]
        raise OptimizationError(f"benchmark weight of {broken} is {weights[broken]}: pass a finite number")
    if abs(weights.sum() - 1.0) > SUM_TOLERANCE:
        raise OptimizationError(f"the benchmark's weights sum to {weights.sum():g}: they must sum to 1")


def _between(value: cp.Expression, least: float, most: float) -> list[cp.Constraint]:
    if least == most:
        return [value == least]
    bounds = [] if least == -np.inf else [value >= least]
    return bounds if most == np.inf else [*bounds, value <= most]


def _need_order(least: float, most: float, what: str) -> None:
    if not least <= most:
        raise OptimizationError(f"the bounds of {what} cross: at least {least:g} and at most {most:g}")


def _need_number(value: float, what: str, most: float = np.inf) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise OptimizationError(f"{what} is {value!r}: pass a number such as 0.2")
    if most < value < np.inf:
        raise OptimizationError(
            f"{what} is {value:g}, {value:.0%} of NAV: pass a fraction, {value / 100:g} for {value:g} %"
        )


def _need_limit(limit: float, what: str, most: float = np.inf) -> None:
    _need_number(limit, f"the limit of {what}", most)
    if not (np.isfinite(limit) and limit >= 0):
        raise OptimizationError(f"the limit of {what} is {limit}: pass a finite number >= 0")


def need_session_limits(rules: Iterable[object]) -> None:
    """Raise OptimizationError where a limit of volatility was meant a year; for returns that are fractions.

    The rules themselves take any unit of returns, which only who makes the returns knows.
    """
    for rule in rules:
        if isinstance(rule, (MaxVolatility, MaxTrackingError)) and rule.limit > MOST_VOLATILITY:
            a_year = rule.limit if rule.limit < 1 else rule.limit / 100
            raise OptimizationError(
                f"{type(rule).__name__}: {rule.limit:g} per session is {rule.limit * SESSIONS**0.5:.0%} a year: for "
                f"{a_year:.0%} a year pass {a_year:g} / {SESSIONS} ** 0.5, {a_year / SESSIONS**0.5:.4f}"
            )
