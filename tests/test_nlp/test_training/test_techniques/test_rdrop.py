"""Two readings of each text: they stand side by side, their disagreement is the paper's, and training lessens it."""

from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import kl_div

from nlp.errors import ModelError
from nlp.labels import LABELS
from nlp.training.finetune import finetune
from nlp.training.recipe import FinetuneConfig
from nlp.training.techniques.loss import classification_loss, trainer_loss
from nlp.training.techniques.rdrop import duplicate_batch, rdrop_kl

pytestmark = pytest.mark.usefixtures("one_thread")

INPUTS = {
    "input_ids": torch.tensor([[2, 5, 7, 3], [2, 6, 3, 0], [2, 9, 8, 3]]),
    "attention_mask": torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 1, 1]]),
}
CODES = torch.tensor([0, 1, 2])


def drawn(*shape, seed=0):
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def answers(logits):
    return SimpleNamespace(logits=logits)


@pytest.fixture
def model(tiny_model):
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_pretrained(tiny_model, num_labels=3, hidden_dropout_prob=0.3)


@given(st.integers(0, 1000))
def test_disagreement_is_torchs_divergence_both_ways(seed):
    logits, counts = drawn(5, 2, 3, seed=seed), torch.rand(5, dtype=torch.float64)
    log_p, log_q = torch.log_softmax(logits, dim=-1).unbind(1)
    there = kl_div(log_q, log_p, log_target=True, reduction="none").sum(-1)
    back = kl_div(log_p, log_q, log_target=True, reduction="none").sum(-1)
    assert rdrop_kl(logits, counts).item() == pytest.approx((counts * (there + back) / 2).mean().item())


@given(st.integers(0, 1000))
def test_readings_that_agree_do_not_disagree(seed):
    once = drawn(5, 1, 3, seed=seed)
    assert rdrop_kl(once.expand(5, 2, 3), torch.ones(5)).item() == 0.0


def test_half_precision_is_computed_in_float32():
    logits = drawn(5, 2, 3).half()
    assert rdrop_kl(logits, torch.ones(5)).item() == rdrop_kl(logits.float(), torch.ones(5)).item()


def test_in_training_each_text_has_two_rows_side_by_side(model):
    once = model.eval()(**INPUTS).logits
    with duplicate_batch(model):
        twice = model.train()(**INPUTS).logits
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0  # both readings are then the plain one
        torch.testing.assert_close(model(**INPUTS).logits, once.repeat_interleave(2, dim=0))
    first, second = twice.unflatten(0, (-1, 2)).unbind(1)
    assert not torch.equal(first, second)


def test_measured_and_afterwards_a_text_is_read_once(model):
    with duplicate_batch(model):
        assert len(model.eval()(**INPUTS).logits) == 3
    assert len(model.train()(**INPUTS).logits) == 3


@given(st.integers(0, 1000), st.floats(0, 10))
def test_the_loss_is_the_mean_of_both_readings_and_their_disagreement(seed, alpha):
    logits, counts = drawn(4, 2, 3, seed=seed), torch.tensor([1.0, 0.3, 2.0, 1.0], dtype=torch.float64)
    targets = torch.eye(3, dtype=torch.float64)[[0, 2, 1, 1]] * counts[:, None]
    first, second = (classification_loss(reading, targets) for reading in logits.unbind(1))
    wanted = (first + second) / 2 + alpha * rdrop_kl(logits, counts)
    assert trainer_loss(rdrop=alpha)(answers(logits.flatten(0, 1)), targets).item() == pytest.approx(wanted.item())


@given(st.integers(0, 1000))
def test_micro_batches_add_up_to_the_big_batch(seed):
    logits, codes = drawn(6, 2, 3, seed=seed), torch.tensor([0, 1, 2, 2, 1, 0])
    loss = trainer_loss(rdrop=2.0)
    whole = loss(answers(logits.flatten(0, 1)), codes, num_items_in_batch=6)
    parts = [loss(answers(logits[cut].flatten(0, 1)), codes[cut], 6) for cut in (slice(0, 2), slice(2, 6))]
    assert sum(parts).item() == pytest.approx(whole.item())


def test_one_reading_has_the_plain_loss():
    logits = drawn(3, 3)
    assert trainer_loss(rdrop=5.0)(answers(logits), CODES).item() == trainer_loss()(answers(logits), CODES).item()


def spread(classifier, texts):
    """Mean disagreement of two draws of dropout over the texts."""
    model = classifier.model.float().train()
    inputs = classifier.tokenizer(texts, return_tensors="pt", padding=True)
    torch.manual_seed(0)
    with torch.no_grad(), duplicate_batch(model):
        return rdrop_kl(model(**inputs).logits.unflatten(0, (-1, 2)), torch.ones(len(texts))).item()


def test_training_makes_draws_of_dropout_agree(tiny_model):
    words = {"positive": "profit rises", "negative": "loss said to the shares", "neutral": "sales in the net"}
    rows = pd.DataFrame({"label": LABELS * 10}).assign(
        text=lambda table: table["label"].map(words) + " " + table.index.astype(str)
    )
    config = FinetuneConfig(base=str(tiny_model), epochs=6, batch_size=10, learning_rate=1e-3, head_factor=1.0)
    texts = list(rows["text"])
    plain, _ = finetune(rows, rows, config)
    agreeing, _ = finetune(rows, rows, replace(config, rdrop=10.0))
    assert spread(agreeing, texts) < 0.7 * spread(plain, texts)


def test_a_weight_below_zero_is_refused():
    with pytest.raises(ModelError, match="rdrop is -1.0: it must be >= 0"):
        FinetuneConfig(rdrop=-1.0)
