"""Publication time -> session, against exchange_calendars' own minute look-up."""

import functools
import re
import warnings

import exchange_calendars
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp.errors import NewsError
from nlp.signals.sessions import assign_entry, assign_session, calendar_sessions
from nlp.texts.headlines import known_flags

FIRST, LAST = pd.Timestamp("2010-01-04", tz="UTC"), pd.Timestamp("2024-12-30", tz="UTC")
SPAN = int((LAST - FIRST) / pd.Timedelta(minutes=1))
HARD_DAYS = (
    "2010-03-14", "2010-11-07", "2019-03-10", "2019-11-03", "2024-03-10", "2024-11-03",  # New York's clock changes
    "2019-07-03", "2019-11-29", "2012-12-24", "2020-11-27",  # early closes
    "2012-10-29", "2012-10-30", "2018-12-05", "2021-12-31", "2022-06-20",  # storm, mourning, holidays
)  # fmt: skip
anywhere = st.integers(0, SPAN).map(lambda minutes: FIRST + pd.Timedelta(minutes=minutes))
hard = st.builds(
    lambda day, minutes: pd.Timestamp(day, tz="UTC") + pd.Timedelta(minutes=minutes),
    st.sampled_from(HARD_DAYS), st.integers(-1440, 2 * 1440),
)  # fmt: skip
moments = st.lists(anywhere | hard, max_size=40).map(lambda drawn: pd.DatetimeIndex([FIRST, *drawn, LAST]))


@functools.cache
def calendar_of(name):
    return exchange_calendars.get_calendar(name, start="2009-12-01", end="2025-02-28")


def looked_up(name, instants):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pd.errors.Pandas4Warning)  # exchange_calendars' own
        look_up = calendar_of(name).minute_to_session
        return [look_up(minute.floor("min"), direction="next") for minute in instants]


def utc(*times):
    return pd.DatetimeIndex(times).tz_localize("UTC")


@pytest.mark.parametrize("name", ["XNYS", "XLON", "24/7"])
def test_random_minutes_get_the_session_that_the_exchange_calendar_gives(name):
    @settings(max_examples=20)
    @given(moments)
    def check(instants):
        assert assign_session(instants, name).tolist() == looked_up(name, instants)

    check()


@given(moments, st.integers(0, 59_999_999_999))
def test_fractions_of_a_minute_belong_to_their_minute(instants, nanoseconds):
    shifted = instants.as_unit("ns") + pd.Timedelta(nanoseconds)
    assert assign_session(shifted).tolist() == looked_up("XNYS", shifted)


@pytest.mark.parametrize("name", ["XNYS", "XLON", "24/7"])
def test_every_close_of_fifteen_years_is_the_first_instant_of_the_next_session(name):
    closes, sessions = calendar_of(name).closes[:-1], calendar_of(name).sessions
    instants = pd.DatetimeIndex(closes.array)
    assert assign_session(instants, name).equals(sessions[1:].rename("session"))
    assert assign_session(instants - pd.Timedelta(1), name).equals(sessions[:-1].rename("session"))


@pytest.mark.parametrize(
    ("published", "session"),
    [
        ("2019-07-03 16:59:59", "2019-07-03"),  # early close at 13:00 in New York
        ("2019-07-03 17:00:00", "2019-07-05"),
        ("2019-11-29 18:00:00", "2019-12-02"),  # the day after Thanksgiving, in winter time
        ("2012-10-29 12:00:00", "2012-10-31"),  # closed for Sandy on both days
        ("2019-03-08 20:59:00", "2019-03-08"),  # 16:00 is 21:00 UTC before the clocks change ...
        ("2019-03-11 20:00:00", "2019-03-12"),  # ... and 20:00 UTC after
        ("2019-06-08 12:00:00", "2019-06-10"),  # a Saturday
        ("2019-06-10 02:00:00", "2019-06-10"),  # before the open
    ],
)
def test_worked_examples_on_the_new_york_exchange(published, session):
    assert assign_session(utc(published)).strftime("%Y-%m-%d").tolist() == [session]


