"""Fine-tuning a tiny model: it learns, repeats itself to the bit, and groups its parameters as it says."""

import importlib
import json
import logging
import shutil
import tempfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nlp.errors import CorpusError, ModelError
from nlp.evaluation.evaluate import evaluate
from nlp.labels import LABELS
from nlp.model.forward.encoders import is_known
from nlp.provenance import TrainingTexts
from nlp.training import checkpoints
from nlp.training.base_model import load_base
from nlp.training.finetune import finetune, refit
from nlp.training.recipe import PRESETS, FinetuneConfig
from nlp.training.targets import class_weights
from nlp.training.trainer import Run, arguments, optimizer

SENTENCES = {
    "positive": "profit rises",
    "negative": "loss said to the shares of net loss",
    "neutral": "sales in the net",
}
ROWS = pd.DataFrame(
    [(f"{text} {n}", label) for n in range(10) for label, text in SENTENCES.items()],
    columns=["text", "label"],
)

HALVED = ROWS.assign(text=pd.Series(["\ud83d"] * len(ROWS), dtype=object))  # half of a surrogate pair

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def config(tiny_model):
    return FinetuneConfig(
        base=str(tiny_model), epochs=1, batch_size=8, learning_rate=1e-3, head_factor=1.0, max_length=64
    )


@pytest.fixture(scope="module")
def overfitted(config):
    return finetune(ROWS, ROWS, replace(config, epochs=12, dropout=0.0, weight_decay=0.0))


def weights_of(classifier):
    return b"".join(tensor.float().numpy().tobytes() for _, tensor in sorted(classifier._stored.items()))


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


@given(st.lists(st.integers(0, 2), max_size=60), st.floats(0, 2))
def test_class_weights_are_inverse_frequencies_to_a_power_with_mean_one(drawn, power):
    codes = np.array([0, 1, 2, *drawn])
    weights = class_weights(codes, power).astype(np.float64)
    assert weights[codes].mean() == pytest.approx(1.0, rel=1e-5)
    frequency = np.bincount(codes) / len(codes)
    np.testing.assert_allclose(weights / weights[0], (frequency[0] / frequency) ** power, rtol=1e-5)


def test_class_weights_by_hand():
    assert class_weights(np.array([0, 1, 1, 2]), 1.0).tolist() == pytest.approx([4 / 3, 2 / 3, 4 / 3])
    assert class_weights(np.array([0, 1, 1, 2]), 0.0).tolist() == [1.0, 1.0, 1.0]


def test_the_head_learns_faster_and_biases_and_norms_do_not_decay(config):
    settings = replace(config, learning_rate=1e-4, head_factor=10.0, weight_decay=0.05)
    model, _ = load_base(config.base, 0)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    seen = []
    for group in optimizer(model, settings).param_groups:
        for name in (names[id(parameter)] for parameter in group["params"]):
            seen.append(name)
            in_head = name.startswith("classifier.") or "pooler" in name
            plain = name.endswith(".bias") or "LayerNorm" in name
            assert group["lr"] == pytest.approx(1e-3 if in_head else 1e-4), name
            assert group["weight_decay"] == (0.0 if plain else 0.05), name
    assert sorted(seen) == sorted(names.values())
    assert any(name.startswith("classifier.") for name in seen)


def test_the_learning_rate_rises_over_the_share_of_warmup_and_falls_linearly(config):
    given = arguments(Run(replace(config, warmup=0.25)))
    assert given.get_warmup_steps(200) == 50
    assert given.lr_scheduler_type == "linear"
    assert given.save_strategy == "no"


def test_dropout_applies_between_layers_and_not_to_attention(config):
    model, _ = load_base(config.base, 0, dropout=0.3)
    rates = {name: module.p for name, module in model.named_modules() if isinstance(module, torch.nn.Dropout)}
    attention = {name for name in rates if name.endswith("attention.self.dropout")}
    assert len(attention) == 2
    assert {rates[name] for name in attention} == {0.0}
    assert {rates[name] for name in rates.keys() - attention} == {0.3}


@pytest.mark.parametrize("setting", [{}, {"lora_rank": 2}, {"average_decay": 0.9}])
def test_what_was_fine_tuned_is_computed_in_packs(config, setting):
    model = finetune(ROWS, ROWS, replace(config, epochs=1, **setting))[0].model
    assert is_known(model)
    assert not any(isinstance(layer, torch.nn.Dropout) and layer.training for layer in model.modules())


