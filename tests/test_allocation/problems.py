"""Random rebalancings for tests of the optimizer."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from allocation import (
    CardinalityPenalty,
    ExpectedReturn,
    FactorBounds,
    GroupBounds,
    LinearCost,
    LongOnly,
    MaxLeverage,
    MaxTurnover,
    MaxWeight,
    MeanVariance,
    MinCash,
    NetExposure,
    QuadraticCost,
    Ridge,
    RiskModel,
    Soft,
    TrackingVariance,
    Variance,
)

SEEDS = st.integers(0, 10_000)
ALL_TERMS = (
    ExpectedReturn(), Variance(5.0), LinearCost(0.001), LinearCost("spread", horizon=5), QuadraticCost("spread"),
    CardinalityPenalty(1e-5), Ridge(1e-4), TrackingVariance("benchmark", 2.0),
)  # fmt: skip
ALL_RULES = (
    LongOnly(), MaxWeight(0.5), MinCash(0.02), NetExposure(0.3, 1.0), MaxLeverage(1.4), MaxTurnover(0.6),
    FactorBounds("beta", 0.1, 1.5), Soft(MaxTurnover(0.05), 1e-3), Soft(MaxWeight(0.2), 1e-2),
    GroupBounds({f"A{i:02}": "xy"[i % 2] for i in range(12)}, {"x": 0.6}, {"y": 0.1}),
)  # fmt: skip


@dataclass(frozen=True)
class Problem:
    """Inputs of one rebalancing: five sessions' worth of forecasts, a few factors, long holdings that sum to 1."""

    mu: pd.Series
    risk: RiskModel
    held: pd.Series

    @property
    def assets(self) -> list[str]:
        return list(self.mu.index)

    @property
    def sigma(self) -> np.ndarray:
        return self.risk.covariance().to_numpy()


def problem(seed: int, n_assets: int = 8, n_factors: int = 3) -> Problem:
    random = np.random.default_rng(seed)
    names = [f"A{i:02}" for i in range(n_assets)]
    loadings = pd.DataFrame(0.01 * random.standard_normal((n_assets, n_factors)), index=names)
    risk = RiskModel(loadings, pd.Series(random.uniform(2e-5, 4e-4, n_assets), index=names))
    mu = pd.Series(1e-3 * random.standard_normal(n_assets), index=names)
    return Problem(mu, risk, pd.Series(random.dirichlet(np.ones(n_assets)), index=names))


def compiled(terms, rules, case, n_factors):
    """The compiled program, and its cone data with the numbers of `case`."""
    program = MeanVariance(case.assets, terms, rules, universe=[f"A{i:02}" for i in range(12)])
    random = np.random.default_rng(1)
    numbers = {name: pd.Series(random.uniform(0.5, 1.5, len(case.mu)), case.assets) for name in ("spread", "beta")}
    parameters = {
        "spread": numbers["spread"] * 1e-3, "beta": numbers["beta"], "benchmark": case.held * 0 + 1 / len(case.mu),
    }  # fmt: skip
    values = program.numbers(case.mu, case.risk, case.held, 0.0, parameters)
    inner = program._program(n_factors)
    return inner, inner.cone_program.apply(values)


any_mix = given(
    seed=SEEDS,
    n_assets=st.integers(2, 12),
    n_factors=st.integers(1, 12),
    terms=st.sets(st.integers(2, len(ALL_TERMS) - 1)),
    rules=st.sets(st.integers(1, len(ALL_RULES) - 1)),
)
