"""Placebos: signals that cannot have the skill of the one under study, and the figures they give."""

from collections.abc import Callable

import numpy as np

from backtest.signal_study.measures import StudyData, measure
from newsfolio.shared.arrays import FloatArray

STALE = 21  # sessions by which the lagged signal is late: a month


def across_assets(signal: FloatArray, random: np.random.Generator) -> FloatArray:
    """Give each asset the whole history of another: the signal's persistence is kept, its assets are not."""
    return np.take(signal, random.permutation(signal.shape[1]), axis=1)  # rows stay contiguous in memory


def in_time(signal: FloatArray, random: np.random.Generator) -> FloatArray:
    """Rotate the history by a random number of sessions: the assets are kept, the dates are not.

    At least `STALE` sessions in either direction, or a third of a short history.
    """
    sessions = len(signal)
    least = min(STALE, max(sessions // 3, 1))
    return np.roll(signal, int(random.integers(least, max(sessions - least, least) + 1)), axis=0)


def stale(signal: FloatArray, sessions: int = STALE) -> FloatArray:
    """The signal as it was a month earlier; NaN in the first sessions."""
    late = np.full_like(signal, np.nan)
    late[sessions:] = signal[:-sessions]
    return late


def placebo_columns(signal: FloatArray, data: StudyData, draws: int, seed: int) -> dict[str, FloatArray]:
    """Return the figures of placebos by column: of the stale signal, and the 95 % range of `draws` of each kind."""

    def values(placebo: FloatArray) -> FloatArray:
        return np.array([each.value for each in measure(placebo, data)])

    random = np.random.default_rng(seed)
    columns: dict[str, FloatArray] = {"stale": values(stale(signal))}
    kinds: dict[str, Callable[[FloatArray, np.random.Generator], FloatArray]] = {
        "assets": across_assets,
        "time": in_time,
    }
    for kind, shuffle in kinds.items():
        drawn = np.array([values(shuffle(signal, random)) for _ in range(draws)])
        known = np.isfinite(drawn).all(axis=0)
        low, high = np.full((2, drawn.shape[1]), np.nan)
        low[known], high[known] = np.quantile(drawn[:, known], [0.025, 0.975], axis=0)
        columns |= {f"{kind}_low": low, f"{kind}_high": high}
    return columns
