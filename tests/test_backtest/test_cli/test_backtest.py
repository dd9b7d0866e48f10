"""`newsfolio backtest`: headlines, what the classifier was trained on, settings tried, and the manifest."""

import hashlib
import html
import json
import re
import sqlite3
import sys

import numpy as np
import pandas as pd
import pytest
from support import random_prices, random_signal

from allocation import Bars, EqualWeight, Hold, frame_digest, write_bars
from allocation.data.files.wide import write_frame
from allocation.policies.strategy_file import load_policy
from backtest import Events, break_even_cost, compare_with_benchmark, load_result, placebo
from backtest import run as backtest_of
from backtest.engine.corporate_actions import Delisting
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


def plain(text):
    """Without the breaks of lines and the blanks that align them."""
    return " ".join(text.split())


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
    assert f"<dt>Capacity</dt><dd>{money}: {words}</dd>" in page
    digests = json.loads((folder / "out" / "manifest.json").read_text())["digests"]
    assert digests["volumes"] == frame_digest(volume)
    assert f"Capacity {money}: {words}" in plain(run(capsys, f"{LINE.replace('prices.csv', 'long.csv')}")[1])


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


# What the news added, benchmarks, and what of the files is used

NEWSY = "def policy():\n    return lambda view: 0.2 + 0.05 * (view.signal.iloc[-1] > 0) + view.held * 0\n"


def test_the_twin_without_news_is_always_run_and_comes_first(folder, capsys):
    (folder / "strategy.py").write_text(NEWSY)
    code, out, err = run(capsys, f"{LINE} --signal signal.parquet")
    assert (code, err) == (0, "")
    assert re.match(r"The news added [+-]\d+ bp a year to strategy \(t ", out)
    assert out.index("The news added") < out.index("strategy returned") < out.index("strategy without news ")
    printed = json.loads((folder / "out" / "figures.json").read_text())
    dates = PRICES.index[5::5]
    signal = random_signal(1, PRICES)
    with_news, without = (
        backtest_of(load_policy(folder / "strategy.py"), Bars(PRICES), seen, dates, calendar="XNYS")
        for seen in (signal, None)
    )
    news = compare_with_benchmark(with_news, without)
    told = printed["strategy"]["news"]
    assert told.pop("break_even_cost") == pytest.approx(break_even_cost(with_news, without), nan_ok=True)
    assert told == pytest.approx(news.figures())
    by_cost = printed["strategy"]["cost_sensitivity"]
    assert list(by_cost) == ["0", "5", "10", "25", "50"]
    assert by_cost["10"]["added_by_news"] == pytest.approx(news.active_return)
    assert by_cost["10"]["sharpe"] == pytest.approx(with_news.sharpe)
    assert printed["strategy"]["break_even_cost"] == pytest.approx(break_even_cost(with_news))
    assert printed["strategy without news"]["sharpe"] == pytest.approx(without.sharpe)
    page = (folder / "out" / "report.html").read_text(encoding="utf-8")
    assert page.index("The news added") < page.index("strategy returned")
    assert 'data-chart="news"' in page


def test_a_strategy_that_ignores_its_signal_gained_nothing_from_news(folder, capsys):
    _, out, _ = run(capsys, f"{LINE} --signal signal.parquet")
    assert out.startswith("The news added nothing: without its signal strategy has the same return in every session.")


def test_without_a_signal_no_part_comes_from_news(folder, capsys):
    _, out, _ = run(capsys, LINE)
    assert out.startswith("warning: No signal was given: no part of this comes from news.\nstrategy returned")
    assert "The news added" not in out
    _, out, _ = run(capsys, f"{LINE} --signal signal.parquet")
    assert "No signal was given" not in out


