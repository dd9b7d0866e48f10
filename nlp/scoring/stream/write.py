"""Tables of texts larger than memory: written part by part, all or nothing."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # pandas has loaded it already

from newsfolio.shared.tables import jsonl, write_by_ending
from nlp.errors import NlpError

ATTRS = b"PANDAS_ATTRS"  # where pandas keeps the attrs of a frame in a Parquet file
Types = Mapping[str, pa.DataType | None]


def write_parts(frames: Iterator[pd.DataFrame], path: str | Path, types: Types) -> Path:
    """Write frames of the same columns one after another as one CSV, Parquet or JSON lines file.

    An error in a frame's making or writing leaves the old file whole, and so does a kill: what it leaves beside the
    file is removed by the next run (newsfolio/shared/atomic.py). types: see PartedTable.

    Raises:
        NlpError: the ending is not known, the place cannot be written, or Parquet cannot hold a column.
    """
    writers: dict[str, Callable[[Path], object]] = {
        ".csv": lambda temporary: _write_csv(frames, temporary),
        ".parquet": lambda temporary: _write_parquet(frames, temporary, types, str(path)),
        ".jsonl": lambda temporary: _write_jsonl(frames, temporary),
    }
    return write_by_ending(Path(path), writers, NlpError)


def _write_csv(frames: Iterator[pd.DataFrame], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        for number, frame in enumerate(frames):
            frame.to_csv(file, index=False, header=number == 0)


def _write_jsonl(frames: Iterator[pd.DataFrame], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for frame in frames:
            file.write(jsonl(frame))


def _write_parquet(frames: Iterator[pd.DataFrame], path: Path, types: Types, where: str) -> None:
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    first = next(frames)
    schema = parquet_schema(first, types, where)
    with pq.ParquetWriter(path, schema) as writer:
        for frame in _chained(first, frames):
            writer.write_table(parquet_table(frame, schema, where))


def _chained(first: pd.DataFrame, others: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    yield first
    yield from others


def parquet_table(frame: pd.DataFrame, schema: pa.Schema, where: str) -> pa.Table:
    """Return one of the frames as Arrow's, or raise NlpError, with `where` in it."""
    try:
        table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
        return table.replace_schema_metadata(schema.metadata)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        reason = str(error.args[0]).partition("\n")[0]
        raise NlpError(f"{where}: Parquet cannot hold a column: {reason}: write .csv or .jsonl") from error


def parquet_schema(first: pd.DataFrame, types: Types, where: str) -> pa.Schema:
    """Return the types of the first frame, except where it may not show them; NlpError where there is none."""
    as_given = [name for name in first.columns if name in types and first[name].dtype == object]
    mixed = [name for name in as_given if types[name] is None]
    if mixed:
        raise NlpError(f"{where}: Parquet cannot hold the column {mixed[0]}, of values of several kinds: write .jsonl")
    inferred = pa.Schema.from_pandas(first.drop(columns=as_given), preserve_index=False)
    fields = [pa.field(n, types[n]) if n in as_given else inferred.field(n) for n in first.columns]
    return pa.schema(fields, metadata={ATTRS: json.dumps(first.attrs)} if first.attrs else None)
