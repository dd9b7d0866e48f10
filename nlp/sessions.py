"""Publication time -> the trading session at whose close the news is known."""

import numpy as np
import pandas as pd

from nlp.errors import NewsError

MARGIN = pd.Timedelta(days=30)  # no exchange closes for a month, so a session lies inside it


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
    `time_known` is False only the date of `published` is meant, and the row belongs to the first session
    after that date. The result says when news is KNOWN: a decision at that session's close may use it.

    Raises:
        NewsError: the calendar or cut-off is unknown, or a time is missing or has no zone.
    """
    if cutoff != "close":
        raise NewsError(f"cut-off {cutoff!r} is not known: use 'close'")
    instants = pd.DatetimeIndex(published)
    if instants.tz is None or instants.hasnans:
        raise NewsError("publication times must all be known and carry a time zone: see read_headlines")
    if not len(instants):
        return pd.DatetimeIndex([], name="session")
    instants = instants.tz_convert("UTC")
    sessions, closes = _sessions_and_closes(calendar, instants.min(), instants.max())
    place = closes.searchsorted(instants, side="right")
    if time_known is not None:
        dates = instants.tz_localize(None).normalize()
        place = np.where(np.asarray(time_known, bool), place, sessions.searchsorted(dates, side="right"))
    return sessions[place].rename("session")


def _sessions_and_closes(
    calendar: str, first: pd.Timestamp, last: pd.Timestamp
) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex]:
    """Sessions around the span as naive dates, and the UTC instants of their closes."""
    import exchange_calendars  # half a second to load

    start, end = (first - MARGIN).tz_localize(None), (last + MARGIN).tz_localize(None)
    try:
        exchange = exchange_calendars.get_calendar(calendar, start=start.normalize(), end=end.normalize())
    except exchange_calendars.errors.InvalidCalendarName as error:
        raise NewsError(
            f"calendar {calendar!r} is not known to exchange_calendars: use XNYS, XLON, 24/7, ..."
        ) from error
    return pd.DatetimeIndex(exchange.sessions), pd.DatetimeIndex(exchange.closes.array)


def calendar_sessions(calendar: str, first: pd.Timestamp, last: pd.Timestamp) -> pd.DatetimeIndex:
    """Return the exchange's sessions from `first` to `last`, both included, as tz-naive dates."""
    sessions, _ = _sessions_and_closes(calendar, first.tz_localize("UTC"), last.tz_localize("UTC"))
    return sessions[(sessions >= first) & (sessions <= last)].rename("date")
