"""The average equals its closed form, survives half precision, swaps to the last bit, and resumes."""

import shutil

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from nlp.errors import ModelError
from nlp.training.techniques.averaging import FILE, AveragingCallback, MovingAverage

pytestmark = pytest.mark.usefixtures("one_thread")


def one_weight(value=0.0, dtype=torch.float32):
    model = torch.nn.Linear(1, 1, bias=False, dtype=dtype)
    return set_weight(model, value)


def set_weight(model, value):
    with torch.no_grad():
        model.weight.fill_(value)
    return model


def fed(values, decay):
    model, moving = one_weight(), MovingAverage(decay)
    for value in values:
        moving.update(set_weight(model, value))
    return model, moving


@given(st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=30), st.floats(0, 0.999))
def test_it_is_the_weighted_mean_of_all_steps(values, decay):
    _, moving = fed(values, decay)
    shares = decay ** np.arange(len(values))[::-1]
    assert moving.average["weight"].item() == pytest.approx((shares * values).sum() / shares.sum(), abs=1e-4)


def test_three_steps_by_hand():
    _, moving = fed([1.0, 2.0, 4.0], 0.5)
    assert moving.average["weight"].item() == pytest.approx((0.25 * 1 + 0.5 * 2 + 1 * 4) / 1.75)


def test_after_one_step_it_is_the_weight_and_without_decay_the_last_one():
    assert fed([3.0], 0.999)[1].average["weight"].item() == 3.0
    assert fed([3.0, 5.0, 4.0], 0.0)[1].average["weight"].item() == 4.0


def test_small_steps_are_not_lost_in_half_precision():
    model, moving = one_weight(1.0, torch.bfloat16), MovingAverage(0.999)
    moving.update(model)
    set_weight(model, 2.0)
    for _ in range(1000):
        moving.update(model)
    assert moving.average["weight"].dtype == torch.float32
    shares = 0.999 ** np.arange(1001)[::-1]
    assert moving.average["weight"].item() == pytest.approx(2 - shares[0] / shares.sum(), rel=1e-3)
    moving.swap(model)
    assert model.weight.dtype == torch.bfloat16


def test_swapping_twice_gives_back_both_to_the_last_bit():
    model, moving = fed([1 / 3, 1 / 7, 0.1], 0.9)
    average = moving.average["weight"].clone()
    trained = model.weight.detach().clone()
    moving.swap(model)
    assert moving.swapped
    assert torch.equal(model.weight, average)
    moving.swap(model)
    assert not moving.swapped
    assert torch.equal(model.weight, trained)
    assert torch.equal(moving.average["weight"], average)


def test_settling_leaves_the_average_for_good():
    model, moving = fed([1.0, 3.0], 0.5)
    moving.finish(model)
    assert not moving.swapped
    assert torch.equal(model.weight, moving.average["weight"])


def test_frozen_weights_are_not_averaged_and_nothing_happens_before_the_first_step():
    model = one_weight(2.0)
    moving = MovingAverage(0.9)
    moving.finish(model)
    assert model.weight.item() == 2.0
    model.weight.requires_grad_(False)
    moving.update(model)
    assert not moving.average


@given(st.integers(0, 6))
def test_saved_and_restored_it_goes_on_as_if_nothing_had_been(cut):
    values = [0.3, -1.0, 2.5, 0.1, 0.7, -0.2]
    _, whole = fed(values, 0.8)
    model, first = fed(values[:cut], 0.8)
    second = MovingAverage(0.8)
    second.load_state_dict(first.state_dict())
    for value in values[cut:]:
        second.update(set_weight(model, value))
    assert second.steps == whole.steps
    assert torch.equal(second.average["weight"], whole.average["weight"])


def test_a_foreign_state_is_named():
    with pytest.raises(ModelError, match="no count of steps"):
        MovingAverage(0.5).load_state_dict({"weight": torch.zeros(1)})


# --- in a Trainer ---------------------------------------------------------------------------------------------------


