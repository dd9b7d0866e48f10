"""How volatile each asset will be over the next sessions: a heterogeneous autoregression on daily price ranges.

A day's range says far more about its variance than its return does, so a forecast learns in weeks what squared returns
show in a year. Sessions are computed in blocks, and a block that is over is never computed again: in a walk that shows
the bars one session after another, each call costs the sessions that are new.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from allocation.errors import RiskError
from allocation.frames import Bars
from allocation.risk.ranges import Marks, RangeEstimator, marks_of, missing_marks, variance_rows
from newsfolio.shared.arrays import FloatArray

log = logging.getLogger(__name__)

WEEK, MONTH = 5, 22  # sessions
LAGS = (1, WEEK, MONTH, 66)  # a session, a week, a month, a quarter
MARKET_LAGS = (1, WEEK, MONTH)
LEVERAGE_LAGS = (1, WEEK)
FEWEST = 60  # sessions before an asset has a level, and rows before the model is fitted at all
LOWEST, HIGHEST = 1e-2, 50.0  # of an asset's median: a halted day or a bad tick counts as no less and no more
RIDGE = 0.01  # keeps coefficients of nearly collinear lags small
STEPS = 8  # of Newton, from the log fit on: four or five are enough
MOST_ROWS = 100_000  # of a fit: horizons overlap, so that of a large panel every second to fifth session tells as much


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

    Values below a hundredth of an asset's median (halts) and above fifty times it (bad ticks) count as these; the
    median is that of the `level` sessions before the last refit, or of those that there are.

    Raises:
        RiskError: a setting with which there is nothing to fit.
    """

    horizon: int = 5
    window: int = 1000
    refit: int = 21
    level: int = 504
    estimator: RangeEstimator = "garman-klass"
    _last: list["_History"] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """A fit needs some sessions whose horizon is over."""
        if not (self.horizon >= 1 and self.refit >= 1 and self.level >= FEWEST and self.window >= FEWEST):
            raise RiskError(f"{self} fits nothing: horizon and refit must be >= 1, window and level >= {FEWEST}")

    def __call__(self, bars: Bars) -> pd.Series:
        """Return the volatility per session of each asset, as expected at the last close of `bars`."""
        return pd.Series(self._blocks(bars)[-1].forecast[-1], index=bars.close.columns, name=bars.close.index[-1])

    def path(self, bars: Bars) -> pd.DataFrame:
        """Return the forecast of every session (sessions × assets), each made from rows up to it alone.

        A cell is NaN until its asset has some 65 sessions (150 for the first assets), where it has no price, and where
        its price hardly ever moves. Coefficients change at fixed rows, counted from the first: rows that are added
        later change none before them.
        """
        rows = np.concatenate([block.forecast for block in self._blocks(bars)])
        return pd.DataFrame(rows, index=bars.close.index, columns=bars.close.columns)

    def surprise(self, bars: Bars) -> FloatArray:
        """Return the mean range variance of the next `horizon` sessions over the variance forecast, by row and asset.

        Both in units of the asset's ranges. It is no forecast: row t is known at the close of t + horizon; NaN where
        that has not come.
        """
        blocks = self._blocks(bars)
        values, level, to_close, forecast = (
            np.concatenate([getattr(block, name) for block in blocks])
            for name in ("values", "level", "to_close", "forecast")
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(_next_mean(values, self.horizon) / level * to_close / forecast**2)

    def _blocks(self, bars: Bars) -> "list[_Block]":
        """All blocks of these bars; those that were computed before, of the very same rows, are not computed again."""
        marks, labels = marks_of(bars), (bars.close.index, bars.close.columns)
        history = self._last[0] if self._last else None
        if history is None or not history.continues(marks, *labels):
            for note in missing_marks(bars):
                log.warning(note)
            history = _History(self, *labels)
            self._last[:] = [history]
        blocks = history.complete(marks, bars.close.index)
        done, n = len(blocks) * self.refit, len(bars.close)
        return [*blocks, history.block(marks, done, n)] if done < n else list(blocks)


@dataclass(frozen=True)
class _Block:
    """What was computed of some sessions in a row (sessions × assets; features × k)."""

    raw: FloatArray
    values: FloatArray
    squares: FloatArray
    fall: FloatArray
    level: FloatArray
    to_close: FloatArray
    features: FloatArray
    forecast: FloatArray


class _History:
    """The blocks of `refit` sessions that are over, and the very prices that they were made of."""

    def __init__(self, model: HarVolatility, sessions: pd.Index, assets: pd.Index) -> None:
        self._model, self._sessions, self._assets = model, sessions[:0], assets
        self._seen: tuple[NDArray[np.int64] | None, ...] = ()
        self._blocks: list[_Block] = []
        self._fitted: tuple[int, FloatArray] | None = (
            None  # the first row that is forecast with it, and the coefficients
        )

    def continues(self, marks: Marks, sessions: pd.Index, assets: pd.Index) -> bool:
        """Whether these bars begin with the rows of the blocks, to the last bit."""
        done = len(self._sessions)
        if done > len(sessions) or not (self._assets.equals(assets) and self._sessions.equals(sessions[:done])):
            return False
        return not done or all(
            (one is None and other is None)
            or (one is not None and other is not None and np.array_equal(one, _bits(other[:done])))
            for one, other in zip(self._seen, marks, strict=True)
        )

    def complete(self, marks: Marks, sessions: pd.Index) -> list[_Block]:
        """All blocks that are over."""
        refit = self._model.refit
        done = len(sessions) // refit * refit
        if done > len(self._sessions):
            for start in range(len(self._sessions), done, refit):
                self._blocks.append(self.block(marks, start, start + refit))
            self._sessions = sessions[:done].copy()
            self._seen = tuple(None if each is None else _bits(each[:done]).copy() for each in marks)
        return self._blocks

    def block(self, marks: Marks, start: int, end: int) -> _Block:
        """The sessions from `start` to before `end`, from the blocks before and their own prices."""
        model, n, first = self._model, end - start, max(start - 1, 0)
        rows: Marks = tuple(None if each is None else each[first:end] for each in marks)  # type: ignore[assignment]
        raw = variance_rows(rows, model.estimator)[-n:]
        logs = np.log(rows[0])
        returns = np.vstack([np.full((1, logs.shape[1]), np.nan), np.diff(logs, axis=0)])[-n:]
        # The median of each asset's variances before these rows; of all up to each row while these are few.
        recent = self._past("raw", model.level, raw)
        before = pd.DataFrame(recent[: len(recent) - n])
        usual = np.tile(before.median().where(before.count() >= FEWEST).to_numpy(dtype=np.float64), (n, 1))
        short = np.isnan(usual[0])
        if short.any():
            usual[:, short] = pd.DataFrame(recent[:, short]).expanding(min_periods=WEEK).median().to_numpy()[-n:]
        values = np.clip(raw, LOWEST * usual, HIGHEST * usual)
        squares = np.where(np.isfinite(values), returns**2, np.nan)
        stacked = self._past("values", model.level, values)
        level = _means(stacked, n, model.level, FEWEST)
        with np.errstate(divide="ignore", invalid="ignore"):
            own = [np.log(_means(stacked, n, lag) / level) for lag in LAGS]
            fall = np.minimum(returns / np.sqrt(_means(stacked, n, MONTH)), 0.0)
        falls = self._past("fall", max(LEVERAGE_LAGS), fall)
        sides = (falls, _across_assets(falls))
        leverage = [_means(side, n, lag) for side in sides for lag in LEVERAGE_LAGS]
        market = [_across_assets(own[LAGS.index(lag)]) for lag in MARKET_LAGS]
        features = np.stack([np.ones_like(values), *own, *leverage[:2], *market, *leverage[2:]], axis=-1)
        to_close = _means(self._past("squares", model.level, squares), n, model.level, FEWEST)
        with np.errstate(invalid="ignore"):  # level × (squared returns / range variances)
            variance = np.exp((features * self._coefficients(start)).sum(axis=-1)) * to_close
            forecast = np.sqrt(np.where((variance > 0.0) & np.isfinite(variance), variance, np.nan))
        return _Block(raw, values, squares, fall, level, to_close, features, forecast)

    def _past(self, name: str, rows: int, own: FloatArray) -> FloatArray:
        """The last `rows` rows of the blocks before, then `own`."""
        recent = self._blocks[-(-rows // self._model.refit) * -1 :] if rows else []
        past: Sequence[FloatArray] = [getattr(block, name) for block in recent]
        return np.concatenate([*past, own])[-(rows + len(own)) :]

    def _coefficients(self, start: int) -> FloatArray:
        if self._fitted is None or self._fitted[0] != start:
            self._fitted = start, self._fit(start)
        return self._fitted[1]

    def _fit(self, start: int) -> FloatArray:
        """Coefficients of horizons that are over before the row `start`; NaN with too few rows."""
        model = self._model
        rows = min(model.window, start - FEWEST)
        if start < 2 * FEWEST + model.horizon or rows <= model.horizon:
            return np.full(1 + len(LAGS) + len(MARKET_LAGS) + 2 * len(LEVERAGE_LAGS), np.nan)
        first = self._blocks[0]
        values, level = (self._past(name, rows, first.raw[:0]) for name in ("values", "level"))
        with np.errstate(divide="ignore", invalid="ignore"):
            target = (_next_mean(values, model.horizon) / level)[: -model.horizon]
        features = self._past("features", rows, first.features[:0])[: -model.horizon]
        stride = max(1, min(model.horizon, target.size // MOST_ROWS))
        return _fit_qlike(features[::-stride], target[::-stride])


def _bits(values: FloatArray) -> NDArray[np.int64]:
    """Numbers as whole numbers, of which a NaN equals itself."""
    return np.ascontiguousarray(values).view(np.int64)


def _fit_qlike(features: FloatArray, target: FloatArray) -> FloatArray:
    """Return the coefficients b that minimise QLIKE of exp(x b), all but the constant shrunk; NaN with too few rows.

    The loss, mean(y exp(-x b) + x b) + ridge |b|² / 2, is convex: Newton's steps from least squares in logs, halved
    while they do not lower it.
    """
    x, y = features.reshape(-1, features.shape[-1]), target.reshape(-1)
    complete = np.isfinite(x).all(axis=1) & np.isfinite(y) & (y > 0.0)
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
        if np.abs(gradient).max() < 1e-10:
            break
        hessian = (x.T * ratio) @ x / len(y) + np.diag(ridge)
        step, size = np.linalg.solve(hessian, gradient), 1.0
        while loss(b - size * step) > loss(b) and size > 1e-3:
            size /= 2.0
        b = b - size * np.asarray(step, dtype=np.float64)
    return b


def _means(rows: FloatArray, n: int, window: int, fewest: int | None = None) -> FloatArray:
    """Of each of the last `n` rows the mean of `window` rows up to it, of which four fifths (or `fewest`) are known.

    Rows are added one after the other, oldest first, so that a mean has the same bits however many are asked for.
    """
    needed = max(1, int(0.8 * window)) if fewest is None else fewest
    lacking = window - 1 + n - len(rows)
    if lacking > 0:
        rows = np.concatenate([np.full((lacking, rows.shape[1]), np.nan), rows])
    rows = rows[len(rows) - (window - 1 + n) :]
    known = np.isfinite(rows)
    filled = np.where(known, rows, 0.0)
    total = np.zeros((n, rows.shape[1]))
    for back in range(window):
        total += filled[back : back + n]
    counted = np.vstack([np.zeros((1, rows.shape[1]), dtype=np.int64), known.cumsum(axis=0)])
    count = counted[window:] - counted[:n]
    return np.where(count >= min(needed, window), total / np.maximum(count, 1), np.nan)


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
