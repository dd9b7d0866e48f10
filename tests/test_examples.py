"""Every example runs; the README says what they say."""

import dataclasses
import importlib.util
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from simulated_bars import simulated

from allocation import Bars
from allocation.policies.strategy_file import load_policy
from nlp import FinetuneConfig, SentimentClassifier

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
VERDICT = re.compile(r"^(?:No detectable edge|An edge|A clear edge|A weak edge|The signal points)", re.MULTILINE)


def example(name: str):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_example_is_run_here():
    tested = {
        "daily_rebalance",
        "custom_constraint",
        "finetune_phrasebank",
        "multi_asset",
        "quickstart",
        "reproduce_study",
        "reuters",
        "risk_warning",
        "signal_study",
        "stocknet",
        "strategy",
        "text_tasks",
    }
    assert {path.stem for path in EXAMPLES.glob("*.py")} == tested


def test_quickstart(tiny_model, capsys):
    example("quickstart").main(FinetuneConfig(base=str(tiny_model), epochs=1, max_length=32))
    printed = capsys.readouterr().out
    assert "fine-tuned" in printed
    assert re.search(r"next session: rank IC [+-]0\.\d{4}", printed)
    assert re.search(r"^sentiment .*^equal weight ", printed, re.MULTILINE | re.DOTALL)


def test_custom_constraint(capsys):
    example("custom_constraint").main()
    printed = capsys.readouterr().out
    assert "half cash holds it at" in printed
    assert "Crowding(crowded=" in printed


def test_multi_asset_on_its_last_months(real_data, tmp_path, capsys):
    prices = pd.read_csv(real_data / "etf_core_adjclose.csv")
    prices.iloc[-340:].to_csv(tmp_path / "etf_core_adjclose.csv", index=False)
    example("multi_asset").main(tmp_path)
    printed = capsys.readouterr().out
    assert "24 funds, 5 month ends" in printed
    assert "least risk, within bounds" in printed
    assert "TLT: " in printed


def test_multi_asset_says_which_file_is_missing(tmp_path):
    with pytest.raises(SystemExit, match="lacks etf_core_adjclose.csv: point NEWSFOLIO_DATA"):
        example("multi_asset").main(tmp_path)


def test_reproduce_study_on_news_and_prices_of_ones_own(tiny_model, tmp_path, capsys):
    """Twelve stocks, three headlines a session in each window; every word is in the list."""
    module, random = example("reproduce_study"), np.random.default_rng(0)
    sessions = pd.bdate_range("2021-02-01", periods=25, name="date")
    stocks = [f"S{number:02d}" for number in range(12)]
    close = pd.DataFrame(50 * np.cumprod(1 + 0.01 * random.standard_normal((25, 12)), axis=0), sessions, stocks)
    hours = pd.to_timedelta(random.choice([12, 18, 23], 25 * 12 * 3), unit="h")  # before, in and after the session
    news = pd.DataFrame({
        "published": sessions.repeat(36).tz_localize("UTC") + hours,
        "asset": np.tile(stocks, 75),
        "text": [f"{word} number {row}" for row, word in enumerate(random.choice(["gain", "loss", "sale"], 900))],
    })  # fmt: skip
    words = pd.DataFrame({"word": ["gain", "loss"], "category": ["positive", "negative"]})
    words.to_csv(tmp_path / "words.csv", index=False)
    module.FEWEST_NAMES = 5
    scorers = module.scorers(tmp_path / "words.csv", tiny_model)
    module.main(news, Bars(close, close.shift(1).bfill()), scorers, tmp_path / "out")
    printed = capsys.readouterr().out
    assert printed.count("placebo, ") == 2 * 3
    table = pd.read_csv(tmp_path / "out" / "table.csv")
    assert len(table) == 2 * 3 * 4
    assert (table["sessions"] > 10).all()
    steps = table.groupby(["scorer", "window"])["bp a session"].apply(lambda bp: (bp.iloc[0] - bp).round(1).tolist())
    assert all(step == pytest.approx([0, 20, 40, 100], abs=0.11) for step in steps)


