"""Sessions of an exchange with the instants at which each opens and closes, from exchange_calendars."""

from functools import lru_cache
from typing import Any, NamedTuple

import pandas as pd

MARGIN = 1  # years on either side: Athens was shut for five weeks in 2015, New York for four months in 1914
EARLIEST, LATEST = pd.Timestamp("1700-01-01"), pd.Timestamp("2250-12-31")  # within what nanoseconds can count
YEAR = pd.Timedelta(days=365)
WEEKDAYS = "+weekdays"


class CalendarError(ValueError):
    """An exchange calendar is unknown, cannot be built or does not reach a date."""


class ExchangeHours(NamedTuple):
    """Sessions (tz-naive dates), the instants (UTC) of their opens and closes, and what the calendar covers.

    first, last: dates for which sessions are known; a date outside them lies outside the calendar's record or more
    than a year from what was asked for. weekmask: "1111100" for Monday to Friday.
    """

    sessions: pd.DatetimeIndex
    opens: pd.DatetimeIndex
    closes: pd.DatetimeIndex
    zone: str
    weekmask: str
    first: pd.Timestamp
    last: pd.Timestamp


def exchange_hours(
    calendar: str, first: pd.Timestamp, last: pd.Timestamp, *, error: type[ValueError] = CalendarError
) -> ExchangeHours:
    """Return the hours of whole years: those of the dates `first` to `last`, and one more on either side.

    calendar: a name that exchange_calendars knows. Some calendars are recorded only until the end of the year that is
    published: `XSHG+weekdays` continues XSHG after its record with every day of its week, at its usual hours, as no
    holiday is known. Where the record ends only the recorded part is returned, or the recorded year that is nearest.

    Raises:
        `error`: the calendar is unknown or cannot be built.
    """
    try:
        begin, end = (min(max(year, EARLIEST.year), LATEST.year) for year in (first.year - MARGIN, last.year + MARGIN))
        return _hours_of_years(calendar, begin, end)
    except CalendarError as problem:
        raise error(str(problem)) from problem


def beyond_record(calendar: str, last: pd.Timestamp) -> str:
    """Return what to do where a date lies after the record of a calendar, which ends on `last`."""
    return (
        f"its record ends on {last.date()}: install a newer exchange-calendars (pip install -U exchange-calendars), or "
        f"name the calendar {calendar}{WEEKDAYS} to count every weekday after it as a session"
    )


@lru_cache(maxsize=16)  # whole years, so that many calls share one: it takes a fifth of a second to build
def _hours_of_years(calendar: str, first: int, last: int) -> ExchangeHours:
    name = calendar.removesuffix(WEEKDAYS) if isinstance(calendar, str) else calendar
    start, end = pd.Timestamp(first, 1, 1), pd.Timestamp(last, 12, 31)
    exchange, known_from, known_until = _built(name, start, end)
    hours = ExchangeHours(
        sessions=pd.DatetimeIndex(exchange.sessions),
        opens=pd.DatetimeIndex(exchange.opens.array),
        closes=pd.DatetimeIndex(exchange.closes.array),
        zone=str(exchange.tz),
        weekmask=exchange.weekmask,
        first=known_from,
        last=known_until,
    )
    if name == calendar or known_until >= end:
        return hours
    # After the record: every day of the exchange's week, at the hours that it has now.
    days = pd.date_range(known_until + pd.Timedelta(days=1), end)
    days = days[[hours.weekmask[day] == "1" for day in days.day_of_week]].as_unit(hours.sessions.unit)

    def with_usual(recorded: pd.DatetimeIndex, times: Any, offset: int) -> pd.DatetimeIndex:
        clock = pd.Timedelta(f"{times[-1][1]}") + pd.Timedelta(days=offset)
        local = (days + clock).tz_localize(hours.zone, nonexistent="shift_forward", ambiguous="NaT")
        return pd.DatetimeIndex(recorded.append(pd.DatetimeIndex(local.tz_convert("UTC"))))

    return hours._replace(
        sessions=pd.DatetimeIndex(hours.sessions.append(days)),
        opens=with_usual(hours.opens, exchange.open_times, exchange.open_offset),
        closes=with_usual(hours.closes, exchange.close_times, exchange.close_offset),
        last=end,
    )


def _built(name: str, start: pd.Timestamp, end: pd.Timestamp) -> tuple[Any, pd.Timestamp, pd.Timestamp]:
    """Return the calendar from `start` to `end`, or what is recorded of it (nearby), and from when until when."""
    import exchange_calendars  # half a second to load

    try:
        try:
            return exchange_calendars.get_calendar(name, start=start, end=end), start, end
        except ValueError:  # beyond the record, as a rule; asking for the bounds first takes as long again
            recorded = exchange_calendars.get_calendar(name)
        lower, upper = recorded.bound_min() or EARLIEST, recorded.bound_max() or LATEST
        start, end = max(lower, min(start, upper - YEAR)), min(upper, max(end, lower + YEAR))
        return exchange_calendars.get_calendar(name, start=start, end=end), start, end
    except exchange_calendars.errors.InvalidCalendarName as error:
        raise CalendarError(
            f"calendar {name!r} is not known to exchange_calendars: use XNYS, XLON, 24/7, ..."
        ) from error
    except (ValueError, NotImplementedError) as error:  # with pandas 3, Athens' and Tel Aviv's among others
        raise CalendarError(
            f"calendar {name!r} cannot be made by the installed exchange_calendars ({str(error)[:60]}): use another"
        ) from error
