"""Leaks: signs in a signal that it knew something too early, from the response of returns to its innovations.

News moves the price when it becomes known; what is left to predict afterwards is smaller and decays over sessions. The
innovation of an honest signal therefore goes with the return of its own session first and most. A leak puts that
response into a later session (all of it, and little after), into the overnight gap, or into the size of the moves:

early        the innovation goes with the next session's return, less with its own, and little with the two after: the
             response to the news, one session late. A real edge with no response in its own session differs by its
             decay: sessions +2 and +3 together keep `KEPT` of session +1 at a half-life of one session, more at longer
             ones. A real edge of exactly one session with no response in its own is the same data as a leak, and a
             leak smaller than the response of the signal's own session the same as a real edge of one session: the
             first raises the alarm, the second does not. A signal that goes against its own session is a bet on
             reversal, and no leak: news known early has nothing to do with the session before it.
overnight,   most of the next session's response falls between close and open: news of the evening counted to the
timestamps   session before it. `timestamps` where the rest of the news is in its own session, as it should be.
back-fill    innovations are large before large moves: more than after them, at least half as much as with them, and
             with a sharp fall from the first to the second session. Clustering of volatility is symmetric in time,
             reports on past moves raise "after", and the volatility that news leaves behind decays no faster at first
             than later; items dated or added once the move was known break all three. So do previews of announcements
             whose date is known, where they are as many as the news itself: these raise the alarm though honest.

Thresholds are on t-values scaled so that 1.96 is the 95 % critical value at that number of sessions. How often each
alarm is raised, on leaks and on honest signals: benchmarks/README.md (`benchmarks/leaks.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from backtest.signal_study.batched_correlation import SignalRows
from backtest.signal_study.event_study import innovations
from backtest.signal_study.measures import StudyData
from backtest.signal_study.row_correlation import linear_correlation, ranked, row_means
from backtest.statistics.significance import ROUNDING, newey_west_error, newey_west_lags, newey_west_null, student_95
from newsfolio.shared.arrays import FloatArray

CLEAR = 2.5  # t-value of a response that counts as one
LIKELY = 0.75  # t-value of a difference that only has to point one way
MOSTLY = 1.3  # the same where it has to be a majority
CAP = 0.5  # of the root mean square of innovations, from where on all count as news alike
KEPT = 0.75  # share of the response in session +1 that sessions +2 and +3 keep at a half-life of one session


@dataclass(frozen=True)
class MeanTest:
    """A mean per session and its t-value, scaled so that 1.96 is the 95 % critical value; NaN below four sessions."""

    mean: float = float("nan")
    t: float = float("nan")

    @classmethod
    def of(cls, series: FloatArray) -> "MeanTest":
        """Newey-West test of the known values."""
        known = pd.Series(series[np.isfinite(series)])
        n = len(known)
        if n < 4:
            return cls()
        lags = newey_west_lags(n)
        mean, error = float(known.mean()), newey_west_error(known, lags)
        if not error > ROUNDING * abs(mean):
            return cls(mean)
        return cls(mean, mean / error * student_95() / newey_west_null(n, lags).critical_value)


NOTHING = MeanTest()


@dataclass(frozen=True)
class Response:
    """How returns respond to a signal's innovations: mean ICs, of the innovation with the return's rank, and
    portfolio returns in units of an asset's mean move.

    same, following, later: IC with the return of the signal's own session, of the next, and mean IC with those of the
    two after. rises: following less same. fades: KEPT × following less the sum of the two after. night, night_excess:
    return from this close to the next open of a long-short portfolio in proportion to the innovations, and that less
    the return from there to the next close; NaN without opens. size_before, size_same, size_following: IC of the size
    of the innovations with that of abnormal returns of the session before, of their own, and of the next; size_rises:
    following less before. size_drops: half of following less that of the session after it.
    """

    same: MeanTest = NOTHING
    following: MeanTest = NOTHING
    later: MeanTest = NOTHING
    rises: MeanTest = NOTHING
    fades: MeanTest = NOTHING
    night: MeanTest = NOTHING
    night_excess: MeanTest = NOTHING
    size_before: MeanTest = NOTHING
    size_same: MeanTest = NOTHING
    size_following: MeanTest = NOTHING
    size_rises: MeanTest = NOTHING
    size_drops: MeanTest = NOTHING


def response(signal: FloatArray, data: StudyData) -> Response:
    """Measure the `Response` of returns to a signal (sessions × covered assets)."""
    new = innovations(signal)
    rows, whole = SignalRows.of(new), data.own.select_assets(np.ones(signal.shape[1], dtype=bool))
    ic = _lagged(new, whole, range(4))
    mean_move = row_means(np.abs(data.abnormal).T)
    unit = np.where(mean_move > 0, mean_move, np.nan)
    # Capped, so that it says whether there is news rather than how strong it reads.
    intensity = np.minimum(
        np.abs(np.nan_to_num(new)), CAP * np.sqrt(np.nansum(new**2) / max(np.isfinite(new).sum(), 1))
    )
    moves = np.abs(data.abnormal) / unit
    before, *size = _lagged(intensity, moves, range(-1, 3))
    night = excess = np.full(len(new), np.nan)
    if data.night is not None:
        gross = np.abs(rows.demeaned).sum(axis=1, keepdims=True)
        weights = (rows.demeaned / np.where(gross > 0, gross, 1.0))[:-1]
        night, day = (
            (weights * np.nan_to_num((part - row_means(part)[:, None]) / unit)[1:]).sum(axis=1)
            for part in (data.night, whole - data.night)
        )
        excess = night - day
    return Response(
        same=MeanTest.of(ic[0]),
        following=MeanTest.of(ic[1]),
        later=MeanTest.of((ic[2] + ic[3]) / 2.0),
        rises=MeanTest.of(ic[1] - ic[0]),
        fades=MeanTest.of(KEPT * ic[1] - ic[2] - ic[3]),
        night=MeanTest.of(night),
        night_excess=MeanTest.of(excess),
        size_before=MeanTest.of(before),
        size_same=MeanTest.of(size[0]),
        size_following=MeanTest.of(size[1]),
        size_rises=MeanTest.of(size[1] - before),
        size_drops=MeanTest.of(size[1] / 2.0 - size[2]),
    )


def _lagged(values: FloatArray, returns: FloatArray, lags: range) -> list[FloatArray]:
    """Correlation per session of values with the ranks of the returns of row t + lag, for each lag; NaN at the ends.

    Values and not their ranks: where nothing is new, innovations are small residuals whose order means nothing.
    """
    n, ranks = len(values), ranked(returns)
    ics = []
    for lag in lags:
        rows = slice(max(-lag, 0), n - max(lag, 0))
        ic = np.full(n, np.nan)
        ic[rows] = linear_correlation(values[rows], ranks[rows.start + lag : rows.stop + lag])
        ics.append(ic)
    return ics


def leak_alarms(found: Response) -> Iterator[tuple[str, str]]:
    """Yield the leaks that the response shows, by name, each with a sentence that says why and what to check."""
    same, following, later = found.same, found.following, found.later
    if following.t >= CLEAR and found.rises.t >= LIKELY and found.fades.t >= LIKELY and same.t > -CLEAR:
        yield (
            "early",
            f"What is new in the signal goes with the next session's return (IC {following.mean:+.3f}, t = "
            f"{following.t:.1f}) more than with its own ({same.mean:+.3f}), and little with the two after "
            f"({later.mean:+.3f}): that is how news looks that is counted one session too early. An edge fades over "
            "sessions. Check that row t holds only what was published by the close of t.",
        )
    if found.night.t >= CLEAR and found.night_excess.t >= MOSTLY:
        where = (
            "What is new in the signal goes with the return between this close and the next open (t = "
            f"{found.night.t:.1f}), before anybody could trade on it"
        )
        yield (
            (
                "timestamps",
                f"{where}, while the rest goes with its own session (IC {same.mean:+.3f}): part of the news seems "
                "to be stamped hours early. Check the time zone of publication times (UTC, exchange time) and the "
                "cutoff.",
            )
            if same.t >= CLEAR
            else (
                "overnight",
                f"{where}: it is gone at the open. Check whether news of the evening is counted to the session before.",
            )
        )
    if (
        min(found.size_following.t, found.size_rises.t) >= CLEAR
        and found.size_following.mean >= 0.5 * found.size_same.mean
        and found.size_drops.t >= MOSTLY
    ):
        yield (
            "back-fill",
            f"The news is heavier before large moves (IC of sizes {found.size_following.mean:+.3f} with the next "
            f"session, t = {found.size_following.t:.1f}) than after them ({found.size_before.mean:+.3f}): items may "
            "have been added or dated once the move was known, or announce an event to come. Ask the vendor when each "
            "row was first available.",
        )


def unlike_news(found: Response) -> str | None:
    """Say that a signal predicts and does not go with its own session, where its decay speaks against a leak."""
    if not (found.following.t >= CLEAR and found.rises.t >= CLEAR) or found.fades.t >= LIKELY:
        return None
    return (
        f"what is new in the signal goes with the next session's return (IC {found.following.mean:+.3f}) and less "
        f"with its own ({found.same.mean:+.3f}), which is unusual for news; it fades as an edge does "
        f"({found.later.mean:+.3f} in the two sessions after): check publication times all the same"
    )
