"""What a series of returns was worth: ratios of reward to risk, tails, and the interval of each.

Every function takes simple returns whose last axis is time, one value per session, and works on many series at once.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from allocation.errors import AllocationError
from backtest.statistics.significance import FEWEST_RETURNS, Interval, percentile_levels, stationary_bootstrap
from newsfolio.shared.arrays import FloatArray

Statistic = Callable[[FloatArray], FloatArray]  # (..., sessions) -> (...)

TAIL = 0.05
DRAWS = 1000
CHUNK = 200_000  # resampled values held at once: 1.6 MB, which stays in the processor's cache


def sharpe(returns: FloatArray, year: int) -> FloatArray:
    """Mean over standard deviation (divisor n-1), annualised; the mean is over what cash earns, taken as 0."""
    return np.asarray(_ratio(returns.mean(axis=-1), returns.std(axis=-1, ddof=1)) * np.sqrt(year))


def sortino(returns: FloatArray, year: int) -> FloatArray:
    """Mean over downside deviation, annualised: the root of the mean of min(return, 0)² over all sessions.

    F. Sortino and R. van der Meer, "Downside risk", J. Portfolio Management 17(4), 1991.
    """
    downside = np.sqrt(np.mean(np.minimum(returns, 0.0) ** 2, axis=-1))
    return np.asarray(_ratio(returns.mean(axis=-1), downside) * np.sqrt(year))


def annual_return(returns: FloatArray, year: int) -> FloatArray:
    """Geometric: the constant yearly return that compounds to the same; -1 where all was lost."""
    growth = np.maximum(np.prod(1.0 + returns, axis=-1), 0.0)
    return np.asarray(growth ** (year / returns.shape[-1]) - 1.0)


def max_drawdown(returns: FloatArray) -> FloatArray:
    """The deepest fall below the highest value before, the start included, as a negative fraction."""
    value = np.cumprod(1.0 + returns, axis=-1)
    peaks = np.maximum(np.maximum.accumulate(value, axis=-1), 1.0)
    return np.asarray(np.minimum((value / peaks - 1.0).min(axis=-1), 0.0))


def calmar(returns: FloatArray, year: int) -> FloatArray:
    """Annual return over the depth of the deepest drawdown."""
    return _ratio(annual_return(returns, year), -max_drawdown(returns))


def value_at_risk(returns: FloatArray, tail: float = TAIL) -> FloatArray:
    """The loss that a share `tail` of sessions exceeds, as a positive fraction: the negative empirical quantile.

    Between two returns the quantile is interpolated linearly (R. Hyndman and Y. Fan, "Sample quantiles in statistical
    packages", American Statistician 50, 1996, type 7). quantstats (0.0.86) gives, with the opposite sign, the quantile
    of a normal distribution of the same mean and standard deviation, which fat tails exceed.

    Raises:
        AllocationError: the tail is no fraction.
    """
    if not 0.0 < tail < 1.0:
        raise AllocationError(f"tail is {tail:g}: give a fraction of sessions in (0, 1), 0.05 for 5 %")
    return np.asarray(-np.quantile(returns, tail, axis=-1))


def expected_shortfall(returns: FloatArray, tail: float = TAIL) -> FloatArray:
    """CVaR: the mean loss of the sessions at or beyond the value at risk, as a positive fraction; always empirical.

    quantstats (0.0.86) gives that of a normal distribution, unless it is called with method="historical".
    """
    bad = returns <= -value_at_risk(returns, tail)[..., None]
    return np.asarray(-np.where(bad, returns, 0.0).sum(axis=-1) / bad.sum(axis=-1))


def hit_rate(returns: FloatArray) -> FloatArray:
    """Share of gains among the sessions that did not stand still."""
    return _ratio((returns > 0).sum(axis=-1), (returns != 0).sum(axis=-1))


def interval(statistic: Statistic, returns: FloatArray, *, level: float = 0.95, seed: int = 0) -> Interval:
    """Expanded percentile interval of any of these under the stationary bootstrap; see intervals."""
    return intervals({"": statistic}, returns, level=level, seed=seed)[""]


def intervals(
    statistics: Mapping[str, Statistic], returns: FloatArray, *, level: float = 0.95, seed: int = 0
) -> dict[str, Interval]:
    """Expanded percentile intervals of several statistics, all over the same draws.

    Under the stationary bootstrap, in blocks of n^(1/3).

    returns: one series, or several (series × sessions) whose sessions are drawn together; a statistic then gets
    series × draws × sessions. The draws are those of sharpe_interval. NaN at both ends for fewer than ten
    returns, or none that vary.
    """
    n = returns.shape[-1]
    if n < FEWEST_RETURNS or not np.ptp(returns, axis=-1).any():
        return dict.fromkeys(statistics, Interval(float("nan"), float("nan")))
    rows = _draws(n, seed)
    step = max(1, CHUNK // n)
    found: dict[str, list[FloatArray]] = {name: [] for name in statistics}
    for first in range(0, DRAWS, step):
        drawn = returns[..., rows[first : first + step]]
        for name, statistic in statistics.items():
            found[name].append(statistic(drawn))
    ends: dict[str, Interval] = {}
    for name, values in found.items():
        finite = np.concatenate(values)
        finite = finite[np.isfinite(finite)]
        levels = percentile_levels(level, n, n ** (1 / 3))
        low, high = np.quantile(finite, levels) if len(finite) else (np.nan, np.nan)
        ends[name] = Interval(float(low), float(high))
    return ends


@lru_cache(maxsize=1)  # a report asks again and again for the same sessions; 20 MB for ten years
def _draws(n: int, seed: int) -> NDArray[np.int64]:
    rows = stationary_bootstrap(n, DRAWS, n ** (1 / 3), seed)
    rows.flags.writeable = False
    return rows


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    """NaN where the divisor is nothing but rounding."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.abs(below) > 1e-12 * np.abs(above), above / below, np.nan)
