"""`newsfolio rebalance` and `status`: exit codes, one line of reason, nothing sent, and what monitors read."""

import json
import os
import re
import sqlite3
import sys

import numpy as np
import pandas as pd
import pytest
from live_support import market, open_account_at_broker
from sqlalchemy import create_engine

from allocation import Bars, write_bars
from allocation.live import open_ledger
from newsfolio.command.app import main

STEP = "rebalance strategy.py --ledger book.sqlite --prices bars.csv"
DAY, NEXT = "2022-09-20", "2022-09-21"
BARS = market()
TELL = f"{sys.executable} -c \"import sys;open('told','w').write(sys.argv[-1])\""


def decisions():
    """Count those of the ledger."""
    with sqlite3.connect("book.sqlite") as book:
        return book.execute("SELECT count(*) FROM decisions").fetchone()[0]


def test_two_nights_then_a_repetition_then_status(command, folder):
    for day in (DAY, NEXT):
        code, out, err = command(f"{STEP} --date {day} --json --metrics m.prom")
        assert (code, err) == (0, "")
    report = json.loads(out)
    assert (report["decided"], report["session"], len(report["orders"])) == ("now", NEXT, 0)
    assert report["weights"]["AAA"] == pytest.approx(0.25, abs=0.02)
    code, out, _ = command(f"{STEP} --date {NEXT}")
    assert (code, f"{NEXT} had been decided" in out) == (0, True)
    code, out, _ = command("status --ledger book.sqlite --json")
    found = json.loads(out)
    assert code == 1  # it is years later: something is wrong
    assert found["nav"] == pytest.approx(report["nav"])
    assert len(found["shares"]) == 4
    assert "no run has finished for" in found["wrong"][0]
    assert "wrong: no run has finished" in command("status --ledger book.sqlite")[1]


def test_metrics_are_prometheus_text(command, folder):
    command(f"{STEP} --date {DAY} --metrics m.prom")
    text = (folder / "m.prom").read_text()
    assert re.search(r"^newsfolio_nav 100000\.0$", text, re.MULTILINE)
    assert re.search(r"^newsfolio_last_run_success 1\.0$", text, re.MULTILINE)
    assert all(re.fullmatch(r"# (HELP|TYPE) .+|newsfolio_\w+ [0-9.e+]+", line) for line in text.splitlines())


