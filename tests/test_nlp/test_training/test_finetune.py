"""Fine-tuning a tiny model: it learns, repeats itself to the bit, and groups its parameters as it says."""

import importlib
import json
import logging
import tempfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from test_nlp.test_training.small_runs import ROWS, weights_of

from nlp.errors import CorpusError, ModelError
from nlp.evaluation.evaluate import evaluate
from nlp.labels import LABELS
from nlp.model.forward.encoders import is_known
from nlp.provenance import TrainingTexts
from nlp.training.finetune import finetune, refit

HALVED = ROWS.assign(text=pd.Series(["\ud83d"] * len(ROWS), dtype=object))  # half of a surrogate pair


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def overfitted(config):
    return finetune(ROWS, ROWS, replace(config, epochs=12, dropout=0.0, weight_decay=0.0))


def test_thirty_short_texts_are_learnt_by_heart(overfitted):
    classifier, report = overfitted
    assert report.valid_accuracy == 1.0
    assert report.valid_macro_f1 == 1.0
    assert evaluate(classifier, ROWS).accuracy == 1.0


def test_the_loss_falls_with_more_passes(overfitted, config):
    _, once = finetune(ROWS, ROWS, config)
    assert overfitted[1].train_loss < 0.6 * once.train_loss


def test_the_report_says_what_was_done_and_goes_through_json(overfitted):
    _, report = overfitted
    assert (report.train_rows, report.valid_rows, report.steps) == (30, 30, 12 * 4)
    assert json.loads(json.dumps(report.to_dict()))["config"]["epochs"] == 12
    assert "on 30 texts" in str(report)
    assert "accuracy 1.000" in str(report)


def test_what_was_learnt_survives_save_and_load(overfitted, tmp_path):
    from nlp.model.classifier import SentimentClassifier

    classifier, _ = overfitted
    wide = SentimentClassifier(classifier.model.float(), classifier.tokenizer, dtype="float32")
    again = SentimentClassifier.load(wide.save(tmp_path / "model"), device="cpu", dtype="float32")
    assert again.fingerprint == wide.fingerprint
    assert again.model.config.id2label == dict(enumerate(LABELS))
    assert evaluate(again, ROWS).accuracy == 1.0


def test_the_same_seed_gives_the_same_bits_another_seed_others(config):
    one, again, other = (weights_of(finetune(ROWS, ROWS, replace(config, seed=seed))[0]) for seed in (3, 3, 4))
    assert one == again
    assert one != other


@pytest.mark.parametrize("setting", [{}, {"lora_rank": 2}, {"average_decay": 0.9}])
def test_what_was_fine_tuned_is_computed_in_packs(config, setting):
    model = finetune(ROWS, ROWS, replace(config, epochs=1, **setting))[0].model
    assert is_known(model)
    assert not any(isinstance(layer, torch.nn.Dropout) and layer.training for layer in model.modules())


def test_nothing_is_left_on_disk(config, tmp_path, monkeypatch):
    for name in ("cwd", "temp"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))
    finetune(ROWS, ROWS, config)
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not left


def test_the_trained_model_is_ready_to_use(overfitted):
    model = overfitted[0].model
    assert not model.training
    assert not list(acting_dropout(model))


def acting_dropout(model):
    """Dropout modules that would still act."""
    return (module for module in model.modules() if isinstance(module, torch.nn.Dropout) and module.training)


def test_long_texts_are_cut_and_counted(config, caplog):
    rows = ROWS.assign(text=[f"{text} {'a ' * 20}" if n < 3 else text for n, text in enumerate(ROWS["text"])])
    with caplog.at_level(logging.WARNING):
        finetune(rows, ROWS, replace(config, max_length=16))
    assert "3 of 30 training texts are longer than 16 tokens and were truncated" in caplog.text


@pytest.mark.parametrize("missing", LABELS)
def test_a_label_without_training_texts_is_named(config, missing):
    with pytest.raises(
        CorpusError, match=f"no training text is labelled {missing}: all of negative, neutral, positive"
    ):
        finetune(ROWS[ROWS["label"] != missing], ROWS, config)


def test_no_training_texts_name_all_labels(config):
    with pytest.raises(CorpusError, match="no training text is labelled negative, neutral, positive"):
        finetune(ROWS.head(0), ROWS, config)


