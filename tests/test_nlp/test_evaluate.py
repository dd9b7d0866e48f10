"""Figures of a classifier, against scikit-learn and by hand."""

import importlib
import json
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from nlp.corpora import LABELS
from nlp.errors import CorpusError
from nlp.evaluate import (
    Evaluation,
    accuracy_of,
    confusion_of,
    evaluate,
    evaluate_probabilities,
    expected_calibration_error,
    f1_per_label,
)

module = importlib.import_module("nlp.evaluate")  # the attribute of that name is the function


def drawn(seed, n=80, sharpness=1.0):
    """Probabilities, and labels drawn from them: calibrated by construction."""
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet([sharpness] * 3, n).astype(np.float32)
    codes = [random.choice(3, p=row / row.sum()) for row in probabilities.astype(np.float64)]
    return probabilities, pd.Series(np.array(LABELS)[codes])


def one_hot(labels):
    return np.eye(3, dtype=np.float32)[[LABELS.index(label) for label in labels]]


@pytest.mark.parametrize("seed", range(8))
def test_figures_are_those_of_scikit_learn(seed):
    probabilities, labels = drawn(seed)
    guess = np.array(LABELS)[probabilities.argmax(axis=1)]
    figures = evaluate_probabilities(probabilities, labels)
    assert figures.n == len(labels)
    assert figures.accuracy == accuracy_score(labels, guess)
    assert figures.macro_f1 == pytest.approx(f1_score(labels, guess, average="macro", labels=LABELS), abs=1e-12)
    assert list(figures.f1.values()) == pytest.approx(f1_score(labels, guess, average=None, labels=LABELS))
    assert figures.confusion.to_numpy().tolist() == confusion_matrix(labels, guess, labels=LABELS).tolist()


@pytest.mark.parametrize("n", [1, 2, 5, 300])
def test_figures_of_many_confusion_matrices_at_once_are_those_of_scikit_learn(n):
    random = np.random.default_rng(n)
    truths, guesses = random.integers(0, 3, (2, 25, n))
    counts = np.stack([confusion_of(truth, guess) for truth, guess in zip(truths, guesses, strict=True)])
    for truth, guess, count, accuracy, f1 in zip(
        truths, guesses, counts, accuracy_of(counts), f1_per_label(counts), strict=True
    ):
        assert count.tolist() == confusion_matrix(truth, guess, labels=range(3)).tolist()
        assert accuracy == pytest.approx(accuracy_score(truth, guess), abs=1e-12)
        wanted = f1_score(truth, guess, labels=range(3), average=None, zero_division=0.0)
        assert f1 == pytest.approx(wanted, abs=1e-12)


def test_a_draw_of_texts_counts_as_the_same_rows_written_out():
    probabilities, labels = drawn(3, 60)
    probabilities = probabilities.round(1)  # with ties
    truth = np.array([LABELS.index(label) for label in labels])
    times = np.random.default_rng(0).integers(0, 4, 60)
    rows = module._sorted_rows(probabilities, truth)
    order = np.lexsort((truth * 3 + probabilities.argmax(axis=1), probabilities.max(axis=1).astype(np.float64)))
    written = np.repeat(order, times)
    assert rows.ece(times) == pytest.approx(expected_calibration_error(probabilities[written], truth[written]))


def test_ten_thousand_texts_take_seconds():
    probabilities, labels = drawn(0, 10_000)
    started = time.perf_counter()
    figures = evaluate_probabilities(probabilities, labels)
    assert time.perf_counter() - started < 5
    low, high = figures.accuracy_interval
    assert (high - low) / 2 == pytest.approx(1.96 * (figures.accuracy * (1 - figures.accuracy) / 1e4) ** 0.5, rel=0.1)


def test_calibration_error_by_hand():
    probabilities = np.float32([[0.5, 0.25, 0.25], [0.0, 0.625, 0.375], [0.75, 0.25, 0.0], [0.0, 0.0, 1.0]])
    truth = np.array([0, 2, 0, 0])  # right, wrong, right, wrong
    # two bins: {0.5 right, 0.625 wrong}: |1.125 - 1|; {0.75 right, 1.0 wrong}: |1.75 - 1|; over four texts
    assert expected_calibration_error(probabilities, truth, bins=2) == pytest.approx((0.125 + 0.75) / 4)
    assert expected_calibration_error(probabilities, truth, bins=1) == pytest.approx((2.875 - 2) / 4)


@given(st.integers(0, 10_000), st.integers(1, 200), st.integers(1, 30))
def test_calibration_error_lies_between_the_overall_gap_and_one(seed, n, bins):
    probabilities, labels = drawn(seed, n)
    truth = np.array([LABELS.index(label) for label in labels])
    gap = abs((probabilities.max(axis=1) - (probabilities.argmax(axis=1) == truth)).mean())
    assert gap - 1e-6 <= expected_calibration_error(probabilities, truth, bins) <= 1.0


