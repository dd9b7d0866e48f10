"""Publication times as they are written -> instants in UTC, and which of them are dates without a time of day.

A vendor that knows only the date of a story writes its midnight: without a zone, in UTC, or in the zone of the exchange
(05:00Z or 04:00Z are midnights of New York). Taken for a time, the story would be known a day too early. One midnight
does not show which it is, so that the column decides as a whole: `ClockCounts` adds up over its parts, `time_format`
decides, `publication_times` reads each part alike.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from newsfolio.shared.arrays import BoolArray, IntArray
from nlp.errors import NewsError
from nlp.texts.date_order import NAMED_ZONES, as_iso

DATE = r"(?:\d{4}-\d{1,2}-\d{1,2}|\d{4}/\d{1,2}/\d{1,2}|\d{8})"
OFFSET = r"(?:Z|[+-]\d{2}(?::?\d{2})?)"
EPOCH = r"\d{10}(?:\.\d*)?|\d{13}(?:\.0*)?|\d{16}(?:\.0*)?|\d{19}"  # seconds, or thousandths, ... of them, since 1970
SERIAL = r"[2-7]\d{4}(?:\.\d*)?"  # days since 1899-12-30, as spreadsheets write them
RFC_2822 = r"(?:[A-Za-z]{3},\s*)?\d{1,2}\s+[A-Za-z]{3}\s+\d{4}\s+\d{1,2}:\d{2}"
DAY = pd.Timedelta(hours=24)
DAY_NS, HOUR_NS, QUARTER_NS = 24 * 3600 * 10**9, 3600 * 10**9, 900 * 10**9
FIRST_YEAR, LAST_YEAR = 1900, 2200  # nanoseconds count to 2262

Midnight = Literal["auto", "time", "date"]
WRITTEN = "the zone that is written"
# A column is a vendor's dates where every time is midnight in one of these; among other times only midnights of the
# first three are looked for, as the hours of the others are hours at which companies report.
ZONES = (
    WRITTEN, "UTC", "America/New_York", "America/Chicago", "America/Los_Angeles", "America/Sao_Paulo", "Europe/London",
    "Europe/Berlin", "Asia/Kolkata", "Asia/Shanghai", "Asia/Tokyo", "Australia/Sydney",
)  # fmt: skip
AMONG_TIMES = ZONES[:3]
FEWEST_DAYS = pd.Timedelta(days=4)  # one time of day over fewer days may be a time in most zones
UNUSUAL = 10.0  # times as many midnights as other full hours have on average


class WrittenTimes(NamedTuple):
    """Times of rows: NaT where unreadable, in UTC if any row is `zoned`, else as the clock of some zone.

    dated: a date only. midnight: the clock that is written shows midnight.
    """

    instants: pd.Series
    dated: BoolArray
    zoned: BoolArray
    midnight: BoolArray


@dataclass
class ClockCounts:
    """How many rows of a column are written how, and how many stand at each full hour of some zones."""

    times: int = 0  # rows with a time of day that time_known does not take away
    zoned: bool = False
    hours: dict[str, IntArray] = field(default_factory=lambda: {zone: np.zeros(24, np.int64) for zone in ZONES})
    first: pd.Timestamp | None = None
    last: pd.Timestamp | None = None

    def add(self, written: WrittenTimes, timezone: str | None, ignored: BoolArray) -> None:
        """Count the rows of one part; those whose time is not known anyway are `ignored`."""
        self.zoned |= bool(written.zoned.any())
        timed = ~written.dated & ~ignored & written.instants.notna().to_numpy()
        if not timed.any():
            return
        clock = pd.DatetimeIndex(written.instants[timed])
        self.times += len(clock)
        self.hours[WRITTEN] += _full_hours(clock.tz_localize(None) if clock.tz is None else clock[:0].tz_localize(None))
        self.hours[WRITTEN][0] += int(written.midnight[timed].sum()) if clock.tz is not None else 0
        if clock.tz is None:
            if timezone is None:
                return
            clock = pd.DatetimeIndex(localised(pd.Series(clock), timezone))
        clock = clock[(clock.year >= FIRST_YEAR) & (clock.year <= LAST_YEAR)]  # others are refused when they are read
        if not len(clock):
            return
        ends = [clock.min(), clock.max(), *(each for each in (self.first, self.last) if each is not None)]
        self.first, self.last = min(ends), max(ends)
        instant = clock.as_unit("ns").asi8
        unique, rows = np.unique(instant[instant % QUARTER_NS == 0], return_counts=True)
        full = pd.DatetimeIndex(unique, tz="UTC")
        for zone in ZONES[1:]:
            self.hours[zone] += _full_hours(full.tz_convert(zone).tz_localize(None), rows)

    def midnights(self, zone: str) -> int:
        """How many times are exactly midnight in a zone."""
        return int(self.hours[zone][0])


def _full_hours(clock: pd.DatetimeIndex, rows: IntArray | None = None) -> IntArray:
    """Rows at each of the 24 full hours."""
    of_day = clock.as_unit("ns").asi8 % DAY_NS
    full = of_day % HOUR_NS == 0
    weights = None if rows is None else rows[full]
    return np.bincount(of_day[full] // HOUR_NS, weights=weights, minlength=24).astype(np.int64)


@dataclass(frozen=True)
class TimeFormat:
    """How all rows of a column are read, whichever part they stand in.

    zoned: some rows name a zone, so that a time without one is refused. midnight_zone: midnights there are dates.
    order: dmy or mdy, of dates such as 31/12/2018.
    """

    zoned: bool
    midnight_zone: str | None
    order: str | None
    times: int
    midnights: int

    def __str__(self) -> str:
        """One line for a person who may know better."""
        zone = "as written" if self.midnight_zone == WRITTEN else f"in {self.midnight_zone}"
        return (
            f"{self.midnights:,} of {self.times:,} times ({self.midnights / max(self.times, 1):.0%}) are exactly "
            f"midnight {zone}: read as dates, known at the next session (midnight='time', on the command line "
            "--midnight time, reads them as times)"
        )


def time_format(counts: ClockCounts, midnight: Midnight = "auto", order: str | None = None) -> TimeFormat:
    """Decide from the counts of a whole column whether its midnights are dates without a time.

    They are where all times are midnight in one zone, or where midnight has more than ten times the rows that other
    full hours have on average. midnight: `time` or `date` decides by name.

    Raises:
        NewsError: midnight is none of the three.
    """
    if midnight not in ("auto", "time", "date"):
        raise NewsError(f"midnight is {midnight!r}: use 'auto', 'time' or 'date'")
    zone = None if midnight == "time" else _midnight_zone(counts, forced=midnight == "date")
    return TimeFormat(
        zoned=counts.zoned,
        midnight_zone=zone,
        order=order,
        times=counts.times,
        midnights=0 if zone is None else counts.midnights(zone),
    )


def _midnight_zone(counts: ClockCounts, *, forced: bool) -> str | None:
    fullest = max(AMONG_TIMES, key=counts.midnights)  # the first of equals
    if forced or not counts.times:
        return fullest if counts.midnights(fullest) else None
    many_days = counts.first is not None and counts.last is not None and counts.last - counts.first >= FEWEST_DAYS
    for zone in ZONES if many_days else AMONG_TIMES:
        if counts.midnights(zone) == counts.times:
            return zone
    usual = 0.0 if counts.times == 0 else counts.hours[fullest][1:].mean()
    if fullest == WRITTEN and counts.zoned:  # hours were counted of instants only
        usual = float(counts.hours["UTC"].mean())
    return fullest if counts.midnights(fullest) > UNUSUAL * usual else None


def written_times(published: pd.Series, order: str | None = None, *, zoned: bool = False) -> WrittenTimes:
    """Read times as they are written. zoned: rows without a zone are unreadable, as others of the column have one.

    ISO 8601, also with UTC, GMT, EST or EDT behind it; RFC 2822; seconds, milliseconds, ... since 1970; dates; in an
    order of day and month (`date_order`) also 31/12/2018, with or without a time.
    """
    rows = len(published)
    nothing, everything = np.zeros(rows, bool), np.ones(rows, bool)
    if pd.api.types.is_datetime64_any_dtype(published):
        if isinstance(published.dtype, pd.DatetimeTZDtype):
            clock = published.dt.tz_localize(None)
            return WrittenTimes(published.dt.tz_convert("UTC"), nothing, everything, _at_midnight(clock))
        read = published.mask(pd.Series(zoned, index=published.index)).dt.tz_localize("UTC") if zoned else published
        return WrittenTimes(read, nothing, nothing, _at_midnight(published))
    text = _iso_text(published, order)
    if isinstance(text.dtype, pd.DatetimeTZDtype):
        return WrittenTimes(text, nothing, everything, _at_midnight(text.dt.tz_localize(None)))
    # pandas would read a month, a year or a date with an offset as its first midnight: known too early.
    text = text.where(text.str.match(rf"{DATE}(?:[T ]|$)", na=False))
    dated = text.str.fullmatch(DATE, na=False).to_numpy(dtype=bool)
    named = text.str.match(rf".*[T ].*{OFFSET}$", na=False).to_numpy(dtype=bool)
    utc = zoned or bool(named.any())
    if utc:
        text = text.where(named | dated)
    midnight = text.str.contains("0:00", regex=False, na=False).to_numpy(dtype=bool) & ~dated  # few, as a rule
    if midnight.any():
        exact = text[midnight].str.contains(r"[T ]0?0:00(?::00(?:[.,]0*)?)?\s*(?:Z|[+-][\d:]*)?$", na=False)
        midnight[midnight] = exact.to_numpy(dtype=bool)
    instants = pd.to_datetime(text, errors="coerce", format="ISO8601", utc=utc)
    return WrittenTimes(instants, dated, named, midnight)


def _at_midnight(clock: pd.Series) -> BoolArray:
    return np.asarray(clock == clock.dt.normalize(), dtype=bool)


def _iso_text(published: pd.Series, order: str | None) -> pd.Series:
    """Times as ISO 8601 text, or as instants where all rows count seconds since 1970; others stay as they are."""
    text = published.astype(str).where(published.notna()).str.strip()
    if order is None and text.str.match(rf"{DATE}(?:[T ][^A-Za-z]*\dZ?)?$", na=False).all():
        return text
    text = as_iso(text, order).str.replace(r"\s*(?:UTC|GMT)$", "Z", regex=True)
    for zone, offset in NAMED_ZONES.items():
        text = text.str.replace(rf"^(\d{{4}}.*\d)\s*{zone}$", rf"\1{offset}", regex=True)
    epoch = text.str.fullmatch(EPOCH, na=False)
    if epoch.any():
        since = _since_1970(text[epoch])
        if epoch.all():
            return since
        text = text.mask(epoch, since.map(pd.Timestamp.isoformat).reindex(text.index))
    for form, read in ((SERIAL, _serial), (RFC_2822, _rfc_2822)):
        other = text.str.match(rf"{form}$" if read is _serial else form, na=False).to_numpy(dtype=bool)
        if other.any():
            known = {each: read(each) for each in text[other].unique()}
            text = text.where(~other, text.map(lambda each, known=known: known.get(each, each)))
    return text


def _since_1970(text: pd.Series) -> pd.Series:
    digits = text.str.partition(".")[0].str.len()
    whole = text.str.partition(".")[0].astype("int64").to_numpy()
    unit = np.select([digits <= 10, digits == 13, digits == 16], [10**9, 10**6, 10**3], default=1)
    fraction = text.str.partition(".")[2].str.ljust(9, "0").str[:9].astype("int64").to_numpy()
    return pd.Series(pd.DatetimeIndex(whole * unit + np.where(unit == 10**9, fraction, 0), tz="UTC"), index=text.index)


def _serial(text: str) -> str:
    """A spreadsheet's day; of a time in few decimals, where no whole second fits, the latest that it can be."""
    days, _, decimals = text.partition(".")
    seconds, unit = float(f"0.{decimals}0") * 86400, 86400 * 10.0 ** -len(decimals)
    late = 0.0 if abs(seconds - round(seconds)) < 1e-3 else unit / 2
    day = datetime(1899, 12, 30) + timedelta(days=int(days), seconds=round(seconds + late))
    return f"{day:%Y-%m-%dT%H:%M:%S}" if seconds else f"{day:%Y-%m-%d}"


