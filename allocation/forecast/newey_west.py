"""Variance of the mean of a serially correlated series."""

import numpy as np
from numpy.typing import NDArray


def newey_west_variance(series: NDArray[np.float64], lags: int) -> float:
    """Variance of the mean with Bartlett weights up to `lags` (W. Newey and K. West, Econometrica 55, 1987)."""
    centred = series - series.mean()
    n = len(centred)
    variance = centred @ centred / n
    for lag in range(1, min(lags, n - 1) + 1):
        variance += 2 * (1 - lag / (lags + 1)) * (centred[lag:] @ centred[:-lag]) / n
    return float(max(variance, 0.0) / n)
