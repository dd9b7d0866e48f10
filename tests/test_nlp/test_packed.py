"""Packs hold each text once, in shapes that tell of no other text; attention stays within a text."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nlp.encoders import Embeddings
from nlp.packed import TOKENS_PER_TEXT, Rows, attend_by_length, attend_varlen, packs

EMBEDDINGS = Embeddings(torch.zeros(9, 4), torch.zeros(99, 4), None, lambda vectors: vectors)
SKIPPING = Embeddings(torch.zeros(9, 4), torch.zeros(99, 4), None, lambda vectors: vectors, skipped=1)
drawn = st.lists(st.lists(st.integers(0, 8), min_size=1, max_size=60), min_size=1, max_size=40)
budgets = st.integers(1, 300)


@given(drawn, budgets)
def test_packs_hold_the_tokens_of_each_text_once_longest_first(ids, tokens):
    found = list(packs(ids, EMBEDDINGS, tokens))
    order = [int(text) for pack in found for text in pack.texts]
    assert sorted(order) == list(range(len(ids)))
    assert [len(ids[text]) for text in order] == sorted(map(len, ids), reverse=True)
    for pack in found:
        assert np.split(pack.ids, pack.cuts[1:])[-1].tolist() == [0] * (len(pack.ids) - pack.cuts[-1])
        for text, start, end in zip(pack.texts, pack.cuts, pack.cuts[1:], strict=False):
            assert pack.ids[start:end].tolist() == ids[text]
            assert pack.positions[start:end].tolist() == list(range(len(ids[text])))
        assert pack.firsts[: len(pack.texts)].tolist() == pack.cuts[:-1].tolist()


@given(drawn, drawn, budgets)
def test_the_shapes_that_a_text_is_computed_in_follow_from_its_own_length_alone(ids, others, tokens):
    def shapes(texts):
        return {(len(texts[text]), pack.ids.shape, pack.positions.shape, pack.firsts.shape)
                for pack in packs(texts, EMBEDDINGS, tokens) for text in pack.texts}  # fmt: skip

    assert shapes(ids) | shapes(others) == shapes([*ids, *others])


@given(drawn, budgets)
def test_only_the_last_pack_has_room_for_another_text(ids, tokens):
    found = list(packs(ids, EMBEDDINGS, tokens))
    for pack, following in pairwise(found):
        full = len(pack.texts) == max(1, len(pack.ids) // TOKENS_PER_TEXT)
        assert full or pack.cuts[-1] + len(ids[following.texts[0]]) > len(pack.ids)


def test_a_token_that_is_skipped_takes_no_position():
    pack = next(packs([[5, 1, 6, 7], [1, 8]], SKIPPING, 16))
    assert pack.positions[:6].tolist() == [2, 1, 3, 4, 1, 2]


def test_no_texts_no_packs():
    assert list(packs([], EMBEDDINGS, 64)) == []


def rows(lengths):
    return Rows(lengths, torch.tensor(np.cumsum([0, *lengths]), dtype=torch.int32))


def one_by_one(query, key, value, cuts, _, longest, __):
    """What the CUDA kernel is documented to do, text by text: (tokens, heads, width) each."""
    assert cuts.dtype == torch.int32
    assert longest == max(np.diff(cuts.tolist()))
    gathered = torch.full_like(query, float("nan"))
    for start, end in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
        scores = torch.einsum("ihd,jhd->hij", query[start:end], key[start:end]) / query.shape[-1] ** 0.5
        gathered[start:end] = torch.einsum("hij,jhd->ihd", scores.softmax(-1), value[start:end])
    return gathered


lengths_drawn = st.lists(st.integers(1, 20), min_size=1, max_size=12).map(lambda lengths: sorted(lengths, reverse=True))


@given(lengths_drawn, st.sampled_from([1, 2, 4]), st.integers(0, 5))
def test_both_ways_to_attend_are_plain_attention_within_each_text(lengths, n_heads, blank):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torch.nn.attention.varlen.varlen_attn", one_by_one)
        qkv = torch.randn(sum(lengths) + blank, 3 * 8, generator=torch.Generator().manual_seed(len(lengths)))
        by_length, varlen = (attend(qkv, rows(lengths), n_heads)[: sum(lengths)]
                             for attend in (attend_by_length, attend_varlen))  # fmt: skip
    torch.testing.assert_close(by_length, varlen, atol=1e-5, rtol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_the_cuda_kernel_attends_as_the_cpu_does():
    lengths = [33, 20, 20, 7, 1]
    qkv = torch.randn(96, 3 * 64, generator=torch.Generator().manual_seed(0)).bfloat16()
    there = Rows(lengths, rows(lengths).cuts.cuda())
    found = attend_varlen(qkv.cuda(), there, 2)[: sum(lengths)].float().cpu()
    expected = attend_by_length(qkv.float(), rows(lengths), 2)[: sum(lengths)]
    torch.testing.assert_close(found, expected, atol=2e-2, rtol=0)
