"""Rebalancing dates, against the last sessions that exchange_calendars itself lists."""

from contextlib import suppress
from functools import cache

import exchange_calendars
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation import FrameError
from allocation.schedule import next_sessions, rows_a_year
from backtest import rebalance_dates

CALENDARS = ("XNYS", "XLON", "XTKS", "XASX", "24/7")


@cache
def exchange_sessions(calendar: str = "XNYS") -> pd.DatetimeIndex:
    exchange = exchange_calendars.get_calendar(calendar, start="2017-12-01", end="2024-02-01")
    return pd.DatetimeIndex(exchange.sessions)


def last_of_each(calendar, key):
    """The last session of each period of the whole calendar, by plain grouping."""
    last = {key(day): day for day in exchange_sessions(calendar)}
    return set(last.values())


SPANS = st.tuples(st.integers(30, 900), st.integers(1, 600))


@settings(max_examples=20)
@given(span=SPANS, calendar=st.sampled_from(CALENDARS))
def test_weekly_is_the_last_session_of_each_week_of_the_exchange(span, calendar):
    asked = exchange_sessions(calendar)[span[0] : span[0] + span[1]]
    ends = last_of_each(calendar, lambda day: day.isocalendar()[:2])
    assert list(rebalance_dates(asked, "weekly", calendar)) == [day for day in asked if day in ends]


@settings(max_examples=20)
@given(span=SPANS, calendar=st.sampled_from(CALENDARS))
def test_monthly_is_the_last_session_of_each_month_of_the_exchange(span, calendar):
    asked = exchange_sessions(calendar)[span[0] : span[0] + span[1]]
    ends = last_of_each(calendar, lambda day: (day.year, day.month))
    assert list(rebalance_dates(asked, "monthly", calendar)) == [day for day in asked if day in ends]


@pytest.mark.parametrize(
    ("calendar", "every", "first", "last", "expected"),
    [
        ("XNYS", "weekly", "2021-03-29", "2021-04-01", ["2021-04-01"]),  # Good Friday
        ("XNYS", "weekly", "2020-12-21", "2020-12-31", ["2020-12-24", "2020-12-31"]),  # two Fridays off
        ("XNYS", "weekly", "2018-12-03", "2018-12-07", ["2018-12-07"]),  # closed for a funeral on the Wednesday
        ("XNYS", "weekly", "2021-11-22", "2021-11-26", ["2021-11-26"]),  # a Friday that closes early
        ("XNYS", "monthly", "2021-05-24", "2021-05-28", ["2021-05-28"]),  # the 31st is Memorial Day
        ("XLON", "weekly", "2020-05-04", "2020-05-07", ["2020-05-07"]),  # an early May bank holiday, moved to Friday
        ("XTKS", "weekly", "2019-04-22", "2019-05-10", ["2019-04-26", "2019-05-10"]),  # ten days without a session
        ("24/7", "weekly", "2021-01-01", "2021-01-10", ["2021-01-03", "2021-01-10"]),
    ],
)
def test_known_weeks_and_months(calendar, every, first, last, expected):
    asked = exchange_sessions(calendar)
    asked = asked[(asked >= first) & (asked <= last)]
    assert list(rebalance_dates(asked, every, calendar)) == list(map(pd.Timestamp, expected))


@pytest.mark.parametrize("n", [1, 2, 7, 5000])
def test_every_nth_session_begins_with_the_first(n):
    asked = exchange_sessions()[100:300]
    assert list(rebalance_dates(asked, n)) == [day for place, day in enumerate(asked) if place % n == 0]


def test_daily_is_every_session_and_asks_no_calendar():
    asked = exchange_sessions("24/7")[:50]
    assert rebalance_dates(asked, "daily").equals(asked)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_the_unit_of_the_dates_does_not_matter(unit):
    asked = exchange_sessions()[100:200]
    assert list(rebalance_dates(asked.as_unit(unit))) == list(rebalance_dates(asked))


def test_sessions_with_gaps_keep_only_the_ends_that_are_there():
    asked = exchange_sessions()[100:200]
    without_fridays = asked[asked.day_of_week != 4]
    kept = rebalance_dates(without_fridays)
    assert set(kept) == set(rebalance_dates(asked)) & set(without_fridays)
    assert len(kept) < 5


