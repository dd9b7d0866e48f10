"""Work in flight keeps its order, threads are given back, a short GPU memory halves the batch."""

import logging
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp.errors import ModelError
from nlp.model.forward.engines import FEWEST_TOKENS, engine_for, halving, in_flight, one_thread_each
from nlp.model.inference import logits_of


@settings(max_examples=20)
@given(st.lists(st.integers(), max_size=30), st.integers(0, 5), st.integers(1, 4))
def test_work_in_flight_comes_back_in_order(items, ahead, threads):
    with ThreadPoolExecutor(threads) as pool:
        assert list(in_flight(pool, str, items, ahead)) == [str(item) for item in items]


def test_no_more_is_begun_than_was_allowed():
    begun, done = [], 0
    with ThreadPoolExecutor(2) as pool:
        for _ in in_flight(pool, lambda item: item, (begun.append(item) or item for item in range(50)), 3):
            assert len(begun) - done <= 4
            done += 1
    assert done == 50


def test_threads_are_given_back_after_an_error():
    def fail():
        with one_thread_each() as threads:
            seen.append((threads, torch.get_num_threads()))
            raise KeyError

    before, seen = torch.get_num_threads(), []
    with pytest.raises(KeyError):
        fail()
    assert seen == [(before, 1)]
    assert torch.get_num_threads() == before


def fitting(limit, seen):
    def engine(ids, tokens):
        seen.append(tokens)
        yield np.arange(1), torch.zeros(1, 3)
        if tokens > limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    return engine


def test_a_short_memory_halves_the_batch_and_keeps_no_half_answer(caplog):
    seen = []
    parts = halving(fitting(2000, seen), 8000, [[1]], 0)
    assert seen == [8000, 4000, 2000]
    assert len(parts) == 1
    assert caplog.text.count("trying half as many") == 2


def test_a_memory_too_short_for_anything_is_an_error_with_the_remedy():
    with pytest.raises(ModelError, match=r"no memory for \d+ tokens at once: free some, or use device='cpu'"):
        halving(fitting(0, []), 8000, [[1]], 4 * FEWEST_TOKENS)


def test_other_errors_of_the_model_pass_as_they_are():
    def broken(ids, tokens):
        raise RuntimeError("shape mismatch")

    with pytest.raises(RuntimeError, match="shape mismatch"):
        halving(broken, 8000, [[1]], 0)


def test_an_architecture_that_is_not_known_is_padded_with_one_line_saying_so(caplog):
    config = transformers.ElectraConfig(
        vocab_size=30, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        embedding_size=8, num_labels=3,
    )  # fmt: skip
    torch.manual_seed(0)
    model, ids = transformers.ElectraForSequenceClassification(config).eval(), [[1, 2, 3], [4], [5, 6]]
    with caplog.at_level(logging.WARNING):
        engine = engine_for(model, lambda encoder: encoder, 0, 64)
        logits = logits_of(["a", "b", "c"], lambda _: ids, engine, 0, False)
    assert caplog.text.count("ElectraForSequenceClassification on cpu") == 1
    with torch.inference_mode():
        plain = torch.cat([model(input_ids=torch.tensor([text])).logits for text in ids])
    np.testing.assert_allclose(logits, plain, atol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_packs_agree_with_the_cpu_and_do_not_move_with_their_neighbours(tiny_model):
    from nlp.model.classifier import SentimentClassifier

    texts = ["profit rises", "loss of net sales", "", "shares " * 70, *(f"sales of {n} %" for n in range(400))]
    here = SentimentClassifier.load(tiny_model, device="cpu", dtype="float32").predict_proba(texts)
    on_gpu = SentimentClassifier.load(tiny_model, device="cuda", dtype="bfloat16")
    there = on_gpu.predict_proba(texts, tokens_per_batch=4096)
    np.testing.assert_allclose(there, here, atol=0.1)
    assert on_gpu.predict_proba(texts[:2], tokens_per_batch=4096).tobytes() == there[:2].tobytes()
