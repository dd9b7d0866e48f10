"""Scored headlines -> one signal per session and asset, with its companions: count, dispersion, surprise, coverage."""

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

log = logging.getLogger(__name__)

Aggregation = Literal["mean", "sum"]

DEFAULT_PRIOR_COUNT = 2.0
LEAST, MOST = 0.05, 100.0  # between which a fitted prior count lies
FEWEST = 30  # disagreements between headlines of one cell, below which no prior count is fitted
SURPRISE_WINDOW = 60  # sessions over which the usual level is taken
FEWEST_LEVELS = 5  # a mean of fewer is no usual level


@dataclass(frozen=True)
class NewsSignal:
    """A signal and its companions (sessions × assets, except where said); row t is known at the close of t.

    level: the signal, in [-1, 1], NaN without news. count: headlines of the session itself. dispersion: standard
    deviation of the scores by their decayed weights; NaN where level is. surprise: level minus the mean level of the
    60 sessions before; in [-2, 2]. coverage (sessions): share of assets with a level.
    prior_count (sessions): neutral headlines by which the level was shrunk.
    """

    level: pd.DataFrame
    count: pd.DataFrame
    dispersion: pd.DataFrame
    surprise: pd.DataFrame
    coverage: pd.Series
    prior_count: pd.Series

    def __str__(self) -> str:
        """Two lines: size and coverage, then the spread of the level and its shrinkage."""
        first, last = (self.level.index[place].date() for place in (0, -1))
        spread, disagreement = np.nanstd(self.level), np.nanmean(self.dispersion)
        return (
            f"{self.level.shape[0]:,} sessions × {self.level.shape[1]:,} assets, {first} to {last}, "
            f"{self.coverage.mean():.0%} covered, {int(self.count.to_numpy().sum()):,} headlines\n"
            f"standard deviation of the level {spread:.3f}, of the scores behind one level {disagreement:.3f}; "
            f"shrunk by {self.prior_count.iloc[-1]:.2f} neutral headlines at the end"
        )


def daily_signal(
    scored: pd.DataFrame,
    sessions: pd.DatetimeIndex,
    *,
    halflife: float = 3.0,
    prior_count: float | Literal["fit"] = DEFAULT_PRIOR_COUNT,
    max_age: int = 20,
    calendar: str = "XNYS",
    cutoff: str = "close",
    aggregation: Aggregation = "mean",
) -> pd.DataFrame:
    """Return the signal (sessions × assets) in [-1, 1]: row t is what the news until the close of t says.

    scored: rows with published (UTC), asset, score in [-1, 1], and optionally time_known, novelty and relevance.
    Each row counts from its session (`assign_session`) on with weight novelty × relevance × decay, where decay
    halves every `halflife` sessions. aggregation: `mean` is sum(weight × score) / (prior_count + sum(weight)), a mean
    shrunk towards 0 as if `prior_count` neutral headlines had been read; `sum` is x / (prior_count + |x|) with
    x = sum(weight × score), which grows with the number of headlines that agree. prior_count `fit` learns it from
    the news up to each session (`fitted_prior_count`). NaN before an asset's first news and from `max_age` sessions
    after its last on. sessions: the rows wanted, every session of `calendar` from the first to the last. News of
    earlier sessions is dropped, as is news known only after the last; both are counted in the log. attrs of `scored`
    that say which texts taught its classifier (`trained_on`, `trained_until`) are kept; the log says where there are
    none.

    Raises:
        NewsError: a column is missing, an asset is no text, a score is outside [-1, 1], a weight outside [0, 1],
            sessions are not those of the calendar, or a parameter makes no sense.
    """
    _check(halflife, prior_count, max_age, aggregation)
    cells = _checked_cells(scored, sessions, calendar, cutoff)
    level = _level(_decayed_sums(cells, halflife, max_age), _prior_counts(cells, prior_count), aggregation)
    return _with_provenance(scored, _framed(level, sessions, cells.assets))


def news_signal(
    scored: pd.DataFrame,
    sessions: pd.DatetimeIndex,
    *,
    halflife: float = 3.0,
    prior_count: float | Literal["fit"] = DEFAULT_PRIOR_COUNT,
    max_age: int = 20,
    calendar: str = "XNYS",
    cutoff: str = "close",
    aggregation: Aggregation = "mean",
) -> NewsSignal:
    """Return the signal of `daily_signal` with its companions: news count, dispersion, surprise, coverage.

    Raises:
        NewsError: as `daily_signal`.
    """
    _check(halflife, prior_count, max_age, aggregation)
    cells = _checked_cells(scored, sessions, calendar, cutoff)
    sums, counts = _decayed_sums(cells, halflife, max_age), _prior_counts(cells, prior_count)
    level = _with_provenance(scored, _framed(_level(sums, counts, aggregation), sessions, cells.assets))
    mean = sums.total / sums.weight
    dispersion = np.sqrt(np.maximum(sums.squares / sums.weight - mean**2, 0.0))
    usual = level.rolling(SURPRISE_WINDOW, min_periods=FEWEST_LEVELS).mean().shift(1)
    return NewsSignal(
        level=level,
        count=_framed(cells.count, sessions, cells.assets),
        dispersion=_framed(dispersion, sessions, cells.assets),
        surprise=level - usual,
        coverage=level.notna().mean(axis=1).rename("coverage"),
        prior_count=pd.Series(counts, index=level.index, name="prior_count"),
    )


