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
SHARE = 0.05  # of all innovations: what counts as strong on either side


@dataclass(frozen=True)
class EventStudy:
    """Mean cumulative abnormal return from session -5 to +10 around events, with its standard error.

    abnormal, error (sessions -5 ... +10): cumulative from -5 on, in fractions. events: those with all returns known;
    dropped: those that lack one. windows: mean abnormal return summed over sessions -5 to -1, in session 0, and over
    +1 to +10. clusters: effective number of sessions with events (n² / sum of squared events a session).
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
    def dof(self) -> float:
        """Degrees of freedom of the errors: events of one session are not independent."""
        return self.clusters - 1.0

    @property
    def critical_value(self) -> float:
        """Half-width of a 95 % interval in standard errors: Student's t, since events may be few."""
        return student_95(self.dof)


def innovations(signal: FloatArray) -> FloatArray:
    """Innovation of each asset's signal: its value less what the session before predicts; NaN without a signal.

    The prediction is the value before times one least-squares factor for all assets and sessions, no news counting as
    0: the decay of old news is not news. The residual is uncorrelated with the session before.
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

    Factor and thresholds are in-sample: this describes the past, and no policy may use it.

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

    The error allows for correlation within a session, within an event's window, and between windows of different
    events that overlap (`_squared_errors`).
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
    deviations = np.add.reduceat(path - mean, first, axis=0)
    clusters = len(when) ** 2 / float((count**2).sum())
    scale = np.sqrt(clusters / (clusters - 1.0)) / len(when) if len(sessions) > 1 else np.nan
    errors = [scale * np.sqrt(_squared_errors(deviations[:, part], sessions)) for part in (slice(None), *WINDOWS)]
    before, day, after = (float(mean[part].sum()) for part in WINDOWS)
    before_error, day_error, after_error = (float(error[-1]) for error in errors[1:])
    return EventStudy(
        name=name,
        abnormal=mean.cumsum(),
        error=errors[0],
        events=len(when),
        dropped=int(events.sum()) - len(when),
        windows=(before, day, after),
        window_errors=(before_error, day_error, after_error),
        clusters=clusters,
    )


def _squared_errors(deviations: FloatArray, sessions: NDArray[np.int64]) -> FloatArray:
    """Variance of the sum over all events of their first, first two, ... sessions.

    deviations (sessions with events × sessions after): sum of the events' returns less the mean. The variance is that
    clustered by event session, plus that clustered by calendar session, less what both count (A. Cameron, J. Gelbach
    and D. Miller, "Robust inference with multiway clustering", J. Business and Economic Statistics 29(2), 2011); where
    that is not above 0, the larger of the two.
    """
    by_event = (deviations.cumsum(axis=1) ** 2).sum(axis=0)
    both = (deviations**2).sum(axis=0).cumsum()
    by_session = np.empty(deviations.shape[1])
    calendar = np.zeros(int(sessions[-1]) + deviations.shape[1])
    for step in range(deviations.shape[1]):
        calendar[sessions + step] += deviations[:, step]
        by_session[step] = calendar @ calendar
    combined = by_event + by_session - both
    return np.asarray(np.where(combined > 0, combined, np.maximum(by_event, by_session)))


def news_events(signal: pd.DataFrame, returns: pd.DataFrame, share: float = SHARE) -> tuple[EventStudy, EventStudy]:
    """Return the studies of strong good news and of strong bad news.

    signal and returns (sessions × assets): matched by label; `returns` are those of each session itself.

    Raises:
        AllocationError: as `strong_news`.
    """
    known = returns.reindex(index=signal.index, columns=signal.columns).to_numpy(dtype=np.float64)
    abnormal = abnormal_returns(known)
    good, bad = strong_news(signal.to_numpy(dtype=np.float64), share)
    return event_study("good news", good, abnormal), event_study("bad news", bad, abnormal)
