"""Tables of texts on disk: read by file ending, write all or nothing."""

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from nlp.errors import NlpError

WHOLE = "_scored.json"  # in a folder of Parquet parts that `newsfolio score --ray` has finished
WORDS = {"asset": str, "text": str, "label": str}  # 0005 and TRUE are tickers, 2014 can be a headline


def _read_csv(path: Path, words: Sequence[str]) -> pd.DataFrame:
    refuse_a_column_twice(path)
    dtype = WORDS | dict.fromkeys(words, str)
    return pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=dtype)  # "None" and "NA" are words


def refuse_a_column_twice(path: Path) -> None:
    """Raise ValueError where the header of a CSV file has a name twice: pandas would call the second one text.1."""
    header = pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False).iloc[0]
    twice = header[header.duplicated() & (header != "")]
    if len(twice):
        raise ValueError(f"it has the column {twice.iloc[0]} twice: drop or rename one")


def _read_parquet(path: Path, _: Sequence[str]) -> pd.DataFrame:
    return pd.read_parquet(path)


def _read_jsonl(path: Path, _: Sequence[str]) -> pd.DataFrame:
    """As the json module reads it: pandas' own reader guesses at dates and numbers and loses digits."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8-sig").split("\n") if line.strip()]
    wrong = [number for number, row in enumerate(rows, 1) if not isinstance(row, dict)]
    if wrong:
        raise ValueError(f"row {wrong[0]} is not an object: write one object per line")
    return pd.DataFrame(rows)


READERS: dict[str, Callable[[Path, Sequence[str]], pd.DataFrame]] = {
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    ".jsonl": _read_jsonl,
}


def read_table(
    source: str | Path | pd.DataFrame, error: type[NlpError], *, words: Sequence[str] = ()
) -> tuple[pd.DataFrame, str]:
    """Return the table and a name for it in messages; `error` is what to raise where it cannot be read.

    words: further columns that a CSV file must not be read as numbers in.
    """
    if isinstance(source, pd.DataFrame):
        return source, "the frame"
    path = Path(source)
    if path.is_dir() and (path / WHOLE).is_file():
        return pd.read_parquet(path), str(path)
    if path.suffix not in READERS:
        raise error(f"{path}: the ending {path.suffix!r} is not known: use {', '.join(READERS)}")
    if not path.is_file():
        raise error(f"{path}: no such file")
    try:
        return READERS[path.suffix](path, words), str(path)
    except (ValueError, OSError) as problem:
        reason = str(problem).strip().partition("\n")[0]
        raise error(f"{path}: cannot be read as {path.suffix[1:]}: {reason}") from problem


def need_columns(table: pd.DataFrame, columns: tuple[str, ...], where: str, error: type[NlpError]) -> None:
    """Raise `error` naming the columns that are missing and those that are there, or one that is there twice."""
    twice = table.columns[table.columns.duplicated()]
    if len(twice):
        raise error(f"{where}: has the column {twice[0]} twice: drop or rename one")
    missing = [column for column in columns if column not in table.columns]
    if missing:
        have = ", ".join(map(str, table.columns)) or "none"
        raise error(f"{where}: has no column {', '.join(missing)} (it has {have}): rename or add it")


def write_table(table: pd.DataFrame, path: str | Path) -> Path:
    """Write CSV, Parquet or JSON lines by the file's ending; a crash leaves the old file whole."""
    writers: dict[str, Callable[[Path], object]] = {
        ".csv": lambda temporary: table.to_csv(temporary, index=False),
        ".parquet": lambda temporary: table.to_parquet(temporary, index=False),
        ".jsonl": lambda temporary: temporary.write_text(jsonl(table), encoding="utf-8"),
    }
    return write_whole(Path(path), writers)


def jsonl(table: pd.DataFrame) -> str:
    """One object per row; every digit and nanosecond is kept, which DataFrame.to_json does not."""
    plain = table.astype(object).where(table.notna(), None)
    return "".join(json.dumps(row, default=_jsonable) + "\n" for row in plain.to_dict("records"))


def _jsonable(value: Any) -> Any:
    """Dates as ISO text, NumPy scalars and arrays as Python's own."""
    return value.isoformat() if hasattr(value, "isoformat") else value.tolist()


def write_indexed(frame: pd.DataFrame, path: str | Path) -> Path:
    """Write a frame with its dates in front, as CSV or Parquet; a crash leaves the old file whole."""
    dated = frame.rename_axis(index="date", columns=None)
    writers: dict[str, Callable[[Path], object]] = {
        ".csv": lambda temporary: dated.to_csv(temporary, date_format="%Y-%m-%d"),
        ".parquet": dated.to_parquet,
    }
    return write_whole(Path(path), writers)


def write_whole(path: Path, writers: dict[str, Callable[[Path], object]]) -> Path:
    """Fill a temporary file beside `path`, then rename it there: readers see all or nothing."""
    if path.suffix not in writers:
        raise NlpError(f"{path}: the ending {path.suffix!r} is not known: use {', '.join(writers)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _fill_and_rename(path, writers[path.suffix])
    except OSError as error:
        raise NlpError(f"{path}: cannot be written: {error.strerror or error}: name another place") from error
    return path


def _fill_and_rename(path: Path, write: Callable[[Path], object]) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
