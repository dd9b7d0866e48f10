"""Significance: Newey-West t-values, stationary-bootstrap intervals, Sharpe ratios deflated for trials."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from allocation.errors import AllocationError
from allocation.forecast.newey_west import newey_west_variance
from newsfolio.shared.arrays import FloatArray

LEVEL = 0.05  # probability of a false positive
DRAWS = 1000
FEWEST_RETURNS = 10  # below, resampled series are too often constant for their spread to mean anything
ROUNDING = 1e-12  # a relative spread smaller than this is rounding, not risk


class Interval(NamedTuple):
    """Lower and upper end."""

    low: float
    high: float


class TDistribution(NamedTuple):
    """Null distribution of a t-value: Student's t with `dof` degrees of freedom, times `scale`."""

    dof: float = np.inf
    scale: float = 1.0

    @property
    def critical_value(self) -> float:
        """Half-width of a 95 % interval, in standard errors."""
        return student_95(self.dof) * self.scale

    def p_value(self, t: float) -> float:
        """Two-sided p-value of `t`."""
        return two_sided(t / self.scale, self.dof)


def student_95(dof: float = np.inf) -> float:
    """Half-width of a 95 % interval in standard errors: 1.96 unless degrees of freedom are few."""
    if not dof > 0:
        return float("nan")
    return float(stdtrit(dof, 0.975) if np.isfinite(dof) else ndtri(0.975))


def two_sided(t: float, dof: float = np.inf) -> float:
    """Two-sided p-value of a t-value."""
    return float(2.0 * (stdtr(dof, -abs(t)) if np.isfinite(dof) else ndtr(-abs(t))))


def holm(probabilities: FloatArray) -> FloatArray:
    """Return p-values adjusted for the number of tests.

    The k-th smallest of n is multiplied by n - k + 1, and none is below a smaller one's: controls the probability of
    any false positive (the family-wise error rate) however the tests depend on one another. S. Holm, "A simple
    sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979. NaN is not a test.
    """
    adjusted = np.full(len(probabilities), np.nan)
    order = np.argsort(probabilities)[: int(np.isfinite(probabilities).sum())]
    raised = probabilities[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(raised), 1.0)
    return adjusted


def newey_west_lags(n: int, overlap: int = 1) -> int:
    """floor(4 (n/100)^(2/9)), the rule of W. Newey and K. West, Review of Economic Studies 61, 1994.

    At least 2 × overlap - 1 where a value is a return over `overlap` sessions and so shares all but one with the next:
    weights that fall to 0 over `overlap` lags omit a third of the variance if the signal hardly changes, over twice as
    many a sixth.
    """
    return max(int(4 * (n / 100) ** (2 / 9)), 2 * overlap - 1)


def newey_west_null(n: int, lags: int) -> TDistribution:
    """Return the null distribution of the t-value of a mean of n values with a Newey-West error of `lags` lags.

    The more lags relative to n, the noisier the estimated variance and the larger its downward bias: with
    b = (lags + 1) / n its expectation is 1 - b + b²/3 of the true one, and it varies like a mean of 1.5 / b squares.
    The normal distribution, which takes it as known, gives too many false positives. N. Kiefer and T. Vogelsang, "A new
    asymptotic theory for heteroskedasticity-autocorrelation robust tests", Econometric Theory 21, 2005 (within 5 % of
    their critical values up to b = 0.3, above them beyond); as Student's t: Y. Sun, "Let's fix it", J. Econometrics
    178, 2014.
    """
    b = min((lags + 1) / n, 1.0) if n else 1.0
    return TDistribution(1.5 / b, float((1.0 - b + b * b / 3.0) ** -0.5))


def bootstrap_null(n: int, mean_block: float) -> TDistribution:
    """Return the same for a mean of n values whose error comes from `stationary_bootstrap` with such blocks.

    It weights the covariance of lag k by about exp(-k / mean_block) instead of Newey and West's straight line; the
    rest follows as for them (X. Shao and D. Politis, "Fixed b subsampling and the block bootstrap", J. Royal
    Statistical Society B 75, 2013).
    """
    b = min(mean_block / n, 1.0) if n else 1.0
    return TDistribution(1.0 / b, float((1.0 - 2.0 * b + 2.0 * b * b * -np.expm1(-1.0 / b)) ** -0.5))


