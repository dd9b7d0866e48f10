"""Bars: adjusted closes and opens as a pair of wide frames, made of long or wide tables and written as long ones."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from allocation.errors import FrameError, SourceError
from allocation.files import check_ending, parse_dates, write_whole
from allocation.frames import check_prices, named

LONG_COLUMNS = ("date", "ticker", "close")
MARKS_OF_LONG = {"ticker", "close", "open", "adj_close"}  # no wide table has assets of these names


@dataclass(frozen=True)
class Bars:
    """Adjusted prices of each session (sessions × assets); `open` is None where only closes are known."""

    close: pd.DataFrame
    open: pd.DataFrame | None = None


def bars_from_long(table: pd.DataFrame, where: str = "prices") -> Bars:
    """Turn rows of (date, ticker, close[, open][, adj_close]) into adjusted wide frames."""
    missing = [column for column in LONG_COLUMNS if column not in table.columns]
    if missing:
        raise SourceError(f"{where}: has no column {named(missing)}; it has {named(table.columns)}")
    keys = _keys(table, where)
    wide = {
        column: _widen(table[column], keys, f"{where}: {column}")
        for column in ("close", "open", "adj_close")
        if column in table.columns
    }
    if "adj_close" not in wide:
        return Bars(wide["close"], wide.get("open"))
    factor = wide["adj_close"] / wide["close"]
    return Bars(wide["adj_close"], wide["open"] * factor if "open" in wide else None)


def _keys(table: pd.DataFrame, where: str) -> pd.MultiIndex:
    nameless = np.flatnonzero(table["ticker"].isna() | (table["ticker"] == ""))
    if len(nameless):
        raise SourceError(f"{where}: row {nameless[0] + 1}: has no ticker: name one ({len(nameless)} such rows)")
    keys = pd.MultiIndex.from_arrays([parse_dates(table["date"], where), table["ticker"].astype(str)])
    if keys.has_duplicates:
        day, ticker = keys[keys.duplicated()][0]
        raise SourceError(f"{where}: has {ticker} on {str(day)[:10]} twice: keep one row per ticker and date")
    return keys


def _widen(values: pd.Series, keys: pd.MultiIndex, name: str) -> pd.DataFrame:
    wide = _numbers(values, name).set_axis(keys).unstack().sort_index()
    wide.index.name, wide.columns.name = "date", None
    return check_prices(wide, name)


def _numbers(values: pd.Series, name: str) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce")
    lost = np.flatnonzero(numbers.isna() & values.notna())
    if len(lost):
        raise FrameError(
            f"{name}: row {lost[0] + 1}: {values.iloc[lost[0]]!r} is not a number: correct it, or leave it empty "
            f"where nothing traded ({len(lost)} such rows)"
        )
    return numbers


def write_bars(bars: Bars, path: str | Path) -> Path:
    """Write bars as a long table (date, ticker, close and, where known, open) that `load_prices` reads."""
    path = Path(path)
    check_ending(path)
    frames = {"close": bars.close} | ({} if bars.open is None else {"open": bars.open})
    long = pd.DataFrame({name: frame.stack() for name, frame in frames.items()})
    table = long.rename_axis(["date", "ticker"]).reset_index()
    if path.suffix == ".csv":
        return write_whole(path, lambda temporary: table.to_csv(temporary, index=False))
    return write_whole(path, lambda temporary: table.to_parquet(temporary, index=False))
