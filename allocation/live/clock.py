"""Which session a step is for, by the exchange's calendar and the clock."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pandas as pd

from allocation.errors import AllocationError

MARGIN = pd.Timedelta(days=40)  # no exchange closes for longer


@dataclass(frozen=True)
class Hours:
    """A session (tz-naive date), the instants (UTC) of its close and of the next open, and the next session."""

    session: pd.Timestamp
    close: pd.Timestamp
    next_session: pd.Timestamp
    next_open: pd.Timestamp


def utc_now() -> pd.Timestamp:
    """Return the time."""
    return pd.Timestamp.now("UTC")


def last_closed(now: pd.Timestamp, calendar: str = "XNYS") -> Hours:
    """Return the last session whose close has passed at `now` (UTC)."""
    exchange = _calendar(calendar, now.year)
    closed = exchange.closes[exchange.closes <= now]
    return hours_of(closed.index[-1], calendar)


def hours_of(session: pd.Timestamp, calendar: str = "XNYS") -> Hours:
    """Return the hours of a session.

    Raises:
        AllocationError: the date is no session of the calendar.
    """
    exchange = _calendar(calendar, session.year)
    if not exchange.is_session(session):
        raise AllocationError(f"{session:%Y-%m-%d} is not a session of {calendar}: name a session")
    following = exchange.next_session(session)
    return Hours(session, exchange.session_close(session), following, exchange.session_open(following))


def is_session(day: pd.Timestamp, calendar: str = "XNYS") -> bool:
    """Return whether the exchange trades on a date."""
    return bool(_calendar(calendar, day.year).is_session(day))


def local_date(now: pd.Timestamp, calendar: str = "XNYS") -> pd.Timestamp:
    """Return the date that it is at the exchange."""
    return now.tz_convert(_calendar(calendar, now.year).tz).tz_localize(None).normalize()


@lru_cache(maxsize=8)
def _calendar(name: str, year: int) -> Any:
    import exchange_calendars  # half a second to load

    first, last = pd.Timestamp(year, 1, 1) - MARGIN, pd.Timestamp(year, 12, 31) + MARGIN
    try:
        return exchange_calendars.get_calendar(name, start=first, end=last)
    except exchange_calendars.errors.InvalidCalendarName as error:
        raise AllocationError(
            f"calendar {name!r} is not known to exchange_calendars: use XNYS, XLON, 24/7, ..."
        ) from error
    except ValueError as error:
        raise AllocationError(f"calendar {name} does not cover the year {year}: {error}") from error
