"""A portfolio against its benchmark: active return, beta, alpha, each with its interval."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from allocation.errors import FrameError
from allocation.forecast.newey_west import newey_west_variance
from allocation.frames import check_prices
from backtest.result import metrics
from backtest.result.result import Result
from backtest.statistics.significance import Interval, newey_west_lags, newey_west_t
from newsfolio.shared.arrays import FloatArray


@dataclass(frozen=True)
class BenchmarkComparison:
    """Returns of a portfolio and of its benchmark over the sessions that both have (rows: close t-1 to close t)."""

    name: str
    benchmark: str
    returns: pd.DataFrame
    sessions_per_year: int

    @property
    def active(self) -> pd.Series:
        """Portfolio less benchmark, per session."""
        return (self.returns["portfolio"] - self.returns["benchmark"]).rename("active")

    @property
    def active_return(self) -> float:
        """Mean active return, annualised by multiplication."""
        return float(self.active.mean() * self.sessions_per_year)

    @property
    def active_t(self) -> float:
        """Mean active return over its Newey-West standard error; NaN where the two never differ."""
        return newey_west_t(self.active)

    @property
    def tracking_error(self) -> float:
        """Standard deviation of active returns (divisor n-1), annualised."""
        return float(self.active.std(ddof=1) * np.sqrt(self.sessions_per_year))

    @property
    def information_ratio(self) -> float:
        """Active return over tracking error."""
        return float(metrics.sharpe(self.active.to_numpy(), self.sessions_per_year))

    @property
    def beta(self) -> float:
        """Slope of the portfolio's returns on the benchmark's, by least squares."""
        return float(_beta(self.returns.to_numpy().T))

    @property
    def alpha(self) -> float:
        """Intercept of the same regression, annualised by multiplication; cash is taken to earn nothing."""
        return float(_alpha(self.returns.to_numpy().T) * self.sessions_per_year)

    @property
    def alpha_t(self) -> float:
        """Alpha over its standard error, robust to heteroskedasticity and serial correlation.

        W. Newey and K. West, Econometrica 55, 1987, with n - 2 degrees of freedom; the intercept's row of the
        sandwich is the variance of the mean of residual × (1 - mean × (x - mean) / variance).
        """
        y, x = self.returns.to_numpy().T
        n, centred = len(y), x - x.mean()
        if n < 3 or not centred.any():
            return float("nan")
        residual = (y - y.mean()) - self.beta * centred
        scores = residual * (1.0 - x.mean() * centred / centred.var())
        error = float(np.sqrt(newey_west_variance(scores, newey_west_lags(n)) * n / (n - 2)))
        return float(self.alpha / self.sessions_per_year / error) if error > 0 else float("nan")

    def interval(self, which: str, level: float = 0.95, seed: int = 0) -> Interval:
        """Stationary-bootstrap interval of active_return, information_ratio, alpha or beta; whole sessions are drawn.

        Raises:
            FrameError: `which` is another name.
        """
        known = self._statistics
        if which not in known:
            raise FrameError(f"no interval of {which!r}: ask for one of {', '.join(known)}")
        return metrics.interval(known[which], self.returns.to_numpy().T, level=level, seed=seed)

    @property
    def _statistics(self) -> dict[str, metrics.Statistic]:
        """What has an interval, as functions of the pair (portfolio, benchmark)."""
        year = self.sessions_per_year
        return {
            "active_return": lambda pair: np.asarray((pair[0] - pair[1]).mean(axis=-1) * year),
            "information_ratio": lambda pair: metrics.sharpe(pair[0] - pair[1], year),
            "alpha": lambda pair: _alpha(pair) * year,
            "beta": _beta,
        }

    def figures(self) -> dict[str, float]:
        """All figures by name, with the ends of 95 % intervals (_low, _high), as plain fractions."""
        return dict(self._figures)

    @cached_property
    def _figures(self) -> dict[str, float]:
        """Resampled once: the lead, the table and the file of figures all ask for them."""
        ends = metrics.intervals(self._statistics, self.returns.to_numpy().T)
        found = {
            "active_return": self.active_return,
            "active_t": self.active_t,
            "tracking_error": self.tracking_error,
            "information_ratio": self.information_ratio,
            "beta": self.beta,
            "alpha": self.alpha,
            "alpha_t": self.alpha_t,
        }
        for name, (low, high) in ends.items():
            found |= {f"{name}_low": low, f"{name}_high": high}
        return found

    def __str__(self) -> str:
        """The figures as a person reads them."""
        f = self.figures()
        return (
            f"{self.name} against {self.benchmark}, {len(self.returns)} sessions: active {f['active_return']:+.1%} a "
            f"year (95 % {f['active_return_low']:+.1%} to {f['active_return_high']:+.1%}, t = {f['active_t']:.1f}), "
            f"tracking error {f['tracking_error']:.1%}, information ratio {f['information_ratio']:.2f} "
            f"(95 % {f['information_ratio_low']:.2f} to {f['information_ratio_high']:.2f}), beta {f['beta']:.2f}, "
            f"alpha {f['alpha']:+.1%} a year (95 % {f['alpha_low']:+.1%} to {f['alpha_high']:+.1%}, "
            f"t = {f['alpha_t']:.1f})"
        )


def compare_with_benchmark(result: Result, benchmark: Result | pd.Series) -> BenchmarkComparison:
    """Compare `result` with a benchmark: another Result, or a series of values (an index) by session.

    Raises:
        FrameError: they share fewer than two sessions, the benchmark lacks some of the portfolio's between its first
            and its last, or its values are not numbers above 0 by session.
    """
    name = str(benchmark.name)
    other = benchmark.nav if isinstance(benchmark, Result) else check_prices(benchmark.to_frame(name), name)[name]
    first, last = max(result.nav.index[0], other.index[0]), min(result.nav.index[-1], other.index[-1])
    mine, theirs = result.nav.loc[first:last], other.loc[first:last]
    absent = mine.index.difference(theirs.dropna().index)
    if len(mine) < 2 or len(absent):
        where = f", such as {absent[0].date()}" if len(absent) else ""
        raise FrameError(
            f"{name} lacks {len(absent)} of the {len(mine)} sessions of {result.name}{where}: use one calendar for both"
        )
    pair = pd.DataFrame({"portfolio": mine, "benchmark": theirs.reindex(mine.index)}).pct_change().iloc[1:]
    return BenchmarkComparison(result.name, name, pair, result.sessions_per_year)


def _beta(pair: FloatArray) -> FloatArray:
    y, x = pair
    centred = x - x.mean(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((centred * y).sum(axis=-1) / (centred**2).sum(axis=-1))


def _alpha(pair: FloatArray) -> FloatArray:
    return np.asarray(pair[0].mean(axis=-1) - _beta(pair) * pair[1].mean(axis=-1))
