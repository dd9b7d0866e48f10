"""`newsfolio demo`, its own code on a small market; only the training is replaced, by a model that knows nothing."""

import json
import sys
from types import SimpleNamespace

import pytest

import backtest
import nlp
from backtest import MarketConfig, simulate_market
from newsfolio.command.app import main
from newsfolio.command.demo import SIMULATED, provenance_of
from nlp import SentimentClassifier, embedded_corpus
from nlp.provenance import TrainingTexts, training_texts


class NoTraining:
    """What a fine-tuning reports."""

    def to_dict(self):
        """Nothing was trained."""
        return {"epochs": 0}

    def __str__(self):
        """As it is printed."""
        return "nothing trained"


@pytest.fixture
def demo(tiny_model, tmp_path, monkeypatch, capsys):
    """Run the demo with a model of this provenance; return what it printed and its folder."""
    config = MarketConfig(end="2021-06-08")
    monkeypatch.setattr(backtest, "simulate_market", lambda: simulate_market(config), raising=False)

    def run(training):
        classifier = SentimentClassifier.load(tiny_model, device="cpu")
        classifier.training = training
        monkeypatch.setattr(nlp, "finetune", lambda *_, **__: (classifier, NoTraining()), raising=False)
        monkeypatch.setattr(sys, "argv", ["newsfolio"])
        with pytest.raises(SystemExit) as ended:
            main(["demo", "--out", str(tmp_path / "demo")])
        assert not ended.value.code
        return capsys.readouterr().out, tmp_path / "demo"

    return run


def test_it_opens_with_what_the_news_added_and_says_that_all_is_simulated(demo):
    printed, folder = demo(training_texts(embedded_corpus()))
    assert "nothing trained; trained on newsfolio's embedded headlines, texts until 2026-11-21" in printed
    assert (
        printed.index("The news added") < printed.index("sentiment returned") < printed.index("sentiment without news")
    )
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.index(SIMULATED) < page.index("The news added") < page.index("sentiment returned")
    assert json.loads((folder / "manifest.json").read_text())["finetune"] == {"epochs": 0}
    for name in ("prices.parquet", "opens.parquet", "signal.parquet", "weights.parquet", "headlines.csv", "model"):
        assert (folder / name).exists()


@pytest.mark.parametrize("training", [None, TrainingTexts(), TrainingTexts(("wire",), None)])
def test_a_provenance_that_is_not_known_is_said_in_words(training):
    assert provenance_of(SimpleNamespace(training=training)) == "its training texts are not recorded"
