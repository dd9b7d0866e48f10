"""Tables of texts larger than memory: read part by part, with one type per column in all parts."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # pandas has loaded it already

from newsfolio.shared.csv_format import csv_format
from newsfolio.shared.tables import plain_name, refuse_duplicate_columns, word_columns
from nlp.errors import NlpError

PART_ROWS = 65_536
PLAIN = ("published", "asset", "text", "time_known")  # what the package itself reads, in pandas' own types

Parts = Callable[[Sequence[str]], Iterator[pd.DataFrame]]


@dataclass(frozen=True)
class PartedTable:
    """A table on disk: `parts(columns)` reads it from its beginning; `types` are Arrow's, where pandas has none.

    A type of None stands for values of several kinds in one column, which only JSON lines can hold.
    """

    path: Path
    rows: int
    columns: tuple[str, ...]
    parts: Parts
    types: Mapping[str, pa.DataType | None] = field(default_factory=dict)


def inspect_table(path: str | Path, error: type[NlpError], *, words: Sequence[str] = ()) -> PartedTable:
    """Return the table at `path`, after one pass over a CSV or JSON lines file to learn its rows and types.

    CSV is typed as by `read_table`, except that a column in which numbers and words mix stays as it is written.
    Parquet keeps the types it has, and JSON lines each value: a whole number beside a missing one stays whole.
    Both may differ from `read_table`, which would make floats of them. Indices that pandas wrote are left out.

    Raises:
        `error`: no such file, an ending that is not known, or a content that cannot be read; so do the parts.
    """
    path = Path(path)
    if path.suffix not in SURVEYS:
        raise error(f"{path}: the ending {path.suffix!r} is not known: use {', '.join(SURVEYS)}")
    if not path.is_file():
        raise error(f"{path}: no such file")
    with _reading(path, error):
        table = SURVEYS[path.suffix](path, PART_ROWS, words)
    return replace(table, parts=lambda columns: _guarded(table.parts(columns), path, error))


def _guarded(parts: Iterator[pd.DataFrame], path: Path, error: type[NlpError]) -> Iterator[pd.DataFrame]:
    with _reading(path, error):
        yield from parts


@contextmanager
def _reading(path: Path, error: type[NlpError]) -> Iterator[None]:
    try:
        yield
    except (ValueError, OSError) as problem:
        reason = str(problem).strip().partition("\n")[0]
        raise error(f"{path}: cannot be read as {path.suffix[1:]}: {reason}") from problem


def _survey_csv(path: Path, part_rows: int, words: Sequence[str]) -> PartedTable:
    refuse_duplicate_columns(path)
    rows, kinds = 0, dict[str, str]()
    texts = word_columns(csv_format(path).columns, words)
    for part in _csv_parts(path, part_rows, texts, None):
        rows += len(part)
        for name in part.columns:
            kinds[name] = _wider(kinds.get(name, _kind(part[name])), _kind(part[name]))
    dtypes = {name: DTYPES[kind] for name, kind in kinds.items()} | texts
    return PartedTable(path, rows, tuple(kinds), lambda columns: _csv_parts(path, part_rows, dtypes, columns))


def _csv_parts(
    path: Path, part_rows: int, dtypes: Mapping[str, Any], columns: Sequence[str] | None
) -> Iterator[pd.DataFrame]:
    # In front of rows of one cell more than the header pandas sees an index, but not where columns are asked for.
    wanted = None if columns is None or set(columns) == set(dtypes) else list(columns)
    how = csv_format(path)
    with pd.read_csv(
        path,
        keep_default_na=False,
        na_values=[""],  # "None" and "NA" are words
        dtype=dtypes,
        sep=how.separator,
        encoding=how.encoding,
        usecols=wanted,
        chunksize=part_rows,
    ) as reader:
        yield from reader


DTYPES = {"nothing": "float64", "whole": "int64", "number": "float64", "truth": "boolean", "words": "str"}
KINDS = {"integer": "whole", "floating": "number", "boolean": "truth"}
# As pandas does when it sees the whole column: only floats can be missing, or be numbers of both kinds.
WIDER = {
    frozenset({"whole", "nothing"}): "number",
    frozenset({"whole", "number"}): "number",
    frozenset({"number", "nothing"}): "number",
    frozenset({"truth", "nothing"}): "truth",
}


def _kind(values: pd.Series) -> str:
    """What a part of a column holds."""
    if not values.notna().any():
        return "nothing"
    found = KINDS.get(pd.api.types.infer_dtype(values, skipna=True), "words")
    # A whole number above int64 is an identifier, whose digits must all stay.
    return "words" if found == "whole" and values.dtype != np.int64 else found


def _wider(one: str, other: str) -> str:
    return one if one == other else WIDER.get(frozenset({one, other}), "words")


def _survey_jsonl(path: Path, part_rows: int, _: Sequence[str]) -> PartedTable:
    rows, types = 0, dict[str, pa.DataType | None]()
    for part in _json_parts(path, part_rows):
        rows += len(part)
        for name in part.columns:
            types[name] = _joined(types[name], _arrow_type(part[name])) if name in types else _arrow_type(part[name])
    columns = tuple(types)
    return PartedTable(path, rows, columns, lambda wanted: _json_columns(path, part_rows, wanted), types)


def _json_columns(path: Path, part_rows: int, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
    for part in _json_parts(path, part_rows):
        yield part.reindex(columns=list(columns))


def _json_parts(path: Path, part_rows: int) -> Iterator[pd.DataFrame]:
    """As objects: a whole number beside a missing one stays whole."""
    with path.open(encoding="utf-8-sig") as lines:
        objects = (_json_object(number, line) for number, line in enumerate(filter(str.strip, lines), 1))
        while part := list(islice(objects, part_rows)):
            yield pd.DataFrame(part, dtype=object)


def _json_object(number: int, line: str) -> dict[str, Any]:
    row = json.loads(line)
    if isinstance(row, dict):
        return row
    raise ValueError(f"row {number} is not an object: write one object per line")


def _arrow_type(values: pd.Series) -> pa.DataType | None:
    try:
        return pa.array(values, from_pandas=True).type
    except (pa.ArrowException, UnicodeEncodeError):
        return None


def _joined(one: pa.DataType | None, other: pa.DataType | None) -> pa.DataType | None:
    if one is None or other is None or one == other:
        return one if one == other else None
    try:
        return pa.unify_schemas([pa.schema([("x", one)]), pa.schema([("x", other)])], promote_options="permissive")[
            0
        ].type
    except pa.ArrowException:
        return None


def _survey_parquet(path: Path, part_rows: int, words: Sequence[str]) -> PartedTable:
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    with pq.ParquetFile(path) as file:
        schema, rows = file.schema_arrow, file.metadata.num_rows
    indices = (schema.pandas_metadata or {}).get("index_columns", [])
    columns = tuple(name for name in schema.names if name not in indices)
    return PartedTable(path, rows, columns, lambda wanted: _parquet_parts(path, part_rows, wanted, words))


def _parquet_parts(path: Path, part_rows: int, columns: Sequence[str], words: Sequence[str]) -> Iterator[pd.DataFrame]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(part_rows, columns=list(columns)):
            yield _frame(pa.Table.from_batches([batch]), words).reindex(columns=list(columns))


def _frame(table: pa.Table, words: Sequence[str]) -> pd.DataFrame:
    """The columns that the package reads, and times, as pandas has them; the others keep their type to the last digit.

    Whatever a column of times is called, it may be that of publication, which is read by its pandas type.
    """
    known = {plain_name(name) for name in words}
    plain = [
        field.name
        for field in table.schema
        if field.name in PLAIN or plain_name(field.name) in known or pa.types.is_timestamp(field.type)
    ]
    ours: pd.DataFrame = table.select(plain).to_pandas(ignore_metadata=True)
    others = table.drop_columns(plain).to_pandas(ignore_metadata=True, types_mapper=pd.ArrowDtype)
    frame: pd.DataFrame = pd.concat([ours, others], axis=1)
    return frame


SURVEYS: dict[str, Callable[[Path, int, Sequence[str]], PartedTable]] = {
    ".csv": _survey_csv,
    ".parquet": _survey_parquet,
    ".jsonl": _survey_jsonl,
    ".tsv": _survey_csv,
}
