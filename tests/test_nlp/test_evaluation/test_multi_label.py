"""Figures of multi-label tasks: scikit-learn's, with intervals that contain them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

from nlp.errors import CorpusError
from nlp.evaluation.assessment import assess
from nlp.evaluation.compare import compare
from nlp.evaluation.multi_label import evaluate_multi_label
from nlp.evaluation.output.page import evaluation_html
from nlp.labels import joined
from nlp.model.temperature import fit_temperature

NAMES = ("corn", "crude", "grain", "ship")


def drawn(n=120, seed=0):
    """Cells of labels, and probabilities that know something of them."""
    random = np.random.default_rng(seed)
    truth = random.random((n, 4)) < [0.5, 0.3, 0.2, 0.1]
    truth[~truth.any(axis=1), 0] = True
    logits = 2.0 * truth - 1.0 + random.normal(size=(n, 4))
    cells = [joined(np.array(NAMES)[row]) for row in truth]
    return (1 / (1 + np.exp(-logits))).astype(np.float32), pd.Series(cells), truth


@given(st.integers(0, 1000), st.integers(5, 60))
def test_figures_are_those_of_scikit_learn(seed, n):
    probabilities, labels, truth = drawn(n, seed)
    found, guess = evaluate_multi_label(probabilities, labels, names=NAMES), probabilities >= 0.5
    occurs = np.flatnonzero(truth.any(axis=0))
    assert found.accuracy == pytest.approx(accuracy_score(truth, guess))
    assert found.micro_f1 == pytest.approx(f1_score(truth, guess, average="micro", zero_division=0))
    macro = f1_score(truth, guess, labels=occurs, average="macro", zero_division=0)
    assert found.macro_f1 == pytest.approx(macro)
    assert found.brier == pytest.approx(((probabilities - truth) ** 2).sum(axis=1).mean(), abs=1e-6)
    figures = precision_recall_fscore_support(truth, guess, zero_division=0)
    for name, expected in zip(("precision", "recall", "f1", "support"), figures, strict=True):
        np.testing.assert_allclose(found.per_class[name], expected)


def test_intervals_hold_the_figure_and_are_wider_with_groups():
    probabilities, labels, _ = drawn()
    alone = evaluate_multi_label(probabilities, labels, names=NAMES)
    twice = evaluate_multi_label(
        np.tile(probabilities, (2, 1)), pd.concat([labels, labels]), names=NAMES, groups=np.tile(np.arange(120), 2)
    )
    for name, (value, (low, high)) in alone.headline.items():
        assert low < value < high
        np.testing.assert_allclose(twice.headline[name][1], (low, high), atol=0.02)
    assert (twice.n, twice.groups) == (240, 120)


def test_the_order_of_rows_does_not_matter():
    probabilities, labels, _ = drawn()
    order = np.random.default_rng(1).permutation(120)
    one = evaluate_multi_label(probabilities, labels, names=NAMES)
    other = evaluate_multi_label(probabilities[order], labels.iloc[order], names=NAMES)
    assert one.to_dict() == other.to_dict()


def test_what_is_undefined_is_noted():
    probabilities = np.full((3, 4), 0.1, dtype=np.float32)
    found = evaluate_multi_label(probabilities, pd.Series(["corn", "corn", "crude|corn"]), names=NAMES)
    assert found.notes == (
        "No text is grain, ship: the macro-F1 is that of the other labels.",
        "No guess is corn, crude: precision is undefined there and given as 0.",
        "3 texts get no label, as none has a probability of 0.5.",
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p, c: (p * 3, c), "are no probabilities: pass those of predict_proba, not logits"),
        (lambda p, c: (p[:, :3], c), "needed are 120 × 4"),
        (lambda p, c: (p, c.replace("corn", "oats")), "label 'oats' is none of corn, crude, grain, ship"),
        (lambda p, c: (p[:0], c[:0]), "no labelled texts"),
    ],
)
def test_what_cannot_be_compared_is_named(change, message):
    probabilities, labels = change(*drawn()[:2])
    with pytest.raises(CorpusError, match=message):
        evaluate_multi_label(probabilities, labels, names=NAMES)


def test_a_comparison_counts_texts_that_are_wholly_right():
    probabilities, labels, truth = drawn()
    perfect = truth.astype(np.float32)
    found = compare(perfect, probabilities, labels, names=NAMES, multi_label=True)
    right = (truth == (probabilities >= 0.5)).all(axis=1)
    assert (found.only_first, found.only_second) == ((~right).sum(), 0)
    assert found.accuracy.first == found.macro_f1.first == 1.0
    assert found.accuracy.second == pytest.approx(right.mean())


def test_an_assessment_has_tables_and_a_page():
    probabilities, labels, truth = drawn()
    rows = pd.DataFrame({"text": [f"text {n} of {cell}" for n, cell in enumerate(labels)], "label": labels})
    others = {"always corn": np.tile(np.float32([1, 0, 0, 0]), (120, 1))}
    found = assess("m", probabilities, rows, names=NAMES, multi_label=True, baselines=others)
    for shown in (str(found), evaluation_html(found)):
        assert "micro-F1" in shown
        assert "always corn" in shown
        assert "MCC" not in shown
    assert found.to_dict()["multi_label"]
    wrong = ~(truth == (probabilities >= 0.5)).all(axis=1)
    assert len(found.mistakes) == min(20, wrong.sum())
    assert (found.mistakes["confidence"].diff().dropna() <= 0).all()


def test_the_temperature_undoes_that_of_bernoulli_draws():
    random = np.random.default_rng(0)
    logits = random.normal(0.0, 2.0, (20_000, 3))
    truth = random.random(logits.shape) < 1 / (1 + np.exp(-logits))
    truth[~truth.any(axis=1)] = True  # a cell names one label at least
    kept = ~truth.all(axis=1) | (logits > 0).all(axis=1)
    hot = 1 / (1 + np.exp(-2.0 * logits))
    cells = pd.Series([joined(np.array(NAMES[:3])[row]) for row in truth])
    fitted = fit_temperature(hot[kept], cells[kept], names=NAMES[:3], multi_label=True)
    assert 1.6 < fitted < 2.3
