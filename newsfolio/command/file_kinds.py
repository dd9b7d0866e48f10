"""Which kind of file newsfolio can read this as, and what is in it: news, scored news, labelled texts, or frames."""

import json
import logging
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from newsfolio.command.file_report import LABELLED, NEWS, SCORED, CheckSettings, FileReport
from newsfolio.command.frame_files import describe_frame
from newsfolio.shared.errors import NewsfolioError

if TYPE_CHECKING:
    import pandas as pd

CORPORA = (".zip", ".txt", ".json")  # forms of published corpora
MOST_TEXTS = 10_000  # read with a model
MOST_NAMED = 8
NEEDED = (
    "news need published, asset and text; scored news published, asset and score; labelled texts text and label; "
    "prices date and a column per asset, or date, ticker and close; signals date and a column per asset"
)


def describe_file(path: Path, settings: CheckSettings) -> FileReport:
    """Return what a file holds, read by the readers of the other commands.

    Raises:
        NewsfolioError: no reader can read it.
    """
    from allocation.data.files.dates import NoDatesError
    from allocation.data.files.headings import DAY_WORDS
    from newsfolio.shared.tables import plain_name

    names = _columns(path)
    columns = {plain_name(name) for name in names}
    read = _reader(path, columns, settings.columns)
    try:
        with _logged() as notes:
            report = read(path, settings)
    except NoDatesError as error:
        if columns & set(DAY_WORDS):
            raise
        has = ", ".join(list(names)[:MOST_NAMED]) + (", ..." if len(names) > MOST_NAMED else "")
        raise NewsfolioError(f"{path}: is of none of the kinds that newsfolio reads: it has {has}; {NEEDED}") from error
    said = [*(note.removeprefix(f"{path}: ").removeprefix(f"{path.name}: ") for note in notes), *report.notes]
    fresh = [note for note in dict.fromkeys(said) if not any(note in line for line in report.lines)]
    return replace(report, notes=tuple(fresh))


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
    return _news if "text" in has else describe_frame


def _columns(path: Path) -> tuple[str, ...]:
    """The names of a file's columns, without its rows; none where only the reader of prices or corpora can say."""
    from newsfolio.shared.csv_format import csv_format
    from newsfolio.shared.tables import WHOLE, cannot_read, check_readable

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
        raise cannot_read(path, problem, NewsfolioError) from problem


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
                f"{unread:.1%} of the texts get no score, as too many of their tokens are unknown to {settings.model}: "
                "fine-tune a model that reads their language (--base)"
            )
    columns = ",".join(f"{role}={column}" for role, column in settings.columns.items())
    given = {"timezone": settings.timezone or "", "midnight": settings.midnight, "columns": columns}
    options = "".join(f" --{name} {shlex.quote(each)}" for name, each in given.items() if each not in ("", "auto"))
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
    from nlp.model.unknown_words import UNREADABLE

    step = max(1, len(texts) // MOST_TEXTS)
    classifier: Any = load_classifier(model)  # one model, or several that vote
    shares = classifier.unknown_shares(texts.iloc[::step].tolist())
    return float(shares.mean()), float((shares > UNREADABLE).mean())


def _labelled(path: Path, settings: CheckSettings) -> FileReport:  # noqa: ARG001 - as the other readers
    from nlp.corpora.formats import read_corpus
    from nlp.errors import CorpusError

    notes, task = tuple[str, ...](), ""
    try:
        found = read_corpus(path)
    except CorpusError as error:
        try:
            found = read_corpus(path, label_map=None)
        except CorpusError:
            raise error from None  # what is wrong with it whatever its labels mean
        notes, task = (
            (f"its labels are not those of tone, which would need --labels to say what they mean: {error}",),
            " --task NAME",
        )
    labels = {str(label): int(rows) for label, rows in found.rows["label"].value_counts().items()}
    return FileReport(
        file=path,
        kind=LABELLED,
        rows=found.counts.read,
        details={"form": found.form, "labels": labels, "kept": len(found.rows)},
        lines=(str(found),),
        notes=notes,
        next=f"newsfolio finetune {shlex.quote(str(path))}{task} --out model",
    )


@contextmanager
def _logged() -> Iterator[list[str]]:
    """Yield the warnings that are logged meanwhile, which are not printed."""
    found: list[str] = []

    class Gather(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            """Keep the message."""
            found.append(record.getMessage())

    root = logging.getLogger()
    before, root.handlers = root.handlers, [Gather(logging.WARNING)]
    try:
        yield found
    finally:
        root.handlers = before
