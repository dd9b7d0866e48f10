"""What study and backtest read of prices: the same options, the same checks, and remedies that can be carried out."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
from support import random_prices

from allocation import Bars, SourceError, write_bars
from allocation.data.files.wide import write_frame
from backtest.cli.prices import PriceChoice, read_prices, with_payouts
from backtest.engine.corporate_actions import Delisting, Events
from newsfolio.command.app import main

STRATEGY = "from allocation import EqualWeight\n\ndef policy():\n    return EqualWeight()\n"
BACKTEST = "backtest strategy.py --prices p.csv --fill close --warmup 5 --out out --json"
STUDY = "study signal.parquet p.csv --shuffles 2 --json"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "strategy.py").write_text(STRATEGY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path


def run(capsys, line):
    with pytest.raises(SystemExit) as ended:
        main(line.split())
    return int(ended.value.code or 0), *capsys.readouterr()


def written(rule, n=120, signal=True):
    days = pd.date_range("2010-01-01" if rule.startswith("M") else "2020-01-01", periods=n, freq=rule, name="date")
    prices = random_prices(1, n).set_axis(days)
    prices.to_csv("p.csv")
    if signal:
        write_frame(prices.pct_change().clip(-1, 1).shift(-1), "signal.parquet")
    return prices


def test_crypto_is_backtested_on_the_calendar_that_the_message_names(folder, capsys):
    written("D")
    code, _, err = run(capsys, BACKTEST)
    assert code == 1
    assert err.startswith("error: p.csv: 38 of 120 rows are not sessions of XNYS (Wed 2020-01-01, Sat 2020-01-04, ")
    assert err.endswith("pass --calendar 24/7\n")
    assert run(capsys, f"{BACKTEST} --calendar 24/7")[0] == 0
    assert run(capsys, STUDY)[::2] == (0, "")  # nothing there depends on a calendar


@pytest.mark.parametrize(("rule", "every", "decisions"), [
    ("W-MON", "weekly", 115), ("W-MON", "monthly", 27), ("W-FRI", "weekly", 115), ("MS", "monthly", 115),
    ("ME", "weekly", 115), ("ME", "daily", 115),
])  # fmt: skip
def test_weekly_and_monthly_prices_are_decided_on_by_row(folder, capsys, rule, every, decisions):
    prices = written(rule)
    code, out, err = run(capsys, f"{BACKTEST} --every {every}")
    assert (code, err) == (0, "")
    figures = json.loads(out)["strategy"]
    assert any("rows a year, not one a session" in note for note in figures["notes"])
    targets = pd.read_parquet("out/weights.parquet")
    assert abs(len(targets) - decisions) <= 1
    assert targets.index.isin(prices.index).all()


def test_one_odd_row_is_said_and_a_weekly_schedule_says_what_to_do(folder, capsys):
    days = pd.bdate_range("2021-06-01", periods=60).difference(pd.DatetimeIndex(["2021-07-05"]))
    odd = days.union(pd.DatetimeIndex(["2021-07-03"]))
    random_prices(1, len(odd)).set_axis(odd.rename("date")).to_csv("p.csv")
    code, _, err = run(capsys, BACKTEST)
    assert code == 1
    assert "1 of 60 rows are not sessions of XNYS (Sat 2021-07-03): leave these rows out of the file" in err


def test_start_end_and_assets_mean_the_same_in_study(folder, capsys):
    prices = written("B", 240)
    prices = prices.loc[prices.index.isin(pd.bdate_range("2020-01-02", "2020-05-20"))]
    options = "--calendar 24/5 --start 2020-01-09 --end 2020-05-20 --assets BBB,AAA"
    assert run(capsys, f"{BACKTEST} --every 5 {options}")[0] == 0
    code, out, _ = run(capsys, f"{STUDY} {options.removeprefix('--calendar 24/5 ')}")
    assert code == 0
    kept = prices.loc["2020-01-09":"2020-05-20", ["AAA", "BBB"]]
    kept.to_csv("p.csv")
    write_frame(pd.read_parquet("signal.parquet")[["AAA", "BBB"]], "signal.parquet")
    assert json.loads(run(capsys, STUDY)[1])["figures"] == json.loads(out)["figures"]


def test_highs_lows_and_volumes_keep_to_the_chosen_assets_and_their_rows(folder):
    close = random_prices(1, 30).set_axis(pd.bdate_range("2021-03-01", periods=30, name="date"))
    close.iloc[20:, 0] = np.nan
    write_bars(Bars(close, close, close * 0 + 5, close * 1.1, close * 0.9), "p.csv")
    bars = read_prices("p.csv", PriceChoice(assets="AAA"), "p.csv").bars
    for frame in (bars.close, bars.open, bars.volume, bars.high, bars.low):
        assert frame.shape == (20, 1)
    np.testing.assert_allclose(bars.high, close.iloc[:20, :1] * 1.1)


@pytest.mark.parametrize("line", [BACKTEST + " --every 5", STUDY])
def test_a_split_is_refused_wherever_prices_are_read_and_can_be_allowed_by_name(folder, capsys, line):
    prices = written("B")
    prices = prices.loc[pd.bdate_range("2020-02-18", "2020-04-09")]
    calm = prices / prices * np.exp(np.random.default_rng(1).normal(0, 0.003, prices.shape).cumsum(axis=0))
    calm.iloc[20:, 1] /= 4
    calm.to_csv("p.csv")
    code, _, err = run(capsys, line)
    assert code == 1
    assert "not adjusted for a split, or in other units: BBB on " in err
    assert run(capsys, f"{line} --allow-jump BBB")[0] == 0


@pytest.mark.parametrize("line", [BACKTEST + " --every 5", STUDY])
def test_one_assets_file_takes_the_name_that_is_asked_for(folder, capsys, caplog, line):
    prices = random_prices(1, 60).set_axis(pd.bdate_range("2020-02-18", periods=60, name="Date"))[["AAA"]]
    prices.loc["2020-04-10"] = np.nan  # Good Friday
    prices = prices.dropna().set_axis(["Close"], axis=1)
    prices.to_csv("p.csv")
    write_frame(prices.set_axis(["GOLD"], axis=1).pct_change().clip(-1, 1), "signal.parquet")
    if line.startswith("backtest"):
        line += " --signal signal.parquet"
    assert run(capsys, line)[0] == 1
    assert "called p after the file: rename the file, or pass --asset, to call it otherwise" in caplog.text
    caplog.clear()
    assert run(capsys, f"{line} --asset GOLD")[0] == 0
    assert "after the file" not in caplog.text


def test_a_delisting_is_the_last_return_of_a_study():
    days = pd.bdate_range("2021-03-01", periods=6)
    close = pd.DataFrame({"A": [10.0, 10, 10, 10, 9, 9], "B": [5.0, 5, 5, 5, 5, 5]}, index=days)
    events = Events(delistings={"A": Delisting(days[3], -0.4), "B": Delisting(days[5], -1.0)})
    bars = with_payouts(Bars(close, close + 1), events)
    np.testing.assert_array_equal(bars.close["A"], [10, 10, 10, 10, 6, np.nan])
    np.testing.assert_array_equal(bars.open["A"], [11, 11, 11, 11, 6, np.nan])
    np.testing.assert_array_equal(bars.close["B"], close["B"])  # it is yet to come
    cut = with_payouts(Bars(close, high=close), events, paid=False)
    for frame in (cut.close, cut.high):
        np.testing.assert_array_equal(frame["A"], [10, 10, 10, 10, np.nan, np.nan])
    before_all = with_payouts(Bars(close), Events(delistings={"A": Delisting(days[0] - days.freq, -0.4)}))
    assert before_all.close["A"].isna().all()
    ruined = with_payouts(Bars(close), Events(delistings={"A": Delisting(days[3], -1.0)}))
    assert 0 < ruined.close["A"].iloc[4] < 1e-7


def test_assets_that_end_early_are_counted_with_the_option_that_helps(folder, capsys):
    prices = random_prices(1, 60).set_axis(pd.bdate_range("2020-02-18", periods=60, name="date"))
    prices = prices.drop(pd.Timestamp("2020-04-10"))
    prices.iloc[-5:, 1:] = np.nan
    prices.to_csv("p.csv")
    code, _, err = run(capsys, f"{BACKTEST} --every 5")
    assert code == 1
    remedy = f"--end {prices.index[-6].date()}"
    assert f"3 of 4 assets end on {prices.index[-6].date()}, the last row is {prices.index[-1].date()}: " in err
    assert remedy in err
    assert run(capsys, f"{BACKTEST} --every 5 {remedy}")[::2] == (0, "")


def test_an_unknown_calendar_is_an_error(folder, capsys):
    written("B")
    assert "calendar 'XXXX' is not known" in run(capsys, f"{BACKTEST} --calendar XXXX")[2]
    with pytest.raises(SourceError, match="no such file"):
        read_prices("none.csv", PriceChoice(), "none.csv")


@pytest.mark.parametrize("line", [BACKTEST + " --every 5", STUDY])
def test_prices_that_are_none_or_of_the_future_are_refused(folder, capsys, line):
    prices = written("B").loc["2020-01-21":"2020-04-09"]
    prices.drop(pd.Timestamp("2020-02-17")).mul(np.nan).to_csv("p.csv")
    code, _, err = run(capsys, line)
    assert code == 1
    assert err.startswith("error: p.csv: has no price: all of its ")
    prices.set_axis(prices.index + pd.DateOffset(years=60)).rename_axis("date").to_csv("p.csv")
    assert "its last row, 2080-04-09, lies in the future: correct the dates" in run(capsys, line)[2]


def test_assets_without_any_price_are_counted(folder, capsys):
    prices = written("B").loc["2020-01-21":"2020-04-09"].drop(pd.Timestamp("2020-02-17"))
    prices.assign(DEAD=np.nan).to_csv("p.csv")
    code, out, _ = run(capsys, BACKTEST + " --every 5")
    assert code == 0
    assert "1 of 5 assets have no price: DEAD" in json.loads(out)["strategy"]["notes"]
