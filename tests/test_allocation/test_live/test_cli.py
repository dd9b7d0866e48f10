"""`newsfolio rebalance` and `status`: exit codes, one line of reason, nothing sent, and what monitors read."""

import json
import os
import re
import sys

import numpy as np
import pandas as pd
import pytest
from live_support import SESSIONS, market

import newsfolio
from allocation import write_bars

STRATEGY = "from allocation import EqualWeight\n\ndef policy():\n    return EqualWeight()\n"
STEP = "rebalance strategy.py --ledger book.sqlite --prices bars.csv"
DAY, NEXT = "2022-09-20", "2022-09-21"
BARS = market()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    write_bars(BARS, tmp_path / "bars.csv")
    (BARS.close * 0.0 + 0.2).to_csv(tmp_path / "signal.csv")
    published = SESSIONS.tz_localize("UTC") + pd.Timedelta(hours=15)
    rows = [(day, asset, f"{asset} said {n}", 0.1) for n, day in enumerate(published) for asset in BARS.close]
    news = pd.DataFrame(rows, columns=["published", "asset", "text", "score"])
    news.to_csv(tmp_path / "scored.csv", index=False)
    news.drop(columns="score").to_csv(tmp_path / "news.csv", index=False)
    (tmp_path / "strategy.py").write_text(STRATEGY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path


@pytest.fixture
def command(folder, capsys):
    def run(line, *more):
        with pytest.raises(SystemExit) as ended:
            newsfolio.main([*line.split(), *more])
        return int(ended.value.code or 0), *capsys.readouterr()

    return run


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


def test_a_day_without_a_session_is_said_and_is_no_failure(command, folder):
    code, out, err = command(f"{STEP} --date 2022-09-24")
    assert (code, out, err) == (0, "2022-09-24 is not a session of XNYS: nothing to do\n", "")
    assert not (folder / "book.sqlite").exists()


def test_a_dry_run_leaves_nothing(command, folder):
    code, out, _ = command(f"{STEP} --date {DAY} --dry-run")
    assert (code, "dry run" in out) == (0, True)
    assert not (folder / "book.sqlite").exists()


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
    tell = f"{sys.executable} -c \"import sys;open('told','w').write(sys.argv[-1])\""
    code, out, err = command(f"{STEP} --date {NEXT} --max-weight 0.1 --metrics m.prom", "--on-failure", tell)
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert "[weight] AAA 25.0%" in err
    assert (folder / "told").read_text() == err.strip()
    assert "newsfolio_last_run_success 0.0" in (folder / "m.prom").read_text()


def test_events_are_json_lines_on_request(command):
    _, _, err = command(f"{STEP} --date {DAY} --log json")
    events = [json.loads(line) for line in err.splitlines()]
    names = [event["event"] for event in events]
    assert names == ["run started", "caught up", "inputs accepted", "decision written", "valued", "run done"]
    assert "run started: " in command(f"{STEP} --date {NEXT} --log text")[2]


BAD = {
    "strategy raises": ("def policy():\n    raise RuntimeError('no')\n", "strategy.py: RuntimeError: no"),
    "policy raises": ("def policy():\n    return lambda view: 1 / 0\n", "strategy.py: ZeroDivisionError"),
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
        (f"{STEP} --date {DAY} --cost-bp 5000", 1, "rate must lie in"),
        ("status --ledger none.sqlite", 1, "no such ledger"),
        (f"{STEP.replace('bars', 'none')} --date {DAY}", 1, "none.csv: no such file"),
        (f"{STEP} --date 2023-03-01", 3, "no prices of 2023-03-01: the last is of 2022-11-21"),
    ],
)
def test_what_is_wrong_is_said(command, folder, monkeypatch, line, code, complaint):
    for name in [name for name in os.environ if name.startswith("APCA_")]:
        monkeypatch.delenv(name)
    found, _, err = command(line)
    assert found == code
    assert complaint in re.sub(r"[\s│]+", " ", err)
    if code != 3:
        assert not (folder / "book.sqlite").exists() or np.all(["none" not in line])