def test_a_strategy_that_fails_without_news_is_reported_with_a_warning(folder, capsys):
    (folder / "strategy.py").write_text(
        "def policy():\n    def ask(view):\n        if view.signal.notna().to_numpy().any():\n"
        "            return view.held * 0 + 0.2\n        raise RuntimeError('no <news>')\n    return ask\n"
    )
    code, out, _ = run(capsys, f"{LINE} --signal signal.parquet")
    assert code == 0
    assert plain(out).startswith("warning: What the news added is not known: without its signal the strategy fails: 20")
    assert "RuntimeError: no <news>" in plain(out)
    page = (folder / "out" / "report.html").read_text(encoding="utf-8")
    assert "RuntimeError: no &lt;news&gt;" in page
    code, _, err = run(capsys, f"{LINE} --signal signal.parquet --attribution")
    assert code == 1
    assert "RuntimeError: no <news>" in err


@pytest.mark.parametrize("policy", ["now.clip(lower=0) / 4", "now.clip(lower=0).fillna(0.2) / 4"])
def test_a_policy_that_holds_without_news_has_a_twin_on_the_same_sessions(folder, capsys, policy):
    """Without any signal the first never decides: its twin stays in cash."""
    (folder / "strategy.py").write_text(
        "def policy():\n    def ask(view):\n        now = view.signal.iloc[-1]\n"
        f"        return {policy}\n    return ask\n"
    )
    signal = random_signal(1, PRICES, covered=1.0)
    signal.iloc[:12] = np.nan
    signal.to_csv(folder / "late.csv")
    code, out, err = run(capsys, f"{LINE} --signal late.csv")
    assert (code, err) == (0, "")
    assert out.startswith("The news added ")
    printed = json.loads((folder / "out" / "figures.json").read_text())
    waits = "fillna" not in policy
    assert (printed["strategy without news"]["total_return"] == 0.0) == waits
    mine = load_result(folder / "out" / "result")
    assert len(mine.nav) == (40 if waits else 50)
    year = mine.sessions_per_year
    if waits:
        assert printed["strategy"]["news"]["active_return"] == pytest.approx(mine.returns.mean() * year)


def test_a_signal_of_few_assets_is_warned_of_and_each_note_is_printed_once(folder, capsys):
    wide = random_signal(1, PRICES, covered=1.0)
    longer = wide.reindex(wide.index.append(wide.index[-3:] + pd.Timedelta(days=90))).assign(BBB=np.nan, CCC=np.nan)
    longer.assign(DDD=np.nan).iloc[:-3].to_csv(folder / "few.csv")
    code, out, err = run(capsys, f"{LINE} --signal few.csv")
    assert (code, err) == (0, "")
    warning = "The signal covers 1 of 4 traded assets: BBB, CCC, DDD are traded without news."
    assert out.count(f"warning: {warning}") == 1
    assert warning in (folder / "out" / "report.html").read_text(encoding="utf-8")
    printed = json.loads((folder / "out" / "figures.json").read_text())["strategy"]
    assert printed["coverage"]["silent"] == ["BBB", "CCC", "DDD"]
    assert printed["warnings"] == [warning]
    longer.ffill().to_csv(folder / "long.csv")
    code, out, err = run(capsys, f"{LINE} --signal long.csv")
    assert (code, err) == (0, "")
    assert plain(out).count("3 of 58 rows of the signal lie outside the prices") == 1
    assert "The signal covers" not in out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda signal: signal * np.nan, "error: signal has no value: all of its 220 cells are empty"),
        (lambda signal: signal.set_axis([*"WXYZ"], axis=1), "error: signal and prices have no asset in common"),
        (lambda signal: signal.set_axis(signal.index - pd.Timedelta(days=3640)), "error: signal has values from 2012-"),
    ],
)
def test_a_signal_that_does_not_meet_the_prices_is_refused(folder, capsys, change, message):
    change(random_signal(1, PRICES)).to_csv(folder / "bad.csv")
    code, out, err = run(capsys, f"{LINE} --signal bad.csv")
    assert (code, out) == (1, "")
    assert err.startswith(message)
    assert not (folder / "out").exists()


