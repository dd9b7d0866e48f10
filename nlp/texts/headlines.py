"""Read news rows, check them, and drop exact repeats, saying how many."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # pandas has loaded it already
import pyarrow.compute as pc  # type: ignore[import-untyped]
from numpy.typing import NDArray

from newsfolio.shared.arrays import BoolArray, IntArray
from newsfolio.shared.tables import read_table
from nlp.errors import NewsError
from nlp.texts.aliases import NO_TICKERS, Aliases, asset_names, read_aliases
from nlp.texts.columns import WORDS, join_columns, need_news_columns, renaming_note, understand_columns
from nlp.texts.date_order import DateOrder, named_order
from nlp.texts.notes import NewsNotes, containing, refuse_half_characters
from nlp.texts.times import (
    ClockCounts,
    Midnight,
    check_timezone,
    publication_times,
    time_format,
    written_times,
)

log = logging.getLogger(__name__)

COLUMNS = ("published", "asset", "text")
WORDED = re.compile(r"[^\W_]")  # any letter or digit
ZERO_WIDTH = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))
ODD_NUMBER = 0x9E3779B97F4A7C15 - 2**64  # times which 64 bits wrap around without loss


@dataclass(frozen=True)
class HeadlineReport:
    """What became of the rows of one source; prints itself. given = kept - added + empty + repeats."""

    where: str
    given: int
    kept: int
    without_text: int
    without_asset: int  # though with a text
    repeats: int
    renamed: int
    date_only: int  # of the kept ones
    assets: int
    first: pd.Timestamp
    last: pd.Timestamp
    added: int = 0  # rows more than were given, as a story names several assets
    multiline: int = 0  # texts with a line break
    midnights: int = 0  # times that are midnights and were read as dates

    @property
    def empty(self) -> int:
        """Rows dropped because they have no text or no asset."""
        return self.without_text + self.without_asset

    def __str__(self) -> str:
        """Two lines: what was kept, and what was dropped or changed."""
        several = f"; {self.added:,} rows added for further assets of a story" if self.added else ""
        return (
            f"{self.where}: {self.kept:,} of {self.given + self.added:,} rows kept, {self.assets:,} assets, "
            f"{self.first:%Y-%m-%d} to {self.last:%Y-%m-%d}\n"
            f"dropped: {self.without_text:,} without text, {self.without_asset:,} without asset, "
            f"{self.repeats:,} exact repeats; {self.renamed:,} renamed by alias; "
            f"{self.date_only:,} with a date only, known at the next session{several}"
        )


def read_headlines(
    source: str | Path | pd.DataFrame,
    *,
    timezone: str | None = None,
    aliases: Aliases | None = None,
    midnight: Midnight = "auto",
    columns: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Return news rows with `published` (UTC), `asset`, `text`, `time_known`, and all other columns as given.

    source: CSV, Parquet, JSON lines or a frame with the columns published, asset and text, or what people call them
    (`understand_columns`); columns: name -> column in the file, for others. Publication times without a time zone
    need `timezone` ("UTC", "America/New_York"): a guess would move news across a close. A row with a date but no time
    gets `time_known` False and midnight of that date; it counts as known only at the next session. So do midnights
    where the whole column shows that they are dates in disguise (`time_format`); midnight `time` or `date` overrules
    that. A column `time_known` can take a time away, never add one. aliases: other names of assets and the ticker to
    use instead, as a mapping or a table (`read_aliases`); blanks around a ticker go. A story of n assets (a list, or
    tickers with commas) becomes n rows of `relevance` 1 / n. Rows without an asset or without any letter or digit in
    the text, and rows that repeat asset, text and time of another (whatever blanks and invisible marks), are dropped
    and counted in the log. The order of rows is kept.

    Raises:
        NewsError: a column is missing, a time cannot be read or has no zone, lies before 1900 or in the future, an
            asset is no ticker, or no row is left.
    """
    news, report = headlines_with_report(source, timezone=timezone, aliases=aliases, midnight=midnight, columns=columns)
    if report.empty or report.repeats:
        log.warning("%s: %d rows without text or asset and %d exact repeats dropped, %d kept",
                    report.where, report.empty, report.repeats, report.kept)  # fmt: skip
    return news


