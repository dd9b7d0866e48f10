"""Small random frames for tests."""

import numpy as np
import pandas as pd


def random_prices(
    seed: int, n_sessions: int = 120, assets: tuple[str, ...] = ("AAA", "BBB", "CCC", "DDD")
) -> pd.DataFrame:
    """Random-walk closes on XNYS-like weekdays."""
    random = np.random.default_rng(seed)
    steps = 1.0 + 0.01 * random.standard_normal((n_sessions, len(assets)))
    index = pd.bdate_range("2021-01-04", periods=n_sessions, name="date")
    return pd.DataFrame(50.0 * steps.cumprod(axis=0), index=index, columns=list(assets))


def random_signal(seed: int, prices: pd.DataFrame, covered: float = 0.6) -> pd.DataFrame:
    """Uniform values in [-1, 1] with gaps."""
    random = np.random.default_rng(seed)
    values = random.uniform(-1.0, 1.0, prices.shape)
    values[random.random(prices.shape) > covered] = np.nan
    return pd.DataFrame(values, index=prices.index, columns=prices.columns)
