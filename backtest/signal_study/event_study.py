"""Cumulative abnormal returns around strong news."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from allocation.errors import AllocationError
from backtest.signal_study.row_correlation import row_means
from backtest.statistics.significance import student_95
from newsfolio.shared.arrays import FloatArray

BEFORE, AFTER = 5, 10
WINDOWS = (slice(0, BEFORE), slice(BEFORE, BEFORE + 1), slice(BEFORE + 1, None))
SHARE = 0.05  # of all that is new in a signal, what counts as strong on either side


@dataclass(frozen=True)
class EventStudy:
    """Mean cumulative abnormal return from session -5 to +10 around events, with its standard error.

    abnormal, error (events' sessions -5 ... +10): sums from -5 on, in fractions. events: how many there were with
    all returns known; dropped: how many lacked one. windows: mean abnormal return summed over sessions -5 to -1, in
    session 0, and over +1 to +10. clusters: sessions with events, those with many counting for less than one each.
    """

    name: str
    abnormal: FloatArray
    error: FloatArray
    events: int
    dropped: int
    windows: tuple[float, float, float]
    window_errors: tuple[float, float, float]
    clusters: float

    @property
    def offsets(self) -> NDArray[np.int64]:
        """Sessions from the event."""
        return np.arange(-BEFORE, AFTER + 1)

    @property
    def freedom(self) -> float:
        """Degrees of freedom of the errors: events of one session say little more than one."""
        return self.clusters - 1.0

    @property
    def critical(self) -> float:
        """Standard errors on either side that make a 95 % interval: Student's t, since events may be few."""
        return student_95(self.freedom)


def innovations(signal: FloatArray) -> FloatArray:
    """What is new in each asset's signal: its value less what the session before let expect; NaN without a signal.

    Expected is the value before times the one factor that fits all assets and sessions best, no news counting as 0:
    old news fades, and that is no news. Only what is left says nothing about the sessions before.
    """
    before = np.vstack([np.zeros(signal.shape[1]), np.nan_to_num(signal[:-1])])
    squares = float((before**2)[np.isfinite(signal)].sum())
    factor = float(np.nansum(signal * before)) / squares if squares > 0 else 0.0
    return np.asarray(signal - factor * before)


def abnormal_returns(returns: FloatArray) -> FloatArray:
    """Return of each session less the mean across assets."""
    return np.asarray(returns - row_means(returns)[:, None])


def strong_news(signal: FloatArray, share: float = SHARE) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return where news was best and where it was worst (sessions × assets), each that share of all `innovations`.

    Factor and thresholds are those of the whole sample: this describes what happened, and no policy may use it.

    Raises:
        AllocationError: the share lies outside (0, 0.5].
    """
    if not 0 < share <= 0.5:
        raise AllocationError(f"share of strong news is {share:g}: it must lie in (0, 0.5]")
    new = innovations(signal)
    known = new[np.isfinite(new)]
    if not len(known):
        return np.zeros(signal.shape, bool), np.zeros(signal.shape, bool)
    low, high = np.quantile(known, [share, 1.0 - share])
    with np.errstate(invalid="ignore"):
        return (new >= high) & (new > 0), (new <= low) & (new < 0)


def event_study(name: str, events: NDArray[np.bool_], abnormal: FloatArray) -> EventStudy:
    """Average the abnormal returns around the events.

    The error allows for events of one session moving together, for an event that moves all of its window, and for
    windows of different events that share a session (`_squared_errors`).
    """
    row, column = np.nonzero(events)
    offsets = np.arange(-BEFORE, AFTER + 1)
    inside = (row >= BEFORE) & (row < len(events) - AFTER)
    path = abnormal[row[inside, None] + offsets, column[inside, None]]
    whole = np.isfinite(path).all(axis=1)
    path, when = path[whole], row[inside][whole]
    if not len(when):
        nothing = np.full(len(offsets), np.nan)
        return EventStudy(name, nothing, nothing, 0, int(events.sum()), (np.nan,) * 3, (np.nan,) * 3, 0.0)
    mean = path.mean(axis=0)
    sessions, first, count = np.unique(when, return_index=True, return_counts=True)
    strayed = np.add.reduceat(path - mean, first, axis=0)
    clusters = len(when) ** 2 / float((count**2).sum())
    scale = np.sqrt(clusters / (clusters - 1.0)) / len(when) if len(sessions) > 1 else np.nan
    errors = [scale * np.sqrt(_squared_errors(strayed[:, part], sessions)) for part in (slice(None), *WINDOWS)]
    return EventStudy(
        name, mean.cumsum(), errors[0], len(when), int(events.sum()) - len(when),
        _three([mean[part].sum() for part in WINDOWS]), _three([error[-1] for error in errors[1:]]), clusters,
    )  # fmt: skip


def _squared_errors(strayed: FloatArray, sessions: NDArray[np.int64]) -> FloatArray:
    """Variance of the sum over all events of their first, first two, ... sessions.

    strayed (sessions with events × sessions after): by how much the returns of their events were off the mean, summed.
    What events of one session have in common, over all of the window, plus what all windows have in common in one
    session, less what both count (A. Cameron, J. Gelbach and D. Miller, "Robust inference with multiway clustering",
    J. Business and Economic Statistics 29(2), 2011); where that is not above 0, the larger of the two.
    """
    by_event = (strayed.cumsum(axis=1) ** 2).sum(axis=0)
    both = (strayed**2).sum(axis=0).cumsum()
    by_session = np.empty(strayed.shape[1])
    met = np.zeros(int(sessions[-1]) + strayed.shape[1])
    for step in range(strayed.shape[1]):
        met[sessions + step] += strayed[:, step]
        by_session[step] = met @ met
    together = by_event + by_session - both
    return np.asarray(np.where(together > 0, together, np.maximum(by_event, by_session)))


def _three(values: list[np.float64]) -> tuple[float, float, float]:
    before, day, after = map(float, values)
    return before, day, after


def news_events(signal: pd.DataFrame, returns: pd.DataFrame, share: float = SHARE) -> tuple[EventStudy, EventStudy]:
    """Return the studies of strong good news and of strong bad news.

    signal and returns (sessions × assets): matched by label; `returns` are those of each session itself.

    Raises:
        AllocationError: as `strong_news`.
    """
    earned = returns.reindex(index=signal.index, columns=signal.columns).to_numpy(dtype=np.float64)
    abnormal = abnormal_returns(earned)
    good, bad = strong_news(signal.to_numpy(dtype=np.float64), share)
    return event_study("good news", good, abnormal), event_study("bad news", bad, abnormal)
