"""Targets are probabilities, weights keep their mean, and classes are weighed by what counts."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp.corpora.phrasebank import BANDS
from nlp.errors import CorpusError
from nlp.labels import LABELS, label_codes
from nlp.training.targets import class_weights, row_weights, targets

rows_of = st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(BANDS)), min_size=1, max_size=30).map(
    lambda pairs: pd.DataFrame(pairs, columns=["label", "agree"])
)


@given(rows_of, st.booleans())
def test_a_target_is_a_probability_that_peaks_at_the_label(rows, soft):
    wanted = targets(rows, soft=soft)
    np.testing.assert_allclose(wanted.sum(axis=1), 1.0, rtol=1e-6)
    assert (wanted >= 0).all()
    assert (wanted.argmax(axis=1) == label_codes(rows["label"])).all()


def test_the_votes_of_those_who_disagree_go_to_the_neighbours():
    rows = pd.DataFrame({"label": ["positive", "neutral", "negative", "positive"], "agree": [50, 50, 75, 100]})
    np.testing.assert_allclose(
        targets(rows, soft=True),
        [[0.0, 0.42, 0.58], [0.21, 0.58, 0.21], [0.875, 0.125, 0.0], [0.0, 0.0, 1.0]],
        rtol=1e-6,
    )
    assert set(np.unique(targets(rows))) == {0.0, 1.0}


def test_without_bands_soft_targets_are_certain():
    rows = pd.DataFrame({"label": ["positive", "neutral"]})
    assert targets(rows, soft=True).tolist() == [[0, 0, 1], [0, 1, 0]]


@given(st.lists(st.floats(0, 100), min_size=1, max_size=20).filter(any))
def test_weights_are_scaled_to_the_mean_one(drawn):
    weights = row_weights(pd.DataFrame({"weight": drawn}))
    assert weights.mean() == pytest.approx(1.0, rel=1e-4)
    np.testing.assert_allclose(weights * np.mean(drawn), drawn, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, -1.0], "row 2: the weight is -1.0: give a number >= 0"),
        ([np.nan, 1.0], "row 1: the weight is nan"),
        ([1.0, np.inf], "row 2: the weight is inf"),
        (["much", "1"], "row 1: the weight is much"),
        ([0.0, 0.0], "all weights are 0"),
    ],
)
def test_weights_that_are_none_are_named(weights, message):
    with pytest.raises(CorpusError, match=message):
        row_weights(pd.DataFrame({"weight": weights}))


@given(st.lists(st.integers(0, 2), max_size=40), st.integers(1, 4))
def test_a_text_that_counts_n_times_weighs_its_class_like_n_texts(drawn, times):
    codes = np.array([0, 1, 2, *drawn])
    counts = np.where(np.arange(len(codes)) % 2 == 0, float(times), 1.0).astype(np.float32)
    repeated = np.repeat(codes, counts.astype(int))
    np.testing.assert_allclose(class_weights(codes, 0.5, counts), class_weights(repeated, 0.5), rtol=1e-5)


@given(st.lists(st.integers(0, 2), max_size=60), st.floats(0, 2))
def test_class_weights_are_inverse_frequencies_to_a_power_with_mean_one(drawn, power):
    codes = np.array([0, 1, 2, *drawn])
    weights = class_weights(codes, power).astype(np.float64)
    assert weights[codes].mean() == pytest.approx(1.0, rel=1e-5)
    frequency = np.bincount(codes) / len(codes)
    np.testing.assert_allclose(weights / weights[0], (frequency[0] / frequency) ** power, rtol=1e-5)


def test_class_weights_by_hand():
    assert class_weights(np.array([0, 1, 1, 2]), 1.0).tolist() == pytest.approx([4 / 3, 2 / 3, 4 / 3])
    assert class_weights(np.array([0, 1, 1, 2]), 0.0).tolist() == [1.0, 1.0, 1.0]
