"""Alarms: no more than were asked for, none from the future, and counted by hand."""

import numpy as np
import pandas as pd
import pytest

from backtest.warning.alarms import alarms_at, judge_alarms

RANDOM = np.random.default_rng(1)
N, A = 1500, 5
INDEX, ASSETS = pd.bdate_range("2010-01-01", periods=N), [f"A{i}" for i in range(A)]


def chances(seed=1):
    random = np.random.default_rng(seed)
    return pd.DataFrame(random.beta(1, 40, (N, A)), INDEX, ASSETS)


@pytest.mark.parametrize("per_year", [1.0, 2.0, 6.0])
def test_an_asset_has_no_more_alarms_in_a_year_and_rests_after_each(per_year):
    raised = alarms_at(chances(), per_year, 5).to_numpy()
    assert raised.any()
    assert raised.cumsum(axis=0)[252:].max() > 0
    windows = np.lib.stride_tricks.sliding_window_view(raised, 252, axis=0).sum(axis=-1)
    assert windows.max() <= per_year
    for asset in range(A):
        assert np.diff(np.flatnonzero(raised[:, asset])).min(initial=99) > 5
    assert raised[300:].sum() * 252 / (raised[300:].size) == pytest.approx(per_year / 2, rel=0.5)


def test_the_likeliest_are_warned_of():
    chance = chances()
    raised = alarms_at(chance, 2.0, 5).to_numpy()
    assert np.median(chance.to_numpy()[raised]) > np.quantile(chance, 0.99)


@pytest.mark.parametrize("end", [400, 811])
def test_no_alarm_depends_on_a_later_probability(end):
    other = chances()
    other.iloc[end:] = chances(7).iloc[end:] * 2.0
    assert alarms_at(chances(), 2.0, 5).iloc[:end].equals(alarms_at(other, 2.0, 5).iloc[:end])


def test_where_nothing_is_known_nothing_is_raised():
    assert not alarms_at(chances() * np.nan, 2.0, 5).to_numpy().any()


def test_figures_are_those_counted_by_hand():
    came = np.zeros((252, 2))
    after = np.full((252, 2), np.nan)
    came[96:101, 0], after[96:101, 0] = 1.0, [5, 4, 3, 2, 1]  # one event, at 101
    came[196:201, 1], after[196:201, 1] = 1.0, [5, 4, 3, 2, 1]  # another, at 201
    raised = np.zeros((252, 2), dtype=bool)
    raised[98, 0] = raised[10, 0] = raised[11, 1] = raised[210, 1] = True
    found = judge_alarms(raised, came, after, np.ones((252, 2), dtype=bool), 5)
    assert found.alarms == 4
    assert found.per_asset_year == pytest.approx(2.0)
    assert found.precision == pytest.approx(0.25)
    assert found.base_rate == pytest.approx(10 / 504)
    assert found.lift == pytest.approx(0.25 * 50.4)
    assert found.recall == pytest.approx(0.5)
    assert found.lead_sessions == pytest.approx(3.0)
    low, high = found.precision_interval
    assert low <= 0.25 <= high
    missed, false, share = 9 / 504, 3 / 504, 10 / 504
    assert found.usefulness == pytest.approx((0.9 * share - 0.9 * missed - 0.1 * false) / (0.9 * share))


def test_alarms_without_skill_have_a_lift_whose_interval_covers_one():
    random = np.random.default_rng(3)
    came = (random.random((N, A)) < 0.05).astype(float)
    after = np.where(came == 1.0, 1.0, np.nan)
    found = judge_alarms(random.random((N, A)) < 0.02, came, after, np.ones((N, A), dtype=bool), 1)
    assert found.lift_interval[0] < 1.0 < found.lift_interval[1]
