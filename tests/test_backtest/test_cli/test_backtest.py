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

from allocation import Bars, EqualWeight, Hold, frame_digest, write_bars
from allocation.data.files.wide import write_frame
from backtest import load_result, placebo
from backtest import run as backtest_of
from newsfolio.command.app import main

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
        main(line.split())
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
    assert "capacity" not in out
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


def with_volumes(folder, volume):
    """A long price file beside the wide one; the strategy trades half of AAA and of BBB, in turns."""
    write_bars(Bars(PRICES, volume=volume), folder / "long.csv")
    half = "0.5 * (view.held.index == ['AAA', 'BBB'][len(view.prices) % 2])"
    (folder / "strategy.py").write_text(f"def policy():\n    return lambda view: {half} + 0 * view.held\n")
    return f"{LINE.replace('prices.csv', 'long.csv')} --json"


def capacity_by_hand(trades, nav, volume):
    """At which NAV each order would be a hundredth of the mean value traded in the 21 sessions before it."""
    each = []
    for order in trades.itertuples():
        row = PRICES.index.get_loc(order.session)
        usual = (PRICES[order.asset] * volume[order.asset]).iloc[max(row - 21, 0) : row].mean()
        of_nav = abs(order.shares) * order.price / nav[PRICES.index[row - 1]]
        each.append(0.01 * usual / of_nav)
    return float(np.quantile(each, 0.05))


def test_a_capacity_is_told_with_what_it_assumes_where_volumes_are_known(folder, capsys):
    volume = pd.DataFrame(np.random.default_rng(1).uniform(1e3, 1e6, PRICES.shape), PRICES.index, PRICES.columns)
    code, out, _ = run(capsys, with_volumes(folder, volume))
    assert code == 0
    result, told = load_result(folder / "out" / "result"), json.loads(out)["strategy"]["capacity"]
    assert told.pop("nav") == pytest.approx(capacity_by_hand(result.trades, result.nav, volume))
    assert told == {"participation": 0.01, "share_of_orders": 0.95, "sessions": 21}
    assert len(result.trades) > 10
    words = "NAV at which 95 % of orders stay within 1 % of what the asset traded a day in the 21 sessions before"
    page = (folder / "out" / "report.html").read_text(encoding="utf-8")
    money = f"{json.loads(out)['strategy']['capacity']['nav']:,.0f}"
    assert f'<th scope="row">Capacity: {words}</th><td>{money}</td>' in page
    digests = json.loads((folder / "out" / "manifest.json").read_text())["digests"]
    assert digests["volumes"] == frame_digest(volume)
    assert f"\ncapacity {money}: {words}\n" in run(capsys, f"{LINE.replace('prices.csv', 'long.csv')}")[1]


def test_volumes_change_nothing_but_the_capacity(folder, capsys):
    """The policy asks for them too, and gets none."""
    seen = "assert not [name for name in dir(view) if 'vol' in name or 'value' in name]"
    line = with_volumes(folder, None)
    ask = f"def policy():\n    def ask(view):\n        {seen}\n        return view.held * 0 + 0.2\n    return ask\n"
    (folder / "strategy.py").write_text(ask)
    figures = {}
    for name, volume in {"none": None, "some": PRICES * 0 + 9e4, "other": PRICES[::-1].set_axis(PRICES.index)}.items():
        write_bars(Bars(PRICES, volume=volume), folder / "long.csv")
        code, out, _ = run(capsys, line)
        assert code == 0
        figures[name] = json.loads(out)
    capacities = [each["strategy"].pop("capacity", None) for each in figures.values()]
    assert capacities[0] is None
    assert capacities[1] != capacities[2]
    assert figures["none"] == figures["some"] == figures["other"]


def test_a_volume_that_is_missing_costs_the_capacity_and_nothing_else(folder, capsys):
    code, out, _ = run(capsys, with_volumes(folder, (PRICES * 0 + 9e4).assign(BBB=0.0)))
    assert code == 0
    printed = json.loads(out)["strategy"]
    assert "capacity" not in printed
    (note,) = printed["notes"]
    assert note.startswith("no capacity: daily_value of BBB before 2022-09-")
    assert "Capacity" not in (folder / "out" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("closed", [[], [6], [6, 11]])
def test_the_peers_are_those_that_are_asked_on_every_date(folder, capsys, closed):
    """Also where no asset trades in the session in which buy-and-hold would buy, so that it buys later."""
    prices = PRICES.copy()
    prices.iloc[closed] = np.nan
    prices.to_csv(folder / "prices.csv")
    code, out, _ = run(capsys, f"{LINE} --json")
    assert code == 0
    for name, policy in (("equal weight", EqualWeight()), ("buy and hold", Hold())):
        expected = backtest_of(policy, Bars(prices), None, PRICES.index[5::5], calendar="XNYS")
        assert json.loads(out)[name] == {**expected.figures(), "notes": list(expected.notes)}


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
