"""Figures of a classifier, against scikit-learn and by hand."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from nlp.errors import CorpusError
from nlp.evaluation.evaluate import Evaluation, evaluate, evaluate_probabilities
from nlp.labels import LABELS


def drawn(seed, n=80, sharpness=1.0):
    """Probabilities, and labels drawn from them: calibrated by construction."""
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet([sharpness] * 3, n).astype(np.float32)
    codes = [random.choice(3, p=row / row.sum()) for row in probabilities.astype(np.float64)]
    return probabilities, pd.Series(np.array(LABELS)[codes])


def as_records(figures):
    """All numbers of an evaluation, one after the other."""
    tables = (figures.per_class, figures.confusion, figures.reliability, figures.confidence)
    return [*figures.ece_if_calibrated, *(value for table in tables for value in table.to_numpy().ravel().tolist())]


def one_hot(labels):
    return np.eye(3, dtype=np.float32)[[LABELS.index(label) for label in labels]]


@settings(max_examples=12)
@given(st.integers(0, 10_000), st.sampled_from([5, 80, 300]))
def test_figures_are_those_of_scikit_learn(seed, n):
    probabilities, labels = drawn(seed, n)
    guess = np.array(LABELS)[probabilities.argmax(axis=1)]
    figures = evaluate_probabilities(probabilities, labels)
    assert figures.n == figures.groups == n
    assert figures.accuracy == pytest.approx(metrics.accuracy_score(labels, guess))
    each = metrics.precision_recall_fscore_support(labels, guess, labels=LABELS, zero_division=0.0)
    table = figures.per_class
    found = table[["precision", "recall", "f1", "support"]].to_numpy().T
    assert found == pytest.approx(np.stack(each))
    assert figures.macro_f1 == pytest.approx(each[2].mean())
    assert list(figures.f1.values()) == pytest.approx(each[2].tolist())
    assert figures.mcc == pytest.approx(metrics.matthews_corrcoef(labels, guess), abs=1e-9)
    brier = [metrics.brier_score_loss(labels == name, probabilities[:, code]) for code, name in enumerate(LABELS)]
    assert figures.brier == pytest.approx(sum(brier), abs=1e-6)
    assert figures.confusion.to_numpy().tolist() == metrics.confusion_matrix(labels, guess, labels=LABELS).tolist()


def test_the_calibration_error_is_that_of_its_own_reliability_curve():
    figures = evaluate_probabilities(*drawn(2, 400))
    curve = figures.reliability
    gap = (curve["confidence"] - curve["accuracy"]).abs()
    assert figures.ece == pytest.approx((gap * curve["texts"]).sum() / 400, abs=1e-8)
    assert figures.confidence["texts"].sum() == 400
    assert figures.confidence["right"].sum() == round(400 * figures.accuracy)


@settings(max_examples=5)
@given(st.integers(0, 10_000))
def test_figures_do_not_depend_on_the_order_of_rows(seed):
    probabilities, labels = drawn(seed)
    order = np.random.default_rng(seed).permutation(len(labels))
    for groups in (None, np.arange(80) // 3):
        one = evaluate_probabilities(probabilities, labels, groups=groups)
        other = None if groups is None else groups[order]
        two = evaluate_probabilities(probabilities[order], labels.iloc[order], groups=other)
        assert as_records(one) == pytest.approx(as_records(two), abs=1e-12)
        for name, (value, interval) in one.headline.items():
            assert (value, interval) == two.headline[name]  # to the last bit


@pytest.mark.parametrize("seed", range(5))
def test_intervals_contain_the_figure(seed):
    figures = evaluate_probabilities(*drawn(seed, 200), groups=np.arange(200) // 2)
    for value, (low, high) in figures.headline.values():
        assert low < value < high
    table = figures.per_class
    for name in ("precision", "recall", "f1"):
        assert (table[f"{name}_low"] < table[name]).all()
        assert (table[name] < table[f"{name}_high"]).all()


def test_the_interval_of_many_texts_is_that_of_the_binomial():
    figures = evaluate_probabilities(*drawn(0, 5000))
    low, high = figures.accuracy_interval
    wanted = 1.96 * (figures.accuracy * (1 - figures.accuracy) / 5000) ** 0.5
    assert (high - low) / 2 == pytest.approx(wanted, rel=0.1)


def clustered(seed, clusters=60, size=8, share=0.7):
    """Guesses that are right or wrong by whole clusters, with the chance `share`: true accuracy `share`."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 3, clusters * size)
    wrong = np.repeat(random.random(clusters) >= share, size)
    groups = np.repeat(np.arange(clusters), size)
    return np.eye(3, dtype=np.float32)[(truth + wrong) % 3], pd.Series(np.array(LABELS)[truth]), groups


def test_clustered_intervals_cover_and_unclustered_do_not():
    covered = {True: 0, False: 0}
    for seed in range(40):
        probabilities, labels, groups = clustered(seed)
        for by_group in covered:
            figures = evaluate_probabilities(probabilities, labels, groups=groups if by_group else None)
            low, high = figures.accuracy_interval
            covered[by_group] += low <= 0.7 <= high
    assert covered[True] >= 34  # 95 % of 40 is 38; fewer than 34 has a chance of 1 %
    assert covered[False] <= 28  # the interval is a third as wide as it should be


