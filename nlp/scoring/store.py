"""The store of scores: (what computes, text) -> probabilities, so that no text is scored twice.

A row is 32 bytes: 16 of the text's digest, 12 of three float32, 4 of a checksum. SQLite was taken over LMDB: at
ten million rows it finds a million texts in about 2 s instead of 1, which is nothing beside scoring one, and needs
a third of the space, no guess of the largest size, and no package.
"""

import hashlib
import json
import logging
import os
import sqlite3
import sys
import zlib
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nlp.errors import NlpError
from nlp.labels import LABELS
from nlp.model.forward.kernels import kernels
from nlp.model.inference import checked_texts
from nlp.scoring.sqlite_file import DamagedError, StoreFile, UnwritableError, transaction

if TYPE_CHECKING:
    from nlp.model.ensemble import Classifier

log = logging.getLogger(__name__)

ARITHMETIC = 4  # raised when a change of the scorer moves scores: those kept by an older one are not mixed with new
# As an integer the first half of the digest is SQLite's own row number: the quickest and smallest key it has.
# Should two of 20 million texts share it (odds of 1 in 90,000), the second is computed anew each time.
KEY, CHECK = 8, 4  # bytes of a row that SQLite holds as the key; bytes of its checksum
LOOKUP_ROWS = 100_000  # keys in one question: 10,000 take half as long again, a million save nothing


