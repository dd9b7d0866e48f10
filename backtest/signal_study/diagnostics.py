"""What the figures of a signal say together: a verdict, its meaning, and alarms on leaks and on late or stale edges.

Thresholds are judgement; how often each alarm is raised, on leaks and on honest signals, is measured by
`benchmarks/leaks.py` and listed in benchmarks/README.md. `leaks` has those that look for a leak in the response of
returns to what is new in the signal; here are those on the figures themselves:

explains   the signal goes with its own session, and the 95 % upper bound of the next one's IC is less than half. What
           it says is true of a weak edge too; where the sample cannot tell, a note says so (`undecided`)
overnight  the edge of an entry at this close is gone at the next open
haste      the edge is gone when all news is delayed by some minutes
too good   a rank IC that honest daily signals do not have, by more than chance
chance     the edge lies within the range of placebos
stale      the signal of a month ago does nearly as well
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from backtest.signal_study.leaks import Response, leak_alarms, unlike_news
from backtest.statistics.significance import LEVEL

SIGNIFICANT, STRONG = 2.0, 3.0  # t-values; where periods are few a p-value decides
CLEARLY = 2.5  # t-value of an edge at this close for its loss by the open to raise an alarm
SMALL = 0.5  # of the association with the session itself: less with the next one is little
TOO_GOOD = 0.1  # a mean rank IC above this on daily returns has not been found in honest data
LEAKS = ("early", "overnight", "timestamps", "back-fill", "too good", "haste")


@dataclass(frozen=True)
class ICSummary:
    """A mean rank IC with its t-value, the 95 % range of its placebos, the upper end of its 95 % interval, its p-value
    alone and after Holm's adjustment for all tests of the study, and the effective number of periods.
    """

    mean: float
    t: float
    placebo_range: tuple[float, float]
    high: float = math.nan
    p: float = math.nan
    periods: float = math.nan
    holm: float = math.nan

    @property
    def sign(self) -> int:
        """1 above zero and -1 below beyond chance, else 0; a t-value of 2 is not, where periods are few."""
        if not abs(self.t) >= SIGNIFICANT or self.p >= LEVEL:
            return 0
        return 1 if self.t > 0 else -1

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval."""
        return 2.0 * self.mean - self.high

    def __str__(self) -> str:
        """The figure as it is cited in a sentence."""
        p = "p < .001" if self.p < 0.001 else f"p = {self.p:.3f}"
        known = f", {p}, {self.periods:,.0f} periods" if math.isfinite(self.p) else ""
        return f"rank IC {self.mean:+.4f} (t = {self.t:.1f}{known})"


@dataclass(frozen=True)
class Evidence:
    """What alarms are raised on; `delayed`: rank IC of the signal with all news published later.

    reason: why there is no rank IC where there is none.
    """

    same_session: ICSummary
    this_close: ICSummary
    tradable: ICSummary
    entry: str
    stale: float
    delayed: ICSummary | None = None
    response: Response = field(default_factory=Response)
    reason: str = "no session has three assets with both a signal and a return"


