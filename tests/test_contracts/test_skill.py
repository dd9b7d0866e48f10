"""A planted signal is found, a shuffled one is not, and a signal that only explains predicts nothing."""

from dataclasses import replace

import numpy as np
import pytest

from backtest import MarketConfig, next_session_ic, placebo, same_session_ic, shuffled_across_assets, simulate_market

SEEDS = range(20)


@pytest.fixture(scope="module")
def markets():
    return [simulate_market(MarketConfig(seed=seed, end="2022-06-30")) for seed in SEEDS]


def test_the_planted_correlation_is_what_was_asked_for(markets):
    """Pooled over markets: correlation of tone with the next session's idiosyncratic return."""
    products = []
    for market in markets:
        standard = market.idiosyncratic / market.idiosyncratic.std()
        products.append((market.tone.shift(1) * standard).stack().mean())
    error = np.std(products, ddof=1) / np.sqrt(len(products))
    assert abs(np.mean(products) - MarketConfig().information_coefficient) < 3 * error


def test_a_planted_signal_is_recovered(markets):
    """Its rank IC lies above zero in nearly every market, and below the planted one: other risks blur it."""
    found = [next_session_ic(market.tone / market.tone.abs().max().max(), market.prices) for market in markets]
    assert sum(ic.t > 2 for ic in found) >= len(SEEDS) - 3
    assert 0.02 < np.mean([ic.mean for ic in found]) < MarketConfig().information_coefficient + 0.01


def test_a_shuffled_signal_has_no_skill(markets):
    """Zero lies in the 95 % interval of a placebo about as often as it should."""
    inside = 0
    for market in markets:
        signal = market.tone / market.tone.abs().max().max()
        low, high = next_session_ic(shuffled_across_assets(signal, seed=1), market.prices).interval
        inside += low <= 0.0 <= high
    assert inside >= len(SEEDS) - 4  # at 95 %, four or more misses in twenty have a chance of 1.6 %


def test_news_that_only_explains_has_no_next_session_ic():
    config = replace(MarketConfig(), information_coefficient=0.0, same_session=0.3)
    market = simulate_market(config)
    signal = market.tone / market.tone.abs().max().max()
    assert same_session_ic(signal, market.prices).t > 5
    assert abs(next_session_ic(signal, market.prices).t) < 3


def test_a_placebo_is_centred_on_zero_and_a_planted_signal_stands_outside(markets):
    market = markets[0]
    signal = market.tone / market.tone.abs().max().max()
    chance = placebo(signal, market.prices, draws=60)
    low, high = chance.interval
    assert low < 0.0 < high
    assert abs(chance.mean) < 4 * np.std(chance.means) / np.sqrt(60)
    assert next_session_ic(signal, market.prices).mean > high
    assert chance == placebo(signal[signal.columns[::-1]], market.prices, draws=60)
