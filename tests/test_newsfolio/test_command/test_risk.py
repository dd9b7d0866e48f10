"""`newsfolio risk`: files, exit codes, messages and the page; bad input in one line."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
from simulated_bars import simulated

from allocation import Bars, write_bars
from newsfolio.command.app import main
from nlp import calendar_sessions

SESSIONS = calendar_sessions("XNYS", pd.Timestamp("2015-01-02"), pd.Timestamp("2018-12-31"))
N, ASSETS = len(SESSIONS), ["AAA", "BBB", "CCC"]


def market(n=N, assets=ASSETS) -> Bars:
    bars, _ = simulated(21, N, 3)
    parts = {
        name: None if part is None else part.set_axis(SESSIONS).set_axis(ASSETS, axis=1).loc[SESSIONS[:n], list(assets)]
        for name, part in vars(bars).items()
    }
    return Bars(**parts)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("risk")
    write_bars(market(), where / "prices.parquet")
    random = np.random.default_rng(1)
    days = SESSIONS[random.integers(0, N, 4000)]
    pd.DataFrame(
        {
            "published": (days + pd.Timedelta(hours=17)).tz_localize("UTC"),
            "asset": random.choice(ASSETS, 4000),
            "text": [f"headline <b>{number}</b>" for number in range(4000)],
            "score": random.uniform(-1, 1, 4000),
        }
    ).to_parquet(where / "news.parquet")
    return where


def risk(folder, *options, capsys):
    try:
        main(["risk", str(folder / "prices.parquet"), *map(str, options)])
    except SystemExit as end:
        code = end.code or 0
    else:
        code = 0
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_today_s_table_and_all_files(folder, tmp_path, capsys):
    code, out, _ = risk(folder, "--news", folder / "news.parquet", "--out", tmp_path, "--sigmas", "2.5", capsys=capsys)
    assert code == 0
    assert "Volatility of" in out
    assert "base rate" in out
    assert max(map(len, out.splitlines())) <= 100
    assert {path.name for path in tmp_path.iterdir()} == {"risk.html", "risk.json", "risk.prom", "state.json"}
    figures = json.loads((tmp_path / "risk.json").read_text())["today"]
    assert set(figures["assets"]) == set(ASSETS)
    assert figures["last_alarms"]
    page = (tmp_path / "risk.html").read_text()
    assert "<circle" in page
    assert "&lt;b&gt;" in page
    assert "headline <b>" not in page
    metrics = (tmp_path / "risk.prom").read_text()
    assert 'newsfolio_risk_volatility{asset="AAA"} 0.' in metrics


def test_the_study_prints_what_is_promised(folder, tmp_path, capsys):
    options = ["--news", folder / "news.parquet", "--study", "--json", "--placebos", "1", "--sigmas", "2.5"]
    code, out, _ = risk(folder, *options, "--out", tmp_path, capsys=capsys)
    figures = json.loads(out)
    assert code == 0
    assert {"har", "ewma60", "garch"} <= set(figures["volatility"]["qlike"])
    assert figures["volatility"]["n"] > 0
    assert {"qlike_gain", "t", "placebo_gain"} <= set(figures["news"])
    assert {"per_asset_year", "precision", "precision_interval", "base_rate", "lead_sessions"} <= set(figures["alarms"])
    assert "What it was worth" in (tmp_path / "risk.html").read_text()


def alarmed_end(folder, tmp_path, capsys) -> str:
    """A session with an alarm, found in what came before."""
    risk(folder, "--out", tmp_path / "all", "--sigmas", "2.5", capsys=capsys)
    return json.loads((tmp_path / "all/risk.json").read_text())["today"]["last_alarms"][-1]["session"]


def test_an_alarm_exits_with_three_and_each_change_is_told_once(folder, tmp_path, capsys):
    day = alarmed_end(folder, tmp_path, capsys)
    messages = tmp_path / "messages"
    teller = tmp_path / "teller.py"
    teller.write_text(f"import sys\nopen({str(messages)!r}, 'a').write(sys.argv[1] + '\\n')\n")
    options = ["--sigmas", "2.5", "--out", tmp_path / "one", "--notify", f"{sys.executable} {teller}"]
    for _ in range(2):
        code, out, _ = risk(folder, *options, "--end", day, "--fail-on", "alarm", capsys=capsys)
        assert code == 3
        assert "Alarm: " in out
    assert len(messages.read_text().splitlines()) == 1
    assert "alarm for " in messages.read_text()
    later = str(SESSIONS[SESSIONS.get_loc(day) + 1].date())
    code, _, _ = risk(folder, *options, "--end", later, "--fail-on", "alarm", capsys=capsys)
    assert "alarm over for " in messages.read_text().splitlines()[1]


@pytest.mark.parametrize(
    ("bars", "words"),
    [
        (Bars(market().close), "no highs and lows are known"),
        (market(assets=["AAA"]), "Volatility of"),
        (market(n=50), "histories are too short"),
        (market(n=200), "no probability is known yet"),
    ],
)
def test_little_input_has_a_stated_fallback(bars, words, folder, tmp_path, capsys, caplog):
    write_bars(bars, tmp_path / "prices.parquet")
    code, out, err = risk(tmp_path, "--news", folder / "news.parquet", capsys=capsys)
    assert code == 0
    assert words in out + err + caplog.text


def test_a_halted_asset_has_no_forecast_and_it_is_said(tmp_path, capsys):
    bars = market()
    bars.close.loc[SESSIONS[-8] :, "BBB"] = np.nan
    write_bars(bars, tmp_path / "prices.parquet")
    code, out, _ = risk(tmp_path, capsys=capsys)
    assert code == 0
    assert "1 of 3 assets have no forecast" in out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model", "somewhere"], "give --news as well"),
        (["--notify", "true"], "give --out"),
        (["--fail-on", "loss"], "--fail-on 'loss' is not known"),
        (["--kind", "crash"], "is no event: use move, drawdown"),
        (["--study", "--end", "2015-12-31"], "sessions cannot be judged"),
        (["--events", "absent.csv"], "no such file"),
    ],
)
def test_wrong_use_is_one_line(options, words, folder, capsys):
    code, _, err = risk(folder, *options, capsys=capsys)
    assert code == 1
    assert words in err
    assert len([line for line in err.splitlines() if line.startswith("error")]) == 1


def test_events_without_news_are_used(folder, tmp_path, capsys):
    events = tmp_path / "events.csv"
    events.write_text("asset,known,due\nAAA,2018-12-20,2019-01-02\n")
    code, out, err = risk(folder, "--events", events, capsys=capsys)
    assert code == 0
    assert "of prices alone" not in out + err


def test_events_of_assets_without_prices_are_counted(folder, tmp_path, capsys, caplog):
    events = tmp_path / "events.csv"
    events.write_text("asset,known,due\nAAA,2018-12-20,2019-01-02\nZZZ,2018-12-20,2019-01-02\n")
    risk(folder, "--events", events, capsys=capsys)
    assert "events.csv: 1 of 2 events are of assets without prices" in caplog.text


def test_a_move_is_said_as_a_return_and_not_as_its_logarithm(folder, tmp_path, capsys):
    bars = market()
    close = bars.close.copy()
    close.iloc[-1, 0] = close.iloc[-2, 0] * 0.72
    write_bars(Bars(close), tmp_path / "prices.parquet")
    _, out, _ = risk(tmp_path, capsys=capsys)
    assert "moved -28.0%" in out


def test_times_at_one_zone_s_midnight_are_times_where_the_user_says_so(folder, tmp_path, capsys, caplog):
    news = pd.read_parquet(folder / "news.parquet")
    news["published"] = news["published"].dt.normalize() + pd.Timedelta(hours=15)  # midnight in Tokyo
    news.rename(columns={"published": "seen"}).to_parquet(tmp_path / "news.parquet")
    options = ["--news", tmp_path / "news.parquet", "--columns", "published=seen"]
    risk(folder, *options, capsys=capsys)
    assert "read as dates" in caplog.text
    caplog.clear()
    code, _, _ = risk(folder, *options, "--midnight", "time", capsys=capsys)
    assert (code, "read as dates" in caplog.text) == (0, False)


def test_that_no_news_was_given_is_said_once(folder, tmp_path, capsys):
    code, out, err = risk(folder, "--study", "--placebos", "1", "--out", tmp_path, capsys=capsys)
    page = (tmp_path / "risk.html").read_text()
    assert code == 0
    assert (out + err).count("no news was given") == page.count("no news was given") == 1
    for words in ("News in the forecast", "News adds nothing", "another asset"):
        assert words not in out
        assert words not in page
