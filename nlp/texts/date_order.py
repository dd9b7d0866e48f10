"""Dates as people write them: 03/04/2018, whose order the whole column shows or a name; Jan 3, 2023; 2:00 PM."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # pandas has loaded it already
import pyarrow.compute as pc  # type: ignore[import-untyped]

from newsfolio.shared.arrays import BoolArray
from nlp.errors import NewsError

ORDERS = {"dmy": "%d %m %Y", "mdy": "%m %d %Y"}
SLASHED = r"^\s*\d{1,2}[/.-]\d{1,2}[/.-]\d{4}([^0-9]|$)"
NAMED_DAY = r"(?:[A-Za-z]{3,9}\.?\s+\d{1,2},?\s+|\d{1,2}[\s-][A-Za-z]{3,9}\.?,?[\s-])\d{4}"
WORDED = rf"^\s*(?:[A-Za-z]{{3,9}},?\s+)?{NAMED_DAY}([^0-9]|$)"
HALVED = r"^\s*\d{4}[-/]\d{1,2}[-/]\d{1,2}[T ,].*\d\s*[AaPp]\.?[Mm]"  # with a.m. or p.m.
PARTS = re.compile(
    rf"\s*(?:[A-Za-z]{{3,9}},?\s+(?=[A-Za-z\d]+[.\s-]))?(\d{{1,4}}[/.-]\d{{1,2}}[/.-]\d{{1,4}}|{NAMED_DAY})"
    r"(?:(?:T|,?\s+(?:at\s+)?)(.+?))??\s*(Z|UTC|GMT|EST|EDT|[+-]\d{2}:?\d{2})?\s*$"
)
DAYS = ("%Y %m %d", "%b %d %Y", "%B %d %Y", "%d %b %Y", "%d %B %Y")
TIMES = ("%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p", "%I:%M%p", "%I:%M:%S%p")
NAMED_ZONES = {"EST": "-05:00", "EDT": "-04:00"}  # of RFC 2822; other names stand for several zones


def named_order(columns: Mapping[str, str] | None) -> tuple[dict[str, str], str | None]:
    """Return `columns` (name -> column in the file) as they are called, and the order that `published` names.

    `date:dmy` stands for the column date in which the day comes first, `date:mdy` for one with the month first.
    """
    given = dict(columns or {})
    name, colon, order = given.get("published", "").rpartition(":")
    if not colon or order not in ORDERS:
        return given, None
    return given | {"published": name}, order


class DateOrder:
    """Which orders of day and month the dates of a column show, added up over its parts."""

    def __init__(self) -> None:
        self.shown: dict[str, str] = {}  # an example of each order
        self.unclear: str | None = None

    def add(self, published: pd.Series) -> None:
        """Look at the dates of one part."""
        if pd.api.types.is_numeric_dtype(published) or pd.api.types.is_datetime64_any_dtype(published):
            return
        for text in published[slashed(published)].astype(str).unique():
            first, second = (int(number) for number in re.findall(r"\d+", text)[:2])
            if first > 12 or second > 12:
                self.shown.setdefault("dmy" if first > 12 else "mdy", text)
            else:
                self.unclear = self.unclear or text

    def decided(self, named: str | None, where: str) -> str | None:
        """Return `dmy` or `mdy` where there are such dates: the order that is named, or else that of all.

        Raises:
            NewsError: no date shows which comes first, or some show the one and some the other.
        """
        if named or not (self.shown or self.unclear):
            return named
        if len(self.shown) == 1:
            return next(iter(self.shown))
        unclear = (
            f"{self.shown['dmy']} has the day first and {self.shown['mdy']} the month"
            if self.shown
            else f"{self.unclear} may have the day or the month first"
        )
        raise NewsError(
            f"{where}: published: {unclear}: name the column and the order of its dates (--columns published=NAME:dmy "
            "or published=NAME:mdy; columns={'published': 'NAME:dmy'})"
        )


def slashed(texts: pd.Series) -> BoolArray:
    """Return which are dates such as 31/12/2018, with or without a time."""
    found = pc.match_substring_regex(pa.array(texts.astype(str)), SLASHED)
    return np.asarray(found.fill_null(False), dtype=bool)


def as_iso(texts: pd.Series, order: str | None) -> pd.Series:
    """Return as ISO 8601 what is written 31/12/2018, in this order, Dec 31, 2018 or with p.m.; else as it stands."""
    other = pc.match_substring_regex(pa.array(texts.astype(str)), f"{WORDED}|{HALVED}")
    chosen = np.asarray(other.fill_null(False), dtype=bool)
    if order is not None:
        chosen |= slashed(texts)
    if not chosen.any():
        return texts
    date, clock, zone = (part for _, part in texts[chosen].str.extract(f"^{PARTS.pattern}").items())
    date = date.str.replace(r"[/.,\s-]+", " ", regex=True).str.replace(r"\b[Ss]ept\b", "Sep", regex=True)
    day = _first_form(date, (*DAYS, *([ORDERS[order]] if order else [])))
    time = _first_form(clock.str.upper().str.replace(".", ""), TIMES)
    offset = zone.fillna("").replace({"UTC": "Z", "GMT": "Z"} | NAMED_ZONES)
    read = day.dt.strftime("%Y-%m-%d") + ("T" + time.dt.strftime("%H:%M:%S") + offset).fillna("")
    iso = texts.copy()
    iso[chosen] = read.where(day.notna() & (time.notna() | clock.isna()), texts[chosen]).to_numpy()
    return iso


def _first_form(texts: pd.Series, forms: Sequence[str]) -> pd.Series:
    """Times as the first form reads them that can."""
    read = pd.Series(pd.NaT, index=texts.index, dtype="datetime64[s]")
    for form in forms:
        read = read.fillna(pd.to_datetime(texts, format=form, errors="coerce").astype("datetime64[s]"))
    return read
