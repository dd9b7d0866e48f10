"""How a CSV file is written: its encoding, its separator and the names in its header."""

import codecs
import csv
import logging
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa  # type: ignore[import-untyped]  # pandas loads it anyway

log = logging.getLogger(__name__)

SEPARATORS = ",;\t|"
NAMES = {"\t": "tabs", ";": "semicolons"}
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
# What spreadsheets and vendors write other than UTF-8; a free guess among a hundred encodings is wrong too often.
ENCODINGS = ["cp1252", "gb18030", "cp932", "euc_kr", "big5", "cp1251"]
WIDE = ["utf_16_le", "utf_16_be"]  # their commas and line ends hold a zero byte, which no other encoding has
SAMPLE, CHUNK = 1 << 18, 1 << 20
SAMPLED = 50  # rows that show how a file is written
FEW, IRREGULAR = 3, 0.1  # rows, and a share of them, that may be wider or narrower than a table by two cells and more


class CsvFormat(NamedTuple):
    """Encoding as Python names it, the character between cells, the column names of the header, and what to say.

    notes: what is not UTF-8 with commas, in words.
    """

    encoding: str
    separator: str
    columns: tuple[str, ...]
    notes: tuple[str, ...]


def csv_format(path: Path, notes: list[str] | None = None) -> CsvFormat:
    """Return how a CSV file is written; what is not UTF-8 with commas is said in the log, once per file, or in `notes`.

    Raises:
        ValueError: the encoding is not recognised.
        OSError: the file cannot be read.
    """
    stat = path.stat()
    state = (path, stat.st_size, stat.st_mtime_ns)
    if notes is None:
        return _format_said(*state)
    found = _format(*state)
    notes.extend(found.notes)
    return found


@lru_cache(maxsize=8)  # one command reads a file several times
def _format(path: Path, size: int, changed: int) -> CsvFormat:  # noqa: ARG001 - a changed file is another one
    notes: list[str] = []
    encoding = _encoding(path, notes)
    with path.open(encoding=encoding, newline="") as file:
        lines = list(islice((line for line in file if line.strip()), SAMPLED))
    header = lines[0] if lines else ""
    rows = {separator: next(csv.reader([header], delimiter=separator), []) for separator in SEPARATORS}
    separator = _separator(lines, {separator: len(row) for separator, row in rows.items()})
    if separator != ",":
        notes.append(f"cells are separated by {NAMES.get(separator, separator)}")
    return CsvFormat(encoding, separator, tuple(rows[separator]), tuple(notes))


@lru_cache(maxsize=8)
def _format_said(path: Path, size: int, changed: int) -> CsvFormat:
    found = _format(path, size, changed)
    for note in found.notes:
        log.warning("%s: %s", path, note)
    return found


def _separator(lines: Sequence[str], header: dict[str, int]) -> str:
    """What makes a table of most rows and more than one column of the header; of several, of the most columns.

    Where the header has no separator at all, which a title above it has not, the rows decide alone.
    """

    def table(separator: str) -> int:
        """How many columns the rows have with this separator; 0 where they are no table."""
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=separator) if row]
        except csv.Error:
            return 0
        width = Counter(widths).most_common(1)[0][0] if widths else 0
        regular = sum(abs(each - width) <= 1 for each in widths)
        others = len(widths) - regular
        return width if width > 1 and regular > others and others <= max(FEW, IRREGULAR * len(widths)) else 0

    tables = {separator: table(separator) for separator in SEPARATORS}
    return max(
        SEPARATORS,  # the first of equals: the comma
        key=lambda each: (header[each] > 1 and tables[each] > 0, header[each], tables[each]),
    )


def _encoding(path: Path, notes: list[str]) -> str:
    with path.open("rb") as file:
        start = file.read(4)
        for mark, encoding in MARKS.items():
            if start.startswith(mark):
                return encoding
        file.seek(0)
        while chunk := file.read(CHUNK) + file.readline():  # whole lines, so that no character is cut
            if b"\0" in chunk:  # no text in UTF-8 holds one, UTF-16 without a mark does
                return _detected(chunk[:SAMPLE], notes)
            try:
                pa.array([chunk], pa.large_binary()).cast(pa.large_string())  # five times as fast as to decode
            except pa.ArrowInvalid:
                try:
                    chunk.decode("utf-8")
                except UnicodeDecodeError as error:
                    chunk = chunk[max(0, error.start - SAMPLE // 2) :]
                return _detected(chunk[:SAMPLE], notes)
    return "utf-8"


def _detected(sample: bytes, notes: list[str]) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=WIDE if b"\0" in sample else ENCODINGS).best()
    if best is None:
        raise ValueError("it is neither UTF-8 nor in an encoding that can be recognised: save it as UTF-8")
    notes.append(f"not UTF-8, read as {best.encoding}: save it as UTF-8 if letters come out wrong")
    return best.encoding
