"""Dates such as 03/04/2018: whether the day or the month comes first, decided by the whole column or by name."""

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # pandas has loaded it already
import pyarrow.compute as pc  # type: ignore[import-untyped]

from newsfolio.shared.arrays import BoolArray
from nlp.errors import NewsError

ORDERS = {"dmy": "%d/%m/%Y", "mdy": "%m/%d/%Y"}
SLASHED = r"^\s*\d{1,2}[/.-]\d{1,2}[/.-]\d{4}([^0-9]|$)"
PARTS = re.compile(r"\s*(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})(?:,?\s+(.*?))??\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2})?\s*")
TIMES = ("%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p", "%I:%M%p")


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


def as_iso(texts: pd.Series, order: str) -> pd.Series:
    """Return the texts with dates such as 31/12/2018 as ISO 8601; what is none in this order stays as it is."""
    chosen = slashed(texts)
    known = {text: _iso(text, order) for text in texts[chosen].unique()}
    return texts.where(~chosen, texts.map(lambda text: known.get(text, text)))


def _iso(text: str, order: str) -> str:
    found = PARTS.fullmatch(text)
    if found is None:
        return text
    first, second, year, clock, zone = found.groups()
    day = pd.to_datetime(f"{first}/{second}/{year}", format=ORDERS[order], errors="coerce")
    if pd.isna(day) or not clock:
        return text if pd.isna(day) else f"{day:%Y-%m-%d}"
    read = [pd.to_datetime(clock.upper(), format=form, errors="coerce") for form in TIMES]
    time = next((each for each in read if not pd.isna(each)), None)
    offset = "Z" if zone in ("UTC", "GMT") else zone or ""
    return text if time is None else f"{day:%Y-%m-%d}T{time:%H:%M:%S}{offset}"
