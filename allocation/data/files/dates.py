"""Dates as files have them -> sessions: one reading for a whole column, or a refusal."""

import re

import numpy as np
import pandas as pd

from allocation.errors import SourceError

REMEDY = "write dates as YYYY-MM-DD"
SLASHED = r"\d{1,2}(?P<sign>[./-])\d{1,2}(?P=sign)"
ORDERS = {  # how a column of text may be written, besides ISO 8601
    "day/month/year": (SLASHED + r"\d{4}", "%d{0}%m{0}%Y"),
    "month/day/year": (SLASHED + r"\d{4}", "%m{0}%d{0}%Y"),
    "day/month/yy": (SLASHED + r"\d{2}", "%d{0}%m{0}%y"),
    "month/day/yy": (SLASHED + r"\d{2}", "%m{0}%d{0}%y"),
    "year/month/day": (r"\d{4}(?P<sign>[./])\d{1,2}(?P=sign)\d{1,2}", "%Y{0}%m{0}%d"),
    "day month year": (r"\d{1,2}(?P<sign>[ -])[A-Za-z]{3,9}(?P=sign)\d{4}", "%d{0}%b{0}%Y"),
    "day month yy": (r"\d{1,2}(?P<sign>[ -])[A-Za-z]{3,9}(?P=sign)\d{2}", "%d{0}%b{0}%y"),
    "month day year": (r"[A-Za-z]{3,9}(?P<sign> )\d{1,2}(?P=sign)\d{4}", "%b{0}%d{0}%Y"),
    "month day, year": (r"[A-Za-z]{3,9}(?P<sign> )\d{1,2},(?P=sign)\d{4}", "%b{0}%d,{0}%Y"),
}
CLOCK = r"(?:[ T]\d{1,2}:\d{2}(?::\d{2})?(?: ?[AaPp][Mm])?)?"
ISO = re.compile(r"\d{4}-\d{1,2}-\d{1,2}(?:[ T].*)?|\d{8}")
WEEKDAY = r"^(?:Mon|Tue|Tues|Wed|Thu|Thurs|Fri|Sat|Sun)(?:day|sday|nesday|rsday|urday)?,? "
OFFSET = re.compile(r"(?:Z|[+-]\d{2}:?\d{2}| ?UTC| ?GMT)$")
EXCEL_EPOCH = pd.Timestamp("1899-12-30")  # serial 61 is 1 March 1900 in both Excel and the calendar
EXCEL = (20_000, 80_000)  # 1954 to 2119
YYYYMMDD = (19_000_101, 21_001_231)
EPOCHS = {"s": (3e8, 5e9), "ms": (3e11, 5e12), "us": (3e14, 5e15), "ns": (3e17, 5e18)}  # 1979 to 2128
UNITS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
ZONES = ("UTC", "America/New_York", "Europe/London", "Europe/Berlin", "Asia/Tokyo", "Asia/Hong_Kong", "Asia/Kolkata")
DATED = [ISO, *(re.compile(pattern) for pattern, _ in ORDERS.values())]


def looks_like_a_date(text: str) -> bool:
    """Return whether a cell of text may be a date."""
    return any(pattern.match(text.strip()) for pattern in DATED)


class NoDatesError(SourceError):
    """No entry of a column is a date: it may be no column of dates at all."""


def parse_dates(dates: pd.Series, where: str, notes: list[str] | None = None) -> pd.DatetimeIndex:
    """Turn a column of dates into tz-naive sessions; what had to be inferred is added to `notes`.

    A whole column is read in one way: ISO 8601, day or month first where only one of them gives dates for all rows (or
    rows in order), YYYYMMDD, Excel serial dates, epoch seconds; a time of day or a zone is left out where every row
    still names one day.

    Raises:
        SourceError: an entry is no date (the message names the first such row and counts them), or the column can be
            read in two ways.
    """
    said: list[str] = [] if notes is None else notes
    parsed = _moments(dates, where, said)
    bad = np.flatnonzero(parsed.isna())
    if len(bad):
        given = dates.iloc[bad[0]]
        shown = repr(given) if isinstance(given, str) else str(given)
        raise (NoDatesError if len(bad) == len(dates) else SourceError)(
            f"{where}: row {bad[0] + 1}: {shown} is not a date: {REMEDY}, or leave out what is no "
            f"row of prices ({len(bad)} such rows)"
        )
    return _days(pd.DatetimeIndex(parsed), where, said).rename("date")


