"""The Trainer as the config wants it: rates, precision, stopping, trackers, and errors with a remedy."""

import importlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_nlp.test_training.small_runs import ROWS, weights_of

from nlp.errors import ModelError
from nlp.training.base_model import load_base
from nlp.training.finetune import finetune
from nlp.training.trainer import Run, arguments, optimizer

pytestmark = pytest.mark.usefixtures("one_thread")


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


@pytest.mark.parametrize("error", [RuntimeError("CUDA out of memory. Tried to allocate"), MemoryError()])
def test_running_out_of_memory_says_what_to_lower(config, monkeypatch, error):
    import transformers

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(transformers.Trainer, "train", fail)
    with pytest.raises(ModelError, match="out of memory at batch size 8: lower batch_size"):
        finetune(ROWS, ROWS, config)


def test_accumulated_micro_batches_train_like_the_big_batch(config):
    """Weights after two epochs agree; the micro-batches are other ones only in how they are cut."""
    settings = replace(config, epochs=2, dropout=0.0, max_length=16)
    whole, _ = finetune(ROWS, ROWS, replace(settings, batch_size=len(ROWS)))
    parts, _ = finetune(ROWS, ROWS, replace(settings, batch_size=len(ROWS) // 2, accumulation=2))
    np.testing.assert_allclose(
        whole.predict_proba(list(ROWS["text"])), parts.predict_proba(list(ROWS["text"])), atol=1e-5
    )


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


def test_training_stops_where_macro_f1_rises_no_more_and_goes_back_to_the_best(config, monkeypatch):
    """The figures of the passes are given: the second is the best, two more are waited for."""
    import nlp.training.trainer

    figures = iter([0.5, 0.9, 0.8, 0.7, 0.95])
    monkeypatch.setattr(nlp.training.trainer, "trainer_metrics", lambda _: {"accuracy": 0.5, "macro_f1": next(figures)})
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
    import nlp.training.trainer

    with pytest.raises(ModelError, match="'notebook' is not known: use tensorboard, wandb, mlflow"):
        finetune(ROWS, ROWS, config, trackers=["notebook"])
    monkeypatch.setattr(nlp.training.trainer, "find_spec", lambda _: None)
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
