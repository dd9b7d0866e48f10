"""Scored headlines -> one signal per session and asset, with what is known of its making."""

import logging
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from newsfolio.shared.arrays import FloatArray
from newsfolio.shared.tables import need_columns
from nlp.errors import NewsError
from nlp.provenance import read_provenance
from nlp.signals.cells import Cells, sum_cells
from nlp.signals.sessions import calendar_sessions
from nlp.signals.shrinkage import fitted_strength

log = logging.getLogger(__name__)

How = Literal["mean", "sum"]

DEFAULT_STRENGTH = 2.0
MEMORY = 60  # sessions over which a level is usual
FEWEST_LEVELS = 5  # a mean of fewer says nothing of what is usual


@dataclass(frozen=True)
class NewsSignal:
    """A signal and its companions (sessions × assets, except where said); row t is known at the close of t.

    level: the signal, in [-1, 1], NaN without news. count: headlines of the session itself. dispersion: standard
    deviation of the scores remembered, by their decayed weights; NaN where level is. surprise: level less the mean
    of its last sessions, not its own; in [-2, 2]. coverage (sessions): share of assets with a level.
    prior_strength (sessions): neutral headlines that the level was shrunk by.
    """

    level: pd.DataFrame
    count: pd.DataFrame
    dispersion: pd.DataFrame
    surprise: pd.DataFrame
    coverage: pd.Series
    prior_strength: pd.Series

    def __str__(self) -> str:
        """Two lines: the size and the coverage, then the spread of level and what it was shrunk by."""
        first, last = (self.level.index[place].date() for place in (0, -1))
        spread, disagreement = np.nanstd(self.level), np.nanmean(self.dispersion)
        return (
            f"{self.level.shape[0]:,} sessions × {self.level.shape[1]:,} assets, {first} to {last}, "
            f"{self.coverage.mean():.0%} covered, {int(self.count.to_numpy().sum()):,} headlines\n"
            f"standard deviation of the level {spread:.3f}, of scores within a cell's memory {disagreement:.3f}; "
            f"shrunk by {self.prior_strength.iloc[-1]:.2f} neutral headlines at the end"
        )


def daily_signal(
    scored: pd.DataFrame,
    sessions: pd.DatetimeIndex,
    *,
    halflife: float = 3.0,
    prior_strength: float | Literal["fit"] = DEFAULT_STRENGTH,
    silence: int = 20,
    calendar: str = "XNYS",
    cutoff: str = "close",
    how: How = "mean",
) -> pd.DataFrame:
    """Return the signal (sessions × assets) in [-1, 1]: row t is what the news until the close of t says.

    scored: rows with published (UTC), asset, score in [-1, 1], and optionally time_known, novelty and relevance.
    Each row counts from its session (`assign_session`) on with weight novelty × relevance × decay, where decay
    halves every `halflife` sessions. how: `mean` is sum(weight × score) / (prior_strength + sum(weight)), a mean
    shrunk towards 0 as if `prior_strength` neutral headlines had been read; `sum` is x / (prior_strength + |x|) with
    x = sum(weight × score), which grows with the number of headlines that agree. prior_strength `fit` learns it from
    the news up to each session (`fitted_strength`). NaN before an asset's first news and from `silence` sessions
    after its last on. sessions: the rows wanted, every session of `calendar` from the first to the last. News of
    earlier sessions is dropped, as is news known only after the last; both are counted in the log. attrs of `scored`
    that say which texts taught its classifier (`trained_on`, `trained_until`) are kept; the log says where there are
    none.

    Raises:
        NewsError: a column is missing, an asset is no text, a score is outside [-1, 1], a weight outside [0, 1],
            sessions are not those of the calendar, or a parameter makes no sense.
    """
    _check(scored, halflife, prior_strength, silence, how)
    cells = _checked_cells(scored, sessions, calendar, cutoff)
    memory = _remembered(cells, halflife, silence)
    level = _level(memory, _strength(cells, prior_strength), how)
    return _of_scores(scored, _framed(level, sessions, cells.assets))


def news_signal(
    scored: pd.DataFrame,
    sessions: pd.DatetimeIndex,
    *,
    halflife: float = 3.0,
    prior_strength: float | Literal["fit"] = DEFAULT_STRENGTH,
    silence: int = 20,
    calendar: str = "XNYS",
    cutoff: str = "close",
    how: How = "mean",
) -> NewsSignal:
    """Return the signal of `daily_signal` with its companions: news count, dispersion, surprise, coverage.

    Raises:
        NewsError: as `daily_signal`.
    """
    _check(scored, halflife, prior_strength, silence, how)
    cells = _checked_cells(scored, sessions, calendar, cutoff)
    memory, strength = _remembered(cells, halflife, silence), _strength(cells, prior_strength)
    level = _of_scores(scored, _framed(_level(memory, strength, how), sessions, cells.assets))
    usual = level.rolling(MEMORY, min_periods=FEWEST_LEVELS).mean().shift(1)
    return NewsSignal(
        level=level,
        count=_framed(cells.count, sessions, cells.assets),
        dispersion=_framed(memory.dispersion(), sessions, cells.assets),
        surprise=level - usual,
        coverage=level.notna().mean(axis=1).rename("coverage"),
        prior_strength=pd.Series(strength, index=level.index, name="prior_strength"),
    )


