"""Random rebalancings for tests of the optimizer."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocation import RiskModel


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
