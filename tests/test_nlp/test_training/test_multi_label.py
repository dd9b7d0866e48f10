"""Several labels per text: loss and targets, training, saving, the command from a file to scores."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from newsfolio.command.app import main
from nlp.errors import CorpusError, ModelError
from nlp.model.classifier import TextClassifier
from nlp.model.ensemble import SentimentEnsemble, TextEnsemble, load_classifier
from nlp.training.base_model import load_base
from nlp.training.finetune import finetune, refit
from nlp.training.techniques.loss import bernoulli_loss, trainer_loss

LABELS = ("corn", "crude", "grain", "ship")
CELLS = ("grain|corn", "crude", "ship|crude", "grain")
pytestmark = pytest.mark.usefixtures("one_thread")


def corpus(n=6):
    """Texts whose words are their labels, told apart by letters."""
    letters = [f"{a}{b} {c} {d}" for a, b, c, d in product("abcdef", "klmno", "pqrs", "uvwx")]
    rows = [(f"{cell.replace('|', ' ')} {letters[3 * number]}", cell) for number, cell in enumerate(CELLS * n)]
    return pd.DataFrame(rows, columns=["text", "label"])


@pytest.fixture(scope="module")
def trained(config):
    return finetune(corpus(), corpus(3), config, task="topic")


class TestLoss:
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    yes = torch.tensor([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0], [0, 0, 1]]).float()

    def targets(self, counts=None):
        counts = torch.ones(5) if counts is None else counts
        return torch.stack([1 - self.yes, self.yes], dim=-1) * counts[:, None, None]

    def test_it_is_torchs_binary_cross_entropy_summed_over_labels(self):
        theirs = torch.nn.functional.binary_cross_entropy_with_logits(self.logits, self.yes, reduction="sum") / 5
        ours = bernoulli_loss(self.logits, self.targets())
        torch.testing.assert_close(ours, theirs)
        torch.testing.assert_close(*(torch.autograd.grad(each, self.logits)[0] for each in (ours, theirs)))

    def test_a_text_counts_by_its_weight(self):
        counts = torch.tensor([0.5, 2.0, 1.0, 0.0, 1.5])
        each = torch.nn.functional.binary_cross_entropy_with_logits(self.logits, self.yes, reduction="none").sum(1)
        torch.testing.assert_close(bernoulli_loss(self.logits, self.targets(counts)), (counts * each).sum() / 5)

    def test_smoothing_goes_towards_one_half(self):
        smooth = 0.9 * self.yes + 0.05
        theirs = torch.nn.functional.binary_cross_entropy_with_logits(self.logits, smooth, reduction="sum") / 5
        torch.testing.assert_close(bernoulli_loss(self.logits, self.targets(), smoothing=0.1), theirs)

    @pytest.mark.parametrize("rdrop", [0.0, 1.0])
    def test_micro_batches_add_up_to_the_batch(self, rdrop):
        passes = 2 if rdrop else 1
        logits = torch.randn(5 * passes, 3, generator=torch.Generator().manual_seed(1))
        loss = trainer_loss(rdrop=rdrop)

        class Output:
            def __init__(self, logits):
                self.logits = logits

        whole = loss(Output(logits), self.targets())
        parts = [
            loss(Output(logits[passes * a : passes * b]), self.targets()[a:b], num_items_in_batch=5 * 3 * 2)
            for a, b in ((0, 2), (2, 5))
        ]
        torch.testing.assert_close(sum(parts), whole)

    def test_rdrop_adds_the_divergence_of_both_passes_summed_over_labels(self):
        logits = torch.randn(10, 3, generator=torch.Generator().manual_seed(1))

        class Output:
            pass

        Output.logits = logits
        p, q = logits[::2].sigmoid(), logits[1::2].sigmoid()
        apart = (p - q) * (p.log() - q.log()) + (q - p) * ((1 - p).log() - (1 - q).log())
        expected = trainer_loss()(Output, self.targets()) + apart.sum() / 2 / 5
        torch.testing.assert_close(trainer_loss(rdrop=1.0)(Output, self.targets()), expected)


def test_labels_are_independent_and_survive_saving(trained, tmp_path):
    classifier, report = trained
    assert (classifier.labels, classifier.multi_label, classifier.task) == (LABELS, True, "topic")
    probabilities = classifier.predict_proba(list(corpus()["text"]))
    assert probabilities.shape == (24, 4)
    assert ((probabilities > 0) & (probabilities < 1)).all()
    assert not np.allclose(probabilities.sum(axis=1), 1.0)
    assert "micro-F1" in str(report)
    assert report.config.class_weight_power == 0.0
    loaded = load_classifier(classifier.save(tmp_path / "m"), dtype="float32")
    assert (loaded.labels, loaded.multi_label, loaded.temperature) == (LABELS, True, classifier.temperature)
    assert loaded.fingerprint == classifier.fingerprint
    np.testing.assert_array_equal(loaded.predict_proba(list(corpus()["text"])), probabilities)


def test_probabilities_equal_the_plain_forward_pass(trained):
    classifier, texts = trained[0], list(corpus(2)["text"])
    given = [classifier.tokenizer(text, return_tensors="pt") for text in texts]
    with torch.no_grad():
        logits = torch.cat([classifier.model(**each).logits for each in given])
    expected = torch.sigmoid(logits / classifier.temperature).numpy()
    np.testing.assert_allclose(classifier.predict_proba(texts), expected, atol=1e-5)


def test_a_config_that_says_something_else_is_refused(trained, tmp_path):
    folder = trained[0].save(tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"problem_type": "single_label_classification"}))
    with pytest.raises(ModelError, match="has the problem_type single_label_classification, another than"):
        TextClassifier.load(folder)


def test_a_single_label_head_on_a_multi_label_base_has_softmax_again(trained, tmp_path, config):
    from dataclasses import replace

    base = trained[0].save(tmp_path / "m")
    rows = corpus().assign(label=[cell.split("|")[0] for cell in corpus()["label"]])
    single = finetune(rows, rows, replace(config, base=str(base)), task="topic")[0]
    assert not single.multi_label
    np.testing.assert_allclose(single.predict_proba(list(rows["text"])).sum(axis=1), 1.0, atol=1e-5)


def test_a_refit_is_multi_label_too(config):
    again = refit(corpus(), config, temperature=1.5, task="topic")
    assert (again.multi_label, again.temperature) == (True, 1.5)


def test_rare_techniques_take_several_labels(config):
    from dataclasses import replace

    settings = replace(config, rdrop=1.0, label_smoothing=0.1, focal_gamma=1.0, patience=1, adversarial_norm=0.1)
    assert finetune(corpus(), corpus(2), settings, task="topic")[0].multi_label


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (corpus().assign(label="a |b"), "a \\| with a blank on one side"),
        (corpus().assign(label="a||b"), "an empty name"),
        (corpus().assign(label=["a|b", None, *["a"] * 22]), "the label .* is no text"),
        (
            corpus(30).assign(label=[f"l{n}|k{n}" for n in range(120)]),
            "240 different labels, at most 100 are possible",
        ),
    ],
    ids=["half a bar", "no name", "empty", "many"],
)
def test_what_cannot_be_learnt_is_named(config, rows, message, monkeypatch):
    monkeypatch.setattr("nlp.training.finetune.load_base", None)
    rows = rows.assign(label=[*rows["label"][:-1], "a|b"]) if "blank" in message else rows
    with pytest.raises(CorpusError, match=message):
        finetune(rows, rows, config, task="topic")


def test_a_label_without_a_training_text_is_named(config, monkeypatch):
    monkeypatch.setattr("nlp.training.finetune.load_base", None)
    with pytest.raises(CorpusError, match="no training text is labelled ship"):
        finetune(corpus()[lambda rows: ~rows["label"].str.contains("ship")], corpus(), config, task="topic")


def test_an_ensemble_is_the_mean_and_is_saved_with_its_task(trained, config, tmp_path):
    other = refit(corpus(), config, temperature=1.0, task="topic")
    both, texts = TextEnsemble([trained[0], other]), list(corpus(2)["text"])
    mean = (trained[0].predict_proba(texts) + other.predict_proba(texts)) / 2
    np.testing.assert_allclose(both.predict_proba(texts), mean, atol=1e-6)
    loaded = load_classifier(both.save(tmp_path / "e"), dtype="float32", task="topic")
    assert (loaded.labels, loaded.multi_label, loaded.fingerprint) == (LABELS, True, both.fingerprint)
    np.testing.assert_array_equal(loaded.predict_proba(texts), both.predict_proba(texts))
    with pytest.raises(ModelError, match="is a classifier of topic, not of tone"):
        load_classifier(tmp_path / "e", task="tone")
    with pytest.raises(ModelError, match="member 0 of the ensemble: its task is topic, not tone"):
        SentimentEnsemble([trained[0]])


def test_an_ensemble_of_one_at_a_temperature_is_its_logits_divided(trained):
    classifier, texts = trained[0], list(corpus(2)["text"])
    p = classifier.predict_proba(texts).astype(float)
    expected = 1 / (1 + np.exp(-np.log(p / (1 - p)) / 2))
    np.testing.assert_allclose(TextEnsemble([classifier], temperature=2.0).predict_proba(texts), expected, atol=1e-5)


@pytest.fixture
def run(tmp_path, monkeypatch, tiny_model, capsys):
    """Run `newsfolio` in a folder that holds the corpus; return exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base").symlink_to(tiny_model)
    corpus(14).to_csv("topics.csv", index=False)

    def run(line):
        with pytest.raises(SystemExit) as ended:
            main(line.split())
        return int(ended.value.code or 0), *capsys.readouterr()

    return run


