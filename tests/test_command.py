"""The command: good runs of each sub-command, and for each bad input one line, exit code 1, nothing written."""

import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support import random_prices, random_signal

from newsfolio.command.app import main

SESSIONS = pd.bdate_range("2022-09-06", periods=55, name="date")  # without a holiday of XNYS: it ends in November
PRICES = random_prices(1, 55).set_axis(SESSIONS)
SIGNAL = random_signal(1, PRICES)
TONES = {"positive": "profit rises", "negative": "loss falls", "neutral": "shares of the net"}

STUDY = "study signal.csv prices.csv"
BACKTEST = "backtest strategy.py --prices bars.csv --signal signal.csv --out out --warmup 30"
SCORE = "score news.csv --model MODEL --out scored.parquet"
EVALUATE = "evaluate MODEL labelled.csv"
TO_SIGNAL = "signal scored.csv --out made.csv"
FINETUNE = "finetune labelled.csv --base MODEL --out fresh --epochs 1"
FETCH = "prices AAA BBB --start 2022-09-06 --end 2022-09-30 --out fetched.csv"


def bars(prices=PRICES):
    """The long table that `load_prices` reads."""
    closes = prices.stack().rename_axis(["date", "ticker"]).rename("close").reset_index()
    return closes.assign(open=closes["close"] * 1.001)


def news():
    published = SESSIONS[:24].tz_localize("UTC") + pd.Timedelta(hours=15)
    texts = [f"AAA said {text}, {'x' * n}" for n in range(8) for text in TONES.values()]
    return pd.DataFrame({"published": published, "asset": ["AAA", "BBB"] * 12, "text": texts})


def labelled():
    # Numbers or one other word would not tell texts apart: `split` keeps near-duplicates together.
    tails = [" ".join(letter * n for n in range(1, 5)) for letter in "abcdefghijkl"]
    rows = [(f"{text} {tail}", label) for tail in tails for label, text in TONES.items()]
    return pd.DataFrame(rows, columns=["text", "label"])


