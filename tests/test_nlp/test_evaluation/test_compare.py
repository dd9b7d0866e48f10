"""Two classifiers on the same texts: by hand, against scikit-learn and SciPy, and over many draws."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn.metrics import accuracy_score, f1_score

from nlp.errors import CorpusError
from nlp.evaluation.compare import compare, mcnemar
from nlp.labels import LABELS


def one_hot(codes):
    return np.eye(3, dtype=np.float32)[codes]


def noisy(seed, n=300, errors=(0.2, 0.2)):
    """Labels, and two classifiers that each err on their own share of them."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 3, n)
    guesses = [np.where(random.random(n) < share, (truth + random.integers(1, 3, n)) % 3, truth) for share in errors]
    return one_hot(guesses[0]), one_hot(guesses[1]), pd.Series(np.array(LABELS)[truth])


def test_by_hand():
    truth = pd.Series(["negative", "neutral", "positive", "neutral"])
    found = compare(one_hot([0, 1, 2, 1]), one_hot([0, 1, 1, 0]), truth)
    assert (found.n, found.groups, found.only_first, found.only_second) == (4, 4, 2, 0)
    assert (found.accuracy.first, found.accuracy.second, found.accuracy.difference) == (1.0, 0.5, 0.5)
    assert found.macro_f1.second == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert found.p_value == pytest.approx(2 * 0.5**2)


@given(st.integers(0, 30), st.integers(0, 30))
def test_mcnemar_is_the_binomial_tail_twice(one, other):
    tail = binom.cdf(min(one, other), one + other, 0.5)
    assert mcnemar(one, other) == pytest.approx(min(1.0, 2 * tail))
    assert mcnemar(one, other) == pytest.approx(mcnemar(other, one))


@settings(max_examples=10)
@given(st.integers(0, 1000))
def test_figures_are_those_of_scikit_learn_and_swapping_mirrors_them(seed):
    first, second, labels = noisy(seed, errors=(0.1, 0.3))
    names = [np.array(LABELS)[p.argmax(axis=1)] for p in (first, second)]
    found, mirrored = compare(first, second, labels), compare(second, first, labels)
    assert found.accuracy.first == accuracy_score(labels, names[0])
    assert found.macro_f1.second == pytest.approx(f1_score(labels, names[1], average="macro", labels=LABELS))
    assert found.accuracy.difference == -mirrored.accuracy.difference
    assert (found.only_first, found.p_value) == (mirrored.only_second, mirrored.p_value)
    low, high = found.accuracy.interval
    assert low <= found.accuracy.difference <= high


def test_a_classifier_against_itself():
    first, _, labels = noisy(0)
    found = compare(first, first, labels)
    assert (found.accuracy.difference, tuple(found.macro_f1.interval), found.p_value) == (0.0, (0.0, 0.0), 1.0)


def test_the_interval_of_equals_contains_zero_nineteen_times_in_twenty():
    outside = [not low <= 0 <= high for low, high in (compare(*noisy(seed)).accuracy.interval for seed in range(100))]
    assert sum(outside) <= 11


def test_a_clear_winner_is_told():
    found = compare(*noisy(0, errors=(0.1, 0.4)))
    assert found.accuracy.interval.low > 0.15
    assert found.macro_f1.interval.low > 0.15
    assert found.p_value < 1e-6


def test_pairing_narrows_the_interval():
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, 500)
    first = np.where(random.random(500) < 0.3, (truth + 1) % 3, truth)
    second = np.where(random.random(500) < 0.02, (first + 1) % 3, first)
    labels = pd.Series(np.array(LABELS)[truth])
    low, high = compare(one_hot(first), one_hot(second), labels).accuracy.interval
    assert high - low < 0.04  # unpaired: 2 · 1.96 · sqrt(2 · 0.3 · 0.7 / 500) = 0.11


def test_repeats_in_groups_do_not_narrow_it():
    first, second, labels = noisy(0, 200)
    low, high = compare(first, second, labels).accuracy.interval
    times = np.repeat(np.arange(200), 4)
    repeated = first[times], second[times], labels.iloc[times]
    grouped = compare(*repeated, groups=times).accuracy.interval
    loose = compare(*repeated).accuracy.interval
    assert grouped == pytest.approx((low, high), abs=1e-12)
    assert loose.high - loose.low < 0.6 * (high - low)


def test_the_order_of_rows_does_not_matter():
    first, second, labels = noisy(3)
    groups, order = np.arange(300) // 4, np.random.default_rng(0).permutation(300)
    one = compare(first, second, labels, groups=groups)
    assert one == compare(first[order], second[order], labels.iloc[order], groups=groups[order])


def test_it_prints_itself_and_goes_through_json():
    found = compare(*noisy(0, errors=(0.1, 0.4)), groups=np.arange(300) // 2)
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["accuracy"]["interval"] == list(found.accuracy.interval)
    for part in ("300 texts in 150 groups", "accuracy  0.", "points (95 % +", "McNemar exact p ="):
        assert part in str(found)


@pytest.mark.parametrize("which", [0, 1])
def test_shapes_that_differ_are_named(which):
    given = list(noisy(0))
    given[which] = given[which][:-1]
    with pytest.raises(CorpusError, match="probabilities are 299 × 3, needed are 300 × 3"):
        compare(*given)
