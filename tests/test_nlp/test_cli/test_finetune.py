"""Any task: labels that the corpus brings, trained, measured, scored and refused in one line."""

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from newsfolio.command.app import main
from nlp import SentimentClassifier, TextClassifier, evaluate_probabilities, finetune, load_classifier
from nlp.errors import CorpusError, ModelError, NewsError
from nlp.labels import MOST_LABELS
from nlp.scoring.score import score_headlines
from nlp.training.recipe import FinetuneConfig

pytestmark = pytest.mark.usefixtures("one_thread")

TOPICS = {
    "Fed | Central Banks": "the fed",
    "IPO": "shares of",
    "M&A": "net loss",
    "Personnel Change": "said 5",
    "macro": "profit rises",
}
LABELS = tuple(sorted(TOPICS))
DIGITS = [f"{a} {b} {c}" for a, b, c in product("abcd", "wxyz", "1234")]


def corpus(per_label=12, topics=TOPICS):
    rows = [(f"{words} {DIGITS[7 * n + k]}", label) for k, (label, words) in enumerate(topics.items())
            for n in range(min(per_label, 9))]  # fmt: skip
    rows += [(f"{DIGITS[5 * n + k]} in the sales {words}", label) for k, (label, words) in enumerate(topics.items())
             for n in range(max(0, per_label - 9))]  # fmt: skip
    return pd.DataFrame(rows, columns=["text", "label"])


@pytest.fixture(scope="module")
def config(tiny_model):
    return FinetuneConfig(base=str(tiny_model), epochs=8, batch_size=8, learning_rate=2e-3, dropout=0.0)


@pytest.fixture(scope="module")
def topics(config):
    return finetune(corpus(), corpus(), config, task="topic")


def test_five_labels_are_learnt_by_heart_and_named(topics):
    classifier, report = topics
    assert isinstance(classifier, TextClassifier)
    assert not isinstance(classifier, SentimentClassifier)
    assert (classifier.task, classifier.labels, classifier.multi_label) == ("topic", LABELS, False)
    assert report.valid_accuracy > 0.9
    probabilities = classifier.predict_proba(list(corpus()["text"]))
    assert probabilities.shape == (len(corpus()), 5)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-6)
    assert (np.array(LABELS)[probabilities.argmax(axis=1)] == corpus()["label"]).mean() == report.valid_accuracy
    assert classifier.predict_proba([]).shape == (0, 5)


def test_save_and_load_keep_task_labels_and_every_bit(topics, tmp_path):
    classifier, texts = topics[0], list(corpus()["text"])
    folder = classifier.save(tmp_path / "topic")
    for load in (TextClassifier.load, load_classifier):
        again = load(folder, device="cpu", dtype="float32")
        assert (again.task, again.labels, again.fingerprint) == ("topic", LABELS, classifier.fingerprint)
        assert again.predict_proba(texts).tobytes() == classifier.predict_proba(texts).tobytes()
    with pytest.raises(ModelError, match="labels are .* needed are negative, neutral, positive"):
        SentimentClassifier.load(folder)
    with pytest.raises(ModelError, match="is a classifier of topic, not of stance: name another model"):
        load_classifier(folder, task="stance")
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] |= {"0": config["id2label"]["1"], "1": config["id2label"]["0"]}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="labels in another order than the model was saved with"):
        TextClassifier.load(folder)


def test_a_model_of_tone_is_a_text_classifier_too(tiny_model):
    tone = TextClassifier.load(tiny_model, device="cpu", dtype="float32")
    same = SentimentClassifier.load(tiny_model, device="cpu", dtype="float32")
    assert (tone.task, tone.labels) == ("tone", ("negative", "neutral", "positive"))
    assert tone.fingerprint == same.fingerprint
    assert tone.predict_proba(["profit"]).tobytes() == same.predict_proba(["profit"]).tobytes()


@pytest.mark.parametrize("n_labels", [2, 5, 20])
def test_figures_are_those_of_scikit_learn_for_any_number_of_labels(n_labels):
    draw, names = np.random.default_rng(n_labels), [f"l{number:02d}" for number in range(n_labels)]
    truth, probabilities = draw.integers(0, n_labels, 300), draw.dirichlet(np.ones(n_labels), 300).astype(np.float32)
    truth = np.where(draw.random(300) < 0.5, probabilities.argmax(axis=1), truth)
    found = evaluate_probabilities(probabilities, pd.Series(names)[truth].reset_index(drop=True), names=names)
    guess, codes = probabilities.argmax(axis=1), list(range(n_labels))
    assert found.accuracy == pytest.approx(accuracy_score(truth, guess))
    assert found.macro_f1 == pytest.approx(f1_score(truth, guess, labels=codes, average="macro", zero_division=0.0))
    assert found.mcc == pytest.approx(matthews_corrcoef(truth, guess))
    figures = found.to_dict()
    assert figures["micro_f1"] == pytest.approx(f1_score(truth, guess, average="micro"))
    for name in ("accuracy", "macro_f1", "micro_f1", "mcc", "ece"):
        low, high = figures[f"{name}_interval"]
        assert low <= figures[name] <= high
    assert list(found.confusion.columns) == names


