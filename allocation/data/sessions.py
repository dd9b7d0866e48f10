"""Whether rows of prices are the sessions of an exchange: rows that are none, sessions that are missing, early ends."""

import warnings
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocation.errors import SourceError
from allocation.frames import named, sessions_of
from allocation.schedule import rows_a_year
from newsfolio.shared.calendars import CalendarError, exchange_hours

ONE_DAY = pd.Timedelta(days=1)
GAP = 5  # sessions in a row that are missing: a week
LONG_GAP = 63  # a quarter: what lies on either side is not one history
WEEKEND = 5  # Saturday, as pandas counts
OTHERS = (  # as "24/5" has all weekdays, it comes last
    *("24/7", "XNYS", "XLON", "XETR", "XPAR", "XSWX", "XTSE", "XTKS", "XHKG", "XSHG", "XBOM"),
    *("XASX", "XKRX", "XTAI", "BVMF", "XSAU", "24/5"),
)


@dataclass(frozen=True, kw_only=True)
class SessionCheck:
    """How the rows of a price table meet the sessions of a calendar.

    last: the last row; today: the last day that any zone has reached. a_year: rows a year where they lie further apart
    than sessions, else None. outside: rows that are no session; only: the assets that have prices there, where others
    have none. missing: sessions between the first and the last row that have no row; longest_gap: how many of them
    follow on one another at most, between the rows `gap_after` and `gap_until`. fitting: a calendar that has all rows,
    and hardly more sessions, where the one asked for has not.
    """

    calendar: str
    rows: int
    last: pd.Timestamp
    today: pd.Timestamp
    a_year: int | None
    outside: pd.DatetimeIndex
    only: tuple[str, ...]
    missing: int
    longest_gap: int
    gap_after: pd.Timestamp
    gap_until: pd.Timestamp
    fitting: str | None

    @property
    def problem(self) -> str | None:
        """What has to be corrected before these rows can be traded on this calendar; None where nothing has."""
        if self.last > self.today:
            return f"its last row, {self.last.date()}, lies in the future: correct the dates"
        if self.a_year is not None:
            return None
        if self.fitting is not None:
            without = f", or leave out {named(self.only)} (--assets)" if self.only else ""
            return f"{self._outside()}: pass --calendar {self.fitting}{without}"
        if (self.outside.day_of_week >= WEEKEND).any():
            return f"{self._outside()}: leave these rows out of the file"
        if self.longest_gap >= LONG_GAP:
            return f"{self._gap()}: begin after it with --start {self.gap_until.date()}, or add the missing rows"
        return None

    @property
    def note(self) -> str | None:
        """What a reader of results should know, where nothing has to be corrected."""
        if self.a_year is not None or self.problem is not None:
            return None
        said = [self._outside()] if len(self.outside) else []
        said += [self._gap()] if self.longest_gap >= GAP else []
        return "; ".join(said) or None

    def _outside(self) -> str:
        days = named(f"{day:%a %Y-%m-%d}" for day in self.outside)
        return f"{len(self.outside)} of {self.rows} rows are not sessions of {self.calendar} ({days})"

    def _gap(self) -> str:
        return (
            f"{self.missing} sessions of {self.calendar} have no row, the longest gap is of {self.longest_gap}, "
            f"between {self.gap_after.date()} and {self.gap_until.date()}"
        )


def check_sessions(closes: pd.DataFrame, calendar: str = "XNYS") -> SessionCheck:
    """Return how rows of prices (sessions × assets) meet the sessions of a calendar.

    Raises:
        SourceError: the calendar is unknown.
    """
    sessions = sessions_of(closes)
    hours = exchange_hours(calendar, sessions[0], sessions[-1], error=SourceError)
    a_year = rows_a_year(sessions)
    known = sessions[(sessions >= hours.first) & (sessions <= hours.last)]
    outside = known.difference(hours.sessions)
    expected = hours.sessions[(hours.sessions >= sessions[0]) & (hours.sessions <= sessions[-1])]
    places = np.append(np.flatnonzero(expected.isin(known)), len(expected) - 1)
    gaps = np.maximum(np.diff(places) - 1, 0)
    widest = int(gaps.argmax()) if len(gaps) else 0
    priced = closes.loc[outside].notna().any()
    fits = len(outside) and a_year is None
    return SessionCheck(
        calendar=calendar,
        rows=len(sessions),
        last=sessions[-1],
        today=pd.Timestamp.now("UTC").tz_localize(None) + ONE_DAY,
        a_year=a_year,
        outside=outside,
        only=() if priced.all() else tuple(str(asset) for asset in priced.index[priced]),
        missing=int(gaps.sum()),
        longest_gap=int(gaps.max(initial=0)),
        gap_after=pd.Timestamp(expected[places[widest]]) if len(expected) else sessions[0],
        gap_until=pd.Timestamp(expected[places[min(widest + 1, len(places) - 1)]]) if len(expected) else sessions[-1],
        fitting=_fitting(known, calendar, max(int(gaps.sum()), len(outside))) if fits else None,
    )


def _fitting(sessions: pd.DatetimeIndex, calendar: str, most: int) -> str | None:
    """The first calendar that has all of these days, and at most so many more between the first and the last."""
    for other in OTHERS:
        try:
            with warnings.catch_warnings(action="ignore"):  # of pandas, at what exchange_calendars does
                all_days = exchange_hours(other, sessions[0], sessions[-1]).sessions
        except CalendarError:  # some cannot be made with every version of pandas
            continue
        between = (all_days >= sessions[0]) & (all_days <= sessions[-1])
        if other != calendar and sessions.isin(all_days).all() and between.sum() - len(sessions) <= most:
            return other
    return None


def unpriced_note(closes: pd.DataFrame, where: str) -> str | None:
    """Return a line that counts assets without any price, None where there are none.

    Raises:
        SourceError: no asset has a price.
    """
    nothing = closes.columns[~closes.notna().any()]
    if len(nothing) == closes.shape[1]:
        raise SourceError(f"{where}: has no price: all of its {closes.size:,} cells are empty")
    return f"{len(nothing)} of {closes.shape[1]} assets have no price: {named(nothing)}" if len(nothing) else None


def ends_note(closes: pd.DataFrame) -> str | None:
    """Return a line that counts assets whose prices end before the last row, None where all end together."""
    days = sessions_of(closes)
    known = {str(asset): np.flatnonzero(closes[asset].notna()) for asset in closes.columns}
    last, final = {asset: days[rows[-1]] for asset, rows in known.items() if len(rows)}, days[-1]
    early = {asset: day for asset, day in last.items() if day != final}
    if not early:
        return None
    day, number = Counter(early.values()).most_common(1)[0]
    if number > len(last) / 2:
        ended = f"{day:%Y-%m-%d}"
        return f"{number} of {len(last)} assets end on {ended}, the last row is {final.date()}: pass --end {ended}"
    examples = named(f"{asset} on {day:%Y-%m-%d}" for asset, day in early.items())
    return (
        f"{len(early)} of {len(last)} assets end before the last row, {final.date()} ({examples}): where they were "
        "delisted, state what holders received (--delistings FILE)"
    )
