"""`newsfolio check`: each kind of file is recognised, what is wrong is said, and the commands it names can be run."""

import json
import re
import shlex
import sys

import numpy as np
import pandas as pd
import pytest
from support import random_prices, random_signal

from allocation import Bars, write_bars
from allocation.data.files.wide import write_frame
from newsfolio.command.app import main

DAYS = pd.bdate_range("2022-09-06", periods=55, name="date")
PRICES = random_prices(1, 55).set_axis(DAYS)
STRATEGY = "from allocation import EqualWeight\n\ndef policy():\n    return EqualWeight()\n"
KEYS = {"file", "kind", "rows", "assets", "first", "last", "notes", "problems", "next", "details"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "STRATEGY.py").write_text(STRATEGY)
    return tmp_path


def run(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return int(ended.value.code or 0), *capsys.readouterr()


def found(capsys, *words):
    code, out, err = run(capsys, "check", *words, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def news(scored=True, days=DAYS):
    table = pd.DataFrame({
        "published": days.tz_localize("America/New_York") + pd.Timedelta("10h30min"),
        "asset": ["AAA", "BBB", "ZZZ", "AAA", "CCC"] * (len(days) // 5),
        "text": [f"{number} things happened" for number in range(len(days))],
    })  # fmt: skip
    return table.assign(score=np.linspace(-1, 1, len(table))) if scored else table


def test_each_kind_is_recognised_with_its_command(folder, capsys):
    news(scored=False).to_csv("news.csv", index=False)
    news().to_parquet("scored.parquet")
    pd.DataFrame({"text": ["up", "down", "flat"], "label": ["positive", "negative", "neutral"]}).to_csv("labels.csv")
    PRICES.to_csv("prices.csv")
    write_bars(Bars(PRICES, PRICES), "long.parquet")
    write_frame(random_signal(1, PRICES), "signal.parquet")
    files = ["news.csv", "scored.parquet", "labels.csv", "prices.csv", "long.parquet", "signal.parquet"]
    reports = found(capsys, *files)["files"]
    assert all(set(report) == KEYS for report in reports)
    assert [(each["file"], each["kind"], each["rows"], each["assets"]) for each in reports] == [
        ("news.csv", "news", 55, 4), ("scored.parquet", "scored news", 55, 4), ("labels.csv", "labelled texts", 3, 0),
        ("prices.csv", "prices", 55, 4), ("long.parquet", "prices", 55, 4), ("signal.parquet", "signal", 55, 4),
    ]  # fmt: skip
    assert [each["next"] for each in reports] == [
        "newsfolio score news.csv --model MODEL --out scored.parquet",
        "newsfolio signal scored.parquet --out signal.parquet",
        "newsfolio finetune labels.csv --out model",
        "newsfolio backtest STRATEGY.py --prices prices.csv --fill close --out report",
        "newsfolio backtest STRATEGY.py --prices long.parquet --out report",
        "newsfolio study signal.parquet PRICES",
    ]
    assert not any(each["problems"] for each in reports)


@pytest.mark.parametrize(("left", "prices"), [("scored", PRICES), ("signal", PRICES)])
def test_the_commands_that_it_names_can_be_run(folder, capsys, left, prices):
    prices.to_csv("my prices.csv")
    if left == "scored":
        news().loc[lambda rows: rows["asset"] != "ZZZ"].to_csv("n.csv", index=False)
    else:
        write_frame(random_signal(1, prices), "n.csv")
    answer = found(capsys, "n.csv", "my prices.csv")
    assert not any(meeting["problems"] for meeting in answer["meetings"])
    assert answer["next"][-1].startswith(
        "newsfolio backtest STRATEGY.py --prices 'my prices.csv' --fill close --signal "
    )
    assert len(answer["next"]) == (3 if left == "scored" else 2)
    for command in answer["next"]:
        options = ["--warmup", "5"] if "backtest" in command else ["--shuffles", "2"] if "study" in command else []
        code, _, err = run(capsys, *shlex.split(command)[1:], *options)
        assert code == 0, err


def test_news_and_prices_that_meet_are_counted(folder, capsys):
    news().to_csv("n.csv", index=False)
    PRICES.iloc[:40].to_csv("p.csv")
    (meeting,) = found(capsys, "n.csv", "p.csv")["meetings"]
    assert meeting == {
        "left": "n.csv", "right": "p.csv", "assets_in_both": 3, "assets_only_left": ["ZZZ"],
        "assets_only_right": ["DDD"], "rows": 55, "rows_inside": 32, "problems": [],
    }  # fmt: skip
    _, out, _ = run(capsys, "check", "n.csv", "p.csv")
    assert "3 assets in both; without prices: ZZZ; without scored news: DDD; 32 of 55 rows" in " ".join(out.split())


MISSES = {
    "other tickers": (random_signal(1, PRICES).add_suffix(".N"), r"no asset in common: s.csv has AAA.N, .* the same"),
    "other years": (random_signal(1, PRICES).shift(freq="730D"), "no date in common: s.csv is from 2024-09-05 to"),
    "another calendar": (
        random_signal(1, PRICES).reindex(DAYS.union(pd.DatetimeIndex(["2022-09-10"]))),
        r"1 of 56 rows of s.csv are on dates that p.csv has no row for \(2022-09-10\): make the signal on the calendar",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("signal", "problem"), MISSES.values(), ids=MISSES.keys())
def test_files_that_do_not_meet_are_a_problem_and_no_way_on(folder, capsys, signal, problem):
    write_frame(signal, "s.csv")
    PRICES.to_csv("p.csv")
    answer = found(capsys, "s.csv", "p.csv")
    (meeting,) = answer["meetings"]
    assert re.search(problem, meeting["problems"][0])
    assert answer["next"] == [each["next"] for each in answer["files"]]


def test_what_is_wrong_with_prices_is_said_with_options_that_help(folder, capsys):
    days = pd.date_range("2022-01-01", periods=200, name="Date")
    moves = np.random.default_rng(1).normal(0, 0.004, (200, 3)).clip(-0.01, 0.01)
    close = pd.DataFrame(50 * np.exp(moves.cumsum(axis=0)), days, ["BTC", "ETH", "XRP"])
    close.iloc[100:, 1] /= 4
    close.iloc[195:, :2] = np.nan
    close.iloc[20:60, 2] = 7.0
    close.to_csv("p.csv")
    (report,) = found(capsys, "p.csv")["files"]
    assert report["details"]["calendar"] == "24/7"
    assert [jump["asset"] for jump in report["details"]["jumps"]][:1] == ["ETH"]
    assert "--allow-jump ETH" in report["problems"][0]
    assert report["next"].endswith("--calendar 24/7 --fill close --end 2022-07-14 --out report")
    notes = " ".join(report["notes"])
    assert "2 of 3 assets end on 2022-07-14, the last row is 2022-07-19" in notes
    assert "the same close for 21 rows or more, such as XRP for 40" in notes
    assert found(capsys, "p.csv", "--calendar", "XNYS")["files"][0]["problems"][0].endswith("pass --calendar 24/7")


def test_monthly_prices_and_one_assets_bars(folder, capsys):
    pd.DataFrame({"Date": pd.date_range("2010-01-31", periods=60, freq="ME"), "Close": 5.0, "Open": 5.0}).to_csv(
        "AAPL.csv", index=False
    )
    (report,) = found(capsys, "AAPL.csv")["files"]
    assert (report["details"]["rows_a_year"], report["assets"]) == (12, 1)
    assert report["notes"][0].startswith("one asset, called AAPL after the file")
    (named,) = found(capsys, "AAPL.csv", "--asset", "GOLD")["files"]
    assert "--asset GOLD" in named["next"]


def test_hours_of_publication_and_the_options_to_read_them(folder, capsys):
    table = news(scored=False).rename(columns={"published": "seen", "text": "title"})
    table["seen"] = table["seen"].dt.tz_localize(None).astype(str)
    table.to_csv("n.csv", index=False)
    columns = ("--columns", "published=seen", "--timezone", "America/New_York")
    (report,) = found(capsys, "n.csv", *columns)["files"]
    assert report["details"]["hours"][10] == 55
    assert report["next"].endswith("--timezone America/New_York --columns published=seen")
    _, out, _ = run(capsys, "check", "n.csv", *columns)
    assert "published by hour of America/New_York (55 rows with a time)" in out
    assert "in the hour before a close 0.0%, in the hour after 0.0%" in out


def test_text_fits_a_terminal_and_does_not_drive_it(folder, capsys):
    hostile = "\x1b[31mEVIL\x1b]0;owned\x07\u202e"
    table = news(scored=False).assign(asset=[hostile + "X" * 150] * 55)
    table.to_csv("n.csv", index=False)
    PRICES.rename(columns={"AAA": hostile}).to_csv("p.csv")
    for files in (["n.csv", "p.csv"], ["p.csv"]):
        code, out, err = run(capsys, "check", *files)
        assert code == 0
        assert all(len(line) <= 100 for line in out.splitlines())
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", out + err)
        assert all(ord(letter) < 127 for letter in run(capsys, "check", *files, "--json")[1])


def test_tokens_that_a_model_does_not_know_are_counted(folder, capsys, monkeypatch):
    class Model:
        def unknown_shares(self, texts):
            return np.array([0.5 if text.startswith("1") else 0.0 for text in texts])

    monkeypatch.setattr("nlp.load_classifier", lambda _: Model())
    news(scored=False).to_csv("n.csv", index=False)
    (report,) = found(capsys, "n.csv", "--model", "m")["files"]
    assert report["details"]["unknown_tokens"] == pytest.approx(0.5 * 11 / 55)
    assert report["problems"] == [
        "20.0% of the texts get no score, as too many of their tokens are unknown to m: fine-tune a model that reads "
        "their language (--base)"
    ]
    assert report["next"].startswith("newsfolio score n.csv --model m ")


UNREADABLE = {
    "none.csv": (None, "no such file"),
    "x.xlsx": (b"PK", "the ending '.xlsx' is not known"),
    "x.parquet": (b"no parquet", "cannot be read as parquet"),
    "x.csv": (b"", "No columns to parse"),
    "y.csv": (b"date,A\n2021-01-04,ten\n", "'ten' is not a number"),
    "z.csv": (b"published,asset,text\nsoon,A,text\n", "soon"),
    "l.csv": (b"text,label\nup,\n", "holds no labelled text|has no label|not known"),
    "j.jsonl": (b"[1, 2]\n", "not an object|No columns|empty"),
    "w.csv": (b"date,A\n2021-01-04,-5\n2021-01-05,7\n", "-5 for A at 2021-01-04 lies outside"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "content", "complaint"), [(k, *v) for k, v in UNREADABLE.items()])
def test_what_cannot_be_read_is_one_line_after_what_can(folder, capsys, name, content, complaint):
    PRICES.to_csv("p.csv")
    if content is not None:
        (folder / name).write_bytes(content)
    code, out, err = run(capsys, "check", name, "p.csv")
    assert (code, err.count("\n")) == (1, 1)
    assert re.search(f"^error: .*{name}.*({complaint})", err)
    assert "p.csv: prices" in out


JUNK = {"numbers": b"foo,bar\n1,2\n", "words": b"foo,bar\nabc,def\n"}


@pytest.mark.parametrize("content", JUNK.values(), ids=JUNK.keys())
def test_a_file_of_no_kind_is_said_to_be_none_with_what_each_needs(folder, capsys, content):
    (folder / "junk.csv").write_bytes(content)
    code, out, err = run(capsys, "check", "junk.csv")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("error: junk.csv: is of none of the kinds that newsfolio reads: it has foo, bar; ")
    for needed in ("news need published, asset and text", "labelled texts text and label", "signals date and"):
        assert needed in err


def test_a_wrong_date_is_named_as_it_is_written(folder, capsys):
    (folder / "p.csv").write_bytes(b"date,A\n1,2\n")
    _, _, err = run(capsys, "check", "p.csv")
    assert err.startswith("error: p.csv: row 1: 1 is not a date")


def test_labels_of_another_task_are_read_and_the_command_names_the_task(folder, capsys):
    rows = "".join(f"text number {number},{label}\n" for number, label in enumerate(["Macro", "Earnings", "a|b"] * 3))
    (folder / "topics.csv").write_text(f"text,label\n{rows}")
    code, out, err = run(capsys, "check", "topics.csv")
    assert (code, err) == (0, "")
    assert "topics.csv: labelled texts" in out
    assert "newsfolio finetune topics.csv --task NAME --out model" in out
    assert "not those of tone" in out


def test_texts_without_labels_keep_their_error(folder, capsys):
    (folder / "empty.csv").write_text("text,label\none,\ntwo,\n")
    code, out, err = run(capsys, "check", "empty.csv")
    assert (code, out, err.count("\n")) == (1, "", 1)
