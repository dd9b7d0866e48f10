"""Tables on disk: read by file ending, write all or nothing."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from allocation.errors import SourceError

WORDS = ("ticker", "asset", "text")  # columns that are never numbers or missing values


def _read_csv(path: Path) -> pd.DataFrame:
    """Words stay words: 0005 keeps its zeros, and NA is a company. pandas would rename a second AAA to AAA.1."""
    header = pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False).iloc[0]
    twice = header[header.duplicated()]
    if len(twice):
        raise ValueError(f"the column {twice.iloc[0]} is there twice: keep one")
    table = pd.read_csv(path, dtype=dict.fromkeys(WORDS, str))
    doubtful = [name for name in WORDS if name in table.columns and table[name].hasnans]
    if doubtful:
        table[doubtful] = pd.read_csv(path, usecols=doubtful, dtype=str, keep_default_na=False)[doubtful]
    return table


READERS: dict[str, Callable[[Path], pd.DataFrame]] = {".csv": _read_csv, ".parquet": pd.read_parquet}


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a CSV or Parquet file as it stands.

    Raises:
        SourceError: no such file, an unknown ending, or a content that the reader refuses.
    """
    path = Path(path)
    check_ending(path)
    if not path.is_file():
        raise SourceError(f"{path}: no such file")
    try:
        return READERS[path.suffix](path)
    except (ValueError, OSError, UnicodeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise SourceError(f"{path}: cannot be read as {path.suffix[1:]}: {reason}") from error


def read_frame(path: str | Path) -> pd.DataFrame:
    """Read a wide frame: dates in the index or in a column `date` (a CSV's first column), one column per asset."""
    table = read_table(path)
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
    path = Path(path)
    check_ending(path)
    dated = frame.rename_axis(index="date", columns=None)
    if path.suffix == ".csv":
        return write_whole(path, lambda temporary: dated.to_csv(temporary, date_format="%Y-%m-%d"))
    return write_whole(path, dated.to_parquet)


def write_text(text: str, path: str | Path) -> Path:
    """Write a text file (UTF-8); a crash leaves the old file whole."""
    return write_whole(Path(path), lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_whole(path: Path, write: Callable[[Path], object]) -> Path:
    """Let `write` fill a temporary file beside `path`, then rename it there: readers see all or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def check_ending(path: Path) -> None:
    """Raise SourceError where no reader knows the file's ending."""
    if path.suffix not in READERS:
        raise SourceError(f"{path}: the ending {path.suffix!r} is not known: use .csv or .parquet")