def percentile_levels(level: float, n: int, mean_block: float) -> tuple[float, float]:
    """Return the levels at which the bootstrap distribution of n values, in such blocks, bounds an interval.

    The percentiles of a short sample lie too close together: of 20 returns without skill 15 % would lie outside those
    of 95 %. They are moved out as far as `bootstrap_null` is wider than a normal distribution (the expanded percentile
    interval of T. Hesterberg, "What teachers should know about the bootstrap", American Statistician 69(4), 2015).
    """
    if not 0.0 < level < 1.0:
        raise AllocationError(f"level is {level:g}: give a fraction in (0, 1), 0.95 for 95 %")
    null = bootstrap_null(n, mean_block)
    tail = float(ndtr(-null.scale * stdtrit(null.dof, (1.0 + level) / 2.0)))
    return tail, 1.0 - tail


def newey_west_error(series: pd.Series, lags: int | None = None) -> float:
    """Standard error of the mean of a serially correlated series; NaN below two values.

    lags: by default `newey_west_lags`.
    """
    values = series.dropna().to_numpy(dtype=np.float64)
    n = len(values)
    if n < 2:
        return float("nan")
    return float(np.sqrt(newey_west_variance(values, newey_west_lags(n) if lags is None else lags)))


def newey_west_t(series: pd.Series, lags: int | None = None) -> float:
    """Mean over its Newey-West standard error; NaN where that is 0 or undefined."""
    error = newey_west_error(series, lags)
    return float(series.mean() / error) if error > 0 else float("nan")


def stationary_bootstrap(n: int, draws: int, mean_block: float, seed: int) -> NDArray[np.int64]:
    """Row numbers (draws × n) of resampled series: blocks of geometric length, wrapped at the end.

    D. Politis and J. Romano, "The stationary bootstrap", JASA 89, 1994.
    """
    first, end, _ = _blocks(n, draws, mean_block, seed)
    length = end - first
    rows = np.repeat(first - length.cumsum() + length, length).reshape(draws, n)  # a row less its place among all
    rows += np.arange(n)
    rows += n * np.arange(draws)[:, None]
    np.subtract(rows, n, out=rows, where=rows >= n)
    return rows


@lru_cache(maxsize=16)  # a study repeats the same arguments
def _blocks(
    n: int, draws: int, mean_block: float, seed: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.intp]]:
    """The blocks of `stationary_bootstrap` in order: first row, row after the last, and where each draw begins."""
    random = np.random.default_rng(seed)
    fresh = random.random((draws, n)) < 1.0 / mean_block
    fresh[:, 0] = True
    first = random.integers(0, n, (draws, n))[fresh]
    place = np.flatnonzero(fresh)
    length = np.diff(place, append=draws * n)
    return first.astype(np.int32), (first + length).astype(np.int32), np.searchsorted(place, np.arange(draws) * n)


def _drawn_ratios(values: FloatArray, mean_block: float, seed: int) -> FloatArray:
    """Mean over standard deviation (divisor n-1) of each series drawn; NaN where it is constant."""
    n, centre = len(values), values.mean()
    off = values - centre
    total, squares = (_drawn_sums(part, mean_block, seed) for part in (off, off**2))
    variance = (squares - total**2 / n) / (n - 1)
    return np.asarray((centre + total / n) / np.sqrt(np.where(variance > ROUNDING * off.var(), variance, np.nan)))


def _drawn_sums(values: FloatArray, mean_block: float, seed: int) -> FloatArray:
    """Sum of each series that `stationary_bootstrap` draws, from sums over its blocks."""
    first, end, draw = _blocks(len(values), DRAWS, mean_block, seed)
    sums = np.concatenate([[0.0], np.tile(values, 2).cumsum()])  # twice: blocks wrap
    return np.asarray(np.add.reduceat(sums[end] - sums[first], draw))


def sharpe_ratio(returns: pd.Series, sessions_per_year: int) -> float:
    """Mean over standard deviation (divisor n-1), annualised; NaN where returns do not vary."""
    mean, spread = float(returns.mean()), float(returns.std(ddof=1))
    return mean / spread * float(np.sqrt(sessions_per_year)) if spread > ROUNDING * abs(mean) else float("nan")


