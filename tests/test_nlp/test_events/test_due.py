"""What a text says is due when: always a session of the calendar, never one before the text is known."""

import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsfolio.shared.calendars import exchange_hours
from nlp.errors import NewsError
from nlp.events.due import due_session
from nlp.signals.sessions import assign_session

TUESDAY = "2014-10-14 10:00"  # New York


def due(text, published=TUESDAY, *, calendar="XNYS", zone="America/New_York", time_known=True):
    instant = pd.DatetimeIndex([pd.Timestamp(published, tz=zone).tz_convert("UTC")])
    found = due_session(instant, [text], calendar, time_known=pd.Series([time_known]))[0]
    return None if pd.isna(found) else f"{found:%Y-%m-%d}"


@pytest.mark.parametrize(
    ("text", "session"),
    [
        ("Acme to report results tomorrow", "2014-10-15"),
        ("Acme Q3 results due Thursday", "2014-10-16"),
        ("Acme reports next Thursday", "2014-10-23"),
        ("Acme reports Tuesday", "2014-10-14"),
        ("Acme reports earnings next week", "2014-10-20"),
        ("Acme results expected in two weeks", "2014-10-28"),
        ("Acme to publish results on 24 October", "2014-10-24"),
        ("Acme to publish results on Oct. 24th, 2014", "2014-10-24"),
        ("Earnings 10/24 before the open", "2014-10-24"),
        ("Earnings 10.24.2014", "2014-10-24"),
        ("Acme to report on 2014-10-24", "2014-10-24"),
        ("Acme to report on January 15", "2015-01-15"),  # the next one
        ("Acme to report on Saturday", "2014-10-20"),  # known on Monday
        ("Acme to report on 27 November", "2014-11-28"),  # a holiday; the day after closes early
    ],
)
def test_a_day_is_read_as_the_session_that_will_know_of_it(text, session):
    assert due(text) == session


@pytest.mark.parametrize(
    ("text", "published", "session"),
    [
        ("Acme reports after the bell", TUESDAY, "2014-10-15"),
        ("Acme reports today after the close", TUESDAY, "2014-10-15"),
        ("Acme reports tonight", TUESDAY, "2014-10-15"),
        ("Acme reports Thursday AMC", TUESDAY, "2014-10-17"),
        ("Acme reports after the bell", "2014-10-18 10:00", "2014-10-21"),  # of Monday
        ("Acme reports after the close on 28 November", TUESDAY, "2014-12-01"),  # a half day before a weekend
        ("Acme reports before the open", "2014-10-14 08:00", "2014-10-14"),
        ("Acme reports before the open", TUESDAY, "2014-10-15"),  # today's was half an hour ago
        ("Acme reports tomorrow before the open", TUESDAY, "2014-10-15"),
        ("Acme reports tomorrow", "2014-10-14 23:30", "2014-10-15"),  # 15 October in UTC already
    ],
)
def test_what_is_due_after_a_close_belongs_to_the_next_session_as_the_news_of_it_will(text, published, session):
    assert due(text, published) == session


@pytest.mark.parametrize(
    "text",
    [
        "Acme to report on 32 October",
        "Acme to report on February 30",
        "Acme results due 24 September",  # three weeks ago
        "Acme to report on 24 October 2013",
        "Acme to report on 24 October 2016",
        "Acme reported on Thursday",
        "Acme said on Thursday it will report",
        "Acme results for the quarter ended October 31",
        "Acme results expected this year",
        "Acme to sell Nov 21 calls",
        "Acme's earnings may 20 pct",
        "Acme to sell 1/2 of its stake",
        "Acme to report in the Sunday Times",
        "Acme to report every Thursday",
        "Acme profit rises",
        "",
    ],
)
def test_no_day_an_impossible_one_and_a_past_one_are_not_due(text):
    assert due(text) is None


def test_days_are_counted_on_the_exchange_s_clock():
    late = "2014-10-14 23:30"
    assert due("Acme reports tomorrow", late, zone="UTC", calendar="XTKS") == "2014-10-16"  # 15 October there
    assert due("Acme reports tomorrow", late, zone="UTC", calendar="XLON") == "2014-10-16"  # 00:30 of 15 October
    assert due("Acme to report on 3/11", calendar="XLON") == "2014-11-03"  # day first


def test_a_date_without_a_time_of_day_is_that_date():
    assert due("Acme reports tomorrow", "2014-10-14 00:00", zone="UTC", time_known=False) == "2014-10-15"
    assert due("Acme reports today", "2014-10-14 00:00", zone="UTC", time_known=False) is None  # known on the 15th


def test_times_and_texts_must_be_as_many():
    instant = pd.DatetimeIndex(["2014-10-14"], tz="UTC")
    with pytest.raises(NewsError, match=re.escape("1 publication times for 2 texts: pass one text per time")):
        due_session(instant, ["a", "b"])
    assert len(due_session(instant[:0], [])) == 0


WORDS = st.sampled_from(
    [
        "Acme", "reports", "to report", "results", "due", "on", "tomorrow", "today", "tonight", "next week", "Thursday",
        "next Monday", "Sat", "after the bell", "before the open", "in 3 weeks", "24 October", "29 February",
        "31 November", "Dec 25", "1/2", "7/4/2016", "2015-13-01", "2016-02-29", "said", "reported", "May 5",
    ]
)  # fmt: skip


@given(
    texts=st.lists(st.lists(WORDS, max_size=6).map(" ".join), min_size=1, max_size=5),
    minutes=st.integers(0, 5 * 366 * 24 * 60),
    calendar=st.sampled_from(["XNYS", "XLON", "XTKS"]),
    timed=st.booleans(),
)
def test_what_is_due_is_a_session_and_not_before_that_of_the_publication(texts, minutes, calendar, timed):
    instant = pd.Timestamp("2012-01-01", tz="UTC") + pd.Timedelta(minutes=minutes)
    published = pd.DatetimeIndex([instant] * len(texts))
    flags = pd.Series([timed] * len(texts))
    found = due_session(published, texts, calendar, time_known=flags)
    known = assign_session(published, calendar, time_known=flags)
    hours = exchange_hours(calendar, instant.tz_localize(None), instant.tz_localize(None) + pd.Timedelta(days=400))
    named = found.notna()
    assert set(found[named]) <= set(hours.sessions)
    assert (found[named] >= known[named]).all()


@given(texts=st.permutations(["Acme reports tomorrow", "Acme reports next week", "Acme falls", "Acme due 24 October"]))
def test_no_text_changes_what_another_says(texts):
    instant = pd.Timestamp(TUESDAY, tz="America/New_York").tz_convert("UTC")
    found = due_session(pd.DatetimeIndex([instant] * len(texts)), texts)
    assert [None if pd.isna(each) else f"{each:%Y-%m-%d}" for each in found] == [due(text) for text in texts]
