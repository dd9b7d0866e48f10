"""Cumulative abnormal returns around strong news."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from allocation.errors import AllocationError
from allocation.newey_west import newey_west_variance
from backtest.rows import row_means

Values = NDArray[np.float64]

BEFORE, AFTER = 5, 10
SHARE = 0.05  # of all that is new in a signal, what counts as strong on either side


@dataclass(frozen=True)
class EventStudy:
    """Mean cumulative abnormal return from session -5 to +10 around events, with its standard error.

    abnormal, error (events' sessions -5 ... +10): sums from -5 on, in fractions. events: how many there were with
    all returns known; dropped: how many lacked one. windows: mean abnormal return summed over sessions -5 to -1, in
    session 0, and over +1 to +10.
    """

    name: str
    abnormal: Values
    error: Values
    events: int
    dropped: int
    windows: tuple[float, float, float]
    window_errors: tuple[float, float, float]

    @property
    def offsets(self) -> NDArray[np.int64]:
        """Sessions from the event."""
        return np.arange(-BEFORE, AFTER + 1)


def innovations(signal: Values) -> Values:
    """What is new in each asset's signal: its value less what the session before let expect; NaN without a signal.

    Expected is the value before times the one factor that fits all assets and sessions best, no news counting as 0:
    old news fades, and that is no news. Only what is left says nothing about the sessions before.
    """
    before = np.vstack([np.zeros(signal.shape[1]), np.nan_to_num(signal[:-1])])
    squares = float((before**2)[np.isfinite(signal)].sum())
    factor = float(np.nansum(signal * before)) / squares if squares > 0 else 0.0
    return np.asarray(signal - factor * before)


def abnormal_returns(returns: Values) -> Values:
    """Return of each session less the mean across assets."""
    return np.asarray(returns - row_means(returns)[:, None])


def strong_news(signal: Values, share: float = SHARE) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
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


def event_study(name: str, events: NDArray[np.bool_], abnormal: Values) -> EventStudy:
    """Average the abnormal returns around the events.

    The error allows for events of one session, and of sessions whose windows overlap, moving together: sums per
    session with Newey-West weights over the length of the window.
    """
    row, column = np.nonzero(events)
    offsets = np.arange(-BEFORE, AFTER + 1)
    inside = (row >= BEFORE) & (row < len(events) - AFTER)
    path = abnormal[row[inside, None] + offsets, column[inside, None]]
    whole = np.isfinite(path).all(axis=1)
    path, when = path[whole], row[inside][whole]
    parts = (path[:, :BEFORE].sum(axis=1), path[:, BEFORE], path[:, BEFORE + 1 :].sum(axis=1))
    walked = path.cumsum(axis=1)
    found = [_mean_and_error(part, when, len(events)) for part in (*walked.T, *parts)]
    means, errors = np.array(found).T if len(when) else np.full((2, len(offsets) + 3), np.nan)
    return EventStudy(
        name, means[:-3], errors[:-3], len(when), int(events.sum()) - len(when), _three(means), _three(errors)
    )


def _three(values: Values) -> tuple[float, float, float]:
    before, day, after = values[-3:].tolist()
    return before, day, after


def _mean_and_error(values: Values, when: NDArray[np.int64], sessions: int) -> tuple[float, float]:
    if not len(values):
        return float("nan"), float("nan")
    mean = float(values.mean())
    sums = np.bincount(when, weights=values - mean, minlength=sessions).astype(np.float64)
    return mean, float(np.sqrt(newey_west_variance(sums, BEFORE + AFTER)) * sessions / len(values))


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