def _rfc_2822(text: str) -> str:
    try:
        return parsedate_to_datetime(re.sub(r"Z$|-0000$", " +0000", text)).isoformat()
    except ValueError:
        return text


def publication_times(
    published: pd.Series, written: WrittenTimes, how: TimeFormat, timezone: str | None, where: str, first_row: int = 1
) -> tuple[pd.Series, BoolArray]:
    """Return the instants in UTC, and whether each row gave a time of day; a date is midnight UTC of that date.

    first_row: the number of the first of these rows in its file.

    Raises:
        NewsError: a time cannot be read, has no zone, lies before 1900 or in the future.
    """
    _refuse_unread(published, written.instants, where, first_row)
    instants, dated = written.instants, written.dated.copy()
    is_utc = isinstance(instants.dtype, pd.DatetimeTZDtype)
    if how.midnight_zone == WRITTEN:
        disguised = written.midnight & ~dated
        dates = _written_dates(published, instants, disguised, how.order)
    else:
        disguised, dates = np.zeros(len(dated), bool), instants
    bare = dated | disguised
    if not is_utc:
        if not bare.all() and timezone is None:
            row = int(np.flatnonzero(~bare)[0])
            raise NewsError(
                f"{where}: row {first_row + row}: {published.iloc[row]} has no time zone: name the one it is in "
                "(timezone='UTC', on the command line --timezone UTC)"
            )
        clocked = localised(instants.mask(bare), timezone or "UTC")
        # A bare date is a label, not an instant: midnight UTC only keeps it; sessions.py reads it as the date.
        instants = clocked.fillna(instants.where(bare).dt.tz_localize("UTC"))
    elif disguised.any():
        instants = instants.mask(disguised, dates)
    if how.midnight_zone not in (None, WRITTEN):
        local = instants.dt.tz_convert(how.midnight_zone).dt.tz_localize(None)
        disguised = _at_midnight(local) & ~bare
        instants = instants.mask(disguised, local.dt.tz_localize("UTC"))
        bare = bare | disguised
    _refuse_odd_years(published, instants, where, first_row)
    return instants, ~bare