@pytest.mark.parametrize(
    ("train", "valid", "message"),
    [
        (
            pd.concat([ROWS, pd.DataFrame({"text": ["a"], "label": ["bullish"]})]), ROWS,
            "training texts: labels: row 31: label 'bullish'",
        ),
        (ROWS, ROWS.head(0), "there are no validation texts"),
        (ROWS, ROWS.assign(label="good"), "validation texts: labels: row 1: label 'good'"),
        (ROWS.assign(text=1), ROWS, "training texts: row 1: the text is 1: pass strings only"),
        (HALVED, ROWS, "training texts: row 1: the text .* lone surrogate"),
        (ROWS.drop(columns="text"), ROWS, "training texts: has no column text"),
        (ROWS, ROWS.drop(columns="label"), "validation texts: has no column label"),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_used_are_named_before_the_training(config, train, valid, message, monkeypatch):
    monkeypatch.setattr(importlib.import_module("nlp.training.finetune"), "load_base", None)
    with pytest.raises(CorpusError, match=message):
        finetune(train, valid, config)


def test_texts_longer_than_the_base_can_read_are_cut_too(config):
    rows = ROWS.assign(text=ROWS["text"] + " a" * 100)
    finetune(rows, ROWS, replace(config, max_length=128))


def test_the_report_has_the_figures_that_evaluate_gives(overfitted, config):
    valid = ROWS[ROWS["label"] != "neutral"]
    classifier, report = finetune(ROWS, valid, replace(config, epochs=12, dropout=0.0, weight_decay=0.0))
    assert report.valid_macro_f1 == pytest.approx(evaluate(classifier, valid).macro_f1)


@pytest.mark.parametrize(
    "choice",
    [
        {"layer_decay": 0.5},
        {"label_smoothing": 0.1},
        {"focal_gamma": 2.0},
        {"average_decay": 0.5},
        {"adversarial_norm": 0.5},
        {"rdrop": 1.0},
        {"rdrop": 1.0, "adversarial_norm": 0.5, "lora_rank": 2},
        {"lora_rank": 2},
    ],
    ids=lambda choice: " and ".join(choice),
)
def test_each_choice_reaches_the_training(config, choice):
    """Anything that is off by default gives other weights when it is on."""
    plain, _ = finetune(ROWS, ROWS, replace(config, epochs=1))
    other, _ = finetune(ROWS, ROWS, replace(config, epochs=1, **choice))
    assert weights_of(plain) != weights_of(other)


def test_the_temperature_is_fitted_on_the_held_out_texts(config):
    classifier, report = finetune(ROWS, ROWS, config)
    assert classifier.temperature == report.temperature
    assert classifier.temperature != 1.0


def test_texts_count_by_their_weight(config):
    """A text of weight 0 might as well not be there: other texts in its place change nothing but rounding."""
    settings = replace(config, dropout=0.0, batch_size=len(ROWS), class_weight_power=0.0, epochs=3)
    weights = np.where(np.arange(len(ROWS)) < 15, 1.0, 0.0)
    one, _ = finetune(ROWS.assign(weight=weights), ROWS, settings)
    swapped = ROWS.assign(weight=weights, label=np.where(weights > 0, ROWS["label"], "neutral"))
    two, _ = finetune(swapped, ROWS, settings)
    even, _ = finetune(ROWS, ROWS, settings)
    texts = list(ROWS["text"])
    np.testing.assert_allclose(one.predict_proba(texts), two.predict_proba(texts), atol=1e-5)
    assert np.abs(one.predict_proba(texts) - even.predict_proba(texts)).max() > 1e-4


needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@needs_cuda
@pytest.mark.parametrize("precision", ["auto", "float32", "bfloat16", "float16"])
def test_on_a_gpu_texts_are_learnt_by_heart_too(config, precision):
    classifier, report = finetune(ROWS, ROWS, replace(config, epochs=12, dropout=0.0, precision=precision))
    assert classifier.model.device.type == "cuda"
    assert report.valid_accuracy == 1.0


def test_a_refit_sees_all_texts_and_takes_the_temperature_over(config):

    again = refit(ROWS, config, temperature=1.7)
    assert again.temperature == 1.7
    assert weights_of(again) == weights_of(finetune(ROWS, ROWS, config)[0])  # the same rows train the same weights
    assert weights_of(again) != weights_of(refit(ROWS.iloc[:-3], config, temperature=1.7))


def test_a_model_knows_which_texts_taught_it_and_its_base(config, tmp_path):

    dated = ROWS.assign(corpus="wire", date=["2014-03-07"] + ["2013-01-01"] * (len(ROWS) - 1))
    taught = TrainingTexts(("wire",), "2014-03-07")
    assert refit(dated, config, temperature=1.0).training == taught
    held = dated.assign(corpus="other", date="2020-01-01")  # set the temperature
    classifier = finetune(dated, held, config)[0]
    assert classifier.training == TrainingTexts(("wire",), "2020-01-01")
    classifier.save(tmp_path / "tuned")
    again = refit(dated, replace(config, base=str(tmp_path / "tuned")), temperature=1.0)
    assert again.training == TrainingTexts(("wire",), "2020-01-01")


def test_a_refit_cannot_wait_for_a_better_figure(config):

    with pytest.raises(ModelError, match="patience needs held-out texts"):
        refit(ROWS, replace(config, patience=1), temperature=1.0)


# Labels of unequal numbers, compared amounts, disputed labels, words and names that can be exchanged.
RICH = ROWS.iloc[:-4].assign(
    text=[f"Elcoteq Oyj said {text} , EUR {n + 2} mn from EUR 1 mn" for n, text in enumerate(ROWS["text"].iloc[:-4])],
    agree=50,
)


RICH = RICH[(RICH["label"] != "negative") | (RICH.index < 9)].reset_index(drop=True)


@pytest.fixture(scope="module")
def plainly_trained(config):
    return weights_of(finetune(RICH, ROWS, config)[0])


@pytest.mark.parametrize(
    "choice",
    [{"class_weight_power": 1.0}, {"reads_amounts": False}, {"soft_targets": True}, {"augmented_copies": 1}],
    ids=lambda choice: next(iter(choice)),
)
def test_each_choice_about_the_texts_reaches_the_training(config, plainly_trained, choice):
    assert weights_of(finetune(RICH, ROWS, replace(config, **choice))[0]) != plainly_trained


@pytest.mark.parametrize("shape", [{}, {"batch_size": len(ROWS) // 2, "accumulation": 2}], ids=["whole", "in parts"])
def test_the_loss_is_a_mean_over_texts(config, shape):
    """Neither Adam nor a clipped gradient shows a loss of another scale; the loss itself does."""
    still = replace(config, dropout=0.0, learning_rate=1e-12, batch_size=len(ROWS), class_weight_power=0.0)
    classifier, report = finetune(ROWS, ROWS, replace(still, **shape))
    classifier.temperature = 1.0
    probabilities = classifier.predict_proba(list(ROWS["text"]))
    likelihood = probabilities[np.arange(len(ROWS)), ROWS["label"].map(LABELS.index)]
    assert report.train_loss == pytest.approx(-np.log(likelihood).mean(), rel=1e-3)


def test_class_weights_are_of_texts_that_count(config):
    """Labels of texts of weight 0 move no class's weight."""
    settings = replace(config, dropout=0.0, batch_size=len(ROWS), class_weight_power=1.0)
    rows = ROWS.assign(weight=np.where(np.arange(len(ROWS)) < 15, 1.0, 0.0))
    relabelled = rows.assign(label=np.where(rows["weight"] > 0, rows["label"], "neutral"))
    one, other = (finetune(each, ROWS, settings)[1].train_loss for each in (rows, relabelled))
    assert one == pytest.approx(other, rel=1e-6)


def test_copies_are_kept_apart_from_the_held_out_texts(config, monkeypatch):
    module, asked = importlib.import_module("nlp.training.finetune"), []
    augment = module.augment

    def noting(rows, settings, *, held_out):
        asked.append(list(held_out))
        return augment(rows, settings, held_out=held_out)

    monkeypatch.setattr(module, "augment", noting)
    finetune(RICH, ROWS, replace(config, augmented_copies=1))
    assert asked == [list(ROWS["text"])]
