"""The second pass: a perturbation of exactly epsilon per text, uphill; gradients add up; nothing is left behind."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nlp.errors import ModelError
from nlp.training.techniques.adversarial import (
    added,
    adversarial_step,
    perturbation,
    recorded_gradient,
    word_embeddings,
)

pytestmark = pytest.mark.usefixtures("one_thread")

INPUTS = {
    "input_ids": torch.tensor([[2, 5, 7, 3], [2, 6, 3, 0], [2, 9, 8, 3]]),
    "attention_mask": torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 1, 1]]),
    "labels": torch.tensor([0, 1, 2]),
}


@pytest.fixture
def model(tiny_model):
    from transformers import AutoModelForSequenceClassification

    return AutoModelForSequenceClassification.from_pretrained(tiny_model).eval()  # no dropout: passes are alike


def plain_step(model, inputs, _items=None):
    loss = model(**inputs).loss
    loss.backward()
    return loss.detach()


def gradients(model):
    found = {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
    model.zero_grad()
    return found


@given(st.floats(1e-3, 10), st.integers(0, 100), st.sampled_from([1e-30, 1e-4, 1.0, 1e30]))
def test_each_texts_perturbation_has_the_length_epsilon_and_the_gradients_direction(epsilon, seed, scale):
    gradient = torch.randn(4, 5, 6, generator=torch.Generator().manual_seed(seed)) * scale
    shift = perturbation(gradient, epsilon)
    assert shift.flatten(1).norm(dim=1).tolist() == pytest.approx([epsilon] * 4, rel=1e-5)
    cosine = torch.nn.functional.cosine_similarity(shift.flatten(1), (gradient / scale).flatten(1))
    assert cosine.tolist() == pytest.approx([1.0] * 4, abs=1e-5)


def test_a_text_without_gradient_is_not_moved():
    gradient = torch.zeros(2, 3, 4)
    gradient[1, 0, 0] = 2.0
    shift = perturbation(gradient, 0.5)
    assert not shift[0].any()
    assert shift[1, 0, 0] == 0.5


def test_half_precision_gradients_keep_their_direction():
    gradient = torch.full((1, 1, 4), 6e-8, dtype=torch.float16)  # its squares are 0 in float16
    assert perturbation(gradient, 1.0).flatten().tolist() == pytest.approx([0.5] * 4)


def test_gradients_are_the_sum_of_the_clean_and_the_perturbed_pass(model):
    step = adversarial_step(plain_step, 0.3)
    loss = step(model, INPUTS, None)
    both = gradients(model)
    embeddings = word_embeddings(model)
    with recorded_gradient(embeddings) as recorded:
        clean_loss = plain_step(model, INPUTS)
    clean = gradients(model)
    with added(embeddings, perturbation(recorded[0], 0.3)):
        moved_loss = plain_step(model, INPUTS)
    moved = gradients(model)
    assert loss == clean_loss
    assert moved_loss > clean_loss
    for name, gradient in both.items():
        torch.testing.assert_close(gradient, clean[name] + moved[name], rtol=1e-5, atol=1e-6)


def test_the_recorded_gradient_is_that_of_the_looked_up_vectors(model):
    with recorded_gradient(word_embeddings(model)) as recorded:
        plain_step(model, INPUTS)
    vectors = word_embeddings(model)(INPUTS["input_ids"]).detach().requires_grad_()
    inputs = {name: value for name, value in INPUTS.items() if name != "input_ids"}
    model(inputs_embeds=vectors, **inputs).loss.backward()
    torch.testing.assert_close(recorded[0], vectors.grad)
    assert not recorded[0][1, 3].any()  # padding


def test_the_perturbation_climbs(model):
    with torch.no_grad():
        before = model(**INPUTS).loss
    with recorded_gradient(word_embeddings(model)) as recorded:
        plain_step(model, INPUTS)
    shift = perturbation(recorded[0], 1e-2)
    with torch.no_grad(), added(word_embeddings(model), shift):
        up = model(**INPUTS).loss
    with torch.no_grad(), added(word_embeddings(model), -shift):
        down = model(**INPUTS).loss
    assert down < before < up


def test_embeddings_are_as_before_to_the_last_bit_and_no_hook_stays(model):
    before = word_embeddings(model).weight.detach().clone()
    adversarial_step(plain_step, 5.0)(model, INPUTS)
    assert torch.equal(word_embeddings(model).weight, before)
    assert not word_embeddings(model)._forward_hooks


def test_no_hook_stays_after_a_failure(model):
    def fails(*_):
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        adversarial_step(fails, 1.0)(model, INPUTS)
    assert not word_embeddings(model)._forward_hooks


def test_micro_batches_add_up_to_the_big_batch(model):
    def summed_step(model, inputs, _items=None):
        loss = model(**inputs).loss * len(inputs["labels"])
        loss.backward()
        return loss.detach()

    step = adversarial_step(summed_step, 0.3)
    step(model, INPUTS)
    big = gradients(model)
    for row in range(3):
        step(model, {name: value[row : row + 1] for name, value in INPUTS.items()})
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(gradient, big[name], rtol=1e-4, atol=1e-5)


def test_frozen_embeddings_will_do(model):
    model.bert.embeddings.requires_grad_(False)
    step = adversarial_step(plain_step, 0.3)
    step(model, INPUTS)
    both = gradients(model)
    plain_step(model, INPUTS)
    clean = gradients(model)
    assert not any("embeddings" in name for name in both)
    assert not torch.allclose(both["classifier.weight"], 2 * clean["classifier.weight"])


def test_a_trainer_takes_it_as_its_step(tiny_model, model, tmp_path):
    from transformers import Trainer, TrainingArguments

    model.gradient_checkpointing_enable()
    rows = [{name: value[row] for name, value in INPUTS.items()} for row in range(3)]
    trainer = Trainer(
        model=model, train_dataset=rows,
        args=TrainingArguments(
            output_dir=str(tmp_path), max_steps=2, use_cpu=True, save_strategy="no", report_to=[], disable_tqdm=True,
        ),
    )  # fmt: skip
    calls = []
    original = trainer.training_step

    def counted(*arguments):
        calls.append(arguments)
        return original(*arguments)

    trainer.training_step = adversarial_step(counted, 0.5)
    trainer.train()
    assert len(calls) == 2 * 2
    hooks = [hook.__qualname__ for hook in word_embeddings(model)._forward_hooks.values()]
    assert not [name for name in hooks if "enable_input_require_grads" not in name]  # that one is transformers' own


def test_a_step_reduces_both_losses(model):
    step = adversarial_step(plain_step, 0.5)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    first = step(model, INPUTS)
    for _ in range(5):
        optimizer.step()
        optimizer.zero_grad()
        last = step(model, INPUTS)
    assert last < first


def test_a_model_without_word_embeddings_is_named():
    with pytest.raises(ModelError, match="Linear names no word embeddings"):
        adversarial_step(plain_step, 1.0)(torch.nn.Linear(1, 1), INPUTS)
