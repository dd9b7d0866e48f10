"""Prices from PostgreSQL: its own dates, numerics and schemas, in a transaction that cannot write."""

import pandas as pd
import pytest
from live_support import market
from sqlalchemy import create_engine, text

from allocation import SourceError, load_prices
from allocation.data.sql import parsed

BARS = market()
LONG = pd.DataFrame({"close": BARS.close.stack(), "open": BARS.open.stack()}).rename_axis(["date", "ticker"])


@pytest.fixture(scope="module")
def server(postgres):
    url = postgres("prices")
    engine = create_engine(parsed(url, SourceError(url)))
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA vendor"))
        connection.execute(text("CREATE TABLE vendor.bars (date date, ticker text, close numeric, open float8)"))
        LONG.reset_index().to_sql("bars", connection, schema="vendor", index=False, if_exists="append")
    engine.dispose()
    return url


@pytest.mark.parametrize("asked", ["vendor.bars", "SELECT * FROM vendor.bars WHERE date >= CAST(:start AS date)"])
def test_a_table_or_query_gives_the_bars(server, asked):
    bars = load_prices(f"{server}#{asked}", start="2022-09-20")
    same = {"check_freq": False, "check_names": False, "check_index_type": False}
    pd.testing.assert_frame_equal(bars.close, BARS.close.loc["2022-09-20":], rtol=1e-14, **same)
    pd.testing.assert_frame_equal(bars.open, BARS.open.loc["2022-09-20":], check_exact=True, **same)


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ("bars", "has no such table"),
        ("WITH gone AS (DELETE FROM vendor.bars RETURNING *) SELECT * FROM gone", "in a read-only transaction"),
        ("SELECT pg_sleep(9)", "canceling statement due to statement timeout"),
    ],
)
def test_a_query_can_neither_write_nor_take_for_ever(server, asked, complaint, monkeypatch):
    monkeypatch.setattr("allocation.data.sql_prices.MOST_SECONDS", 1)
    with pytest.raises(SourceError, match=complaint):
        load_prices(f"{server}#{asked}")