def test_calibration_error_of_a_calibrated_classifier_is_small():
    probabilities, labels = drawn(0, 20_000)
    assert expected_calibration_error(probabilities, np.array([LABELS.index(label) for label in labels])) < 0.02


def test_calibration_error_does_not_depend_on_the_order_of_rows():
    probabilities = np.tile(np.float32([[0.5, 0.3, 0.2]]), (100, 1))
    halves, turns = np.repeat([0, 1], 50), np.tile([0, 1], 50)
    assert expected_calibration_error(probabilities, halves) == expected_calibration_error(probabilities, turns) == 0.0


@settings(max_examples=5)
@given(st.integers(0, 10_000))
def test_figures_do_not_depend_on_the_order_of_rows(seed):
    probabilities, labels = drawn(seed)
    order = np.random.default_rng(seed).permutation(len(labels))
    one = evaluate_probabilities(probabilities, labels)
    two = evaluate_probabilities(probabilities[order], labels.iloc[order])
    assert one.to_dict() == two.to_dict()


@pytest.mark.parametrize("seed", range(10))
def test_intervals_of_accuracy_and_f1_contain_the_figure(seed):
    figures = evaluate_probabilities(*drawn(seed, 200))
    for value, (low, high) in (
        (figures.accuracy, figures.accuracy_interval),
        (figures.macro_f1, figures.macro_f1_interval),
    ):
        assert 0 <= low <= value <= high <= 1
        assert low < high


def test_the_interval_of_the_calibration_error_contains_it():
    every = [evaluate_probabilities(*drawn(seed, 400)) for seed in range(12)]
    outside = [e for e in every if not e.ece_interval.low <= e.ece <= e.ece_interval.high]
    assert not outside


def test_an_interval_is_repeatable_and_narrows_with_more_texts():
    small, large = drawn(1, 100), drawn(1, 2500)
    one, again, wide = (evaluate_probabilities(*rows).accuracy_interval for rows in (small, small, large))
    assert one == again
    assert wide.high - wide.low < 0.5 * (one.high - one.low)


def test_a_perfect_classifier():
    labels = pd.Series([*LABELS] * 10)
    figures = evaluate_probabilities(one_hot(labels), labels)
    assert (figures.accuracy, figures.macro_f1, figures.ece) == (1.0, 1.0, 0.0)
    assert figures.accuracy_interval == (1.0, 1.0)
    assert figures.ece_interval == (0.0, 0.0)


def test_a_constant_classifier_has_the_accuracy_of_its_label_and_a_third_of_its_f1():
    labels = pd.Series([*LABELS] * 10)
    figures = evaluate_probabilities(one_hot(["neutral"] * 30), labels)
    assert figures.accuracy == pytest.approx(1 / 3)
    assert figures.macro_f1 == pytest.approx(0.5 / 3)
    assert figures.ece == pytest.approx(2 / 3)
    assert figures.f1 == {"negative": 0.0, "neutral": 0.5, "positive": 0.0}


def test_a_label_that_never_occurs_counts_as_an_f1_of_zero():
    labels = pd.Series(["negative", "positive"] * 5)
    assert evaluate_probabilities(one_hot(labels), labels).macro_f1 == pytest.approx(2 / 3)


def test_evaluation_goes_through_json_and_prints_itself():
    figures = evaluate_probabilities(*drawn(0))
    plain = json.loads(json.dumps(figures.to_dict()))
    assert {"n", "accuracy", "macro_f1", "ece"} <= set(plain)
    for name in ("accuracy", "macro_f1", "ece"):
        low, high = plain[f"{name}_interval"]
        assert low <= high
    assert plain["confusion"]["negative"]["positive"] == figures.confusion.loc["negative", "positive"]
    for part in ("80 texts", "accuracy", "macro-F1", "ECE", "95 %", "rows: truth"):
        assert part in str(figures)


def test_evaluate_asks_the_classifier_for_the_texts_in_order():
    class Knowing:
        def predict_proba(self, texts):
            return one_hot(texts)

    labelled = pd.DataFrame({"text": [*LABELS] * 3, "label": [*LABELS] * 3}, index=range(9, 0, -1))
    figures = evaluate(Knowing(), labelled)
    assert isinstance(figures, Evaluation)
    assert figures.accuracy == 1.0


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        (np.empty((0, 3), np.float32), [], "no labelled texts"),
        (one_hot(["neutral"] * 2), ["neutral", "bullish"], "row 2: label 'bullish' is none of"),
        (one_hot(["neutral"] * 2), ["neutral"] * 3, "probabilities are 2 × 3, needed are 3 × 3"),
        (one_hot(["neutral"] * 2)[:, :2], ["neutral"] * 2, "probabilities are 2 × 2, needed are 2 × 3"),
    ],
)
def test_what_cannot_be_compared_is_refused(probabilities, labels, message):
    with pytest.raises(CorpusError, match=message):
        evaluate_probabilities(probabilities, pd.Series(labels, dtype=object))