def alarms(found: Evidence) -> dict[str, str]:
    """Return the alarms that are raised, by name, each with a sentence that says why and what to do."""
    raised = dict(leak_alarms(found.response))
    same, now, edge = found.same_session, found.this_close, found.tradable
    if _only_same_session(found) and _upper_bound(found) < SMALL * same.mean:
        raised["explains"] = (
            f"The signal goes with the return of its own session (rank IC {same.mean:+.3f}, t = {same.t:.1f}) and has "
            f"no detectable association with the next one (95 % upper bound {_upper_bound(found):+.3f}, less than "
            "half). The news explains more than it predicts."
        )
    if now.t >= CLEARLY and not _persists(now, edge):
        raised["overnight"] = (
            f"The edge of an entry at the signal's own close (t = {now.t:.1f}) is gone at the {found.entry} "
            f"(t = {edge.t:.1f}): it cannot be earned once the news is known."
        )
    if edge.sign < 1:
        return raised
    if found.delayed is not None and not _persists(edge, found.delayed):
        raised["haste"] = (
            f"With all news published later the edge falls from a rank IC of {edge.mean:+.3f} to "
            f"{found.delayed.mean:+.3f} (t = {found.delayed.t:.1f}): check that publication times are when the news "
            "could be read, not when it happened or was filed."
        )
    if edge.mean > TOO_GOOD and not edge.low < TOO_GOOD / 2:
        raised["too good"] = (
            f"A rank IC of {edge.mean:+.3f} is more than honest daily signals have: look for a look-ahead before "
            "believing it."
        )
    if not edge.mean > edge.placebo_range[1]:
        raised["chance"] = (
            f"The rank IC {edge.mean:+.3f} lies within the range of placebos ({edge.placebo_range[0]:+.3f} to "
            f"{edge.placebo_range[1]:+.3f}): its t-value of {edge.t:.1f} overstates it."
        )
    if found.stale >= edge.mean / 2:
        raised["stale"] = (
            f"The signal of a month ago does nearly as well (rank IC {found.stale:+.3f}): what is rewarded changes "
            "slowly, which assets have the signal rather than what is new in it."
        )
    return raised


def undecided(found: Evidence) -> Iterator[str]:
    """Yield what the sample leaves open: an edge next to a response to its own session, or one without."""
    if _only_same_session(found) and _upper_bound(found) >= SMALL * found.same_session.mean:
        yield (
            f"the signal goes with the return of its own session (rank IC {found.same_session.mean:+.3f}); these "
            f"sessions are too few to tell whether it goes with the next: up to {_upper_bound(found):+.3f} is possible"
        )
    unusual = unlike_news(found.response)
    if unusual is not None:
        yield unusual


def _only_same_session(found: Evidence) -> bool:
    return (
        found.same_session.t >= STRONG and abs(found.this_close.t) < SIGNIFICANT and abs(found.tradable.t) < SIGNIFICANT
    )


def _upper_bound(found: Evidence) -> float:
    return max(found.this_close.high, found.tradable.high)


def _persists(edge: ICSummary, later: ICSummary) -> bool:
    """Whether half of it is left, or enough to be significant: a weak edge may fall on either side of a threshold."""
    return later.sign > 0 or later.mean >= edge.mean / 2


def verdict(found: Evidence, raised: Mapping[str, str]) -> str:
    """Return one sentence on whether there is an edge to trade; a clear one is significant after Holm's adjustment."""
    edge = found.tradable
    if math.isnan(edge.mean):
        return f"Nothing can be said: {found.reason}."
    figure = f"{edge} at the {found.entry}"
    if edge.sign < 1:
        return f"The signal points the wrong way: {figure}." if edge.sign < 0 else f"No detectable edge: {figure}."
    if any(name in LEAKS for name in raised):
        return f"An edge with a warning of a leak: {figure}."
    if raised:
        return f"An edge with a warning: {figure}."
    return f"A clear edge: {figure}." if edge.holm < LEVEL else f"A weak edge: {figure}."


def meaning(found: Evidence, raised: Mapping[str, str]) -> str:
    """Return one line on whether the signal goes with its own session, and what follows from all of it."""
    same, edge = found.same_session, found.tradable
    if math.isnan(edge.mean):
        return "Give a signal that differs between assets, on three or more assets with prices."
    goes = {0: "does not detectably go with", 1: "goes with", -1: "goes against"}[same.sign]
    own = f"It {goes} its own session (rank IC {same.mean:+.4f}, t = {same.t:.1f})"
    if any(name in LEAKS for name in raised):
        return f"{own}; clear the warnings first."
    if edge.sign < 1:
        return f"{own}; no evidence that trading it pays."
    if not edge.holm < LEVEL:
        return f"{own}; among so many tests the edge may be chance."
    return f"{own}; judge it by break-even cost and by year."
