"""Events found one by one, their paths added up in loops, and their errors against markets without any news."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.errors import AllocationError
from backtest.signal_study.event_study import (
    AFTER,
    BEFORE,
    abnormal_returns,
    event_study,
    innovations,
    news_events,
    strong_news,
)

N, ASSETS = 400, list("ABCDEFGH")


def frames(seed, effect=0.0, drift=0.0, noise=0.01, often=0.03):
    """News of size ±1 fades by half; returns jump by `effect` with it and drift on for three sessions."""
    random = np.random.default_rng(seed)
    news = random.choice([0.0, 1.0, -1.0], (N, len(ASSETS)), p=(1 - 2 * often, often, often))
    signal = np.zeros_like(news)
    returns = noise * random.standard_normal(news.shape)
    for t in range(N):
        signal[t] = (0.5 * signal[t - 1] if t else 0.0) + news[t]
        returns[t] += effect * news[t] + drift * news[max(t - 3, 0) : t].sum(axis=0)
    index = pd.bdate_range("2021-01-04", periods=N, name="date")
    return pd.DataFrame(signal.clip(-1, 1), index, ASSETS), pd.DataFrame(returns, index, ASSETS)


@settings(max_examples=4)
@given(st.integers(0, 10**6))
def test_paths_are_sums_of_returns_less_the_mean_of_all_assets(seed):
    signal, returns = frames(seed)
    good, bad = news_events(signal, returns)
    for study, strong in zip((good, bad), strong_news(signal.to_numpy()), strict=True):
        paths = []
        for t, asset in zip(*np.nonzero(strong), strict=True):
            if BEFORE <= t < N - AFTER:
                window = returns.iloc[t - BEFORE : t + AFTER + 1]
                paths.append((window.iloc[:, asset] - window.mean(axis=1)).to_numpy())
        paths = np.array(paths)
        assert study.events == len(paths)
        assert study.dropped == strong.sum() - len(paths)
        np.testing.assert_allclose(study.abnormal, paths.mean(axis=0).cumsum(), atol=1e-12)
        split = paths[:, :BEFORE], paths[:, [BEFORE]], paths[:, BEFORE + 1 :]
        np.testing.assert_allclose(study.windows, [part.sum(axis=1).mean() for part in split], atol=1e-12)


def test_a_jump_and_a_drift_are_found_where_they_are():
    signal, returns = frames(1, effect=0.03, drift=0.004, noise=0.002, often=0.01)
    good, bad = news_events(signal, returns, share=0.008)  # fewer than there are: none of them is weak
    assert good.windows == pytest.approx([0.0, 0.03 * 7 / 8, 0.012 * 7 / 8], abs=0.006)
    assert bad.windows == pytest.approx([0.0, -0.03 * 7 / 8, -0.012 * 7 / 8], abs=0.006)
    assert good.offsets.tolist() == list(range(-5, 11))


def covered(study, truth=(0.0, 0.0, 0.0)):
    """Whether each window's interval holds what is true."""
    reach = study.critical_value * np.array(study.window_errors)
    return np.abs(np.array(study.windows) - truth) <= reach


@pytest.mark.parametrize("sessions", [60, 120, N])
def test_without_news_the_intervals_hold_zero_as_often_as_they_should(sessions):
    """Events of one session share its returns; those of neighbouring sessions overlap; few say little."""
    inside = []
    for seed in range(100):
        signal, returns = frames(seed)
        inside += [covered(study) for study in news_events(signal.iloc[:sessions], returns.iloc[:sessions])]
    assert (np.mean(inside, axis=0) >= 0.91).all()
    assert (np.mean(inside, axis=0) <= 0.99).all()


def test_events_that_each_drift_their_own_way_are_covered_too():
    """What an event moves in all of its window is one draw, not ten."""
    inside = []
    for seed in range(100):
        random = np.random.default_rng(seed)
        events = random.random((150, 8)) < 0.02
        returns = 0.01 * random.standard_normal(events.shape)
        drift = 0.01 * random.standard_normal(events.shape) * events
        for step in range(1, AFTER + 1):
            returns[step:] += drift[:-step]
        inside.append(covered(event_study("", events, returns)))
    assert (np.mean(inside, axis=0) >= 0.90).all()


