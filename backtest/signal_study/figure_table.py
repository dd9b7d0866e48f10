"""The figures of a study as rows of a table: interval, t-value and p-value of each, and the range of its placebos.

Placebos are signals that cannot have the skill of the one under study.
"""

import math
from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from backtest.signal_study.measures import Measure, StudyData, measure
from backtest.statistics.significance import (
    Interval,
    TDistribution,
    holm,
    mean_interval,
    newey_west_error,
    newey_west_lags,
    newey_west_null,
)
from newsfolio.shared.arrays import FloatArray

FEWEST_PERIODS = 4  # non-overlapping: fewer give no usable standard error
STALE = 21  # sessions by which the lagged signal is late: a month
NAN = float("nan")
NO_INTERVAL = Interval(NAN, NAN)


def figure_table(measures: Iterable[Measure]) -> pd.DataFrame:
    """Return value, intervals, t, ratio, sessions, periods, p and holm of each measure (see `Study`)."""
    rows = {(each.section, each.name): _row(each) for each in measures}
    table = pd.DataFrame.from_dict(rows, orient="index").set_axis(pd.MultiIndex.from_tuples(rows), axis=0)
    return table.assign(holm=holm(table["p"].to_numpy()))


def _row(figure: Measure) -> dict[str, float]:
    value, error, null = figure.value, figure.error, TDistribution(figure.dof)
    drawn, ratio, n = NO_INTERVAL, NAN, 0
    periods = figure.dof + 1.0 if math.isfinite(figure.dof) else NAN
    if figure.series is not None:
        series = pd.Series(figure.series).dropna()
        n, spread = len(series), float(series.std(ddof=1)) if len(series) > 1 else NAN
        ratio = value / spread if spread > 0 else NAN
        if n >= FEWEST_PERIODS * figure.overlap:
            lags = newey_west_lags(n, figure.overlap)
            error, null = newey_west_error(series, lags), newey_west_null(n, lags)
            periods = min(n, float(series.var(ddof=1)) / error**2) if error > 0 else NAN
            drawn = mean_interval(series, mean_block=max(n ** (1 / 3), 2.0 * figure.overlap))
    half_width, t = null.critical_value * error, value / error if error > 0 else NAN
    return {
        "value": value,
        "low": value - half_width,
        "high": value + half_width,
        "boot_low": drawn.low,
        "boot_high": drawn.high,
        "t": t,
        "ratio": ratio,
        "sessions": n,
        "periods": periods,
        "p": null.p_value(t) if figure.is_test else NAN,
    }


def across_assets(signal: FloatArray, random: np.random.Generator) -> FloatArray:
    """Give each asset the whole history of another: the signal's persistence is kept, its assets are not."""
    return np.take(signal, random.permutation(signal.shape[1]), axis=1)  # rows stay contiguous in memory


def in_time(signal: FloatArray, random: np.random.Generator) -> FloatArray:
    """Rotate the history by a random number of sessions: the assets are kept, the dates are not.

    At least `STALE` sessions in either direction, or a third of a short history.
    """
    sessions = len(signal)
    least = min(STALE, max(sessions // 3, 1))
    return np.roll(signal, int(random.integers(least, max(sessions - least, least) + 1)), axis=0)


def stale(signal: FloatArray, sessions: int = STALE) -> FloatArray:
    """The signal as it was a month earlier; NaN in the first sessions."""
    late = np.full_like(signal, np.nan)
    late[sessions:] = signal[:-sessions]
    return late


def placebo_columns(signal: FloatArray, data: StudyData, draws: int, seed: int) -> dict[str, FloatArray]:
    """Return the figures of placebos by column: of the stale signal, and the 95 % range of `draws` of each kind."""

    def values(placebo: FloatArray) -> FloatArray:
        return np.array([each.value for each in measure(placebo, data)])

    random = np.random.default_rng(seed)
    columns: dict[str, FloatArray] = {"stale": values(stale(signal))}
    kinds: dict[str, Callable[[FloatArray, np.random.Generator], FloatArray]] = {
        "assets": across_assets,
        "time": in_time,
    }
    for kind, shuffle in kinds.items():
        drawn = np.array([values(shuffle(signal, random)) for _ in range(draws)])
        known = np.isfinite(drawn).all(axis=0)
        low, high = np.full((2, drawn.shape[1]), np.nan)
        low[known], high[known] = np.quantile(drawn[:, known], [0.025, 0.975], axis=0)
        columns |= {f"{kind}_low": low, f"{kind}_high": high}
    return columns


def figure_of(figures: pd.DataFrame, section: str, name: str) -> dict[str, float]:
    """Return one row of a study's figures by column."""
    place = list(figures.index).index((section, name))
    return dict(zip(map(str, figures.columns), figures.to_numpy()[place].tolist(), strict=True))