def trainer_in(folder, tiny_model, callback, watched=(), **arguments):
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        PrinterCallback,
        Trainer,
        TrainingArguments,
    )

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    rows = [{**tokenizer(f"profit {n}"), "labels": n % 3} for n in range(12)]
    trainer = Trainer(
        model=AutoModelForSequenceClassification.from_pretrained(tiny_model),
        args=TrainingArguments(
            output_dir=str(folder), per_device_train_batch_size=4, learning_rate=1e-2, num_train_epochs=3, seed=1,
            use_cpu=True, report_to=[], logging_strategy="no", disable_tqdm=True,
            **({"eval_strategy": "epoch", "save_strategy": "epoch"} | arguments),
        ),
        train_dataset=rows, eval_dataset=rows, data_collator=DataCollatorWithPadding(tokenizer),
        callbacks=[callback, *watched],
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    return trainer


def weights(model):
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


class Watch(torch.nn.Module):
    """Remembers what each forward pass in eval mode saw, and each optimizer step left."""

    def __init__(self, model):
        super().__init__()
        self.trained, self.evaluated = [], []
        model.register_forward_pre_hook(lambda module, _: None if module.training else self.see(module))

    def see(self, model):
        self.evaluated.append(weights(model))


def test_evaluation_sees_the_average_the_checkpoint_holds_the_trained_weights(tmp_path, tiny_model):
    callback = AveragingCallback(0.9)
    trainer = trainer_in(tmp_path, tiny_model, callback)
    watch = Watch(trainer.model)
    trainer.train()
    for evaluation, step in enumerate([3, 6, 9]):
        seen = watch.evaluated[evaluation * len(watch.evaluated) // 3]
        average = load_file(tmp_path / f"checkpoint-{step}" / FILE)
        saved = load_file(tmp_path / f"checkpoint-{step}" / "model.safetensors")
        assert average["steps"] == step
        assert same(seen, average)
        assert not same(seen, saved)
    assert same(weights(trainer.model), average)
    trainer.evaluate()
    assert same(weights(trainer.model), average)


def test_averaging_does_not_disturb_the_training(tmp_path, tiny_model):
    from transformers import TrainerCallback

    trainer_in(tmp_path / "with", tiny_model, AveragingCallback(0.9)).train()  # making a Trainer sets the seed
    trainer_in(tmp_path / "without", tiny_model, TrainerCallback()).train()
    saved = load_file(tmp_path / "with" / "checkpoint-9" / "model.safetensors")
    assert same(saved, load_file(tmp_path / "without" / "checkpoint-9" / "model.safetensors"))


def test_the_best_checkpoints_average_is_kept(tmp_path, tiny_model):
    worse = iter([0.9, 0.3, 0.2])
    trainer = trainer_in(
        tmp_path, tiny_model, AveragingCallback(0.9), load_best_model_at_end=True, metric_for_best_model="mark",
    )  # fmt: skip
    trainer.compute_metrics = lambda _: {"mark": next(worse)}
    trainer.train()
    assert trainer.state.best_model_checkpoint.endswith("checkpoint-3")
    assert same(weights(trainer.model), load_file(tmp_path / "checkpoint-3" / FILE))


def test_a_resumed_run_ends_with_the_same_average(tmp_path, tiny_model):
    whole = trainer_in(tmp_path, tiny_model, AveragingCallback(0.9))
    whole.train()
    for step in (6, 9):
        shutil.rmtree(tmp_path / f"checkpoint-{step}")
    again = trainer_in(tmp_path, tiny_model, AveragingCallback(0.9))
    again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-3"))
    assert same(weights(whole.model), weights(again.model))


def test_resuming_a_run_that_did_not_average_is_refused(tmp_path, tiny_model):
    trainer_in(tmp_path, tiny_model, AveragingCallback(0.9)).train()
    (tmp_path / "checkpoint-3" / FILE).unlink()
    again = trainer_in(tmp_path, tiny_model, AveragingCallback(0.9))
    with pytest.raises(ModelError, match=r"checkpoint-3: has no averaged\.safetensors"):
        again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-3"))
