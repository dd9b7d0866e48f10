"""The loss equals torch's where torch has one, Lin et al.'s by hand, and the big batch under accumulation."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from nlp.errors import ModelError
from nlp.training.targets import class_weights
from nlp.training.techniques.loss import classification_loss, trainer_loss

pytestmark = pytest.mark.usefixtures("one_thread")

WEIGHTS = torch.tensor([2.0, 0.5, 1.1], dtype=torch.float64)


def drawn(texts=7, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(texts, 3, generator=generator, dtype=torch.float64)
    return logits, torch.randint(0, 3, (texts,), generator=generator)


@given(st.integers(0, 1000), st.booleans(), st.floats(0, 0.9))
def test_without_gamma_it_is_torchs_sum_over_the_number_of_texts(seed, weighted, smoothing):
    logits, labels = drawn(seed=seed)
    weights = WEIGHTS if weighted else None
    theirs = cross_entropy(logits, labels, weight=weights, label_smoothing=smoothing, reduction="sum") / len(labels)
    ours = classification_loss(logits, labels, weights=weights, smoothing=smoothing)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_without_weights_it_is_torchs_mean(smoothing):
    logits, labels = drawn()
    theirs = cross_entropy(logits, labels, label_smoothing=smoothing)
    torch.testing.assert_close(classification_loss(logits, labels, smoothing=smoothing), theirs)


def test_over_a_whole_corpus_weights_of_mean_one_give_torchs_weighted_mean_too():
    labels = torch.tensor([0, 1, 1, 1, 2, 2])
    logits, _ = drawn(6)
    weights = torch.tensor(class_weights(labels.numpy(), 0.5), dtype=torch.float64)
    torch.testing.assert_close(
        classification_loss(logits, labels, weights=weights), cross_entropy(logits, labels, weight=weights),
        rtol=1e-6, atol=0,
    )  # fmt: skip


@given(st.floats(0.01, 5), st.integers(0, 100))
def test_focal_loss_by_hand(gamma, seed):
    logits, labels = drawn(3, seed)
    terms = []
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        p = math.exp(row[label]) / sum(map(math.exp, row))
        terms.append(-WEIGHTS[label].item() * (1 - p) ** gamma * math.log(p))
    ours = classification_loss(logits, labels, weights=WEIGHTS, gamma=gamma)
    assert ours.item() == pytest.approx(np.mean(terms), rel=1e-9)


def test_focal_loss_of_a_coin_toss():
    loss = classification_loss(torch.zeros(1, 2), torch.tensor([1]), gamma=2.0)
    assert loss.item() == pytest.approx(0.25 * math.log(2))


def test_smoothing_and_gamma_together_by_hand():
    p, weights, target = np.array([0.7, 0.2, 0.1]), np.array([2.0, 0.5, 1.1]), np.array([0.8, 0.1, 0.1])
    by_hand = -(target * weights * (1 - p) ** 2 * np.log(p)).sum()
    loss = classification_loss(
        torch.tensor(np.log(p))[None], torch.tensor([0]), weights=WEIGHTS, smoothing=0.3, gamma=2.0
    )
    assert loss.item() == pytest.approx(by_hand)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_gradients(gamma, smoothing):
    logits, labels = drawn(4)
    assert torch.autograd.gradcheck(
        lambda x: classification_loss(x, labels, weights=WEIGHTS, smoothing=smoothing, gamma=gamma),
        logits.requires_grad_(),
    )


@pytest.mark.parametrize("gamma", [0.3, 1.0, 2.0])
def test_certainty_beyond_rounding_gives_finite_gradients(gamma):
    logits = torch.tensor([[200.0, 0.0, -200.0]], requires_grad=True)
    for label in range(3):
        loss = classification_loss(logits, torch.tensor([label]), smoothing=0.1, gamma=gamma)
        (gradient,) = torch.autograd.grad(loss, logits)
        assert torch.isfinite(loss)
        assert torch.isfinite(gradient).all()


def test_half_precision_is_computed_in_float32():
    logits, labels = drawn()
    half = logits.bfloat16()
    loss = classification_loss(half, labels, smoothing=0.1, gamma=1.0)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, classification_loss(half.float(), labels, smoothing=0.1, gamma=1.0))


class Outputs:
    def __init__(self, logits):
        self.logits = logits


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(0, 100))
def test_micro_batches_of_any_sizes_add_up_to_the_big_batch(sizes, seed):
    logits, labels = drawn(sum(sizes), seed)
    loss = trainer_loss(WEIGHTS, smoothing=0.1, gamma=1.5)
    parts = zip(logits.split(sizes), labels.split(sizes), strict=True)
    total = sum(loss(Outputs(some), theirs, num_items_in_batch=torch.tensor(len(labels))) for some, theirs in parts)
    torch.testing.assert_close(total, loss(Outputs(logits), labels))


def trained(tiny_model, batch_size, accumulation, folder):
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
    )

    model = AutoModelForSequenceClassification.from_pretrained(tiny_model, hidden_dropout_prob=0.0,
                                                               attention_probs_dropout_prob=0.0)  # fmt: skip
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    rows = [{**tokenizer("profit rises " * (n % 5) + str(n)), "labels": n % 3} for n in range(7)]
    arguments = TrainingArguments(
        output_dir=folder, per_device_train_batch_size=batch_size, gradient_accumulation_steps=accumulation,
        learning_rate=0.1, num_train_epochs=1, optim="sgd", max_grad_norm=0.0, lr_scheduler_type="constant",
        use_cpu=True, save_strategy="no", report_to=[], logging_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    trainer = Trainer(
        model=model, args=arguments, train_dataset=rows, data_collator=DataCollatorWithPadding(tokenizer),
        compute_loss_func=trainer_loss(WEIGHTS.float(), smoothing=0.1, gamma=1.0),
    )  # fmt: skip
    trainer.train()
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def test_a_trainers_step_in_micro_batches_is_the_step_of_the_big_batch(tiny_model, tmp_path):
    big, small = (
        trained(tiny_model, 7, 1, tmp_path),
        trained(tiny_model, 2, 4, tmp_path),
    )  # the last micro-batch has one text only
    for name, weight in big.items():
        torch.testing.assert_close(small[name], weight, rtol=0, atol=1e-5)


def test_weights_of_other_labels_are_refused():
    with pytest.raises(ModelError, match=r"class weights have the shape \(2,\): give one per label, 3 in all"):
        classification_loss(*drawn(), weights=torch.ones(2))
