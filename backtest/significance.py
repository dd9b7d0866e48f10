"""How sure a figure is: Newey-West t-values and stationary-bootstrap intervals."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from allocation.newey_west import newey_west_variance

DRAWS = 1000
FEWEST_RETURNS = 10  # below, resampled series are too often constant for their spread to mean anything
ROUNDING = 1e-12  # a relative spread smaller than this is rounding, not risk


class Interval(NamedTuple):
    """Lower and upper end."""

    low: float
    high: float


def newey_west_error(series: pd.Series, lags: int | None = None) -> float:
    """Standard error of the mean of a serially correlated series; NaN below two values.

    lags: by default floor(4 (n/100)^(2/9)), the rule of W. Newey and K. West, Review of Economic Studies 61, 1994.
    """
    values = series.dropna().to_numpy(dtype=np.float64)
    n = len(values)
    if n < 2:
        return float("nan")
    lags = int(4 * (n / 100) ** (2 / 9)) if lags is None else lags
    return float(np.sqrt(newey_west_variance(values, lags)))


def newey_west_t(series: pd.Series, lags: int | None = None) -> float:
    """Mean over its Newey-West standard error; NaN where that is 0 or undefined."""
    error = newey_west_error(series, lags)
    return float(series.mean() / error) if error > 0 else float("nan")


def stationary_bootstrap(n: int, draws: int, mean_block: float, seed: int) -> NDArray[np.int64]:
    """Row numbers (draws × n) of resampled series: blocks of geometric length, wrapped at the end.

    D. Politis and J. Romano, "The stationary bootstrap", JASA 89, 1994.
    """
    random = np.random.default_rng(seed)
    fresh = random.random((draws, n)) < 1.0 / mean_block
    fresh[:, 0] = True
    starts = random.integers(0, n, (draws, n))
    position = np.arange(n)
    begun = np.maximum.accumulate(np.where(fresh, position, 0), axis=1)
    return (np.take_along_axis(starts, begun, axis=1) + position - begun) % n


def sharpe_ratio(returns: pd.Series, sessions_per_year: int) -> float:
    """Mean over standard deviation (divisor n-1), annualised; NaN where returns do not vary."""
    mean, spread = float(returns.mean()), float(returns.std(ddof=1))
    return mean / spread * float(np.sqrt(sessions_per_year)) if spread > ROUNDING * abs(mean) else float("nan")


def sharpe_interval(returns: pd.Series, sessions_per_year: int, *, level: float = 0.95, seed: int = 0) -> Interval:
    """Percentile interval of the annualised Sharpe ratio under the stationary bootstrap, blocks of n^(1/3)."""
    values = returns.to_numpy(dtype=np.float64)
    if len(values) < FEWEST_RETURNS or not values.std() > ROUNDING * abs(values.mean()):
        return Interval(float("nan"), float("nan"))
    drawn = values[stationary_bootstrap(len(values), DRAWS, len(values) ** (1 / 3), seed)]
    with np.errstate(divide="ignore", invalid="ignore"):  # a draw may be one value all over
        ratios = drawn.mean(axis=1) / drawn.std(axis=1, ddof=1) * np.sqrt(sessions_per_year)
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(ratios[np.isfinite(ratios)], [tail, 1.0 - tail])
    return Interval(float(low), float(high))