def _moments(dates: pd.Series, where: str, notes: list[str]) -> pd.Series:
    if pd.api.types.is_datetime64_any_dtype(dates):
        return dates
    if pd.api.types.is_bool_dtype(dates) or pd.api.types.is_complex_dtype(dates):
        return pd.Series(pd.NaT, index=dates.index)
    if pd.api.types.is_numeric_dtype(dates):
        return _from_numbers(dates, notes)
    if pd.api.types.infer_dtype(dates, skipna=True) not in ("string", "empty"):  # dates and times of Python
        return pd.to_datetime(dates, errors="coerce", format="ISO8601")
    codes, texts = pd.factorize(dates)  # a long table repeats its dates
    found = _from_text(pd.Series(texts, dtype="str").str.strip(), where, notes)
    return found.reindex(codes).set_axis(dates.index)


def _from_numbers(dates: pd.Series, notes: list[str]) -> pd.Series:
    """20230103, Excel's serial dates and epochs; a column of prices is none of them."""
    nothing = pd.Series(pd.NaT, index=dates.index)
    known = dates.dropna()
    whole = known.astype("int64")
    if not len(known) or not (known == whole).all():
        return nothing

    def within(span: tuple[float, float]) -> bool:
        return bool(known.between(*span).all())

    if within(YYYYMMDD):
        text = dates.astype("Int64").astype("str")
        return pd.to_datetime(text, format="%Y%m%d", errors="coerce")
    steps = np.diff(np.unique(whole))
    if within(EXCEL) and len(steps) and np.median(steps) <= 31:
        notes.append("dates are Excel's serial numbers")
        return EXCEL_EPOCH + pd.to_timedelta(dates, unit="D")
    for unit, span in EPOCHS.items():
        if within(span):
            notes.append(f"dates are epoch {UNITS[unit]}")
            return pd.to_datetime(dates, unit=unit, utc=True)  # type: ignore[call-overload, no-any-return]
    return nothing


def _from_text(dates: pd.Series, where: str, notes: list[str]) -> pd.Series:
    """The one way of writing dates that fits most rows, and all of them where the file is right."""
    dates = dates.str.replace(WEEKDAY, "", regex=True)
    known = dates[dates.notna() & (dates != "")]
    digits = known.str.fullmatch(r"\d+(\.0)?")
    if len(known) and digits.all() and not known.str.fullmatch(r"\d{8}|\d{4}").all():
        return _from_numbers(pd.to_numeric(dates.where(dates != "")), notes)
    if len(known) and known.str.fullmatch(r"\d{4}(-\d{2})?").any():
        month = known[known.str.fullmatch(r"\d{4}(-\d{2})?")].iloc[0]
        raise SourceError(f"{where}: {month!r} is a month or a year, not a session: write the date of the close")
    if len(known) and known.str.fullmatch(ISO).any():
        return _iso(dates, where)
    readings = {name: found for name in ORDERS if (found := _ordered(dates, name)) is not None}
    if not readings:
        return pd.Series(pd.NaT, index=dates.index)
    fewest = min(int(found.isna().sum()) for found in readings.values())
    best = {name: found for name, found in readings.items() if found.isna().sum() == fewest}
    sorted_rows = {n: f for n, f in best.items() if f.is_monotonic_increasing or f.is_monotonic_decreasing}
    if len(best) > 1 and len(sorted_rows) == 1:  # one reading alone has the rows in order
        best = sorted_rows
    if len(best) > 1:
        (name, one), (other, two) = list(best.items())[:2]
        row = int(np.argmax(one.notna() & two.notna() & (one != two)))
        either = f"{one.iloc[row].day} {one.iloc[row]:%B} ({name}) or {two.iloc[row].day} {two.iloc[row]:%B} ({other})"
        raise SourceError(f"{where}: {str(dates.iloc[row])!r} may be {either}, and so may every row: {REMEDY}")
    ((name, found),) = best.items()
    if name != "year/month/day" and fewest < len(dates):
        notes.append(f"dates are {name}")
    return found


