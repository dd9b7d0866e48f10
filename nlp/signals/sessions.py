"""Publication time -> the trading session at whose close the news is known, or the first trade that it can enter."""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from newsfolio.shared.calendars import ExchangeHours, beyond_record, exchange_hours
from nlp.errors import NewsError
from nlp.texts.headlines import known_flags

DAY = 24 * 3600 * 10**9  # nanoseconds
ONE_DAY = pd.Timedelta(days=1)

_CUTOFF = re.compile(r"(open|close)(?:-(\d{1,4}))?")


@dataclass(frozen=True)
class Cutoff:
    """News published before this moment of a session counts for it; `minutes` before its open or close."""

    event: str
    minutes: int = 0

    def instants(self, hours: ExchangeHours) -> pd.DatetimeIndex:
        """Return the moment (UTC) for each session."""
        events = hours.opens if self.event == "open" else hours.closes
        return events - pd.Timedelta(minutes=self.minutes)


def parse_cutoff(text: str) -> Cutoff:
    """Read `close`, `open`, or either with minutes before it: `close-15`.

    Raises:
        NewsError: the text is none of these, or the minutes make a day or more.
    """
    found = _CUTOFF.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise NewsError(f"cut-off {text!r} is not known: use 'close', 'open', or minutes before one, as 'close-15'")
    minutes = int(found[2] or 0)
    if minutes >= 24 * 60:
        raise NewsError(f"cut-off {text!r} lies a day or more before the {found[1]}: give fewer than 1440 minutes")
    return Cutoff(found[1], minutes)


def assign_session(
    published: pd.Series | pd.DatetimeIndex,
    calendar: str = "XNYS",
    cutoff: str = "close",
    *,
    time_known: pd.Series | None = None,
) -> pd.DatetimeIndex:
    """Return, per row, the first session (tz-naive date) whose cut-off lies after the publication.

    published: instants in UTC. cutoff: `close`, `open`, or minutes before one of them (`close-15`, to leave time
    to trade at the close). News at the very second of the cut-off, on a weekend or on a holiday belongs to the
    next session; early closes and daylight saving are the exchange's own (exchange_calendars). Where `time_known`
    is False or missing only the date of `published` is meant, and the row belongs to the first session after that
    date. With every cut-off the news is known at the close of its session: a decision taken there may use it.

    Raises:
        NewsError: the calendar or cut-off is unknown, a time is missing, has no zone or lies outside the
            calendar's record, or time_known is not one true or false per row.
    """
    moment, instants = parse_cutoff(cutoff), _instants(published)
    if not len(instants):
        return pd.DatetimeIndex([], name="session")
    hours = _hours_around(calendar, instants)
    return hours.sessions[_places(calendar, hours, moment.instants(hours), instants, time_known)].rename("session")


def assign_entry(
    published: pd.Series | pd.DatetimeIndex,
    calendar: str = "XNYS",
    *,
    morning: str = "06:00",
    time_known: pd.Series | None = None,
) -> pd.DataFrame:
    """Return, per row, the first trade that news can enter, in the three windows of published studies.

    Columns: session (tz-naive date) and entry, `open` or `close` of that session. News after a close and before
    `morning` (the exchange's own clock) of the next session enters at its open; later news enters at its close.
    The windows are those of Z. Ke, B. Kelly and D. Xiu, "Predicting returns with text data", 2019: before 06:00,
    06:00 to 16:00, after 16:00; where the exchange closes early its own close takes the place of 16:00. Rows of
    which only the date is known enter at the close of the first session after it. A signal made of the rows that
    enter at opens is known before the open of its row already; one made of all rows is known at its close only.

    Raises:
        NewsError: as `assign_session`, or morning is not a time of day.
    """
    session = assign_session(published, calendar, time_known=time_known)
    if not len(session):
        return pd.DataFrame({"session": session, "entry": pd.Series([], dtype=str)})
    instants = _instants(published)
    hours = _hours_around(calendar, instants)
    last_call = _mornings(hours, morning)[hours.sessions.get_indexer(session)]
    early = np.asarray(instants < last_call)
    if time_known is not None:
        early &= known_flags(time_known, len(instants))
    return pd.DataFrame({"session": session, "entry": np.where(early, "open", "close")})


