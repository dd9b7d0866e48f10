"""The ledger: a database held by one run at a time, brought to this version's tables when it is opened."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, text

from allocation.data.sql import file_of, make_engine, parsed, shown, told, whole_transactions
from allocation.live.errors import LedgerError

VERSIONS = "newsfolio_version"  # the table that holds the ledger's version; alembic's own name may be another's
LOCK_KEY = 0x6E657773  # of PostgreSQL's advisory lock: the word "news"
REMEDY = "see that the database can be reached and written to"
RESTORE = "restore it from a copy; `newsfolio account open --cash AMOUNT` makes a new one"
POLL = 0.05  # seconds between two tries to get the lock


@dataclass(frozen=True)
class Ledger:
    """One connection; `where` is its URL without a password. All that a dry run writes is undone at the end."""

    connection: Connection
    where: str
    dry: bool = False

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """All that is written inside is there afterwards, or nothing of it; inside another one, as part of it."""
        begin = self.connection.begin_nested if self.connection.in_transaction() else self.connection.begin
        with _database_errors(self.where), begin():
            yield self.connection


@contextmanager
def open_ledger(url: str, *, wait: float = 60.0, dry_run: bool = False, create: bool = False) -> Iterator[Ledger]:
    """Open a ledger for one run, alone: migrate its tables, and keep every other run out until the end.

    url: a file's path, `sqlite:///file` or `postgresql://user@host/name`. The lock is the operating system's or
    the server's own, so that a run that was killed holds it no longer. wait: seconds to wait for another run.
    create: make its tables where there are none; without it a ledger that vanished is an error, not a new one.

    Raises:
        LedgerError: there is no ledger, it cannot be opened, is held by another run, or is of a newer version.
    """
    if not wait >= 0.0:
        raise LedgerError(f"wait is {wait}: give the seconds to wait for another run, 0 or more")
    place = _parsed(url)
    file = file_of(place)
    if not create:
        _check_file(file, shown(place))
    with _engine(place, "BEGIN IMMEDIATE") as engine, _database_errors(shown(place)):
        lock = _file_lock(file, wait) if file else _server_lock(engine, shown(place), wait)
        with lock, engine.connect() as connection, _undone(connection) if dry_run else nullcontext():
            ledger = Ledger(connection, shown(place), dry_run)
            _migrate(ledger, create)
            yield ledger


@contextmanager
def read_ledger(url: str) -> Iterator[Ledger]:
    """Open a ledger to look at it; another run may be at work.

    Raises:
        LedgerError: there is none, or it is of another version.
    """
    place = _parsed(url)
    where, file = shown(place), file_of(place)
    _check_file(file, where)
    with _engine(place, "BEGIN") as engine, _database_errors(where), engine.connect() as connection:
        ledger = Ledger(connection, where)
        with ledger.transaction():
            version, newest = _version(connection), _script().get_current_head()
        _check_known(version, where)
        if version != newest:
            raise LedgerError(f"{where}: is of version {version}, not {newest}: `newsfolio rebalance` brings it there")
        yield ledger


def _check_file(file: Path | None, where: str) -> None:
    """A ledger that vanished is never replaced by a new one: that would be a second account."""
    if file is not None and not (file.is_file() and file.stat().st_size):
        found = "is empty" if file.is_file() else "no such ledger"
        raise LedgerError(f"{where}: {found}: {RESTORE}")


@contextmanager
def _undone(connection: Connection) -> Iterator[None]:
    outer = connection.begin()
    try:
        yield
    finally:
        outer.rollback()


def _parsed(url: str) -> URL:
    complaint = LedgerError(
        "the ledger's URL cannot be read: write a path or postgresql://user@host/name, an @ in a password as %40"
    )
    made = parsed(url if "://" in url else f"sqlite:///{url}", complaint)
    backend = made.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise LedgerError(f"{shown(made)}: {backend} is not known: use SQLite or PostgreSQL")
    if backend == "sqlite" and made.database in (None, "", ":memory:"):
        raise LedgerError(f"{shown(made)}: a ledger in memory forgets what it decided: name a file")
    return made


@contextmanager
def _engine(url: URL, begin: str) -> Iterator[Engine]:
    engine = make_engine(url, LedgerError)
    if url.get_backend_name() == "sqlite":
        whole_transactions(engine, begin, ("foreign_keys = ON", "synchronous = FULL"))
    try:
        yield engine
    finally:
        engine.dispose()


def _database_errors(where: str) -> AbstractContextManager[None]:
    return told(where, REMEDY, LedgerError)


@contextmanager
def _file_lock(file: Path, wait: float) -> Iterator[None]:
    """Hold a second, empty SQLite file: its lock ends with the process, however that ends, on every system."""
    with closing(sqlite3.connect(f"{file}.lock", timeout=wait, isolation_level=None)) as held:
        try:
            held.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            raise _held(str(file), wait) from error
        yield


@contextmanager
def _server_lock(engine: Engine, where: str, wait: float) -> Iterator[None]:
    """Hold PostgreSQL's advisory lock on a connection of its own; the server frees it when that is gone."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
        until = time.monotonic() + wait
        while not session.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": LOCK_KEY}):
            if time.monotonic() > until:
                raise _held(where, wait)
            time.sleep(POLL)
        yield


def _held(where: str, wait: float) -> LedgerError:
    return LedgerError(f"{where}: another run has held the ledger for {wait:g} s: see if it hangs, or wait longer")


def _migrate(ledger: Ledger, create: bool) -> None:
    with ledger.transaction() as connection:
        version = _version(connection)
        if version == _script().get_current_head():
            return
        if version is not None or not create:
            _check_known(version, ledger.where)
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _check_known(version: str | None, where: str) -> None:
    if version is None:
        raise LedgerError(f"{where}: is no ledger of newsfolio: {RESTORE}")
    known = {script.revision for script in _script().walk_revisions()}
    if version not in known:
        raise LedgerError(f"{where}: is of version {version}, which a newer newsfolio wrote: upgrade newsfolio")


def _version(connection: Connection) -> str | None:
    return MigrationContext.configure(connection, opts={"version_table": VERSIONS}).get_current_revision()


def _script() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    folder = str(Path(__file__).with_name("migrations")).replace("%", "%%")  # a configuration file's own escape
    config.set_main_option("script_location", folder)
    config.set_main_option("path_separator", "os")
    return config
