"""What news adds to a volatility forecast: little, and nothing where the past does not show it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from allocation.errors import RiskError
from allocation.frames import Bars, frame_digest, named
from allocation.risk.volatility import FEWEST, HarVolatility
from newsfolio.shared.arrays import BoolArray, FloatArray

LEAST_T = 2.0  # below, a coefficient is 0
FEWEST_SESSIONS = 250  # with news, before a coefficient is looked at
MOST = 4.0  # standard deviations: a feature further out counts as this
STEPS = 8


@dataclass(frozen=True)
class NewsVolatility:
    """The forecast of `base`, times the exponential of half a sum over news features known at the close.

    log variance = that of base + sum of coefficient × (feature - mean) / standard deviation, one set of coefficients
    for all assets. They minimise QLIKE on the last `window` sessions whose horizon is over, anew every `base.refit`
    sessions, each drawn to 0 as by a normal prior of standard deviation `prior_sd`. A session counts as one
    observation however many assets it has, and horizons that overlap as what they share. A coefficient whose |t|
    (clustered by session, Newey and West) is below 2 is 0; where all are, the forecast is that of base to the last bit.

    features: name -> frame (sessions × assets), row t of what is known at the close of t; NaN where nothing is known,
    which adds nothing. Only rows up to the last bar are read.

    Raises:
        RiskError: prior_sd is not above 0.
    """

    base: HarVolatility = field(default_factory=HarVolatility)
    features: Mapping[str, pd.DataFrame] = field(default_factory=dict, repr=False)
    prior_sd: float = 0.1

    def __post_init__(self) -> None:
        """A prior without width lets nothing in."""
        if not self.prior_sd > 0.0:
            raise RiskError(f"prior_sd is {self.prior_sd}: give the size that a coefficient may have, such as 0.1")

    def __call__(self, bars: Bars) -> pd.Series:
        """Return the volatility per session of each asset, as expected at the last close of `bars`."""
        row: pd.Series = self.path(bars).iloc[-1]
        return row

    def path(self, bars: Bars) -> pd.DataFrame:
        """Return the forecast of every session (sessions × assets), each made from rows up to it alone."""
        base = self.base.path(bars)
        added = self.contributions(bars)
        return base * np.exp(0.5 * sum(added.values())) if added else base

    def contributions(self, bars: Bars) -> dict[str, pd.DataFrame]:
        """Return what each feature adds to the log variance (sessions × assets), 0 where it adds nothing."""
        fitted = self._fits(bars)
        index, columns = bars.close.index, bars.close.columns
        found = {name: np.zeros(bars.close.shape) for name in self.features}
        for start, end, coefficients, standard in fitted:
            for place, name in enumerate(self.features):
                if coefficients[place] != 0.0:
                    found[name][start:end] = coefficients[place] * standard[..., place]
        return {name: pd.DataFrame(values, index, columns) for name, values in found.items() if values.any()}

    def coefficients(self, bars: Bars) -> pd.DataFrame:
        """Return the coefficients by the session from which on they are used (refits × features)."""
        rows = {bars.close.index[start]: coefficients for start, _, coefficients, _ in self._fits(bars)}
        return pd.DataFrame.from_dict(rows, orient="index", columns=list(self.features))

    def inputs_digest(self, now: pd.Timestamp) -> str:
        """Return a digest of the features as known at the close of `now`."""
        return "".join(name + frame_digest(frame.loc[:now]) for name, frame in sorted(self.features.items()))

    def _fits(self, bars: Bars) -> list[tuple[int, int, FloatArray, FloatArray]]:
        """First row, row after the last, coefficients, and the features of these rows in units of their spread."""
        if not self.features:
            return []
        matched, close = [], bars.close
        for name, frame in self.features.items():
            known = frame.loc[: close.index[-1]]
            unmatched = known.loc[close.index[0] :].index.difference(close.index)
            if len(unmatched):
                days = named(day.date() for day in pd.DatetimeIndex(unmatched))
                raise RiskError(f"feature {name} has rows on {days} where prices have none: use one calendar for both")
            matched.append(known.reindex(index=close.index, columns=close.columns).to_numpy(dtype=np.float64))
        values = np.stack(matched, axis=-1)
        ratio = self.base.surprise(bars)
        found, model = [], self.base
        for start in range(0, len(values), model.refit):
            end = min(start + model.refit, len(values))
            past = slice(max(0, start - model.window), max(0, start - model.horizon))
            mean, spread = _moments(values[past])
            x = np.clip(np.nan_to_num((values[past] - mean) / spread, nan=0.0), -MOST, MOST)
            coefficients = _shrunk_fit(x, ratio[past], self.prior_sd, model.horizon)
            own = np.clip(np.nan_to_num((values[start:end] - mean) / spread, nan=0.0), -MOST, MOST)
            found.append((start, end, coefficients, own))
        return found


def _moments(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of each feature over sessions and assets; infinite where it does not vary."""
    flat = values.reshape(-1, values.shape[-1])
    known = np.isfinite(flat)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, flat, 0.0).sum(axis=0) / count
    spread = np.sqrt((np.where(known, flat - mean, 0.0) ** 2).sum(axis=0) / count)
    return mean, np.where(spread > 1e-12, spread, np.inf)


