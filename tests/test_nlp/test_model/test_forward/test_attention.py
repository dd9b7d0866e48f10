"""Attention stays within a text, in every way it is computed, and is that of the formula."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_nlp.test_model.test_forward.by_formula import plain, rows

from nlp.model.forward.attention import ON_CPU, SHORT, TOKENS_AT_ONCE, VARLEN, SequenceSpans
from nlp.model.forward.encoders import Linear

WIDTH, ROOM = 16, 30


def drawn(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def projection(seed):
    return Linear(drawn(3 * WIDTH, WIDTH, seed=seed) / WIDTH**0.5, drawn(3 * WIDTH, seed=seed + 1))


def one_by_one(query, key, value, asking, asked, most_asking, most_asked):
    """What the CUDA kernel is documented to do: (tokens, heads, width) each, and where each text lies in them."""
    assert asking.dtype == asked.dtype == torch.int32
    assert (most_asking, most_asked) == (max(np.diff(asking.tolist())), max(np.diff(asked.tolist())))
    gathered = torch.full_like(query, float("nan"))
    for text in range(len(asked) - 1):
        mine, theirs = slice(*asking[text : text + 2].tolist()), slice(*asked[text : text + 2].tolist())
        scores = torch.einsum("ihd,jhd->hij", query[mine], key[theirs]) / query.shape[-1] ** 0.5
        gathered[mine] = torch.einsum("hij,jhd->ihd", scores.softmax(-1), value[theirs])
    return gathered


@pytest.fixture(scope="module", params=[ON_CPU, VARLEN], ids=["by length", "varlen"])
def attention(request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torch.nn.attention.varlen.varlen_attn", one_by_one)
        yield request.param


shorts = st.lists(st.integers(1, 20), min_size=1, max_size=ROOM)
longs = st.lists(st.sampled_from([1, TOKENS_AT_ONCE // 3, SHORT, SHORT + 1, TOKENS_AT_ONCE + 1]), max_size=3)
lengths_drawn = st.tuples(longs, shorts).map(lambda parts: sorted([*parts[0], *parts[1]][:ROOM], reverse=True))
heads = st.sampled_from([1, 2, 4])


@given(lengths=lengths_drawn, n_heads=heads, blank=st.integers(0, 5))
def test_each_token_gathers_from_its_own_text(attention, lengths, n_heads, blank):
    qkv = drawn(sum(lengths) + blank, 3 * WIDTH, seed=len(lengths))
    found = attention.within(qkv, rows(lengths), n_heads)[: sum(lengths)]
    torch.testing.assert_close(found.double(), plain(qkv[: sum(lengths)], lengths, n_heads), atol=1e-5, rtol=0)


@given(lengths=lengths_drawn, n_heads=heads, blank=st.integers(0, 5))
def test_first_tokens_gather_what_they_do_among_all(attention, lengths, n_heads, blank):
    hidden, starts = drawn(sum(lengths) + blank, WIDTH, seed=len(lengths)), np.cumsum([0, *lengths[:-1]])
    firsts = torch.tensor([*starts, *[0] * (ROOM - len(lengths))])
    found = attention.of_cls(projection(1), hidden[firsts], hidden, rows(lengths), n_heads)
    expected = plain(projection(1)(hidden[: sum(lengths)]), lengths, n_heads)[starts]
    assert found.shape == (ROOM, WIDTH)
    torch.testing.assert_close(found[: len(lengths)].double(), expected, atol=1e-5, rtol=0)


def test_first_tokens_keep_their_digits_in_bfloat16_where_all_vectors_share_a_large_part():
    hidden = (drawn(40, WIDTH, seed=0) + 20 * drawn(WIDTH, seed=1)).bfloat16()
    exact = plain(projection(2)(hidden.float()), [40], 2)[:1]
    half = Linear(projection(2).weight.bfloat16(), projection(2).bias.bfloat16())
    found = ON_CPU.of_cls(half, hidden[:1], hidden, rows([40]), 2)
    assert found.dtype == torch.bfloat16
    assert float((found.double() - exact).abs().max() / exact.abs().max()) < 0.05


@pytest.mark.parametrize("lengths", [[37] * 13, [20] * 9 + [12] * 20, [130, 60, 60, 5]])
def test_no_bit_moves_with_the_neighbours(lengths):
    qkv = drawn(sum(lengths), 3 * WIDTH, seed=0)
    together, start = ON_CPU.within(qkv, rows(lengths), 4), 0
    for length in lengths:
        own = slice(start, start := start + length)
        assert torch.equal(ON_CPU.within(qkv[own], rows([length]), 4), together[own])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_the_cuda_kernel_attends_as_the_cpu_does():
    lengths, width = [33, 20, 20, 7, 1], 64
    qkv, hidden = drawn(96, 3 * width, seed=0).bfloat16(), drawn(96, width, seed=1).bfloat16()
    linear = Linear((drawn(3 * width, width, seed=2) / width**0.5).bfloat16(), drawn(3 * width, seed=3).bfloat16())
    there, on_gpu = SequenceSpans(lengths, rows(lengths).cuts.cuda()), Linear(linear.weight.cuda(), linear.bias.cuda())
    found = VARLEN.within(qkv.cuda(), there, 2)[: sum(lengths)].float().cpu()
    expected = ON_CPU.within(qkv.float(), rows(lengths), 2)[: sum(lengths)]
    torch.testing.assert_close(found, expected, atol=2e-2, rtol=0)
    first = hidden[np.cumsum([0, *lengths[:-1]])]
    found = VARLEN.of_cls(on_gpu, first.cuda(), hidden.cuda(), there, 2).float().cpu()
    torch.testing.assert_close(found, ON_CPU.of_cls(linear, first, hidden, rows(lengths), 2).float(), atol=5e-2, rtol=0)
