"""A price or signal file as a table with its dates in a column: separators, several heading rows, saved row numbers."""

import ast
import csv
import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from allocation.data.files.dates import looks_like_a_date
from allocation.data.files.numbers import NO_NUMBER
from allocation.errors import SourceError
from newsfolio.shared.csv_format import SAMPLED, csv_format
from newsfolio.shared.tables import READERS, cannot_read, check_readable

Label = str | tuple[str, ...]  # a column's heading, of one row or several

CSV = (".csv", ".tsv")
DAY_WORDS = (
    "date",
    "tradedate",
    "tradingdate",
    "tradingday",
    "pricedate",
    "dates",
    "datetime",
    "timestamp",
    "windowstart",
    "time",
    "day",
)
TICKER_WORDS = ("ticker", "symbol", "asset", "stock", "tic", "ric", "instrument", "name", "tickers", "symbols")
HEADS = {"", "price", "attributes", "index", *DAY_WORDS, *TICKER_WORDS}  # what a further heading row begins with
TUPLE = re.compile(r"\(\s*['\"].*['\"]\s*,.*\)")


def plain(name: object) -> str:
    """Return a heading without case, blanks, underscores and signs; of `5. adjusted close`, without its number."""
    return re.sub(r"[^a-z0-9]", "", re.sub(r"^\d+\.\s+", "", str(name).strip().lower()))


def read_raw(path: Path, notes: list[str], *, as_text: bool = False) -> pd.DataFrame:
    """Read a file as a table whose columns are named by text, or by tuples where there are several heading rows.

    Saved row numbers and empty columns without a heading are left out. as_text: CSV cells as they are written.

    Raises:
        SourceError: no such file, an unknown ending, or a content that the reader refuses.
    """
    check_readable(path, SourceError)
    try:
        table = _read_csv(path, notes, as_text) if path.suffix in CSV else READERS[path.suffix](path, ())
    except (ValueError, OSError, csv.Error) as problem:
        if isinstance(problem, SourceError):
            raise
        raise cannot_read(path, problem, SourceError) from problem
    if not isinstance(table.index, pd.RangeIndex):
        dated = isinstance(table.index, pd.DatetimeIndex) or not pd.api.types.is_integer_dtype(table.index)
        names = [str(name) if name else "date" if dated else "" for name in table.index.names]
        table = table.rename_axis(index=names).reset_index()
    return without_row_numbers(labelled(table, [_label(column, path) for column in table.columns]), str(path), notes)


def _read_csv(path: Path, notes: list[str], as_text: bool) -> pd.DataFrame:
    how = csv_format(path, notes)
    with path.open(encoding=how.encoding, newline="") as file:
        lines = list(islice(file, SAMPLED))
    rows = {n: cells for n, line in enumerate(lines) if any(cells := _cells(line, how.separator))}
    if not rows:
        raise ValueError("No columns to parse from file")
    width = Counter(map(len, rows.values())).most_common(1)[0][0]
    first = next(n for n, cells in rows.items() if abs(len(cells) - width) <= 1)
    if first != next(iter(rows)):
        notes.append(f"{sum(n < first for n in rows)} lines above the heading are left out")
    table_rows = [cells for n, cells in rows.items() if n >= first]
    headings = _heading_rows(table_rows)
    labels = _labels(table_rows[:headings], table_rows[headings:])
    skipped = list(rows)[list(rows).index(first) + headings - 1] + 1
    names = [str(number) for number in range(len(labels))]
    words = [name for name, label in zip(names, labels, strict=True) if plain(label) in (*TICKER_WORDS, "text")]
    table = pd.read_csv(
        path,
        sep=how.separator,
        header=None,
        names=names,
        skiprows=skipped,
        dtype=str if as_text else dict.fromkeys(words, str),
        keep_default_na=False,
        na_values={name: [""] if name in words or as_text else list(NO_NUMBER) for name in names},
        skipinitialspace=True,
        encoding=how.encoding,
        low_memory=False,
    )
    return labelled(table, labels)


def _cells(line: str, separator: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line], delimiter=separator), [])]


def labelled(table: pd.DataFrame, labels: Sequence[Label]) -> pd.DataFrame:
    """Name the columns by text, or by tuples that pandas makes no levels of."""
    flat = all(isinstance(label, str) for label in labels)
    return table.set_axis(pd.Index(labels) if flat else pd.Index(labels, dtype=object, tupleize_cols=False), axis=1)


