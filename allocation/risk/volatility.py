"""How volatile each asset will be over the next sessions: a heterogeneous autoregression on daily price ranges.

A day's range says far more about its variance than its return does: Garman and Klass's estimate has a seventh of the
noise of a squared return, so a forecast learns in weeks what squared returns show in a year.
"""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from allocation.errors import RiskError
from newsfolio.shared.arrays import FloatArray

if TYPE_CHECKING:
    from allocation.data.bars import Bars

log = logging.getLogger(__name__)

RangeEstimator = Literal["garman-klass", "rogers-satchell", "parkinson"]

MONTH = 22  # sessions
LAGS = (1, 5, MONTH, 66)  # a session, a week, a month, a quarter
MARKET_LAGS = (1, 5, MONTH)
LEVERAGE_LAGS = (1, 5)
FEWEST = 60  # sessions before an asset has a level, and before the model is fitted at all
LOWEST, HIGHEST = 1e-2, 50.0  # of an asset's median: a halted day or a bad tick counts as no less and no more
RIDGE = 0.01  # keeps coefficients of nearly collinear lags small
STEPS = 8  # of Newton, from the log fit on: four or five are enough


def range_variance(bars: "Bars", estimator: RangeEstimator = "garman-klass") -> pd.DataFrame:
    """Return an estimate of the variance of each session's log return, close to close (sessions × assets).

    It is the squared overnight gap, from the close before to the open, plus an estimate of the variance from open to
    close: with o, h, l, c the logs of the session's open, high, low and close,

        garman-klass     (h - l)² / 2 - (2 ln 2 - 1) (c - o)²       M. Garman and M. Klass, J. Business 53, 1980
        rogers-satchell  (h - c)(h - o) + (l - c)(l - o)            L. Rogers and S. Satchell, Ann. Appl. Prob. 1, 1991
        parkinson        (h - l)² / (4 ln 2)                        M. Parkinson, J. Business 53, 1980

    The gap is added as D. Yang and Q. Zhang do (J. Business 73, 2000). Where only closes are known, as for a whole file
    without highs and lows or for one session, the squared log return takes its place, which is said. Row t is known at
    the close of t. NaN where the session or the one before it has no close.

    Raises:
        RiskError: the estimator is unknown.
    """
    close = _logs(bars.close)
    squared_return = (close - close.shift(1)) ** 2
    if bars.open is None or bars.high is None or bars.low is None:
        log.warning("no highs and lows are known: volatility is estimated from closes, with far more noise")
        return squared_return
    opened = _logs(bars.open)
    high = _logs(bars.high).clip(lower=np.maximum(opened, close))  # a vendor's high lies at times below the close
    low = _logs(bars.low).clip(upper=np.minimum(opened, close))
    if estimator == "garman-klass":
        session = 0.5 * (high - low) ** 2 - (2.0 * np.log(2.0) - 1.0) * (close - opened) ** 2
    elif estimator == "rogers-satchell":
        session = (high - close) * (high - opened) + (low - close) * (low - opened)
    elif estimator == "parkinson":
        session = (high - low) ** 2 / (4.0 * np.log(2.0))
    else:
        raise RiskError(f"estimator {estimator!r} is not known: use garman-klass, rogers-satchell or parkinson")
    variance = (opened - close.shift(1)) ** 2 + session
    return pd.DataFrame(variance.where(variance.notna(), squared_return))


@dataclass(frozen=True)
class HarVolatility:
    """The volatility to expect over the next `horizon` sessions, from ranges of the past session, week, month, quarter.

    The log variance of an asset, relative to its own level, is linear in the logs of its mean range variances over 1,
    5, 22 and 66 sessions; in its falls over 1 and 5 sessions (negative returns over the past month's volatility: the
    leverage effect); and in the same of the market, the mean of all assets. One set of coefficients serves all assets
    (a centred panel: T. Bollerslev et al., "Risk everywhere", Review of Financial Studies 31, 2018; the lags are those
    of F. Corsi, J. Financial Econometrics 7, 2009). They minimise QLIKE, y / f - log(y / f) - 1, with a little
    shrinkage, on the last `window` sessions, anew every `refit` sessions. The level is the asset's mean range variance
    over `level` sessions. As ranges miss what happens between trades, a forecast is scaled by the asset's own ratio of
    squared returns to range variances over those sessions: it is the volatility of close-to-close returns.

    Values below a hundredth of an asset's median (halts) and above fifty times it (bad ticks) count as these.

    Raises:
        RiskError: a setting with which there is nothing to fit.
    """

    horizon: int = 5
    window: int = 1000
    refit: int = 21
    level: int = 504
    estimator: RangeEstimator = "garman-klass"

    def __post_init__(self) -> None:
        """A fit needs some sessions whose horizon is over."""
        if not (self.horizon >= 1 and self.refit >= 1 and self.level >= FEWEST and self.window >= FEWEST):
            raise RiskError(f"{self} fits nothing: horizon and refit must be >= 1, window and level >= {FEWEST}")

    def __call__(self, bars: "Bars") -> pd.Series:
        """Return the volatility per session of each asset, as expected at the last close of `bars`."""
        return self.path(bars).iloc[-1]

    def path(self, bars: "Bars") -> pd.DataFrame:
        """Return the forecast of every session (sessions × assets), each made from rows up to it alone.

        A cell is NaN until its asset has some 110 sessions (150 for the first assets), and where it has no price.
        Coefficients change at fixed rows, counted from the first: rows that are added later change none before them.
        """
        variance = range_variance(bars, self.estimator)
        logs = _logs(bars.close)
        returns = (logs - logs.shift(1)).to_numpy()
        raw = variance.to_numpy()
        usual = variance.rolling(self.level, min_periods=FEWEST).median().to_numpy()
        values = np.clip(raw, LOWEST * usual, HIGHEST * usual)
        level = _rolling_mean(values, self.level, FEWEST)
        features = _features(values, returns, level)
        target = _next_mean(values, self.horizon) / level
        first = 2 * FEWEST + self.horizon
        forecast = np.full(values.shape, np.nan)
        for start in range(first, len(values), self.refit):
            known = slice(max(FEWEST, start - self.window), start - self.horizon + 1)  # horizons that are over at start
            coefficients = _fit_qlike(features[known], target[known])
            rows = slice(start, start + self.refit)
            forecast[rows] = np.exp(features[rows] @ coefficients)
        squares = np.where(np.isfinite(values), returns**2, np.nan)
        to_close = _rolling_mean(squares, self.level, FEWEST)  # level × (squared returns / range variances)
        return pd.DataFrame(np.sqrt(forecast * to_close), index=variance.index, columns=variance.columns)