def headlines_with_report(
    source: str | Path | pd.DataFrame,
    *,
    timezone: str | None = None,
    aliases: Aliases | None = None,
    midnight: Midnight = "auto",
    columns: Mapping[str, str] | None = None,
    text_needed: bool = True,
) -> tuple[pd.DataFrame, HeadlineReport]:
    """Return the rows of `read_headlines` and, in place of its line in the log, a report of what was dropped.

    text_needed: False for rows that have scores already; without a text no row is the repeat of another.

    Raises:
        NewsError: as `read_headlines`.
    """
    table, where = read_table(source, NewsError, words=(*WORDS, *(columns or {}).values()))
    columns, order = named_order(columns)
    table = join_columns(table, columns)
    renamed = understand_columns(table.columns, columns, where)
    if renamed:
        log.warning("%s: %s", where, renaming_note(renamed))
        table = table.rename(columns=renamed)
    need_news_columns(table.columns, COLUMNS if text_needed else COLUMNS[:2], where)
    if table.empty:
        raise NewsError(f"{where}: holds no news rows")
    check_timezone(timezone, where)
    table = table.reset_index(drop=True)
    for name in set(COLUMNS) & set(table.columns):
        refuse_half_characters(table[name], where)
    seen = DateOrder()
    seen.add(table["published"])
    order = seen.decided(order, where)
    known = known_flags(table["time_known"], len(table)) if "time_known" in table.columns else np.ones(len(table), bool)
    written, counts = written_times(table["published"], order), ClockCounts()
    counts.add(written, timezone, ~known)
    how = time_format(counts, midnight, order)
    if how.midnights:
        log.warning("%s: %s", where, how)
    published, timed = publication_times(table["published"], written, how, timezone, where)
    notes, known_as = NewsNotes(where), read_aliases(aliases) if aliases is not None else {}
    rows, dropped = clean_rows(table.assign(published=published, time_known=timed & known), known_as, notes)
    notes.say_assets()
    if text_needed:
        notes.say_texts()
    fresh = ~repeats(rows) if "text" in rows.columns else np.ones(len(rows), bool)
    if not fresh.any():
        raise NewsError(f"{where}: no row has both a text and an asset")
    kept = (rows if fresh.all() else rows[fresh]).reset_index(drop=True)
    report = HeadlineReport(
        where=where,
        given=len(table),
        kept=len(kept),
        without_text=dropped.without_text,
        without_asset=dropped.without_asset,
        repeats=int((~fresh).sum()),
        renamed=dropped.renamed,
        date_only=int((~kept["time_known"]).sum()),
        assets=kept["asset"].nunique(),
        first=kept["published"].min(),
        last=kept["published"].max(),
        added=dropped.added,
        multiline=notes.multiline,
        midnights=how.midnights,
    )
    return kept, report


@dataclass(frozen=True)
class DroppedRows:
    """What `clean_rows` did: rows dropped and added, assets renamed."""

    without_text: int
    without_asset: int
    added: int
    renamed: int


def clean_rows(
    rows: pd.DataFrame, aliases: Mapping[str, str], notes: NewsNotes, first_row: int = 1
) -> tuple[pd.DataFrame, DroppedRows]:
    """Return the rows that have an asset and, where there is a column text, words in it; one row for each asset.

    first_row: the number of the first row in its file.

    Raises:
        NewsError: an asset is no ticker.
    """
    with_text = "text" in rows.columns
    worded = worded_rows(rows["text"]) if with_text else np.ones(len(rows), bool)
    if with_text:
        notes.add_texts(rows["text"], first_row)
    named = named_assets(rows["asset"], aliases, notes.where, first_row)
    count = named.counts
    used = worded & (count > 0)
    kept = rows if used.all() else rows[used]  # a copy of a million texts takes half a second
    place = np.repeat(np.arange(len(kept)), count[used])
    if len(place) > len(kept):
        given = kept["relevance"] if "relevance" in kept.columns else 1.0
        kept = kept.assign(relevance=given * (1.0 / count[used])).iloc[place]
    asset = pd.Series([name for each in named.cell[used] for name in named.names[each]], index=kept.index, dtype=object)
    renamed = asset.isin(list(aliases)) if aliases else np.zeros(len(asset), bool)
    kept = kept.assign(asset=asset.map(lambda name: aliases.get(name, name)) if aliases else asset)
    kept = kept.astype({"asset": str} | ({"text": str} if with_text else {}))
    notes.add_assets(kept["asset"].unique(), int((count[used] > 1).sum()), named.nameless)
    dropped = DroppedRows(
        without_text=int((~worded).sum()),
        without_asset=int((worded & (count == 0)).sum()),
        added=len(place) - int(used.sum()),
        renamed=int(np.sum(renamed)),
    )
    return kept, dropped