def test_a_benchmark_of_ones_own_stands_beside_the_others(folder, capsys):
    PRICES.mean(axis=1).rename("close").to_csv(folder / "index.csv")
    code, out, _ = run(capsys, f"{LINE} --benchmark index.csv --json")
    assert code == 0
    printed = json.loads(out)
    assert list(printed) == ["strategy", "equal weight", "buy and hold", "index"]
    held = PRICES.mean(axis=1).iloc[5:]
    assert printed["index"]["total_return"] == pytest.approx(held.iloc[-1] / held.iloc[0] - 1)
    assert printed["index"]["annual_turnover"] is None
    assert json.loads((folder / "out" / "manifest.json").read_text())["files"]["benchmark"] == "index.csv"
    page = (folder / "out" / "report.html").read_text(encoding="utf-8")
    assert '<th scope="col">index</th>' in page
    PRICES.mean(axis=1).rename("close").iloc[:40].to_csv(folder / "index.csv")
    code, out, err = run(capsys, f"{LINE.replace('out out', 'out none')} --benchmark index.csv")
    assert (code, out) == (1, "")
    assert "lacks 15 of the 50 sessions of the backtest" in err


def test_start_end_and_assets_cut_the_prices(folder, capsys):
    code, out, _ = run(
        capsys, f"{LINE} --signal signal.parquet --start 2022-09-13 --end 2022-11-01 --assets BBB,AAA --json"
    )
    assert code == 0
    cut = PRICES.loc["2022-09-13":"2022-11-01", ["AAA", "BBB"]]
    expected = backtest_of(EqualWeight(), Bars(cut), None, cut.index[5::5], calendar="XNYS")
    assert json.loads(out)["equal weight"] == {**expected.figures(), "notes": list(expected.notes)}
    assert list(load_result(folder / "out" / "result").weights.columns) == ["AAA", "BBB"]
    manifest = json.loads((folder / "out" / "manifest.json").read_text())
    assert manifest["settings"]["assets"] == "BBB,AAA"
    for wish, message in {
        "--assets AAA,EEE": "error: --assets: prices.csv has no EEE; it has AAA, BBB, CCC, DDD",
        "--start 2030-01-01": "error: prices.csv: has no prices from 2030-01-01",
        "--end soon": "error: end is 'soon', which is not a date: write YYYY-MM-DD",
    }.items():
        code, _, err = run(capsys, f"{LINE} {wish}")
        assert code == 1
        assert err.startswith(message)


def test_holders_of_a_delisted_asset_receive_what_is_stated(folder, capsys):
    (folder / "gone.csv").write_text("asset,date,return\nBBB,2022-10-17,-0.5\nZZZ,2022-10-14,-1\n")
    cut = PRICES.copy()
    cut.loc["2022-10-17":, "BBB"] = np.nan
    cut.to_csv(folder / "prices.csv")
    code, out, _ = run(capsys, f"{LINE} --delistings gone.csv --json")
    assert code == 0
    events = Events(delistings={"BBB": Delisting(pd.Timestamp("2022-10-17"), -0.5)})
    expected = backtest_of(EqualWeight(), Bars(cut), None, PRICES.index[5::5], events=events, calendar="XNYS")
    assert json.loads(out)["equal weight"]["total_return"] == pytest.approx(expected.total_return, abs=1e-12)
    for content, message in {
        "asset,date\nBBB,2022-10-14\n": "return",
        "asset,date,return\nBBB,2022-10-14,all\n": "give fractions, -1 for nothing",
        "asset,date,return\nBBB,soon,0\n": "'soon' is not a date",
        "asset,date,return\nBBB,2022-10-14,0\nBBB,2022-10-17,0\n": "duplicate entry for BBB",
        "asset,date,return\nBBB,2022-10-14,-50\n": "-50 for BBB is no return",
    }.items():
        (folder / "gone.csv").write_text(content)
        code, _, err = run(capsys, f"{LINE} --delistings gone.csv")
        assert code == 1
        assert message in err
