"""The ledger: migrated, held by one run, only added to, and clear about what is wrong with it."""

# ruff: noqa: SIM117 - one `with` says what is opened, the inner one what is done with it

import sqlite3

import pytest
from alembic.autogenerate import compare_metadata
from alembic.command import upgrade
from alembic.runtime.migration import MigrationContext
from hypothesis import example, given, settings
from hypothesis import strategies as st
from live_support import SESSIONS, Desk

from allocation.live import LedgerError, open_ledger, read_ledger
from allocation.live.ledger.database import VERSIONS, _config, _engine, _parsed
from allocation.live.ledger.tables import APPEND_ONLY, metadata
from allocation.live.monitor.failures import record_failure

DAY = SESSIONS[10]


def test_migrations_make_the_tables_that_the_code_knows(url):
    with open_ledger(url, create=True) as ledger, ledger.transaction() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSIONS, "compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_an_old_ledger_is_brought_up_to_date_with_its_rows(tmp_path):
    url = str(tmp_path / "old.sqlite")
    with _engine(_parsed(url), "BEGIN") as engine:  # a connection set up as ours are
        pass
    with engine.connect() as connection, connection.begin():
        config = _config()
        config.attributes["connection"] = connection
        upgrade(config, "0001")
        connection.exec_driver_sql("INSERT INTO portfolio VALUES (1, 'x', 'paper', '2022-09-20 00:00:00')")
        connection.exec_driver_sql("INSERT INTO valuations VALUES ('2022-09-19', '2022-09-19', 5000.0, 5000.0)")
        connection.exec_driver_sql("INSERT INTO runs (id, session, started) VALUES (7, '2022-09-20', '2022-09-20')")
    desk = Desk(url)
    assert desk.step(DAY).nav == 5000.0
    assert [row[0] for row in desk.rows("runs")] == [7, 8]
    with pytest.raises(LedgerError, match="decisions is only added to"), open_ledger(url) as ledger:
        with ledger.transaction() as connection:
            connection.exec_driver_sql("DELETE FROM decisions")


def test_a_ledger_of_a_newer_version_is_left_alone(url):
    Desk(url).step(DAY)
    with open_ledger(url) as ledger, ledger.transaction() as connection:
        connection.exec_driver_sql(f"UPDATE {VERSIONS} SET version_num = '0099'")  # noqa: S608
    for opening in (open_ledger, read_ledger):
        with pytest.raises(LedgerError, match="is of version 0099, which a newer newsfolio wrote: upgrade newsfolio"):
            with opening(url):
                pass


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "UPDATE {} SET {} = {}"])
def test_the_record_cannot_be_changed(url, table, statement):
    desk = Desk(url)
    for day in SESSIONS[10:12]:
        desk.step(day)
    column = metadata.tables[table].columns.keys()[0]
    with open_ledger(url) as ledger:
        with pytest.raises(LedgerError, match=f"{table} is only added to"), ledger.transaction() as connection:
            connection.exec_driver_sql(statement.format(table, column, column))
    assert desk.rows(table)


@pytest.mark.parametrize("wait", [float("nan"), -1.0])
def test_a_wait_that_is_none_is_refused(url, wait):
    with (
        pytest.raises(LedgerError, match="give the seconds to wait for another run, 0 or more"),
        open_ledger(url, wait=wait, create=True),
    ):
        pass


def test_a_second_run_waits_its_time_and_says_so(url):
    held = open_ledger(url, create=True)
    with held, pytest.raises(LedgerError, match="another run has held the ledger for 0.2 s: see if"):
        with open_ledger(url, wait=0.2, create=True):
            pass
    with open_ledger(url, wait=0.2):
        pass


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("sqlite://", "a ledger in memory forgets what it decided: name a file"),
        ("mysql://h/d", "mysql is not known: use SQLite or PostgreSQL"),
        ("postgresql://me:hunter2@127.0.0.1:1/none", r"postgresql\+psycopg://me:\*\*\*@127.0.0.1:1/none: .*refused"),
        ("a b://", "the ledger's URL cannot be read"),
        ("/nowhere/at/all.sqlite", "unable to open database file: see that the database can be reached"),
    ],
)
def test_a_url_that_is_no_ledger(url, complaint):
    with pytest.raises(LedgerError, match=complaint) as raised, open_ledger(url, create=True):
        pass
    assert "hunter2" not in str(raised.value)


def test_a_file_that_is_no_database(tmp_path):
    path = tmp_path / "notes.sqlite"
    path.write_text("these are my notes" * 100)
    with pytest.raises(LedgerError, match="file is not a database"), open_ledger(str(path)):
        pass
    assert path.read_text().startswith("these are my notes")


def test_looking_makes_nothing(tmp_path):
    with pytest.raises(LedgerError, match="no such ledger: restore it from a copy; `newsfolio account open"):
        with read_ledger(str(tmp_path / "none.sqlite")):
            pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("opening", [open_ledger, read_ledger])
@pytest.mark.parametrize(
    ("statement", "complaint"),
    [("", "is empty: restore it from a copy"), ("CREATE TABLE notes (x)", "is no ledger of newsfolio: restore it")],
)
def test_a_ledger_that_is_none_is_not_replaced_by_a_new_one(tmp_path, opening, statement, complaint):
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as other:
        other.execute(statement)
    with pytest.raises(LedgerError, match=complaint), opening(str(path)):
        pass
    assert sqlite3.connect(path).execute("SELECT count(*) FROM sqlite_master").fetchone() == (bool(statement),)


def test_a_ledger_without_an_account_has_no_step(tmp_path):
    url = str(tmp_path / "b.sqlite")
    desk = Desk(str(tmp_path / "a.sqlite"))
    with open_ledger(url, create=True):
        pass
    desk.url = url
    with pytest.raises(LedgerError, match="no account is open in this ledger: `newsfolio account open --cash AMOUNT`"):
        desk.step(DAY)


def test_what_fails_before_a_step_is_a_run_that_failed(url):
    """In a ledger that a step has made, and whatever the failure is."""
    with pytest.raises(RuntimeError, match="no route"), record_failure(url, DAY, wait=1.0):
        raise RuntimeError("no route")
    desk = Desk(url)
    desk.step(DAY)
    with pytest.raises(RuntimeError, match="no route"), record_failure(url, SESSIONS[11], wait=1.0):
        raise RuntimeError("no route")
    first, second = desk.rows("runs")
    assert first[4] == "done"
    assert (str(second[1])[:10], *second[4:]) == (f"{SESSIONS[11]:%Y-%m-%d}", "failed", "RuntimeError: no route")
    desk.step(SESSIONS[11])
    assert desk.rows("runs")[-1][4] == "done"


def test_a_failure_that_cannot_be_written_is_itself(url):
    Desk(url).step(DAY)
    with open_ledger(url), pytest.raises(RuntimeError, match="no route"), record_failure(url, DAY, wait=0.1):
        raise RuntimeError("no route")


@given(letters=st.text("@:/#%?[] x", min_size=1, max_size=8))
@example(letters="@/:#%")
@settings(deadline=None)
def test_no_part_of_a_password_is_shown(letters):
    with pytest.raises(LedgerError) as raised, read_ledger(f"mysql://user:HIDE{letters}SECRET@host/name"):
        pass
    assert "HIDE" not in str(raised.value)
    assert "SECRET" not in str(raised.value)