STRATEGY = "from allocation import EqualWeight\n\ndef policy():\n    return EqualWeight()\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with one good file of each kind."""
    PRICES.to_csv(tmp_path / "prices.csv")
    SIGNAL.to_csv(tmp_path / "signal.csv")
    bars().to_csv(tmp_path / "bars.csv", index=False)
    news().to_csv(tmp_path / "news.csv", index=False)
    news().assign(score=np.linspace(-1, 1, 24)).to_csv(tmp_path / "scored.csv", index=False)
    labelled().to_csv(tmp_path / "labelled.csv", index=False)
    (tmp_path / "strategy.py").write_text(STRATEGY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # no __pycache__ beside the strategy
    return tmp_path


@pytest.fixture
def command(capsys, request):
    """Run a command line; return its exit code, output and errors."""

    def run(line, *more):
        arguments = [*line.split(), *more]
        if "MODEL" in arguments:
            model = str(request.getfixturevalue("tiny_model"))
            arguments = [model if word == "MODEL" else word for word in arguments]
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        return int(ended.value.code or 0), *capsys.readouterr()

    return run


def strict_json(text):
    """Parse one JSON document as every parser does: NaN is not JSON."""

    def refuse(constant):
        raise ValueError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def contents(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def succeeds(command, line, *more):
    code, out, err = command(line, *more)
    assert (code, err) == (0, "")
    return out


# Good runs


def test_help_lists_the_commands(command):
    out = succeeds(command, "--help")
    for name in ("demo", "finetune", "evaluate", "score", "signal", "prices", "study", "backtest"):
        assert name in out


@pytest.mark.parametrize("name", ["demo", "finetune", "evaluate", "score", "signal", "prices", "study", "backtest"])
def test_each_command_has_help(command, name):
    assert "Usage" in succeeds(command, f"{name} --help")


def test_signal(command, folder):
    out = succeeds(command, TO_SIGNAL)
    made = pd.read_csv(folder / "made.csv", index_col="date", parse_dates=True)
    assert list(made.columns) == ["AAA", "BBB"]
    assert made.index.isin(SESSIONS).all()
    assert made.abs().max(axis=None) <= 1
    assert f"24 headlines -> {len(made)} sessions × 2 assets" in out
    succeeds(command, "study made.csv prices.csv")


def test_signal_passes_its_options_on(command, folder):
    succeeds(command, TO_SIGNAL, "--halflife", "1", "--prior-count", "9", "--max-age", "3", "--calendar", "XLON")
    succeeds(command, "signal scored.csv --out plain.csv")
    made, plain = (pd.read_csv(folder / f"{name}.csv", index_col="date") for name in ("made", "plain"))
    assert made.abs().sum(axis=None) < plain.abs().sum(axis=None)
    assert "2022-09-19" not in made.index  # a funeral closed London
    assert "2022-09-19" in plain.index


def test_study_prints_its_verdict_and_tables(command, folder):
    lines = succeeds(command, STUDY).splitlines()
    assert re.match(r"(No detectable edge|An edge|A clear edge|A weak edge|The signal points)", lines[0])
    for title in ("Rank IC by entry and sessions held", "Decay", "Returns of quantiles", "Trading", "Coverage"):
        assert any(line.startswith(title) for line in lines)


def test_a_full_study_prints_all_figures_and_a_page_of_it_fits_a_hundred_columns(command, folder):
    page, full = succeeds(command, STUDY), succeeds(command, STUDY, "--full")
    assert len(page.splitlines()) < 80 < len(full.splitlines())
    assert page.splitlines()[:3] == full.splitlines()[:3]
    assert "Linear IC" in full
    assert "Linear IC" not in page
    assert max(map(len, [*page.splitlines(), *full.splitlines()])) <= 100


def test_study_as_json(command, folder):
    found = strict_json(succeeds(command, STUDY, "--json"))
    assert {"verdict", "alarms", "notes", "figures", "entry"} <= set(found)
    assert {"rank IC", "linear IC", "single session", "quantile return", "trading", "year"} <= set(found["figures"])
    for name, figure in found["figures"]["rank IC"].items():
        for low, high in (figure["shuffled_across_assets"], figure["shuffled_in_time"]):
            assert low <= high
        if name.endswith((" 10 sessions", " 21 sessions")):  # of 55 there are fewer than four apart: no interval
            assert figure["interval"] == [None, None]
        else:
            assert figure["interval"][0] <= figure["value"] <= figure["interval"][1]


def test_the_seed_of_a_study_moves_the_placebos_only(command, folder):
    one, other = (
        strict_json(succeeds(command, STUDY, "--json", "--seed", seed))["figures"]["rank IC"] for seed in "12"
    )
    moved = {key for name in one for key in one[name] if one[name][key] != other[name][key]}
    assert moved == {"shuffled_across_assets", "shuffled_in_time"}


def test_study_writes_a_page_and_figures(command, folder):
    pd.DataFrame({"ticker": list(PRICES), "sector": "one"}).to_csv(folder / "sectors.csv", index=False)
    more = ("--out", "out", "--sectors", "sectors.csv", "--delayed", "signal.csv", "--shuffles", "3", "--json")
    printed = strict_json(succeeds(command, "study signal.csv bars.csv", *more))
    assert strict_json((folder / "out" / "figures.json").read_text()) == printed
    assert "one" in printed["figures"]["sector"]
    assert printed["entry"] == "next open"
    assert not any("delayed" in note for note in printed["notes"])
    assert "What is signal worth?" in (folder / "out" / "study.html").read_text()


def test_backtest_writes_figures_weights_and_report(command, folder):
    printed = strict_json(succeeds(command, BACKTEST, "--json"))
    assert list(printed)[:4] == ["strategy", "strategy without news", "equal weight", "buy and hold"]
    assert {"total_return", "annual_return", "sharpe", "sharpe_low", "max_drawdown"} <= set(printed["strategy"])
    shared = {name: printed["strategy"][name] for name in printed["equal weight"]}  # it alone has the further ratios
    assert shared == printed["equal weight"]
    assert {"sortino", "sortino_low", "hit_rate"} <= set(printed["strategy"]) - set(shared)
    assert strict_json((folder / "out" / "figures.json").read_text()) == printed
    weights = pd.read_parquet(folder / "out" / "weights.parquet")
    assert (weights == 0.25).all(axis=None)
    assert (weights.index.day_of_week == 4).all()
    assert weights.index[0] >= SESSIONS[30]
    assert "strategy" in (folder / "out" / "report.html").read_text()


def test_backtest_prints_a_table(command, folder):
    out = succeeds(command, "backtest strategy.py --prices prices.csv --fill close --out out --every 5 --warmup 0")
    lines = out.splitlines()
    first = next(row for row, line in enumerate(lines) if line.startswith("----"))
    assert lines[first + 1].startswith("strategy ")
    assert lines[first + 2].startswith("equal weight ")
    assert lines[first + 3].startswith("buy and hold ")
    assert lines[-1] == "written to out"


def test_costs_and_fills_of_a_backtest_are_those_asked_for(command, folder):
    def total(*more):
        return strict_json(succeeds(command, BACKTEST, "--json", *more))["buy and hold"]

    free, dear = total("--cost-bp", "0"), total("--cost-bp", "100")
    assert free["annual_cost"] == 0.0
    ratio = (1 + dear["total_return"]) / (1 + free["total_return"])
    assert ratio == pytest.approx(1 / 1.01, rel=1e-9)
    assert total("--fill", "close")["total_return"] != total()["total_return"]


def test_a_strategy_sees_the_signal(command, folder):
    (folder / "strategy.py").write_text(
        "def policy():\n    return lambda view: (view.signal.iloc[-1] > 0) * 0.25 + view.held * 0\n"
    )
    succeeds(command, BACKTEST)
    weights = pd.read_parquet(folder / "out" / "weights.parquet")
    assert weights.equals((SIGNAL.loc[weights.index] > 0) * 0.25)


def test_score_then_signal(command, folder):
    assert "24 headlines scored, mean score" in succeeds(command, SCORE)
    scored = pd.read_parquet(folder / "scored.parquet")
    assert scored[["negative", "neutral", "positive"]].sum(axis=1).to_numpy() == pytest.approx(np.ones(24), abs=1e-6)
    assert scored["score"].to_numpy() == pytest.approx((scored["positive"] - scored["negative"]).to_numpy(), abs=1e-6)
    succeeds(command, "signal scored.parquet --out made.parquet")
    assert list(pd.read_parquet(folder / "made.parquet").columns) == ["AAA", "BBB"]


def test_evaluate(command, folder):
    figures = strict_json(succeeds(command, EVALUATE, "--json"))
    assert figures["n"] == 36
    for name in ("accuracy", "macro_f1", "ece"):
        low, high = figures[f"{name}_interval"]
        assert 0.0 <= low <= high <= 1.0
        assert 0.0 <= figures[name] <= 1.0
    assert "accuracy" in succeeds(command, EVALUATE)


def test_finetune_then_evaluate(command, folder):
    report = strict_json(succeeds(command, FINETUNE, "--json"))
    assert report["train_rows"] + report["valid_rows"] == 36
    assert report["config"]["epochs"] == 1.0
    assert (folder / "fresh" / "model.safetensors").is_file()
    assert "36 texts" in succeeds(command, "evaluate fresh labelled.csv")


def test_finetune_on_a_validation_file_of_its_own(command, folder, caplog):
    copies = labelled().iloc[:3].assign(text=lambda rows: rows["text"].str.upper())
    pd.concat([others("held"), copies]).to_csv("held.csv", index=False)
    code, out, _ = command(FINETUNE, "--valid", "held.csv")
    assert code == 0
    assert "on 33 texts" in out
    assert "on 15 held-out texts" in out
    assert out.endswith("saved in fresh\n")
    assert "3 training texts are near-duplicates of held-out ones and were left out" in caplog.text


def others(name, rows=12):
    """Labelled texts that are near-duplicates neither of each other nor of those of another name."""
    texts = [" ".join(f"{name}{letter}{n}" for letter in "wxyz") for n in range(rows)]
    return pd.DataFrame({"text": texts, "label": ["negative", "neutral", "positive"] * (rows // 3)})


@pytest.fixture
def vendor(monkeypatch):
    """yfinance without a network: what `download` was asked for, and what it answers."""
    import yfinance

    asked = []

    def download(tickers, **options):
        asked.append((tickers, options))
        columns = pd.MultiIndex.from_product([["Open", "Close"], tickers], names=["Price", "Ticker"])
        rows = SESSIONS[(options["start"] <= SESSIONS) & (options["end"] > SESSIONS)].rename("Date")
        values = 50.0 + np.arange(len(rows) * len(columns)).reshape(len(rows), -1)
        return pd.DataFrame(values, rows, columns)

    monkeypatch.setattr(yfinance, "download", download)
    return asked


def test_prices_are_fetched_once_and_written(command, folder, vendor):
    out = succeeds(command, FETCH, "--cache", "kept")
    assert "2 tickers, 19 sessions from 2022-09-06 to 2022-09-30; written to fetched.csv" in out
    (tickers, options), = vendor  # fmt: skip
    assert tickers == ["AAA", "BBB"]
    assert options["auto_adjust"]
    assert pd.Timestamp(options["end"]) == pd.Timestamp("2022-10-01")  # yfinance leaves its end out
    table = pd.read_csv(folder / "fetched.csv")
    assert set(table.columns) == {"date", "ticker", "close", "open"}
    succeeds(command, FETCH, "--cache", "kept")
    assert len(vendor) == 1
    succeeds(command, "backtest strategy.py --prices fetched.csv --out out --warmup 3 --every daily")


def test_the_console_script_runs_from_anywhere(folder):
    script = Path(sys.executable).with_name("newsfolio")
    done = subprocess.run([script, "study", "signal.csv", "prices.csv", "--json"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "rank IC" in strict_json(done.stdout)["figures"]


def test_the_console_script_fails_in_one_line(folder):
    script = Path(sys.executable).with_name("newsfolio")
    done = subprocess.run([script, "study", "nowhere.csv", "prices.csv"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: nowhere.csv: no such file\n"


# Wrong usage


@pytest.mark.parametrize(
    "line",
    [
        "", "nonsense", "study", "study signal.csv", "study signal.csv prices.csv --nonsense", "prices AAA",
        "backtest strategy.py --out out", f"{BACKTEST} --warmup many", f"{BACKTEST} --cost-bp dear",
        f"{STUDY} --seed 1.5", "score news.csv --model m", "evaluate m",
    ],
)  # fmt: skip
def test_wrong_usage_exits_2(command, folder, line):
    before = contents(folder)
    code, out, err = command(line)
    assert code == 2
    assert "Usage" in out + err
    assert contents(folder) == before


# Bad inputs


def wide(name, change):
    """Write a changed frame of prices or a signal."""
    frame = {"prices": PRICES, "signal": SIGNAL}[name].copy()
    return lambda folder: change(frame).to_csv(folder / f"{name}.csv")


def long(change):
    return lambda folder: change(bars()).to_csv(folder / "bars.csv", index=False)


def text(name, content):
    return lambda folder: (folder / name).write_text(content)


def strategy(*lines):
    return text("strategy.py", "\n".join(lines) + "\n")


def cell(row, column, value):
    def change(frame):
        frame = frame.astype(object)
        frame.loc[frame.index[row], column] = value
        return frame

    return change


def redated(row, value):
    def change(frame):
        return frame.set_axis(pd.Index([value if n == row else f"{day:%Y-%m-%d}" for n, day in enumerate(frame.index)],
                                       name="date"))  # fmt: skip

    return change


def without_safetensors(folder):
    (folder / "pickled").mkdir()
    (folder / "pickled" / "config.json").write_text("{}")
    (folder / "pickled" / "pytorch_model.bin").write_bytes(b"\x80")


NAN_RISK = strategy(
    "import numpy as np, pandas as pd", "from allocation import RiskModel, SentimentPolicy", "",
    "def risk(prices):", "    factors = pd.DataFrame(0.01, prices.columns, ['f'])", "    factors.iloc[1] = np.nan",
    "    return RiskModel(factors, pd.Series(1e-4, prices.columns))", "",
    "def policy():", "    return SentimentPolicy(risk=risk, min_history=20)",
)  # fmt: skip
CONTRADICTION = strategy(
    "from allocation import LedoitWolf, LongOnly, SentimentPolicy", "", "def policy():",
    "    return SentimentPolicy(risk=LedoitWolf(min_returns=20), min_history=20,",
    "                           constraints=(LongOnly(), lambda s: [s.cash >= 2]))",
)  # fmt: skip

BAD = {
    "sectors of no one": (f"{STUDY} --sectors s.csv", text("s.csv", "ticker\nAAA\n"), "s.csv: has no column sector"),
    "two sectors": (f"{STUDY} --sectors s.csv", text("s.csv", "ticker,sector\nAAA,x\nAAA,y\n"), "AAA has two sectors"),
    "too few shuffles": (f"{STUDY} --shuffles 1", None, "shuffles is 1: give at least 2"),
    "no signal file": ("study nowhere.csv prices.csv", None, "nowhere.csv: no such file"),
    "no price file": ("study signal.csv nowhere.csv", None, "nowhere.csv: no such file"),
    "no news file": ("score nowhere.csv --model MODEL --out scored.parquet", None, "nowhere.csv: no such file"),
    "no labelled file": ("evaluate MODEL nowhere.csv", None, "nowhere.csv: no such file"),
    "no training file": ("finetune nowhere.csv --out fresh", None, "nowhere.csv: no such file"),
    "no model folder": ("evaluate ./nowhere labelled.csv", None, "./nowhere: no such model folder"),
    "unknown ending": ("study signal.xlsx prices.csv", None, "signal.xlsx: the ending '.xlsx' is not known: use .csv"),
    "unknown ending of the signal": ("signal scored.csv --out made.txt", None, "the ending '.txt' is not known: use"),
    "no file but a folder": ("study . prices.csv", None, "the ending '' is not known"),
    "empty signal file": (STUDY, text("signal.csv", ""), "signal.csv: cannot be read as csv"),
    "binary as Parquet": ("study signal.parquet prices.csv", text("signal.parquet", "x" * 99), "cannot be read as par"),
    "signal of dates only": (STUDY, wide("signal", lambda frame: frame[[]]), "no columns besides its dates"),
    "unparsable dates": (STUDY, wide("signal", redated(4, "someday")), "signal.csv: row 5: 'someday' is not a date"),
    "unparsable price dates": (
        BACKTEST, long(lambda table: table.astype({"date": str}).replace({"date": {"2022-09-07": "07.09.2022"}})),
        r"bars.csv: row 5: '07.09.2022' is not a date: write dates as YYYY-MM-DD, or .* \(4 such rows\)",
    ),
    "price of 0": (STUDY, wide("prices", cell(3, "CCC", 0.0)), "prices.csv: 0 for CCC at 2022-09-09 is not a price"),
    "negative close": (
        BACKTEST, long(lambda table: table.assign(close=-table["close"])), "close: -.* for AAA at 2022-09-06 is not",
    ),
    "negative open": (
        BACKTEST, long(lambda table: table.assign(open=-table["open"])), "bars.csv: open: -.* for AAA at 2022-09-06",
    ),
    "text for a price": (STUDY, wide("prices", cell(3, "CCC", "dear")), "CCC: row 4: 'dear' is not a number"),
    "duplicate dates": (STUDY, wide("signal", redated(4, "2022-09-06")), "signal has 2022-09-06 twice: keep one row"),
    "duplicate rows of a ticker": (
        BACKTEST, long(lambda table: pd.concat([table, table[5:6]])), "bars.csv: has BBB on 2022-09-07 twice: keep one",
    ),
    "signal above 1": (STUDY, wide("signal", cell(3, "CCC", 1.5)), r"1.5 for CCC at 2022-09-09 lies outside \[-1, 1\]"),
    "ticker without a price": (
        STUDY, wide("signal", lambda frame: frame.rename(columns={"BBB": "ZZZ"})), "signal has ZZZ without a price col",
    ),
    "ticker without a price in a backtest": (
        BACKTEST, wide("signal", lambda frame: frame.rename(columns={"BBB": "ZZZ"})), "signal has ZZZ without a price",
    ),
    "sessions without a price": (
        STUDY, wide("prices", lambda frame: frame.drop(frame.index[9])), "signal has rows on 2022-09-19 where prices",
    ),
    "news without a column": (SCORE, text("news.csv", "published,text\n2022-09-06T15:00:00Z,a\n"), "no column asset"),
    "scores without a column": (
        TO_SIGNAL, lambda folder: news().to_csv(folder / "scored.csv", index=False), "has no column score",
    ),
    "patience without held-out texts": (
        f"{FINETUNE} --preset full --patience 1", None, "--patience needs held-out texts, and --preset full finally",
    ),
    "trained on the held-out texts": (
        f"{FINETUNE} --valid labelled.csv", None, "all training texts are near-duplicates of held-out ones: hold out",
    ),
    "a weight of words": (
        FINETUNE, text("labelled.csv", labelled().assign(weight="much").to_csv(index=False)), "the weight is nan: give",
    ),
    "labels without a column": (EVALUATE, text("labelled.csv", "sentence,label\na,neutral\n"), "has no column text"),
    "unparsable news time": (
        SCORE, text("news.csv", "published,asset,text\nlater,AAA,a\n"), "news.csv: row 1: published 'later' is not a",
    ),
    "news time without a zone": (
        SCORE, text("news.csv", "published,asset,text\n2022-09-06 15:00,AAA,a\n"), "no time zone: .* --timezone UTC",
    ),
    "empty news file": (SCORE, text("news.csv", ""), "news.csv: cannot be read as csv"),
    "news file with a header only": (SCORE, text("news.csv", "published,asset,text\n"), "holds no news rows"),
    "score above 1": (
        TO_SIGNAL, text("scored.csv", "published,asset,text,score\n2022-09-06T15:00:00Z,AAA,a,7\n"), "score 7 lies out",
    ),
    "text for a score": (
        TO_SIGNAL, text("scored.csv", "published,asset,text,score\n2022-09-06T15:00:00Z,AAA,a,high\n"), "high",
    ),
    "news before the calendar begins": (
        f"{TO_SIGNAL} --calendar XTKS",
        text("scored.csv", "published,asset,text,score\n1990-01-05T15:00:00Z,AAA,a,0.5\n"), "19(89|90)",
    ),
    "news of the far future": (
        TO_SIGNAL, text("scored.csv", "published,asset,text,score\n2290-01-05T15:00:00Z,AAA,a,0.5\n"), "22(89|90)",
    ),
    "unknown calendar of news": (f"{TO_SIGNAL} --calendar MARS", None, "calendar 'MARS' is not known to exchange"),
    "halflife of 0": (f"{TO_SIGNAL} --halflife 0", None, "halflife is 0: it must be > 0"),
    "unknown label": (EVALUATE, text("labelled.csv", "text,label\na,neutral\nb,great\n"), "row 2: label 'great' is no"),
    "unknown label to train on": (FINETUNE, text("labelled.csv", "text,label\na,great\n"), "label 'great' is not"),
    "too few texts to split": (FINETUNE, text("labelled.csv", "text,label\na,neutral\n"), "rarest label has 1 texts"),
    "a label without texts": (
        f"{FINETUNE.replace('labelled', 'two')} --valid labelled.csv",
        text("two.csv", "text,label\na,neutral\nb,positive\n"), "no training text is labelled negative: all of",
    ),
    "no safetensors": (
        "evaluate pickled labelled.csv", without_safetensors, "pickled: has no safetensors file: pickled weights",
    ),
    "no safetensors as base": (
        "finetune labelled.csv --base pickled --out fresh", without_safetensors, "pickled: has no safetensors file",
    ),
    "NaN covariance": (BACKTEST, NAN_RISK, "2022-10-21: the covariance of BBB is NaN or infinite: drop these assets"),
    "no optimum": (BACKTEST, CONTRADICTION, "2022-10-21: no optimal weights .*infeasible.*: the constraints"),
    "too little history": (
        BACKTEST, strategy("from allocation import *", "def policy():", "    return SentimentPolicy(min_history=20)"),
        "2022-10-21: AAA, BBB, CCC, DDD has .* returns in the window, 60 are needed: start later, lower min_returns",
    ),
    "no strategy file": (BACKTEST, lambda folder: (folder / "strategy.py").unlink(), "strategy.py: no such file"),
    "strategy without policy()": (BACKTEST, strategy("x = 1"), r"strategy.py: needs a function policy\(\)"),
    "strategy that raises": (BACKTEST, strategy("raise RuntimeError('on\\ntwo lines')"), "RuntimeError: on two lines"),
    "policy() that raises": (
        BACKTEST, strategy("def policy():", "    return {}['x']"), "strategy.py, line 2: KeyError: 'x'",
    ),
    "policy() of nothing": (BACKTEST, strategy("def policy():", "    pass"), "returned a NoneType: return a callable"),
    "strategy of bad syntax": (BACKTEST, strategy("def policy(:"), "strategy.py: SyntaxError"),
    "no Python": ("backtest prices.csv --prices bars.csv --out out", None, "prices.csv: is not a Python file"),
    "policy of wrong labels": (
        BACKTEST, strategy("def policy():", "    return lambda view: view.held.iloc[:2]"),
        "2022-10-21: the policy's weights and the assets differ in CCC, DDD: return one weight per asset",
    ),
    "policy of too much": (
        BACKTEST, strategy("def policy():", "    return lambda view: view.held * 0 + 0.5"), "weights sum to 2 at ",
    ),
    "wide prices filled at the open": (
        f"{BACKTEST} --prices prices.csv --fill open", None,
        "prices.csv: has no open prices to fill at: add a column open, or pass --fill close",
    ),
    "unknown fill": (f"{BACKTEST} --fill noon", None, "fill 'noon' is not known: use open or close"),
    "unknown schedule": (f"{BACKTEST} --every hour", None, "schedule 'hour' is not known: use daily, weekly"),
    "schedule of 0": (f"{BACKTEST} --every 0", None, "schedule 0 is not known: use .* a number of sessions >= 1"),
    "unknown calendar": (f"{BACKTEST} --calendar MARS", None, "calendar 'MARS' is not known to exchange_calendars"),
    "another calendar": (f"{BACKTEST} --calendar XLON", None, "1 of 55 rows are not .* of XLON .* --calendar XNYS$"),
    "warmup past the end": (f"{BACKTEST} --warmup 999", None, "no rebalancing date after 999 of 55 sessions: lower"),
    "negative cost": (f"{BACKTEST} --cost-bp -1", None, r"costs: commission is -5e-05: give a fraction in \[0, 0.1\]"),
    "out is a file": (f"{BACKTEST} --out labelled.csv", None, "labelled.csv/.*: cannot be written: File exists"),
}  # fmt: skip


def fails(command, folder, line, spoil, message):
    """Exit code 1, one line that starts with `error:`, nothing on stdout, not a byte changed on disk."""
    if spoil is not None:
        spoil(folder)
    before = contents(folder)
    code, out, err = command(line)
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert re.search(message, err), err
    assert contents(folder) == before


@pytest.mark.parametrize("name", BAD)
def test_a_bad_input_is_told_in_one_line_and_leaves_nothing(command, folder, name):
    fails(command, folder, *BAD[name])


def test_a_vendor_without_the_ticker_is_told(command, folder, vendor, monkeypatch):
    import yfinance

    monkeypatch.setattr(yfinance, "download", lambda *_, **__: pd.DataFrame())
    fails(command, folder, FETCH, None, "Yahoo Finance has no prices of AAA, BBB from 2022-09-06 to 2022-09-30")


def test_a_vendor_that_does_not_answer_is_told(command, folder, monkeypatch):
    import yfinance

    def download(*_, **__):
        raise TimeoutError("after 30 s")

    monkeypatch.setattr(yfinance, "download", download)
    fails(command, folder, FETCH, None, "Yahoo Finance did not answer: TimeoutError: after 30 s")


# Bugs: each a traceback, a wrong message or a wrong result


MORE_BAD_INPUT = {
    "text for a close": (
        BACKTEST, long(lambda table: cell(3, "close", "dear")(table)), "dear",
        "TypeError: bars_from_long divides text by text",
    ),
    "text for an open": (
        BACKTEST, long(lambda table: cell(3, "open", "dear")(table)), "dear",
        "TypeError: bars_from_long multiplies text",
    ),
    "long prices without a close": (
        BACKTEST, long(lambda table: table.rename(columns={"close": "value"})), "column close",
        "read as wide: 'has 2022-09-06 twice'",
    ),
    "dates in two zones": (
        STUDY, wide("signal", lambda frame: redated(4, "2022-09-12T00:00+01:00")(frame)), "zone",
        "ValueError of pandas: mixed time zones pass errors='coerce'",
    ),
    "policy that raises when asked": (
        BACKTEST, strategy("def policy():", "    return lambda view: {}['x']"), "KeyError",
        "the user's own code fails with a traceback through ours, unlike policy() itself",
    ),
    "policy of text": (
        BACKTEST, strategy("def policy():", "    return lambda view: view.held.astype(str) + 'x'"), "2022-10-21",
        "ValueError of numpy without the date",
    ),
    "constraint that raises": (
        BACKTEST,
        strategy("from allocation import *", "def policy():",
                 "    return SentimentPolicy(risk=LedoitWolf(min_returns=20), constraints=(lambda s: [s.wight >= 0],),",
                 "                           min_history=20)"), "wight",
        "AttributeError passes",
    ),
    "strategy that leaves": (BACKTEST, strategy("import sys", "sys.exit(0)"), "strategy.py", "exits 0, nothing done"),
    "schedule in superscript": (f"{BACKTEST} --every ²", None, "schedule '²'", "'²'.isdigit(), but int() raises"),
}  # fmt: skip


@pytest.mark.parametrize("name", MORE_BAD_INPUT)
def test_more_bad_input_is_told_in_one_line(command, folder, name):
    fails(command, folder, *MORE_BAD_INPUT[name][:3])


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        ("2022-09-06", "tomorrowish", "tomorrowish"),
        ("2022-13-45", "2022-09-30", "2022-13-45"),
        ("2023-01-01", "2022-01-01", "2023-01-01.*2022-01-01"),
    ],
)
def test_dates_of_prices_that_make_no_sense_are_told(command, folder, vendor, start, end, message, monkeypatch):
    import yfinance

    answer = yfinance.download(["AAA"], start="2022-09-06", end="2022-09-30")
    monkeypatch.setattr(yfinance, "download", lambda *_, **__: answer)
    fails(command, folder, f"prices AAA --start {start} --end {end} --out fetched.csv", None, message)


def test_prices_of_an_unknown_ending_are_refused(command, folder, vendor):
    fails(command, folder, FETCH.replace("fetched.csv", "fetched.txt"), None, "the ending '.txt' is not known")


def test_a_ticker_may_be_called_na(command, folder):
    """NA is listed in Toronto; nlp.tables keeps it, allocation.files does not."""
    SIGNAL.rename(columns={"AAA": "NA"}).to_csv(folder / "signal.csv")
    bars(PRICES.rename(columns={"AAA": "NA"})).to_csv(folder / "bars.csv", index=False)
    succeeds(command, "study signal.csv bars.csv")


def test_a_strategy_may_hold_a_dataclass_with_postponed_annotations(command, folder):
    strategy(
        "from __future__ import annotations", "from dataclasses import dataclass",
        "from allocation import EqualWeight", "",
        "@dataclass(frozen=True)", "class Mine:", "    n: int = 1", "",
        "    def __call__(self, view):", "        return EqualWeight()(view)", "",
        "def policy():", "    return Mine()",
    )(folder)  # fmt: skip
    succeeds(command, BACKTEST)


def test_an_attribute_error_in_a_strategy_is_not_a_missing_policy(command, folder):
    strategy("import numpy", "def policy():", "    return numpy.nonsense")(folder)
    assert "needs a function policy()" not in command(BACKTEST)[1:][1]


def test_a_strategy_named_like_a_peer_is_still_run(command, folder):
    (folder / "equal weight.py").write_text("def policy():\n    return lambda view: view.held * 0\n")
    code, _, _ = command("backtest", "equal weight.py", *BACKTEST.split()[2:])
    assert code == 1 or (pd.read_parquet(folder / "out" / "weights.parquet") == 0).all(axis=None)


@pytest.mark.parametrize("what", ["study of two assets", "backtest in cash"])
def test_a_figure_without_a_value_is_json_too(command, folder, what):
    if what == "study of two assets":
        SIGNAL[["AAA", "BBB"]].to_csv(folder / "signal.csv")
        strict_json(succeeds(command, STUDY, "--json"))
    else:
        strategy("def policy():", "    return lambda view: view.held * 0")(folder)
        strict_json(succeeds(command, BACKTEST, "--json"))


def test_an_interrupt_leaves_nothing_behind(command, folder, vendor, monkeypatch):
    """130 is what a shell expects of a program that Ctrl-C ended."""
    import yfinance

    def download(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(yfinance, "download", download)
    code, _, err = command(FETCH)
    assert code == 130
    assert "Traceback" not in err
    assert not (folder / "fetched.csv").exists()


@pytest.mark.parametrize("option", ["--batch-size 0", "--epochs 0", "--epochs -1", "--learning-rate 0"])
def test_settings_that_train_nothing_are_told(command, folder, option):
    fails(command, folder, f"{FINETUNE} {option}", None, option.split()[0].strip("-").replace("-", ".") + ".* is ")


def card_of(folder):
    """The card, and texts and licence of each corpus on it."""
    card = (folder / "fresh" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| training \| (\S+) \| (\d+) \|.*\| ([^|]+) \| [^|]+ \| `\w+` \|$", card, re.MULTILINE)
    return card, {name.replace("\\", ""): (int(texts), licence) for name, texts, licence in rows}


def spied(function, calls):
    """The function, with name, positional and named arguments of each call written down."""

    def called(*given, **named):
        calls.append((function.__name__, given, named))
        return function(*given, **named)

    return called


def test_finetune_full_is_measured_before_it_trains_on_the_held_out_texts_too(command, folder, monkeypatch):
    calls = []
    for home, name in (
        ("nlp.evaluation.evaluate", "evaluate"),
        ("nlp.training.finetune", "finetune"),
        ("nlp.training.finetune", "refit"),
    ):
        module = importlib.import_module(home)
        monkeypatch.setattr(module, name, spied(vars(module)[name], calls))
    others("other").to_csv("other.csv", index=False)
    more = ("--also", "other.csv", "--also-weight", "0.5", "--licence", "MIT", "--json")
    report = strict_json(succeeds(command, FINETUNE, "--preset", "full", *more))
    (trained, (train, held, _), _), (measured, (_, tested), _), (again, (rows, _), named) = calls
    assert (trained, measured, again) == ("finetune", "evaluate", "refit")
    assert tested.equals(held)
    assert sorted(rows["text"]) == sorted([*train["text"], *held["text"]])
    assert report["train_rows"] + report["valid_rows"] == len(rows) == 36 + 12
    assert train.groupby("corpus")["weight"].unique().map(list).to_dict() == {"labelled.csv": [1.0], "other.csv": [0.5]}
    assert named["temperature"] == report["temperature"]
    card, corpora = card_of(folder)
    assert corpora == {"labelled.csv": (36, "MIT"), "other.csv": (12, "MIT")}
    assert "trained on these too" in card
    assert not list(folder.glob("fresh.*partial"))


@pytest.mark.parametrize("place", ["refit", "save"])
def test_finetune_full_cut_off_late_repeats_no_step_when_given_again(command, folder, monkeypatch, place):
    import transformers

    from nlp.model.classifier import SentimentClassifier

    def cut_off(*_, **__):
        raise KeyboardInterrupt

    steps = []
    step = transformers.Trainer.training_step
    monkeypatch.setattr(transformers.Trainer, "training_step", lambda *given: (steps.append(1), step(*given))[1])
    succeeds(command, f"{FINETUNE} --preset full")
    in_one_go, whole = len(steps), (folder / "fresh" / "model.safetensors").read_bytes()
    shutil.rmtree(folder / "fresh")
    with monkeypatch.context() as cutting:
        home = importlib.import_module("nlp.training.finetune") if place == "refit" else SentimentClassifier
        cutting.setattr(home, place, cut_off)
        assert command(f"{FINETUNE} --preset full")[0] == 130
    assert not (folder / "fresh").exists()
    assert (folder / "fresh.partial").is_dir()
    succeeds(command, f"{FINETUNE} --preset full")
    assert len(steps) == 2 * in_one_go
    assert (folder / "fresh" / "model.safetensors").read_bytes() == whole
    assert not list(folder.glob("fresh.*partial"))


def test_finetune_full_takes_public_corpora_beside_it_and_never_a_test(command, folder, monkeypatch, caplog):
    for name in ("fiqa_sentiment", "phrasebank", "test", "phrasebank_test"):
        others(name).to_csv(folder / f"{name}.csv", index=False)
        others(name).to_parquet(folder / f"{name}.parquet")  # the same corpus once more
    monkeypatch.setattr(importlib.import_module("nlp.corpora.mixing"), "MOST", 9)
    more = ("--valid", "phrasebank.csv", "--licence", "MIT", "--json")
    code, out, err = command(f"{FINETUNE} --preset full", *more)
    assert code == 0, err
    assert "also trained on: fiqa_sentiment.csv\n" in err
    assert "fiqa_sentiment.csv: 9 of 12 texts drawn" in caplog.text
    assert (strict_json(out)["train_rows"], strict_json(out)["valid_rows"]) == (36 + 9, 12)
    assert card_of(folder)[1] == {
        "labelled.csv": (36, "MIT"),
        "fiqa_sentiment.csv": (9, "not stated"),
        "phrasebank.csv": (12, "not stated"),
    }


def test_finetune_on_another_corpus_too(command, folder):
    labelled().assign(date="2014-03-07").to_csv(folder / "labelled.csv", index=False)
    others("other").assign(published="2015-01-02").to_csv(folder / "other.csv", index=False)
    report = strict_json(succeeds(command, FINETUNE, "--also", "other.csv", "--also-weight", "0.5", "--json"))
    assert report["train_rows"] + report["valid_rows"] == 36 + 12
    card, corpora = card_of(folder)
    assert corpora["other.csv"] == (12, "not stated")
    assert 'training_texts_from: "2014-03-07"\ntraining_texts_until: "2015-01-02"' in card


def test_finetune_patience_is_passed_on(command, folder):
    assert strict_json(succeeds(command, FINETUNE, "--patience", "1", "--json"))["config"]["patience"] == 1
