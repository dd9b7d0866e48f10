"""Stand-ins for a signal that cannot have its skill: of other assets, of another time, or long known."""

import numpy as np

from newsfolio.shared.arrays import FloatArray

STALE = 21  # sessions by which the lagged one is late: a month


def across_assets(signal: FloatArray, random: np.random.Generator) -> FloatArray:
    """Give each asset the whole history of another: what persists in a signal persists, but for the wrong name."""
    return np.take(signal, random.permutation(signal.shape[1]), axis=1)  # rows stay side by side in memory


def in_time(signal: FloatArray, random: np.random.Generator) -> FloatArray:
    """Move the history by a random number of sessions, its end to the beginning: right name, wrong time.

    At least `STALE` sessions in either direction, or a third of the history where it is short.
    """
    sessions = len(signal)
    least = min(STALE, max(sessions // 3, 1))
    return np.roll(signal, int(random.integers(least, max(sessions - least, least) + 1)), axis=0)


def stale(signal: FloatArray, sessions: int = STALE) -> FloatArray:
    """The signal as it was a month earlier; nothing in the first sessions."""
    late = np.full_like(signal, np.nan)
    late[sessions:] = signal[:-sessions]
    return late
