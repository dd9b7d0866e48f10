"""What the figures of a signal say together: sentences that warn of a leak, of a late or of a stale edge.

The thresholds are judgement; how often they ring was measured on simulated signals (60 to 100 markets each of 500
sessions × 50 assets, where nothing else is said; fat tails, sectors, news that fades; IC: mean rank IC at the open):

    nothing to find       each alarm in 0 to 2 % of markets
    explains              94 % where the IC of the session itself is 0.06 and the next one's 0 (in 250 sessions × 20
                          assets 48 %, in 125 × 20 5 %). What it says, that the next one is less than half and at most
                          so much, is true of a weak edge too: of one of 0.015 it rings in 37 % (22 %, 3 %), and says
                          too little in 1 to 4 %; it rings in 0 to 6 % where the next one is the very half. Where the
                          sample cannot tell, a note says that (`undecided`)
    overnight             97 % where an edge of 0.03 or 0.06 at the close is over by the open; no honest edge of 0.015
    haste                 97 % where an edge of 0.03 to 0.18 is known too early and a delay takes it away; no honest
                          edge of which a delay moves a twentieth of the news into the next session
    too good              10 % where a leak makes the IC 0.09, all at 0.18; no honest edge of up to 0.06
    chance, stale         up to 4 % and 5 % of honest edges
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

SIGNIFICANT, STRONG = 2.0, 3.0  # t-values
SMALL = 0.5  # of the association with the session itself: less with the next one is little
TOO_GOOD = 0.1  # a mean rank IC above this on daily returns has not been found in honest data


@dataclass(frozen=True)
class ICSummary:
    """A mean rank IC with its t-value, where 95 % of the shuffled ones lie, and the upper end of its 95 % interval."""

    mean: float
    t: float
    placebo_range: tuple[float, float]
    high: float = math.nan

    @property
    def is_significant(self) -> bool:
        """Above zero beyond chance."""
        return self.t >= SIGNIFICANT


@dataclass(frozen=True)
class Evidence:
    """The rank ICs that alarms are raised on; `delayed`: of the signal with all news published later."""

    same_session: ICSummary
    this_close: ICSummary
    tradable: ICSummary
    entry: str
    stale: float
    delayed: ICSummary | None = None


def alarms(found: Evidence) -> dict[str, str]:
    """Return the alarms that ring, by name, each with a sentence that says why and what to do."""
    return dict(_alarms(found))


def undecided(found: Evidence) -> str | None:
    """Say that a signal goes with its own session, and that too little was seen to tell whether with the next too."""
    if not _only_the_same_is_seen(found) or _next_at_most(found) < SMALL * found.same_session.mean:
        return None
    return (
        f"the signal goes with the return of its own session (rank IC {found.same_session.mean:+.3f}); these "
        f"sessions are too few to tell whether it goes with the next: up to {_next_at_most(found):+.3f} is possible"
    )


def _only_the_same_is_seen(found: Evidence) -> bool:
    return (
        found.same_session.t >= STRONG and abs(found.this_close.t) < SIGNIFICANT and abs(found.tradable.t) < SIGNIFICANT
    )


def _next_at_most(found: Evidence) -> float:
    return max(found.this_close.high, found.tradable.high)


def _alarms(found: Evidence) -> Iterator[tuple[str, str]]:
    same, now, edge = found.same_session, found.this_close, found.tradable
    if _only_the_same_is_seen(found) and _next_at_most(found) < SMALL * same.mean:
        yield (
            "explains",
            (
                f"The signal goes with the return of its own session (rank IC {same.mean:+.3f}, t = {same.t:.1f}), and "
                f"with the next one not that can be seen: {_next_at_most(found):+.3f} at most (95 %), less than half. "
                "The news explains more than it predicts."
            ),
        )
    if now.is_significant and not _holds(now, edge):
        yield (
            "overnight",
            (
                f"The edge of an entry at the signal's own close (t = {now.t:.1f}) is gone at the {found.entry} "
                f"(t = {edge.t:.1f}): it cannot be earned after the news is known."
            ),
        )
    yield from _too_hasty(edge, found.delayed)
    yield from _beside_chance(found)


def _too_hasty(edge: ICSummary, delayed: ICSummary | None) -> Iterator[tuple[str, str]]:
    if edge.is_significant and delayed is not None and not _holds(edge, delayed):
        yield (
            "haste",
            (
                f"With all news published later the edge falls from a rank IC of {edge.mean:+.3f} to "
                f"{delayed.mean:+.3f} (t = {delayed.t:.1f}): check that publication times are when the "
                "news could be read, not when it happened or was filed."
            ),
        )
    if edge.mean > TOO_GOOD and edge.is_significant:
        yield (
            "too good",
            (
                f"A rank IC of {edge.mean:+.3f} is more than honest daily signals have: look for a look-ahead before "
                "believing it."
            ),
        )


def _holds(edge: ICSummary, later: ICSummary) -> bool:
    """Whether half of it is left, or enough to be sure: one weak edge may pass a threshold and not the other."""
    return later.is_significant or later.mean >= edge.mean / 2


def _beside_chance(found: Evidence) -> Iterator[tuple[str, str]]:
    edge = found.tradable
    if edge.is_significant and not edge.mean > edge.placebo_range[1]:
        yield (
            "chance",
            (
                f"The rank IC {edge.mean:+.3f} lies where shuffled signals do ({edge.placebo_range[0]:+.3f} to "
                f"{edge.placebo_range[1]:+.3f}): its t-value of {edge.t:.1f} says too much."
            ),
        )
    if edge.is_significant and found.stale >= edge.mean / 2:
        yield (
            "stale",
            (
                f"The signal of a month ago does nearly as well (rank IC {found.stale:+.3f}): what is rewarded is "
                "which assets are in the news, not the news."
            ),
        )


def verdict(found: Evidence, rung: Mapping[str, str]) -> str:
    """Return one sentence on whether there is an edge to trade."""
    edge = found.tradable
    if math.isnan(edge.mean):
        return "Nothing can be said: no session has three assets with both a signal and a return."
    figure = f"rank IC {edge.mean:+.4f}, t = {edge.t:.1f}, at the {found.entry}"
    if edge.is_significant:
        return f"An edge with a warning: {figure}." if rung else f"An edge that stands: {figure}."
    return f"The signal points the wrong way: {figure}." if edge.t <= -SIGNIFICANT else f"No edge to trade: {figure}."