def test_next_sessions_are_the_exchanges():
    asked = exchange_sessions("XLON")[100:200]
    assert list(next_sessions(asked, "XLON")) == list(exchange_sessions("XLON")[101:201])


@pytest.mark.parametrize("every", ["hourly", "Weekly", "", 0, -3, 1.5, None])
def test_an_unknown_schedule_is_named_with_those_known(every):
    with pytest.raises(FrameError, match=rf"schedule {every!r} is not known: use daily, weekly, monthly or a number"):
        rebalance_dates(exchange_sessions()[:9], every)


def test_an_unknown_calendar_is_named():
    with pytest.raises(FrameError, match="calendar 'NYSE-ish' is not known to exchange_calendars: use XNYS, XLON"):
        rebalance_dates(exchange_sessions()[:9], "weekly", "NYSE-ish")


def test_a_date_that_is_no_session_is_named_with_the_remedy():
    asked = pd.DatetimeIndex(["2021-03-31", "2021-04-01", "2021-04-02", "2021-04-05"])
    with pytest.raises(FrameError, match="2021-04-02 is not a session of XNYS: name the calendar of these prices"):
        rebalance_dates(asked, "weekly")


@pytest.mark.parametrize("every", ["weekly", "monthly"])
def test_no_sessions_give_no_dates_or_an_error_of_ours(every):
    with suppress(FrameError):
        assert not len(rebalance_dates(pd.DatetimeIndex([]), every))


@pytest.mark.parametrize(
    ("calendar", "days"), [("XSHG", ["2026-12-24", "2026-12-25"]), ("XTKS", ["1997-01-06", "1997-01-07"])]
)
def test_sessions_near_the_bounds_of_a_calendar(calendar, days):
    """The margin of 30 days must be cut at the calendar's bounds, which move only with its yearly release."""
    assert len(rebalance_dates(pd.DatetimeIndex(days), "weekly", calendar)) <= 1


def test_a_week_from_sunday_to_thursday_ends_on_thursday():
    exchange = exchange_calendars.get_calendar("XSAU", start="2022-12-01", end="2023-04-01")
    asked = pd.DatetimeIndex(exchange.sessions_in_range("2023-01-01", "2023-01-31"))
    assert {day.day_name() for day in rebalance_dates(asked, "weekly", "XSAU")} == {"Thursday"}


@pytest.mark.filterwarnings("ignore:Converting to Period")
@pytest.mark.parametrize("spoil", [lambda days: days[::-1], lambda days: days.tz_localize("UTC")])
def test_sessions_that_are_not_sorted_plain_dates_are_refused(spoil):
    with pytest.raises(FrameError):
        rebalance_dates(spoil(exchange_sessions()[100:150]), "weekly")


def test_after_the_record_of_a_calendar_the_remedy_is_a_newer_one_or_weekdays():
    last = exchange_calendars.get_calendar("XSHG").bound_max()
    asked = pd.bdate_range(last + pd.Timedelta(days=30), periods=3)
    with pytest.raises(FrameError, match=r"install a newer exchange-calendars .* XSHG\+weekdays"):
        rebalance_dates(asked, "weekly", "XSHG")
    assert list(next_sessions(asked, "XSHG+weekdays")) == list(asked + pd.offsets.BDay())


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (pd.bdate_range("2015-01-01", periods=600), None),
        (pd.date_range("2015-01-01", periods=600), None),
        (pd.bdate_range("2015-01-01", periods=600)[::3], 87),
        (pd.date_range("2015-01-02", periods=200, freq="W-FRI"), 52),
        (pd.date_range("2015-01-31", periods=60, freq="BME"), 12),
        (pd.date_range("2015-01-31", periods=20, freq="QE"), 4),
        (pd.bdate_range("2015-01-01", periods=1), None),
    ],
)
def test_rows_a_year_follow_from_the_dates(rows, expected):
    assert rows_a_year(rows) == expected


def test_a_gap_does_not_make_daily_rows_rare():
    rows = pd.bdate_range("2015-01-01", periods=100)
    assert rows_a_year(rows[:40].append(rows[80:])) is None
