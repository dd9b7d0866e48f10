"""Rebalancing dates: the sessions on which a policy decides.

A week or month ends on its last session of the exchange's calendar, which is public years ahead, and not on
the last row a price file happens to have: a schedule run live today and one run in a backtest agree.
"""

from typing import Literal

import numpy as np
import pandas as pd

from allocation.errors import FrameError
from newsfolio.shared.calendars import ExchangeHours, beyond_record, exchange_hours

DAYS_OF_YEAR = 365.25
MARGIN = pd.Timedelta(days=31)  # no exchange closes for a month

Every = Literal["daily", "weekly", "monthly"]


def rebalance_dates(
    sessions: pd.DatetimeIndex, every: Every | int | pd.DatetimeIndex = "weekly", calendar: str = "XNYS"
) -> pd.DatetimeIndex:
    """Return the sessions after whose close to rebalance.

    every: "daily"; "weekly" and "monthly" for the last session of the exchange's week and month; an integer n for
    each n-th session, beginning with the first; or given dates, each of which means the first of `sessions` on or
    after it, and none where that would be after the last. To rebalance when weights have drifted, rebalance daily and
    wrap the policy in `OnDrift`. calendar: a name exchange_calendars knows.

    Raises:
        FrameError: `every` is unknown, or a session is not one of the calendar's.
    """
    _check_sessions(sessions)
    if isinstance(every, pd.DatetimeIndex):
        places = np.unique(sessions.searchsorted(every))
        return sessions[places[places < len(sessions)]]
    if every == "daily":
        return sessions
    if isinstance(every, int) and every > 0:
        return sessions[::every]
    if every not in ("weekly", "monthly"):
        raise FrameError(f"schedule {every!r} is not known: use daily, weekly, monthly or a number of sessions >= 1")
    following = next_sessions(sessions, calendar)
    # Weeks end on Sunday, or on Saturday where the exchange trades on Sundays but not on Saturdays.
    week = "W-SAT" if _hours(sessions, calendar).weekmask[5:] == "01" else "W-SUN"
    period = "M" if every == "monthly" else week
    return sessions[sessions.to_period(period) != following.to_period(period)]


def rebalance_rows(rows: pd.DatetimeIndex, every: Literal["weekly", "monthly"]) -> pd.DatetimeIndex:
    """Return the last row of each week or month, of rows that are no sessions, such as weekly or monthly prices."""
    after = rows[-1] + (rows[-1] - rows[-2] if len(rows) > 1 else MARGIN)
    following = pd.DatetimeIndex([*rows[1:], after])
    period = "M" if every == "monthly" else "W-SUN"
    return rows[rows.to_period(period) != following.to_period(period)]


def is_due(
    session: pd.Timestamp,
    sessions: pd.DatetimeIndex,
    every: str,
    calendar: str = "XNYS",
    *,
    since: pd.Timestamp | None = None,
) -> bool:
    """Return whether `session` is one of the rebalancing dates of `sessions`, or one was missed after `since`.

    every: as in rebalance_dates, in text. since: the session of the last decision.
    """
    schedule = int(every) if every.isascii() and every.isdecimal() else every
    if not len(sessions):
        return False
    dates = rebalance_dates(sessions, schedule, calendar)  # type: ignore[arg-type]
    missed = dates[(dates > since) & (dates < session)] if since is not None else dates[:0]
    return session in dates or len(missed) > 0


def rows_a_year(sessions: pd.DatetimeIndex) -> int | None:
    """Return how many rows a year has where rows lie further apart than sessions do, None where they are daily.

    12 for months, 52 for weeks: what such returns have to be annualised with. Rows are taken for daily where most of
    them follow on the day before, whatever gaps there are besides.
    """
    days = np.diff(sessions.to_numpy().astype("datetime64[D]")).astype(np.int64)
    return max(1, round(DAYS_OF_YEAR / float(days.mean()))) if len(days) and np.median(days) >= 2 else None


def sessions_a_year(sessions: pd.DatetimeIndex, calendar: str) -> int:
    """Return how many sessions the exchange has in a year: the mean, rounded, of the years that `sessions` touch."""
    first, last = sessions[0].year, sessions[-1].year
    years = _hours(sessions, calendar).sessions.year
    return round(int(((years >= first) & (years <= last)).sum()) / (last - first + 1))


def _check_sessions(sessions: pd.DatetimeIndex) -> None:
    if not len(sessions) or sessions.tz is not None or not sessions.is_monotonic_increasing:
        raise FrameError("sessions must be tz-naive dates, at least one, in increasing order")


def _hours(sessions: pd.DatetimeIndex, calendar: str) -> ExchangeHours:
    return exchange_hours(calendar, sessions[0], sessions[-1], error=FrameError)


def next_sessions(sessions: pd.DatetimeIndex, calendar: str = "XNYS") -> pd.DatetimeIndex:
    """Return the exchange's session after each of `sessions`; after the last one recorded, a day a month later."""
    _check_sessions(sessions)
    hours = _hours(sessions, calendar)
    recorded, outside = hours.sessions, sessions.difference(hours.sessions)
    if len(outside) and outside[0] > hours.last:
        raise FrameError(
            f"no session of {calendar} is known for {outside[0].date()}: {beyond_record(calendar, hours.last)}"
        )
    if len(outside):
        raise FrameError(f"{outside[0].date()} is not a session of {calendar}: name the calendar of these prices")
    known = recorded.append(pd.DatetimeIndex([recorded[-1] + MARGIN]))
    return pd.DatetimeIndex(known[known.searchsorted(sessions, side="right")])
