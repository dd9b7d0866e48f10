"""The quantities that terms and constraints are written with, and the numbers behind them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import cvxpy as cp
import numpy as np
import pandas as pd

from allocation.errors import OptimizationError
from allocation.frames import named
from allocation.optimizer.solvers.cone_program import Compute
from newsfolio.shared.arrays import FloatArray

# One number for all, a table by ticker, or the name of numbers passed at each rebalancing.
PerAsset = float | Mapping[str, float] | str

EXPECTED_RETURN, LOADINGS, SPECIFIC, HELD, BUDGET = "expected return", "loadings", "specific variance", "held", "budget"
RESERVED = frozenset({EXPECTED_RETURN, LOADINGS, SPECIFIC, HELD, BUDGET})
SUM_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Inputs:
    """The inputs that change at each rebalancing: cvxpy parameters, and how each follows from named numbers.

    universe: all tickers that a table may name, among them those that cannot be traded now.
    """

    assets: tuple[str, ...]
    universe: frozenset[str]
    computes: dict[cp.Parameter, Compute] = field(default_factory=dict)
    named: dict[str, cp.Parameter] = field(default_factory=dict)
    never_negative: set[str] = field(default_factory=set)
    sum_to_one: set[str] = field(default_factory=set)
    bounds: list[tuple[str | FloatArray, str | FloatArray]] = field(default_factory=list)  # numbers, or their name

    def parameter(
        self, shape: int | tuple[int, ...] | tuple[()], compute: Compute, *, nonneg: bool = False
    ) -> cp.Parameter:
        """A parameter whose value is computed from the named numbers."""
        parameter = cp.Parameter(shape, nonneg=nonneg)
        self.computes[parameter] = compute
        return parameter

    def check(self, name: str, numbers: FloatArray) -> FloatArray:
        """Return the numbers passed as `name`, one per asset where the program uses them so.

        Raises:
            OptimizationError: a cost or volume is negative, a benchmark's weights do not sum to 1, or a table was
                passed where one number is needed.
        """
        wanted = self.named[name].shape
        if numbers.ndim > len(wanted):
            raise OptimizationError(f"{name} is a table of {len(numbers)} numbers: pass one for the portfolio")
        numbers = np.broadcast_to(numbers, wanted)
        if name in self.never_negative and (numbers < 0).any():
            at = int(np.flatnonzero(numbers < 0)[0])
            raise OptimizationError(f"{name} of {self.assets[at]} is {numbers[at]:g}: it must not be negative")
        if name in self.sum_to_one and abs(numbers.sum() - 1.0) > SUM_TOLERANCE:
            raise OptimizationError(f"{name} sums to {numbers.sum():g}: a benchmark's weights must sum to 1")
        return numbers

    def check_bounds(self, values: Mapping[str, FloatArray]) -> None:
        """Raise OptimizationError where lower and upper bounds, by name or in a table, cross at an asset."""
        for least, most in self.bounds:
            low, high = (values[side] if isinstance(side, str) else side for side in (least, most))
            at = np.flatnonzero(low > high)
            if len(at):
                raise OptimizationError(
                    f"the bounds of {self.assets[at[0]]} cross: at least {low[at[0]]:g} and at most {high[at[0]]:g}"
                )

    def by_name(self, name: str) -> cp.Parameter:
        """One number per asset, passed as `name` at each rebalancing."""
        return self._named(name, (len(self.assets),))

    def scalar(self, name: str) -> cp.Parameter:
        """One number for the whole portfolio, passed as `name` at each rebalancing."""
        return self._named(name, ())

    def _named(self, name: str, shape: tuple[int, ...]) -> cp.Parameter:
        if name in RESERVED:
            raise OptimizationError(f"{name!r} is the program's own name: rename these numbers")
        if name not in self.named:
            self.named[name] = self.parameter(shape, lambda values: values[name])
        if self.named[name].shape != shape:
            raise OptimizationError(f"{name!r} is used per asset and for the portfolio: use two names")
        return self.named[name]


@dataclass(frozen=True)
class Symbols:
    """The quantities of one rebalancing; vectors are in the order of `assets`, all fractions of NAV.

    `expected_return` and `variance` are per session. `cash` is what the weights leave of the budget, and the
    budget is 1 less the weight of assets that cannot be traded now.
    """

    assets: tuple[str, ...]
    weights: cp.Variable
    held: cp.Expression
    expected_return: cp.Expression
    variance: cp.Expression
    cash: cp.Expression
    inputs: Inputs
    loadings: cp.Parameter
    specific_sd: cp.Parameter
    choose: Callable[[], cp.Expression]

    @property
    def trades(self) -> cp.Expression:
        """Weights bought (positive) and sold (negative)."""
        return self.weights - self.held

    @property
    def turnover(self) -> cp.Expression:
        """Sum of absolute trades: 2 means that everything is sold and other assets bought."""
        return cp.norm1(self.trades)

    @property
    def volatility(self) -> cp.Expression:
        """Standard deviation of the portfolio's return per session."""
        return cp.norm2(self.deviation(0.0))

    def number(self, value: float | str, what: str) -> float | cp.Parameter:
        """Return a finite number, or the parameter of that name."""
        if isinstance(value, str):
            return self.inputs.scalar(value)
        if not np.isfinite(value):
            raise OptimizationError(f"{what} is {value}: pass a finite number")
        return value

    def per_asset(self, numbers: PerAsset, what: str) -> np.ndarray | cp.Parameter:
        """Return one number per asset, in order: constants, or a parameter where `numbers` is a name."""
        if isinstance(numbers, str):
            return self.inputs.by_name(numbers)
        if not isinstance(numbers, (Mapping, pd.Series)):
            if not np.isfinite(numbers):
                raise OptimizationError(f"{what} is {numbers}: pass a finite number")
            return np.full(len(self.assets), float(numbers))
        table = dict(numbers)
        unknown = sorted(set(table) - self.inputs.universe)
        if unknown:
            raise OptimizationError(f"{what} names {named(unknown)} without a price column: correct the ticker")
        missing = [asset for asset in self.assets if asset not in table]
        if missing:
            raise OptimizationError(f"{what} of {named(missing)} is missing: pass a number for each asset")
        vector = np.array([float(table[asset]) for asset in self.assets])
        if not np.isfinite(vector).all():
            at = int(np.flatnonzero(~np.isfinite(vector))[0])
            raise OptimizationError(f"{what} of {self.assets[at]} is {vector[at]}: pass a finite number")
        return vector

    def bounds(self, least: PerAsset, most: PerAsset) -> tuple[np.ndarray | cp.Parameter, np.ndarray | cp.Parameter]:
        """Return a lower and an upper bound per asset; that they do not cross is checked at each rebalancing."""
        low, high = self.per_asset(least, "least weight"), self.per_asset(most, "most weight")
        self.inputs.bounds.append((least if isinstance(least, str) else low, most if isinstance(most, str) else high))
        return low, high

    def scaled_trades(self, numbers: PerAsset, what: str, power: float = 1.0, unit: float = 1.0) -> cp.Expression:
        """Trades times `(numbers / unit) ** power`, written so that a named coefficient still compiles once."""
        factor = self.per_asset(numbers, what)
        if isinstance(factor, np.ndarray):
            return cp.multiply((factor / unit) ** power, self.trades)
        name, n = str(numbers), len(self.assets)
        self.inputs.never_negative.add(name)
        scale = self.inputs.parameter(n, lambda values: (values[name] / unit) ** power, nonneg=True)
        if not isinstance(self.held, cp.Parameter):  # a later step of a plan: held is a variable
            return cp.multiply(scale, self.trades)
        before = self.inputs.parameter(n, lambda values: (values[name] / unit) ** power * values[HELD])
        return cp.multiply(scale, self.weights) - before

    def deviation(self, benchmark: PerAsset) -> cp.Expression:
        """A vector whose squared norm is the variance of the weights' return less the benchmark's."""
        target = self.per_asset(benchmark, "benchmark weight")
        own = [self.loadings @ self.weights, cp.multiply(self.specific_sd, self.weights)]
        if isinstance(target, cp.Parameter):
            name = str(benchmark)
            self.inputs.sum_to_one.add(name)
            common = self.inputs.parameter(self.loadings.shape[0], lambda v: v[LOADINGS].T @ v[name])
            single = self.inputs.parameter(len(self.assets), lambda v: np.sqrt(v[SPECIFIC]) * v[name])
            return cp.hstack([own[0] - common, own[1] - single])
        if not target.any():
            return cp.hstack(own)
        return cp.hstack([own[0] - self.loadings @ target, own[1] - cp.multiply(self.specific_sd, target)])

    def position(self, asset: str) -> cp.Expression:
        """The weight of one asset."""
        if asset not in self.assets:
            raise OptimizationError(f"{asset} is not in the program: it has {named(self.assets)}")
        return self.weights[self.assets.index(asset)]


Objective = Callable[[Symbols], cp.Expression]
Constraint = Callable[[Symbols], list[cp.Constraint]]


def not_negative(numbers: PerAsset, what: str) -> PerAsset:
    """Raise OptimizationError where a number is below zero; numbers passed by name are checked at each rebalancing."""
    if isinstance(numbers, str):
        return numbers
    pairs = [("every asset", numbers)] if isinstance(numbers, (int, float)) else list(numbers.items())
    for asset, value in pairs:
        if value < 0:
            raise OptimizationError(f"{what} of {asset} is {value:g}: it must not be negative")
    return numbers
