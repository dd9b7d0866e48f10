"""`rebalance --check`: a line for each thing, on any day, and nothing anywhere is written."""

import json
import os
import sqlite3

import pandas as pd
import pytest

CHECK = "rebalance strategy.py --ledger book.sqlite --prices bars.csv --check"
STEP = "rebalance strategy.py --ledger book.sqlite --prices bars.csv"
FRIDAY, SATURDAY = "2022-11-18 22:00", "2022-11-19 15:00"


@pytest.fixture
def whole(folder, at):
    """Prices end with the last session that has closed."""
    bars = pd.read_csv(folder / "bars.csv")
    bars[bars["date"] <= "2022-11-18"].to_csv(folder / "bars.csv", index=False)
    at(SATURDAY)
    return folder


def contents(folder):
    """Every file and what is in it."""
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def lines(out):
    return {line[6:15].strip(): (line[:6].strip(), line[15:]) for line in out.splitlines()}


def test_all_is_looked_at_and_nothing_is_written(command, whole, tiny_model):
    before = contents(whole)
    more = f"--news news.csv --model {tiny_model} --on-failure true --metrics m.prom --midnight time"
    code, out, err = command(f"{CHECK} {more}")
    found = lines(out)
    assert (code, err) == (0, "")
    assert list(found) == ["settings", "strategy", "ledger", "broker", "prices", "news", "model", "hook", "metrics"]
    assert {state for state, _ in found.values()} == {"ok"}
    assert found["prices"][1] == "4 assets, 54 sessions from 2022-09-06 to 2022-11-18"
    assert "220 headlines of 4 assets, the newest of 2022-11-21 15:00 UTC" in found["news"][1]
    assert "no run yet, nothing decided yet" in found["ledger"][1]
    assert found["broker"][1] == "paper: cash 100,000.00, 0 positions"
    assert contents(whole) == before
    assert [line["fault"] for line in json.loads(command(f"{CHECK} --json --signal signal.csv")[1])] == [False] * 6


def test_after_a_night_it_says_so_and_orders_that_wait_are_no_fault(command, whole, at, alpaca):
    step = STEP.replace("book", "broker")
    at("2022-09-20 20:35")
    assert command(f"{step} --broker alpaca --lot 1")[0] == 0
    alpaca.now = "2022-11-19T15:00:00Z"
    at(SATURDAY)
    before = contents(whole)
    code, out, _ = command(f"{step} --broker alpaca --check")
    found = lines(out)
    assert code == 0
    assert "last run 2022-09-20: done, last decision 2022-09-20" in found["ledger"][1]
    assert found["broker"][1] == "alpaca: cash 100,000.00, 0 positions, 4 orders of ours have not ended"
    assert contents(whole) == before
    assert not [method for method, _ in alpaca.asked[-4:] if method == "POST"]


def test_what_is_held_must_have_prices(command, whole, at):
    at("2022-11-17 22:00")
    assert command(STEP)[0] == 0
    at("2022-11-18 22:00")
    assert command(STEP)[0] == 0
    at(SATURDAY)
    assert command(CHECK)[0] == 0
    bars = pd.read_csv(whole / "bars.csv")
    gone = next(asset for asset in bars["ticker"].unique())
    bars[bars["ticker"] != gone].to_csv(whole / "bars.csv", index=False)
    code, out, _ = command(CHECK)
    assert code == 1
    assert lines(out)["prices"][0] == "FAULT"
    assert f"the account holds {gone}, which prices lack: add prices, or `newsfolio account rename`" in out


def test_a_date_is_the_session_that_is_looked_at(command, whole):
    _until(whole, "2022-11-16")
    assert command(CHECK)[0] == 1
    code, out, _ = command(f"{CHECK} --date 2022-11-16")
    assert (code, lines(out)["prices"][0]) == (0, "ok")


FAULTS = {
    "settings": ("--max-weight nan", None, "limit of weight is nan"),
    "a schedule": ("--every fortnightly", None, "schedule 'fortnightly' is not known"),
    "two signals": ("--news news.csv --signal signal.csv", None, "exclude each other"),
    "strategy": ("", lambda f: (f / "strategy.py").write_text("x = 1\n"), "needs a function policy()"),
    "no ledger": ("", lambda f: (f / "book.sqlite").unlink(), "no such ledger: restore it from a copy"),
    "prices end early": ("", lambda f: _until(f, "2022-11-17"), "the session of 2022-11-18 has closed and is missing"),
    "a split": ("", lambda f: _halved(f), "not adjusted for a split"),
    "news": ("--news news.csv", None, "score"),
    "a model": ("--news news.csv --model nowhere", None, "nowhere"),
    "no keys": ("--broker alpaca", None, "not set: export the keys"),
    "another broker's": ("--broker alpaca", None, "this ledger is of the broker paper, not alpaca"),
    "hook": ("--on-failure nowhere-to-be-found", None, "nowhere-to-be-found: no such program"),
    "an open hook": ("--on-failure http://example.org/x", None, "the address is not https"),
    "metrics": ("--metrics none/m.prom", None, "none/m.prom: cannot be written"),
}


def _until(folder, last):
    bars = pd.read_csv(folder / "bars.csv")
    bars[bars["date"] <= last].to_csv(folder / "bars.csv", index=False)


def _halved(folder):
    bars = pd.read_csv(folder / "bars.csv")
    late = (bars["date"] > "2022-11-10") & (bars["ticker"] == "BBB")
    bars.loc[late, ["open", "close"]] /= 2.0
    bars.to_csv(folder / "bars.csv", index=False)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_line_and_keeps_nothing_else_from_being_checked(command, whole, monkeypatch, name):
    for key in [key for key in os.environ if key.startswith("APCA_")]:
        monkeypatch.delenv(key)
    more, change, complaint = FAULTS[name]
    if change:
        change(whole)
    before = contents(whole)
    code, out, err = command(f"{CHECK} {more}")
    faulty = [said for state, said in lines(out).values() if state == "FAULT"]
    assert (code, err) == (1, "")
    assert any(complaint in said for said in faulty), out
    assert len(lines(out)) >= 5
    assert contents(whole) == before


def test_a_broker_that_disagrees_is_a_fault(command, whole, alpaca, at):
    alpaca.now = "2022-11-19T15:00:00Z"
    check = CHECK.replace("book", "broker") + " --broker alpaca"
    assert command(check)[0] == 0
    alpaca.positions["AAA"] = 7.0
    assert "its shares are not the ledger's: AAA: the broker has 7, the ledger 0" in command(check)[1]
    alpaca.positions.clear()
    alpaca.now = "2022-11-19T15:09:00Z"
    assert "its clock says 2022-11-19 15:09:00 UTC, ours 2022-11-19 15:00:00" in command(check)[1]
    alpaca.trouble.extend([(401, {}, "{}")])
    assert "refuses the keys (401)" in command(check)[1]


def test_an_older_ledger_is_brought_up_to_date_by_a_run_and_not_by_a_check(command, whole):
    with sqlite3.connect("book.sqlite") as book:
        book.executescript("DROP TABLE account_events; UPDATE newsfolio_version SET version_num = '0002'")
    before = contents(whole)
    code, out, _ = command(CHECK)
    assert (code, lines(out)["ledger"][0]) == (0, "ok")
    assert contents(whole) == before


def test_control_characters_do_not_reach_the_terminal(command, whole):
    (whole / "strategy.py").write_text("raise ValueError('\\x1b[2J\\x9b1m')\n")
    out = command(CHECK)[1]
    assert "ValueError: [2J 1m" in out
    assert all(line.isprintable() for line in out.splitlines())