def test_reproduce_study_on_a_tenth_of_the_tweets(real_data, tmp_path, capsys):
    module = example("reproduce_study")
    news, bars = module.stocknet(real_data)
    module.PLACEBOS = 5
    module.main(news.iloc[::10], bars, module.scorers(real_data / module.NEEDED[2], None), tmp_path)
    assert "word list, after close: 95 % of 5 shuffles" in capsys.readouterr().out


def test_daily_rebalance(tmp_path, capsys):
    example("daily_rebalance").main(tmp_path)
    printed = capsys.readouterr().out
    assert re.search(r"repeated: \d{4}-\d\d-\d\d had been decided", printed)
    assert float(re.search(r"apart from the backtest's: (\S+)", printed)[1]) < 1e-10


def test_strategy():
    assert callable(load_policy(EXAMPLES / "strategy.py"))


def test_finetune_phrasebank(real_data, tiny_model, tmp_path, capsys):
    """The example's own code; the encoder knows nothing and learns nothing in a hundredth of a pass."""
    config = FinetuneConfig(base=str(tiny_model), epochs=0.01, max_length=32)
    example("finetune_phrasebank").main(tmp_path / "out", real_data, config)
    printed = capsys.readouterr().out
    for word in ("fine-tuned", "majority", "word list", "agree"):
        assert word in printed
    assert (tmp_path / "out" / "evaluation.html").stat().st_size > 10_000
    assert SentimentClassifier.load(tmp_path / "out" / "model").reads_amounts


def test_stocknet_on_a_few_stocks(real_data, tiny_model, tmp_path, monkeypatch, capsys):
    """The example's own code on six stocks; only the training is replaced, by a model that knows nothing."""
    few = ["AAPL", "MSFT", "XOM", "JPM", "PFE", "WMT"]
    for name in ("stocknet_news", "stocknet_prices"):
        table = pd.read_parquet(real_data / f"{name}.parquet")
        table = table[table["ticker"].isin(few)]
        table.iloc[:: 4 if name == "stocknet_news" else 1].to_parquet(tmp_path / f"{name}.parquet")
    (tmp_path / "twitter_financial_news.parquet").touch()
    module = example("stocknet")
    monkeypatch.setattr(module, "train", lambda _: SentimentClassifier.load(tiny_model, device="cpu"))
    monkeypatch.setattr(module, "MOST_PER_STOCK", 0.4)
    module.main(tmp_path / "out", tmp_path)
    printed = capsys.readouterr().out
    assert "next session, signal as traded: rank IC" in printed
    assert "same without signal" in printed
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000


def test_stocknet_says_which_files_are_missing(tmp_path):
    with pytest.raises(
        SystemExit, match="lacks twitter_financial_news.parquet, stocknet_news.parquet, stocknet_prices.parquet"
    ):
        example("stocknet").main(tmp_path / "out", tmp_path)


