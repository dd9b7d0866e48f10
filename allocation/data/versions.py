"""The cache of prices, an SQLite file: each price with the number of the fetch that brought it, and never overwritten.

The newest row of a date counts; what was known at any moment before can still be read.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd
from sqlalchemy import (
    URL,
    Column,
    Connection,
    DateTime,
    Double,
    ForeignKey,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    and_,
    func,
    insert,
    select,
)

from allocation.data.sql import make_engine, told, whole_transactions
from allocation.errors import SourceError

FILE = "prices.sqlite"
VERSION = 1  # of these tables
ENDLESS = datetime.max
REMEDY = "put it right, or move it away and prices are fetched anew, without their old versions"
DAY = String(10)  # YYYY-MM-DD: sorts as dates do, and a million of them are read at once

metadata = MetaData()
fetches = Table(
    "fetches",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ticker", Text, nullable=False),
    Column("vendor", Text, nullable=False),
    Column("policy", Text, nullable=False),  # what the prices are adjusted for
    Column("client", Text, nullable=False),
    Column("fetched", DateTime, nullable=False),  # when the answer was there; UTC without a zone
    Column("first", DAY, nullable=False),  # dates that were asked for
    Column("last", DAY, nullable=False),
    Column("settled", DAY, nullable=False),  # up to which the answer was final
    Column("prices", Integer, nullable=False),
    Column("rewritten", Integer, nullable=False),  # kept prices that the answer contradicts
    Column("digest", String(64), nullable=False),  # of the answer's dates, closes and opens
)
prices = Table(
    "prices",
    metadata,
    Column("ticker", Text, nullable=False),
    Column("date", DAY, nullable=False),
    Column("fetch", Integer, ForeignKey("fetches.id"), nullable=False),
    Column("close", Double),  # NULL: the vendor has taken the day back
    Column("open", Double),
    PrimaryKeyConstraint("ticker", "date", "fetch"),
    sqlite_with_rowid=False,
)


@dataclass(frozen=True)
class Known:
    """Dates from which to which a ticker has been asked for; up to `settled` the answers were final.

    whole: when (UTC without a zone) all of it was last asked for at once.
    """

    first: pd.Timestamp
    last: pd.Timestamp
    settled: pd.Timestamp
    whole: pd.Timestamp


def exists(folder: Path) -> bool:
    """Return whether anything is kept in the folder."""
    return (folder / FILE).is_file()


@contextmanager
def opened(folder: Path) -> Iterator[Connection]:
    """Open the cache in one transaction, made where there is none; all that is written inside is there, or nothing.

    Raises:
        SourceError: it cannot be read or written, or a newer newsfolio wrote it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    engine = make_engine(URL.create("sqlite", database=str(path)), SourceError)
    whole_transactions(engine, "BEGIN IMMEDIATE", ("foreign_keys = ON",))
    try:
        with told(str(path), REMEDY, SourceError), engine.connect() as connection, connection.begin():
            version = connection.exec_driver_sql("PRAGMA user_version").scalar()
            if version not in (0, VERSION):
                raise SourceError(f"{path}: is of version {version}, which a newer newsfolio wrote: upgrade newsfolio")
            if version == 0:
                metadata.create_all(connection)
                connection.exec_driver_sql(f"PRAGMA user_version = {VERSION}")
            yield connection
    finally:
        engine.dispose()


def known_dates(connection: Connection, tickers: Sequence[str], as_of: datetime | None = None) -> dict[str, Known]:
    """Return which dates were kept of each ticker at a moment; one that was not kept is not there."""
    c = fetches.c
    chosen = c.ticker.in_(tickers) & (c.fetched <= (as_of or ENDLESS))
    names = ("first", "last", "settled")
    ends = (func.min(c.first), func.max(c.last), func.max(c.settled))
    spans = select(c.ticker, *(end.label(name) for name, end in zip(names, ends, strict=True)))
    span = spans.where(chosen).group_by(c.ticker).subquery().c
    from_the_first = and_(c.ticker == span.ticker, c.first == span.first)
    columns = (span.ticker, *(span[name] for name in names))
    query = select(*columns, func.max(c.fetched)).join(fetches, from_the_first).where(chosen).group_by(*columns)
    return {ticker: Known(*map(pd.Timestamp, dates)) for ticker, *dates in connection.execute(query)}


def read_prices(connection: Connection, tickers: Sequence[str], as_of: datetime | None = None) -> pd.DataFrame:
    """Return rows of (date, ticker, close, open), each as the last fetch up to `as_of` (UTC without a zone) had it.

    A day that the vendor took back has NaN.
    """
    c = prices.c
    newest = (
        select(c.ticker, c.date, func.max(c.fetch).label("fetch"))
        .join(fetches, fetches.c.id == c.fetch)
        .where(c.ticker.in_(tickers), fetches.c.fetched <= (as_of or ENDLESS))
        .group_by(c.ticker, c.date)
        .subquery()
    )
    same = and_(*(newest.c[key] == c[key] for key in ("ticker", "date", "fetch")))
    columns = ["date", "ticker", "close", "open"]
    rows = connection.execute(select(*(c[name] for name in columns)).join(newest, same).order_by(c.ticker, c.date))
    table = pd.DataFrame(rows.all(), columns=columns).astype({"close": float, "open": float})
    return table.assign(date=pd.to_datetime(table["date"], format="%Y-%m-%d"))


def keep(connection: Connection, fetch: dict[str, object], rows: pd.DataFrame) -> None:
    """Add a fetch, and the prices (date × close, open) that are new or not what was kept."""
    made = connection.execute(insert(fetches).values(fetch))
    number = int(made.inserted_primary_key[0])  # type: ignore[index]
    values = rows.astype(object).where(rows.notna(), None)
    added = [
        {"ticker": fetch["ticker"], "date": f"{day:%Y-%m-%d}", "fetch": number, "close": close, "open": opened}
        for day, close, opened in values[["close", "open"]].itertuples()
    ]
    if added:
        connection.execute(insert(prices), added)


def price_fetches(cache: str | Path) -> pd.DataFrame:
    """Return what was fetched into a cache (a folder), one row per ticker and fetch, the oldest first.

    ticker, vendor, policy (what prices are adjusted for), client, fetched (UTC), first and last (dates asked for),
    settled (up to which the answer was final), prices (how many came), rewritten (how many kept ones it
    contradicts: above 0, history was rewritten), digest.

    Raises:
        SourceError: there is no cache in the folder, or it cannot be read.
    """
    if not exists(Path(cache)):
        raise SourceError(f"{cache}: has no kept prices")
    with opened(Path(cache)) as connection:
        rows = connection.execute(select(fetches).order_by(fetches.c.id))
        return pd.DataFrame(rows.all(), columns=list(rows.keys())).drop(columns="id")
