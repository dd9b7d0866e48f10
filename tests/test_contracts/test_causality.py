"""Whatever changes after the close of t, no weight decided at or before t moves, to the last bit."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_bars import simulated
from support import random_prices, random_signal

from allocation import (
    Bars,
    EqualWeight,
    Grinold,
    HarVolatility,
    Hold,
    LedoitWolf,
    NoView,
    ScaledRisk,
    SentimentPolicy,
)
from backtest import Costs, Delisting, Events, Impact, rebalance_dates, run, simulate, simulate_market, walk_forward
from nlp import SentimentClassifier, daily_signal, read_headlines, score_headlines

N_SESSIONS = 110
POLICIES = {
    "sentiment": SentimentPolicy(
        forecast=Grinold(window=60), risk=LedoitWolf(window=60, min_returns=30), min_history=30
    ),
    "equal weight": EqualWeight(),
    "hold": Hold(),
}


@pytest.mark.parametrize("name", POLICIES)
@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), cut=st.integers(40, N_SESSIONS - 2), future=st.integers(0, 10_000))
def test_future_prices_and_signals_move_no_past_weight(name, seed, cut, future):
    prices = random_prices(seed, N_SESSIONS)
    signal = random_signal(seed, prices)
    opens = prices.shift(1).bfill() * 1.001
    dates = prices.index[35::5]

    other_prices, other_opens, other_signal = prices.copy(), opens.copy(), signal.copy()
    other_prices.iloc[cut + 1 :] = random_prices(future + 1, N_SESSIONS).iloc[cut + 1 :] * 3.0
    other_opens.iloc[cut + 1 :] = random_prices(future + 2, N_SESSIONS).iloc[cut + 1 :]
    other_signal.iloc[cut + 1 :] = random_signal(future + 3, prices, covered=0.9).iloc[cut + 1 :]

    costs = Costs()
    before = walk_forward(POLICIES[name], prices, signal, dates, opens=opens, costs=costs)
    after = walk_forward(POLICIES[name], other_prices, other_signal, dates, opens=other_opens, costs=costs)
    known = before.index <= prices.index[cut]
    assert known.any()
    assert before[known].to_numpy().tobytes() == after[known].to_numpy().tobytes()


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), cut=st.integers(10, 90))
def test_future_prices_move_no_past_nav(seed, cut):
    prices = random_prices(seed, N_SESSIONS)
    weights = random_signal(seed, prices).abs() / 4
    changed = prices.copy()
    changed.iloc[cut + 1 :] *= np.linspace(0.5, 2.0, prices.shape[1])
    before, after = simulate(prices, weights), simulate(changed, weights)
    now = prices.index[cut]
    assert len(before.nav.loc[:now]) > 5
    assert before.nav.loc[:now].to_numpy().tobytes() == after.nav.loc[:now].to_numpy().tobytes()


@pytest.fixture(scope="module")
def news_market():
    market = simulate_market()
    sessions = market.prices.index[:N_SESSIONS]
    closes = pd.DatetimeIndex(sessions).tz_localize("America/New_York") + pd.Timedelta(hours=16)
    inside = market.headlines["published"] < closes[-1].tz_convert("UTC")
    return market, sessions, read_headlines(market.headlines[inside])


@pytest.fixture(scope="module")
def classifier(tiny_model):
    return SentimentClassifier.load(tiny_model, device="cpu", dtype="float32")


@settings(max_examples=12)
@given(cut=st.integers(40, N_SESSIONS - 2), seed=st.integers(0, 1000))
def test_future_headlines_move_no_past_weight(news_market, classifier, cut, seed):
    """Texts, times and assets of all later headlines change, and some are taken away; then all are scored anew."""
    market, sessions, news = news_market
    close = market.closes[sessions[cut]]
    later = (news["published"] >= close).to_numpy()
    random = np.random.default_rng(seed)
    changed = news.copy()
    changed.loc[later, "text"] = [
        f"loss of {random.integers(1, 99)} {'x' * random.integers(1, 40)}" for _ in range(later.sum())
    ]
    changed.loc[later, "asset"] = random.permutation(changed.loc[later, "asset"])
    changed = changed[~later | (random.random(len(changed)) < 0.8)]

    def weights_of(rows: pd.DataFrame) -> pd.DataFrame:
        signal = daily_signal(score_headlines(rows, classifier), sessions)
        signal = signal.reindex(columns=market.prices.columns)
        return walk_forward(
            POLICIES["sentiment"],
            market.prices.loc[sessions],
            signal,
            sessions[35::5],
            opens=market.opens.loc[sessions],
        )

    before, after = weights_of(news), weights_of(changed)
    known = before.index <= sessions[cut]
    assert before[known].to_numpy().tobytes() == after[known].to_numpy().tobytes()


@pytest.mark.parametrize("cut", [150, 203, 255])
def test_future_highs_and_lows_move_no_past_weight(cut):
    """The volatility forecast is fitted inside the walk, on bars up to each date."""
    bars, later = simulated(3, 300)[0], simulated(4, 300)[0]
    changed = {}
    for name in ("close", "open", "high", "low"):
        changed[name] = getattr(bars, name).copy()
        changed[name].iloc[cut + 1 :] = getattr(later, name).iloc[cut + 1 :]
    policy = SentimentPolicy(forecast=NoView(), risk=ScaledRisk(HarVolatility(refit=10), LedoitWolf(window=60)))
    dates = bars.close.index[100::7]
    before, after = (run(replace(policy), each, None, dates).targets for each in (bars, Bars(**changed)))
    known = before.index <= bars.close.index[cut]
    assert before[known].to_numpy().tobytes() == after[known].to_numpy().tobytes()
    assert not before.equals(after)


def test_a_policy_cannot_reach_the_future_through_its_view():
    prices = random_prices(1)
    seen = []

    def greedy(view):
        for frame in (view.prices, view.signal, view.opens, view.highs, view.lows):
            array = frame.to_numpy()
            while array.base is not None and isinstance(array.base, np.ndarray):
                array = array.base
            rows = array if array.shape[1] == prices.shape[1] else array.T
            seen.append(np.isfinite(rows[len(view.prices) :]).any())
        return pd.Series(0.25, index=view.prices.columns)

    bars = Bars(prices, prices, None, prices * 1.01, prices * 0.99)
    walk_forward(greedy, prices, random_signal(1, prices), prices.index[10::10], bars=bars)
    assert len(seen) > 10
    assert not any(seen)


def test_a_view_cannot_be_written_to():
    prices = random_prices(2)

    def vandal(view):
        with pytest.raises(ValueError, match="read-only"):
            view.prices.to_numpy()[0, 0] = 1e9
        return pd.Series(0.25, index=view.prices.columns)

    walk_forward(vandal, prices, None, prices.index[10::20])


def test_a_date_in_the_middle_of_a_week_is_the_weeks_last_only_by_the_calendar():
    """A price file that ends on a Wednesday must not make that Wednesday a weekly rebalancing date."""
    sessions = simulate_market().prices.index
    whole = rebalance_dates(sessions, "weekly")
    for end in range(60, 90):
        cut = rebalance_dates(sessions[:end], "weekly")
        assert cut.equals(whole[whole <= sessions[end - 1]])


def test_neither_indexes_nor_kept_frames_hold_a_later_session():
    """Index tricks: the base arrays of dates, negative and huge positions, and the first view kept to the end."""
    prices = random_prices(3)
    kept = []

    def curious(view):
        kept.append(view)
        for frame in (view.prices, view.signal):
            dates = frame.index.to_numpy()
            while isinstance(dates.base, np.ndarray):
                dates = dates.base
            assert dates.max() <= view.now.to_datetime64()
            assert frame.iloc[-1].name == view.now
            with pytest.raises(IndexError):
                frame.iloc[len(view.prices)]
            with pytest.raises(KeyError):
                frame.loc[prices.index[len(view.prices)]]
        for early in kept:
            assert early.prices.index[-1] == early.now
            assert early.prices.equals(prices.loc[: early.now])
        return pd.Series(0.25, index=view.prices.columns)

    walk_forward(curious, prices, random_signal(3, prices), prices.index[10:-1:10])
    assert len(kept) > 10


def test_what_a_view_is_based_on_cannot_be_written_to_either():
    prices = random_prices(2)

    def vandal(view):
        array = view.prices.to_numpy()
        while isinstance(array.base, np.ndarray):
            array = array.base
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 1e9
        return pd.Series(0.25, index=view.prices.columns)

    walk_forward(vandal, prices, None, prices.index[10::20])


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), cut=st.integers(40, 90))
def test_future_events_volumes_and_opens_move_no_past_nav(seed, cut):
    """Everything a simulation is given changes after a close; not one NAV up to then does, to the last bit."""
    prices = random_prices(seed, N_SESSIONS)
    weights = random_signal(seed, prices, covered=0.9).iloc[30::3] / 8
    opens, dividends, value = prices.shift(1).bfill() * 1.002, prices * 0 + 0.01, prices * 0 + 1e7

    def navs(factor):
        later = (np.arange(N_SESSIONS) > cut)[:, None] * (factor - 1.0) + 1.0
        costs = Costs(minimum=1.0, borrow=0.03, cash_yield=0.02, impact=Impact(value * later))
        events = Events(dividends * later)
        return simulate(prices * later, weights, costs, opens=opens * later, events=events).nav.loc[: prices.index[cut]]

    assert len(navs(1.0)) > 5
    assert navs(1.0).to_numpy().tobytes() == navs(1.7).to_numpy().tobytes()


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), cut=st.integers(36, 100), delisted=st.integers(30, 100), gap=st.booleans())
def test_prices_after_a_close_move_no_past_weight_beside_a_delisting_either(seed, cut, delisted, gap):
    """Prices of the delisted asset may end, come back or go on after the cut: what is held before does not know."""
    prices = random_prices(seed, N_SESSIONS)
    if gap:
        prices.iloc[max(delisted - 6, 31) : delisted, 0] = np.nan
    events = Events(delistings={prices.columns[0]: Delisting(prices.index[delisted], -0.4)})
    held = {}

    def weights_of(frame):
        def policy(view):
            held.setdefault(view.now, []).append(view.held.to_numpy().tobytes())
            return EqualWeight()(view)

        return walk_forward(policy, frame, None, frame.index[30::5], events=events)

    silent, back = prices.copy(), prices.copy()
    silent.iloc[cut + 1 :, 0] = np.nan
    back.iloc[cut + 1 :] = random_prices(seed + 1, N_SESSIONS).iloc[cut + 1 :]
    walks = [weights_of(frame) for frame in (prices, silent, back)]
    now = prices.index[cut]
    assert len({walk.loc[:now].to_numpy().tobytes() for walk in walks}) == 1
    assert all(len(set(seen)) == 1 for day, seen in held.items() if day <= now)


def test_no_costs_and_no_news_is_the_mean_of_the_assets_every_session():
    """Equal weights restored at every close earn the mean of the assets' returns, session by session."""
    prices = random_prices(5, 60)
    weights = walk_forward(EqualWeight(), prices, None, prices.index)
    returns = simulate(prices, weights, Costs(0.0, 0.0)).returns
    expected = prices.pct_change().mean(axis=1)
    np.testing.assert_allclose(returns.iloc[1:], expected.iloc[2:], rtol=0, atol=1e-13)
