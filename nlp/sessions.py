"""Publication time -> the trading session at whose close the news is known."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nlp.errors import NewsError

MARGIN = 1  # years to look beyond the news: Athens was shut for five weeks in 2015, New York for four months in 1914
EARLIEST, LATEST = pd.Timestamp("1700-01-01"), pd.Timestamp("2250-12-31")  # within what nanoseconds can count


def assign_session(
    published: pd.Series | pd.DatetimeIndex,
    calendar: str = "XNYS",
    cutoff: str = "close",
    *,
    time_known: pd.Series | None = None,
) -> pd.DatetimeIndex:
    """Return, per row, the first session (tz-naive date) whose close lies after the publication.

    published: instants in UTC. News at the very second of the close, on a weekend or on a holiday belongs to
    the next session; early closes and daylight saving are the exchange's own (exchange_calendars). Where
    `time_known` is False or missing only the date of `published` is meant, and the row belongs to the first
    session after that date. The result says when news is KNOWN: a decision at that session's close may use it.

    Raises:
        NewsError: the calendar or cut-off is unknown, a time is missing, has no zone or lies outside the
            calendar's record, or time_known is not one true or false per row.
    """
    if cutoff != "close":
        raise NewsError(f"cut-off {cutoff!r} is not known: use 'close'")
    instants = _instants(published)
    if not len(instants):
        return pd.DatetimeIndex([], name="session")
    sessions, closes = _sessions_and_closes(calendar, instants)
    place = closes.searchsorted(instants, side="right")
    if time_known is not None:
        dates = instants.tz_localize(None).normalize()
        place = np.where(known_flags(time_known, len(instants)), place, sessions.searchsorted(dates, side="right"))
    if place.max() == len(sessions):
        raise _outside(calendar, instants, place == len(sessions), sessions[0], sessions[-1])
    return sessions[place].rename("session")


def known_flags(time_known: Sequence[Any] | pd.Series, rows: int) -> NDArray[np.bool_]:
    """Return time_known as one bool per row; a missing one counts as not known, the later of the two readings.

    Raises:
        NewsError: the length is not `rows`, or a value is neither true nor false (as text in any case).
    """
    if len(time_known) != rows:
        raise NewsError(f"time_known has {len(time_known)} values for {rows} rows: pass one per row")
    given = pd.Series(np.asarray(time_known, dtype=object))
    # By way of text: in Python 1 == True, and bool("False") is True.
    flags = given.astype(str).str.strip().str.lower().map({"true": True, "false": False}).mask(given.isna(), False)
    if flags.isna().any():
        row = int(np.flatnonzero(flags.isna())[0])
        raise NewsError(f"row {row + 1}: time_known is {given[row]!r}: write true or false")
    return flags.to_numpy(dtype=bool)


def calendar_sessions(calendar: str, first: pd.Timestamp, last: pd.Timestamp) -> pd.DatetimeIndex:
    """Return the exchange's sessions from `first` to `last`, both included, as tz-naive dates.

    Raises:
        NewsError: the calendar is unknown, the ends are swapped, carry a time zone or lie outside its record.
    """
    if first.tz is not None or last.tz is not None:
        raise NewsError(f"sessions from {first} to {last} carry a time zone: pass plain dates (tz_localize(None))")
    if first > last:
        raise NewsError(f"no sessions from {first.date()} to {last.date()}: the first date must not be the later one")
    sessions, _ = _sessions_and_closes(calendar, pd.DatetimeIndex([first, last]).tz_localize("UTC"))
    return sessions[(sessions >= first) & (sessions <= last)].rename("date")


def _instants(published: pd.Series | pd.DatetimeIndex) -> pd.DatetimeIndex:
    try:
        instants = pd.DatetimeIndex(published)
    except (ValueError, TypeError) as error:
        raise NewsError(f"published holds what is no time: see read_headlines ({error})") from error
    if instants.tz is None or instants.hasnans:
        raise NewsError("publication times must all be known and carry a time zone: see read_headlines")
    return instants.tz_convert("UTC")


def _sessions_and_closes(calendar: str, instants: pd.DatetimeIndex) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex]:
    """Sessions around the instants as naive dates, and the UTC instants of their closes."""
    earliest, latest = _record(calendar)
    naive = instants.tz_localize(None)
    outside = (naive < earliest) | (naive >= latest + pd.Timedelta(days=1))
    if outside.any():
        raise _outside(calendar, instants, outside, earliest, latest)
    return _whole_years(calendar, naive.min().year - MARGIN, naive.max().year + MARGIN)


def _outside(
    calendar: str, instants: pd.DatetimeIndex, outside: NDArray[np.bool_], first: pd.Timestamp, last: pd.Timestamp
) -> NewsError:
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
def _whole_years(calendar: str, first: int, last: int) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex]:
    earliest, latest = _record(calendar)
    exchange = _built(calendar, max(pd.Timestamp(first, 1, 1), earliest), min(pd.Timestamp(last, 12, 31), latest))
    return pd.DatetimeIndex(exchange.sessions), pd.DatetimeIndex(exchange.closes.array)


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