def _with_provenance(scored: pd.DataFrame, signal: pd.DataFrame) -> pd.DataFrame:
    """Copy what the scores record of their classifier's training texts, for a backtest to warn of hindsight.

    pandas drops the attrs of joined frames where they differ: a signal of two classifiers records nothing.
    """
    provenance = read_provenance(scored)
    if not provenance:
        log.info("the scores do not say which texts taught their classifier: a backtest cannot warn of hindsight")
    signal.attrs.update(provenance)
    return signal


def _framed(values: FloatArray, sessions: pd.DatetimeIndex, assets: pd.Index) -> pd.DataFrame:
    return pd.DataFrame(values, index=sessions.rename("date"), columns=assets)


def _checked_cells(scored: pd.DataFrame, sessions: pd.DatetimeIndex, calendar: str, cutoff: str) -> Cells:
    need_columns(scored, ("published", "asset", "score"), "scored headlines", NewsError)
    if scored.empty or not len(sessions):
        raise NewsError(f"no signal from {len(scored)} headlines on {len(sessions)} sessions: both must be > 0")
    _check_sessions(sessions, calendar)
    return sum_cells(scored, sessions, calendar, cutoff)


def _check(halflife: float, prior_count: float | Literal["fit"], max_age: int, aggregation: str) -> None:
    numbers = {"halflife": halflife, "max_age": max_age}
    if prior_count != "fit":
        if not isinstance(prior_count, (int, float)):
            raise NewsError(f"prior_count is {prior_count!r}: give a number > 0 or 'fit'")
        numbers["prior_count"] = prior_count
    for name, value in numbers.items():
        if not 0 < value < math.inf:
            raise NewsError(f"{name} is {value:g}: it must be > 0 and finite")
    if aggregation not in ("mean", "sum"):
        raise NewsError(f"aggregation is {aggregation!r}: use 'mean' or 'sum'")


def _check_sessions(sessions: pd.DatetimeIndex, calendar: str) -> None:
    """A session too few or too many would let news decay too slowly or too fast."""
    if not sessions.is_monotonic_increasing or sessions.has_duplicates:
        raise NewsError("sessions are not increasing: sort them and keep each once")
    expected = calendar_sessions(calendar, sessions[0], sessions[-1])
    extra, lacking = sessions.difference(expected), expected.difference(sessions)
    if len(extra):
        raise NewsError(f"{extra[0]} is no session of {calendar} ({len(extra)} such): drop it or name the calendar")
    if len(lacking):
        raise NewsError(
            f"sessions lack {lacking[0].date()}, a session of {calendar} ({len(lacking)} such): pass every one "
            "from the first to the last (calendar_sessions)"
        )


def _prior_counts(cells: Cells, prior_count: float | Literal["fit"]) -> FloatArray:
    return fitted_prior_count(cells) if prior_count == "fit" else np.full(len(cells.count), float(prior_count))


def fitted_prior_count(cells: Cells, default: float = DEFAULT_PRIOR_COUNT) -> FloatArray:
    """Return the prior count for each session (sessions,), fitted on the cells up to that session.

    The credibility of a mean of n headlines is n / (n + k) with k = variance of headlines around the mean of their
    asset and session, over the variance of those means around 0, the neutral score. H. Bühlmann, "Experience rating
    and credibility", ASTIN Bulletin 4, 1967; the variances are the usual unbiased ones of an analysis of variance.
    Expanding, so that later news moves no earlier row; `default` until 30 headlines could disagree. Weights
    matter within a cell only: each cell counts as many headlines as it has.
    """
    covered = cells.count > 0
    mean = np.divide(cells.total, cells.weight, out=np.zeros_like(cells.total), where=covered)
    rows_per_weight = np.divide(cells.count, cells.weight, out=np.zeros_like(cells.total), where=covered)
    squares_within = np.maximum(cells.squares - mean * cells.total, 0.0) * rows_per_weight
    squares_between = cells.count * mean**2
    within, between, rows, groups = (
        np.cumsum(each.sum(axis=1)) for each in (squares_within, squares_between, cells.count, covered)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        noise = within / (rows - groups)
        tone = (between - groups * noise) / rows
        fitted = np.where(tone > 0, noise / tone, MOST)
    return np.where(rows - groups >= FEWEST, np.clip(fitted, LEAST, MOST), default)


@dataclass(frozen=True)
class _DecayedSums:
    """Sums of `Cells` at each close (sessions × assets); NaN before the first news and once it is too old."""

    weight: FloatArray
    total: FloatArray
    squares: FloatArray


def _decayed_sums(cells: Cells, halflife: float, max_age: int) -> _DecayedSums:
    keep = 0.5 ** (1.0 / halflife)
    too_old = _sessions_since(cells.count > 0) >= max_age

    def decayed(fresh: FloatArray) -> FloatArray:
        sums, state = np.empty_like(fresh), np.zeros(fresh.shape[1])
        for session, news in enumerate(fresh):
            state = keep * state + news
            sums[session] = state
        sums[too_old] = np.nan
        return sums

    return _DecayedSums(weight=decayed(cells.weight), total=decayed(cells.total), squares=decayed(cells.squares))


def _level(sums: _DecayedSums, prior_count: FloatArray, aggregation: Aggregation) -> FloatArray:
    against = sums.weight if aggregation == "mean" else np.abs(sums.total)
    return np.asarray(sums.total / (prior_count[:, None] + against))


def _sessions_since(news: NDArray[np.bool_]) -> FloatArray:
    """Sessions since the last True in each column, infinite before the first."""
    position = np.arange(len(news), dtype=np.float64)[:, None]
    return np.asarray(position - np.maximum.accumulate(np.where(news, position, -np.inf), axis=0))
