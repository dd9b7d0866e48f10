"""The order of columns and of headlines changes nothing, to the last bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import random_prices, random_signal

from allocation import Grinold, LedoitWolf, SentimentPolicy
from backtest import Costs, next_session_ic, simulate, simulate_market, walk_forward
from nlp import daily_signal

POLICY = SentimentPolicy(forecast=Grinold(window=60), risk=LedoitWolf(window=60, min_returns=30), min_history=30)


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000), order=st.permutations(["AAA", "BBB", "CCC", "DDD"]))
def test_columns(seed, order):
    prices = random_prices(seed)
    signal, opens = random_signal(seed, prices), prices.shift(1).bfill()
    dates = prices.index[40::5]

    def results(columns):
        weights = walk_forward(POLICY, prices[columns], signal[columns[::-1]], dates, opens=opens[columns])
        result = simulate(prices[columns[::-1]], weights[columns], Costs(), opens=opens)
        return weights, result

    weights, result = results(list(prices.columns))
    shuffled_weights, shuffled = results(list(order))
    assert weights.equals(shuffled_weights[weights.columns])
    assert result.nav.equals(shuffled.nav)
    assert result.weights.equals(shuffled.weights[result.weights.columns])
    assert next_session_ic(signal, prices).mean == next_session_ic(signal[order], prices).mean


@pytest.fixture(scope="module")
def market():
    return simulate_market()


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_rows_of_headlines(market, seed):
    score = np.random.default_rng(1).uniform(-1, 1, len(market.headlines))
    scored = market.headlines.assign(score=score)
    signal = daily_signal(scored, market.prices.index)
    shuffled = daily_signal(scored.sample(frac=1.0, random_state=seed), market.prices.index)
    assert signal.equals(shuffled)