def _heading_rows(rows: Sequence[Sequence[str]]) -> int:
    """How many rows are headings: the first, and those that go on with it, as those that yfinance writes do."""
    if looks_like_a_date(rows[0][0]) and not any(re.search(r"[A-Za-z]", cell) for cell in rows[0][1:]):
        raise ValueError("its first row is no heading: begin the file with one, such as date,AAPL,MSFT")
    for count, (first, *others) in enumerate(rows[1:3], 1):
        filled = [cell for cell in others if cell]
        dated = any(looks_like_a_date(cell) for cell in (first, *others))
        if (plain(first) or first) not in HEADS or dated or not (first or filled):
            return count
        if first == "" and any(re.fullmatch(r"[-+$]?[\d.,]+", cell) for cell in filled):
            return count
    return min(3, len(rows))


def _labels(headings: Sequence[Sequence[str]], rows: Sequence[Sequence[str]]) -> list[Label]:
    """One label per column; rows that are one cell longer end in a separator, or begin with dates, as those of R."""
    width = max(len(row) for row in headings)
    named = [row for row in headings if any(row[1:])] or headings[:1]  # others hold the name of the index
    columns = [[row[n] if n < len(row) else "" for row in named] for n in range(width)]
    index = next((row[0] for row in headings if plain(row[0]) in DAY_WORDS), None)
    if len(headings) > 1:
        elsewhere = any(plain(part) in DAY_WORDS for parts in columns[1:] for part in parts)
        columns[0] = [index or ("" if elsewhere else "date")]
    labels: list[Label] = [tuple(filter(None, parts)) if len(parts) > 1 else parts[0] for parts in columns]
    labels = [label if isinstance(label, str) else label[0] if len(label) == 1 else label for label in labels]
    twice = next((label for n, label in enumerate(labels) if label and label in labels[:n]), None)
    if twice is not None:
        raise ValueError(f"it has the column {twice if isinstance(twice, str) else ' '.join(twice)} twice: keep one")
    if rows and all(len(row) == width + 1 for row in rows):
        return [*labels, ""] if not any(row[-1] for row in rows) else ["date", *labels]
    return labels


def _label(column: object, path: Path) -> Label:
    """A heading without empty parts; 'Unnamed: 3' is none."""
    if isinstance(column, (bool, np.bool_)):
        raise SourceError(f"{path}: has the column {column}, which is no ticker: write tickers as text")
    if isinstance(column, str) and TUPLE.fullmatch(column):  # as pandas writes ('Close', 'AAPL') into one heading
        column = ast.literal_eval(column)
    if isinstance(column, tuple):
        parts = tuple(str(part).strip() for part in column if str(part).strip())
        return parts[0] if len(parts) == 1 else parts
    text = str(column).strip()
    return "" if re.fullmatch(r"Unnamed: \d+(_level_\d+)?|None|nan", text) else text


def without_row_numbers(table: pd.DataFrame, where: str, notes: list[str]) -> pd.DataFrame:
    """Leave out columns without a heading that are empty or count the rows; the first may hold the dates.

    Raises:
        SourceError: another column has values and no heading.
    """
    kept = [True] * table.shape[1]
    for number, label in enumerate(table.columns):
        values = table.iloc[:, number]
        nameless = label in ("", "index", "level_0")
        if nameless and (values.isna() | (values.astype("str").str.strip() == "")).all() and label == "":
            kept[number] = False
        elif (
            nameless
            and not any(kept[:number])
            and table.shape[1] > 2
            and _counts(values)
            and any(plain(other) in DAY_WORDS for other in table.columns)
        ):
            kept[number] = False
            notes.append("the column of row numbers is left out")
        elif label == "" and number == 0:
            table = labelled(table, ["date", *table.columns[1:]])
        elif label == "":
            raise SourceError(f"{where}: column {number + 1} has values and no heading: name it, or leave it out")
    return table.loc[:, np.array(kept)] if not all(kept) else table


def _counts(values: pd.Series) -> bool:
    numbers = pd.to_numeric(values, errors="coerce")
    steps = np.diff(numbers.to_numpy(dtype=float))
    return bool((numbers >= 0).all() and (numbers % 1 == 0).all() and ((steps > 0).all() or (steps < 0).all()))


def day_column(table: pd.DataFrame) -> Label:
    """Return the column of dates: the one that is called so, else the first."""
    by_word = {plain(label): label for label in reversed(table.columns) if isinstance(label, str)}
    return next((by_word[word] for word in DAY_WORDS if word in by_word), table.columns[0])