def _logs(prices: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(np.log(prices.to_numpy()), prices.index, prices.columns)


def _features(values: FloatArray, returns: FloatArray, level: FloatArray) -> FloatArray:
    """Constant, logs of mean relative variances and falls, each own and the market's (sessions × assets × k)."""
    own = [np.log(_rolling_mean(values, lag) / level) for lag in LAGS]
    fall = np.minimum(returns / np.sqrt(_rolling_mean(values, MONTH)), 0.0)
    market = [_across_assets(own[LAGS.index(lag)]) for lag in MARKET_LAGS]
    falls = [_rolling_mean(each, lag) for each in (fall, _across_assets(fall)) for lag in LEVERAGE_LAGS]
    return np.stack([np.ones_like(values), *own, *falls[:2], *market, *falls[2:]], axis=-1)


def _fit_qlike(features: FloatArray, target: FloatArray) -> FloatArray:
    """Return the coefficients b that minimise QLIKE of exp(x b), all but the constant shrunk; NaN with too few rows.

    The loss, mean(y exp(-x b) + x b) + ridge |b|² / 2, is convex: Newton's steps from least squares in logs, halved
    while they do not lower it.
    """
    x, y = features.reshape(-1, features.shape[-1]), target.reshape(-1)
    complete = np.isfinite(x).all(axis=1) & np.isfinite(y)
    x, y = x[complete], y[complete]
    if len(y) < FEWEST:
        return np.full(features.shape[-1], np.nan)
    ridge = np.full(x.shape[1], RIDGE)
    ridge[0] = 1e-9  # the constant is free; one asset is its own market, so its columns are collinear

    def loss(b: FloatArray) -> float:
        fitted = x @ b
        return float(np.mean(y * np.exp(-fitted) + fitted) + 0.5 * ridge @ b**2)

    b = np.asarray(np.linalg.solve(x.T @ x / len(y) + np.diag(ridge), x.T @ np.log(y) / len(y)), dtype=np.float64)
    for _ in range(STEPS):
        ratio = y * np.exp(-(x @ b))
        gradient = x.T @ (1.0 - ratio) / len(y) + ridge * b
        hessian = (x.T * ratio) @ x / len(y) + np.diag(ridge)
        step, size = np.linalg.solve(hessian, gradient), 1.0
        while loss(b - size * step) > loss(b) and size > 1e-3:
            size /= 2.0
        b = b - size * np.asarray(step, dtype=np.float64)
    return b


def _rolling_mean(values: FloatArray, window: int, fewest: int | None = None) -> FloatArray:
    """Mean over the last `window` rows, of which four fifths (or `fewest`) are known."""
    needed = max(1, int(0.8 * window)) if fewest is None else fewest
    return pd.DataFrame(values).rolling(window, min_periods=min(needed, window)).mean().to_numpy()


def _next_mean(values: FloatArray, horizon: int) -> FloatArray:
    """Row t: the mean of rows t+1 ... t+horizon, NaN where one is not known."""
    ahead = np.full(values.shape, np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(values[1:], horizon, axis=0)
    ahead[: len(windows)] = windows.mean(axis=-1)
    return ahead


def _across_assets(values: FloatArray) -> FloatArray:
    """The mean of each row's known values, in every column."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        means = np.where(known, values, 0.0).sum(axis=1) / known.sum(axis=1)
    return np.repeat(means[:, None], values.shape[1], axis=1)
