"""Read news rows, check them, and drop exact repeats, saying how many."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from newsfolio.shared.tables import need_columns, read_table
from nlp.errors import NewsError
from nlp.texts.aliases import Aliases, read_aliases

log = logging.getLogger(__name__)

COLUMNS = ("published", "asset", "text")
DATE = r"(?:\d{4}-\d{1,2}-\d{1,2}|\d{4}/\d{1,2}/\d{1,2}|\d{8})"
OFFSET = r"(?:Z|[+-]\d{2}(?::?\d{2})?)"
DAY = pd.Timedelta(hours=24)


@dataclass(frozen=True)
class HeadlineReport:
    """What became of the rows of one source; prints itself. given = kept + empty + repeats."""

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

    @property
    def empty(self) -> int:
        """Rows dropped for want of a text or an asset."""
        return self.without_text + self.without_asset

    def __str__(self) -> str:
        """Two lines: what was kept, and what was dropped or changed."""
        return (
            f"{self.where}: {self.kept:,} of {self.given:,} rows kept, {self.assets:,} assets, "
            f"{self.first:%Y-%m-%d} to {self.last:%Y-%m-%d}\n"
            f"dropped: {self.without_text:,} without text, {self.without_asset:,} without asset, "
            f"{self.repeats:,} exact repeats; {self.renamed:,} renamed by alias; "
            f"{self.date_only:,} with a date only, known at the next session"
        )


def read_headlines(
    source: str | Path | pd.DataFrame, *, timezone: str | None = None, aliases: Aliases | None = None
) -> pd.DataFrame:
    """Return news rows with `published` (UTC), `asset`, `text`, `time_known`, and all other columns as given.

    source: CSV, Parquet, JSON lines or a frame with the columns published, asset and text. Publication times
    without a time zone need `timezone` ("UTC", "America/New_York"): a guess would move news across a close.
    A row with a date but no time gets `time_known` False and midnight of that date; it counts as known only
    at the next session. So does every row where all times are midnights without a zone: dates in disguise. A
    column `time_known` can take a time away, never add one. aliases: other names of assets and the ticker to use
    instead, as a mapping or a table (`read_aliases`); blanks around a ticker go. Rows with an empty text or asset,
    and rows that repeat asset, text and time of another, are dropped and counted in the log. The order of rows is
    kept.

    Raises:
        NewsError: a column is missing, a time cannot be read or has no zone, or no row is left.
    """
    news, report = headlines_with_report(source, timezone=timezone, aliases=aliases)
    if report.empty or report.repeats:
        log.warning("%s: %d rows without text or asset and %d exact repeats dropped, %d kept", report.where,
                    report.empty, report.repeats, report.kept)  # fmt: skip
    return news


def headlines_with_report(
    source: str | Path | pd.DataFrame, *, timezone: str | None = None, aliases: Aliases | None = None
) -> tuple[pd.DataFrame, HeadlineReport]:
    """Return the rows of `read_headlines` and, in place of its line in the log, a report of what was dropped.

    Raises:
        NewsError: as `read_headlines`.
    """
    table, where = read_table(source, NewsError)
    need_columns(table, COLUMNS, where, NewsError)
    if table.empty:
        raise NewsError(f"{where}: holds no news rows")
    published, time_known = _publication(table["published"], timezone, where)
    if "time_known" in table.columns:
        time_known &= known_flags(table["time_known"], len(table))
    news = table.assign(published=published, time_known=time_known).reset_index(drop=True)
    return _cleaned(news, read_aliases(aliases) if aliases is not None else {}, where)


def _cleaned(news: pd.DataFrame, aliases: dict[str, str], where: str) -> tuple[pd.DataFrame, HeadlineReport]:
    worded = news["text"].map(_is_worded).astype(bool)
    named = news["asset"].notna() & (news["asset"].astype(str).str.strip() != "")
    rows = news[worded & named].astype({"asset": str, "text": str})
    ticker = rows["asset"].str.strip()
    renamed = ticker.isin(aliases)
    rows["asset"] = ticker.map(lambda name: aliases.get(name, name)).astype(str)
    fresh = ~rows.duplicated(["published", "asset", "text"])
    if not fresh.any():
        raise NewsError(f"{where}: no row has both a text and an asset")
    kept = rows[fresh].reset_index(drop=True)
    report = HeadlineReport(
        where=where, given=len(news), kept=len(kept), without_text=int((~worded).sum()),
        without_asset=int((worded & ~named).sum()), repeats=int((~fresh).sum()), renamed=int(renamed.sum()),
        date_only=int((~kept["time_known"]).sum()), assets=kept["asset"].nunique(), first=kept["published"].min(),
        last=kept["published"].max(),
    )  # fmt: skip
    return kept, report


def _is_worded(text: object) -> bool:
    return isinstance(text, str) and bool(text.strip())


def _publication(published: pd.Series, timezone: str | None, where: str) -> tuple[pd.Series, pd.Series]:
    """Return the instants in UTC, and whether each row gave a time of day."""
    instants, dated = _parsed(published)
    _refuse_unread(published, instants, where)
    if isinstance(instants.dtype, pd.DatetimeTZDtype):
        return instants.dt.tz_convert("UTC"), ~dated
    if (instants == instants.dt.normalize()).all():
        dated = pd.Series(True, index=instants.index)
    if not dated.all() and timezone is None:
        row = int(np.flatnonzero(~dated)[0])
        raise NewsError(
            f"{where}: row {row + 1}: {published.iloc[row]} has no time zone: name the one it is in "
            "(timezone='UTC', on the command line --timezone UTC)"
        )
    clocked = _localised(instants.where(~dated), timezone or "UTC", where)
    # A bare date is a label, not an instant: midnight UTC only keeps it; sessions.py reads it as the date.
    return clocked.fillna(instants.where(dated).dt.tz_localize("UTC")), ~dated


def _parsed(published: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Parse times, NaT where one cannot be read; also return where there is a date only.

    Where some rows carry an offset, all are brought to UTC, bare dates excepted: for a time without one
    among them, which zone would be its own?
    """
    if pd.api.types.is_datetime64_any_dtype(published):
        return published, pd.Series(False, index=published.index)
    text = published.astype(str).where(published.notna()).str.strip()
    # pandas would read a month, a year or a date with an offset as its first midnight: known too early.
    text = text.where(text.str.match(rf"{DATE}(?:[T ]|$)", na=False))
    dated = text.str.fullmatch(DATE, na=False)
    zoned = text.str.contains(rf"[T ].*{OFFSET}$", na=False)
    if zoned.any():
        text = text.where(zoned | dated)
    return pd.to_datetime(text, errors="coerce", format="ISO8601", utc=bool(zoned.any())), dated


