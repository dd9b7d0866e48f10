"""News larger than memory: what `read_headlines` does, part by part."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from newsfolio.shared.tables import need_columns
from nlp.errors import NewsError
from nlp.model.inference import checked_texts
from nlp.scoring.stream.deduplicate import SeenRows
from nlp.scoring.stream.read import PartedTable
from nlp.texts.headlines import DATE, read_headlines

IDENTITY = ["published", "asset", "text"]


@dataclass
class NewsCount:
    """How many rows were read, dropped for want of a text or an asset, dropped as repeats, and kept."""

    rows: int = 0
    empty: int = 0
    repeats: int = 0

    @property
    def kept(self) -> int:
        """Rows that are left."""
        return self.rows - self.empty - self.repeats

    def since(self, earlier: "NewsCount") -> "NewsCount":
        """What was counted after `earlier`."""
        return NewsCount(self.rows - earlier.rows, self.empty - earlier.empty, self.repeats - earlier.repeats)

    def add(self, other: "NewsCount") -> None:
        """Count what `other` counted as well."""
        self.rows, self.empty, self.repeats = (
            self.rows + other.rows, self.empty + other.empty, self.repeats + other.repeats
        )  # fmt: skip

    def dropped(self) -> str:
        """What `read_headlines` says of them."""
        return (
            f"{self.empty:,} rows without text or asset and {self.repeats:,} exact repeats dropped, {self.kept:,} kept"
        )


@dataclass(frozen=True)
class _Witness:
    """A row that decides how all others are read: one with an offset, or one with a time of day that is not 0:00."""

    published: object
    row: int  # from 1


def is_dated(table: PartedTable) -> bool:
    """Return whether the rows are dated news of an asset, or texts alone.

    Raises:
        NewsError: there is no text, or of published and asset only one.
    """
    dated = {"published", "asset"} & set(table.columns)
    columns = ("published", "asset", "text") if dated else ("text",)
    need_columns(pd.DataFrame(columns=list(table.columns)), columns, str(table.path), NewsError)
    return bool(dated)


def news_parts(table: PartedTable, timezone: str | None, count: NewsCount) -> Iterator[pd.DataFrame]:
    """Yield the rows that `read_headlines` gives of the whole table, in their order; `count` follows them.

    What depends on all rows is found beforehand, by reading publication times up to the first that decides it:
    whether times carry offsets, and whether midnights are dates in disguise. Repeats are dropped across parts, for
    16 bytes of memory per row kept. Differences: an error counts the rows of its part only, and where times with
    an offset and without one mix may name another of them; publication times that were text are in nanoseconds,
    so that all parts are alike. Where there are neither published nor asset, rows with a text are kept as they
    are, repeats as well: nothing tells that they are the same news.

    Raises:
        NewsError: as read_headlines; rows count from 1 at the beginning of the file.
    """
    if not table.rows:
        raise NewsError(f"{table.path}: holds no news rows")
    dated = is_dated(table)
    words = ["asset", "text"] if dated else ["text"]
    witness, seen = _witness(table) if dated else None, SeenRows()
    for part in table.parts(table.columns):
        first = count.rows + 1
        part = part.astype(dict.fromkeys(words, object))  # Arrow's strings are slow to walk through one by one
        for column in words:
            _refuse_halves(part[column], first, table)
        news = _dated(part, witness, timezone, first, table) if dated else part
        worded = news[_usable(news, dated)].astype(dict.fromkeys(words, str))
        fresh = seen.fresh(worded[IDENTITY]) if dated else np.ones(len(worded), dtype=bool)
        count.rows += len(part)
        count.empty += len(part) - len(worded)
        count.repeats += len(worded) - int(fresh.sum())
        if fresh.any():
            yield worded[fresh].reset_index(drop=True)
    if not count.kept:
        raise NewsError(f"{table.path}: no row has {'both a text and an asset' if dated else 'a text'}")


def _usable(news: pd.DataFrame, dated: bool) -> NDArray[np.bool_]:
    usable = np.array([isinstance(text, str) and text.strip() != "" for text in news["text"]], dtype=bool)
    if not dated:
        return usable
    named = news["asset"].notna() & (news["asset"].astype(str).str.strip() != "")
    both: NDArray[np.bool_] = usable & np.asarray(named, dtype=bool)
    return both


def _witness(table: PartedTable) -> _Witness | None:
    row = 1
    for part in table.parts(["published"]):
        deciding = np.flatnonzero(_decides(part["published"]))
        if len(deciding):
            return _Witness(part["published"].iloc[deciding[0]], row + int(deciding[0]))
        row += len(part)
    return None


def _decides(published: pd.Series) -> NDArray[np.bool_]:
    if isinstance(published.dtype, pd.DatetimeTZDtype):
        return np.ones(len(published), dtype=bool)
    if pd.api.types.is_datetime64_any_dtype(published):
        return np.asarray(published.notna() & (published != published.dt.normalize()), dtype=bool)
    text = published.astype(str).where(published.notna(), "").str.strip()
    timed = text.str.match(rf"{DATE}[T ]") & ~text.str.fullmatch(rf"{DATE}[T ][ 0:.]*")
    return np.asarray(timed, dtype=bool)


def _dated(
    part: pd.DataFrame, witness: _Witness | None, timezone: str | None, first: int, table: PartedTable
) -> pd.DataFrame:
    """Return the part with published in UTC and time_known, read as if the witness were one of its rows."""
    columns = [name for name in ("published", "time_known") if name in part.columns]
    rows, numbers = part[columns], list(range(first, first + len(part)))
    if witness is not None:
        extra = pd.DataFrame({"published": pd.Series([witness.published], dtype=part["published"].dtype)})
        rows = pd.concat([rows.astype({"time_known": object} if "time_known" in columns else {}), extra])
        numbers.append(witness.row)
    # Every row gets an asset of its own and a text: none is dropped, and what comes back lies in step.
    try:
        read = read_headlines(rows.assign(asset=range(len(rows)), text="x"), timezone=timezone).head(len(part))
    except NewsError as error:
        raise _located(error, numbers, table) from error
    times = read["published"].set_axis(part.index)
    if not pd.api.types.is_datetime64_any_dtype(part["published"]):
        times = _nanoseconds(times, first, table)
    return part.assign(published=times, time_known=read["time_known"].to_numpy())


def _nanoseconds(times: pd.Series, first: int, table: PartedTable) -> pd.Series:
    try:
        exact: pd.Series = times.dt.as_unit("ns")
        return exact
    except ValueError as error:
        far = int(np.flatnonzero((times.dt.year <= 1677) | (times.dt.year >= 2262))[0])
        raise NewsError(
            f"{table.path}: row {first + far}: published {times.iloc[far]} is no time of news: correct it"
        ) from error


def _refuse_halves(words: pd.Series, first: int, table: PartedTable) -> None:
    """Half a character can be written in JSON; neither a tokenizer nor pandas' own strings can hold it."""
    given = [word if isinstance(word, str) else "" for word in words]
    try:
        "".join(given).encode()
    except UnicodeEncodeError:
        _name_half(given, first, table)


def _name_half(words: list[str], first: int, table: PartedTable) -> None:
    try:
        checked_texts(words, NewsError)
    except NewsError as error:
        raise _located(error, range(first, first + len(words)), table) from error


def _located(error: NewsError, numbers: Sequence[int], table: PartedTable) -> NewsError:
    """The same error with the file's name and row instead of the part's."""
    message = re.sub(r"^the frame: ", "", str(error))
    message = re.sub(r"^row (\d+)", lambda found: f"row {numbers[int(found[1]) - 1]}", message)
    return NewsError(f"{table.path}: {message}")
