"""Blending: a weighted mean over what is known, and nothing else."""
# ruff: noqa: ARG005 - the entries of a table share one signature

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import random_prices, random_signal

from allocation import AllocationError, Blend, FrameError, NoView, View, blend_signals

PRICES = random_prices(1, 30)


def signals():
    return {"news": random_signal(1, PRICES), "tweets": random_signal(2, PRICES, covered=0.3)}


def test_by_hand():
    index = PRICES.index[:2]  # named date
    news = pd.DataFrame({"AAA": [0.5, np.nan], "BBB": [np.nan, -1.0]}, index=index)
    tweets = pd.DataFrame({"AAA": [-1.0, np.nan], "CCC": [0.2, np.nan]}, index=index)
    found = blend_signals({"news": news, "tweets": tweets}, {"news": 3.0, "tweets": 1.0})
    expected = pd.DataFrame(
        {"AAA": [0.125, np.nan], "BBB": [np.nan, -1.0], "CCC": [0.2, np.nan]},
        index=index,
        columns=["AAA", "BBB", "CCC"],
    )
    pd.testing.assert_frame_equal(found, expected, check_freq=False)


@settings(max_examples=20)
@given(a=st.floats(0.1, 10), b=st.floats(0.1, 10))
def test_a_blend_lies_between_its_parts_and_knows_what_either_knows(a, b):
    parts = signals()
    found = blend_signals(parts, {"news": a, "tweets": b})
    stacked = np.stack([parts[name].to_numpy() for name in parts])
    known = np.isfinite(stacked).any(axis=0)
    assert (found.notna().to_numpy() == known).all()
    assert (found.to_numpy()[known] <= np.nanmax(stacked[:, known], axis=0) + 1e-12).all()
    assert (found.to_numpy()[known] >= np.nanmin(stacked[:, known], axis=0) - 1e-12).all()


def test_the_order_of_signals_and_the_scale_of_weights_change_nothing():
    parts = signals()
    found = blend_signals(parts, {"news": 1.0, "tweets": 2.0})
    again = blend_signals(dict(reversed(parts.items())), {"tweets": 4.0, "news": 2.0})
    pd.testing.assert_frame_equal(found, again)


@pytest.mark.parametrize(
    ("weights", "complaint"),
    [
        ({"news": 1.0}, "signals and weights differ in tweets"),
        ({"news": 1.0, "tweets": 0.0}, "the weight of tweets is 0.0"),
        ({"news": np.nan, "tweets": 1.0}, "the weight of news is nan"),
    ],
)
def test_wrong_weights_are_named(weights, complaint):
    with pytest.raises(FrameError, match=complaint):
        blend_signals(signals(), weights)


def test_forecasts_add_up_by_label():
    view = View(PRICES.index[-1], PRICES, signals()["news"], PRICES.iloc[-1] * 0.0)
    blend = Blend(((NoView(), 1.0), (lambda v: pd.Series({"DDD": 1.0, "AAA": 2.0, "BBB": 0.0, "CCC": 0.0}), 0.5)))
    assert blend(view).to_dict() == {"AAA": 1.0, "BBB": 0.0, "CCC": 0.0, "DDD": 0.5}


@pytest.mark.parametrize("forecasts", [(), ((NoView(), np.nan),)])
def test_a_blend_of_nothing_is_refused(forecasts):
    with pytest.raises(AllocationError, match="at least one forecast"):
        Blend(forecasts)
