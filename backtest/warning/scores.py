"""Forecasts against what came: QLIKE, R² and Diebold-Mariano of volatility; Brier, reliability, rank of chances."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocation.frames import Bars
from allocation.risk.ranges import range_variance
from backtest.statistics.significance import (
    Interval,
    newey_west_error,
    newey_west_lags,
    newey_west_null,
)
from backtest.warning.outcomes import log_returns
from newsfolio.shared.arrays import BoolArray, FloatArray

RATIO = 504  # sessions over which ranges and squared returns are compared
FEWEST = 60
HIGHEST = 50.0  # of an asset's median: a low of 0.01 is a bad tick
BINS = 10


@dataclass(frozen=True)
class Losses:
    """QLIKE of each forecaster (sessions × assets), NaN where one forecast or the target is lacking; R² in logs."""

    by: Mapping[str, FloatArray]
    r2: Mapping[str, float]
    known: BoolArray

    @property
    def n(self) -> int:
        """Cells that all are judged on."""
        return int(self.known.sum())

    def mean(self, name: str) -> float:
        """Mean QLIKE over all cells."""
        return float(self.by[name][self.known].mean()) if self.n else np.nan

    def interval(self, name: str, horizon: int) -> Interval:
        """95 % interval of the mean QLIKE, sessions as clusters."""
        mean, error, critical, _ = self._mean_test(self.by[name], horizon)
        return Interval(mean - critical * error, mean + critical * error)

    def compare(self, name: str, rival: str, horizon: int) -> "Comparison":
        """Diebold and Mariano's test of `name` against `rival`."""
        difference = self.by[rival] - self.by[name]
        mean, error, critical, null = self._mean_test(difference, horizon)
        base = self.mean(rival)
        t = mean / error if error > 0.0 else 0.0
        p = null(t) if error > 0.0 else 1.0
        gain, width = mean / base, critical * error / base
        return Comparison(gain, Interval(gain - width, gain + width), t, p)

    def _mean_test(self, values: FloatArray, horizon: int) -> tuple[float, float, float, Callable[[float], float]]:
        """Mean over cells, its Newey-West error with sessions as clusters, half-width in errors, p-value of t."""
        count = self.known.sum(axis=1)
        rows = count > 0
        sums = np.where(self.known, values, 0.0).sum(axis=1)[rows]
        mean = float(sums.sum() / max(count.sum(), 1))
        series = pd.Series((sums - mean * count[rows]) / max(count[rows].mean(), 1.0) if rows.any() else sums)
        lags = newey_west_lags(len(series), horizon)
        null = newey_west_null(len(series), lags)
        return mean, newey_west_error(series, lags), null.critical_value, null.p_value


@dataclass(frozen=True)
class Comparison:
    """How much lower a forecaster's QLIKE is than its rival's, as a fraction of the rival's; t > 0 where it is lower.

    F. Diebold and R. Mariano, J. Business and Economic Statistics 13, 1995: differences of losses, summed over the
    assets of a session first, so that a session is one cluster, with Newey and West's errors.
    """

    gain: float
    interval: Interval
    t: float
    p: float


def variance_losses(
    forecasts: Mapping[str, pd.DataFrame], bars: Bars, horizon: int, *, squared_returns: bool = False
) -> Losses:
    """Return the QLIKE, y / f - log(y / f) - 1, of volatility forecasts over the next `horizon` sessions.

    y: the mean range variance of these sessions, or their mean squared return. For ranges every forecast is scaled by
    the asset's past ratio of range variance to squared return, so that none wins by its unit. R²: of log y, one less
    squared errors over those of the asset's own mean of 504 sessions; a constant error in logs is taken out of both.
    """
    squares = log_returns(bars.close) ** 2
    ranges = range_variance(bars)
    ranges = ranges.clip(upper=HIGHEST * ranges.rolling(RATIO, min_periods=FEWEST).median())
    squares = squares.where(ranges.notna())
    source = squares if squared_returns else ranges
    mean = source.rolling(RATIO, min_periods=FEWEST).mean()
    scale = 1.0 if squared_returns else mean / squares.rolling(RATIO, min_periods=FEWEST).mean()
    target = source[::-1].rolling(horizon).mean()[::-1].shift(-1)
    target = target.where(target > 1e-3 * source.expanding(FEWEST).median())
    y = target.to_numpy()
    scaled = {name: (scale * volatility**2).to_numpy() for name, volatility in forecasts.items()}
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = {name: y / forecast for name, forecast in scaled.items()}
        losses = {name: ratio - np.log(ratio) - 1.0 for name, ratio in ratios.items()}
        known = np.logical_and.reduce([np.isfinite(loss) for loss in losses.values()])
        errors = {name: np.log(ratio[known]) for name, ratio in ratios.items()}
        usual = np.log((target / mean).to_numpy()[known])
    r2 = {name: 1.0 - error.var() / usual.var() if known.any() else np.nan for name, error in errors.items()}
    return Losses(losses, r2, known)


@dataclass(frozen=True)
class ProbabilityFigures:
    """How good probabilities were: Brier score and its skill over the base rate, reliability, ranking.

    ece: expected calibration error over ten groups of as many cells each. auroc: probability that a cell that the event
    followed had the higher probability. bins: mean probability, observed share and cells of each group.
    """

    n: int
    base_rate: float
    brier: float
    brier_skill: float
    ece: float
    auroc: float
    average_precision: float
    bins: tuple[tuple[float, float, int], ...]

    def to_dict(self) -> dict[str, object]:
        """Figures by name."""
        plain = {name: value for name, value in vars(self).items() if name != "bins"}
        return plain | {"reliability": [list(each) for each in self.bins]}


def judge_probabilities(probability: FloatArray, came: FloatArray, known: BoolArray) -> ProbabilityFigures:
    """Compare probabilities with outcomes (all sessions × assets), on the cells that are `known`."""
    from sklearn.metrics import average_precision_score, roc_auc_score  # slow to load

    known = known & np.isfinite(probability) & np.isfinite(came)
    p, y = probability[known], came[known]
    if not len(y) or y.min() == y.max():
        nan = np.nan
        return ProbabilityFigures(len(y), float(y.mean()) if len(y) else nan, nan, nan, nan, nan, nan, ())
    base, brier = float(y.mean()), float(np.mean((p - y) ** 2))
    groups = np.array_split(np.argsort(p, kind="stable"), BINS)
    bins = tuple((float(p[rows].mean()), float(y[rows].mean()), len(rows)) for rows in groups if len(rows))
    return ProbabilityFigures(
        n=len(y),
        base_rate=base,
        brier=brier,
        brier_skill=1.0 - brier / (base * (1.0 - base)),
        ece=sum(abs(mean - share) * size for mean, share, size in bins) / len(y),
        auroc=float(roc_auc_score(y, p)),
        average_precision=float(average_precision_score(y, p)),
        bins=bins,
    )