def _written_dates(published: pd.Series, instants: pd.Series, disguised: BoolArray, order: str | None) -> pd.Series:
    """Midnight UTC of the date that is written, where the time is `disguised` as a midnight of another zone."""
    if isinstance(published.dtype, pd.DatetimeTZDtype):
        clock: pd.Series = published.dt.tz_localize(None).dt.tz_localize("UTC")
        return clock
    if not isinstance(instants.dtype, pd.DatetimeTZDtype) or not disguised.any():
        return instants
    text = _iso_text(published[disguised], order)
    if isinstance(text.dtype, pd.DatetimeTZDtype):  # seconds since 1970 are written in UTC
        return instants
    dates = pd.Series(pd.NaT, index=instants.index, dtype=instants.dtype)
    found = pd.to_datetime(text.str.extract(f"^({DATE})")[0], format="ISO8601", utc=True)
    dates[disguised] = found.astype(instants.dtype)
    return dates


def _refuse_unread(published: pd.Series, instants: pd.Series, where: str, first_row: int) -> None:
    bad = np.flatnonzero(instants.isna())
    if len(bad):
        value = published.iloc[bad[0]]
        shown = repr(value) if isinstance(value, str) else value
        raise NewsError(
            f"{where}: row {first_row + bad[0]}: published {shown} is not a time in the form of the "
            f"other rows: write 2014-03-07T15:30:00+00:00, or 2014-03-07 where only the date is known "
            f"({len(bad)} such rows)"
        )


