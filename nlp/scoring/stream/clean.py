"""News larger than memory: what `read_headlines` does, part by part."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from nlp.errors import NewsError
from nlp.labels import LABELS
from nlp.scoring.stream.deduplicate import SeenRows
from nlp.scoring.stream.read import PartedTable, inspect_table
from nlp.texts.columns import WORDS, join_columns, joined_columns, need_news_columns, renaming_note, understand_columns
from nlp.texts.date_order import DateOrder, named_order
from nlp.texts.headlines import clean_rows, known_flags, named_assets, repeat_keys, worded_rows
from nlp.texts.notes import NewsNotes, refuse_half_characters
from nlp.texts.times import (
    ClockCounts,
    Midnight,
    TimeFormat,
    check_timezone,
    publication_times,
    time_format,
    written_times,
)

log = logging.getLogger(__name__)

WEIGHTS = ("novelty", "relevance")  # of the rows in a signal


@dataclass
class NewsCount:
    """How many rows were read, dropped without text or asset, dropped as repeats, added for further assets."""

    rows: int = 0
    empty: int = 0
    repeats: int = 0
    added: int = 0

    @property
    def kept(self) -> int:
        """Rows that are left."""
        return self.rows + self.added - self.empty - self.repeats

    def since(self, earlier: "NewsCount") -> "NewsCount":
        """What was counted after `earlier`."""
        return NewsCount(
            rows=self.rows - earlier.rows,
            empty=self.empty - earlier.empty,
            repeats=self.repeats - earlier.repeats,
            added=self.added - earlier.added,
        )

    def add(self, other: "NewsCount") -> None:
        """Count what `other` counted as well."""
        self.rows += other.rows
        self.empty += other.empty
        self.repeats += other.repeats
        self.added += other.added

    def dropped(self) -> str:
        """What `read_headlines` says of them."""
        return (
            f"{self.empty:,} rows without text or asset and {self.repeats:,} exact repeats dropped, {self.kept:,} kept"
        )


@dataclass(frozen=True)
class NewsTable:
    """News to be read in parts, under newsfolio's own column names; `times` is None where rows are texts alone.

    several: some story names several assets, so that all parts get a column relevance.
    """

    table: PartedTable
    times: TimeFormat | None
    timezone: str | None
    several: bool = False


def inspect_news(
    path: str | Path,
    *,
    timezone: str | None = None,
    midnight: Midnight = "auto",
    columns: Mapping[str, str] | None = None,
) -> NewsTable:
    """Return the news as a table to be read in parts, checked as far as can be before any text is scored.

    The publication times of all rows are read, as they decide together how each is read. What is unusual is said in
    the log: renamed columns, midnights that are dates, texts without dates or assets, columns that will be replaced.

    Raises:
        NewsError: the news cannot be read, or `daily_signal` would refuse a row later.
    """
    table = inspect_table(path, NewsError, words=(*WORDS, *(columns or {}).values()))
    columns, order = named_order(columns)
    if joined := joined_columns(table.columns, columns):
        given, inspected, read = columns, table.columns, table.parts
        table = replace(
            table,
            columns=(*table.columns, columns["published"]),
            parts=lambda wanted: (
                join_columns(part, given)[list(wanted)]
                for part in read([name for name in inspected if name in (*wanted, *joined)])
            ),
        )
    table = _renamed(table, columns)
    dated = {"published", "asset"} & set(table.columns)
    needed = ("published", "asset", "text") if dated else ("text",)
    need_news_columns(table.columns, needed, str(table.path))
    if not dated:
        log.warning("%s: has neither published nor asset: texts are scored, repeats of rows are kept (newsfolio signal "
                    "needs both: --columns published=NAME,asset=NAME)", table.path)  # fmt: skip
    replaced = [name for name in (*LABELS, "score") if name in table.columns]
    if replaced:
        log.warning("%s: its column %s is replaced", table.path, ", ".join(replaced))
    if not table.rows:
        raise NewsError(f"{table.path}: holds no news rows")
    check_timezone(timezone, str(table.path))
    return _inspected(table, timezone, midnight, order) if dated else NewsTable(table, None, timezone)


def _renamed(table: PartedTable, columns: Mapping[str, str] | None) -> PartedTable:
    renamed = understand_columns(table.columns, columns, str(table.path))
    final = [renamed.get(name, name) for name in table.columns]
    guessed = {column: role for column, role in renamed.items() if role not in (columns or {})}
    alone = {"published", "asset"} & set(final)
    if len(alone) == 1 and (column := next((name for name, role in guessed.items() if role in alone), None)):
        lacking = "asset" if alone == {"published"} else "published"
        log.warning("%s: %r could be %s, but there is no %s (--columns %s=NAME), which newsfolio signal will need: "
                    "texts alone are scored", table.path, column, *alone, lacking, lacking)  # fmt: skip
        renamed = {name: role for name, role in renamed.items() if name != column}
        final = [renamed.get(name, name) for name in table.columns]
    if not renamed:
        return table
    log.warning("%s: %s", table.path, renaming_note(renamed))
    given, read = dict(zip(final, table.columns, strict=True)), table.parts
    return replace(
        table,
        columns=tuple(final),
        types={renamed.get(name, name): kind for name, kind in table.types.items()},
        parts=lambda wanted: (
            part.rename(columns=renamed)[list(wanted)] for part in read([given[name] for name in wanted])
        ),
    )


def _inspected(table: PartedTable, timezone: str | None, midnight: Midnight, order: str | None) -> NewsTable:
    """Count how all rows are written, decide, and check the times, assets and weights of all by the decision."""
    where, first, doubtful = str(table.path), 1, dict[str, str]()
    times = _decided_times(table, timezone, midnight, order)
    news, notes = NewsTable(table, times, timezone), NewsNotes(where)
    needed = [name for name in ("published", "asset", "time_known", *WEIGHTS) if name in table.columns]
    for part in table.parts(needed):
        _dated(part, news, first)
        refuse_half_characters(part["asset"], where, first)
        named = named_assets(part["asset"].astype(object), {}, where, first)
        notes.add_assets((name for each in named.names for name in each), int((named.counts > 1).sum()), named.nameless)
        for name in set(WEIGHTS) & set(needed) - set(doubtful):
            weight = pd.to_numeric(part[name].astype(object), errors="coerce")
            wrong = np.flatnonzero(part[name].notna() & ~weight.between(0, 1))
            if len(wrong):
                doubtful[name] = f"{part[name].iloc[wrong[0]]} in row {first + wrong[0]}"
        first += len(part)
    notes.say_assets()
    for name, shown in doubtful.items():
        log.warning("%s: %s is no weight from 0 to 1 (%s): newsfolio signal will refuse it: divide or rename it",
                    where, name, shown)  # fmt: skip
    return replace(news, several=notes.several > 0 and "relevance" not in table.columns)


def _decided_times(table: PartedTable, timezone: str | None, midnight: Midnight, order: str | None) -> TimeFormat:
    """Count how all rows are written: where days and months are in an order that they show, once more in this order."""
    seen, light = DateOrder(), [name for name in ("published", "time_known") if name in table.columns]

    def counted(order: str | None) -> ClockCounts:
        counts, first = ClockCounts(), 1
        for part in table.parts(light):
            refuse_half_characters(part["published"], str(table.path), first)
            first += len(part)
            seen.add(part["published"])
            known = _flags(part, 1, table)
            counts.add(written_times(part["published"].reset_index(drop=True), order), timezone, ~known)
        return counts

    counts = counted(order)
    decided = seen.decided(order, str(table.path))
    times = time_format(counts if decided == order else counted(decided), midnight, decided)
    if times.midnights:
        log.warning("%s: %s", table.path, times)
    return times


def _flags(part: pd.DataFrame, first: int, table: PartedTable) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    if "time_known" not in part.columns:
        return np.ones(len(part), dtype=bool)
    return known_flags(part["time_known"], len(part), where=f"{table.path}: ", first_row=first)


def news_parts(news: NewsTable, count: NewsCount) -> Iterator[pd.DataFrame]:
    """Yield the rows that `read_headlines` gives of the whole table, in their order; `count` follows them.

    Repeats are dropped across parts, for 16 bytes of memory per row kept. Differences: an error counts the rows of its
    part only; publication times that were text are in nanoseconds, so that all parts are alike. Where there are
    neither published nor asset, rows with a text are kept as they are, repeats as well: nothing shows that they are the
    same news.

    Raises:
        NewsError: as read_headlines; rows count from 1 at the beginning of the file.
    """
    table, seen, where = news.table, SeenRows(), str(news.table.path)
    words, notes = ["asset", "text"] if news.times else ["text"], NewsNotes(where)
    for part in table.parts(table.columns):
        first = count.rows + 1
        part = part.reset_index(drop=True)
        part = part.astype(dict.fromkeys(words, object))  # Arrow's strings are slow to walk through one by one
        refuse_half_characters(part["text"], where, first)
        if news.times is None:
            notes.add_texts(part["text"], first)
            worded = part[worded_rows(part["text"])].astype({"text": str})
            fresh, added, empty = np.ones(len(worded), dtype=bool), 0, len(part) - len(worded)
        else:
            worded, dropped = clean_rows(_dated(part, news, first), {}, notes, first)
            if news.several and "relevance" not in worded.columns:
                worded = worded.assign(relevance=1.0)
            keys = worded[["published", "asset"]].assign(text=repeat_keys(worded["text"]))
            fresh = seen.fresh(keys)
            added, empty = dropped.added, dropped.without_text + dropped.without_asset
        count.add(NewsCount(rows=len(part), empty=empty, repeats=len(worded) - int(fresh.sum()), added=added))
        if fresh.any():
            yield worded[fresh].reset_index(drop=True)
    notes.say_texts()
    if not count.kept:
        raise NewsError(f"{where}: no row has {'both a text and an asset' if news.times else 'a text'}")


def _dated(part: pd.DataFrame, news: NewsTable, first: int) -> pd.DataFrame:
    """Return the part with published in UTC and time_known, read as the whole column is."""
    assert news.times is not None  # noqa: S101 - texts alone have no times
    published = part["published"].reset_index(drop=True)
    written = written_times(published, news.times.order, zoned=news.times.zoned)
    times, timed = publication_times(published, written, news.times, news.timezone, str(news.table.path), first)
    if not pd.api.types.is_datetime64_any_dtype(published):
        times = times.dt.as_unit("ns")
    return part.reset_index(drop=True).assign(published=times, time_known=timed & _flags(part, first, news.table))
