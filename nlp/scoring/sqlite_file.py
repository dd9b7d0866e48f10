"""One SQLite file that several processes share: locked, versioned, moved aside when it is damaged."""

import logging
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from nlp.errors import NlpError

log = logging.getLogger(__name__)

APPLICATION = 0x4E465343  # "NFSC", in the header of the file: what tells a store from any other database
VERSION = 1
MAGIC = b"SQLite format 3\0"
BUSY_SECONDS = 60.0
BESIDE = ("", "-wal", "-shm")  # SQLite's own files beside the database: they move with it

ELSEWHERE = "name another place (--store) or do without (--no-store)"
REMEDIES = {
    sqlite3.SQLITE_BUSY: f"another process has kept it for {BUSY_SECONDS:.0f} s: wait for that one, or {ELSEWHERE}",
    sqlite3.SQLITE_FULL: f"what was committed stays: free some space, {ELSEWHERE}",
    sqlite3.SQLITE_IOERR: f"what was committed stays: check the disk and its free space, {ELSEWHERE}",
    sqlite3.SQLITE_READONLY: f"it cannot be written: {ELSEWHERE}",
    sqlite3.SQLITE_PERM: f"it cannot be opened: {ELSEWHERE}",
    sqlite3.SQLITE_CANTOPEN: f"it cannot be opened: {ELSEWHERE}",
    sqlite3.SQLITE_NOMEM: "free some memory and start again",
}

T = TypeVar("T")


class StoreError(NlpError):
    """A store of scores cannot be used: full, busy, of another version, no store at all."""


class UnwritableError(StoreError):
    """There can be no store in this place: the folder is read-only."""


class DamagedError(Exception):
    """The file holds what was never written to it; raised by work given to `StoreFile.run`."""


class StoreFile:
    """A connection to a store; its tables are made by `schema`, which must do nothing where they are there.

    Several writers wait for each other, readers wait for nobody (write-ahead log). What `run` has done
    outlives a killed process; a power cut may take the last commits with it, but leaves the file whole.
    The file must lie on a local disk: the log needs memory that is shared between its processes.
    """

    def __init__(self, path: Path, schema: str) -> None:
        self.path, self._schema = path, schema
        self._db: sqlite3.Connection | None = None
        self._inode = -1
        self._lock = _open_lock(path)
        try:
            self.run(lambda _: None)
        except BaseException:
            self.close()
            raise

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` makes of the connection; where it finds damage, do it again on a fresh file.

        Raises:
            StoreError: the disk is full, another process holds the file too long, the file is no store, is of
                another version, or is damaged while another process has it open.
        """
        try:
            return self._attempt(work)
        except DamagedError as damage:
            self._move_aside(damage)
        try:
            return self._attempt(work)
        except DamagedError as damage:
            raise StoreError(f"{self.path}: is damaged ({damage}) once more: check the disk, {ELSEWHERE}") from damage

    def close(self) -> None:
        """Close the file; safe to repeat."""
        self._disconnect()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _attempt(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with _translated(self.path):
            if self._db is None:
                self._inode = _inode(self.path)
                self._db = _connected(self.path, self._schema)
                self._inode = _inode(self.path)  # of the file that was made, where there was none
            return work(self._db)

    def _disconnect(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _move_aside(self, damage: DamagedError) -> None:
        """Rename the file with its log, alone: SQLite deletes a log by name, and would delete the next one's."""
        self._disconnect()
        try:
            if not _lock_alone(self._lock):
                raise StoreError(f"{self.path}: is damaged ({damage}) and in use: end the other user, or {ELSEWHERE}")
            if self._inode == _inode(self.path):  # else another process has moved it meanwhile
                aside = _renamed(self.path)
                log.warning("%s: is damaged (%s): moved to %s, a fresh one is begun", self.path, damage, aside.name)
        except OSError as error:
            raise StoreError(f"{self.path}: is damaged and cannot be moved ({error.strerror}): {ELSEWHERE}") from error
        finally:
            _lock_shared(self._lock)


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All or nothing; waits for other writers at its beginning, never in its middle."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # a full disk has rolled back already
            db.execute("ROLLBACK")
        raise


def _connected(path: Path, schema: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        db.text_factory = bytes  # a damaged row may call itself text
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA cache_size = -131072")  # KiB: the inner pages of 20 million rows and many leaves
        db.execute("PRAGMA journal_size_limit = 67108864")
        _check_version(db, path)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(schema)
    except BaseException:
        db.close()
        raise
    return db


def _check_version(db: sqlite3.Connection, path: Path) -> None:
    if _marks(db) == (0, 0, 0):
        with transaction(db):
            if _marks(db) == (0, 0, 0):  # still: another process may have been quicker
                db.execute(f"PRAGMA application_id = {APPLICATION}")
                db.execute(f"PRAGMA user_version = {VERSION}")
    application, version, _ = _marks(db)
    if application != APPLICATION:
        raise _stranger(path)
    if version != VERSION:
        raise StoreError(
            f"{path}: is a store of version {version}, this program keeps version {VERSION}: {ELSEWHERE}, or delete "
            "the file: its scores are then computed anew"
        )


def _marks(db: sqlite3.Connection) -> tuple[int, int, int]:
    (application,), (version,), (tables,) = (
        db.execute(question).fetchone()
        for question in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
    )
    return application, version, tables


def _stranger(path: Path) -> StoreError:
    return StoreError(f"{path}: is not a store of scores: {ELSEWHERE}")


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """All statements are our own and right: an error that is not about the surroundings is about the file."""
    try:
        yield
    except sqlite3.Error as error:
        code = error.sqlite_errorcode & 0xFF  # the rest of the bits say more than is needed
        if code in REMEDIES:
            raise StoreError(f"{path}: {error}: {REMEDIES[code]}") from error
        if code == sqlite3.SQLITE_NOTADB and not _was_a_store(path):
            raise _stranger(path) from error
        raise DamagedError(str(error)) from error


def _was_a_store(path: Path) -> bool:
    """Whether something in its first bytes is left of a store: anything else is the user's and not to be moved.

    Called on what SQLite refuses only: to open and close a database drops the locks this process has on it.
    """
    with path.open("rb") as file:
        head = file.read(72)
    return head.startswith(MAGIC) or head[68:] == APPLICATION.to_bytes(4, "big")


def _renamed(path: Path) -> Path:
    aside = Path(f"{path}.corrupt-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
    for ending in BESIDE:
        if os.path.exists(f"{path}{ending}"):
            os.rename(f"{path}{ending}", f"{aside}{ending}")
    return aside


def _inode(path: Path) -> int:
    return path.stat().st_ino if path.exists() else -1


# A file of its own carries the lock: a second open and close of the database itself would drop SQLite's locks.
def _open_lock(path: Path) -> int | None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UnwritableError(f"{path}: no store can be kept here ({error.strerror}): {ELSEWHERE}") from error
    _lock_shared(lock)
    return lock


def _lock_shared(lock: int | None) -> None:
    """Say that the file is in use, until the process ends, however it ends."""
    if sys.platform != "win32" and lock is not None:
        import fcntl

        fcntl.flock(lock, fcntl.LOCK_SH)


def _lock_alone(lock: int | None) -> bool:
    """Return whether nobody else uses the file. Windows refuses to rename a file in use by itself."""
    if sys.platform != "win32" and lock is not None:
        import fcntl

        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
