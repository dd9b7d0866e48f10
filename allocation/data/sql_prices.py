"""Prices from a database: a table or a query of any database that SQLAlchemy reaches, named in one line."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pandas as pd
from sqlalchemy import (
    URL,
    Column,
    Connection,
    Executable,
    MetaData,
    Numeric,
    Select,
    Table,
    event,
    select,
    text,
)
from sqlalchemy.exc import NoSuchTableError

from allocation.data.sql import file_of, make_engine, parsed, shown, told, whole_transactions
from allocation.errors import SourceError

FORM = (
    "write sqlite:///prices.db#TABLE or postgresql://user@host/name#TABLE, or #SELECT ... for a query; in a password "
    "@ is %40 and # is %23"
)
REMEDY = "see that the database can be reached and holds what was asked for"
QUERIES = ("select", "with")  # how a query begins; no table is called so
MOST_SECONDS = 300  # that a server may think


@dataclass(frozen=True)
class TableAddress:
    """Where in which database: a table (`name` or `schema.name`), or a query."""

    url: URL
    asked: str

    @property
    def is_query(self) -> bool:
        """Whether `asked` is a query."""
        return self.asked.split(maxsplit=1)[0].lower() in QUERIES

    def __str__(self) -> str:
        return f"{shown(self.url)}#{'a query' if self.is_query else self.asked}"


def read_prices_table(source: str, first: pd.Timestamp | None, last: pd.Timestamp | None) -> tuple[pd.DataFrame, str]:
    """Return the rows of `URL#TABLE` or `URL#SELECT ...`, and how errors may name the place; nothing is written.

    A table whose column `date` is a date is read between `first` and `last` only. A query may hold :start and :end,
    which are bound to these dates (as YYYY-MM-DD; NULL where they are not given).

    Raises:
        SourceError: the place cannot be read, or there is no such table.
    """
    place = _place(source)
    file = file_of(place.url)
    if file is not None and not file.is_file():
        raise SourceError(f"{place}: no such file")
    with _reading(place) as connection:
        rows = connection.execute(*_question(place, connection, first, last))
        table = pd.DataFrame(rows.all(), columns=list(rows.keys()))
    if table.empty:
        raise SourceError(f"{place}: has no prices {_range(first, last)}")
    return table, str(place)


def _place(source: str) -> TableAddress:
    url, _, asked = source.partition("#")
    if not asked.strip():
        raise SourceError(f"a database of prices needs the name of a table: {FORM}")
    complaint = SourceError(f"the URL of a database of prices cannot be read: {FORM}")
    place = TableAddress(parsed(url, complaint), asked.strip())
    if place.url.get_backend_name() != "sqlite" and not place.is_query and "@" in asked:
        raise complaint  # a # in a password ends the URL early: its rest would be shown as the table
    return place


def _range(first: pd.Timestamp | None, last: pd.Timestamp | None) -> str:
    start, end = ("any day" if day is None else day.date() for day in (first, last))
    return f"from {start} to {end}"


@contextmanager
def _reading(place: TableAddress) -> Iterator[Connection]:
    engine = make_engine(place.url, SourceError)
    try:
        with told(str(place), REMEDY, SourceError):
            # A query is the user's own text; it must not be able to write, nor hold the night up.
            if place.url.get_backend_name() == "sqlite":
                whole_transactions(engine, "BEGIN", ("query_only = ON",))
            elif place.url.get_backend_name() == "postgresql":
                event.listen(engine, "begin", _patient_reader)
            with engine.connect() as connection, connection.begin():
                yield connection
    finally:
        engine.dispose()


def _patient_reader(connection: Connection) -> None:
    connection.exec_driver_sql("SET TRANSACTION READ ONLY")
    connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{MOST_SECONDS}s'")


def _question(
    place: TableAddress, connection: Connection, first: pd.Timestamp | None, last: pd.Timestamp | None
) -> tuple[Executable, dict[str, str | None]]:
    if place.is_query:
        bound = {"start": first, "end": last}
        days = {name: None if day is None else f"{day:%Y-%m-%d}" for name, day in bound.items()}
        return text(place.asked), {name: day for name, day in days.items() if f":{name}" in place.asked}
    schema, _, name = place.asked.rpartition(".")
    try:
        table = Table(
            name, MetaData(), schema=schema or None, autoload_with=connection, listeners=[("column_reflect", _doubles)]
        )
    except NoSuchTableError:
        raise SourceError(f"{place}: has no such table") from None
    return _between(select(table), table.columns.get("date"), first, last), {}


def _doubles(_inspector: object, _table: Table, column: dict[str, object]) -> None:
    """A NUMERIC comes as the double that it is computed with; SQLite's would be rounded to ten digits."""
    if isinstance(column["type"], Numeric):
        column["type"].asdecimal = False


def _between(
    query: Select[tuple[object, ...]],
    date: "Column[object] | None",
    first: pd.Timestamp | None,
    last: pd.Timestamp | None,
) -> Select[tuple[object, ...]]:
    """Let the database leave out what is not asked for, where it knows dates; text is compared afterwards."""
    if date is None or not issubclass(date.type.python_type, dt.date):
        return query
    plain = _plain_datetime if issubclass(date.type.python_type, dt.datetime) else _plain_date
    if first is not None:
        query = query.where(date >= plain(first))
    return query if last is None else query.where(date < plain(last + pd.Timedelta(days=1)))


def _plain_date(day: pd.Timestamp) -> dt.date:
    return day.date()


def _plain_datetime(day: pd.Timestamp) -> dt.date:
    return day.to_pydatetime()