def test_a_base_gets_our_labels_and_is_trained_in_float32(config):
    model, _ = load_base(config.base, 0)
    assert model.config.id2label == dict(enumerate(LABELS))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_the_head_of_a_base_with_other_labels_is_not_taken_over(config):
    from transformers import AutoModelForSequenceClassification

    base = AutoModelForSequenceClassification.from_pretrained(config.base)
    fresh, _ = load_base(config.base, 0)
    assert base.config.id2label != fresh.config.id2label
    assert not torch.equal(base.classifier.weight, fresh.classifier.weight)
    assert fresh.classifier.weight.std().item() == pytest.approx(base.config.initializer_range, rel=0.3)
    assert not fresh.classifier.bias.any()
    for name, weight in base.bert.state_dict().items():  # the encoder and its pooler are kept
        assert torch.equal(weight, fresh.bert.state_dict()[name]), name


def test_an_encoder_that_is_not_whole_is_no_base(config, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(config.base, tmp_path / "base")
    weights = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if "layer.1" not in name and "pooler" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        ModelError, match=r"base: 16 weights are missing .*bert.encoder.layer.1.*, ...\): save the whole"
    ):
        load_base(str(folder), 0)


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
    assert "3 of 30 training texts are longer than 16 tokens and were cut" in caplog.text


@pytest.mark.parametrize("missing", LABELS)
def test_a_label_without_training_texts_is_named(config, missing):
    with pytest.raises(
        CorpusError, match=f"no training text is labelled {missing}: all of negative, neutral, positive"
    ):
        finetune(ROWS[ROWS["label"] != missing], ROWS, config)


def test_no_training_texts_name_all_labels(config):
    with pytest.raises(CorpusError, match="no training text is labelled negative, neutral, positive"):
        finetune(ROWS.head(0), ROWS, config)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_has_the_seed_it_is_given(name):
    assert FinetuneConfig.preset(name, seed=7) == replace(FinetuneConfig.preset(name), seed=7)


def test_an_unknown_preset_is_named():
    with pytest.raises(ModelError, match="the preset 'huge' is not known: use default, small, full"):
        FinetuneConfig.preset("huge")


def test_an_unknown_base_is_named():
    with pytest.raises(ModelError, match="/nowhere: no such model folder"):
        finetune(ROWS, ROWS, FinetuneConfig(base="/nowhere"))


@pytest.mark.parametrize("error", [RuntimeError("CUDA out of memory. Tried to allocate"), MemoryError()])
def test_running_out_of_memory_says_what_to_lower(config, monkeypatch, error):
    import transformers

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(transformers.Trainer, "train", fail)
    with pytest.raises(ModelError, match="out of memory at batch size 8: lower batch_size"):
        finetune(ROWS, ROWS, config)


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


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0}, {"epochs": -1}, {"batch_size": 0}, {"learning_rate": -1e-3}, {"dropout": 1.5}, {"warmup": 2.0},
        {"max_length": 0}, {"head_factor": 0.0}, {"weight_decay": -1.0},
    ],
    ids=str,
)  # fmt: skip
def test_settings_that_make_no_sense_are_named(config, wrong):
    with pytest.raises(ModelError, match=next(iter(wrong))):
        finetune(ROWS, ROWS, replace(config, **wrong))


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


