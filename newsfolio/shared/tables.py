"""Tables on disk: CSV, Parquet and JSON lines, read by file ending, written all or nothing."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from newsfolio.shared.atomic import write_whole
from newsfolio.shared.csv_format import csv_format
from newsfolio.shared.errors import NewsfolioError, first_line

WHOLE = "_scored.json"  # in a folder of Parquet parts that `newsfolio score --ray` has finished
WORDS = {"asset": str, "ticker": str, "text": str, "label": str}  # 0005 and TRUE are tickers, 2014 can be a headline


def _read_csv(path: Path, words: Sequence[str]) -> pd.DataFrame:
    refuse_duplicate_columns(path)
    how = csv_format(path)
    return pd.read_csv(
        path,
        sep=how.separator,
        encoding=how.encoding,
        keep_default_na=False,
        na_values=[""],  # "None" and "NA" are words
        dtype=word_columns(how.columns, words),
    )


def word_columns(columns: Iterable[str], words: Sequence[str]) -> dict[str, type[str]]:
    """Return str for the columns that hold no numbers; `words` match without case, blanks and underscores."""
    wanted = {plain_name(name) for name in words}
    return {name: str for name in columns if name in WORDS or plain_name(name) in wanted}


def plain_name(column: object) -> str:
    """Return a column's name as it is compared: in lower case, without blanks, underscores and hyphens."""
    return re.sub(r"[\s_-]+", "", str(column)).lower()


def refuse_duplicate_columns(path: Path) -> None:
    """Raise ValueError where the header of a CSV file has a name twice: pandas would call the second one text.1."""
    header = pd.Series(csv_format(path).columns, dtype=object)
    if header.empty:
        raise ValueError("No columns to parse from file")
    twice = header[header.duplicated() & (header != "")]
    if len(twice):
        raise ValueError(f"it has the column {twice.iloc[0]} twice: drop or rename one")


def _read_jsonl(path: Path, _: Sequence[str]) -> pd.DataFrame:
    """As the json module reads it: pandas' own reader guesses at dates and numbers and loses digits."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8-sig").split("\n") if line.strip()]
    wrong = [number for number, row in enumerate(rows, 1) if not isinstance(row, dict)]
    if wrong:
        raise ValueError(f"row {wrong[0]} is not an object: write one object per line")
    try:
        return pd.DataFrame(rows)
    except UnicodeEncodeError:  # from "\\ud800"; whoever uses the column names the row
        return pd.DataFrame(rows, dtype=object)


READERS: dict[str, Callable[[Path, Sequence[str]], pd.DataFrame]] = {
    ".csv": _read_csv,
    ".parquet": lambda path, _: pd.read_parquet(path),
    ".jsonl": _read_jsonl,
    ".tsv": _read_csv,
}


def read_table(
    source: str | Path | pd.DataFrame, error: type[NewsfolioError], *, words: Sequence[str] = ()
) -> tuple[pd.DataFrame, str]:
    """Return the table and a name for it in messages; `error` is what to raise where it cannot be read.

    In a CSV file only an empty cell is a missing value: NA and None are words. Its encoding and separator are
    recognised (`csv_format`). words: further columns in which a CSV file has no numbers (see `word_columns`).
    """
    if isinstance(source, pd.DataFrame):
        return source, "the frame"
    path = Path(source)
    if path.is_dir() and (path / WHOLE).is_file():
        return pd.read_parquet(path), str(path)
    check_readable(path, error)
    try:
        return READERS[path.suffix](path, words), str(path)
    except (ValueError, OSError) as problem:
        raise cannot_read(path, problem, error) from problem


def check_readable(path: Path, error: type[NewsfolioError]) -> None:
    """Raise `error` where no reader knows the file's ending, or there is no such file."""
    check_ending(path, READERS, error)
    if not path.is_file():
        raise error(f"{path}: no such file")


def check_ending(path: Path, known: Sequence[str] | dict[str, Any], error: type[NewsfolioError]) -> None:
    """Raise `error` where the file's ending is not among those that are known."""
    if path.suffix not in known:
        raise error(f"{path}: the ending {path.suffix!r} is not known: use {', '.join(known)}")


def cannot_read(path: Path, problem: Exception, error: type[NewsfolioError]) -> NewsfolioError:
    """Return `error` for a content that a reader refused, with the first line of its reason."""
    return error(f"{path}: cannot be read as {path.suffix[1:]}: {first_line(problem)}")


def need_columns(table: pd.DataFrame, columns: tuple[str, ...], where: str, error: type[NewsfolioError]) -> None:
    """Raise `error` naming the columns that are missing and those that are there, or one that is there twice."""
    twice = table.columns[table.columns.duplicated()]
    if len(twice):
        raise error(f"{where}: has the column {twice[0]} twice: drop or rename one")
    missing = [column for column in columns if column not in table.columns]
    if missing:
        have = ", ".join(map(str, table.columns)) or "none"
        raise error(f"{where}: has no column {', '.join(missing)} (it has {have}): rename or add it")


def write_table(table: pd.DataFrame, path: str | Path, error: type[NewsfolioError] = NewsfolioError) -> Path:
    """Write CSV, Parquet or JSON lines by the file's ending, all or nothing; `error` is what to raise."""
    writers: dict[str, Callable[[Path], object]] = {
        ".csv": lambda temporary: table.to_csv(temporary, index=False),
        ".parquet": lambda temporary: table.to_parquet(temporary, index=False),
        ".jsonl": lambda temporary: temporary.write_text(jsonl(table), encoding="utf-8"),
    }
    return write_by_ending(Path(path), writers, error)


def jsonl(table: pd.DataFrame) -> str:
    """One object per row; every digit and nanosecond is kept, which DataFrame.to_json does not."""

    def plain(value: Any) -> Any:
        """Dates as ISO text, NumPy scalars and arrays as Python's own."""
        return value.isoformat() if hasattr(value, "isoformat") else value.tolist()

    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return "".join(json.dumps(row, default=plain) + "\n" for row in rows)


def write_indexed(frame: pd.DataFrame, path: str | Path, error: type[NewsfolioError] = NewsfolioError) -> Path:
    """Write a frame with its dates in front as CSV or Parquet, all or nothing; `error` is what to raise."""
    dated = frame.rename_axis(index="date", columns=None)
    writers: dict[str, Callable[[Path], object]] = {
        ".csv": lambda temporary: dated.to_csv(temporary, date_format="%Y-%m-%d"),
        ".parquet": dated.to_parquet,
    }
    return write_by_ending(Path(path), writers, error)


def write_by_ending(
    path: Path, writers: dict[str, Callable[[Path], object]], error: type[NewsfolioError] = NewsfolioError
) -> Path:
    """Let the writer of the file's ending fill what becomes `path`; `error` is what to raise where none can."""
    check_ending(path, writers, error)
    return write_whole(path, writers[path.suffix], error)
