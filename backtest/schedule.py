"""Rebalancing dates: which sessions a policy is asked on.

A week or month ends on its last session of the exchange's calendar, which is public years ahead, and not on
the last row a price file happens to have: a schedule run live today and one run in a backtest agree.
"""

from typing import Literal

import pandas as pd

from allocation.errors import FrameError

Every = Literal["daily", "weekly", "monthly"]


def rebalance_dates(
    sessions: pd.DatetimeIndex, every: Every | int = "weekly", calendar: str = "XNYS"
) -> pd.DatetimeIndex:
    """Return the sessions after whose close to rebalance.

    every: "daily"; "weekly" and "monthly" for the last session of the exchange's week and month; or an
    integer n for each n-th session, beginning with the first. calendar: a name exchange_calendars knows.

    Raises:
        FrameError: `every` is unknown, or a session is not one of the calendar's.
    """
    if every == "daily":
        return sessions
    if isinstance(every, int) and every > 0:
        return sessions[::every]
    if every not in ("weekly", "monthly"):
        raise FrameError(f"schedule {every!r} is not known: use daily, weekly, monthly or a number of sessions >= 1")
    period = "W" if every == "weekly" else "M"
    return sessions[_periods(sessions, period) != _periods(next_sessions(sessions, calendar), period)]


def _periods(sessions: pd.DatetimeIndex, period: str) -> pd.PeriodIndex:
    return sessions.to_period(period)


def next_sessions(sessions: pd.DatetimeIndex, calendar: str = "XNYS") -> pd.DatetimeIndex:
    """Return the exchange's session after each of `sessions`."""
    import exchange_calendars  # half a second to load

    margin = pd.Timedelta(days=30)  # no exchange closes for a month
    try:
        exchange = exchange_calendars.get_calendar(calendar, start=sessions[0] - margin, end=sessions[-1] + margin)
    except exchange_calendars.errors.InvalidCalendarName as error:
        raise FrameError(
            f"calendar {calendar!r} is not known to exchange_calendars: use XNYS, XLON, 24/7, ..."
        ) from error
    known = pd.DatetimeIndex(exchange.sessions.as_unit(sessions.unit))
    strangers = sessions.difference(known)
    if len(strangers):
        raise FrameError(f"{strangers[0].date()} is not a session of {calendar}: name the calendar of these prices")
    return known[known.searchsorted(sessions, side="right")]