def _of_scores(scored: pd.DataFrame, signal: pd.DataFrame) -> pd.DataFrame:
    """The signal, telling what the scores tell: a backtest asks which texts taught the classifier.

    pandas drops the attrs of joined frames where they differ, so that a signal of two classifiers tells nothing.
    """
    told = read_provenance(scored)
    if not told:
        log.info("the scores do not say which texts taught their classifier: a backtest cannot warn of hindsight")
    signal.attrs.update(told)
    return signal


def _framed(values: FloatArray, sessions: pd.DatetimeIndex, assets: pd.Index) -> pd.DataFrame:
    return pd.DataFrame(values, index=sessions.rename("date"), columns=assets)


def _checked_cells(scored: pd.DataFrame, sessions: pd.DatetimeIndex, calendar: str, cutoff: str) -> Cells:
    if scored.empty or not len(sessions):
        raise NewsError(f"no signal from {len(scored)} headlines on {len(sessions)} sessions: both must be > 0")
    _check_sessions(sessions, calendar)
    return sum_cells(scored, sessions, calendar, cutoff)


def _check(
    scored: pd.DataFrame,
    halflife: float,
    prior_strength: float | Literal["fit"],
    silence: int,
    how: str,
) -> None:
    need_columns(scored, ("published", "asset", "score"), "scored headlines", NewsError)
    numbers = {"halflife": halflife, "silence": silence}
    if prior_strength != "fit":
        if not isinstance(prior_strength, (int, float)):
            raise NewsError(f"prior_strength is {prior_strength!r}: give a number > 0 or 'fit'")
        numbers["prior_strength"] = prior_strength
    for name, value in numbers.items():
        if not 0 < value < math.inf:
            raise NewsError(f"{name} is {value:g}: it must be > 0 and finite")
    if how not in ("mean", "sum"):
        raise NewsError(f"how is {how!r}: use 'mean' or 'sum'")


def _check_sessions(sessions: pd.DatetimeIndex, calendar: str) -> None:
    """A session too few or too many would let the news fade too slowly or too fast."""
    if not sessions.is_monotonic_increasing or sessions.has_duplicates:
        raise NewsError("sessions are not increasing: sort them and keep each once")
    expected = calendar_sessions(calendar, sessions[0], sessions[-1])
    strange, lacking = sessions.difference(expected), expected.difference(sessions)
    if len(strange):
        raise NewsError(f"{strange[0]} is no session of {calendar} ({len(strange)} such): drop it or name the calendar")
    if len(lacking):
        raise NewsError(
            f"sessions lack {lacking[0].date()}, a session of {calendar} ({len(lacking)} such): pass every one "
            "from the first to the last (calendar_sessions)"
        )


def _strength(cells: Cells, prior_strength: float | Literal["fit"]) -> FloatArray:
    if prior_strength == "fit":
        return fitted_strength(cells, DEFAULT_STRENGTH)
    return np.full(len(cells.count), float(prior_strength))


@dataclass(frozen=True)
class _Memory:
    """Decayed sums at each close (sessions × assets); NaN before the first news and after the silence."""

    weight: FloatArray
    total: FloatArray
    squares: FloatArray

    def dispersion(self) -> FloatArray:
        mean = self.total / self.weight
        return np.sqrt(np.maximum(self.squares / self.weight - mean**2, 0.0))


def _remembered(cells: Cells, halflife: float, silence: int) -> _Memory:
    keep = 0.5 ** (1.0 / halflife)
    silent = _sessions_since(cells.count > 0) >= silence
    weight, total, squares = (_decayed(each, keep) for each in (cells.weight, cells.total, cells.squares))
    for each in (weight, total, squares):
        each[silent] = np.nan
    return _Memory(weight, total, squares)


def _decayed(fresh: FloatArray, keep: float) -> FloatArray:
    decayed, state = np.empty_like(fresh), np.zeros(fresh.shape[1])
    for session, news in enumerate(fresh):
        state = keep * state + news
        decayed[session] = state
    return decayed


def _level(memory: _Memory, strength: FloatArray, how: How) -> FloatArray:
    against = memory.weight if how == "mean" else np.abs(memory.total)
    return np.asarray(memory.total / (strength[:, None] + against))


def _sessions_since(news: NDArray[np.bool_]) -> FloatArray:
    """Sessions since the last True in each column, infinite before the first."""
    position = np.arange(len(news), dtype=np.float64)[:, None]
    return np.asarray(position - np.maximum.accumulate(np.where(news, position, -np.inf), axis=0))
