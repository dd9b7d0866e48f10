"""Tables of texts on disk: read by file ending, write all or nothing."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from nlp.errors import NlpError

READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": lambda path: pd.read_csv(path, keep_default_na=False, na_values=[""]),  # "None" and "NA" are words
    ".parquet": pd.read_parquet,
    ".jsonl": lambda path: pd.read_json(path, lines=True, convert_dates=False, dtype=False),
}


def read_table(source: str | Path | pd.DataFrame, error: type[NlpError]) -> tuple[pd.DataFrame, str]:
    """Return the table and a name for it in messages; `error` is what to raise where it cannot be read."""
    if isinstance(source, pd.DataFrame):
        return source, "the frame"
    path = Path(source)
    if path.suffix not in READERS:
        raise error(f"{path}: the ending {path.suffix!r} is not known: use {', '.join(READERS)}")
    if not path.is_file():
        raise error(f"{path}: no such file")
    try:
        return READERS[path.suffix](path), str(path)
    except (ValueError, OSError) as problem:
        reason = str(problem).strip().partition("\n")[0]
        raise error(f"{path}: cannot be read as {path.suffix[1:]}: {reason}") from problem


def need_columns(table: pd.DataFrame, columns: tuple[str, ...], where: str, error: type[NlpError]) -> None:
    """Raise `error` naming the columns that are missing and those that are there."""
    missing = [column for column in columns if column not in table.columns]
    if missing:
        have = ", ".join(map(str, table.columns)) or "none"
        raise error(f"{where}: has no column {', '.join(missing)} (it has {have}): rename or add it")


def write_table(table: pd.DataFrame, path: str | Path) -> Path:
    """Write CSV, Parquet or JSON lines by the file's ending; a crash leaves the old file whole."""
    writers: dict[str, Callable[[Path], object]] = {
        ".csv": lambda temporary: table.to_csv(temporary, index=False),
        ".parquet": lambda temporary: table.to_parquet(temporary, index=False),
        ".jsonl": lambda temporary: table.to_json(temporary, orient="records", lines=True, date_format="iso"),
    }
    return _write_whole(Path(path), writers)


def write_indexed(frame: pd.DataFrame, path: str | Path) -> Path:
    """Write a frame with its dates in front, as CSV or Parquet; a crash leaves the old file whole."""
    dated = frame.rename_axis(index="date", columns=None)
    writers: dict[str, Callable[[Path], object]] = {
        ".csv": lambda temporary: dated.to_csv(temporary, date_format="%Y-%m-%d"),
        ".parquet": dated.to_parquet,
    }
    return _write_whole(Path(path), writers)


def _write_whole(path: Path, writers: dict[str, Callable[[Path], object]]) -> Path:
    """Fill a temporary file beside `path`, then rename it there: readers see all or nothing."""
    if path.suffix not in writers:
        raise NlpError(f"{path}: the ending {path.suffix!r} is not known: use {', '.join(writers)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        writers[path.suffix](temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