@given(moments)
def test_a_bare_date_belongs_to_the_first_session_strictly_after_it(instants):
    dates = instants.normalize()
    known = assign_session(dates, time_known=pd.Series(False, index=range(len(dates))))
    sessions = calendar_of("XNYS").sessions
    naive = dates.tz_localize(None)
    assert known.equals(sessions[[(sessions <= date).sum() for date in naive]].rename("session"))


def test_bare_dates_and_instants_mix_row_by_row():
    both = assign_session(utc("2019-07-03", "2019-07-03"), time_known=pd.Series([False, True]))
    assert both.strftime("%m-%d").tolist() == ["07-05", "07-03"]


@given(moments)
def test_later_news_never_belongs_to_an_earlier_session(instants):
    assert assign_session(instants.sort_values()).is_monotonic_increasing


@given(moments)
def test_the_session_closes_after_the_news(instants):
    closes = calendar_of("XNYS").closes[assign_session(instants)]
    assert (pd.DatetimeIndex(closes.array) > instants).all()


@given(moments, st.sampled_from(["America/New_York", "Asia/Tokyo", "Australia/Lord_Howe"]))
def test_only_the_instant_counts_not_the_zone_it_is_written_in(instants, zone):
    assert assign_session(instants.tz_convert(zone)).equals(assign_session(instants))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_the_resolution_of_the_timestamps_does_not_matter(unit):
    times = utc("2019-07-03 17:00:00", "2019-07-02 12:00:00")
    for known in (None, pd.Series([False, False])):
        expected = assign_session(times, time_known=known)
        assert (assign_session(times.as_unit(unit), time_known=known) == expected).all()


def test_a_series_with_any_index_is_read_row_by_row():
    times = utc("2019-07-03 17:00", "2019-07-02 12:00")
    assert assign_session(pd.Series(times, index=[7, 7])).equals(assign_session(times))


def test_no_news_no_sessions():
    empty = assign_session(pd.DatetimeIndex([], tz="UTC"))
    assert len(empty) == 0
    assert empty.tz is None
    assert empty.name == "session"


def test_sessions_are_naive_dates_named_session():
    session = assign_session(utc("2019-07-03 12:34"))
    assert session.tz is None
    assert session.name == "session"
    assert (session == session.normalize()).all()


@pytest.mark.parametrize("calendar", ["MARS", "", None])
def test_an_unknown_calendar_is_named_with_examples_of_known_ones(calendar):
    with pytest.raises(NewsError, match=rf"calendar {calendar!r} is not known.*use XNYS"):
        assign_session(utc("2019-07-03"), calendar)


@pytest.mark.parametrize("cutoff", ["noon", "close+5", "close-", "-15", "close-15.5", "", None])
def test_an_unknown_cutoff_is_named_with_known_ones(cutoff):
    with pytest.raises(NewsError, match=re.escape(f"cut-off {cutoff!r} is not known: use 'close'")):
        assign_session(utc("2019-07-03"), cutoff=cutoff)


def test_a_cutoff_of_a_day_before_is_refused():
    with pytest.raises(NewsError, match="cut-off 'close-1440' lies a day or more before the close"):
        assign_session(utc("2019-07-03"), cutoff="close-1440")


@pytest.mark.parametrize("name", ["XNYS", "XLON", "24/7"])
def test_minutes_before_the_close_are_as_news_that_came_that_much_later(name):
    @settings(max_examples=10)
    @given(moments, st.integers(0, 1439))
    def check(instants, minutes):
        later = looked_up(name, instants + pd.Timedelta(minutes=minutes))
        assert assign_session(instants, name, f"close-{minutes}").tolist() == later

    check()


@given(moments, st.sampled_from([0, 1, 30, 210]))
def test_with_the_open_as_cutoff_news_counts_for_the_first_open_after_it(instants, minutes):
    opens = pd.DatetimeIndex(calendar_of("XNYS").opens.array) - pd.Timedelta(minutes=minutes)
    sessions = calendar_of("XNYS").sessions
    expected = [sessions[(opens <= instant).sum()] for instant in instants]
    assert assign_session(instants, cutoff=f"open-{minutes}").tolist() == expected


@given(moments, st.sampled_from(["open", "close-15", "open-210"]))
def test_no_cutoff_makes_news_known_before_the_close_does(instants, cutoff):
    assert (assign_session(instants, cutoff=cutoff) >= assign_session(instants)).all()