def _iso(dates: pd.Series, where: str) -> pd.Series:
    """ISO 8601; with offsets of one exchange over daylight saving, the clock as it is written."""
    dates = dates.str.replace(r" ?(?:UTC|GMT)$", "Z", regex=True)
    offsets = dates.str.extract(f"({OFFSET.pattern})")[0].dropna()
    if offsets.empty or (len(offsets.unique()) == 1 and len(offsets) == dates.notna().sum()):
        return pd.to_datetime(dates, errors="coerce", format="ISO8601")
    clock = pd.to_datetime(dates.str.replace(OFFSET, "", regex=True), errors="coerce", format="ISO8601")
    if len(offsets) < dates.notna().sum() or len(clock.dropna().dt.time.unique()) > 1:
        raise SourceError(f"{where}: has dates of several time zones: {REMEDY}")
    return clock


def _ordered(dates: pd.Series, name: str) -> pd.Series | None:
    """The column as one order of day, month and year; None where no row is written so."""
    pattern, form = ORDERS[name]
    parts = dates.str.extract(rf"^(?P<date>{pattern}){CLOCK}$")
    separators = parts["sign"].dropna().unique()
    if len(separators) != 1:
        return None
    long_month = dates.str.contains(r"[A-Za-z]{4,}", regex=True, na=False) & ~dates.str.contains(r"\d:\d")
    text, form = parts["date"], form.format(separators[0])
    found = pd.to_datetime(text, format=form, errors="coerce")
    if "%b" in form and long_month.any():
        found = found.fillna(pd.to_datetime(text, format=form.replace("%b", "%B"), errors="coerce"))
    return found


def _days(moments: pd.DatetimeIndex, where: str, notes: list[str]) -> pd.DatetimeIndex:
    if moments.tz is not None:
        return _days_of_a_zone(moments, where, notes)
    days = moments.normalize()
    if (days == moments).all():
        return moments
    _one_a_day(moments, days, where)
    notes.append(f"times of day are left out ({moments[0]:%H:%M})")
    return days


def _days_of_a_zone(moments: pd.DatetimeIndex, where: str, notes: list[str]) -> pd.DatetimeIndex:
    """Midnights of the column's own zone, or of one exchange's over daylight saving, are its days."""
    own = str(moments.tz)
    zones = (own, *(zone for zone in ZONES if zone != own and own in ("UTC", "UTC+00:00", "+00:00")))
    for zone in zones:
        local = moments.tz_convert(zone)
        if (local == local.normalize()).all():
            if zone != own:
                notes.append(f"times are midnights of {zone}, written in UTC")
            return local.tz_localize(None)
    local = moments.tz_localize(None)
    if own in ("UTC", "UTC+00:00", "+00:00"):
        raise SourceError(
            f"{where}: {moments[0]} is no midnight of an exchange known here: {REMEDY}, the day in the exchange's zone"
        )
    days = local.normalize()
    _one_a_day(local, days, where)
    notes.append(f"times of day are left out ({local[0]:%H:%M} {own})")
    return days


def _one_a_day(moments: pd.DatetimeIndex, days: pd.DatetimeIndex, where: str) -> None:
    if len(set(moments.time)) > 1 and days.nunique() < moments.nunique():
        raise SourceError(
            f"{where}: has several times on {days[days.duplicated()][0]:%Y-%m-%d}: keep one row per session, its close"
        )
