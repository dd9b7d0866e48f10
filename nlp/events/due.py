"""What a text says is due when -> the session that will know it; nothing but the text and its publication is read."""

from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray

from newsfolio.shared.arrays import BoolArray
from newsfolio.shared.calendars import ExchangeHours, exchange_hours
from nlp.errors import NewsError
from nlp.events.days import FURTHEST, HINT, named_day
from nlp.events.rules import matching
from nlp.signals.sessions import assign_session
from nlp.texts.headlines import known_flags


def due_session(
    published: pd.Series | pd.DatetimeIndex,
    text: pd.Series | pd.Index | list[str],
    calendar: str = "XNYS",
    *,
    time_known: pd.Series | None = None,
) -> pd.DatetimeIndex:
    """Return, per row, the session (tz-naive date) at whose close is known what the text says is to come; NaT if none.

    published: instants in UTC; a text counts from then on, and days such as `tomorrow` or `Thursday` are counted from
    that date on the exchange's own clock (where `time_known` is False, from the date itself). Dates are read in English
    ("24 October", "Oct. 24", "2014-10-24", "10/24", day first outside America), days of the week, "today", "tomorrow",
    "next week" (its first session), "in two weeks", and "before the open" or "after the bell" with or without a day.
    What is due on a day without a session counts for the next one, and so does what is due after a close: exactly where
    `assign_session` will place the news of it. A date without a year is the one of the last three or the next nine
    months. NaT where no day is named, where the date cannot be ("32 October"), is past, lies more than a year ahead or
    beyond the calendar's record, or where the words are of something past ("reported on Thursday").

    Raises:
        NewsError: the lengths differ, or as `assign_session`.
    """
    texts = pd.Series(list(text), dtype=object)
    if len(texts) != len(published):
        raise NewsError(f"{len(published)} publication times for {len(texts)} texts: pass one text per time")
    known = assign_session(published, calendar, time_known=time_known)
    flags = np.ones(len(texts), dtype=bool) if time_known is None else known_flags(time_known, len(texts))
    return due_from(pd.DatetimeIndex(published), known, texts, calendar, flags)


def due_from(
    published: pd.DatetimeIndex, known: pd.DatetimeIndex, texts: pd.Series, calendar: str, time_known: BoolArray
) -> pd.DatetimeIndex:
    """As `due_session`, where the sessions that know the texts are known already."""
    due = np.full(len(known), np.datetime64("NaT"), dtype=known.to_numpy().dtype)
    rows = np.flatnonzero(matching(pa.array(texts, type=pa.large_string(), from_pandas=True).fill_null(""), HINT))
    if len(rows):
        hours = exchange_hours(calendar, known.min(), known.max() + FURTHEST, error=NewsError)
        instants, timed = published[rows], time_known[rows]
        today = np.where(timed, instants.tz_convert(hours.zone).date, instants.tz_convert("UTC").date)
        opened = timed & _opened(hours, instants)
        day_first = not hours.zone.startswith("America/")
        found = [
            named_day(text, day, day_first=day_first, opened=already)
            for text, day, already in zip(texts.iloc[rows], today, opened, strict=True)
        ]
        due[rows] = _sessions(found, hours)
    return pd.DatetimeIndex(np.where(due >= known.to_numpy(), due, np.datetime64("NaT")), name="due")


def _opened(hours: ExchangeHours, instants: pd.DatetimeIndex) -> BoolArray:
    """Whether the session of the exchange's own date had opened at each instant."""
    local = instants.tz_convert(hours.zone).tz_localize(None).normalize()
    place = np.minimum(hours.sessions.searchsorted(local), len(hours.sessions) - 1)
    return np.asarray((hours.sessions[place] == local) & (hours.opens[place] <= instants))


def _sessions(found: list[tuple[date, bool] | None], hours: ExchangeHours) -> NDArray[np.datetime64]:
    """The session that knows what is due on each day, or after its close; NaT where none is on record."""
    days = np.array([None if day is None else day[0] for day in found], dtype="datetime64[s]")
    after = np.array([day is not None and day[1] for day in found])
    sessions = hours.sessions.to_numpy()
    place = np.searchsorted(sessions, days) + after
    recorded = ~np.isnat(days) & (place < len(sessions))
    return np.where(recorded, sessions[np.minimum(place, len(sessions) - 1)], np.datetime64("NaT"))
