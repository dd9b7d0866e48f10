"""Padded batches by token count, in shapes that tell of no other text."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nlp.model.forward.padded import padded_length, token_batches

drawn = st.lists(st.integers(1, 512), min_size=1, max_size=200).map(lambda lengths: np.array(lengths, dtype=np.int64))


@given(drawn, st.integers(1, 5000))
def test_batches_hold_each_row_once_within_the_budget_longest_first(lengths, budget):
    batches = list(token_batches(lengths, budget))
    assert sorted(row for texts, _, _ in batches for row in texts) == list(range(len(lengths)))
    for texts, rows, longest in batches:
        assert len(texts) <= rows
        assert rows == 1 or rows * longest <= budget
        assert lengths[texts].max() <= longest
    assert all(one[2] >= two[2] for one, two in pairwise(batches))


@given(drawn, drawn, st.integers(1, 5000))
def test_the_shape_of_a_texts_batch_follows_from_its_own_length_alone(lengths, others, budget):
    def shapes(all_lengths):
        batches = token_batches(all_lengths, budget)
        return {(int(all_lengths[row]), rows, longest) for texts, rows, longest in batches for row in texts}

    assert shapes(lengths) | shapes(others) == shapes(np.concatenate([lengths, others]))


@given(drawn, st.integers(1, 5000))
def test_only_the_last_batch_of_a_length_has_room_left(lengths, budget):
    batches = list(token_batches(lengths, budget))
    assert all(len(one[0]) == one[1] for one, two in pairwise(batches) if one[2] == two[2])


def test_no_texts_no_batches():
    assert list(token_batches(np.array([], dtype=np.int64), 2048)) == []


@given(st.integers(1, 512))
def test_padding_wastes_little_and_stays_within_512_tokens(length):
    padded = padded_length(length)
    assert length <= padded <= min(512, length + 31)
    assert padded == padded_length(padded)


@given(st.integers(1, 512), st.integers(1, 512))
def test_padding_never_exceeds_what_the_model_can_read(length, limit):
    length = min(length, limit)
    assert length <= padded_length(length, limit) <= limit
