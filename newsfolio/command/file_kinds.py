"""What a file is that newsfolio can read (news, scored news, labelled texts, prices, a signal), and what is in it."""

import json
import logging
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from newsfolio.shared.errors import NewsfolioError, first_line

if TYPE_CHECKING:
    import pandas as pd

NEWS, SCORED, LABELLED, PRICES, SIGNAL = "news", "scored news", "labelled texts", "prices", "signal"
CORPORA = (".zip", ".txt", ".json")  # forms of published corpora
SIGNED = 0.05  # a share of negative values that no prices have
FEW_WORDS = 0.2  # a share of unknown tokens above which a text is not scored
MOST_TEXTS = 10_000  # read with a model


@dataclass(frozen=True, kw_only=True)
class CheckSettings:
    """How to read the files, as the other commands are told."""

    calendar: str | None = None
    timezone: str | None = None
    midnight: Any = "auto"
    columns: Mapping[str, str] = field(default_factory=dict)
    asset: str | None = None
    model: str | None = None


@dataclass(frozen=True, kw_only=True)
class FileReport:
    """What a file was read as.

    first, last: dates of its rows, None where they have none. notes: what the reader inferred or left out; problems:
    what has to be corrected. details: figures of its kind. next: the command to go on with. frame: closes or signal
    (sessions × assets), or news rows.
    """

    file: Path
    kind: str
    rows: int
    assets: tuple[str, ...] = ()
    first: Any = None  # pd.Timestamp, or None
    last: Any = None
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    next: str = ""
    frame: Any = None

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "file": str(self.file),
            "kind": self.kind,
            "rows": self.rows,
            "assets": len(self.assets),
            "first": None if self.first is None else f"{self.first:%Y-%m-%d}",
            "last": None if self.last is None else f"{self.last:%Y-%m-%d}",
            "notes": list(self.notes),
            "problems": list(self.problems),
            "next": self.next,
            "details": self.details,
        }


def describe_file(path: Path, settings: CheckSettings) -> FileReport:
    """Return what a file holds, read by the readers of the other commands.

    Raises:
        NewsfolioError: no reader can read it.
    """
    columns = {_plain(name) for name in _columns(path)}
    read = _reader(path, columns, settings.columns)
    with _heard() as notes:
        report = read(path, settings)
    said = [*(_without_name(note, path) for note in notes), *report.notes]
    fresh = [note for note in dict.fromkeys(said) if not any(note in line for line in report.lines)]
    return replace(report, notes=tuple(fresh))


def _without_name(note: str, path: Path) -> str:
    return note.removeprefix(f"{path}: ").removeprefix(f"{path.name}: ")


def _reader(path: Path, columns: set[str], given: Mapping[str, str]) -> "Callable[[Path, CheckSettings], FileReport]":
    from nlp.texts.columns import MEANINGS

    if path.is_dir() or path.suffix in CORPORA:
        return _labelled
    has = {role for role, names in MEANINGS.items() if role in given or columns & set(names)}
    scored = bool(columns & {"score", "negative"}) or "score" in given
    if "label" in columns and "text" in columns and not {"published", "asset"} <= has:
        return _labelled
    if {"published", "asset"} <= has and (scored or "text" in has):
        return _scored if scored else _news
    if "text" in has and "published" not in has:
        return _labelled
    return _news if "text" in has else _wide


def _plain(name: object) -> str:
    from newsfolio.shared.tables import plain_name

    return plain_name(name)


def _columns(path: Path) -> tuple[str, ...]:
    """The names of a file's columns, without its rows; none where only the reader of prices or corpora can say."""
    from newsfolio.shared.csv_format import csv_format
    from newsfolio.shared.tables import WHOLE, check_readable

    if path.is_dir() and (path / WHOLE).is_file():
        path = next(iter(sorted(path.glob("*.parquet"))), path)
    if path.is_dir() or path.suffix in CORPORA:
        return ()
    check_readable(path, NewsfolioError)
    try:
        if path.suffix == ".parquet":
            import pyarrow.parquet as pq  # type: ignore[import-untyped]

            return tuple(pq.read_schema(path).names)
        if path.suffix == ".jsonl":
            with path.open(encoding="utf-8-sig") as file:
                row = json.loads(next((line for line in file if line.strip()), "{}"))
            return tuple(row) if isinstance(row, dict) else ()
        return csv_format(path, []).columns
    except (ValueError, OSError) as problem:
        reason = first_line(problem)
        raise NewsfolioError(f"{path}: cannot be read as {path.suffix[1:]}: {reason}") from problem


