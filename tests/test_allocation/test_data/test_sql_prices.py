"""Prices from a database are those of a file of the same rows; the database is only read, and no secret is shown."""

import sqlite3

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Date, Double, Numeric, String, create_engine
from support import random_prices

from allocation import Bars, FrameError, SourceError, load_prices, write_bars
from allocation.data.load import bars_from_long

CLOSE = random_prices(1, 20)
LONG = pd.DataFrame({"close": CLOSE.stack(), "open": CLOSE.stack() * 1.01}).rename_axis(["date", "ticker"])
LONG = LONG.reset_index().assign(adj_close=lambda table: table["close"] * 0.5)
SAME = {"check_exact": True, "check_freq": False, "check_index_type": False}


@pytest.fixture
def database(tmp_path):
    """A folder's database: `bars` with dates, `texts` with dates as text, `wide`, and a name that must be quoted."""
    url = f"sqlite:///{tmp_path / 'p.db'}"
    engine = create_engine(url)
    types = {"date": Date(), "ticker": String(8), "close": Double(), "open": Numeric(), "adj_close": Double()}
    LONG.to_sql("bars", engine, index=False, dtype=types)
    LONG.assign(date=LONG["date"].astype(str)).to_sql("texts", engine, index=False)
    LONG.to_sql("moments", engine, index=False)
    CLOSE.rename_axis("date").to_sql("wide", engine)
    LONG.to_sql('my "bars"; --', engine, index=False)
    engine.dispose()
    return url


@pytest.mark.parametrize("table", ["bars", "texts", "moments", 'my "bars"; --', "SELECT * FROM bars", "bars where"])
@pytest.mark.parametrize("days", [{}, {"start": "2021-01-06"}, {"start": "2021-01-06", "end": "2021-01-12"}])
def test_a_table_or_query_is_the_file_of_the_same_rows(database, tmp_path, table, days):
    if table == "bars where":
        table = "select * from bars where (:start is null or date >= :start) and (:end is null or date <= :end)"
    LONG.to_csv(tmp_path / "bars.csv", index=False)
    ours, expected = load_prices(f"{database}#{table}", **days), load_prices(tmp_path / "bars.csv", **days)
    pd.testing.assert_frame_equal(ours.close, expected.close, **SAME)
    pd.testing.assert_frame_equal(ours.open, expected.open, **SAME)


def test_volumes_are_read_where_the_table_has_them(database):
    assert load_prices(f"{database}#bars").volume is None
    asked = "SELECT date, ticker, close, adj_close, 300 AS volume FROM bars"
    bars = load_prices(f"{database}#{asked}", start="2021-01-06")
    pd.testing.assert_frame_equal(bars.traded_value, 300 * CLOSE.loc["2021-01-06":], check_freq=False)


def test_a_wide_table(database):
    bars = load_prices(f"{database}#wide", start="2021-01-06")
    pd.testing.assert_frame_equal(bars.close, CLOSE.loc["2021-01-06":], check_names=False, **SAME)
    assert bars.open is None


def test_rows_need_no_order(database):
    shuffled = load_prices(f"{database}#SELECT * FROM wide ORDER BY AAA")  # noqa: S608 - the test's own
    pd.testing.assert_frame_equal(shuffled.close, CLOSE, check_names=False, **SAME)


def test_dates_are_compared_by_the_database_where_it_knows_them(database, monkeypatch):
    from allocation.data.sql_prices import read_prices_table

    def days(table):
        rows, _ = read_prices_table(f"{database}#{table}", pd.Timestamp("2021-01-06"), pd.Timestamp("2021-01-07"))
        return len(rows)

    assert [days(table) for table in ("bars", "moments", "texts")] == [8, 8, len(LONG)]


@pytest.mark.parametrize(
    ("place", "complaint"),
    [
        ("#nowhere", r"p.db#nowhere: has no such table"),
        ("", "needs the name of a table: write sqlite:///prices.db#TABLE"),
        ("#", "needs the name of a table"),
        ("#select nil from bars", "p.db#a query: no such column: nil"),
        ("#with gone as (select 1) delete from bars", "attempt to write a readonly database"),
        ("#select 1; drop table bars", "one statement at a time"),
        ("#select date, ticker from bars", "has no column close; it has date, ticker"),
        ("#select * from bars where close < 0", "p.db#a query: has no prices from any day to any day"),
        ("x#bars", "no such file"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(database, tmp_path, place, complaint):
    before = (tmp_path / "p.db").read_bytes()
    with pytest.raises(SourceError, match=complaint):
        load_prices(f"{database}{place}")
    assert (tmp_path / "p.db").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["p.db"]


def test_a_range_without_a_session_is_refused(database):
    with pytest.raises(SourceError, match=r"p.db#bars: has no prices from 2030-01-01 to any day"):
        load_prices(f"{database}#bars", start="2030-01-01")
    with pytest.raises(SourceError, match=r"p.db#texts: has no prices from 2030-01-01"):
        load_prices(f"{database}#texts", start="2030-01-01")


def test_values_that_are_no_prices_are_named(tmp_path):
    with sqlite3.connect(tmp_path / "p.db") as made:
        made.execute("CREATE TABLE bars (date, ticker, close)")
        made.execute("INSERT INTO bars VALUES ('2021-01-04', 'AAA', -1)")
    with pytest.raises(FrameError, match="#bars: close: -1 for AAA at 2021-01-04 is not a price"):
        load_prices(f"sqlite:///{tmp_path / 'p.db'}#bars")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hunter2@127.0.0.1:1/none#bars",
        "postgresql://me@127.0.0.1:1/none?password=hunter2#bars",
        "postgresql://me:hunter2@127.0.0.1:one/none#bars",
        "nonsense://me:hunter2@h/none#bars",
        "postgresql://me:hunter2@127.0.0.1/none",
    ],
)
def test_no_secret_is_shown(url):
    with pytest.raises(SourceError) as told:
        load_prices(url)
    assert "hunter2" not in str(told.value)
    with pytest.raises(SourceError, match="a database: only prices kept in a cache have versions") as told:
        load_prices(url, as_of="2021-01-01")


@given(letters=st.text("@:/#%?[] x", min_size=1, max_size=8))
@example(letters="@")
@example(letters="#")
@example(letters="a@b#c")
@settings(deadline=None, max_examples=50)
def test_no_part_of_a_password_is_shown_whatever_is_in_it(letters):
    with pytest.raises(SourceError) as raised:
        load_prices(f"nonsense://user:HIDE{letters}SECRET@host/name#bars")
    assert "HIDE" not in str(raised.value)
    assert "SECRET" not in str(raised.value)
    if {"@", "#"} & set(letters):
        assert "@ is %40 and # is %23" in str(raised.value)


def test_what_was_written_as_a_file_can_be_kept_in_a_database(tmp_path):
    path = write_bars(Bars(CLOSE), tmp_path / "bars.parquet")
    engine = create_engine(f"sqlite:///{tmp_path / 'p.db'}")
    pd.read_parquet(path).to_sql("bars", engine, index=False)
    engine.dispose()
    ours = load_prices(f"sqlite:///{tmp_path / 'p.db'}#bars").close
    pd.testing.assert_frame_equal(ours, bars_from_long(pd.read_parquet(path)).close, **SAME)
