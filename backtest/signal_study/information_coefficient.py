"""The information coefficient of a signal, and that of its placebo."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocation.frames import align
from backtest.signal_study.row_correlation import linear_correlation, no_correlation, rank_correlation
from backtest.statistics.significance import Interval, TDistribution, newey_west_error, newey_west_lags, newey_west_null
from newsfolio.shared.arrays import FloatArray


@dataclass(frozen=True)
class InformationCoefficient:
    """Per-session correlations of a signal with a return across assets, and their mean with a t-value.

    reason: why no session has one, where none has.
    """

    name: str
    per_session: pd.Series
    lags: int | None = None
    reason: str = ""

    @property
    def mean(self) -> float:
        """Mean over the sessions that have one."""
        return float(self.per_session.mean())

    @property
    def error(self) -> float:
        """Newey-West standard error of the mean."""
        return newey_west_error(self.per_session, self.lags)

    @property
    def t(self) -> float:
        """Mean over its standard error."""
        return self.mean / self.error if self.error > 0 else float("nan")

    @property
    def null(self) -> TDistribution:
        """Null distribution of t; wider for few sessions, whose error is itself uncertain."""
        n = int(self.per_session.notna().sum())
        return newey_west_null(n, newey_west_lags(n) if self.lags is None else self.lags)

    @property
    def interval(self) -> Interval:
        """95 % interval of the mean."""
        half_width = self.null.critical_value * self.error
        return Interval(self.mean - half_width, self.mean + half_width)

    def __str__(self) -> str:
        """One line: mean, interval, t and number of sessions; or why there is none."""
        low, high = self.interval
        n = int(self.per_session.notna().sum())
        if n == 0:
            return f"{self.name}: no rank IC in any of {len(self.per_session)} sessions: {self.reason or 'no data'}"
        return f"{self.name}: rank IC {self.mean:+.4f} (95 % {low:+.4f} to {high:+.4f}), t = {self.t:.1f}, {n} sessions"


def rank_ic(signal: pd.DataFrame, returns: pd.DataFrame) -> pd.Series:
    """Spearman correlation across assets, per session, over the assets that have both; NaN below three.

    Row t of `returns` is whatever return the signal of row t is compared with; ties share their mean rank.
    """
    return _by_session(rank_correlation, signal, returns).rename("rank_ic")


def linear_ic(signal: pd.DataFrame, returns: pd.DataFrame) -> pd.Series:
    """Pearson correlation across assets, per session, over the assets that have both; NaN below three."""
    return _by_session(linear_correlation, signal, returns).rename("linear_ic")


def _by_session(
    correlation: Callable[[FloatArray, FloatArray], FloatArray], signal: pd.DataFrame, returns: pd.DataFrame
) -> pd.Series:
    one, other = signal.align(returns)
    values = correlation(one.to_numpy(dtype=np.float64), other.to_numpy(dtype=np.float64))
    return pd.Series(values, index=one.index)


def same_session_ic(signal: pd.DataFrame, prices: pd.DataFrame, name: str = "same session") -> InformationCoefficient:
    """Association with the return of the signal's own session: explanatory, not tradable."""
    return _ic(name, signal, prices, 0)


def next_session_ic(signal: pd.DataFrame, prices: pd.DataFrame, name: str = "next session") -> InformationCoefficient:
    """Skill: correlation with the close-to-close return of the session after the signal's."""
    return _ic(name, signal, prices, 1)


def _ic(name: str, signal: pd.DataFrame, prices: pd.DataFrame, lag: int) -> InformationCoefficient:
    prices, signal = align(prices, signal)
    returns = prices.pct_change(fill_method=None).shift(-lag)
    reason = no_correlation(signal.to_numpy(), returns.to_numpy())
    return InformationCoefficient(name, rank_ic(signal, returns), reason=reason)


@dataclass(frozen=True)
class Placebo:
    """Mean next-session rank ICs of many shuffled copies of a signal: the distribution without skill."""

    means: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over the shuffles; 0 in expectation."""
        return float(np.mean(self.means))

    @property
    def interval(self) -> Interval:
        """The range that 95 % of the shuffles lie in."""
        low, high = np.quantile(self.means, [0.025, 0.975])
        return Interval(float(low), float(high))

    def __str__(self) -> str:
        """One line: how many shuffles, their mean and range."""
        low, high = self.interval
        return (
            f"next session, shuffled: mean rank IC {self.mean:+.4f}, "
            f"95 % of {len(self.means)} shuffles {low:+.4f} to {high:+.4f}"
        )


def placebo(signal: pd.DataFrame, prices: pd.DataFrame, *, draws: int = 100, seed: int = 0) -> Placebo:
    """Shuffle the signal across assets `draws` times and take the mean next-session rank IC of each.

    One shuffle can be lucky; a real IC lies outside the range of all of them.
    """
    prices, signal = align(prices, signal)
    following = prices.pct_change(fill_method=None).shift(-1)
    seeds = np.random.SeedSequence(seed).generate_state(draws)
    return Placebo(tuple(float(rank_ic(shuffled_across_assets(signal, int(s)), following).mean()) for s in seeds))


def shuffled_across_assets(signal: pd.DataFrame, seed: int) -> pd.DataFrame:
    """A placebo: each session's values permuted among the assets that have one."""
    random = np.random.default_rng(seed)
    ordered = signal.sort_index(axis=1)  # or the order of columns would change the placebo
    values = ordered.to_numpy().copy()
    for row in values:
        known = np.flatnonzero(np.isfinite(row))
        row[known] = row[random.permutation(known)]
    return pd.DataFrame(values, index=ordered.index, columns=ordered.columns)[signal.columns]
