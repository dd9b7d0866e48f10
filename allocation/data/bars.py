"""Bars: adjusted closes, opens and volumes as wide frames, made of long or wide tables and written as long ones."""

import logging
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from allocation.data.files.dates import parse_dates
from allocation.errors import FrameError, SourceError
from allocation.frames import Bars, check_prices, named
from newsfolio.shared.tables import write_table

log = logging.getLogger(__name__)

LONG_COLUMNS = ("date", "ticker", "close")


def bars_from_long(table: pd.DataFrame, where: str = "prices") -> Bars:
    """Turn rows of date, ticker, close and, where known, open, high, low, adj_close, volume into adjusted wide frames.

    volume is taken to count the shares that `close` is the price of, as vendors do who adjust both for splits. Where
    adj_close makes past prices lower, it makes past shares more by the same factor: close × volume stays the money of
    that day, which an adjusted price times the shares of then would understate.
    """
    missing = [column for column in LONG_COLUMNS if column not in table.columns]
    if missing:
        raise SourceError(f"{where}: has no column {named(missing)}; it has {named(table.columns)}")
    keys = _keys(table, where)
    named_columns = [column for column in COLUMNS if column in table.columns]
    wide = {}
    for name in named_columns:
        numbers = _numbers(table[name], f"{where}: {name}").set_axis(keys)
        wide[name] = numbers.unstack().sort_index().rename_axis(index="date", columns=None)
    return bars_from_fields(wide, where)


def bars_from_fields(fields: dict[str, pd.DataFrame], where: str) -> Bars:
    """Turn frames (sessions × assets) of close[, open][, adj_close][, volume] into adjusted bars, as bars_from_long."""
    wide = {name: COLUMNS[name](frame, f"{where}: {name}") for name, frame in fields.items()}
    marks = {name: wide.get(name) for name in ("open", "high", "low")}
    volume = wide.get("volume")
    if "adj_close" not in wide:
        return Bars(wide["close"], volume=volume, **marks)
    factor = wide["adj_close"] / wide["close"]
    adjusted = {name: None if frame is None else frame * factor for name, frame in marks.items()}
    return Bars(wide["adj_close"], volume=None if volume is None else volume / factor, **adjusted)


def ticker_of(value: object) -> str | None:
    """Return a cell's ticker: text without blanks around it, or a whole number; None where it can be none.

    A spreadsheet, or pandas beside a gap, makes 600519.0 of the number 600519.
    """
    if isinstance(value, str):
        return re.sub(r"^(\d+)\.0+$", r"\1", value.strip())
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.number)):
        return None
    return str(int(value)) if float(value).is_integer() else None


def _check_volumes(volumes: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return volumes as floats; unlike a price, one may be 0."""
    checked = volumes.astype(np.float64).sort_index(axis=1)
    values = checked.to_numpy()
    rows, columns = np.nonzero((values < 0) | np.isinf(values))
    if len(rows):
        row, column = rows[0], columns[0]
        raise FrameError(
            f"{name}: {values[row, column]:g} for {checked.columns[column]} at {checked.index[row].date()} is not a "
            f"volume: volumes are >= 0, or empty where unknown ({len(rows)} such cells)"
        )
    return checked


def _check_extremes(extremes: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return highs or lows as prices; what is no price is left out and counted, as only volatility reads them."""
    wrong = int((extremes <= 0).to_numpy().sum())
    if wrong:
        log.warning("%s: %d cells are not above 0 and are left out", name, wrong)
    return check_prices(extremes.where(~(extremes <= 0)), name)


COLUMNS: dict[str, Callable[[pd.DataFrame, str], pd.DataFrame]] = {
    "close": check_prices, "open": check_prices, "adj_close": check_prices, "volume": _check_volumes,
    "high": _check_extremes, "low": _check_extremes,
}  # fmt: skip


def _keys(table: pd.DataFrame, where: str) -> pd.MultiIndex:
    tickers = table["ticker"].map(ticker_of, na_action="ignore")
    nameless = np.flatnonzero(tickers.isna() | (tickers == ""))
    if len(nameless):
        given = table["ticker"].iloc[nameless[0]]
        empty = np.ndim(given) == 0 and (pd.isna(given) or given == "")
        said = "has no ticker" if empty else f"{given} is no ticker"
        raise SourceError(f"{where}: row {nameless[0] + 1}: {said}: name one ({len(nameless)} such rows)")
    keys = pd.MultiIndex.from_arrays([parse_dates(table["date"], where), tickers.astype(str)])
    if keys.has_duplicates:
        day, ticker = keys[keys.duplicated()][0]
        raise SourceError(f"{where}: has {ticker} on {str(day)[:10]} twice: keep one row per ticker and date")
    return keys


def _numbers(values: pd.Series, name: str) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce")
    lost = np.flatnonzero(numbers.isna() & values.notna())
    if len(lost):
        raise FrameError(
            f"{name}: row {lost[0] + 1}: {str(values.iloc[lost[0]])!r} is not a number: correct it, or leave it empty "
            f"where nothing traded ({len(lost)} such rows)"
        )
    return numbers


def write_bars(bars: Bars, path: str | Path) -> Path:
    """Write bars as a long table that `load_prices` reads: date, ticker, close and, where known, the other marks."""
    frames = {"close": bars.close, "open": bars.open, "high": bars.high, "low": bars.low, "volume": bars.volume}
    long = pd.DataFrame({name: frame.stack() for name, frame in frames.items() if frame is not None})
    table = long.rename_axis(["date", "ticker"]).reset_index()
    return write_table(table, path, SourceError)