def test_accumulated_micro_batches_train_like_the_big_batch(config):
    """Weights after two epochs agree; the micro-batches are other ones only in how they are cut."""
    settings = replace(config, epochs=2, dropout=0.0, max_length=16)
    whole, _ = finetune(ROWS, ROWS, replace(settings, batch_size=len(ROWS)))
    parts, _ = finetune(ROWS, ROWS, replace(settings, batch_size=len(ROWS) // 2, accumulation=2))
    np.testing.assert_allclose(
        whole.predict_proba(list(ROWS["text"])), parts.predict_proba(list(ROWS["text"])), atol=1e-5
    )


def test_the_temperature_is_fitted_on_the_held_out_texts(config):
    classifier, report = finetune(ROWS, ROWS, config)
    assert classifier.temperature == report.temperature
    assert classifier.temperature != 1.0


def test_recomputed_activations_give_the_same_weights(config):
    plain, _ = finetune(ROWS, ROWS, replace(config, dropout=0.0))
    other, _ = finetune(ROWS, ROWS, replace(config, dropout=0.0, gradient_checkpointing=True))
    np.testing.assert_allclose(
        plain.predict_proba(list(ROWS["text"])), other.predict_proba(list(ROWS["text"])), atol=1e-6
    )


def test_activations_are_recomputed_where_asked(config, monkeypatch):
    """The forward pass of a layer runs twice: once for the loss, once more for its gradient."""
    from transformers.models.bert.modeling_bert import BertIntermediate

    calls = []
    forward = BertIntermediate.forward
    monkeypatch.setattr(BertIntermediate, "forward", lambda self, states: (calls.append(1), forward(self, states))[1])
    counts = []
    for recomputed in (False, True):
        calls.clear()
        finetune(ROWS, ROWS, replace(config, gradient_checkpointing=recomputed))
        counts.append(len(calls))
    steps, layers = 4, 2
    assert counts[1] - counts[0] == steps * layers


class Killed(BaseException):
    """Stands for a kill: nothing of ours catches it."""


def kill_after(passes, monkeypatch):
    """Let the next training be cut off right after so many passes were saved."""
    import transformers

    begun = transformers.TrainerCallback.on_epoch_begin

    def on_epoch_begin(self, args, state, control, **named):
        if state.epoch >= passes:
            raise Killed
        return begun(self, args, state, control, **named)

    monkeypatch.setattr(transformers.DefaultFlowCallback, "on_epoch_begin", on_epoch_begin)


@pytest.mark.parametrize("extra", [{}, {"average_decay": 0.8, "patience": 5}, {"lora_rank": 2}], ids=str)
def test_a_killed_run_goes_on_to_the_same_bits(config, tmp_path, monkeypatch, extra):
    settings = replace(config, epochs=4, **extra)
    whole, report = finetune(ROWS, ROWS, settings)
    with monkeypatch.context() as killing:
        kill_after(2, killing)
        with pytest.raises(Killed):
            finetune(ROWS, ROWS, settings, workspace=tmp_path / "work")
    assert (tmp_path / "work" / "checkpoint-8" / "whole").is_file()
    steps = count_steps(monkeypatch)
    resumed, again = finetune(ROWS, ROWS, settings, workspace=tmp_path / "work")
    assert len(steps) == 2 * 4  # only what was missing
    assert weights_of(whole) == weights_of(resumed)
    assert again.train_loss == pytest.approx(report.train_loss)
    assert (report.steps, report.temperature) == (again.steps, again.temperature)
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("extra", [{}, {"average_decay": 0.8}, {"patience": 1}, {"lora_rank": 2}], ids=str)
def test_a_run_that_was_done_is_done_at_once_where_its_checkpoints_were_kept(config, tmp_path, monkeypatch, extra):
    settings, work = replace(config, epochs=4, **extra), tmp_path / "work"
    first, report = finetune(ROWS, ROWS, settings, workspace=work, keep_checkpoints=True)
    steps = count_steps(monkeypatch)
    second, again = finetune(ROWS, ROWS, settings, workspace=work, keep_checkpoints=True)
    assert not steps
    assert weights_of(first) == weights_of(second)
    assert replace(again, seconds=report.seconds) == report
    checkpoints.clear(work)
    checkpoints.clear(work)  # there is none now
    assert not work.exists()


def test_a_refit_that_was_done_is_done_at_once_where_its_checkpoints_were_kept(config, tmp_path, monkeypatch):
    def refitted():
        return refit(ROWS, config, temperature=1.5, workspace=tmp_path / "work", keep_checkpoints=True)

    first, steps = refitted(), count_steps(monkeypatch)
    assert weights_of(first) == weights_of(refitted())
    assert not steps


def count_steps(monkeypatch):
    import transformers

    steps = []
    step = transformers.Trainer.training_step
    monkeypatch.setattr(
        transformers.Trainer, "training_step", lambda self, *rest: (steps.append(1), step(self, *rest))[1]
    )
    return steps


def test_a_checkpoint_cut_off_in_writing_is_not_gone_on_from(config, tmp_path, monkeypatch):
    settings = replace(config, epochs=3)
    with monkeypatch.context() as killing:
        kill_after(2, killing)
        with pytest.raises(Killed):
            finetune(ROWS, ROWS, settings, workspace=tmp_path)
    last = tmp_path / "checkpoint-8"
    (last / "whole").unlink()
    (last / "model.safetensors").write_bytes(b"")
    whole, _ = finetune(ROWS, ROWS, settings)
    resumed, _ = finetune(ROWS, ROWS, settings, workspace=tmp_path)
    assert weights_of(whole) == weights_of(resumed)


@pytest.mark.parametrize("other", ["settings", "data"])
def test_checkpoints_of_another_run_are_not_gone_on_from(config, tmp_path, monkeypatch, caplog, other):
    settings = replace(config, epochs=3)
    with monkeypatch.context() as killing:
        kill_after(1, killing)
        with pytest.raises(Killed):
            finetune(ROWS, ROWS, settings, workspace=tmp_path)
    rows = ROWS.iloc[:-3] if other == "data" else ROWS
    settings = replace(settings, learning_rate=2e-3) if other == "settings" else settings
    resumed, _ = finetune(rows, ROWS, settings, workspace=tmp_path)
    assert weights_of(resumed) == weights_of(finetune(rows, ROWS, settings)[0])
    assert "of other settings or data: starting afresh" in caplog.text


def test_training_stops_where_macro_f1_rises_no_more_and_goes_back_to_the_best(config, monkeypatch):
    """The figures of the passes are given: the second is the best, two more are waited for."""
    import nlp.training.trainer

    figures = iter([0.5, 0.9, 0.8, 0.7, 0.95])
    monkeypatch.setattr(nlp.training.trainer, "_metrics", lambda _: {"accuracy": 0.5, "macro_f1": next(figures)})
    # A rate that falls to 0 over 5 passes differs from one that falls over 2, so the best is found by its bits.
    kept = {}
    saved = importlib.import_module("nlp.training.checkpoints").WholeMark.on_save

    def on_save(self, args, state, control, **named):
        kept[state.global_step] = {name: tensor.clone() for name, tensor in named["model"].state_dict().items()}
        return saved(self, args, state, control, **named)

    monkeypatch.setattr(importlib.import_module("nlp.training.checkpoints").WholeMark, "on_save", on_save)
    classifier, report = finetune(ROWS, ROWS, replace(config, epochs=5, patience=2))
    assert report.steps == 4 * 4
    for name, tensor in kept[2 * 4].items():
        assert torch.equal(classifier._stored[name], tensor), name


def test_a_full_disk_is_told_and_the_old_checkpoint_stays(config, tmp_path, monkeypatch):
    import errno

    import transformers

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(transformers.Trainer, "_save_optimizer_and_scheduler", full)
    with pytest.raises(ModelError, match="cannot be written: No space left on device: make room"):
        finetune(ROWS, ROWS, config, workspace=tmp_path)


def test_float16_needs_a_gpu(config):
    if torch.cuda.is_available():
        pytest.skip("a GPU is there")
    with pytest.raises(ModelError, match="float16 needs a GPU"):
        finetune(ROWS, ROWS, replace(config, precision="float16"))


def test_bfloat16_computes_otherwise_and_keeps_float32_weights(config):
    plain, _ = finetune(ROWS, ROWS, replace(config, dropout=0.0))
    half, _ = finetune(ROWS, ROWS, replace(config, dropout=0.0, precision="bfloat16"))
    assert {tensor.dtype for tensor in half._stored.values() if tensor.is_floating_point()} == {torch.float32}
    assert weights_of(plain) != weights_of(half)
    np.testing.assert_allclose(
        plain.predict_proba(list(ROWS["text"])), half.predict_proba(list(ROWS["text"])), atol=0.05
    )


def test_an_unknown_tracker_and_one_that_is_missing_are_named(config, monkeypatch):
    import nlp.training.tracking

    with pytest.raises(ModelError, match="'notebook' is not known: use tensorboard, wandb, mlflow"):
        finetune(ROWS, ROWS, config, trackers=["notebook"])
    monkeypatch.setattr(nlp.training.tracking, "find_spec", lambda _: None)
    with pytest.raises(ModelError, match="pip install wandb"):
        finetune(ROWS, ROWS, config, trackers=["wandb"])


@pytest.mark.parametrize("batch_size", [8, len(ROWS)])
def test_tensorboard_is_told_losses_and_figures_however_short_the_run(config, tmp_path, batch_size):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    settings = replace(config, epochs=2, batch_size=batch_size)
    _, report = finetune(ROWS, ROWS, settings, workspace=tmp_path, trackers=["tensorboard"])
    (events,) = tmp_path.rglob("events.out.tfevents.*")
    told = EventAccumulator(str(events.parent)).Reload()
    assert {"train/loss", "train/learning_rate", "eval/macro_f1", "eval/accuracy"} <= set(told.Tags()["scalars"])
    assert told.Scalars("train/loss")[-1].value == pytest.approx(report.train_loss, abs=1e-3)


def test_mlflow_is_told_losses_and_figures(config, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/runs.db")
    finetune(ROWS, ROWS, config, workspace=tmp_path / "work", trackers=["mlflow"])
    (run,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    assert {"loss", "eval_macro_f1", "eval_accuracy"} <= set(run.data.metrics)


def test_wandb_is_told_losses_and_figures(config, tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    finetune(ROWS, ROWS, config, workspace=tmp_path / "work", trackers=["wandb"])
    told = dict(wandb.run.summary) if wandb.run else {}
    wandb.finish()
    assert {"train/loss", "eval/macro_f1", "eval/accuracy"} <= set(told)


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


@needs_cuda
def test_on_a_gpu_a_killed_run_goes_on(config, tmp_path, monkeypatch):
    settings = replace(config, epochs=4, precision="float32")
    whole, _ = finetune(ROWS, ROWS, settings)
    with monkeypatch.context() as killing:
        kill_after(2, killing)
        with pytest.raises(Killed):
            finetune(ROWS, ROWS, settings, workspace=tmp_path)
    resumed, _ = finetune(ROWS, ROWS, settings, workspace=tmp_path)
    texts = list(ROWS["text"])
    np.testing.assert_allclose(whole.predict_proba(texts), resumed.predict_proba(texts), atol=1e-3)


def test_a_refit_sees_all_texts_and_takes_the_temperature_over(config):
    from nlp.training.finetune import refit

    again = refit(ROWS, config, temperature=1.7)
    assert again.temperature == 1.7
    assert weights_of(again) == weights_of(finetune(ROWS, ROWS, config)[0])  # the same rows train the same weights
    assert weights_of(again) != weights_of(refit(ROWS.iloc[:-3], config, temperature=1.7))


def test_a_model_knows_which_texts_taught_it_and_its_base(config, tmp_path):
    from nlp.training.finetune import refit

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
    from nlp.training.finetune import refit

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
    from nlp.model.temperature import negative_log_likelihood

    still = replace(config, dropout=0.0, learning_rate=1e-12, batch_size=len(ROWS), class_weight_power=0.0)
    classifier, report = finetune(ROWS, ROWS, replace(still, **shape))
    classifier.temperature = 1.0
    told = negative_log_likelihood(classifier.predict_proba(list(ROWS["text"])), ROWS["label"])
    assert report.train_loss == pytest.approx(told, rel=1e-3)


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


@pytest.mark.parametrize("writer", ["safetensors", "torch"])
def test_a_checkpoint_that_cannot_be_written_to_its_end_is_told(config, tmp_path, monkeypatch, writer):
    import transformers
    from safetensors import SafetensorError

    error = {
        "safetensors": SafetensorError("Error while serializing: I/O error: No space left on device"),
        "torch": RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0\nframe #0"),
    }[writer]

    def full(*_):
        raise error

    monkeypatch.setattr(transformers.Trainer, "_save_optimizer_and_scheduler", full)
    with pytest.raises(ModelError, match=rf"{tmp_path}: cannot be written: .*: make room there") as told:
        finetune(ROWS, ROWS, config, workspace=tmp_path)
    assert "\n" not in str(told.value)


def test_a_model_too_large_for_the_device_is_told_too(config, monkeypatch):
    import transformers

    def fail(*_, **__):
        raise RuntimeError("CUDA out of memory. Tried to allocate")

    monkeypatch.setattr(transformers.Trainer, "__init__", fail)
    with pytest.raises(ModelError, match="out of memory at batch size 8: lower"):
        finetune(ROWS, ROWS, config)


def test_another_error_of_torch_is_no_matter_of_disk_or_memory(config, monkeypatch):
    import transformers

    def fail(*_, **__):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(transformers.Trainer, "train", fail)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        finetune(ROWS, ROWS, config)