def _shrunk_fit(x: FloatArray, ratio: FloatArray, prior_sd: float, horizon: int) -> FloatArray:
    """Return the coefficients that minimise QLIKE of ratio against exp(a + x b), 0 where |t| stays below 2.

    ratio (sessions × assets): variance that came over variance that was forecast. The constant a takes up what the
    forecast missed on average, which is no news, and is left out afterwards.
    """
    chosen = np.flatnonzero(np.abs(x).max(axis=(0, 1), initial=0.0) > 0.0)
    known = np.isfinite(ratio) & (ratio > 0.0)
    coefficients = np.zeros(x.shape[-1])
    if known.any(axis=1).sum() < FEWEST_SESSIONS or known.sum() < FEWEST:
        return coefficients
    while len(chosen):
        b, t = _fit_once(x[..., chosen], ratio, known, prior_sd, horizon)
        weak = np.abs(t) < LEAST_T
        if not weak.any():
            coefficients[chosen] = b
            break
        chosen = np.delete(chosen, np.abs(t).argmin())  # the weakest first: the others may gain by it
    return coefficients


def _fit_once(
    x: FloatArray, ratio: FloatArray, known: BoolArray, prior_sd: float, horizon: int
) -> tuple[FloatArray, FloatArray]:
    """Coefficients without the constant, and their t-values, clustered by session with Newey and West's weights."""
    rows, sessions = np.nonzero(known)[0], int(known.any(axis=1).sum())
    design = np.column_stack([np.ones(len(rows)), x[known]])
    y, n = ratio[known], len(rows)
    independent = sessions / horizon
    ridge = np.r_[1e-9, np.full(x.shape[-1], 1.0 / (prior_sd**2 * independent))]
    b = np.zeros(design.shape[1])
    b[0] = np.log(y.mean())
    hessian = np.eye(len(b))
    for _ in range(STEPS):
        weight = y * np.exp(-(design @ b))
        hessian = (design.T * weight) @ design / n + np.diag(ridge)
        step = np.linalg.solve(hessian, design.T @ (1.0 - weight) / n + ridge * b)
        b = b - np.clip(step, -0.5, 0.5)
        if np.abs(step).max() < 1e-9:
            break
    scores = np.zeros((ratio.shape[0], len(b)))
    np.add.at(scores, rows, design * (y * np.exp(-(design @ b)) - 1.0)[:, None] / n)
    meat, lags = scores.T @ scores, 2 * horizon - 1
    for lag in range(1, lags + 1):
        shared = scores[lag:].T @ scores[:-lag]
        meat += (1.0 - lag / (lags + 1)) * (shared + shared.T)
    inverse = np.linalg.inv(hessian)
    error = np.sqrt(np.maximum(np.diag(inverse @ meat @ inverse), 0.0))
    return b[1:], np.divide(b[1:], error[1:], out=np.zeros(len(b) - 1), where=error[1:] > 0.0)