def _refuse_unread(published: pd.Series, instants: pd.Series, where: str) -> None:
    bad = np.flatnonzero(instants.isna())
    if len(bad):
        raise NewsError(
            f"{where}: row {bad[0] + 1}: published {published.iloc[bad[0]]!r} is not a time in the form of the "
            f"other rows: write 2014-03-07T15:30:00+00:00, or 2014-03-07 where only the date is known "
            f"({len(bad)} such rows)"
        )


def _localised(instants: pd.Series, timezone: str, where: str) -> pd.Series:
    """Bring local times to UTC; where the clock was changed over one, to the latest instant it can mean."""
    try:
        return _utc(instants, timezone).fillna(_utc(instants - DAY, timezone) + DAY)
    except (KeyError, ValueError, OSError) as error:  # zoneinfo raises a KeyError, or opens a folder of zones
        raise NewsError(f"{where}: time zone {timezone!r} is not known: use UTC, America/New_York, ...") from error


def _utc(instants: pd.Series, timezone: str) -> pd.Series:
    """NaT where the clock skips the time: a day earlier it does not, and has not yet been set forward."""
    late = np.zeros(len(instants), bool)  # of the hour that comes twice in autumn, the second
    local = instants.dt.tz_localize(timezone, ambiguous=late, nonexistent="NaT")
    converted: pd.Series = local.dt.tz_convert("UTC")
    return converted


def known_flags(time_known: Sequence[Any] | pd.Series, rows: int) -> NDArray[np.bool_]:
    """Return time_known as one bool per row; a missing one counts as not known, the later of the two readings.

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
        raise NewsError(f"row {row + 1}: time_known is {given[row]!r}: write true or false")
    return flags.to_numpy(dtype=bool)
