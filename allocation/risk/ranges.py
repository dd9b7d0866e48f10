"""The variance of a session as its range shows it: a seventh of the noise of a squared return."""

import logging
from typing import Literal

import numpy as np
import pandas as pd

from allocation.errors import RiskError
from allocation.frames import Bars
from newsfolio.shared.arrays import FloatArray

log = logging.getLogger(__name__)

RangeEstimator = Literal["garman-klass", "rogers-satchell", "parkinson"]
ESTIMATORS = ("garman-klass", "rogers-satchell", "parkinson")
ONLY_CLOSES = "no highs and lows are known: volatility is estimated from closes, with far more noise"
NO_OPENS = "no opens are known: the gap overnight is taken to end where the session's range begins"


def range_variance(bars: Bars, estimator: RangeEstimator = "garman-klass") -> pd.DataFrame:
    """Return an estimate of the variance of each session's log return, close to close (sessions × assets).

    It is the squared overnight gap, from the close before to the open, plus an estimate of the variance from open to
    close: with o, h, l, c the logs of the session's open, high, low and close,

        garman-klass     (h - l)² / 2 - (2 ln 2 - 1) (c - o)²       M. Garman and M. Klass, J. Business 53, 1980
        rogers-satchell  (h - c)(h - o) + (l - c)(l - o)            L. Rogers and S. Satchell, Ann. Appl. Prob. 1, 1991
        parkinson        (h - l)² / (4 ln 2)                        M. Parkinson, J. Business 53, 1980

    The gap is added as D. Yang and Q. Zhang do (J. Business 73, 2000). Where only closes are known, as for a whole file
    without highs and lows or for one session, the squared log return takes its place, which is said; without opens the
    session is taken to open at the point of its range that is nearest to the close before, which is said as well. Row t
    is known at the close of t. NaN where the session or the one before it has no close.

    Raises:
        RiskError: the estimator is unknown.
    """
    for note in missing_marks(bars):
        log.warning(note)
    variance = variance_rows(marks_of(bars), estimator)
    return pd.DataFrame(variance, index=bars.close.index, columns=bars.close.columns)


def missing_marks(bars: Bars) -> tuple[str, ...]:
    """What bars lack, and what takes its place."""
    if bars.high is None or bars.low is None:
        return (ONLY_CLOSES,)
    return (NO_OPENS,) if bars.open is None else ()


Marks = tuple[FloatArray, FloatArray | None, FloatArray | None, FloatArray | None]  # close, open, high, low


def marks_of(bars: Bars) -> Marks:
    """Closes, opens, highs and lows as arrays of the closes' rows and columns; the last three None where not known."""
    shape = bars.close
    if bars.high is None or bars.low is None:
        return shape.to_numpy(), None, None, None
    others = (
        None if each is None else each.reindex_like(shape).to_numpy() for each in (bars.open, bars.high, bars.low)
    )
    return shape.to_numpy(), *others  # type: ignore[return-value]


def variance_rows(marks: Marks, estimator: RangeEstimator) -> FloatArray:
    """`range_variance` of arrays; each row depends on itself and on the row before alone."""
    if estimator not in ESTIMATORS:
        raise RiskError(f"estimator {estimator!r} is not known: use garman-klass, rogers-satchell or parkinson")
    close = np.log(marks[0])
    before = np.vstack([np.full((1, close.shape[1]), np.nan), close[:-1]])
    squared_return = (close - before) ** 2
    if marks[2] is None or marks[3] is None:
        return np.asarray(squared_return)
    high, low = np.log(marks[2]), np.log(marks[3])
    opened = np.clip(before, low, high) if marks[1] is None else np.log(marks[1])
    high = np.fmax(high, np.maximum(opened, close))  # a vendor's high lies at times below the close
    low = np.fmin(low, np.minimum(opened, close))
    high, low = (np.where(np.isnan(known), np.nan, each) for known, each in ((marks[2], high), (marks[3], low)))
    if estimator == "garman-klass":
        session = 0.5 * (high - low) ** 2 - (2.0 * np.log(2.0) - 1.0) * (close - opened) ** 2
    elif estimator == "rogers-satchell":
        session = (high - close) * (high - opened) + (low - close) * (low - opened)
    else:
        session = (high - low) ** 2 / (4.0 * np.log(2.0))
    variance = (opened - before) ** 2 + session
    return np.asarray(np.where(np.isnan(variance), squared_return, variance))