def default_path() -> Path:
    """Return where scores are kept unless told otherwise: the user's folder for what can be computed anew."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "newsfolio" / "scores.sqlite"


def store_key(classifier: "Classifier") -> str:
    """Return what, beside the text, decides a score: the fingerprint, and on what and in which precision it computes.

    In bfloat16 a probability differs by up to 0.02 from that in float32, in int8 by up to 0.2, and which of them dtype
    "auto" takes is found out anew in each process: without it a run that is resumed could mix several.
    """
    return f"{classifier.fingerprint} {_arithmetic(classifier)}".strip()


def _arithmetic(classifier: "Classifier") -> str:
    from nlp.model.classifier import TextClassifier
    from nlp.model.ensemble import TextEnsemble

    if isinstance(classifier, TextEnsemble):
        return " ".join(_arithmetic(member) for member in classifier.members)
    if isinstance(classifier, TextClassifier):
        device = classifier.model.device.type
        return f"{classifier.precision} {device} {ARITHMETIC}{_compiled_on(device)}"
    return ""


def _compiled_on(device: str) -> str:
    """The last bits are other ones where the kernels were compiled; the GPU does not use them."""
    return " compiled" if device == "cpu" and kernels() is not None else ""


def row_type(n_labels: int) -> np.dtype[np.void]:
    """A row of the store: 32 bytes for three labels."""
    return np.dtype([("key", "<i8"), ("rest", "<i8"), ("probabilities", "<f4", (n_labels,)), ("check", "<u4")])


def open_store(path: Path | None, key: str, n_labels: int = len(LABELS)) -> "AbstractContextManager[ScoreStore | None]":
    """Return the store at `path`, or an error; where none is asked for, the usual one, or a warning and none.

    key: see `store_key`.

    Raises:
        StoreError: see ScoreStore.
    """
    if path is not None:
        return ScoreStore(path, key, n_labels)
    try:
        return ScoreStore(default_path(), key, n_labels)
    except UnwritableError as error:
        log.warning("%s; going on without", error)
        return nullcontext()


def no_store(_: str, __: int = len(LABELS)) -> AbstractContextManager[None]:
    """Return no store, whatever the key."""
    return nullcontext()


class ScoreStore:
    """Probabilities of texts on disk, of one classifier; a context manager.

    Texts are told apart by the 16-byte BLAKE2b of their UTF-8 bytes, exactly as the classifier is given them: no
    case, space or Unicode form is evened out, because the tokenizer may tell them apart. A probability may depend
    on the text and the classifier alone; `predict_proba` sees to that. Classifiers share the file, not the rows.

    Every row is checksummed together with its key and `fingerprint`, because SQLite checks nothing: a flipped byte
    is found, the file moved aside (`.corrupt-` and the time) and a fresh one begun, with a warning in the log.
    """

    def __init__(self, path: str | Path, fingerprint: str, n_labels: int = len(LABELS)) -> None:
        """Open or make the store; fingerprint: `store_key(classifier)`, or any other name of what computes.

        Raises:
            UnwritableError: the folder is read-only.
            StoreError: the file is no store, is of another version, or is damaged and in use.
        """
        self.fingerprint = fingerprint
        self._row = row_type(n_labels)
        self._seed = zlib.crc32(fingerprint.encode())
        self._table = f"scores_{hashlib.blake2b(fingerprint.encode(), digest_size=16).hexdigest()}"
        schema = f"CREATE TABLE IF NOT EXISTS {self._table} (key INTEGER PRIMARY KEY, row BLOB NOT NULL)"
        self._file = StoreFile(Path(path), schema)

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    def lookup(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return probabilities (texts × labels), float32 as they were added to the last bit, NaN where not known.

        Raises:
            StoreError: see StoreFile.run.
            NlpError: a text is not a string.
        """
        asked = self._digests(checked_texts(texts))
        keys = np.unique(asked["key"])
        rows = self._file.run(lambda db: self._rows(db, keys))
        found = np.full((len(asked), *self._row["probabilities"].shape), np.nan, dtype=np.float32)
        if len(rows):
            place = np.searchsorted(rows["key"], asked["key"]).clip(max=len(rows) - 1)
            hit = (rows["key"][place] == asked["key"]) & (rows["rest"][place] == asked["rest"])
            found[hit] = rows["probabilities"][place[hit]]
        return found

    def add(self, texts: Sequence[str], probabilities: NDArray[np.float32]) -> None:
        """Keep the probabilities (texts × labels, float32, no NaN); on return they are committed, all of them or none.

        What is known of a text already stays.

        Raises:
            StoreError: see StoreFile.run; among others the disk is full.
            NlpError: a text is not a string, or probabilities are of another shape or dtype or missing.
        """
        rows = self._digests(checked_texts(texts))
        rows["probabilities"] = _checked(probabilities, (len(rows), *self._row["probabilities"].shape))
        rows = rows[np.argsort(rows["key"])]  # each page of the file is then touched once
        rows["check"] = self._checksums(rows)
        blobs = rows.tobytes()
        values = [blobs[start + KEY : start + self._row.itemsize] for start in range(0, len(blobs), self._row.itemsize)]
        self._file.run(lambda db: self._insert(db, list(zip(rows["key"].tolist(), values, strict=True))))

    def close(self) -> None:
        """Close the file; safe to repeat."""
        self._file.close()

    def __len__(self) -> int:
        """Number of texts that are known of this classifier; counts them, which takes a while for many."""
        (count,) = self._file.run(lambda db: db.execute(f"SELECT count(*) FROM {self._table}").fetchone())  # noqa: S608
        return int(count)

    def __bool__(self) -> bool:
        return True  # an empty store is a store

    def __enter__(self) -> "ScoreStore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _digests(self, texts: list[str]) -> NDArray[np.void]:
        blake2b = hashlib.blake2b
        digests = b"".join([blake2b(text.encode(), digest_size=16).digest() for text in texts])
        rows = np.zeros(len(texts), dtype=self._row)
        rows["key"], rows["rest"] = np.frombuffer(digests, dtype="<i8").reshape(-1, 2).T
        return rows

    def _insert(self, db: sqlite3.Connection, rows: list[tuple[int, bytes]]) -> None:
        with transaction(db):
            db.executemany(f"INSERT OR IGNORE INTO {self._table} VALUES (?, ?)", rows)  # noqa: S608

    def _rows(self, db: sqlite3.Connection, keys: NDArray[np.int64]) -> NDArray[np.void]:
        """Return what is stored under the keys, sorted and verified."""
        question = f"SELECT key, row FROM {self._table} WHERE key IN (SELECT value FROM json_each(?))"  # noqa: S608
        answers: list[tuple[int, bytes]] = []
        for start in range(0, len(keys), LOOKUP_ROWS):
            part = keys[start : start + LOOKUP_ROWS].tolist()
            answers += db.execute(question, (json.dumps(part),)).fetchall()
        rows = self._verified(answers)
        return rows[np.argsort(rows["key"])]

    def _verified(self, answers: list[tuple[int, bytes]]) -> NDArray[np.void]:
        """Raise DamagedError where a row is not what was added."""
        rows = np.empty(len(answers), dtype=self._row)
        try:
            rows["key"] = [key for key, _ in answers]
            blobs = np.frombuffer(b"".join(blob for _, blob in answers), dtype=np.uint8)
            rows.view(np.uint8).reshape(-1, self._row.itemsize)[:, KEY:] = blobs.reshape(
                len(rows), self._row.itemsize - KEY
            )
        except (TypeError, ValueError, OverflowError) as error:
            raise DamagedError("a row is not of its form") from error
        wrong = int((self._checksums(rows) != rows["check"]).sum())
        if wrong:
            raise DamagedError(f"the checksums of {wrong} rows are wrong")
        return rows

    def _checksums(self, rows: NDArray[np.void]) -> NDArray[np.uint32]:
        """CRC-32 of key, digest and probabilities, begun with the fingerprint's: a quarter second per million."""
        blobs, crc32, seed, covered = rows.tobytes(), zlib.crc32, self._seed, self._row.itemsize - CHECK
        sums = (crc32(blobs[start : start + covered], seed) for start in range(0, len(blobs), self._row.itemsize))
        return np.fromiter(sums, dtype=np.uint32, count=len(rows))


def _checked(probabilities: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    if probabilities.shape != shape or probabilities.dtype != np.float32:
        raise NlpError(
            f"probabilities are {probabilities.dtype} of shape {probabilities.shape} for {shape[0]} texts: pass "
            f"float32 of shape {shape}, as predict_proba gives them"
        )
    if np.isnan(probabilities).any():
        row = int(np.flatnonzero(np.isnan(probabilities).any(axis=1))[0])
        raise NlpError(f"row {row + 1}: a probability is NaN, which here means not known: leave the text out")
    return probabilities
