"""Which session a step is for, by the exchange's calendar and the clock."""

from dataclasses import dataclass

import pandas as pd

from allocation.errors import AllocationError
from newsfolio.shared.calendars import ExchangeHours, beyond_record, exchange_hours


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
    exchange = _exchange(now.tz_localize(None), calendar)
    return _hours_at(exchange, int(exchange.closes.searchsorted(now, side="right")) - 1, calendar)


def hours_of(session: pd.Timestamp, calendar: str = "XNYS") -> Hours:
    """Return the hours of a session.

    Raises:
        AllocationError: the date is no session of the calendar, or its record ends with it.
    """
    exchange = _exchange(session, calendar)
    if session > exchange.last:
        raise AllocationError(
            f"no session of {calendar} is known for {session.date()}: {beyond_record(calendar, exchange.last)}"
        )
    if session not in exchange.sessions:
        raise AllocationError(f"{session:%Y-%m-%d} is not a session of {calendar}: name a session")
    return _hours_at(exchange, int(exchange.sessions.searchsorted(session)), calendar)


def is_session(day: pd.Timestamp, calendar: str = "XNYS") -> bool:
    """Return whether the exchange trades on a date."""
    return day in _exchange(day, calendar).sessions


def local_date(now: pd.Timestamp, calendar: str = "XNYS") -> pd.Timestamp:
    """Return the date that it is at the exchange."""
    return now.tz_convert(_exchange(now.tz_localize(None), calendar).zone).tz_localize(None).normalize()


def _exchange(day: pd.Timestamp, calendar: str) -> ExchangeHours:
    return exchange_hours(calendar, day, day, error=AllocationError)


def _hours_at(exchange: ExchangeHours, place: int, calendar: str) -> Hours:
    if place + 1 >= len(exchange.sessions):
        raise AllocationError(
            f"no session of {calendar} is known after {exchange.sessions[-1].date()}: "
            f"{beyond_record(calendar, exchange.last)}"
        )
    return Hours(
        session=exchange.sessions[place],
        close=exchange.closes[place],
        next_session=exchange.sessions[place + 1],
        next_open=exchange.opens[place + 1],
    )