def _mornings(hours: ExchangeHours, morning: str) -> pd.DatetimeIndex:
    """The instant (UTC) of that time of day in each session, or its open where that is earlier."""
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", morning):
        raise NewsError(f"morning is {morning!r}, which is no time of day: write 06:00")
    clock = hours.sessions + pd.Timedelta(f"{morning}:00")
    local = clock.tz_localize(hours.zone, ambiguous=np.zeros(len(clock), bool), nonexistent="shift_forward")
    called = local.tz_convert("UTC")
    return called.where(called < hours.opens, hours.opens)


def _places(
    calendar: str,
    hours: ExchangeHours,
    cutoffs: pd.DatetimeIndex,
    instants: pd.DatetimeIndex,
    time_known: pd.Series | None,
) -> NDArray[np.int64]:
    """Position in `hours` of each row's session."""
    place = _after(cutoffs, instants)
    if time_known is not None:
        dated = ~known_flags(time_known, len(instants))
        place[dated] = _after(hours.sessions, instants[dated].tz_localize(None).normalize())
    if place.max() == len(hours.sessions):
        raise _outside_record(calendar, instants, place == len(hours.sessions), hours)
    return place


def _hours_around(calendar: str, instants: pd.DatetimeIndex) -> ExchangeHours:
    """The hours of all years of the instants (UTC, at least one), and of a year on either side."""
    naive = instants.tz_localize(None)
    hours = exchange_hours(calendar, naive.min(), naive.max(), error=NewsError)
    outside = np.asarray((naive < hours.first) | (naive >= hours.last + ONE_DAY))
    if outside.any():
        raise _outside_record(calendar, instants, outside, hours)
    return hours


def _outside_record(
    calendar: str, instants: pd.DatetimeIndex, outside: NDArray[np.bool_], hours: ExchangeHours
) -> NewsError:
    """The error that names the first instant for which the calendar has no session."""
    row = int(np.flatnonzero(outside)[0])
    late = instants[row].tz_localize(None) >= hours.first
    remedy = (
        beyond_record(calendar, hours.last)
        if late
        else f"its record begins on {hours.first.date()}: correct the time, or leave out what is older"
    )
    return NewsError(
        f"no session of {calendar} is on record for {instants[row]} (row {row + 1}, {int(outside.sum())} such rows): "
        + remedy
    )


def _after(moments: pd.DatetimeIndex, instants: pd.DatetimeIndex) -> NDArray[np.int64]:
    """How many moments lie at or before each instant, both as whole nanoseconds.

    Moments lie about a day apart: how many come before each day is looked up, and those of the day are counted, which
    takes a third of the time of a search.
    """
    moment, instant = (each.as_unit("ns").asi8 for each in (moments, instants))
    start = int(moment[0]) - DAY
    days = (int(moment[-1]) - start) // DAY + 2
    before = np.searchsorted(moment, start + DAY * np.arange(days), side="right")
    place = before[np.clip((instant - start) // DAY, 0, days - 1)]
    ends = np.append(moment, np.iinfo(np.int64).max)
    for _ in range(int(np.diff(before).max())):
        place += ends[place] <= instant
    return place


def calendar_sessions(calendar: str, first: pd.Timestamp, last: pd.Timestamp) -> pd.DatetimeIndex:
    """Return the exchange's sessions from `first` to `last`, both included, as tz-naive dates.

    Raises:
        NewsError: the calendar is unknown, the ends are swapped, carry a time zone or lie outside its record.
    """
    if first.tz is not None or last.tz is not None:
        raise NewsError(f"sessions from {first} to {last} carry a time zone: pass plain dates (tz_localize(None))")
    if first > last:
        raise NewsError(f"no sessions from {first.date()} to {last.date()}: the first date must not be the later one")
    sessions = _hours_around(calendar, pd.DatetimeIndex([first, last]).tz_localize("UTC")).sessions
    return sessions[(sessions >= first) & (sessions <= last)].rename("date")


def _instants(published: pd.Series | pd.DatetimeIndex) -> pd.DatetimeIndex:
    try:
        instants = pd.DatetimeIndex(published)
    except (ValueError, TypeError) as error:
        raise NewsError(f"published holds what is no time: see read_headlines ({error})") from error
    if instants.tz is None or instants.hasnans:
        raise NewsError("publication times must all be known and carry a time zone: see read_headlines")
    return instants.tz_convert("UTC")
