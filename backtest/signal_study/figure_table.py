"""The figures of a study as rows of a table: how sure each is, and what signals without skill give in its place."""

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from backtest.signal_study.measures import Measure, StudyData, measure
from backtest.signal_study.placebos import across_assets, in_time, stale
from backtest.statistics.significance import (
    Interval,
    TDistribution,
    bootstrap_chance,
    holm,
    mean_interval,
    newey_west_chance,
    newey_west_error,
    newey_west_lags,
    student_95,
)
from newsfolio.shared.arrays import FloatArray

FEWEST_PERIODS = 4  # that share no session: fewer cannot say how sure their mean is
NAN = float("nan")
NO_INTERVAL = Interval(NAN, NAN)


def figure_table(measures: Iterable[Measure]) -> pd.DataFrame:
    """Return value, intervals, t, ratio, sessions, p and holm of each measure (see `Study`)."""
    rows = {(each.section, each.name): _row(each) for each in measures}
    table = pd.DataFrame.from_dict(rows, orient="index").set_axis(pd.MultiIndex.from_tuples(rows), axis=0)
    return table.assign(holm=holm(table["p"].to_numpy()))


def _row(found: Measure) -> dict[str, float]:
    if found.series is None:
        return _figure(found, found.error, TDistribution(found.freedom), NO_INTERVAL, NAN, 0)
    series = pd.Series(found.series).dropna()
    n = len(series)
    spread = float(series.std(ddof=1)) if n > 1 else NAN
    ratio = found.value / spread if spread > 0 else NAN
    if n < FEWEST_PERIODS * found.overlap:
        return _figure(found, NAN, TDistribution(), NO_INTERVAL, ratio, n)
    lags = newey_west_lags(n, found.overlap)
    drawn = _drawn(series, found.value, max(n ** (1 / 3), 2.0 * found.overlap))
    return _figure(found, newey_west_error(series, lags), newey_west_chance(n, lags), drawn, ratio, n)


def _drawn(series: pd.Series, mean: float, block: float) -> Interval:
    """Bootstrap interval, its ends moved away from the mean by as much as few blocks make it too narrow."""
    low, high = mean_interval(series, mean_block=block)
    wider = bootstrap_chance(len(series), block).reach / student_95()
    return Interval(mean + wider * (low - mean), mean + wider * (high - mean))


def _figure(
    found: Measure, error: float, chance: TDistribution, drawn: Interval, ratio: float, n: int
) -> dict[str, float]:
    value, reach = found.value, chance.reach * error
    t = value / error if error > 0 else NAN
    return {
        "value": value, "low": value - reach, "high": value + reach, "boot_low": drawn.low,
        "boot_high": drawn.high, "t": t, "ratio": ratio, "sessions": n, "p": chance.of(t) if found.is_test else NAN,
    }  # fmt: skip


def placebos(values: FloatArray, data: StudyData, shuffles: int, seed: int) -> dict[str, FloatArray]:
    """Return the same figures of signals that cannot have this one's skill, by column."""
    random = np.random.default_rng(seed)
    columns: dict[str, FloatArray] = {"stale": _values(stale(values), data)}
    kinds: dict[str, Callable[[FloatArray, np.random.Generator], FloatArray]] = {
        "assets": across_assets,
        "time": in_time,
    }
    for kind, shuffle in kinds.items():
        drawn = np.array([_values(shuffle(values, random), data) for _ in range(shuffles)])
        known = np.isfinite(drawn).all(axis=0)
        low, high = np.full((2, drawn.shape[1]), NAN)
        low[known], high[known] = np.quantile(drawn[:, known], [0.025, 0.975], axis=0)
        columns |= {f"{kind}_low": low, f"{kind}_high": high}
    return columns


def _values(signal: FloatArray, data: StudyData) -> FloatArray:
    return np.array([each.value for each in measure(signal, data)])


def figure_of(figures: pd.DataFrame, section: str, name: str) -> dict[str, float]:
    """Return one row of a study's figures by column."""
    place = list(figures.index).index((section, name))
    return dict(zip(map(str, figures.columns), figures.to_numpy()[place].tolist(), strict=True))
