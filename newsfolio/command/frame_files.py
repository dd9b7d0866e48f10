"""Files of prices and of signals, as `newsfolio check` describes them."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from newsfolio.command.file_report import PRICES, SIGNAL, CheckSettings, FileReport

if TYPE_CHECKING:
    import pandas as pd

    from allocation.data.files.layout import PriceFile
    from allocation.data.jumps import Jump
    from allocation.data.sessions import SessionCheck

SIGNED = 0.05  # a share of negative values that no prices have


def describe_frame(path: Path, settings: CheckSettings) -> FileReport:
    """Return what a file of prices or of a signal holds: where a twentieth of the values is below 0, it is a signal.

    Raises:
        NewsfolioError: it is neither.
    """
    import numpy as np

    from allocation.data.files.layout import understand
    from allocation.data.files.wide import dated, read_values
    from allocation.errors import FrameError

    notes: list[str] = []
    table = read_values(path, notes)
    try:
        return _prices(path, understand(table, str(path), settings.asset, list(notes)), settings)
    except FrameError:
        frame = dated(table, str(path), notes)
        values = frame.to_numpy(dtype=float).ravel()
        known = values[~np.isnan(values)]
        if not len(frame) or (not (np.abs(known) <= 1).all() and (known < 0).mean() < SIGNED):
            raise
        return _signal(path, frame, tuple(notes))


def _prices(path: Path, found: "PriceFile", settings: CheckSettings) -> FileReport:
    from allocation.data.jumps import find_jumps, frozen_note
    from allocation.data.sessions import check_sessions, ends_note, unpriced_note
    from allocation.frames import named, sessions_of

    bars = found.bars
    close, sessions = bars.close, sessions_of(bars.close)
    met = check_sessions(close, settings.calendar or "XNYS")
    if settings.calendar is None and met.fitting is not None:
        met = check_sessions(close, met.fitting)
    jumps, ends = find_jumps(bars), ends_note(close)
    problems = [] if met.problem is None else [met.problem]
    if jumps:
        allow = " ".join(f"--allow-jump {shlex.quote(asset)}" for asset in dict.fromkeys(jump.asset for jump in jumps))
        problems.append(
            f"{len(jumps)} moves as at a split or a change of units: {named(jumps)}: use adjusted prices, or, where "
            f"the moves are real, pass {allow}"
        )
    said = (unpriced_note(close, str(path)), met.note, ends, frozen_note(close))
    notes = [*found.notes, *(note for note in said if note is not None)]
    if close.max().max() <= 1 and close.shape[1] > 1:
        notes.append("all values lie between 0 and 1: if this is a signal, it has no negative value")
    options = (
        f"--calendar {met.calendar}" if met.calendar != "XNYS" else "",
        "" if bars.open is not None else "--fill close",
        f"--asset {shlex.quote(settings.asset)}" if settings.asset else "",
        f"--start {met.gap_until.date()}" if met.problem is not None and "--start" in met.problem else "",
        f"--end {ends.rpartition(' ')[2]}" if ends is not None and "--end" in ends else "",
    )
    command = ["newsfolio backtest STRATEGY.py --prices", shlex.quote(str(path)), *filter(None, options)]
    details, lines = _described(found, met, jumps)
    return FileReport(
        file=path,
        kind=PRICES,
        rows=len(close),
        assets=tuple(close.columns),
        first=sessions[0],
        last=sessions[-1],
        notes=tuple(notes),
        problems=tuple(problems),
        details=details,
        lines=lines,
        next=f"{' '.join(command)} --out report",
        frame=close,
    )


def _described(
    found: "PriceFile", met: "SessionCheck", jumps: "Sequence[Jump]"
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The figures of a file of prices as plain values, and in lines for people."""
    from allocation.frames import named, sessions_of

    close, sessions = found.bars.close, sessions_of(found.bars.close)
    fields = ["close", *(name for name in ("open", "high", "low", "volume") if getattr(found.bars, name) is not None)]
    empty = int(close.isna().to_numpy().sum())
    a_year = "" if met.a_year is None else f", {met.a_year} a year"
    details = {
        "form": found.form,
        "fields": fields,
        "rows_a_year": met.a_year,
        "calendar": met.calendar,
        "outside_calendar": len(met.outside),
        "missing_sessions": met.missing,
        "longest_gap": met.longest_gap,
        "empty_cells": empty,
        "jumps": [{"asset": j.asset, "date": f"{j.date:%Y-%m-%d}", "ratio": j.ratio, "split": j.split} for j in jumps],
    }
    return details, (
        f"{found.form}: {', '.join(fields)}; {len(close):,} rows{a_year} from {sessions[0].date()} to "
        f"{sessions[-1].date()}, {close.shape[1]:,} assets ({named(close.columns)})",
        f"calendar {met.calendar}: {len(met.outside):,} rows are no sessions, {met.missing:,} sessions have no row, "
        f"{empty:,} of {close.size:,} cells are empty",
        f"{len(jumps)} jumps as at a split",
    )


def _signal(path: Path, frame: "pd.DataFrame", notes: tuple[str, ...]) -> FileReport:
    from allocation.errors import FrameError, SourceError
    from allocation.frames import check_signal, named, sessions_of

    try:
        signal = check_signal(frame)
    except FrameError as error:
        raise SourceError(f"{path}: {error}") from error
    sessions, known = sessions_of(signal), signal.notna()
    without = [str(asset) for asset in signal.columns[~known.any()]]
    low, high, share = (float(x) for x in (signal.min().min(), signal.max().max(), known.to_numpy().mean()))
    problems = [] if known.any(axis=None) else [f"no value: all of its {signal.size:,} cells are empty"]
    return FileReport(
        file=path,
        kind=SIGNAL,
        rows=len(signal),
        assets=tuple(signal.columns),
        first=sessions[0],
        last=sessions[-1],
        notes=notes,
        problems=tuple(problems),
        details={"share_of_cells": share, "lowest": low, "highest": high, "silent_assets": len(without)},
        lines=(
            f"{len(signal):,} rows from {sessions[0].date()} to {sessions[-1].date()}, {signal.shape[1]:,} assets "
            f"({named(signal.columns)})",
            f"{share:.1%} of its cells have a value, from {low:g} to {high:g}; {len(without):,} assets have none",
        ),
        next=f"newsfolio study {shlex.quote(str(path))} PRICES",
        frame=signal,
    )
