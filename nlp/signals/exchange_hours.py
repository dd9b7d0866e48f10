"""Sessions of an exchange with the instants at which each opens and closes, from exchange_calendars."""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nlp.errors import NewsError

MARGIN = 1  # years to look beyond the news: Athens was shut for five weeks in 2015, New York for four months in 1914
EARLIEST, LATEST = pd.Timestamp("1700-01-01"), pd.Timestamp("2250-12-31")  # within what nanoseconds can count


class Hours(NamedTuple):
    """Sessions as tz-naive dates, and for each the instants (UTC) of its open and its close."""

    sessions: pd.DatetimeIndex
    opens: pd.DatetimeIndex
    closes: pd.DatetimeIndex
    zone: str


def hours_around(calendar: str, instants: pd.DatetimeIndex) -> Hours:
    """Return the sessions of all years of the instants (UTC, at least one), and of a year before and after.

    Raises:
        NewsError: the calendar is unknown or cannot be made, or an instant lies outside its record.
    """
    earliest, latest = _record(calendar)
    first, last = instants.min().tz_localize(None), instants.max().tz_localize(None)
    if first < earliest or last >= latest + pd.Timedelta(days=1):
        naive = instants.tz_localize(None)
        outside = (naive < earliest) | (naive >= latest + pd.Timedelta(days=1))
        raise outside_record(calendar, instants, np.asarray(outside), earliest, latest)
    return _whole_years(calendar, first.year - MARGIN, last.year + MARGIN)


def outside_record(
    calendar: str, instants: pd.DatetimeIndex, outside: NDArray[np.bool_], first: pd.Timestamp, last: pd.Timestamp
) -> NewsError:
    """Return the error that names the first instant for which the calendar has no session."""
    row = int(np.flatnonzero(outside)[0])
    return NewsError(
        f"no session of {calendar} is on record for {instants[row]} (row {row + 1}, {int(outside.sum())} such rows): "
        f"its record runs from {first.date()} to {last.date()}: correct the time or drop the row"
    )


@lru_cache(maxsize=8)
def _record(calendar: str) -> tuple[pd.Timestamp, pd.Timestamp]:
    """First and last date for which the calendar can be asked."""
    exchange = _built(calendar, None, None)
    return exchange.bound_min() or EARLIEST, exchange.bound_max() or LATEST


@lru_cache(maxsize=8)  # whole years, so that many calls share one: it takes a fifth of a second to make
def _whole_years(calendar: str, first: int, last: int) -> Hours:
    earliest, latest = _record(calendar)
    exchange = _built(calendar, max(pd.Timestamp(first, 1, 1), earliest), min(pd.Timestamp(last, 12, 31), latest))
    opens, closes = (pd.DatetimeIndex(times.array) for times in (exchange.opens, exchange.closes))
    return Hours(pd.DatetimeIndex(exchange.sessions), opens, closes, str(exchange.tz))


def _built(calendar: str, start: pd.Timestamp | None, end: pd.Timestamp | None) -> Any:
    import exchange_calendars  # half a second to load

    try:
        return exchange_calendars.get_calendar(calendar, start=start, end=end)
    except exchange_calendars.errors.InvalidCalendarName as error:
        raise NewsError(
            f"calendar {calendar!r} is not known to exchange_calendars: use XNYS, XLON, 24/7, ..."
        ) from error
    except (ValueError, NotImplementedError) as error:  # with pandas 3, Athens' and Tel Aviv's among others
        raise NewsError(
            f"calendar {calendar!r} cannot be made by the installed exchange_calendars ({str(error)[:60]}): use another"
        ) from error