def test_headlines_get_a_column_per_label_and_the_likeliest(topics):
    news = pd.DataFrame({"text": ["the fed a w 1", "profit rises"], "asset": "X"})
    scored = score_headlines(news, topics[0])
    assert list(scored.columns) == ["text", "asset", *LABELS, "label"]
    assert scored["label"].tolist() == [LABELS[code] for code in scored[list(LABELS)].to_numpy().argmax(axis=1)]
    with pytest.raises(NewsError, match="have a column IPO, which the scores need: rename or drop it"):
        score_headlines(news.assign(IPO=1), topics[0])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (corpus().assign(label="IPO"), "all texts have the label IPO: a classifier needs two or more"),
        (
            corpus().assign(label=[f"l{n}" for n in range(len(corpus()))]).pipe(lambda r: pd.concat([r, r.assign(
                label=r["label"] + "x", text=r["text"] + " x")], ignore_index=True)),
            f"120 different labels, at most {MOST_LABELS} are possible",
        ),
        (corpus().assign(label=7), "the label 7 is no text"),
        (corpus().query("label != 'IPO'"), "no training text is labelled IPO"),
        (corpus().drop(columns="label"), "training texts: has no column label"),
    ],
    ids=["one label", "many labels", "numbers", "no training text", "no column"],
)  # fmt: skip
def test_label_sets_that_cannot_be_trained_on_are_named(config, rows, message, monkeypatch):
    monkeypatch.setattr("nlp.training.finetune.load_base", None)  # seen before the training
    with pytest.raises(CorpusError, match=message):
        finetune(rows, corpus() if "no training text" in message else rows, config, task="topic")


def test_soft_targets_are_for_labels_in_an_order(config):
    with pytest.raises(ModelError, match="soft_targets need labels in an order"):
        finetune(corpus(), corpus(), replace(config, soft_targets=True), task="topic")


def test_models_of_different_tasks_are_not_compared(topics, folder, run):
    topics[0].save(folder / "m")
    code, _, err = run("evaluate m topics.csv --against base")
    assert code == 1
    assert err == "error: base: has other labels than m: compare models of one task\n"


@pytest.fixture
def folder(tmp_path, monkeypatch, tiny_model):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base").symlink_to(tiny_model)
    corpus(14).to_csv("topics.csv", index=False)
    return tmp_path


@pytest.fixture
def run(folder, capsys):
    """Run `newsfolio` in the folder; return exit code, output and errors."""

    def run(line):
        with pytest.raises(SystemExit) as ended:
            main(line.split())
        return int(ended.value.code or 0), *capsys.readouterr()

    return run


def test_the_command_trains_measures_and_scores(folder, run):
    code, _, err = run("finetune topics.csv --task topic --base base --out m --epochs 1")
    assert code == 0, err
    card = (folder / "m" / "README.md").read_text()
    assert "Labels of topic: Fed \\| Central Banks, IPO, M&amp;A, Personnel Change, macro." in card
    assert "tone of a text" not in card
    _, out, _ = run("evaluate m topics.csv --json --task topic --out page")
    figures = json.loads(out)
    assert figures["n"] == len(pd.read_csv("topics.csv"))
    assert figures["micro_f1"] == figures["accuracy"]
    assert len(figures["macro_f1_interval"]) == len(figures["micro_f1_interval"]) == 2
    assert set(figures["confusion"]) == set(LABELS)
    assert (folder / "page" / "evaluation.html").is_file()
    assert "Fed | Central Banks" in run("evaluate m topics.csv")[1]
    pd.DataFrame({"text": ["the fed", "net loss"]}).to_csv("news.csv", index=False)
    code, out, err = run("score news.csv --model m --out scored.csv --store s.sqlite")
    assert "2 headlines scored; 2 texts computed" in out, err
    table = pd.read_csv("scored.csv")
    assert list(table.columns) == ["text", *LABELS, "label"]
    assert "0 texts computed" in run("score news.csv --model m --out again.csv --store s.sqlite")[1]
    pd.testing.assert_frame_equal(pd.read_csv("again.csv"), table)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("finetune topics.csv --task topic --labels 0=negative --base base --out m", "--labels and --preset full are"),
        ("finetune topics.csv --task topic --preset full --base base --out m", "--labels and --preset full are for"),
        ("finetune topics.csv --base base --text text,label --out m", "--text is for other tasks than tone"),
        ("finetune topics.csv --base base --task topic --text text,body --out m", "has no column body"),
        ("finetune topics.csv --base base --out m", "label 'Fed | Central Banks' is not known"),
        ("finetune one.csv --task topic --base base --out m", "all texts have the label IPO"),
        ("finetune thousand.csv --task topic --base base --out m", "1,000 different labels"),
        ("finetune empty.csv --task topic --base base --out m", "row 3: has no label (1 such rows): add or drop them"),
        ("finetune scores.csv --task topic --base base --out m", "is read as scored opinions, which is of tone"),
        ("finetune topics.csv --valid other.csv --task topic --base base --out m", "no training text is labelled "),
        ("evaluate base topics.csv --task topic", "is a classifier of tone, not of topic"),
        ("evaluate base topics.csv", "label 'Fed | Central Banks' is not known"),
        ("score topics.csv --model base --task topic --out s.csv", "is a classifier of tone, not of topic"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_in_one_line(folder, run, words, message):
    corpus().assign(label="IPO").to_csv("one.csv", index=False)
    letters = [f"{a}{b} {c} {d}" for a, b, c, d in product("abcdefghij", "klmno", "pqrst", "uvwx")]
    many = pd.DataFrame({"text": letters, "label": [f"l{n}" for n in range(1000)]})
    pd.concat([many.assign(text=many["text"] + f" {n} {n}z") for n in range(3)]).to_csv("thousand.csv", index=False)
    corpus().assign(label=["a", "b", None, *["a"] * (len(corpus()) - 3)]).to_csv("empty.csv", index=False)
    corpus().assign(label=0.5).rename(columns={"label": "score"}).to_csv("scores.csv", index=False)
    pd.DataFrame({"text": ["w q z", "profit 8"], "label": ["other", "IPO"]}).to_csv("other.csv", index=False)
    before = set(folder.iterdir())
    code, out, err = run(words)
    assert (code, out) == (1, "")
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert set(folder.iterdir()) == before
