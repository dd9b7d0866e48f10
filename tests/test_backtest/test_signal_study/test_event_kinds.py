"""Dated events: returns and volatility around them, beside random sessions without any."""

import numpy as np
import pandas as pd
import pytest

from allocation.errors import AllocationError
from backtest.signal_study.event_study import abnormal_returns, event_kinds_study, event_study

N, ASSETS = 600, list("ABCDEFGHIJ")
INDEX = pd.bdate_range("2021-01-04", periods=N, name="date")


def market(seed, *, jump=0.0, loud=1.0):
    """Noise; each asset has 15 results, in whose session returns are `loud` times as large and higher by `jump`."""
    random = np.random.default_rng(seed)
    returns = 0.01 * random.standard_normal((N, len(ASSETS)))
    rows = []
    for column, asset in enumerate(ASSETS):
        for row in random.choice(np.arange(70, N - 20), 15, replace=False):
            returns[row, column] = loud * returns[row, column] + jump
            rows.append((asset, "results", INDEX[row], INDEX[row + 3]))
    events = pd.DataFrame(rows, columns=["asset", "event", "known", "due"])
    return events, pd.DataFrame(returns, INDEX, ASSETS)


def test_a_jump_and_a_loud_session_are_found_and_the_placebo_has_neither():
    (found,) = event_kinds_study(*market(1, jump=0.02, loud=3.0)).kinds
    assert found.kind == "results"
    assert found.returns.events == 150
    assert found.returns.windows[1] == pytest.approx(0.02 * 9 / 10, abs=0.008)
    assert found.volatility.windows[1] > 1.5
    assert abs(found.placebo_returns.windows[1]) < 3 * found.placebo_returns.window_errors[1]
    assert abs(found.placebo_volatility.windows[1]) < 3 * found.placebo_volatility.window_errors[1]
    assert found.placebo_returns.events == pytest.approx(150, abs=15)


def test_without_an_effect_nothing_is_found():
    found = [event_kinds_study(*market(seed)).kinds[0] for seed in range(20)]
    t = np.array([[each.returns.windows[1] / each.returns.window_errors[1],
                   each.volatility.windows[1] / each.volatility.window_errors[1]] for each in found])  # fmt: skip
    assert (np.abs(t) < 2).mean() > 0.8
    assert (np.abs(t.mean(axis=0)) < 0.8).all()


def test_returns_are_those_of_the_event_study_and_an_event_counts_once_a_session():
    events, returns = market(2, jump=0.01)
    twice = pd.concat([events, events], ignore_index=True).sample(frac=1.0, random_state=1)
    happened = np.zeros(returns.shape, dtype=bool)
    happened[INDEX.get_indexer(events["known"]), [ASSETS.index(asset) for asset in events["asset"]]] = True
    expected = event_study("results", happened, abnormal_returns(returns.to_numpy()))
    found = event_kinds_study(twice, returns[ASSETS[::-1]]).kinds[0].returns
    assert (found.events, found.dropped) == (expected.events, expected.dropped)
    np.testing.assert_allclose(found.abnormal, expected.abnormal, atol=1e-12)
    np.testing.assert_allclose(found.error, expected.error, atol=1e-12)


def test_the_usual_size_is_that_of_the_sessions_before():
    events, returns = market(3, loud=2.0)
    first = events.iloc[:1]
    row, column = INDEX.get_loc(first["known"].iloc[0]), ASSETS.index(first["asset"].iloc[0])
    size = np.abs(abnormal_returns(returns.to_numpy())[:, column])
    found = event_kinds_study(first, returns).kinds[0].volatility
    assert found.windows[1] == pytest.approx(size[row] / size[row - 60 : row].mean() - 1.0)


def test_sessions_that_are_due_are_studied_where_asked_and_others_are_left_out(caplog):
    events, returns = market(4)
    late = events.assign(due=events["due"].where(events.index % 2 == 0))
    assert event_kinds_study(late, returns, on="due").kinds[0].returns.events == 75
    assert not caplog.records
    event_kinds_study(pd.concat([events, events.head(3).assign(asset="OTHER")]), returns)
    assert "3 of 153 events are of other sessions or assets" in caplog.text


def test_kinds_print_one_line_each():
    events, returns = market(5)
    text = str(event_kinds_study(pd.concat([events, events.assign(event="legal")]), returns)).splitlines()
    assert [line.split()[0] for line in text] == ["kind", "legal", "results"]
    assert text[1].count("±") == 6


def test_events_that_match_nothing_are_refused():
    events, returns = market(6)
    with pytest.raises(AllocationError, match="none of 150 events lies in the sessions and assets"):
        event_kinds_study(events.assign(asset="OTHER"), returns)
    with pytest.raises(AllocationError, match="has no column due"):
        event_kinds_study(events.drop(columns="due"), returns, on="due")
