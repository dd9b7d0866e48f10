"""How sure the figures of a study are: intervals of overlapping returns, tests and their number, noise that is none."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student
from test_backtest.planted import frames, quick

from allocation import Bars
from backtest.signal_study.figure_table import figure_table
from backtest.signal_study.forward_returns import THIS_CLOSE, forward_returns
from backtest.signal_study.information_coefficient import rank_ic
from backtest.signal_study.measures import HORIZONS, measure, study_data
from backtest.statistics.significance import mean_interval, newey_west_error
from newsfolio.shared.text_table import json_text


def fixed_b(n, lags):
    """Errors on either side of a mean of n values that make a 95 % interval, worked out apart."""
    b = (lags + 1) / n
    return student.ppf(0.975, 1.5 / b) / np.sqrt(1 - b + b * b / 3)


def test_overlapping_returns_widen_the_interval():
    """Returns of 21 sessions share 20 with their neighbours': the error has twice as many lags, and its own doubt."""
    signal, prices = frames(3, n=250)
    signal = signal.ffill().rolling(20, min_periods=1).mean()  # a signal that changes slowly
    found = quick(signal, prices, horizons=(1, 21))
    row = found.figures.loc[("rank IC", "this close, 21 sessions")]
    series = rank_ic(signal, forward_returns(Bars(prices), 21, THIS_CLOSE))
    error, reach = newey_west_error(series, 41), fixed_b(series.count(), 41)
    expected = series.mean() - reach * error, series.mean() + reach * error
    assert (row["low"], row["high"]) == pytest.approx(expected, abs=1e-9)
    assert row["t"] == pytest.approx(series.mean() / error)
    assert error > 1.1 * newey_west_error(series)
    assert reach > 2.5
    assert (row["boot_low"], row["boot_high"]) == pytest.approx(mean_interval(series, mean_block=42.0), rel=1e-6)
    assert row["boot_high"] - row["boot_low"] > 1.2 * np.diff(mean_interval(series, mean_block=42.0, level=0.9))[0]


def test_every_figure_that_could_be_skill_counts_as_a_test_and_no_other():
    signal, prices = frames(1)
    found = quick(signal, prices)
    tested = found.figures["p"].notna()
    assert tested[found.figures.index.get_level_values(0) == "rank IC"].all()
    names = found.figures.index[~tested & found.figures["t"].notna()].get_level_values(1)
    assert set(names) == {
        "turnover of the top quantile", "turnover of the bottom quantile", "autocorrelation of ranks",
        "turnover of the long-short portfolio", "share of assets with a signal",
    }  # fmt: skip
    assert found.tests.tested == tested.sum() > 30
    for key, row in found.figures.sort_index().loc[tested].drop("event").iterrows():
        n = row["sessions"]
        b = (max(int(4 * (n / 100) ** (2 / 9)), 9 if "5 sessions" in key[1] else 1) + 1) / n
        t = abs(row["t"]) * np.sqrt(1 - b + b * b / 3)
        assert row["p"] == pytest.approx(2 * student.sf(t, 1.5 / b), rel=1e-9), key
    dof = found.events[0].dof
    event = found.figures.loc[("event", "good news, session 0")]
    assert event["p"] == pytest.approx(2 * student.sf(abs(event["t"]), dof))
    assert event["high"] - event["value"] == pytest.approx(student.ppf(0.975, dof) * found.events[0].window_errors[1])


def test_what_is_left_after_so_many_tests_is_said_marked_and_in_the_json():
    signal, prices = frames(1, n=200, edge=0.003)
    found = quick(signal, prices)
    p = found.figures["p"]
    bonferroni = p * p.notna().sum()
    assert (found.figures["holm"][p.notna()] >= p[p.notna()]).all()
    assert not ((bonferroni < 0.05) & ~(found.figures["holm"] < 0.05)).any()  # Holm finds all that Bonferroni does
    assert 3 < found.tests.adjusted < found.tests.significant
    assert f"{found.tests.significant} significant at 5 % (about" in str(found)
    starred = [line for line in str(found).splitlines() if "* " in line and line.startswith("this close")]
    assert 0 < len(starred) <= found.tests.adjusted
    assert json.loads(json_text(found.to_dict()))["tests"] == {
        "made": found.tests.tested,
        "apart": found.tests.significant,
        "held": found.tests.adjusted,
        "correction": "Holm",
        "level": 0.05,
    }


def noise(seed, n):
    """All figures of a signal and prices that have nothing to do with each other."""
    signal, prices = frames(seed, n=n)
    values, data = study_data(signal, Bars(prices, prices.shift(1).bfill()), None, HORIZONS)
    return figure_table(measure(values, data))


def test_noise_passes_the_correction_as_rarely_as_it_should():
    """That any of some sixty figures of nothing passes has a chance of 5 %, that one is apart is all but sure.

    Sixty sessions: normal quantiles, and as many lags as returns overlap, let a figure pass in 44 % of such samples.
    """
    found = [noise(seed, n=60) for seed in range(30)]
    assert sum((each["holm"] < 0.05).any() for each in found) <= 4
    assert sum((each["p"] < 0.05).any() for each in found) >= 15


def test_both_intervals_of_nothing_hold_it_as_often_as_they_should_at_every_horizon():
    found = pd.concat([noise(seed, n=100).loc["rank IC"] for seed in range(40)])
    found = found[found["low"].notna()]
    for horizon in (1, 2, 5, 10):
        mine = found[found.index.str.contains(f", {horizon} session")]
        assert len(mine) == 120
        for low, high in (("low", "high"), ("boot_low", "boot_high")):
            assert 0.88 <= ((mine[low] <= 0) & (mine[high] >= 0)).mean() <= 1.0, (horizon, low)


def test_means_over_fewer_than_four_separate_periods_have_no_interval_and_are_no_test():
    """21 sessions fit into 104 less than four times once entry and exit are away, and four times into 105."""
    name = "this close, 21 sessions"
    for sessions, known in ((104, False), (105, True)):
        signal, prices = frames(1, n=sessions)
        found = quick(signal, prices, horizons=(1, 21))
        row = found.figures.loc[("rank IC", name)]
        assert np.isfinite(row["value"])
        assert row["sessions"] == sessions - 21
        assert np.isfinite(row[["low", "high", "t", "boot_low", "boot_high", "p", "holm"]]).all() == known
        assert np.isfinite(row[["low", "high", "t", "boot_low", "boot_high", "p", "holm"]]).any() == known
    said = [note for note in quick(*frames(1, n=60), horizons=(1, 21)).notes if "share no session" in note]
    assert [note.split()[0] for note in said] == ["10"]