def test_signal_study_on_a_few_stocks(real_data, tmp_path, capsys):
    """Six stocks and four shuffles; all else is the example's own."""
    few = ["AAPL", "MSFT", "XOM", "JPM", "PFE", "WMT"]
    for name in ("stocknet_news", "stocknet_prices"):
        table = pd.read_parquet(real_data / f"{name}.parquet")
        table[table["ticker"].isin(few)].to_parquet(tmp_path / f"{name}.parquet")
    for name in (
        "stocknet_sectors.csv", "benzinga_sample.parquet", "loughran_mcdonald_2014.csv",
        "peers/cvxportfolio_paper_returns.csv.gz",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(real_data / name)
    example("signal_study").main(tmp_path / "out", tmp_path, shuffles=2)
    printed = capsys.readouterr().out
    assert len(VERDICT.findall(printed)) == 2
    assert printed.count("good news, session 0") == 2
    for name in ("stocknet", "benzinga"):
        assert (tmp_path / "out" / f"{name}.html").stat().st_size > 30_000


def test_signal_study_says_which_files_are_missing(tmp_path):
    with pytest.raises(SystemExit, match="lacks stocknet_news.parquet, .*, loughran_mcdonald_2014.csv"):
        example("signal_study").main(tmp_path / "out", tmp_path)


def headlines_and_prices(folder, years=(2014, 2015), panel="us_large_prices"):
    """Fifteen stocks over two years of any sort, and headlines whose word moves the price of their own session."""
    random = np.random.default_rng(1)
    sessions = pd.bdate_range(f"{years[0]}-06-02", f"{years[1]}-04-30", name="date")
    stocks = [f"S{number:02d}" for number in range(15)]
    tones = random.choice([-1, 0, 1], (len(sessions), 15), p=(0.2, 0.6, 0.2))
    returns = 0.01 * random.standard_normal(tones.shape) + 0.004 * tones
    close = pd.DataFrame(50 * np.cumprod(1 + returns, axis=0), sessions, stocks)
    opens = close.shift(1).bfill()
    opens.iloc[40, 3] = close.iloc[40, 3] = np.nan
    long = close.stack().rename_axis(["date", "asset"]).rename("close").reset_index()
    long["open"] = opens.stack().reindex(pd.MultiIndex.from_frame(long[["date", "asset"]])).to_numpy()
    if panel == "us_large_prices":
        long["adj_close"] = long["close"] * 0.9
    (folder / "market").mkdir(exist_ok=True)
    long.to_parquet(folder / "market" / f"{panel}.parquet")
    row, column = np.nonzero(tones)
    words = np.where(tones[row, column] > 0, "gain", "loss")
    news = pd.DataFrame({
        "published": sessions[row].tz_localize("America/New_York").tz_convert("UTC") + pd.Timedelta(hours=12),
        "asset": np.array(stocks)[column],
        "text": [f"{word} at number {number}" for number, word in enumerate(words)],
    })  # fmt: skip
    news.to_parquet(folder / "market" / "reuters_company_news.parquet")
    words = pd.DataFrame({"word": ["gain", "loss"], "category": ["positive", "negative"]})
    words.to_csv(folder / "loughran_mcdonald_2014.csv", index=False)


@pytest.mark.parametrize("panel", ["us_large_prices", "djia30_prices_2006"])
def test_reuters_on_other_years_made_up(tmp_path, capsys, panel):
    headlines_and_prices(tmp_path, panel=panel)
    example("reuters").main(tmp_path, tmp_path / "out", shuffles=2)
    printed = capsys.readouterr().out
    assert re.search(r"^2014 .*%.*^2015 .*%", printed, re.MULTILINE | re.DOTALL)
    assert "15 stocks, 2 missing prices filled" in printed
    assert "The news goes with the return of its own session" in printed
    assert VERDICT.search(printed)
    assert "by cost in basis points of the traded value: 0: " in printed
    assert len(list((tmp_path / "out").glob("*.html"))) == 1


def test_reuters_takes_a_model(tiny_model, tmp_path, capsys):
    headlines_and_prices(tmp_path)
    (tmp_path / "loughran_mcdonald_2014.csv").unlink()
    module = example("reuters")
    few = pd.read_parquet(tmp_path / module.NEWS).iloc[:40]
    assert module.scorer(tmp_path, tiny_model)(few)["score"].between(-1, 1).all()
    with pytest.raises(SystemExit, match="lacks loughran_mcdonald_2014.csv: point NEWSFOLIO_DATA"):
        module.main(tmp_path, tmp_path / "out")


def test_reuters_says_what_it_found_and_nothing_else():
    from backtest import InformationCoefficient

    module, noise = example("reuters"), np.random.default_rng(1).standard_normal(400)
    noise -= noise.mean()
    index = pd.bdate_range("2014-01-02", periods=400)

    def said(same, following, added):
        ics = [InformationCoefficient("", pd.Series(0.1 * noise + mean, index)) for mean in (same, following)]
        return " ".join(module.conclusions(*ics, pd.Series(0.001 * noise + added, index), 252))

    nothing = said(0.0, 0.0, 0.0)
    assert "is not seen to go with its own session" in nothing
    assert "not seen to predict the next one" in nothing
    assert "cannot be told from nothing" in nothing
    much = said(0.05, 0.05, 0.001)
    assert "goes with the return of its own session" in much
    assert "look for a look-ahead" in much
    assert "It added to the policy (+" in much
    assert "It cost the policy (-" in said(0.05, 0.0, -0.001)
    assert "not seen" not in much
    assert "look-ahead" not in nothing


def test_the_readme_shows_the_quickstart_as_it_is():
    block = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL).group(1)
    shown = [line.strip() for line in block.splitlines() if line.strip()]
    code = [line.strip() for line in (EXAMPLES / "quickstart.py").read_text(encoding="utf-8").splitlines()]
    assert len(shown) > 12
    chosen = ("FinetuneConfig.preset", "config or FinetuneConfig.preset")
    assert [line for line in shown if line not in code and line.replace(*chosen) not in code] == []


