"""Numbers as files have them: decimal commas, thousands marks, currency signs; one reading for a whole file."""

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd

from allocation.errors import FrameError, SourceError

NO_NUMBER = (
    "", "NA", "N/A", "n/a", "#N/A", "#N/A N/A", "#NA", "NaN", "nan", "-NaN", "-nan", "null", "NULL", "None", "<NA>",
    "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN", "-", "--", "\u2013", "\u2014", ".", "#VALUE!", "#REF!", "#DIV/0!",
    "n.a.", "N.A.", "none", "Null",
)  # fmt: skip
POINT = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d*)(?:\.\d*)?(?:[eE][-+]?\d+)?")
COMMA = re.compile(r"[-+]?(?:\d{1,3}(?:\.\d{3})+|\d*)(?:,\d*)?(?:[eE][-+]?\d+)?")
CURRENCY = re.compile(r"[$€£¥₹]|\b(?:USD|EUR|GBP|CHF|JPY)\b")
BLANKS = re.compile(r"(?<=\d)['’\u00a0\u2009\u202f ](?=\d{3}(?!\d))")  # thousands marks that no decimal mark can be
UNITS = {"K": 1e3, "M": 1e6, "B": 1e9}
VOLUME = re.compile(r"(\d[\d.,]*)([KMB])")


def parse_numbers(table: pd.DataFrame, where: str, notes: list[str]) -> pd.DataFrame:
    """Return the columns as float64, all read with the same decimal mark; what had to be inferred is in `notes`.

    Raises:
        FrameError: a cell is no number.
        SourceError: 1,234 may be a thousand or a decimal throughout, or there are several currencies.
    """
    words = [name for name in table.columns if not pd.api.types.is_numeric_dtype(table[name])]
    words = [name for name in words if table[name].dropna().map(lambda value: isinstance(value, str)).any()]
    if not words:
        return table
    texts = {}
    for name in words:
        stripped = table[name].astype(object).map(str, na_action="ignore").astype("str").str.strip()
        texts[name] = stripped.mask(stripped.isin(NO_NUMBER)).str.replace(BLANKS, "", regex=True)
    cells = pd.concat(texts.values(), ignore_index=True).dropna()
    signs = sorted(cells.str.extract(f"({CURRENCY.pattern})")[0].dropna().unique())
    if len(signs) > 1:
        raise SourceError(f"{where}: has prices in several currencies ({', '.join(signs)}): write all in one")
    if signs:
        notes.append(f"{signs[0]} is left out of numbers")
    bare = {name: text.str.replace(CURRENCY, "", regex=True).str.strip() for name, text in texts.items()}
    comma = _has_decimal_commas(pd.unique(pd.concat(bare.values(), ignore_index=True).dropna()), where, notes)
    read = {name: _floats(bare[name], table[name], comma, f"{where}: {name}") for name in texts}
    return table.assign(**{str(name): values for name, values in read.items()})


def _has_decimal_commas(cells: Iterable[str], where: str, notes: list[str]) -> bool:
    numbers = [cell for cell in cells if not VOLUME.fullmatch(cell)]
    marked = [cell for cell in numbers if "," in cell]
    if not marked:
        return False
    point = sum(POINT.fullmatch(cell) is not None for cell in numbers)
    comma = sum(COMMA.fullmatch(cell) is not None for cell in numbers)
    if point == comma == len(numbers):
        thousands = marked[0].replace(",", "")
        raise SourceError(
            f"{where}: {marked[0]!r} may be {thousands} or {marked[0].replace(',', '.')}, and so may every number: "
            f"write {thousands} or {marked[0].replace(',', '.')}"
        )
    notes.append("numbers have decimal commas" if comma > point else "numbers have commas between thousands")
    return comma > point


def _floats(text: pd.Series, given: pd.Series, comma: bool, name: str) -> pd.Series:
    point = text.str.replace(".", "", regex=False).str.replace(",", ".", regex=False) if comma else text
    well_formed = text.str.fullmatch(COMMA if comma else POINT) & text.str.contains(r"\d", regex=True)
    scale = text.str.extract(VOLUME)[1]
    if scale.notna().sum() == text.notna().sum() > 0:  # volumes such as 1.2M, if all are so
        return pd.to_numeric(point.str.rstrip("KMB")) * scale.map(UNITS).astype(float)
    bad = np.flatnonzero(text.notna() & ~well_formed.fillna(False).astype(bool))
    infinite = text.str.fullmatch(r"[-+]?inf(inity)?", case=False).fillna(False).astype(bool)
    bad = bad[~infinite.to_numpy()[bad]]
    if len(bad):
        raise FrameError(
            f"{name}: row {bad[0] + 1}: {str(given.iloc[bad[0]])!r} is not a number: correct it, or leave it empty "
            f"where nothing traded ({len(bad)} such rows)"
        )
    plain = point.str.replace(",", "", regex=False) if not comma else point
    return plain.astype(float)