def _news(path: Path, settings: CheckSettings) -> FileReport:
    from nlp.texts.describe import describe_news
    from nlp.texts.headlines import headlines_with_report

    how: dict[str, Any] = {
        "timezone": settings.timezone,
        "midnight": settings.midnight,
        "columns": dict(settings.columns) or None,
    }
    found = describe_news(path, calendar=settings.calendar or "XNYS", **how)
    rows, _ = headlines_with_report(path, text_needed=False, **how)
    problems, details = [], found.to_dict()
    if settings.model is not None and "text" in rows.columns:
        details["unknown_tokens"], unread = _unknown(rows["text"], settings.model)
        if unread > 0:
            problems.append(
                f"{unread:.1%} of the texts have more than {FEW_WORDS:.0%} tokens that {settings.model} does not know "
                "and get no score: use a model whose --base reads their language"
            )
    options = _given(settings, ("timezone", "midnight"))
    options += f" --columns {shlex.quote(_joined(settings.columns))}" if settings.columns else ""
    name = shlex.quote(str(path))
    model = shlex.quote(settings.model) if settings.model else "MODEL"
    return FileReport(
        file=path,
        kind=NEWS,
        rows=found.report.given,
        assets=tuple(sorted(rows["asset"].unique())),
        first=found.report.first,
        last=found.report.last,
        problems=tuple(problems),
        details=details,
        lines=tuple(str(found).splitlines()),
        next=f"newsfolio score {name} --model {model} --out scored.parquet{options}",
        frame=rows[["published", "asset"]],
    )


def _scored(path: Path, settings: CheckSettings) -> FileReport:
    found = _news(path, settings)
    table = ["score" in found.details["columns"], "negative" in found.details["columns"]]
    problems = [] if any(table) else ["it has no column score"]
    options = found.next.partition(" --out scored.parquet")[2]
    command = f"newsfolio signal {shlex.quote(str(path))} --out signal.parquet{options}"
    return replace(found, kind=SCORED, next=command, problems=(*found.problems, *problems))


