"""Novelty against a comparison of every pair, one after the other; relevance against a count."""

import importlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp.errors import NewsError
from nlp.signals.novelty import novelty, relevance, weigh_headlines
from nlp.texts.near_duplicates import normalised

MODULE = importlib.import_module("nlp.signals.novelty")  # the package's `nlp.aggregation.novelty` is the function

START = pd.Timestamp("2021-03-08 12:00", tz="UTC")
WORDS = ["acme", "profit", "rises", "falls", "12%", "7%", "!!", "Quarter", "cuts", "guidance"]
row = st.tuples(
    st.integers(0, 4000).map(lambda minutes: START + pd.Timedelta(minutes=minutes)),
    st.sampled_from(["AAA", "BBB"]),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join),
    st.booleans(),
)


def news_from(rows):
    return pd.DataFrame(rows, columns=["published", "asset", "text", "time_known"])


def words(text):
    return set((normalised(text) or text.strip()).split())


def moment(row):
    return row.published if row.time_known else row.published + pd.Timedelta(days=1)


def times_told(news, hours, likeness):
    """The docstring's definition, pair by pair."""
    told = []
    for later in news.itertuples():
        alike = 0
        for earlier in news.itertuples():
            age = moment(later) - moment(earlier)
            if earlier.asset == later.asset and pd.Timedelta(0) < age <= pd.Timedelta(hours=hours):
                one, other = words(earlier.text), words(later.text)
                alike += len(one & other) / len(one | other) >= likeness
        told.append(alike)
    return np.array(told)


@settings(max_examples=60)
@given(st.lists(row, max_size=40), st.sampled_from([1.0, 24.0, 48.0]), st.sampled_from([0.3, 0.5, 0.6, 0.75, 1.0]))
def test_equals_the_comparison_of_all_pairs(rows, hours, likeness):
    news = news_from(rows)
    found = novelty(news, hours=hours, likeness=likeness, fade=0.5)
    assert found.tolist() == (0.5 ** times_told(news, hours, likeness)).tolist()


@settings(max_examples=20)
@given(st.lists(row, min_size=5, max_size=40), st.integers(1, 9))
def test_how_many_pairs_are_compared_at_once_does_not_matter(rows, pairs):
    news = news_from(rows)
    whole = novelty(news)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MODULE, "PAIRS_AT_ONCE", pairs)
        assert novelty(news).equals(whole)


@settings(max_examples=30)
@given(st.lists(row, min_size=1, max_size=40), st.lists(row, max_size=20), st.integers(0, 4000))
def test_later_news_moves_no_earlier_weight(rows, other, minutes):
    """A row with a date only is known at the next session; whatever is published meanwhile may not see it."""
    now = START + pd.Timedelta(minutes=minutes)
    kept = [each for each in rows if each[0] < now]
    later = [each for each in other if each[0] >= now]
    whole = weigh_headlines(news_from([*kept, *later]))[["novelty", "relevance"]].iloc[: len(kept)]
    timed = [each[3] for each in kept]
    assert whole[timed].equals(weigh_headlines(news_from(kept))[["novelty", "relevance"]][timed])


@given(st.lists(row, max_size=30), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows, random):
    news = news_from(rows)
    shuffled = news.iloc[random.sample(range(len(news)), len(news))]
    assert weigh_headlines(shuffled).sort_index().equals(weigh_headlines(news))


def test_a_story_and_its_echoes_fade():
    news = pd.DataFrame(
        {
            "published": START + pd.to_timedelta([0, 1, 2, 3, 30, 3], unit="h"),
            "asset": ["AAA"] * 5 + ["BBB"],
            "text": [
                "Acme lifts its full-year outlook",
                "ACME lifts its full-year outlook! http://a.example/1",
                "Acme recalls 300 cars",
                "Acme lifts full-year outlook",
                "Acme lifts its full-year outlook",  # a day after the first three: news again, but for 27 h before
                "Acme lifts its full-year outlook",
            ],
        }
    )
    assert novelty(news).tolist() == [1.0, 0.75, 1.0, 0.75**2, 1.0, 1.0]


def test_a_date_counts_as_its_end():
    news = news_from([(START.normalize(), "AAA", "one story", False), (START, "AAA", "one story", True)])
    assert novelty(news).tolist() == [0.75, 1.0]


def test_a_story_of_many_assets_says_little_about_each():
    news = news_from([(START, name, "five stocks to watch", True) for name in "ABCDE"] + [(START, "A", "other", True)])
    assert relevance(news).tolist() == [0.2] * 5 + [1.0]
    assert relevance(news.assign(id=range(6))).tolist() == [1.0] * 6


def test_a_given_relevance_is_kept_and_gaps_are_filled():
    news = news_from([(START, name, "two stocks", True) for name in "AB"]).assign(relevance=[0.9, np.nan])
    assert relevance(news).tolist() == [0.9, 0.5]


@pytest.mark.parametrize("value", [-0.1, 1.5, "much"])
def test_a_relevance_that_is_no_share_is_named(value):
    news = news_from([(START, "A", "x", True)]).assign(relevance=pd.Series([value], dtype=object))
    with pytest.raises(NewsError, match=f"row 1: relevance is {value!r}: give a number from 0 to 1"):
        relevance(news)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"hours": 0}, "hours is 0"),
        ({"hours": float("nan")}, "hours is nan"),
        ({"likeness": 0}, r"likeness is 0: it must lie in \(0, 1\]"),
        ({"fade": 1.1}, "fade is 1.1"),
    ],
)
def test_parameters_that_make_no_sense_are_named(parameters, message):
    with pytest.raises(NewsError, match=message):
        novelty(news_from([(START, "A", "x", True)]), **parameters)


def test_a_missing_column_is_named():
    with pytest.raises(NewsError, match="has no column text"):
        weigh_headlines(news_from([]).drop(columns="text"))


@pytest.mark.parametrize(("apart", "told"), [("1h", 1), ("1h 1ns", 0), ("59min 59s", 1), ("0ns", 0)])
def test_the_window_holds_its_very_end_and_not_the_instant_itself(apart, told):
    first = pd.Timestamp("2024-05-06 12:00", tz="UTC")
    published = pd.DatetimeIndex([first, first + pd.Timedelta(apart)]).as_unit("ns")
    news = pd.DataFrame({"published": published, "asset": "AAA", "text": "Acme lifts its outlook"})
    assert novelty(news, hours=1.0, fade=0.5).tolist() == [1.0, 0.5**told]