def test_the_command_trains_measures_and_scores(run, caplog):
    code, out, err = run("finetune topics.csv --task topic --base base --out m --epochs 1")
    assert code == 0, err
    assert "topic: a text may have several of 4 labels: | without blanks divides them" in caplog.text
    card = Path("m/README.md").read_text()
    assert "Labels of topic, several per text: corn, crude, grain, ship." in card
    assert "| micro-F1 |" in card
    code, out, err = run("evaluate m topics.csv --json --train topics.csv --out page --against m")
    assert code == 1  # all training texts of the baselines are test texts
    backwards = corpus(5)["text"].map(lambda text: " ".join(reversed(text.split())))
    corpus(5).assign(text=backwards).to_csv("other.csv", index=False)
    code, out, err = run("evaluate m topics.csv --json --train other.csv --out page")
    assert code == 0, err
    figures = json.loads(out)
    assert figures["n"] == 56
    assert {"accuracy", "macro_f1", "micro_f1", "brier", "accuracy_interval", "micro_f1_interval"} <= set(figures)
    assert set(figures["per_class"]) == set(LABELS)
    assert set(figures["baselines"]) == {"majority", "TF-IDF + logistic regression"}
    assert "micro-F1" in run("evaluate m topics.csv")[1]
    pd.DataFrame({"text": ["grain corn", "crude"]}).to_csv("news.csv", index=False)
    code, out, err = run("score news.csv --model m --out scored.parquet --store s.sqlite")
    assert code == 0, err
    table = pd.read_parquet("scored.parquet")
    assert list(table.columns) == ["text", *LABELS, "label"]
    for _, row in table.iterrows():
        assert row["label"] == "|".join(label for label in LABELS if row[label] >= 0.5)
    tone = run("score news.csv --model base --out tone.parquet --no-store")[1]
    code, out, err = run("score news.csv --model base --model m --out both.parquet --store s.sqlite")
    assert code == 0, err
    assert "4 texts computed" not in out  # the second model's scores are in the store
    assert out.split(";")[0] == tone.split(";")[0]
    expected = table.drop(columns="text").add_prefix("topic_")
    expected = pd.concat([pd.read_parquet("tone.parquet"), expected], axis=1)
    pd.testing.assert_frame_equal(pd.read_parquet("both.parquet"), expected, check_exact=True)
    for words, message in (
        ("--model m --model m", "error: two models are of topic: name one, or join them as an ensemble"),
        ("--model m --model base --task topic", "--ray and --task are for one --model"),
    ):
        code, _, err = run(f"score news.csv {words} --out never.csv --no-store")
        assert code
        assert message in err
    assert not Path("never.csv").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("finetune empty.csv --task topic --base base --out x", "row 3: has no label (1 such rows): add or drop them"),
        ("finetune one.csv --task topic --base base --out x", "all texts have the label a: a classifier needs two"),
        ("finetune half.csv --task topic --base base --out x", "row 2: the label 'a| b' has a | with a blank on one"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(run, words, message):
    rows = corpus()
    rows.assign(label=["a|b", "b", None, *["a"] * 21]).to_csv("empty.csv", index=False)
    rows.assign(label="a|a").to_csv("one.csv", index=False)
    rows.assign(label=["a|b", "a| b", *["a"] * 22]).to_csv("half.csv", index=False)
    code, out, err = run(words)
    assert (code, out) == (1, "")
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_a_head_begins_with_the_shares_of_the_labels(config):
    model = load_base(config.base, 0, labels=("a", "b", "c"), shares=np.array([0.5, 0.1, 0.0]))[0]
    np.testing.assert_allclose(torch.sigmoid(model.classifier.bias.detach()), [0.5, 0.1, 1e-4], rtol=1e-3)
    assert model.config.problem_type == "multi_label_classification"
    assert load_base(config.base, 0, labels=("a", "b", "c"))[0].classifier.bias.abs().max() == 0.0
