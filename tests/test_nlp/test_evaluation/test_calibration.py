"""Calibration error, its level by chance, the reliability curve and its intervals, by hand and by simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from nlp.evaluation.calibration import (
    BINS,
    calibration_error,
    confidence_histogram,
    error_if_calibrated,
    gaps_by_bin,
    reliability_curve,
    wilson,
)
from nlp.evaluation.metrics import guesses
from nlp.labels import LABELS


def drawn(seed, n=80):
    """Probabilities, and codes of labels drawn from them: calibrated by construction."""
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet([1.0] * 3, n).astype(np.float32)
    codes = [random.choice(len(LABELS), p=row / row.sum()) for row in probabilities.astype(np.float64)]
    return probabilities, np.array(codes, dtype=np.int64)


def error_of(probabilities, truth, bins=BINS):
    """The calibration error of all texts."""
    return calibration_error(gaps_by_bin(probabilities, truth, bins).sum(axis=0), len(truth))


def test_calibration_error_by_hand():
    probabilities = np.float32([[0.5, 0.25, 0.25], [0.0, 0.625, 0.375], [0.75, 0.25, 0.0], [0.0, 0.0, 1.0]])
    truth = np.array([0, 2, 0, 0])  # right, wrong, right, wrong
    # two bins: {0.5 right, 0.625 wrong}: |1.125 - 1|; {0.75 right, 1.0 wrong}: |1.75 - 1|; over four texts
    assert error_of(probabilities, truth, bins=2) == pytest.approx((0.125 + 0.75) / 4)
    assert error_of(probabilities, truth, bins=1) == pytest.approx((2.875 - 2) / 4)


@given(st.integers(0, 10_000), st.integers(1, 200), st.integers(1, 30))
def test_calibration_error_lies_between_the_overall_gap_and_one(seed, n, bins):
    probabilities, truth = drawn(seed, n)
    gap = abs((probabilities.max(axis=1) - (probabilities.argmax(axis=1) == truth)).mean())
    assert gap - 1e-6 <= error_of(probabilities, truth, bins) <= 1.0


def test_calibration_error_of_a_calibrated_classifier_is_small():
    assert error_of(*drawn(0, 20_000)) < 0.02


def test_calibration_error_does_not_depend_on_the_order_of_rows():
    probabilities = np.tile(np.float32([[0.5, 0.3, 0.2]]), (100, 1))
    halves, turns = np.repeat([0, 1], 50), np.tile([0, 1], 50)
    assert error_of(probabilities, halves) == error_of(probabilities, turns) == 0.0


@given(st.integers(0, 1000), st.integers(1, 60))
def test_each_text_has_its_gap_in_one_bin_and_bins_are_nearly_equal(seed, n):
    probabilities, truth = drawn(seed, n)
    gaps = gaps_by_bin(probabilities, truth)
    assert gaps.shape == (n, BINS)
    assert (np.count_nonzero(gaps, axis=1) == 1).all()
    texts = np.count_nonzero(gaps, axis=0)
    assert texts[texts > 0].max() <= -(-n // BINS)
    gap = probabilities.max(axis=1).astype(np.float64) - (guesses(probabilities) == truth)
    assert gaps.sum(axis=1) == pytest.approx(gap, abs=1e-8)


def test_chance_alone_shows_the_error_that_it_is_said_to_show():
    found = [error_of(*drawn(seed, 300)) for seed in range(150)]
    told = error_if_calibrated(drawn(0, 300)[0])
    assert told.mean == pytest.approx(np.mean(found), rel=0.1)
    assert 0.01 <= np.mean(np.array(found) > told.most) <= 0.1


def test_near_duplicates_leave_more_to_chance():
    probabilities, times = drawn(0, 60)[0], np.repeat(np.arange(60), 5)
    alone, grouped = (error_if_calibrated(probabilities[times], groups) for groups in (None, times))
    assert grouped.mean > 1.7 * alone.mean


@given(st.integers(0, 1000))
def test_what_chance_shows_does_not_depend_on_the_order_of_rows(seed):
    probabilities, order = drawn(seed)[0], np.random.default_rng(seed).permutation(80)
    groups = np.arange(80) // 2
    assert error_if_calibrated(probabilities, groups) == error_if_calibrated(probabilities[order], groups[order])


def test_the_curve_by_hand():
    probabilities = np.repeat(np.float32([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]]), 50, axis=0)
    truth = np.repeat([0, 1, 2], [25, 25, 50])
    curve = reliability_curve(probabilities, truth)
    assert curve.index.tolist() == [1, 2]
    assert curve[["texts", "groups"]].to_numpy().tolist() == [[50, 50], [50, 50]]
    assert curve["confidence"].tolist() == pytest.approx([0.5, 0.8])
    assert curve["accuracy"].tolist() == [0.5, 1.0]
    assert curve.loc[1, ["low", "high"]].tolist() == pytest.approx([0.366, 0.634], abs=1e-3)
    assert curve.loc[2, ["low", "high"]].tolist() == pytest.approx([0.929, 1.0], abs=1e-3)
    fewer = reliability_curve(probabilities, truth, groups=np.arange(100) // 5)
    assert fewer["groups"].tolist() == [10, 10]
    assert (fewer["low"] < curve["low"]).all()


@given(st.integers(1, 500), st.data())
def test_the_interval_of_wilson_is_that_of_scipy(n, data):
    right = data.draw(st.integers(0, n))
    low, high = wilson(np.array([right / n]), np.array([n]))
    wanted = binomtest(right, n).proportion_ci(method="wilson")
    assert (low[0], high[0]) == pytest.approx((wanted.low, wanted.high), abs=1e-6)
    assert low[0] <= right / n <= high[0]


@given(st.integers(0, 1000))
def test_the_histogram_counts_every_text_once(seed):
    probabilities, truth = drawn(seed)
    bars = confidence_histogram(np.vstack([probabilities, np.full((1, 3), 1 / 3), np.eye(3)]).astype(np.float32),
                                np.concatenate([truth, [0, 0, 1, 2]]))  # fmt: skip
    assert bars["texts"].sum() == 84
    assert (bars["right"] <= bars["texts"]).all()
    assert bars["texts"].iloc[-1] >= 3
    assert bars["texts"].iloc[0] >= 1
    assert bars["most"].iloc[:-1].tolist() == bars["least"].iloc[1:].tolist()
