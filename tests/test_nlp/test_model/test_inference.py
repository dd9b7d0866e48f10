"""The Rust tokenizer called directly; texts in windows come back in their order."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nlp.model import inference
from nlp.model.inference import logits_of, tokenize

TEXTS = [
    "profit rises",
    "",
    "Net SALES, of 5 %",
    "two\nlines",
    "日本 🚀 naïve",
    "[SEP] [MASK] tricks",
    "x" * 300,
    "loss " * 100,
]


@pytest.fixture(scope="module")
def tokenizer(tiny_model):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model)


@given(
    texts=st.lists(st.sampled_from(TEXTS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=40), max_size=8)
)
def test_ids_are_those_of_the_plain_tokenizer(tokenizer, texts):
    ids, cut = tokenize(tokenizer, texts, 512)
    assert ids == [tokenizer(text)["input_ids"] for text in texts]
    assert cut == 0


@pytest.mark.parametrize("limit", [3, 8, 64])
def test_texts_are_cut_as_the_plain_tokenizer_cuts_them_and_counted(tokenizer, limit):
    whole = [tokenizer(text)["input_ids"] for text in TEXTS]
    ids, cut = tokenize(tokenizer, TEXTS, limit)
    assert ids == [tokenizer(text, truncation=True, max_length=limit)["input_ids"] for text in TEXTS]
    assert cut == sum(len(tokens) > limit for tokens in whole)


def test_padding_set_by_others_does_not_get_in(tokenizer):
    tokenizer(["a", "a b c"], padding=True)
    assert tokenize(tokenizer, ["a"], 64)[0] == [tokenizer("a")["input_ids"]]


@given(st.lists(st.integers(0, 99), min_size=1, max_size=30), st.integers(1, 7), st.randoms(use_true_random=False))
def test_rows_come_back_in_the_order_of_the_texts_whatever_the_windows_and_parts(numbers, window, random):
    def engine(ids, tokens):
        assert len(ids) <= window
        for place in random.sample(range(len(ids)), len(ids)):
            yield np.array([place]), torch.full((1, 3), float(ids[place][0]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inference, "TEXTS_AHEAD", window)
        texts = [str(number) for number in numbers]
        rows = logits_of(texts, lambda some: [[int(text)] for text in some], engine, 0, False)
    assert rows.dtype == np.float32
    assert rows[:, 0].tolist() == numbers


def test_an_error_in_reading_is_raised_where_it_is_asked_for():
    def read(texts):
        raise ValueError("no such word")

    with pytest.raises(ValueError, match="no such word"):
        logits_of(["a"], read, lambda *_: [], 0, False)
