"""Simulated bars whose true volatility is known."""

import numpy as np
import pandas as pd

from allocation import Bars

STEPS = 78  # of five minutes in a session


def simulated(seed: int, n_sessions=700, n_assets=4, *, persistence=0.97) -> tuple[Bars, pd.DataFrame]:
    """Bars of random walks within sessions, and the true volatility of each session's return."""
    random = np.random.default_rng(seed)
    log_variance = np.zeros((n_sessions, n_assets))
    for t in range(1, n_sessions):
        log_variance[t] = persistence * log_variance[t - 1] + 0.25 * random.standard_normal(n_assets)
    volatility = 0.01 * np.exp(log_variance / 2)
    steps = random.standard_normal((n_sessions, STEPS, n_assets)) * volatility[:, None] / np.sqrt(STEPS)
    inside = steps.cumsum(axis=1)
    start = np.log(50.0) + np.vstack([np.zeros(n_assets), inside[:-1, -1]]).cumsum(axis=0)
    paths = np.exp(start[:, None] + np.concatenate([np.zeros((n_sessions, 1, n_assets)), inside], axis=1))
    index, assets = pd.bdate_range("2015-01-01", periods=n_sessions), [f"A{i}" for i in range(n_assets)]
    opened, high, low, close = (
        pd.DataFrame(values, index, assets) for values in (paths[:, 0], paths.max(1), paths.min(1), paths[:, -1])
    )
    return Bars(close, opened, None, high, low), pd.DataFrame(volatility, index, assets)


BARS, TRUTH = simulated(1)
