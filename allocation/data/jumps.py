"""Moves that look like an unadjusted split or a change of units (pence, pounds) instead of a market's."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocation.errors import SourceError
from allocation.frames import Bars, named

RATIOS = {  # new shares for old ones, and the factors of units
    **{f"{n}:1": float(n) for n in (2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 100, 1000)},
    "3:2": 1.5,
    "5:2": 2.5,
}
FROZEN = 21  # rows: a month of sessions
AROUND = 10  # steps before and after that say how far this asset moves as a rule
CALM = 12.0  # a split stands out of the moves around it; the days of 2008 stand among their like
NEAREST, FARTHEST = 0.01, 0.06  # of log ratio: how far a price may also have moved that day
LIKELY_TRADED = 3.0  # times the usual money traded: a crash is sold, a split is not


def frozen_note(closes: pd.DataFrame) -> str | None:
    """Return a line about closes that stand still for a month of sessions or more, None where none do.

    A suspended stock looks like one without risk: a portfolio of least variance buys it.
    """
    lengths = {}
    for asset in closes.columns:
        known = closes[asset].dropna().to_numpy()
        changes = np.flatnonzero(np.diff(known, prepend=np.nan, append=np.nan) != 0.0)
        lengths[str(asset)] = int(np.diff(changes).max(initial=0))
    still = {asset: length for asset, length in lengths.items() if length >= FROZEN}
    if not still:
        return None
    worst = max(still, key=lambda asset: still[asset])
    return (
        f"{len(still)} assets have the same close for {FROZEN} rows or more, such as {worst} for {still[worst]}: "
        "suspended, or filled up by the vendor? Leave such rows empty"
    )


@dataclass(frozen=True)
class Jump:
    """A price that is `ratio` times the one before, as after a split of `split`."""

    asset: str
    date: pd.Timestamp
    ratio: float
    split: str

    def __str__(self) -> str:
        """As an error names it."""
        return f"{self.asset} on {self.date:%Y-%m-%d} (x {self.ratio:.4g}, as {self.split})"


def find_jumps(bars: Bars) -> list[Jump]:
    """Return moves of closes and opens that look like a split, a reverse split or a change of units.

    Opens and closes of an asset are one path. A step is taken for a split where it is near its ratio and at least
    12 times as large as the median step around it, before and after, so that a crash among large moves is none; and
    where known volumes do not show that three times the usual money was traded.
    """
    found = [jump for asset in bars.close.columns for jump in _jumps_of(bars, str(asset))]
    return sorted(found, key=lambda jump: (jump.date, jump.asset))


def _jumps_of(bars: Bars, asset: str) -> list[Jump]:
    marks = [frame[asset] for frame in (bars.open, bars.close) if frame is not None and asset in frame.columns]
    path = np.column_stack([mark.reindex(bars.close.index).to_numpy(dtype=float) for mark in marks]).ravel()
    places = np.flatnonzero(np.isfinite(path))
    steps = np.diff(np.log(path[places]))
    found = []
    for step in np.flatnonzero(np.abs(steps) > np.log(1.5) - FARTHEST):
        row = int(places[step + 1]) // len(marks)
        split = _split(steps, int(step))
        if split is not None and not _is_traded(bars, asset, row):
            found.append(Jump(asset, pd.Timestamp(bars.close.index[row]), float(np.exp(steps[step])), split))
    return found


def _split(steps: np.ndarray, at: int) -> str | None:
    """The split that a step is as large as, where its neighbours are calm."""
    size = np.abs(steps)
    before, after = size[max(0, at - AROUND) : at], size[at + 1 : at + 1 + AROUND]
    usual = max((float(np.median(part)) for part in (before, after) if len(part) >= 3), default=0.01)
    if size[at] < CALM * usual:
        return None
    near = min(max(4.0 * usual, NEAREST), FARTHEST)
    name, ratio = min(RATIOS.items(), key=lambda item: abs(size[at] - np.log(item[1])))
    if abs(size[at] - np.log(ratio)) > near:
        return None
    return name if steps[at] < 0 else ":".join(reversed(name.split(":")))


def _is_traded(bars: Bars, asset: str, row: int) -> bool:
    """Whether far more money than usual was traded, which only news does."""
    value = bars.traded_value
    if value is None:
        return False
    usual = value[asset].iloc[max(0, row - 20) : row].median()
    return bool(usual > 0 and value[asset].iloc[row] > LIKELY_TRADED * usual)


def refuse_jumps(bars: Bars, where: str, allowed: Collection[str] = ()) -> Bars:
    """Return the bars, unless a price jumps as at a split; `allowed` names assets whose jumps are real.

    Raises:
        SourceError: it names asset, date, ratio and the two remedies.
    """
    unknown = sorted(set(allowed) - set(map(str, bars.close.columns)))
    if unknown:
        raise SourceError(f"{where}: has no {named(unknown)} whose jump could be allowed; check the name")
    jumps = [jump for jump in find_jumps(bars) if jump.asset not in allowed]
    if jumps:
        assets = " ".join(f"--allow-jump {asset}" for asset in dict.fromkeys(jump.asset for jump in jumps))
        raise SourceError(
            f"{where}: not adjusted for a split, or in other units: {named(jumps)}: use adjusted prices (a column "
            f"adj_close), correct a price in other units, or, where the moves are real, pass {assets}"
        )
    return bars
