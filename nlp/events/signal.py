"""Events -> frames of sessions and assets: how many were reported, and what is known to fall due soon."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from newsfolio.shared.arrays import BoolArray, IntArray
from newsfolio.shared.tables import need_columns
from nlp.errors import NewsError
from nlp.events.rules import EVENT_KINDS

log = logging.getLogger(__name__)

HORIZON = 5  # sessions, as of a week


@dataclass(frozen=True)
class EventSignal:
    """Events as frames (sessions × assets, floats); row t is known at the close of t.

    counts: for each kind, headlines of session t itself; 0 where there are none. due: headlines known at the close of t
    that announce something for one of the sessions t+1 to t+horizon. sessions_until: sessions from t to the nearest of
    these, 1 to horizon; NaN where nothing is due.
    """

    counts: Mapping[str, pd.DataFrame]
    due: pd.DataFrame
    sessions_until: pd.DataFrame


def event_signal(
    events: pd.DataFrame,
    sessions: pd.DatetimeIndex,
    *,
    horizon: int = HORIZON,
    due_kinds: tuple[str, ...] = ("results-to-come",),
) -> EventSignal:
    """Return what events say at the close of each session, about it and about the sessions to come.

    events: rows with asset, event, known and due, as `find_events` returns them. sessions: the rows wanted, every
    session of the calendar from the first to the last (`calendar_sessions`). horizon: sessions ahead that are looked
    at. due_kinds: kinds of which the due dates are used. Row t holds nothing of a headline known after the close of t;
    what is due after the last session is left out, as the sessions until then cannot be counted. A date that a later
    headline corrects stays: both are due. Events known outside the sessions are counted in the log.

    Raises:
        NewsError: a column is missing, a kind is unknown, sessions are not sorted, or horizon is not at least 1.
    """
    need_columns(events, ("asset", "event", "known", "due"), "events", NewsError)
    _check(events, sessions, horizon, due_kinds)
    assets = pd.Index(sorted(events["asset"].unique()), name="asset")
    column = assets.get_indexer(pd.Index(events["asset"]))
    known, due = (_places(events[name], sessions) for name in ("known", "due"))
    outside = int((known < 0).sum())
    if outside:
        log.warning("%d of %d events are known outside the sessions and are not counted", outside, len(events))
    shape = (len(sessions), len(assets))
    event = events["event"].to_numpy()

    def summed(rows: IntArray, columns: IntArray) -> pd.DataFrame:
        cells = np.bincount(rows * shape[1] + columns, minlength=shape[0] * shape[1]).reshape(shape)
        return pd.DataFrame(cells.astype(np.float64), index=sessions, columns=assets)

    inside: dict[str, BoolArray] = {kind: (event == kind) & (known >= 0) for kind in EVENT_KINDS}
    # What was known before the first session can still fall due in one: it counts from the first on.
    since = np.where(
        known >= 0, known, np.where(np.asarray(pd.DatetimeIndex(events["known"]) < sessions[0]), 0, len(sessions))
    )
    dated = (due >= 0) & np.isin(event, due_kinds)
    ahead = pd.DataFrame(0.0, index=sessions, columns=assets)
    until = pd.DataFrame(np.nan, index=sessions, columns=assets)
    for step in range(horizon, 0, -1):
        row = due - step
        used = dated & (row >= since) & (row >= 0)
        falling = summed(row[used], column[used])
        ahead += falling
        until = until.mask(falling > 0, float(step))
    counts = {kind: summed(known[rows], column[rows]) for kind, rows in inside.items()}
    return EventSignal(counts, ahead, until)


def _check(events: pd.DataFrame, sessions: pd.DatetimeIndex, horizon: int, due_kinds: tuple[str, ...]) -> None:
    if not len(sessions) or not sessions.is_monotonic_increasing or sessions.has_duplicates:
        raise NewsError("sessions are empty, unsorted or repeated: pass those of calendar_sessions")
    if horizon < 1:
        raise NewsError(f"horizon is {horizon}: it must be at least 1 session")
    unknown = sorted({*events["event"].unique(), *due_kinds} - {*EVENT_KINDS})
    if unknown:
        raise NewsError(f"{unknown[0]!r} is no kind of event: use {', '.join(EVENT_KINDS)}")


def _places(dates: pd.Series, sessions: pd.DatetimeIndex) -> IntArray:
    """Position of each date among the sessions, -1 where it is none of them."""
    return sessions.get_indexer(pd.DatetimeIndex(dates).as_unit(sessions.unit)).astype(np.int64)