def test_the_readme_lists_the_commands_that_there_are():
    import typer.main

    from newsfolio.command.app import app

    listed = re.findall(r"^\| `newsfolio (\w+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(typer.main.get_command(app).commands)


def test_text_tasks(tiny_model, real_data, tmp_path, capsys):
    tasks = example("text_tasks")
    folder = tmp_path / "data" / "text"
    folder.mkdir(parents=True)
    for name in ("fomc", "reuters"):
        task = tasks.TASKS[name]
        rows = pd.read_parquet(real_data / "text" / task.file)
        common = rows["label"].value_counts().index[:4]  # "interest|money-fx" is the eighth of Reuters
        few = rows[rows["label"].isin([*common, "interest|money-fx"])].groupby("label").head(40)
        few.to_parquet(folder / task.file)
        short = FinetuneConfig(base=str(tiny_model), epochs=1, max_length=32)
        tasks.TASKS[name] = dataclasses.replace(task, config=short)
    tasks.main(tmp_path / "out", tmp_path / "data", ["fomc", "reuters"])
    printed = capsys.readouterr().out
    assert re.search(r"^fomc, .*linear SVM", printed, re.MULTILINE | re.DOTALL)
    assert re.search(r"^reuters, .*micro-F1", printed, re.MULTILINE | re.DOTALL)
    assert (tmp_path / "out" / "reuters" / "model.safetensors").is_file()


def test_risk_warning_on_years_made_up(tmp_path, capsys):
    bars, _ = simulated(31, 620, 3)
    sessions = pd.bdate_range("2007-01-02", periods=620)
    marks = {name: part.set_axis(sessions, axis=0) for name, part in vars(bars).items() if part is not None}
    table = (
        pd.DataFrame({name: part.stack() for name, part in marks.items()}).rename_axis(["date", "asset"]).reset_index()
    )
    (tmp_path / "market").mkdir()
    table.to_parquet(tmp_path / "market" / "djia30_prices_2006.parquet")
    random = np.random.default_rng(0)
    pd.DataFrame(
        {
            "published": (sessions[random.integers(0, 620, 900)] + pd.Timedelta(hours=17)).tz_localize("UTC"),
            "asset": random.choice(list(bars.close.columns), 900),
            "text": [f"{word} of {number}" for number, word in enumerate(random.choice(["gain", "loss"], 900))],
        }
    ).to_parquet(tmp_path / "market" / "reuters_company_news.parquet")
    words = pd.DataFrame({"word": ["gain", "loss"], "category": ["positive", "negative"]})
    words.to_csv(tmp_path / "loughran_mcdonald_2014.csv", index=False)
    example("risk_warning").main(tmp_path, tmp_path / "out", closes=("2008-09-15",), placebos=1)
    printed = capsys.readouterr().out
    assert "# known at the close of 2008-09-15" in printed
    assert "HAR's QLIKE" in printed
    assert (tmp_path / "out" / "risk_warning.html").is_file()


def test_risk_warning_says_which_file_is_missing(tmp_path):
    with pytest.raises(SystemExit, match="lacks market/djia30_prices_2006.parquet.*: point NEWSFOLIO_DATA"):
        example("risk_warning").main(tmp_path, tmp_path / "out")
