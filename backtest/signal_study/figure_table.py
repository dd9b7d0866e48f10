"""The figures of a study as rows of a table, each with its interval, t-value and p-value."""

import math
from collections.abc import Iterable

import pandas as pd

from backtest.signal_study.measures import Measure
from backtest.statistics.significance import (
    Interval,
    TDistribution,
    bootstrap_null,
    holm,
    mean_interval,
    newey_west_error,
    newey_west_lags,
    newey_west_null,
    student_95,
)

FEWEST_PERIODS = 4  # non-overlapping: fewer give no usable standard error
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
            # The bootstrap's variance is biased downwards when blocks are few.
            block = max(n ** (1 / 3), 2.0 * figure.overlap)
            wider = bootstrap_null(n, block).critical_value / student_95()
            drawn = Interval(*(value + wider * (end - value) for end in mean_interval(series, mean_block=block)))
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


def figure_of(figures: pd.DataFrame, section: str, name: str) -> dict[str, float]:
    """Return one row of a study's figures by column."""
    place = list(figures.index).index((section, name))
    return dict(zip(map(str, figures.columns), figures.to_numpy()[place].tolist(), strict=True))
