"""Databases through SQLAlchemy: a URL that is checked, an engine, and errors of one line without a secret."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from allocation.errors import AllocationError

PATIENCE = 20  # seconds to wait for a server, and for another's write to an SQLite file


def parsed(url: str, complaint: AllocationError) -> URL:
    """Return a URL; PostgreSQL's is spoken to through psycopg. Raises `complaint` where it cannot be read."""
    try:
        made = make_url(url)
    except (ArgumentError, ValueError):
        raise complaint from None  # the cause would quote the URL, with its password
    if made.get_backend_name() != "sqlite" and url.count("@") > 1:
        raise complaint  # an @ in a password ends it early: its rest would be shown as the host
    return made.set(drivername="postgresql+psycopg") if made.drivername == "postgresql" else made


def shown(url: URL) -> str:
    """Return the URL as messages may show it: without the password, and without a query, which may hold one."""
    return url.set(query={}).render_as_string(hide_password=True)


def file_of(url: URL) -> Path | None:
    """Return the file of an SQLite URL, None for any other."""
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None


def make_engine(url: URL, error: Callable[[str], AllocationError]) -> Engine:
    """Return an engine that waits a limited time for its server; `error` makes the error of a missing driver."""
    waits = {"postgresql": {"connect_timeout": PATIENCE}, "sqlite": {"timeout": PATIENCE}}
    try:
        return create_engine(url, connect_args=waits.get(url.get_backend_name(), {}))
    except (ModuleNotFoundError, NoSuchModuleError) as cause:
        remedy = "install one (PostgreSQL's comes with newsfolio[postgres])"
        raise error(f"{shown(url)}: needs a driver: {remedy}") from cause


def whole_transactions(engine: Engine, begin: str, pragmas: tuple[str, ...]) -> None:
    """Let SQLite begin as told: Python's sqlite3 leaves the making of tables outside transactions by itself."""

    def connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)


@contextmanager
def told(where: str, remedy: str, error: Callable[[str], AllocationError]) -> Iterator[None]:
    """What the database raises, as one line of our own."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as raised:
        cause = raised.orig if isinstance(raised, DBAPIError) else raised
        first = (str(cause).strip() or type(cause).__name__).splitlines()[0]
        raise error(f"{where}: {first}: {remedy}") from raised
