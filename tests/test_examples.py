"""Every example runs; the README says what they say."""

import importlib.util
import re
from pathlib import Path

import pandas as pd
import pytest

from backtest.cli import load_policy
from nlp import FinetuneConfig, SentimentClassifier

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


def example(name: str):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_example_is_run_here():
    tested = {"finetune_phrasebank", "quickstart", "stocknet", "strategy"}
    assert {path.stem for path in EXAMPLES.glob("*.py")} == tested


def test_quickstart(tiny_model, capsys):
    example("quickstart").main(FinetuneConfig(base=str(tiny_model), epochs=1, max_length=32))
    printed = capsys.readouterr().out
    assert "fine-tuned" in printed
    assert re.search(r"next session: rank IC [+-]0\.\d{4}", printed)
    assert re.search(r"^sentiment .*^equal weight ", printed, re.MULTILINE | re.DOTALL)


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


def test_the_readme_shows_the_quickstart_as_it_is():
    block = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL).group(1)
    shown = [line.strip() for line in block.splitlines() if line.strip()]
    code = [line.strip() for line in (EXAMPLES / "quickstart.py").read_text(encoding="utf-8").splitlines()]
    assert len(shown) > 12
    assert [line for line in shown if line.replace("FinetuneConfig.small", "config or FinetuneConfig.small") not in code
            and line not in code] == []  # fmt: skip


def test_the_readme_lists_the_commands_that_there_are():
    from newsfolio import app

    listed = re.findall(r"^\| `newsfolio (\w+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(command.name or command.callback.__name__ for command in app.registered_commands)