def test_errors_are_those_of_two_way_clusters_summed_in_loops():
    signal, returns = frames(2)
    events = strong_news(signal.to_numpy())[0]
    abnormal = abnormal_returns(returns.to_numpy())
    study = event_study("", events, abnormal)
    found = [(t, a) for t, a in zip(*np.nonzero(events), strict=True) if BEFORE <= t < N - AFTER]
    paths = np.array([abnormal[t - BEFORE : t + AFTER + 1, a] for t, a in found])
    off = paths - paths.mean(axis=0)
    cells = [(t, t + step, off[i, step + BEFORE]) for i, (t, _) in enumerate(found) for step in range(1, AFTER + 1)]

    def squares(key):
        sums = {}
        for cell in cells:
            sums[key(cell)] = sums.get(key(cell), 0.0) + cell[2]
        return sum(value**2 for value in sums.values())

    variance = squares(lambda c: c[0]) + squares(lambda c: c[1]) - squares(lambda c: c[:2])
    counts = np.unique([t for t, _ in found], return_counts=True)[1]
    clusters = len(found) ** 2 / (counts**2).sum()
    assert study.clusters == pytest.approx(clusters)
    assert study.dof == pytest.approx(clusters - 1)
    expected = np.sqrt(variance * clusters / (clusters - 1)) / len(found)
    assert study.window_errors[2] == pytest.approx(expected, rel=1e-9)


def test_few_events_have_wide_intervals_and_those_of_one_session_none():
    random = np.random.default_rng(1)
    abnormal = 0.01 * random.standard_normal((100, 8))
    events = np.zeros(abnormal.shape, bool)
    events[50, :] = True
    one = event_study("", events, abnormal)
    assert one.events == 8
    assert np.isnan([*one.window_errors, one.critical_value]).all()
    events[[30, 70], 0] = True
    few = event_study("", events, abnormal)
    assert few.clusters == pytest.approx(100 / 66)
    assert few.critical_value > 20


def test_clusters_widen_the_error():
    """The same event on all assets of a session is one event, not eight."""
    random = np.random.default_rng(1)
    common = 0.01 * random.standard_normal((N, 1)) + np.zeros((N, len(ASSETS)))
    events = np.zeros(common.shape, bool)
    events[10:100:20] = True
    alone = np.zeros(common.shape, bool)
    alone[10:100:20, 0] = True
    together, single = event_study("", events, common), event_study("", alone, common)
    np.testing.assert_allclose(together.error, single.error, rtol=1e-9)


def test_fading_is_no_news_and_no_news_counts_as_zero():
    signal = np.array([[0.8, np.nan], [0.4, 0.4], [0.2, 0.2], [np.nan, 0.1]])
    np.testing.assert_allclose(innovations(signal), [[0.8, np.nan], [0.0, 0.4], [0.0, 0.0], [np.nan, 0.0]], atol=1e-15)


def test_what_is_new_says_nothing_of_the_session_before():
    signal = frames(3)[0].to_numpy()
    new = innovations(signal)
    assert abs((new[1:] * signal[:-1]).sum()) < 1e-9 * (signal**2).sum()


def test_the_share_is_that_of_all_changes():
    signal = np.random.default_rng(1).uniform(-1, 1, (100, 50))
    good, bad = strong_news(signal, 0.1)
    assert good.mean() == pytest.approx(0.1, abs=1e-3)
    assert bad.mean() == pytest.approx(0.1, abs=1e-3)
    assert not (good & bad).any()


def test_without_any_event_nothing_is_claimed():
    signal, returns = frames(1)
    for study in news_events(signal * np.nan, returns):
        assert study.events == 0
        assert np.isnan(study.abnormal).all()
        assert np.isnan(study.windows).all()


def test_gaps_drop_the_event_and_are_counted():
    signal, returns = frames(1)
    whole = news_events(signal, returns)[0]
    holed = news_events(signal, returns.mask(np.random.default_rng(1).random(returns.shape) < 0.02))[0]
    assert holed.events + holed.dropped == whole.events + whole.dropped
    assert holed.dropped > whole.dropped


def test_a_share_that_makes_no_sense_is_named():
    with pytest.raises(AllocationError, match="share of strong news is 0.6"):
        strong_news(np.zeros((5, 5)), 0.6)


def test_abnormal_returns_sum_to_zero():
    assert abnormal_returns(frames(1)[1].to_numpy()).sum(axis=1) == pytest.approx(np.zeros(N), abs=1e-12)
