"""`newsfolio backtest`: headlines, what the classifier was trained on, settings tried, and the manifest."""

import hashlib
import html
import json
import sqlite3
import sys

import numpy as np
import pandas as pd
import pytest
from support import random_prices, random_signal

import newsfolio
from allocation import frame_digest
from allocation.files import write_frame
from backtest import load_result, placebo

PRICES = random_prices(1, 55).set_axis(pd.bdate_range("2022-09-06", periods=55, name="date"))
HOSTILE = "<script>alert(1)</script>"
STRATEGY = "from allocation import EqualWeight\n\ndef policy():\n    return EqualWeight()\n"
LINE = "backtest strategy.py --prices prices.csv --fill close --every 5 --warmup 5 --out out"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    PRICES.to_csv(tmp_path / "prices.csv")
    signal = random_signal(1, PRICES)
    signal.attrs.update(trained_until="2022-10-03", trained_on="wire")
    write_frame(signal, tmp_path / "signal.parquet")
    published = PRICES.index.repeat(2).tz_localize("UTC") + pd.Timedelta(hours=15)
    news = pd.DataFrame({"published": published, "asset": "AAA", "text": f"{HOSTILE} & co"})
    news.assign(score=np.linspace(-1, 1, len(news))).to_parquet(tmp_path / "scored.parquet")
    (tmp_path / "strategy.py").write_text(STRATEGY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path


def run(capsys, line):
    with pytest.raises(SystemExit) as ended:
        newsfolio.main(line.split())
    return int(ended.value.code or 0), *capsys.readouterr()


def test_everything_that_was_given_is_in_the_report_and_in_the_figures(folder, capsys):
    line = f"{LINE} --signal signal.parquet --headlines scored.parquet --tried 7 --json"
    code, out, err = run(capsys, line)
    assert (code, err) == (0, "")
    printed = json.loads(out)
    (note,) = printed["strategy"]["notes"]
    nav = load_result(folder / "out" / "result").nav
    known = (nav.index <= pd.Timestamp("2022-10-03")).sum()
    assert f"texts up to 2022-10-03 (wire): {known} of {len(nav)} sessions of this backtest are not after it" in note
    assert 0 < known < len(nav)
    assert printed["equal weight"]["notes"] == []
    assert json.loads((folder / "out" / "figures.json").read_text()) == printed
    report = (folder / "out" / "report.html").read_text(encoding="utf-8")
    assert f"<dd>{html.escape(note)}</dd>" in report
    assert '<li>&lt;script&gt;alert(1)&lt;/script&gt; &amp; co <small>AAA, <span class="when">2022-' in report
    assert HOSTILE not in report
    assert "<dt>Settings tried</dt><dd>7</dd>" in report
    assert '<h2 id="ic">' in report
    assert load_result(folder / "out" / "result").sessions_in_year == 251  # of XNYS in 2022


def test_the_manifest_says_what_the_figures_were_made_from(folder, capsys):
    run(capsys, f"{LINE} --signal signal.parquet")
    manifest = json.loads((folder / "out" / "manifest.json").read_text())
    assert manifest["files"] == {"strategy": "strategy.py", "prices": "prices.csv", "signal": "signal.parquet"}
    assert manifest["digests"]["strategy"] == hashlib.sha256(STRATEGY.encode()).hexdigest()
    assert manifest["digests"]["signal"] == frame_digest(random_signal(1, PRICES))
    assert manifest["settings"] == {"every": "5", "calendar": "XNYS", "fill": "close", "warmup": 5, "cost_bp": 10.0,
                                    "attribution": False, "placebo": False}  # fmt: skip
    assert manifest["signal says"] == {"trained_until": "2022-10-03", "trained_on": "wire"}
    report = (folder / "out" / "report.html").read_text(encoding="utf-8")
    assert manifest["digests"]["closes"] in report


def test_without_a_signal_nothing_is_said_of_one(folder, capsys):
    code, out, _ = run(capsys, LINE)
    assert code == 0
    assert "note:" not in out
    assert set(json.loads((folder / "out" / "manifest.json").read_text())) == {
        "files", "digests", "settings", "versions"
    }  # fmt: skip
    report = (folder / "out" / "report.html").read_text(encoding="utf-8")
    assert "with headlines from" not in report
    assert '<h2 id="ic">' not in report


def test_attribution_runs_the_same_strategy_without_news(folder, capsys):
    (folder / "strategy.py").write_text(
        "def policy():\n    return lambda view: 0.1 + 0.1 * (view.signal.iloc[-1] > 0) + view.held * 0\n"
    )
    code, out, _ = run(capsys, f"{LINE} --signal signal.parquet --attribution --json")
    assert code == 0
    printed = json.loads(out)
    assert list(printed) == ["strategy", "strategy without news", "equal weight", "buy and hold"]
    parts = printed["strategy"]["attribution"]
    assert list(parts) == ["base", "risk model", "signal", "costs", "total"]
    means = {name: part["mean"] for name, part in parts.items()}
    assert sum(means.values()) == pytest.approx(2 * means["total"], abs=1e-12)
    assert means["costs"] < 0 != means["signal"]
    assert "Where the mean return of strategy came from" in (folder / "out" / "report.html").read_text()


def test_a_placebo_is_told_in_the_text_the_figures_and_the_report(folder, capsys):
    line = f"{LINE} --signal signal.parquet --placebo"
    _, out, _ = run(capsys, line)
    expected = placebo(random_signal(1, PRICES), PRICES)
    assert f"\n{expected}\n" in out
    printed = json.loads((folder / "out" / "figures.json").read_text())["strategy"]["placebo"]
    low, high = expected.interval
    assert printed == pytest.approx({"shuffles": 100, "mean": expected.mean, "low": low, "high": high})
    assert "<dt>Placebo</dt><dd>rank IC of 100 shuffled signals" in (folder / "out" / "report.html").read_text()


def test_every_ratio_of_the_strategy_is_printed_with_its_interval(folder, capsys):
    _, out, _ = run(capsys, f"{LINE} --json")
    figures = json.loads(out)["strategy"]
    for name in ("sharpe", "sortino", "calmar", "value_at_risk", "expected_shortfall", "hit_rate", "annual_return"):
        assert figures[f"{name}_low"] <= figures[name] <= figures[f"{name}_high"], name
    page = (folder / "out" / "report.html").read_text(encoding="utf-8")
    assert f'<th scope="row">Hit rate: sessions that gained</th><td>{figures["hit_rate"]:.1%}</td>' in page


def test_prices_may_stand_in_a_database(folder, capsys):
    _, of_file, _ = run(capsys, f"{LINE} --json")
    long = PRICES.rename_axis(columns="ticker").stack().rename("close").reset_index()
    with sqlite3.connect(folder / "prices.db") as database:
        long.assign(date=long["date"].dt.strftime("%Y-%m-%d")).to_sql("bars", database, index=False)
    line = LINE.replace("prices.csv", f"sqlite:///{folder}/prices.db#bars")
    code, of_database, err = run(capsys, f"{line} --json")
    assert (code, err) == (0, "")
    assert json.loads(of_database) == json.loads(of_file)
    manifest = json.loads((folder / "out" / "manifest.json").read_text())
    assert manifest["files"]["prices"] == "a database, bars"
    code, _, err = run(capsys, line.replace("#bars", "#nowhere"))
    assert code == 1
    assert "nowhere" in err


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        ("--headlines prices.csv", 1, "error: prices.csv lacks asset, text: give the columns published (or session)"),
        ("--headlines nowhere.csv", 1, "error: nowhere.csv: no such file"),
        ("--tried 0", 2, ""),
        ("--attribution", 1, "error: --attribution asks what the news added: give a --signal"),
        ("--placebo", 1, "error: --placebo shuffles a signal: give a --signal"),
    ],
)
def test_a_bad_wish_is_refused_before_anything_is_written(folder, capsys, more, code, message):
    ended, out, err = run(capsys, f"{LINE} {more}")
    assert (ended, out) == (code, "")
    assert err.startswith(message)
    assert not (folder / "out").exists()
