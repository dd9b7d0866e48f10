"""Packs hold each text once, in shapes that tell of no other text."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from nlp.model.forward.encoders import Embeddings
from nlp.model.forward.packed import ANSWERS_AT_ONCE, TOKENS_PER_TEXT, packs

EMBEDDINGS = Embeddings(torch.zeros(9, 4), torch.zeros(99, 4), lambda vectors: vectors)
SKIPPING = Embeddings(torch.zeros(9, 4), torch.zeros(99, 4), lambda vectors: vectors, skipped=1)
drawn = st.lists(st.lists(st.integers(0, 8), min_size=1, max_size=60), min_size=1, max_size=40)
budgets = st.integers(1, 300)


@given(drawn, budgets)
def test_packs_hold_the_tokens_of_each_text_once_longest_first(ids, tokens):
    found = list(packs(ids, EMBEDDINGS, tokens))
    order = [int(text) for pack in found for text in pack.texts]
    assert sorted(order) == list(range(len(ids)))
    for pack in found:
        assert [len(ids[text]) for text in pack.texts] == sorted((len(ids[text]) for text in pack.texts), reverse=True)
        assert np.split(pack.ids, pack.cuts[1:])[-1].tolist() == [0] * (len(pack.ids) - pack.cuts[-1])
        for text, start, end in zip(pack.texts, pack.cuts, pack.cuts[1:], strict=False):
            assert pack.ids[start:end].tolist() == ids[text]
            assert pack.positions[start:end].tolist() == list(range(len(ids[text])))
        assert pack.cls_tokens[: len(pack.texts)].tolist() == pack.cuts[:-1].tolist()


@given(drawn, drawn, budgets)
def test_the_shapes_that_a_text_is_computed_in_follow_from_its_own_length_alone(ids, others, tokens):
    def shapes(texts):
        return {(len(texts[text]), pack.ids.shape, pack.positions.shape, pack.cls_tokens.shape)
                for pack in packs(texts, EMBEDDINGS, tokens) for text in pack.texts}  # fmt: skip

    assert shapes(ids) | shapes(others) == shapes([*ids, *others])


@given(drawn, budgets)
def test_no_text_waits_for_a_later_pack_that_would_have_fitted(ids, tokens):
    found = list(packs(ids, EMBEDDINGS, tokens))
    for before, pack in enumerate(found):
        full = len(pack.texts) == max(1, len(pack.ids) // TOKENS_PER_TEXT // ANSWERS_AT_ONCE) * ANSWERS_AT_ONCE
        later = [len(ids[text]) for following in found[before + 1 :] for text in following.texts]
        assert full or pack.cuts[-1] + min(later, default=len(pack.ids) + 1) > len(pack.ids)
        assert len(ids[pack.texts[0]]) >= max(later, default=0)


def test_a_token_that_is_skipped_takes_no_position():
    pack = next(packs([[5, 1, 6, 7], [1, 8]], SKIPPING, 16))
    assert pack.positions[:6].tolist() == [2, 1, 3, 4, 1, 2]


def test_no_texts_no_packs():
    assert list(packs([], EMBEDDINGS, 64)) == []