@given(moments, st.sampled_from(["XNYS", "XLON", "24/7"]))
def test_the_three_windows_of_published_studies(instants, name):
    """In words: before six of a session's morning its open, else its close, after that the open of the next."""
    entry = assign_entry(instants, name)
    assert pd.DatetimeIndex(entry["session"]).tolist() == looked_up(name, instants)
    exchange = calendar_of(name)
    for instant, session, moment in zip(instants, entry["session"], entry["entry"], strict=True):
        six = min(session.tz_localize(exchange.tz) + pd.Timedelta(hours=6), exchange.opens[session])
        clock = instant.tz_convert(exchange.tz)
        assert moment == ("open" if clock < six else "close")
        assert instant < (exchange.opens if moment == "open" else exchange.closes)[session]


@pytest.mark.parametrize(
    ("published", "session", "entry"),
    [
        ("2019-07-08 09:59", "07-08", "open"),  # 05:59 in New York
        ("2019-07-08 10:00", "07-08", "close"),
        ("2019-07-08 19:59", "07-08", "close"),
        ("2019-07-08 20:00", "07-09", "open"),
        ("2019-07-06 15:00", "07-08", "open"),  # a Saturday
        ("2019-07-03 18:00", "07-05", "open"),  # 14:00, after an early close
        ("2019-12-02 10:59", "12-02", "open"),  # winter: six is 11:00 UTC
    ],
)
def test_worked_examples_of_the_three_windows(published, session, entry):
    row = assign_entry(utc(published)).iloc[0]
    assert (row["session"].strftime("%m-%d"), row["entry"]) == (session, entry)


def test_a_bare_date_enters_at_the_close_of_the_session_after_it():
    row = assign_entry(utc("2019-07-08"), time_known=pd.Series([False])).iloc[0]
    assert (row["session"], row["entry"]) == (pd.Timestamp("2019-07-09"), "close")


def test_no_news_enters_nowhere():
    assert assign_entry(pd.DatetimeIndex([], tz="UTC")).columns.tolist() == ["session", "entry"]


@pytest.mark.parametrize("morning", ["6:00", "25:00", "six", ""])
def test_a_morning_that_is_no_time_is_named(morning):
    with pytest.raises(NewsError, match=f"morning is {morning!r}, which is no time of day: write 06:00"):
        assign_entry(utc("2019-07-08"), morning=morning)


def test_flags_given_as_bools_are_not_changed_by_the_call():
    known = pd.Series([True, False])
    assert known_flags(known, 2).tolist() == [True, False]
    known_flags(known, 2)[0] = False
    assert known.tolist() == [True, False]


@pytest.mark.parametrize(
    "times",
    [
        pd.DatetimeIndex(["2019-07-03"]),
        pd.DatetimeIndex(["2019-07-03", None], tz="UTC"),
        pd.DatetimeIndex([]),
    ],
)
def test_times_without_a_zone_or_missing_are_refused(times):
    with pytest.raises(NewsError, match="must all be known and carry a time zone: see read_headlines"):
        assign_session(times)


@pytest.mark.parametrize(
    ("time", "calendar"),
    [
        ("1990-01-27 10:00", "XTKS"),  # before the calendar's record
        ("0214-03-07 10:00", "XNYS"),  # a slip of the pen
        ("2300-03-07 10:00", "XNYS"),
    ],
)
def test_a_time_that_the_calendar_does_not_reach_is_named(time, calendar):
    published = pd.DatetimeIndex(np.array([time], "datetime64[s]")).tz_localize("UTC")
    with pytest.raises(NewsError, match=rf"{calendar}.*{time[:4]}"):
        assign_session(published, calendar)


def test_news_near_the_first_session_of_a_calendar_is_assigned():
    earliest = pd.Timestamp("1997-01-06", tz="UTC")  # XTKS is recorded from 1997 on
    assert assign_session(pd.DatetimeIndex([earliest]), "XTKS").tolist() == [pd.Timestamp("1997-01-06")]


@pytest.mark.parametrize("value", [None, np.nan, False, "false"])
def test_a_missing_time_known_counts_as_not_known(value):
    session = assign_session(utc("2019-07-02 10:00"), time_known=pd.Series([value], dtype=object))
    assert session.tolist() == [pd.Timestamp("2019-07-03")]


