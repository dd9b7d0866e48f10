"""What a reader must know of a signal: how far it covers what was traded, and what its classifier may have known."""

from dataclasses import dataclass
from datetime import date

import pandas as pd

from allocation.errors import FrameError
from allocation.frames import named, sessions_of
from backtest.result.result import Result

TRAINED_ON, TRAINED_UNTIL = "trained_on", "trained_until"  # attrs of a signal, written by what made it
LONGEST = 200  # characters of a list of corpora
LITTLE = 0.5  # a share of assets or of sessions below this is a warning


@dataclass(frozen=True)
class Coverage:
    """How much of what was traded a signal speaks of.

    share: of the cells (sessions × assets that were traded) that have a value. silent: traded assets without any
    value. speaking: how many of the sessions have a value for some traded asset.
    """

    share: float
    assets: int
    silent: tuple[str, ...]
    sessions: int
    speaking: int

    def __str__(self) -> str:
        """The coverage in one line."""
        covered = self.assets - len(self.silent)
        return (
            f"{self.share:.1%} of {self.sessions} sessions × {self.assets} traded assets have a signal; "
            f"{covered} of {self.assets} assets and {self.speaking} of {self.sessions} sessions have any"
        )

    @property
    def warnings(self) -> list[str]:
        """What to say loudly: a signal that misses most of the assets, or most of the sessions."""
        found = []
        covered = self.assets - len(self.silent)
        if covered < LITTLE * self.assets:
            found.append(
                f"The signal covers {covered} of {self.assets} traded assets: {named(self.silent)} are traded "
                "without news."
            )
        if self.speaking < LITTLE * self.sessions:
            found.append(
                f"The signal has values in {self.speaking} of {self.sessions} sessions: in the others the strategy "
                "trades without news."
            )
        return found


def coverage_of(signal: pd.DataFrame, result: Result) -> Coverage:
    """Return how much of what `result` traded, or could where it traded nothing, the signal covers.

    signal: sessions × assets, NaN where there is no news.
    """
    traded = pd.Index(sorted(set(result.trades["asset"]))) if len(result.trades) else result.weights.columns
    known = signal.reindex(index=result.nav.index, columns=traded).notna()
    silent = tuple(str(asset) for asset in traded[~known.any(axis=0)])
    return Coverage(
        share=float(known.to_numpy().mean()),
        assets=len(traded),
        silent=silent,
        sessions=len(known),
        speaking=int(known.any(axis=1).sum()),
    )


def matched_signal(signal: pd.DataFrame, prices: pd.DataFrame, first: pd.Timestamp) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows of a signal within the sessions of `prices`, and notes of what was left out.

    first: the first session on which something is decided.

    Raises:
        FrameError: the signal has no value at all, none on the assets of the prices, or none that a decision sees.
    """
    if not signal.notna().any(axis=None):
        raise FrameError(f"signal has no value: all of its {signal.size} cells are empty")
    both = signal.columns.intersection(prices.columns)
    if not len(both):
        raise FrameError(
            f"signal and prices have no asset in common: the signal has {named(signal.columns)}, the prices have "
            f"{named(prices.columns)}; give both the same tickers"
        )
    days = sessions_of(prices)
    inside = signal.loc[days[0] : days[-1]]
    if not signal.loc[days[0] : days[-1], both].notna().any(axis=None):
        found = sessions_of(signal[both].dropna(how="all"))
        span = "no value on the assets of the prices" if found.empty else f"values {_span(found)}"
        raise FrameError(f"signal has {span}, prices {_span(days)}: give a signal of the same sessions")
    if not inside.loc[first:, both].notna().any(axis=None):
        raise FrameError(
            f"signal has no value from {first.date()}, the first decision, to {days[-1].date()}: give a longer signal, "
            "or decide earlier (--warmup, --start)"
        )
    inside.attrs.update(signal.attrs)
    if len(inside) == len(signal):
        return inside, []
    left = f"{len(signal) - len(inside)} of {len(signal)} rows of the signal lie outside the prices, {_span(days)}"
    return inside, [f"{left}, and are not used"]


def _span(days: pd.DatetimeIndex) -> str:
    return f"from {days[0].date()} to {days[-1].date()}"


def training_note(signal: pd.DataFrame, sessions: pd.DatetimeIndex) -> str | None:
    """Say how many of `sessions` are not after the last text that taught the classifier behind `signal`.

    A classifier knows how the news it was trained on ended: results of those days may be hindsight. Attrs of the
    frame hold it: trained_until, a date (YYYY-MM-DD), and trained_on, the names of the corpora; Parquet files keep
    them, CSV files do not. None where they are not there.
    """
    if TRAINED_UNTIL not in signal.attrs:
        return None
    corpora = " ".join(str(signal.attrs.get(TRAINED_ON, "unknown")).split())[:LONGEST]
    taught_by = "texts whose source was not recorded" if corpora in ("unknown", "") else corpora
    try:
        last = date.fromisoformat(str(signal.attrs[TRAINED_UNTIL]))
    except ValueError:
        return (
            f"the dates of the texts that the classifier was trained on ({taught_by}) are not known: it may have "
            f"learnt from the {len(sessions)} sessions of this backtest"
        )
    known = int((sessions <= pd.Timestamp(last)).sum())
    if not known:
        return (
            f"all {len(sessions)} sessions are after the texts that the classifier was trained on ({taught_by}, {last})"
        )
    return (
        f"the classifier was trained on texts up to {last} ({taught_by}): {known} of {len(sessions)} sessions of this "
        "backtest are not after it, and what was gained in them may be hindsight"
    )