def metrics_of(path):
    lines = [line.split() for line in path.read_text().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def test_a_day_without_a_session_is_said_and_is_no_failure(command, folder):
    code, out, err = command(f"{STEP} --date 2022-09-24")
    assert (code, out, err) == (0, "2022-09-24 is not a session of XNYS: nothing to do\n", "")
    assert decisions() == 0


def test_without_a_date_it_is_the_last_closed_session(command, at):
    at("2022-09-20 20:35")
    assert "2022-09-20 decided" in command(STEP)[1]
    at("2022-09-21 19:00")  # before the close
    assert "2022-09-20 had been decided" in command(STEP)[1]


def test_a_day_without_a_session_is_said_without_a_date_too(command, folder, at):
    at("2022-09-24 20:35")  # a Saturday
    nothing = "2022-09-24 is not a session of XNYS: nothing to do"
    assert command(STEP) == (0, f"{nothing}\n", "")
    assert json.loads(command(f"{STEP} --json")[1]) == {"session": None, "reason": nothing}
    assert decisions() == 0
    assert command(f"{STEP} --date 2022-09-23")[0] == 0
    assert command(STEP) == (0, f"{nothing}\n", "")


def test_a_session_that_was_missed_is_made_good_on_the_day_off(command, at):
    at("2022-09-22 20:35")
    assert command(STEP)[0] == 0
    at("2022-09-24 20:35")
    assert "2022-09-23 decided" in command(STEP)[1]


def test_prices_come_from_a_database(command, folder):
    engine = create_engine("sqlite:///p.db")
    pd.read_csv(folder / "bars.csv").to_sql("bars", engine, index=False)
    engine.dispose()
    code, out, _ = command(f"{STEP.replace('bars.csv', 'sqlite:///p.db#bars')} --date {DAY} --json")
    assert code == 0
    assert json.loads(out) == json.loads(command(f"{STEP.replace('book', 'other')} --date {DAY} --json")[1])


@pytest.fixture
def yahoo(monkeypatch):
    """The vendor: the same bars, whose past the factor by asset rewrites."""
    factor, asked = pd.Series(1.0, BARS.close.columns), []

    def download(tickers, start, end, **_):
        asked.append((start, end))
        frames = {"Close": BARS.close, "Open": BARS.open}
        frames = {name: frame[list(tickers)] * factor[list(tickers)] for name, frame in frames.items()}
        answer = pd.concat(frames, axis=1, names=["Price", "Ticker"]).rename_axis("Date")
        return answer[(answer.index >= start) & (answer.index < end)]

    monkeypatch.setattr("yfinance.download", download)
    return factor, asked


YAHOO = STEP.replace("bars.csv", "yahoo:AAA,BBB,CCC,DDD --since 2022-09-06 --price-cache kept")


def test_prices_are_fetched_and_what_a_decision_saw_can_be_read_again(command, folder, yahoo):
    """A later split rewrites the vendor's past, and neither the decision nor what it was made of."""
    from allocation import frame_digest, load_prices
    from allocation.live import read_ledger
    from allocation.live.ledger import journal

    factor, asked = yahoo
    assert command(f"{YAHOO} --date {DAY}")[0] == 0

    def decision():
        with read_ledger("book.sqlite") as ledger, ledger.transaction() as connection:
            return journal.read_decision(connection, pd.Timestamp(DAY))

    made = decision()
    factor["BBB"] = 0.5
    assert command(f"{YAHOO} --date {NEXT}")[0] == 0
    assert decision().provenance == made.provenance
    pd.testing.assert_series_equal(decision().targets, made.targets, check_exact=True)
    days = {"start": "2022-09-06", "end": DAY, "cache": "kept"}
    now, then = (load_prices(list(BARS.close), **days, as_of=when).close for when in ("2099-01-01", made.decided))
    assert frame_digest(then) == made.provenance.prices != frame_digest(now)
    np.testing.assert_allclose(now["BBB"], 0.5 * then["BBB"])
    assert len(asked) == 2  # the days that are compared are all that is kept


def test_prices_from_yahoo_need_a_first_date(command):
    code, _, err = command(f"{STEP.replace('bars.csv', 'yahoo:AAA')} --date {DAY}")
    assert (code, "need the first date: pass --since" in err) == (1, True)


# What is wrong at the broker


AT_THE_BROKER = {
    "unknown ticker": (lambda e: e.prices.pop("BBB"), 3, "[untradable] BBB: Alpaca does not know it"),
    "delisted": (lambda e: e.delisted.add("BBB"), 3, "[untradable] BBB: is no longer listed at Alpaca"),
    "halted": (lambda e: e.halted.add("BBB"), 3, "[untradable] BBB: is halted or not traded at Alpaca"),
    "cash below 0": (lambda e: (setattr(e, "cash", -5.0), e.positions.update(AAA=100.0)), 3, "[account] the account's"),
    "worth nothing": (lambda e: setattr(e, "cash", 0.0), 1, "is worth 0.00: nothing can be invested"),
    "clock skew": (lambda e: setattr(e, "now", "2022-09-20T20:31:00Z"), 3, "[clock] the broker's clock says"),
    "an order of its own": (lambda e: e.submit(
        {"client_order_id": "mine", "symbol": "AAA", "qty": "1", "side": "buy"}), 3, "[working] order mine is working"),
    "a holding without prices": (lambda e: (e.positions.update(ZZZ=1.0), e.prices.update(ZZZ=1.0)), 1, "holds ZZZ"),
    "wrong keys": (lambda e: e.trouble.extend([(401, {}, "{}")]), 1, "refuses the keys (401)"),
    "not JSON": (lambda e: e.trouble.extend([(200, {}, "<html>")] * 4), 1, "in 4 tries: JSONDecodeError"),
    "blocked": (lambda e: e.trouble.extend([(200, {}, '{"trading_blocked": true}')]), 1, "is blocked from trading"),
}  # fmt: skip


@pytest.mark.parametrize("name", AT_THE_BROKER)
def test_what_is_wrong_at_the_broker_is_one_line_and_nothing_is_sent(command, folder, alpaca, at, name):
    change, expected, complaint = AT_THE_BROKER[name]
    at("2022-09-20 20:35")
    if name in ("cash below 0", "a holding without prices"):  # so was the account when it was opened
        change(alpaca)
        (folder / "broker.sqlite").unlink()
        open_account_at_broker("broker.sqlite")
    else:
        change(alpaca)
    before = set(alpaca.orders)
    code, out, err = command(f"{STEP.replace('book', 'broker')} --broker alpaca --lot 1")
    assert (code, out, err.count("\n")) == (expected, "", 1)
    assert complaint in err
    assert set(alpaca.orders) == before
    assert not any(method == "POST" for method, _ in alpaca.asked)


def test_a_ledger_of_a_newer_version_sends_nothing(command, folder):
    command(f"{STEP} --date {DAY}")
    with sqlite3.connect("book.sqlite") as book:
        book.execute("UPDATE newsfolio_version SET version_num = '0099'")
    code, out, err = command(f"{STEP} --date {NEXT}")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "is of version 0099, which a newer newsfolio wrote: upgrade newsfolio" in err


def test_a_holding_that_the_prices_no_longer_know_sends_nothing(command, folder):
    for day in (DAY, NEXT):
        command(f"{STEP} --date {day}")
    write_bars(Bars(*(frame.drop(columns="BBB") for frame in (BARS.close, BARS.open))), folder / "bars.csv")
    code, out, err = command(f"{STEP} --date 2022-09-22")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "prices lack the asset BBB, which the paper account was counted at" in err


def test_no_secret_is_said_whatever_a_strategy_raises(command, folder, monkeypatch):
    """Not on stderr, not to the hook, not in the ledger."""
    monkeypatch.setenv("APCA_API_SECRET_KEY", "hunter2")
    (folder / "strategy.py").write_text("import os\n\ndef policy():\n    return ask\n\n\ndef ask(view):\n"
                                        "    raise ValueError(os.environ['APCA_API_SECRET_KEY'])\n")  # fmt: skip
    code, out, err = command(f"{STEP} --date {DAY} --log json", "--on-failure", TELL)
    assert (code, out) == (1, "")
    assert "ValueError: ***" in err
    for said in (err, (folder / "told").read_text(), (folder / "book.sqlite").read_bytes().decode("latin-1")):
        assert "hunter2" not in said


def test_a_dry_run_leaves_nothing(command, folder):
    code, out, _ = command(f"{STEP} --date {DAY} --dry-run")
    assert (code, "dry run" in out) == (0, True)
    assert decisions() == 0


def test_a_signal_file_and_scored_news(command, folder):
    assert command(f"{STEP} --date {DAY} --signal signal.csv")[0] == 0
    code, _, err = command(f"{STEP} --date {NEXT} --news scored.csv")
    assert code == 3
    assert "[model] the model is scores of th, at 2022-09-20 it was a signal file"[:40] in err
    assert command(f"{STEP} --date {NEXT} --news scored.csv --allow model")[0] == 0


def test_news_are_scored_by_the_model_and_only_once(command, folder, tiny_model):
    code, out, _ = command(f"{STEP} --date {DAY} --news news.csv --json", "--model", str(tiny_model))
    assert (code, json.loads(out)["decided"]) == (0, "now")
    assert (folder / "cache" / "newsfolio" / "scores.sqlite").exists()


def test_a_guard_is_exit_code_3_and_one_line_and_the_command_is_told(command, folder):
    command(f"{STEP} --date {DAY}")
    code, out, err = command(f"{STEP} --date {NEXT} --max-weight 0.1 --metrics m.prom", "--on-failure", TELL)
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert "[weight] AAA 25.0%" in err
    assert (folder / "told").read_text() == f"newsfolio: {err.strip()}"
    assert "newsfolio_last_run_success 0.0" in (folder / "m.prom").read_text()


@pytest.mark.parametrize("hook", ["false", "nowhere-to-be-found", "http://example.org/hook"])
@pytest.mark.parametrize(
    ("line", "expected"),
    [(STEP.replace("bars", "none"), 1), (f"{STEP} --news a --signal b", 2), (f"{STEP} --max-weight 0.1", 3)],
)
def test_a_failing_hook_never_hides_the_exit_code(command, caplog, line, expected, hook):
    code, out, err = command(f"{line} --date {DAY} --on-failure {hook}")
    assert (code, out) == (expected, "")
    assert "was not notified of the failure" in caplog.text
    assert err


BEFORE_THE_LEDGER = {
    "wrong URL": ("mysql://u:hunter2@h/x", "", 1, "mysql is not known: use SQLite or PostgreSQL"),
    "no server": ("postgresql://u:hunter2@127.0.0.1:1/x", "", 1, "Connection refused"),
    "newer version": ("book.sqlite", "", 1, "which a newer newsfolio wrote: upgrade newsfolio"),
    "no prices": ("book.sqlite", "--prices none.csv", 1, "none.csv: no such file"),
    "wrong usage": ("book.sqlite", "--news a --signal b", 2, "exclude each other"),
    "no keys": ("book.sqlite", "--broker alpaca", 1, "not set: export the keys"),
    "a strategy that raises": ("book.sqlite", "", 1, "strategy.py, line 1: RuntimeError: no"),
}


@pytest.mark.parametrize("name", BEFORE_THE_LEDGER)
def test_a_failure_before_the_ledger_opens_is_told_of(command, folder, monkeypatch, at, name):
    """To the monitor, which keeps what it knew, to the hook, and by the exit code."""
    url, more, expected, complaint = BEFORE_THE_LEDGER[name]
    for key in ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY"):
        monkeypatch.delenv(key, raising=False)
    at("2022-09-20 20:35")
    command(f"{STEP} --metrics m.prom")
    figures = metrics_of(folder / "m.prom")
    if name == "newer version":
        with sqlite3.connect("book.sqlite") as book:
            book.execute("UPDATE newsfolio_version SET version_num = '0099'")
    if name == "a strategy that raises":
        (folder / "strategy.py").write_text("raise RuntimeError('no')\n")
    at("2022-09-21 20:35")
    line = f"{STEP.replace('book.sqlite', url)} {more} --metrics m.prom"
    code, out, err = command(line, "--on-failure", TELL)
    assert (code, out) == (expected, "")
    assert complaint in (folder / "told").read_text()
    assert "hunter2" not in err + (folder / "told").read_text()
    failed = {"newsfolio_last_run_success": 0.0, "newsfolio_last_run_timestamp_seconds": 1663792500.0}
    assert metrics_of(folder / "m.prom") == figures | failed


def test_the_first_failure_of_all_makes_metrics_and_no_ledger(command, folder):
    assert command(f"{STEP.replace('bars', 'none')} --date {DAY} --metrics m.prom")[0] == 1
    assert set(metrics_of(folder / "m.prom")) == {"newsfolio_last_run_success", "newsfolio_last_run_timestamp_seconds"}
    assert decisions() == 0


def test_a_failure_before_the_step_is_in_a_ledger_that_is_there(command, folder, at):
    at("2022-09-20 20:35")
    command(STEP)
    at("2022-09-21 20:35")
    assert command(f"{STEP.replace('bars', 'none')}")[0] == 1
    wrong = json.loads(command("status --ledger book.sqlite --json")[1])
    assert wrong["run"] == {"session": NEXT, "outcome": "failed", "reason": "none.csv: no such file"}
    assert wrong["wrong"][0] == "the last run failed: none.csv: no such file"
    assert command(STEP)[0] == 0


def test_a_run_that_was_killed_is_told_of_by_status(command, folder):
    from allocation.live.ledger import journal

    command(f"{STEP} --date {DAY}")
    with open_ledger("book.sqlite") as ledger, ledger.transaction() as connection:
        journal.start_run(connection, pd.Timestamp(NEXT), pd.Timestamp("2022-09-21 21:00").to_pydatetime())
    assert (
        "wrong: the last run has not ended: it is at work, or was killed" in command("status --ledger book.sqlite")[1]
    )
    assert command(f"{STEP} --date {NEXT} --max-weight 0.1")[0] == 3
    assert "wrong: the last run stopped, nothing was sent: [weight] AAA" in command("status --ledger book.sqlite")[1]


@pytest.mark.parametrize("line", [f"{STEP} --max-weight 0.1", STEP.replace("bars", "none"), STEP])
def test_metrics_that_cannot_be_written_hide_no_failure(command, folder, caplog, line):
    (folder / "m.prom").mkdir()
    code, _, err = command(f"{line} --date {DAY} --metrics m.prom")
    assert code == (3 if "0.1" in line else 1)
    assert ("[weight]" if "0.1" in line else "none.csv: no such" if "none" in line else "m.prom") in err
    assert line == STEP or "the metrics could not be written: " in caplog.text


def test_a_dry_run_tells_the_monitor_nothing(command, folder):
    assert command(f"{STEP} --date {DAY} --dry-run --metrics m.prom")[0] == 0
    command(f"{STEP} --date {DAY}")
    before = sqlite3.connect("book.sqlite").execute("SELECT count(*) FROM runs").fetchone()
    assert command(f"{STEP.replace('bars', 'none')} --date {NEXT} --dry-run --metrics m.prom")[0] == 1
    assert not (folder / "m.prom").exists()
    assert sqlite3.connect("book.sqlite").execute("SELECT count(*) FROM runs").fetchone() == before


def test_what_nobody_foresaw_is_told_of_too(command, folder, monkeypatch):
    def breaks(*_):
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr("allocation.live.monitor.failures.write_metrics", breaks)
    with pytest.raises(RuntimeError, match="a bug of ours"):
        main([*f"{STEP} --date {DAY} --metrics m.prom".split(), "--on-failure", TELL])
    assert (folder / "told").read_text() == "newsfolio: RuntimeError: a bug of ours"


def test_the_hook_may_be_in_the_environment(command, folder, monkeypatch):
    """A webhook's address is a secret, and every user of the machine can read command lines."""
    monkeypatch.setenv("NEWSFOLIO_ON_FAILURE", f"{sys.executable} -c \"import sys;open('told','w').write('yes')\"")
    assert command(f"{STEP.replace('bars', 'none')} --date {DAY}")[0] == 1
    assert (folder / "told").read_text() == "yes"


def test_events_are_json_lines_on_request(command):
    _, _, err = command(f"{STEP} --date {DAY} --log json")
    events = [json.loads(line) for line in err.splitlines()]
    names = [event["event"] for event in events]
    assert names == ["run started", "caught up", "inputs accepted", "decision written", "valued", "run done"]
    assert "run started: " in command(f"{STEP} --date {NEXT} --log text")[2]


BAD = {
    "strategy raises": ("def policy():\n    raise RuntimeError('no')\n", "strategy.py, line 2: RuntimeError: no"),
    "policy raises": ("def policy():\n    return lambda view: 1 / 0\n", "strategy.py, line 2: ZeroDivisionError"),
    "wrong labels": ("def policy():\n    return lambda view: view.held[:2]\n", "the assets differ in CCC, DDD"),
    "all NaN": ("def policy():\n    return lambda view: view.held * float('nan')\n", "[idle] the strategy returned no"),
    "no policy": ("x = 1\n", "needs a function policy()"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_strategy_is_one_line_and_nothing_is_decided(command, folder, name):
    text, complaint = BAD[name]
    (folder / "strategy.py").write_text(text)
    code, out, err = command(f"{STEP} --date {DAY}")
    assert (code, out, err.count("\n")) == (3 if name == "all NaN" else 1, "", 1)
    assert complaint in err


@pytest.mark.parametrize(
    ("line", "code", "complaint"),
    [
        (f"{STEP} --date soon", 1, "date is 'soon', which is not a date"),
        (f"{STEP} --date {DAY} --broker acme", 1, "broker 'acme' is not known: use paper or alpaca"),
        (f"{STEP} --date {DAY} --broker alpaca", 1, "APCA_API_KEY_ID and APCA_API_SECRET_KEY not set"),
        (f"{STEP} --date {DAY} --allow all", 1, "no guard is called all"),
        (f"{STEP} --date {DAY} --calendar MARS", 1, "calendar 'MARS' is not known"),
        (f"{STEP} --date {DAY} --news a --signal b", 2, "exclude each other"),
        (f"{STEP} --date {DAY} --log loud", 2, "use quiet, text or json"),
        (f"{STEP} --date {DAY} --cost-bp 5000", 1, "costs is 0.5: give a fraction of the traded value"),
        *(
            (f"account open --ledger new.sqlite --cash={cash}", 1, f"{cash} is no amount of money: name one above 0")
            for cash in ("0.00", "-5.00", "nan", "inf")
        ),
        (f"{STEP.replace('book', 'new')} --date {DAY}", 1, "new.sqlite: no such ledger: restore it from a copy"),
        ("account withdraw 1e9 --ledger book.sqlite", 1, "cannot be withdrawn: the cash is 100,000.00, sell first"),
        (f"{STEP} --date {DAY} --max-weight nan", 1, "limit of weight is nan: write a number >= 0, inf for no limit"),
        (f"{STEP} --date {DAY} --max-turnover -1", 1, "the guards' limit of turnover is -1: write a number >= 0"),
        (f"{STEP} --date {DAY} --min-coverage nan", 1, "the guards' limit of coverage is nan: write a number >= 0"),
        (f"{STEP} --date {DAY} --cost-bp nan", 1, "costs is nan: give a fraction of the traded value"),
        (f"{STEP} --date {DAY} --lot nan", 1, "lot is nan: give a number of shares, 0 for any fraction"),
        ("status --ledger none.sqlite", 1, "no such ledger"),
        (f"{STEP.replace('bars', 'none')} --date {DAY}", 1, "none.csv: no such file"),
        (f"{STEP} --date 2023-03-01", 3, "is of 2022-11-21. Without any price of the session nothing can be decided"),
        (f"{STEP} --date 2023-03-01 --allow stale-prices", 3, "refresh the prices, then repeat"),
    ],
)
def test_what_is_wrong_is_said(command, folder, monkeypatch, line, code, complaint):
    for name in [name for name in os.environ if name.startswith("APCA_")]:
        monkeypatch.delenv(name)
    found, _, err = command(line)
    assert found == code
    assert complaint in re.sub(r"[\s│]+", " ", err)
    if code != 3:
        assert decisions() == 0