def sharpe_interval(returns: pd.Series, sessions_per_year: int, *, level: float = 0.95, seed: int = 0) -> Interval:
    """Expanded percentile interval of the annualised Sharpe ratio under the stationary bootstrap, blocks of n^(1/3)."""
    values = returns.to_numpy(dtype=np.float64)
    if len(values) < FEWEST_RETURNS or not values.std() > ROUNDING * abs(values.mean()):
        return Interval(float("nan"), float("nan"))
    block = len(values) ** (1 / 3)
    ratios = _drawn_ratios(values, block, seed) * np.sqrt(sessions_per_year)
    low, high = np.quantile(ratios[np.isfinite(ratios)], percentile_levels(level, len(values), block))
    return Interval(float(low), float(high))


def mean_interval(
    series: pd.Series, *, mean_block: float | None = None, level: float = 0.95, seed: int = 0
) -> Interval:
    """Expanded percentile interval of the mean of a serially correlated series under the stationary bootstrap.

    mean_block: in values; n^(1/3) by default, and at least the overlap of the values. NaN below ten.
    """
    values = series.dropna().to_numpy(dtype=np.float64)
    n = len(values)
    if n < FEWEST_RETURNS:
        return Interval(float("nan"), float("nan"))
    block = max(n ** (1 / 3) if mean_block is None else mean_block, 1.0)
    mean = values.mean()
    drawn = mean + _drawn_sums(values - mean, block, seed) / n
    low, high = np.quantile(drawn, percentile_levels(level, n, block))
    return Interval(float(low), float(high))


def probabilistic_sharpe(returns: pd.Series, benchmark: float = 0.0) -> float:
    """Probability that the true Sharpe ratio lies above `benchmark`, both per session; NaN without spread.

    Phi((SR - SR*) sqrt(n - 1) / sqrt(1 - skewness SR + (kurtosis - 1) / 4 SR^2)): D. Bailey and M. Lopez de Prado, "The
    Sharpe ratio efficient frontier", Journal of Risk 15, 2012. Skewness and kurtosis (3 for a normal) are the sample's
    moments; quantstats (0.0.86) has the same formula with pandas' bias-corrected ones, and its benchmark is a risk-free
    rate. For returns that are not serially correlated.
    """
    values = returns.dropna().to_numpy(dtype=np.float64)
    ratio = sharpe_ratio(pd.Series(values), 1) if len(values) >= FEWEST_RETURNS else float("nan")
    if not np.isfinite(ratio):
        return float("nan")
    standard = (values - values.mean()) / values.std()
    skewness, kurtosis = float((standard**3).mean()), float((standard**4).mean())
    variance = 1.0 - skewness * ratio + (kurtosis - 1.0) / 4.0 * ratio**2
    return float(ndtr((ratio - benchmark) * np.sqrt((len(values) - 1) / variance)))


def deflated_sharpe(returns: pd.Series, trials: int, *, trial_spread: float | None = None) -> float:
    """Probability that the true Sharpe ratio is above 0, given that this was the best of `trials` strategies tried.

    trial_spread: standard deviation of the Sharpe ratios (per session) of all trials; by default that of strategies
    without any skill, 1 / sqrt(n - 1). With one trial it is the probabilistic Sharpe ratio. D. Bailey and M. Lopez de
    Prado, "The deflated Sharpe ratio", Journal of Portfolio Management 40, 2014.

    Raises:
        AllocationError: fewer than one trial, or a negative spread.
    """
    if trials < 1:
        raise AllocationError(f"trials is {trials}: count every strategy that was tried, including this one")
    if trial_spread is not None and not trial_spread >= 0.0:
        raise AllocationError(f"trial_spread is {trial_spread:g}: give a standard deviation per session, 0 or more")
    n = int(returns.notna().sum())
    spread = 1.0 / np.sqrt(max(n - 1, 1)) if trial_spread is None else trial_spread
    expected_best = 0.0  # approximate mean of the largest of so many standard normal values
    if trials > 1:
        first, second = ndtri(1.0 - 1.0 / trials), ndtri(1.0 - 1.0 / (trials * np.e))
        expected_best = float((1.0 - np.euler_gamma) * first + np.euler_gamma * second)
    return probabilistic_sharpe(returns, float(spread) * expected_best)
