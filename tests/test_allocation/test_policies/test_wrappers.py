"""Policies made of policies, and schedules at given dates."""

import numpy as np
import pandas as pd
import pytest
from support import random_prices

from allocation import AllocationError, CutRiskOnAlarm, EqualWeight, Hold
from backtest import OnDrift, Rolling, WarmUp, rebalance_dates, simulate, walk_forward

PRICES = random_prices(1, 80)


def test_a_band_trades_only_when_a_weight_has_left_it():
    weights = walk_forward(OnDrift(EqualWeight(), 0.01), PRICES, None, PRICES.index)
    held = simulate(PRICES, weights).weights
    traded = weights.notna().all(axis=1)
    assert traded.iloc[0]
    assert 2 < traded.sum() < 40
    for day in PRICES.index[1:]:
        assert traded[day] == ((held.loc[day] - 0.25).abs().max() > 0.01), day


def test_a_rolling_window_shows_the_last_rows_and_nothing_before():
    seen = []

    def policy(view):
        seen.append((view.now, len(view.prices), len(view.signal), view.prices.index[-1]))
        return view.held * np.nan

    walk_forward(Rolling(policy, 10), PRICES, None, PRICES.index)
    assert [length for _, length, _, _ in seen] == [min(row + 1, 10) for row in range(80)]
    assert all(prices == signal and now == last for now, prices, signal, last in seen)


def test_a_warm_up_stays_in_cash():
    weights = walk_forward(WarmUp(EqualWeight(), 30), PRICES, None, PRICES.index[::10])
    assert weights.notna().all(axis=1).tolist() == [False, False, False, True, True, True, True, True]
    assert simulate(PRICES, weights).nav.index[0] == PRICES.index[30]


def test_given_dates_mean_the_next_session():
    asked = pd.DatetimeIndex(["2021-01-09", "2021-01-10", "2021-01-13", "2031-01-01"])
    dates = rebalance_dates(PRICES.index, asked)
    assert list(dates) == [pd.Timestamp("2021-01-11"), pd.Timestamp("2021-01-13")]
    assert not len(rebalance_dates(PRICES.index, asked[3:]))


@pytest.mark.parametrize("wrong", [lambda: OnDrift(EqualWeight(), 1.0), lambda: Rolling(EqualWeight(), 0)])
def test_settings_without_a_meaning_are_refused(wrong):
    with pytest.raises(AllocationError, match="give"):
        wrong()


def alarms(rows) -> pd.DataFrame:
    raised = pd.DataFrame(False, PRICES.index, PRICES.columns)
    raised.iloc[rows, 1] = True
    return raised


def test_an_alarm_cuts_its_asset_for_some_sessions_and_no_other():
    cut = CutRiskOnAlarm(EqualWeight(), alarms([20]), share=0.5, sessions=3)
    weights = walk_forward(cut, PRICES, None, PRICES.index)
    asset = PRICES.columns[1]
    assert weights.index[weights[asset] < 0.2].tolist() == PRICES.index[20:23].tolist()
    np.testing.assert_allclose(weights[asset].iloc[20:23], 0.125)
    np.testing.assert_allclose(weights.drop(columns=asset), 0.25)


def test_later_alarms_cut_nothing_and_what_is_held_stays_held():
    before, after = (
        walk_forward(CutRiskOnAlarm(EqualWeight(), alarms(rows)), PRICES, None, PRICES.index).iloc[:40]
        for rows in ([20], [20, 41])
    )
    assert before.to_numpy().tobytes() == after.to_numpy().tobytes()
    held = walk_forward(CutRiskOnAlarm(Hold(), alarms([20])), PRICES, None, PRICES.index)
    assert held.iloc[1:].isna().all(axis=None)
    one, other = (CutRiskOnAlarm(EqualWeight(), alarms(rows)) for rows in ([20], [20, 41]))
    assert one.inputs_digest(PRICES.index[40]) == other.inputs_digest(PRICES.index[40])
    assert one.inputs_digest(PRICES.index[41]) != other.inputs_digest(PRICES.index[41])


@pytest.mark.parametrize("wrong", [{"share": 1.0}, {"share": -0.1}, {"sessions": 0}])
def test_a_cut_that_is_none_is_refused(wrong):
    with pytest.raises(AllocationError, match="give a part in"):
        CutRiskOnAlarm(EqualWeight(), alarms([20]), **wrong)
