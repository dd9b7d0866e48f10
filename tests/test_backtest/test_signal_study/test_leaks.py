"""Each alarm on a leak is raised by that leak and by no honest signal."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from test_backtest.planted import quick

from allocation import Bars
from backtest import MarketConfig, simulate_market
from backtest.signal_study.leaks import MeanTest, Response, leak_alarms, response, unlike_news
from backtest.signal_study.measures import study_data

N, ASSETS = 500, [f"S{n:02d}" for n in range(50)]


def market(seed, same=0.0, edge=0.0, halflife=0.0, night=0.0):
    """News that goes with its own session, with later ones fading by half each `halflife`, and with the next night."""
    random = np.random.default_rng(seed)
    news, noise = random.standard_normal((2, N, 50))
    keep = 0.5 ** (1 / halflife) if halflife else 0.0
    returns = noise + same * news
    for lag in range(1, 15 if halflife else 2):
        returns[lag:] += edge * keep ** (lag - 1) * news[:-lag]
    gap = 0.3 * returns
    gap[1:] += night * news[:-1]
    returns[1:] += night * news[:-1]
    index = pd.bdate_range("2019-01-02", periods=N, name="date")
    close = 50 * np.cumprod(1 + 0.01 * returns, axis=0)
    opens = np.vstack([close[:1], close[:-1]]) * (1 + 0.01 * gap)
    signal = pd.DataFrame(np.tanh(news / 2), index, ASSETS)
    return signal, Bars(*(pd.DataFrame(each, index, ASSETS) for each in (close, opens)))


def raised(signal, bars):
    values, data = study_data(signal, bars, None, (1,))
    return [name for name, _ in leak_alarms(response(values, data))]


@pytest.mark.parametrize("ic", [0.03, 0.06, 0.11])
def test_an_honest_score_one_session_early_raises_early_and_in_time_nothing(ic):
    early = honest = 0
    for seed in range(10):
        signal, bars = market(seed, same=ic)
        early += "early" in raised(signal.shift(-1), bars)
        honest += bool(raised(signal, bars))
    assert early >= 9
    assert honest <= 1


def test_the_verdict_on_the_early_score_is_that_of_a_leak():
    signal, bars = market(1, same=0.11)
    found = quick(signal.shift(-1), bars)
    assert "early" in found.alarms
    assert "warning of a leak" in found.verdict
    assert "counted one session too early" in " ".join(str(found).split())
    assert "clear the warnings" in found.meaning
    honest = quick(signal, bars)
    assert "early" not in honest.alarms
    assert honest.verdict.startswith("No detectable edge")
    assert "clear the warnings" not in honest.meaning


def test_a_planted_edge_that_fades_raises_nothing():
    assert (
        sum(bool(raised(*market(seed, edge=0.06, halflife=3.0, same=same))) for seed in range(6) for same in (0, 0.1))
        <= 1
    )


def test_the_simulated_market_raises_nothing():
    for seed in range(4):
        for ic in (0.0, 0.06):
            made = simulate_market(MarketConfig(seed=seed, end="2022-12-30", information_coefficient=ic))
            signal, bars = made.tone / made.tone.abs().max().max(), Bars(made.prices, made.opens)
            assert not raised(signal, bars)
            assert ic > 0 or raised(signal.shift(-1), bars) == ["early"]


def test_an_edge_in_the_night_raises_overnight_and_with_its_own_session_timestamps():
    assert "overnight" in raised(*market(1, night=0.06))
    assert "timestamps" in raised(*market(1, night=0.06, same=0.15))
    assert not {"overnight", "timestamps"} & set(raised(*market(1, edge=0.06, same=0.15, halflife=3.0)))


def counted(seed, ahead):
    """Volatility clusters, a fifth of cells have news, and large moves more often; `ahead`: the evening before too."""
    random = np.random.default_rng(seed)
    shocks = random.random((N, 50)) < 0.05
    level = np.zeros((N, 50))
    for t in range(1, N):
        level[t] = 0.7 * level[t - 1] + shocks[t]
    returns = 0.01 * np.exp(0.5 * level) * random.standard_normal((N, 50))
    large = np.abs(returns) > np.quantile(np.abs(returns), 0.94, axis=0)
    has_news = shocks | (random.random((N, 50)) < 0.2)
    has_news[:-1] |= large[1:] & (random.random((N - 1, 50)) < ahead)
    index = pd.bdate_range("2019-01-02", periods=N, name="date")
    signal = pd.DataFrame(np.where(has_news, random.uniform(-1, 1, (N, 50)), np.nan), index, ASSETS)
    return signal, Bars(pd.DataFrame(50 * np.cumprod(1 + returns, axis=0), index, ASSETS))


def test_news_that_is_heavier_before_large_moves_raises_back_fill():
    assert all("back-fill" in raised(*counted(seed, 0.5)) for seed in range(5))
    assert sum("back-fill" in raised(*counted(seed, 0.0)) for seed in range(10)) <= 1


def of(mean, t):
    return MeanTest(mean, t)


EARLY = Response(
    same=of(0.01, 1.0), following=of(0.05, 5.0), later=of(0.0, 0.1), rises=of(0.04, 3.0), fades=of(0.03, 3.0)
)
NIGHT = Response(same=of(0.01, 1.0), night=of(0.02, 4.0), night_excess=of(0.02, 2.0))
SIZES = Response(
    size_before=of(0.01, 1.0), size_same=of(0.04, 4.0), size_following=of(0.05, 5.0), size_rises=of(0.04, 3.0),
    size_drops=of(0.02, 2.0),
)  # fmt: skip


@pytest.mark.parametrize(
    ("found", "change", "names"),
    [
        (Response(), {}, []),
        (EARLY, {}, ["early"]),
        (EARLY, {"following": of(0.02, 2.4)}, []),
        (EARLY, {"rises": of(0.0, 0.1)}, []),
        (EARLY, {"fades": of(0.0, 0.1)}, []),
        (NIGHT, {}, ["overnight"]),
        (NIGHT, {"same": of(0.05, 5.0)}, ["timestamps"]),
        (NIGHT, {"night": of(0.01, 2.4)}, []),
        (NIGHT, {"night_excess": of(0.0, 1.0)}, []),
        (SIZES, {}, ["back-fill"]),
        (SIZES, {"size_following": of(0.05, 2.4)}, []),
        (SIZES, {"size_rises": of(0.01, 1.0)}, []),
        (SIZES, {"size_same": of(0.2, 9.0)}, []),
        (SIZES, {"size_drops": of(0.0, 0.1)}, []),
    ],
)
def test_each_condition_is_needed(found, change, names):
    changed = dataclasses.replace(found, **change)
    assert [name for name, _ in leak_alarms(changed)] == names


def test_an_edge_without_its_own_session_that_fades_is_noted_and_no_alarm():
    fading = dataclasses.replace(EARLY, fades=of(-0.01, -1.0), later=of(0.04, 4.0))
    assert "unusual for news" in unlike_news(fading)
    assert unlike_news(EARLY) is None  # that is the alarm's
    assert unlike_news(dataclasses.replace(fading, rises=of(0.0, 0.5))) is None
    assert unlike_news(Response()) is None


def test_a_bet_on_reversal_is_no_leak():
    """It goes with the next session and against its own; a leak knows nothing of its own session."""
    random = np.random.default_rng(3)
    noise = random.standard_normal((500, 30))
    for row in range(1, 500):
        noise[row] -= 0.06 * noise[row - 1]
    index, names = pd.bdate_range("2021-01-04", periods=500, name="date"), [f"S{n:02d}" for n in range(30)]
    signal = pd.DataFrame(-noise + random.standard_normal(noise.shape), index, names)
    close = pd.DataFrame(50.0 * np.cumprod(1.0 + 0.01 * noise, axis=0), index, names)
    found = quick(signal / signal.abs().max().max(), Bars(close, close.shift(1, fill_value=50.0)), horizons=(1,))
    assert found.value("rank IC", "next open, 1 session") > 0.02
    assert "early" not in found.alarms
    assert "goes against its own session" in found.meaning
    contrary = dataclasses.replace(EARLY, same=of(-0.05, -2.6))
    assert not list(leak_alarms(contrary))
    assert [name for name, _ in leak_alarms(dataclasses.replace(EARLY, same=of(-0.05, -2.4)))] == ["early"]
