"""Alarms at a fixed number per asset and year, and what came of them."""

from collections import deque
from dataclasses import dataclass

import numpy as np
import pandas as pd

from backtest.statistics.significance import Interval, stationary_bootstrap
from newsfolio.shared.arrays import BoolArray, FloatArray

YEAR = 252
MEMORY = 504  # sessions of past probabilities that set the threshold
FEWEST = 126
REFIT = 63
DRAWS = 1000
HALVINGS = 12
AIM = 0.5  # of the most alarms: closer to them, the first mild unrest of a year would use up what a crisis needs
MISSES_MATTER = 0.9  # Sarlin's mu: how much a missed event weighs against a false alarm


def alarms_at(probability: pd.DataFrame, per_year: float, rest: int) -> pd.DataFrame:
    """Return where an alarm is raised (sessions × assets): probability above a threshold, at most `per_year` an asset.

    The threshold is the one that would have raised half as many in the 504 sessions before, set anew every 63 sessions,
    so row t is known at the close of t. After an alarm an asset rests for `rest` sessions, and it is raised at most
    `per_year` times in 252 sessions: where the world gets riskier than it was, a threshold of before would be passed
    all the time, and who is warned daily stops listening.
    """
    values = np.where(np.isfinite(probability.to_numpy()), probability.to_numpy(), -np.inf)
    raised, rule = np.zeros(values.shape, dtype=np.bool_), _Restraint(per_year, rest, values.shape[1])
    for start in range(FEWEST, len(values), REFIT):
        past = values[max(0, start - MEMORY) : start]
        known = past[np.isfinite(past)]
        enough = len(known) >= FEWEST
        wanted, low, high = AIM * per_year * len(known) / YEAR, 0.0, 1.0  # low and high: shares of what is known
        for _ in range(HALVINGS if enough else 0):
            middle = 0.5 * (low + high)
            above, tried = past > np.quantile(known, middle), _Restraint(per_year, rest, past.shape[1])
            count = sum(int(tried.allowed(row).sum()) for row in above)
            low, high = (low, middle) if count <= wanted else (middle, high)
        threshold = np.quantile(known, high) if enough else np.inf
        for row in range(start, min(start + REFIT, len(values))):
            raised[row] = rule.allowed(values[row] > threshold)
    return pd.DataFrame(raised, probability.index, probability.columns)


class _Restraint:
    """Who may be warned of now: not those that rest after an alarm, nor those that had all their alarms of a year."""

    def __init__(self, per_year: float, rest: int, n_assets: int) -> None:
        self._per_year, self._rest = per_year, rest
        self._resting, self._spent = np.zeros((2, n_assets), dtype=np.int64)
        self._past: deque[BoolArray] = deque()

    def allowed(self, above: BoolArray) -> BoolArray:
        """Those of `above` whose alarm is raised; to be asked once for each session, in order."""
        self._resting = np.maximum(self._resting - 1, 0)
        if len(self._past) == YEAR:
            self._spent = self._spent - self._past.popleft()
        now: BoolArray = above & (self._resting == 0) & (self._spent < self._per_year)
        self._past.append(now)
        self._spent = self._spent + now
        self._resting[now] = self._rest + 1
        return now


@dataclass(frozen=True)
class AlarmFigures:
    """How good alarms were, on the cells where outcome and probability are known.

    precision: share of alarms that the event followed; base_rate: share of all cells that it followed; recall: share of
    events with an alarm in the `horizon` sessions before (an event counts once per horizon); lead_sessions: mean
    sessions from a true alarm to the event; usefulness: Sarlin's, relative to the best of never and always warning, for
    somebody to whom a miss is nine times as bad as a false alarm (P. Sarlin, "On policymakers' loss functions and the
    evaluation of early warning systems", Economics Letters 119, 2013). Intervals: sessions resampled in blocks.
    """

    per_asset_year: float
    alarms: int
    precision: float
    precision_interval: Interval
    base_rate: float
    lift: float
    lift_interval: Interval
    recall: float
    lead_sessions: float
    lead_interval: Interval
    usefulness: float

    def to_dict(self) -> dict[str, object]:
        """Figures by name, intervals as pairs."""
        return {
            "per_asset_year": self.per_asset_year,
            "count": self.alarms,
            "precision": self.precision,
            "precision_interval": list(self.precision_interval),
            "base_rate": self.base_rate,
            "lift": self.lift,
            "lift_interval": list(self.lift_interval),
            "recall": self.recall,
            "lead_sessions": self.lead_sessions,
            "lead_sessions_interval": list(self.lead_interval),
            "usefulness": self.usefulness,
        }


def judge_alarms(
    raised: BoolArray, came: FloatArray, after: FloatArray, known: BoolArray, horizon: int, seed: int = 0
) -> AlarmFigures:
    """Compare alarms with outcomes (all sessions × assets), on the cells that are `known`."""
    known = known & np.isfinite(came)
    alarm, event = raised & known, (came == 1.0) & known
    hit = alarm & event
    n, count = int(known.sum()), int(alarm.sum())
    sums = np.column_stack([each.sum(axis=1) for each in (hit, alarm, event, known)]).astype(np.float64)
    leads = np.where(hit, after, 0.0).sum(axis=1)
    rows = stationary_bootstrap(len(sums), DRAWS, max(len(sums) ** (1 / 3), 2.0 * horizon), seed)
    drawn = sums[rows].sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        precisions = drawn[:, 0] / drawn[:, 1]
        lifts = precisions / (drawn[:, 2] / drawn[:, 3])
        lead_draws = leads[rows].sum(axis=1) / drawn[:, 0]
    base = float(event.sum() / n) if n else np.nan
    precision = float(hit.sum() / count) if count else np.nan
    return AlarmFigures(
        per_asset_year=count * YEAR / n if n else np.nan,
        alarms=count,
        precision=precision,
        precision_interval=_range(precisions),
        base_rate=base,
        lift=precision / base if base else np.nan,
        lift_interval=_range(lifts),
        recall=_recall(alarm, after, known, horizon),
        lead_sessions=float(leads.sum() / hit.sum()) if hit.any() else np.nan,
        lead_interval=_range(lead_draws),
        usefulness=_usefulness(alarm, event, known),
    )


def _range(draws: FloatArray) -> Interval:
    finite = draws[np.isfinite(draws)]
    if len(finite) < DRAWS // 2:
        return Interval(np.nan, np.nan)
    low, high = np.quantile(finite, [0.025, 0.975])
    return Interval(float(low), float(high))


def _recall(alarm: BoolArray, after: FloatArray, known: BoolArray, horizon: int) -> float:
    """Of events, each the first in `horizon` sessions, the share with an alarm in the `horizon` sessions before."""
    found, warned = 0, 0
    for asset in range(alarm.shape[1]):
        last = -horizon - 1
        rows = np.flatnonzero(known[:, asset] & np.isfinite(after[:, asset]))
        for place in np.unique(rows + after[rows, asset].astype(np.int64)):
            if place - last > horizon:
                found += 1
                warned += bool(alarm[max(place - horizon, 0) : place, asset].any())
            last = int(place)
    return warned / found if found else np.nan


def _usefulness(alarm: BoolArray, event: BoolArray, known: BoolArray) -> float:
    n, mu = known.sum(), MISSES_MATTER
    if not n:
        return np.nan
    missed, false = (event & ~alarm).sum() / n, (alarm & ~event).sum() / n
    share = event.sum() / n
    ignoring = min(mu * share, (1.0 - mu) * (1.0 - share))
    return float((ignoring - mu * missed - (1.0 - mu) * false) / ignoring) if ignoring > 0.0 else np.nan