class NamedAssets(NamedTuple):
    """Tickers of each distinct cell, the number of each row's cell, and how many rows say nan, None, ..."""

    names: list[tuple[str, ...]]
    cell: IntArray
    nameless: int

    @property
    def counts(self) -> IntArray:
        """How many tickers each row names."""
        return np.array([len(each) for each in self.names], dtype=np.int64)[self.cell]


def named_assets(assets: pd.Series, aliases: Mapping[str, str], where: str, first_row: int) -> NamedAssets:
    """Return which tickers each row names.

    Raises:
        NewsError: an asset is no ticker.
    """
    try:
        code, cells = pd.factorize(assets, use_na_sentinel=False)
    except TypeError:  # lists cannot be hashed
        code, cells = np.arange(len(assets)), pd.Index(assets.to_numpy(dtype=object), tupleize_cols=False)
    names, nameless = [], 0
    for number, cell in enumerate(cells):
        whole = isinstance(cell, str) and cell.strip() in aliases
        found = (cell.strip(),) if whole else asset_names(cell)
        if found is None:
            row = int(np.flatnonzero(code == number)[0])
            raise NewsError(f"{where}: row {first_row + row}: asset {cell!r} is not a ticker: write it as text")
        if not found and isinstance(cell, str) and cell.strip() in NO_TICKERS:
            nameless += int((code == number).sum())
        names.append(found)
    return NamedAssets(names, code.astype(np.int64), nameless)


def worded_rows(texts: pd.Series) -> BoolArray:
    """Return whether each is a text with at least one letter or digit."""
    worded = containing(texts, "[A-Za-z0-9]")  # by Arrow where it can; few texts have none of these
    rest = np.flatnonzero(~worded)
    cells = texts.iloc[rest].astype(object).to_numpy()
    worded[rest] = [isinstance(text, str) and WORDED.search(text) is not None for text in cells]
    return worded


def repeats(rows: pd.DataFrame) -> BoolArray:
    """Return whether each row repeats published, asset and text of an earlier one (see `repeat_keys`)."""
    found = np.zeros(len(rows), dtype=bool)
    # First by numbers that repeats have in common, as few other rows do: a mixture of time and asset, then the length.
    mixed = rows["published"].astype("int64").to_numpy() * ODD_NUMBER + pd.factorize(rows["asset"])[0]
    suspect = np.flatnonzero(pd.Series(mixed).duplicated(keep=False))
    if len(suspect):
        texts = repeat_keys(rows["text"].iloc[suspect])
        mixed = mixed[suspect] * ODD_NUMBER + texts.str.len().to_numpy(dtype=np.int64)
        alike = pd.Series(mixed).duplicated(keep=False).to_numpy()
        keys = rows[["published", "asset"]].iloc[suspect[alike]].assign(text=texts[alike])
        found[suspect[alike]] = keys.duplicated()
    return found


def repeat_keys(texts: pd.Series) -> pd.Series:
    """Return texts as they are compared: any run of blanks is one, none at the ends, and no invisible marks."""
    odd = np.flatnonzero(pc.match_substring_regex(pa.array(texts), "[^ -~]|  |^ | $"))  # the others are their own key
    keys = texts.astype(str)
    if len(odd):
        keys = keys.copy()
        keys.iloc[odd] = pd.Index([" ".join(text.translate(ZERO_WIDTH).split()) for text in texts.iloc[odd]])
    return keys


def known_flags(
    time_known: Sequence[Any] | pd.Series, rows: int, *, where: str = "", first_row: int = 1
) -> NDArray[np.bool_]:
    """Return time_known as one bool per row; a missing one counts as not known, the later of the two readings.

    where, first_row: what a message begins with, and the number of the first row in its file.

    Raises:
        NewsError: the length is not `rows`, or a value is neither true nor false (as text in any case).
    """
    if len(time_known) != rows:
        raise NewsError(f"time_known has {len(time_known)} values for {rows} rows: pass one per row")
    if isinstance(time_known, pd.Series) and time_known.dtype == np.bool_:
        return time_known.to_numpy(dtype=bool, copy=True)
    given = pd.Series(np.asarray(time_known, dtype=object))
    # By way of text: in Python 1 == True, and bool("False") is True.
    flags = given.astype(str).str.strip().str.lower().map({"true": True, "false": False}).mask(given.isna(), False)
    if flags.isna().any():
        row = int(np.flatnonzero(flags.isna())[0])
        raise NewsError(f"{where}row {first_row + row}: time_known is {given[row]!r}: write true or false")
    return flags.to_numpy(dtype=bool)
