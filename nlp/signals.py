"""Scored headlines -> one signal per session and asset."""

import logging

import numpy as np
import pandas as pd

from nlp.errors import NewsError
from nlp.sessions import assign_session, calendar_sessions
from nlp.tables import need_columns

log = logging.getLogger(__name__)


def daily_signal(
    scored: pd.DataFrame,
    sessions: pd.DatetimeIndex,
    *,
    halflife: float = 3.0,
    prior_strength: float = 2.0,
    silence: int = 20,
    calendar: str = "XNYS",
) -> pd.DataFrame:
    """Return the signal (sessions × assets) in [-1, 1]: row t is what the news until the close of t says.

    scored: rows with published (UTC), asset, score in [-1, 1], and optionally time_known. Each row counts
    from its session (`assign_session`) on; the signal is sum(decay × score) / (prior_strength + sum(decay)),
    a mean shrunk towards 0 as if `prior_strength` neutral headlines had been read, where decay halves every
    `halflife` sessions. NaN before an asset's first news and from `silence` sessions after its last on.
    sessions: the rows wanted, every session of `calendar` from the first to the last. News of earlier sessions
    is dropped, as is news known only after the last; both are counted in the log.

    Raises:
        NewsError: a column is missing, an asset is no text, a score is outside [-1, 1], sessions are not those of
            the calendar, or a parameter makes no sense.
    """
    _check(scored, sessions, halflife, prior_strength, silence)
    _check_sessions(sessions, calendar)
    score = _scores(scored)
    session = assign_session(scored["published"], calendar, time_known=scored.get("time_known"))
    row = sessions.get_indexer(session.as_unit(sessions.unit))
    if (row < 0).any():
        log.warning("%d of %d headlines are known only outside the sessions %s to %s and are not used",
                    int((row < 0).sum()), len(row), sessions[0].date(), sessions[-1].date())  # fmt: skip
    assets = pd.Index(sorted(set(scored["asset"])))
    column = assets.get_indexer(scored["asset"])
    inside = row >= 0
    count, total = _sums(row[inside], column[inside], score[inside], (len(sessions), len(assets)))
    values = _decayed_mean(count, total, keep=0.5 ** (1.0 / halflife), prior=prior_strength)
    values[_sessions_since(count > 0) >= silence] = np.nan
    return pd.DataFrame(values, index=sessions.rename("date"), columns=assets)


def _check(
    scored: pd.DataFrame, sessions: pd.DatetimeIndex, halflife: float, prior_strength: float, silence: int
) -> None:
    need_columns(scored, ("published", "asset", "score"), "scored headlines", NewsError)
    for name, value in (("halflife", halflife), ("prior_strength", prior_strength), ("silence", silence)):
        if not value > 0:
            raise NewsError(f"{name} is {value:g}: it must be > 0")
    if scored.empty or not len(sessions):
        raise NewsError(f"no signal from {len(scored)} headlines on {len(sessions)} sessions: both must be > 0")
    unnamed = ~scored["asset"].map(lambda asset: isinstance(asset, str)).to_numpy(dtype=bool)
    if unnamed.any():
        row = int(np.flatnonzero(unnamed)[0])
        raise NewsError(f"row {row + 1}: asset {scored['asset'].iloc[row]!r} is not text: name it or drop the row")


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


def _scores(scored: pd.DataFrame) -> np.ndarray:
    score = pd.to_numeric(scored["score"], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = ~(np.abs(score) <= 1)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise NewsError(
            f"row {row + 1}: score {scored['score'].iloc[row]} lies outside [-1, 1] ({int(wrong.sum())} such rows): "
            "give p(positive) - p(negative), as score_headlines does, or drop the row"
        )
    return score


def _sums(
    row: np.ndarray, column: np.ndarray, score: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Number and sum of scores per cell, added in order of size: the order of rows cannot show."""
    cell = row * shape[1] + column
    order = np.lexsort((score, cell))
    cell, score, size = cell[order], score[order], shape[0] * shape[1]
    count = np.bincount(cell, minlength=size).astype(np.float64).reshape(shape)
    total = np.bincount(cell, weights=score, minlength=size).astype(np.float64)  # integers where there is no news
    return count, total.reshape(shape)


def _decayed_mean(count: np.ndarray, total: np.ndarray, keep: float, prior: float) -> np.ndarray:
    signal = np.empty_like(total)
    weight, evidence = np.zeros(total.shape[1]), np.zeros(total.shape[1])
    for session in range(len(total)):
        weight = keep * weight + count[session]
        evidence = keep * evidence + total[session]
        signal[session] = evidence / (prior + weight)
    return signal


def _sessions_since(news: np.ndarray) -> np.ndarray:
    """Sessions since the last True in each column, infinite before the first."""
    position = np.arange(len(news), dtype=np.float64)[:, None]
    return position - np.maximum.accumulate(np.where(news, position, -np.inf), axis=0)
