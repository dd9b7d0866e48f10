"""Headlines of the days around a date: which rows count, on which day, in which order, and how they are shown."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation import FrameError
from backtest.report.charts import MINUS
from backtest.report.headlines import DAYS_AFTER, DAYS_BEFORE, checked_headlines

BOTTOM = pd.Timestamp("2020-03-16")


def table(*rows):
    return pd.DataFrame(rows, columns=["published", "asset", "text", "score"])


def texts(found):
    return [headline.text for headline in found.around(BOTTOM)]


def test_the_worst_of_the_days_around_come_first():
    found = checked_headlines(table(
        ("2020-03-12T23:59:00Z", "A", "too early", -1.0),
        ("2020-03-13T00:00:00Z", "A", "the Friday before", -0.2),
        ("2020-03-16T14:00:00Z", "B", "the day itself", -0.9),
        ("2020-03-17T23:59:00Z", "A", "the day after", -0.5),
        ("2020-03-18T00:00:00Z", "A", "too late", -1.0),
    ))  # fmt: skip
    assert texts(found) == ["the day itself", "the day after", "the Friday before"]
    first = next(found.around(BOTTOM))
    assert (first.when, first.asset, first.score, first.url) == ("2020-03-16 14:00 UTC", "B", f"{MINUS}0.90", "")


def test_a_session_says_which_day_counts():
    """Published on a Friday evening, known at Monday's close."""
    rows = table(("2020-03-12T22:00:00Z", "A", "late news", -0.5)).assign(session="2020-03-16")
    assert checked_headlines(rows.drop(columns="session")).by == "UTC date of publication"
    assert not texts(checked_headlines(rows.drop(columns="session")))
    found = checked_headlines(rows)
    assert (texts(found), found.by) == (["late news"], "session")
    (shown,) = checked_headlines(rows.drop(columns="published")).around(BOTTOM)
    assert shown.when == "session 2020-03-16"


def test_one_text_about_several_assets_is_one_headline():
    found = checked_headlines(table(
        ("2020-03-16T09:00:00Z", "B", "both fall", -0.5), ("2020-03-16T09:00:00Z", "A", "both fall", -0.5),
        ("2020-03-17T09:00:00Z", "B", "both fall", -0.5), ("2020-03-16T10:00:00Z", "A", "another", -0.4),
    ))  # fmt: skip
    assert [(each.text, each.asset, each.when[:10]) for each in found.around(BOTTOM)] == [
        ("both fall", "B, A", "2020-03-16"), ("another", "A", "2020-03-16")
    ]  # fmt: skip


def test_other_zones_are_brought_to_utc_and_none_is_utc():
    found = checked_headlines(table(
        ("2020-03-12T20:30:00-04:00", "A", "Friday in UTC", 0.0), ("2020-03-16 09:00:00", "A", "no zone", 0.1)
    ))  # fmt: skip
    assert [each.when for each in found.around(BOTTOM)] == ["2020-03-13 00:30 UTC", "2020-03-16 09:00 UTC"]


def test_only_the_date_is_shown_where_only_that_is_known():
    rows = table(("2020-03-16", "A", "some time that day", 0.0)).assign(time_known=False)
    assert next(checked_headlines(rows).around(BOTTOM)).when == "2020-03-16"


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6))
def test_order_of_rows_and_unknown_scores(seed):
    """At most three, all of the window, none of a worse score left out; without scores the nearest come first."""
    random = np.random.default_rng(seed)
    days = BOTTOM + pd.to_timedelta(random.integers(-6, 7, 20), unit="D")
    score = np.where(random.random(20) < 0.3, np.nan, random.uniform(-1, 1, 20).round(1))
    rows = pd.DataFrame({"session": days, "asset": "A", "text": [f"text {i}" for i in range(20)], "score": score})
    inside = rows[(days >= BOTTOM - pd.Timedelta(days=DAYS_BEFORE)) & (days <= BOTTOM + pd.Timedelta(days=DAYS_AFTER))]
    shown = rows.set_index("text").loc[texts(checked_headlines(rows))]
    assert len(shown) == min(3, len(inside))
    assert set(shown.index) <= set(inside["text"])
    left = inside[~inside["text"].isin(shown.index)]["score"].fillna(np.inf)
    assert not len(left) or shown["score"].fillna(np.inf).max() <= left.min()
    bare = rows.drop(columns="score")
    near = (bare.set_index("text").loc[texts(checked_headlines(bare))]["session"] - BOTTOM).abs()
    assert near.is_monotonic_increasing


@pytest.mark.parametrize(
    ("url", "kept"),
    [("https://example.org/a", True), ("javascript:alert(1)", False), ("//example.org", False), ("http://[", False),
     (None, False), (float("nan"), False)],
)  # fmt: skip
def test_only_web_addresses_are_kept(url, kept):
    rows = table(("2020-03-16", "A", "text", 0.0)).assign(url=[url])
    assert bool(next(checked_headlines(rows).around(BOTTOM)).url) is kept


GOOD = table(("2020-03-16", "A", "one", 0.0), ("2020-03-17", "A", "two", 0.0))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (GOOD.drop(columns="text"), r"news.csv lacks text: give the columns published \(or session\), asset, text"),
        (GOOD.drop(columns=["asset", "text"]), "lacks asset, text: give"),
        (GOOD.drop(columns="published"), "lacks published or session: give"),
        (GOOD.assign(published=["2020-03-16", "soon"]), r"row 2: published 'soon' is not a time .* \(1 such rows\)"),
        (GOOD.assign(session=[None, "2020-03-16"]), "row 1: session .* is not a time"),
        (GOOD.assign(score=["low", "lower"]), r"row 1: score 'low' is not a number \(2 such rows\)"),
        (GOOD.assign(text=["one", None]), r"row 2: has no text \(1 such rows\)"),
        (GOOD.assign(text=[" ", "two"]), "row 1: has no text"),
    ],
)
def test_a_table_that_is_none_is_refused(rows, message):
    with pytest.raises(FrameError, match=message):
        checked_headlines(rows, "news.csv")