def _unknown(texts: "pd.Series", model: str) -> tuple[float, float]:
    """Mean share of tokens that a model does not know, and the share of texts of which it knows too few."""
    from nlp import load_classifier

    step = max(1, len(texts) // MOST_TEXTS)
    classifier: Any = load_classifier(model)
    shares = classifier.unknown_shares(texts.iloc[::step].tolist())
    return float(shares.mean()), float((shares > FEW_WORDS).mean())


def _labelled(path: Path, settings: CheckSettings) -> FileReport:  # noqa: ARG001 - as the other readers
    from nlp.corpora.formats import read_corpus

    found = read_corpus(path)
    labels = {str(label): int(rows) for label, rows in found.rows["label"].value_counts().items()}
    return FileReport(
        file=path,
        kind=LABELLED,
        rows=found.counts.read,
        details={"form": found.form, "labels": labels, "kept": len(found.rows)},
        lines=(str(found),),
        next=f"newsfolio finetune {shlex.quote(str(path))} --out model",
    )


def _wide(path: Path, settings: CheckSettings) -> FileReport:
    """Prices or a signal: where a twentieth of the values is below 0, no prices are meant."""
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
        if not (np.abs(known) <= 1).all() and (known < 0).mean() < SIGNED:
            raise
        return _signal(path, frame, tuple(notes))


def _prices(path: Path, found: Any, settings: CheckSettings) -> FileReport:
    from allocation.data.jumps import find_jumps, frozen_note
    from allocation.data.sessions import check_sessions, ends_note
    from allocation.frames import named, sessions_of

    bars = found.bars
    close, sessions = bars.close, sessions_of(bars.close)
    met = check_sessions(close, settings.calendar or "XNYS")
    other = met.fitting if settings.calendar is None else None
    met = check_sessions(close, other) if other is not None else met
    jumps, ends = find_jumps(bars), ends_note(close)
    problems = [] if met.problem is None else [met.problem]
    if jumps:
        allow = " ".join(f"--allow-jump {shlex.quote(asset)}" for asset in dict.fromkeys(jump.asset for jump in jumps))
        problems.append(
            f"{len(jumps)} moves as at a split or a change of units: {named(jumps)}: use adjusted prices, or, where "
            f"the moves are real, pass {allow}"
        )
    notes = [*found.notes, *(note for note in (met.note, ends, frozen_note(close)) if note is not None)]
    if (close.max(axis=None) <= 1) and close.shape[1] > 1:
        notes.append("all values lie between 0 and 1: if this is a signal, it has no negative value")
    options = f" --calendar {met.calendar}" if met.calendar != "XNYS" else ""
    options += "" if bars.open is not None else " --fill close"
    options += f" --asset {shlex.quote(settings.asset)}" if settings.asset else ""
    options += f" --end {ends.rpartition(' ')[2]}" if ends is not None and "--end" in ends else ""
    gaps = int(close.isna().to_numpy().sum())
    a_year = "" if met.a_year is None else f", {met.a_year} a year"
    marks = [name for name in ("open", "high", "low", "volume") if getattr(bars, name) is not None]
    return FileReport(
        file=path,
        kind=PRICES,
        rows=len(close),
        assets=tuple(close.columns),
        first=sessions[0],
        last=sessions[-1],
        notes=tuple(notes),
        problems=tuple(problems),
        details={
            "form": found.form,
            "fields": ["close", *marks],
            "rows_a_year": met.a_year,
            "calendar": met.calendar,
            "outside_calendar": len(met.outside),
            "missing_sessions": met.missing,
            "longest_gap": met.longest_gap,
            "empty_cells": gaps,
            "jumps": [
                {"asset": j.asset, "date": f"{j.date:%Y-%m-%d}", "ratio": j.ratio, "split": j.split} for j in jumps
            ],
        },
        lines=(
            f"{found.form}: {', '.join(['close', *marks])}; {len(close):,} rows{a_year} from {sessions[0].date()} to "
            f"{sessions[-1].date()}, {close.shape[1]:,} assets ({named(close.columns)})",
            f"calendar {met.calendar}: {len(met.outside):,} rows are no sessions, {met.missing:,} sessions have no "
            f"row, {gaps:,} of {close.size:,} cells are empty",
            f"{len(jumps)} jumps as at a split",
        ),
        next=f"newsfolio backtest STRATEGY.py --prices {shlex.quote(str(path))}{options} --out report",
        frame=close,
    )


def _signal(path: Path, frame: "pd.DataFrame", notes: tuple[str, ...]) -> FileReport:
    from allocation.errors import FrameError, SourceError
    from allocation.frames import check_signal, named, sessions_of

    try:
        signal = check_signal(frame)
    except FrameError as error:
        raise SourceError(f"{path}: {error}") from error
    sessions, known = sessions_of(signal), signal.notna()
    silent = [str(asset) for asset in signal.columns[~known.any()]]
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
        details={"share_of_cells": share, "lowest": low, "highest": high, "silent_assets": len(silent)},
        lines=(
            f"{len(signal):,} rows from {sessions[0].date()} to {sessions[-1].date()}, {signal.shape[1]:,} assets "
            f"({named(signal.columns)})",
            f"{share:.1%} of its cells have a value, from {low:g} to {high:g}; {len(silent):,} assets have none",
        ),
        next=f"newsfolio study {shlex.quote(str(path))} PRICES",
        frame=signal,
    )


def _given(settings: CheckSettings, names: tuple[str, ...]) -> str:
    given = {name: getattr(settings, name) for name in names}
    return "".join(f" --{name} {shlex.quote(value)}" for name, value in given.items() if value not in (None, "auto"))


def _joined(columns: Mapping[str, str]) -> str:
    return ",".join(f"{role}={column}" for role, column in columns.items())


@contextmanager
def _heard() -> Iterator[list[str]]:
    """Gather what is said in the log, in place of saying it."""
    found: list[str] = []

    class Gather(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    root = logging.getLogger()
    before, root.handlers = root.handlers, [Gather(logging.WARNING)]
    try:
        yield found
    finally:
        root.handlers = before
