"""Wide frames on disk: dates in front, one column per asset."""

from pathlib import Path

import pandas as pd

from allocation.data.bars import ticker_of
from allocation.data.files.dates import parse_dates
from allocation.data.files.headings import CSV, TICKER_WORDS, day_column, labelled, plain, read_raw
from allocation.data.files.numbers import parse_numbers
from allocation.errors import SourceError
from newsfolio.shared.tables import write_indexed

TEXTS = ("object", "str", "string")


def read_values(path: Path, notes: list[str]) -> pd.DataFrame:
    """Read a table of dates, words and numbers; where numbers are not plain, a CSV file's cells as they are written."""
    table = read_raw(path, notes)
    if path.suffix not in CSV:
        return table
    words = {day_column(table), *(name for name in table.columns if plain(name) in TICKER_WORDS)}
    if any(table[name].dtype.name in TEXTS for name in table.columns if name not in words):
        return read_raw(path, [], as_text=True)
    return table


def dated(table: pd.DataFrame, where: str, notes: list[str]) -> pd.DataFrame:
    """Return a table of dates and numbers as a frame of floats indexed by date, in order."""
    if table.shape[1] < 2:
        raise SourceError(
            f"{where}: has no columns besides its dates: separate cells by commas"
            if table.shape[1]
            else f"{where}: is empty"
        )
    day = day_column(table)
    dates = parse_dates(table[day], where, notes)
    frame = parse_numbers(table.drop(columns=[day]), where, notes).set_axis(dates, axis=0)
    names = [name if isinstance(name, tuple) else ticker_of(name) or str(name) for name in frame.columns]
    return in_order(labelled(frame, names), notes)


def in_order(frame: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Return the rows in the order of their dates."""
    if frame.index.is_monotonic_increasing:
        return frame
    newest_first = frame.index.is_monotonic_decreasing
    notes.append("rows are newest first" if newest_first else "rows are not in the order of their dates: sorted")
    return frame.iloc[::-1] if newest_first else frame.sort_index(kind="stable")


def read_frame(path: str | Path) -> pd.DataFrame:
    """Read a wide frame: dates in the index or in a column `date` (a CSV's first column), one column per asset.

    What had to be inferred (date order, decimal commas, separators) is logged in one line.

    Raises:
        SourceError: no such file, an unknown ending, a date or a number that is none or can be read in two ways.
    """
    from allocation.data.files.layout import say

    notes: list[str] = []
    frame = dated(read_values(Path(path), notes), str(path), notes)
    say(path, notes)
    return frame


def write_frame(frame: pd.DataFrame, path: str | Path) -> Path:
    """Write a wide frame as CSV or Parquet by the file's ending; a crash leaves the old file whole."""
    return write_indexed(frame, path, SourceError)
