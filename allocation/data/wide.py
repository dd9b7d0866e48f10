"""Wide frames on disk: dates in front, one column per asset."""

from pathlib import Path

import numpy as np
import pandas as pd

from allocation.errors import SourceError
from newsfolio.shared.tables import READERS, WORDS, cannot_read, check_readable, refuse_duplicate_columns, write_indexed

NO_NUMBER = (
    "", "NA", "N/A", "n/a", "#N/A", "#N/A N/A", "#NA", "NaN", "nan", "-NaN", "-nan", "null", "NULL", "None", "<NA>",
    "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN",
)  # fmt: skip


def read_numbers(path: Path) -> pd.DataFrame:
    """Read a table of numbers and tickers; unlike `read_table`, NA and its like in a CSV file are missing numbers.

    Raises:
        SourceError: no such file, an unknown ending, or a content that the reader refuses.
    """
    check_readable(path, SourceError)
    try:
        return _read_csv(path) if path.suffix == ".csv" else READERS[path.suffix](path, ())
    except (ValueError, OSError) as problem:
        raise cannot_read(path, problem, SourceError) from problem


def _read_csv(path: Path) -> pd.DataFrame:
    refuse_duplicate_columns(path)
    header = pd.read_csv(path, nrows=0).columns
    missing = {name: [""] if name in WORDS else list(NO_NUMBER) for name in header}
    return pd.read_csv(path, keep_default_na=False, na_values=missing, dtype=WORDS)


def read_frame(path: str | Path) -> pd.DataFrame:
    """Read a wide frame: dates in the index or in a column `date` (a CSV's first column), one column per asset."""
    table = read_numbers(Path(path))
    if isinstance(table.index, pd.DatetimeIndex):
        return table
    if not len(table.columns):
        raise SourceError(f"{path}: is empty")
    if "date" not in table.columns and not pd.api.types.is_integer_dtype(table.index):
        table = table.reset_index()  # Parquet keeps plain dates in the index as objects
    date = "date" if "date" in table.columns else table.columns[0]
    return table.set_index(parse_dates(table[date], where=str(path))).drop(columns=date)


def parse_dates(dates: pd.Series, where: str) -> pd.DatetimeIndex:
    """Turn a column of dates into an index.

    Raises:
        SourceError: an entry is no date (the message names the first such row and counts them), or the dates
            are of several time zones.
    """
    try:
        parsed = dates if pd.api.types.is_datetime64_any_dtype(dates) else _parse_text(dates)
    except ValueError as error:  # even with errors="coerce"
        raise SourceError(f"{where}: has dates of several time zones: write dates as YYYY-MM-DD") from error
    bad = np.flatnonzero(parsed.isna())
    if len(bad):
        raise SourceError(
            f"{where}: row {bad[0] + 1}: {dates.iloc[bad[0]]!r} is not a date: write dates as YYYY-MM-DD "
            f"({len(bad)} such rows)"
        )
    return pd.DatetimeIndex(parsed, name="date")


def _parse_text(dates: pd.Series) -> pd.Series:
    if pd.api.types.is_numeric_dtype(dates):  # else 1.5 would be read as nanoseconds after 1970
        return pd.Series(pd.NaT, index=dates.index)
    return pd.to_datetime(dates, errors="coerce", format="ISO8601")


def write_frame(frame: pd.DataFrame, path: str | Path) -> Path:
    """Write a wide frame as CSV or Parquet by the file's ending; a crash leaves the old file whole."""
    return write_indexed(frame, path, SourceError)
