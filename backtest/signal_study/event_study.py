"""Cumulative abnormal returns around strong news, and around dated events of any kind with their placebo."""

import logging
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from allocation.errors import AllocationError
from backtest.signal_study.row_correlation import row_means
from backtest.statistics.significance import student_95
from newsfolio.shared.arrays import BoolArray, FloatArray
from newsfolio.shared.tables import need_columns
from newsfolio.shared.text_table import text_table

log = logging.getLogger(__name__)

BEFORE, AFTER = 5, 10
WINDOWS = (slice(0, BEFORE), slice(BEFORE, BEFORE + 1), slice(BEFORE + 1, None))
USUAL, FEWEST = 60, 30  # sessions over which the usual size of an abnormal return is taken, and how many must be known
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


@dataclass(frozen=True)
class KindStudy:
    """What happens around the events of one kind, and around as many random sessions of the same assets (placebo).

    returns: abnormal returns. volatility: size of the abnormal return of each session relative to its mean over the 60
    sessions before, less 1, so that 0.5 is half as much again as usual; both cumulative, as in every `EventStudy`.
    """

    kind: str
    returns: EventStudy
    volatility: EventStudy
    placebo_returns: EventStudy
    placebo_volatility: EventStudy


@dataclass(frozen=True)
class KindStudies:
    """The studies of all kinds; prints itself."""

    kinds: tuple[KindStudy, ...]

    def __str__(self) -> str:
        """One line a kind: session 0 and what follows, with standard errors, the placebo behind each."""
        rows = [["kind", "events", "return of session 0, %", "placebo", "sessions 1 to 10, %", "placebo",
                 "volatility of session 0", "placebo"]]  # fmt: skip
        for kind in self.kinds:
            pairs = [(kind.returns, kind.placebo_returns, place, 100.0) for place in (1, 2)]
            pairs.append((kind.volatility, kind.placebo_volatility, 1, 1.0))
            cells = [_figure(each, place, scale) for *both, place, scale in pairs for each in both]
            rows.append([kind.kind, f"{kind.returns.events:,}", *cells])
        return text_table(rows)


def _figure(study: EventStudy, window: int, scale: float) -> str:
    return f"{scale * study.windows[window]:+.2f} ± {scale * study.window_errors[window]:.2f}"


def event_kinds_study(
    events: pd.DataFrame, returns: pd.DataFrame, *, on: Literal["known", "due"] = "known", seed: int = 0
) -> KindStudies:
    """Return, for each kind of event, returns and volatility around it, with a placebo.

    events: rows with asset, event (its kind) and the sessions known and due, as `newsfolio events` writes them; an
    asset has at most one event of a kind in a session. returns (sessions × assets): of each session itself. on: `known`
    is the session at whose close the headline is known, so that session 0 holds what happened before it was published
    as well; `due` is the one that was announced, rows without one left out. Events of other sessions or assets are
    counted in the log. seed: of the placebo, random sessions in which an asset has no event of that kind. This
    describes the past: the placebo knows which sessions had no event.

    Raises:
        AllocationError: a column is missing, or no event lies in the sessions and assets of the returns.
    """
    need_columns(events, ("asset", "event", on), "events", AllocationError)
    dated = events[events[on].notna()]
    row = returns.index.get_indexer(pd.DatetimeIndex(dated[on]).as_unit(pd.DatetimeIndex(returns.index).unit))
    column = returns.columns.get_indexer(pd.Index(dated["asset"]))
    inside = (row >= 0) & (column >= 0)
    if not inside.any():
        raise AllocationError(
            f"none of {len(dated):,} events lies in the sessions and assets of the returns: name the assets alike"
        )
    if not inside.all():
        log.warning("%d of %d events are of other sessions or assets", int((~inside).sum()), len(dated))
    abnormal = abnormal_returns(returns.to_numpy(dtype=np.float64))
    unusual = _unusual(abnormal)
    random = np.random.default_rng(seed)
    studies = []
    for kind in sorted(dated["event"][inside].unique()):
        of_kind = inside & (dated["event"] == kind).to_numpy()
        happened = np.zeros(returns.shape, dtype=bool)
        happened[row[of_kind], column[of_kind]] = True
        placebo = _placebo(happened, np.isfinite(abnormal), random)
        of_each = [event_study(kind, where, what) for where in (happened, placebo) for what in (abnormal, unusual)]
        studies.append(KindStudy(kind, of_each[0], of_each[1], of_each[2], of_each[3]))
    return KindStudies(tuple(studies))


def _unusual(abnormal: FloatArray) -> FloatArray:
    """Size of each abnormal return relative to the mean size of the sessions before, less 1."""
    size = pd.DataFrame(np.abs(abnormal))
    usual = size.rolling(USUAL, min_periods=FEWEST).mean().shift(1)
    return np.asarray((size / usual.where(usual > 0) - 1.0).to_numpy())


def _placebo(happened: BoolArray, known: BoolArray, random: np.random.Generator) -> BoolArray:
    """As many sessions of each asset, chosen at random among those without an event."""
    chosen = np.zeros_like(happened)
    for asset, often in enumerate(happened.sum(axis=0)):
        free = np.flatnonzero(known[:, asset] & ~happened[:, asset])
        chosen[random.choice(free, min(int(often), len(free)), replace=False), asset] = True
    return chosen