def _refuse_odd_years(published: pd.Series, instants: pd.Series, where: str, first_row: int) -> None:
    latest = pd.Timestamp.now("UTC") + 2 * DAY  # a date in Auckland is ahead of UTC
    odd = (instants < pd.Timestamp(f"{FIRST_YEAR}-01-01", tz="UTC")) | (instants > latest)
    if odd.any():
        row = int(np.flatnonzero(odd)[0])
        when = "in the future" if instants.iloc[row] > latest else f"before {FIRST_YEAR}"
        raise NewsError(
            f"{where}: row {first_row + row}: published {published.iloc[row]} lies {when} ({int(odd.sum())} such "
            "rows): correct it"
        )


def check_timezone(timezone: str | None, where: str) -> None:
    """Raise NewsError where the time zone is unknown."""
    try:
        pd.Timestamp(2000, 1, 1).tz_localize(timezone)
    except (KeyError, ValueError, OSError) as error:  # zoneinfo raises a KeyError, or opens a folder of zones
        raise NewsError(f"{where}: time zone {timezone!r} is not known: use UTC, America/New_York, ...") from error


def localised(instants: pd.Series, timezone: str) -> pd.Series:
    """Bring local times to UTC; where the clock was changed over one, to the latest instant it can mean."""
    return _utc(instants, timezone).fillna(_utc(instants - DAY, timezone) + DAY)


def _utc(instants: pd.Series, timezone: str) -> pd.Series:
    """NaT where the clock skips the time: a day earlier it does not, and has not yet been set forward."""
    late = np.zeros(len(instants), bool)  # of the hour that comes twice in autumn, the second
    local = instants.dt.tz_localize(timezone, ambiguous=late, nonexistent="NaT")
    converted: pd.Series = local.dt.tz_convert("UTC")
    return converted