def test_the_interval_of_the_calibration_error_covers_the_true_one():
    covered = 0
    for seed in range(30):
        random = np.random.default_rng(seed)
        confidence = random.uniform(0.6, 1.0, 200)
        right = random.random(200) < confidence - 0.05  # too sure by 0.05, everywhere
        probabilities = np.stack([confidence, 1.0 - confidence, np.zeros(200)], axis=1).astype(np.float32)
        figures = evaluate_probabilities(probabilities, pd.Series(np.where(right, "negative", "neutral")))
        covered += figures.ece_interval.low <= 0.05 <= figures.ece_interval.high
    assert covered >= 25  # centred on the figure, which chance raises, it would be about half of 30


def test_repeats_in_groups_do_not_narrow_the_intervals():
    probabilities, labels = drawn(0, 150)
    times = np.repeat(np.arange(150), 4)
    once = evaluate_probabilities(probabilities, labels)
    grouped = evaluate_probabilities(probabilities[times], labels.iloc[times], groups=times)
    loose = evaluate_probabilities(probabilities[times], labels.iloc[times])
    assert (grouped.n, grouped.groups, loose.groups) == (600, 150, 600)
    for name, (value, (low, high)) in once.headline.items():
        assert grouped.headline[name][0] == pytest.approx(value)
        assert grouped.headline[name][1] == pytest.approx((low, high))
        assert loose.headline[name][1].high - loose.headline[name][1].low < 0.7 * (high - low)


def test_evaluate_finds_the_near_duplicates_itself():
    class Sure:
        def predict_proba(self, texts):
            return one_hot(["positive"] * len(texts))

    news = (
        "Bakery sold {} loaves",
        "Ferry line lost {} captains at sea",
        "{} staff of the mill went home",
        "Rain fell",
    )
    texts = [line.format(n) + "!" * n for line in news for n in range(5)]
    rows = pd.DataFrame({"text": texts, "label": ["positive", "neutral"] * 10})
    figures = evaluate(Sure(), rows)
    assert (figures.n, figures.groups) == (20, 4)


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
    assert (figures.mcc, figures.brier) == (1.0, 0.0)
    assert "Were the accuracy 0.884, so many texts" in figures.notes[0]  # 0.884 ** 30 = 0.025


def test_a_constant_classifier_has_the_accuracy_of_its_label_and_a_third_of_its_f1():
    labels = pd.Series([*LABELS] * 10)
    figures = evaluate_probabilities(one_hot(["neutral"] * 30), labels)
    assert figures.accuracy == pytest.approx(1 / 3)
    assert figures.macro_f1 == pytest.approx(0.5 / 3)
    assert figures.ece == pytest.approx(2 / 3)
    assert figures.f1 == {"negative": 0.0, "neutral": 0.5, "positive": 0.0}


def test_a_label_that_never_occurs_counts_as_an_f1_of_zero():
    labels = pd.Series(["negative", "positive"] * 5)
    figures = evaluate_probabilities(one_hot(labels), labels)
    assert figures.macro_f1 == pytest.approx(2 / 3)
    assert any("No text is neutral: recall is undefined" in note for note in figures.notes)
    assert any("Only 10 texts" in note for note in figures.notes)


def test_a_test_of_one_label_says_what_is_undefined():
    probabilities, _ = drawn(0, 50)
    figures = evaluate_probabilities(probabilities, pd.Series(["neutral"] * 50))
    assert (figures.mcc, figures.mcc_interval) == (0.0, (0.0, 0.0))
    assert figures.accuracy == figures.per_class.loc["neutral", "recall"]
    assert figures.macro_f1 == pytest.approx(figures.f1["neutral"] / 3)
    told = " ".join(figures.notes)
    assert "No text is negative or positive: recall is undefined there" in told
    assert "MCC is undefined" in told
    assert json.loads(json.dumps(figures.to_dict(), allow_nan=False))["notes"] == list(figures.notes)


def test_an_ordinary_test_needs_no_notes():
    assert evaluate_probabilities(*drawn(0)).notes == ()


def test_evaluation_goes_through_json_and_prints_itself():
    figures = evaluate_probabilities(*drawn(0))
    plain = json.loads(json.dumps(figures.to_dict()))
    assert {"n", "accuracy", "macro_f1", "ece"} <= set(plain)
    for name in ("accuracy", "macro_f1", "mcc", "brier", "ece"):
        low, high = plain[f"{name}_interval"]
        assert low <= plain[name] <= high
    assert plain["per_class"]["neutral"]["f1"] == plain["f1"]["neutral"]
    assert len(plain["per_class"]["neutral"]["recall_interval"]) == 2
    assert sum(point["texts"] for point in plain["reliability"]) == 80
    assert 0 < plain["ece_if_calibrated"]["mean"] < plain["ece_if_calibrated"]["most"]
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
        (np.float32([[0, 1, 0], [2, 0, -1]]), ["neutral"] * 2, "row 2: 2, 0, -1 are no probabilities"),
        (np.float32([[0.5, 0.5, 0.5]]), ["neutral"], r"which sum to 1: .* not logits .1 such rows"),
    ],
)
def test_what_cannot_be_compared_is_refused(probabilities, labels, message):
    with pytest.raises(CorpusError, match=message):
        evaluate_probabilities(probabilities, pd.Series(labels, dtype=object))


def test_groups_must_be_one_per_text():
    with pytest.raises(CorpusError, match="79 groups for 80 rows"):
        evaluate_probabilities(*drawn(0), groups=np.arange(79))