def test_a_time_known_of_another_kind_is_named():
    with pytest.raises(NewsError, match="row 1: time_known is 'maybe': write true or false"):
        assign_session(utc("2019-07-02 10:00"), time_known=pd.Series(["maybe"]))


def test_time_known_must_have_one_value_per_row():
    with pytest.raises(NewsError, match="time_known has 1 values for 2 rows: pass one per row"):
        assign_session(utc("2019-07-02 10:00", "2019-07-03 10:00"), time_known=pd.Series([True]))


def test_calendar_sessions_are_those_of_the_exchange_both_ends_included():
    for first, last in (
        ("2019-07-01", "2019-07-08"),
        ("2019-07-04", "2019-07-07"),
        ("2012-10-26", "2012-10-31"),
    ):
        sessions = calendar_sessions("XNYS", pd.Timestamp(first), pd.Timestamp(last))
        assert sessions.tolist() == calendar_of("XNYS").sessions_in_range(first, last).tolist()
        assert sessions.name == "date"
        assert sessions.tz is None


def test_the_end_of_a_calendars_record_is_the_end():
    last = exchange_calendars.get_calendar("XSHG").bound_max()
    eve = pd.DatetimeIndex([last - pd.Timedelta(days=7)]).tz_localize("UTC")
    assert assign_session(eve, "XSHG")[0] <= last
    with pytest.raises(
        NewsError,
        match=rf"no session of XSHG is on record for .*row 1.* ends on {last.date()}: install a newer exchange-cal",
    ):
        assign_session(pd.DatetimeIndex([last + pd.Timedelta(hours=23)]).tz_localize("UTC"), "XSHG")


def test_what_is_no_time_is_refused():
    with pytest.raises(NewsError, match="what is no time: see read_headlines"):
        assign_session(pd.Series(["yesterday"]))


def test_a_calendar_that_cannot_be_made_is_named(monkeypatch):
    def broken(*_, **__):
        raise NotImplementedError("implemented by subclasses")

    monkeypatch.setattr(exchange_calendars, "get_calendar", broken)
    with pytest.raises(NewsError, match="calendar 'ASEX' cannot be made by the installed exchange_calendars"):
        assign_session(utc("2019-07-03"), "ASEX")


def test_calendar_sessions_of_one_closed_day_are_none():
    assert len(calendar_sessions("XNYS", pd.Timestamp("2019-07-04"), pd.Timestamp("2019-07-04"))) == 0


def test_calendar_sessions_names_an_unknown_calendar():
    with pytest.raises(NewsError, match="calendar 'MARS' is not known"):
        calendar_sessions("MARS", pd.Timestamp("2019-07-01"), pd.Timestamp("2019-07-08"))


def test_calendar_sessions_names_swapped_ends():
    with pytest.raises(NewsError, match="no sessions from 2019-10-01 to 2019-07-08"):
        calendar_sessions("XNYS", pd.Timestamp("2019-10-01"), pd.Timestamp("2019-07-08"))


def test_calendar_sessions_of_dates_with_a_zone_are_refused():
    with pytest.raises(NewsError, match="carry a time zone: pass plain dates"):
        calendar_sessions("XNYS", pd.Timestamp("2019-07-01", tz="UTC"), pd.Timestamp("2019-07-08", tz="UTC"))


def test_a_calendar_is_continued_by_weekdays_where_that_is_asked_for():
    last = exchange_calendars.get_calendar("XSHG").bound_max()
    monday = last + pd.offsets.Week(weekday=0)
    news = pd.DatetimeIndex([monday + pd.Timedelta(hours=1), monday + pd.Timedelta(hours=20)]).tz_localize("UTC")
    expected = [monday, monday + pd.Timedelta(days=1)]
    assert assign_session(news, "XSHG+weekdays").tolist() == expected
    years_later = calendar_sessions("XSHG+weekdays", last + pd.Timedelta(days=900), last + pd.Timedelta(days=910))
    assert (years_later.day_of_week < 5).all()
    recorded = pd.DatetimeIndex(["2024-02-07 10:00"]).tz_localize("UTC")  # before the spring festival
    assert assign_session(recorded, "XSHG+weekdays").equals(assign_session(recorded, "XSHG"))
