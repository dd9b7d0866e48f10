"""How a CSV file is written: its encoding, its separator and the names in its header."""

import codecs
import csv
import logging
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa  # type: ignore[import-untyped]  # pandas loads it anyway

log = logging.getLogger(__name__)

SEPARATORS = ",;\t|"
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
# What spreadsheets and vendors write other than UTF-8; a free guess among a hundred encodings is wrong too often.
ENCODINGS = ["cp1252", "utf_16_le", "utf_16_be", "gb18030", "cp932", "euc_kr", "big5", "cp1251"]
SAMPLE, CHUNK = 1 << 18, 1 << 20


class CsvFormat(NamedTuple):
    """Encoding as Python names it, the character between cells, and the column names of the header."""

    encoding: str
    separator: str
    columns: tuple[str, ...]


def csv_format(path: Path) -> CsvFormat:
    """Return how a CSV file is written; what is not UTF-8 with commas is said in the log, once per file.

    Raises:
        ValueError: the encoding is not recognised.
        OSError: the file cannot be read.
    """
    stat = path.stat()
    return _format(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=8)  # one command reads a file several times
def _format(path: Path, size: int, changed: int) -> CsvFormat:  # noqa: ARG001 - a changed file is another one
    encoding = _encoding(path)
    with path.open(encoding=encoding, newline="") as file:
        header = next((line for line in file if line.strip()), "")
    rows = {separator: next(csv.reader([header], delimiter=separator), []) for separator in SEPARATORS}
    separator = max(SEPARATORS, key=lambda each: len(rows[each]))  # the first of equals: the comma
    if separator != ",":
        log.warning("%s: cells are separated by %s", path, {"\t": "tabs", ";": "semicolons"}.get(separator, separator))
    return CsvFormat(encoding, separator, tuple(rows[separator]))


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(4)
        for mark, encoding in MARKS.items():
            if start.startswith(mark):
                return encoding
        file.seek(0)
        while chunk := file.read(CHUNK) + file.readline():  # whole lines, so that no character is cut
            if b"\0" in chunk:  # no text in UTF-8 holds one, UTF-16 without a mark does
                return _detected(path, chunk[:SAMPLE])
            try:
                pa.array([chunk], pa.large_binary()).cast(pa.large_string())  # five times as fast as to decode
            except pa.ArrowInvalid:
                try:
                    chunk.decode("utf-8")
                except UnicodeDecodeError as error:
                    chunk = chunk[max(0, error.start - SAMPLE // 2) :]
                return _detected(path, chunk[:SAMPLE])
    return "utf-8"


def _detected(path: Path, sample: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=ENCODINGS).best()
    if best is None:
        raise ValueError("it is neither UTF-8 nor in an encoding that can be recognised: save it as UTF-8")
    log.warning("%s: not UTF-8, read as %s: save it as UTF-8 if letters come out wrong", path, best.encoding)
    return best.encoding
