"""Figures from confusion counts, against scikit-learn and by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from nlp.errors import CorpusError
from nlp.evaluation import metrics as figures
from nlp.evaluation.bootstrap import resampled_sums
from nlp.labels import LABELS

CODES = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60)


@pytest.mark.filterwarnings("ignore:A single label was found")
@given(CODES)
def test_figures_are_those_of_scikit_learn(pairs):
    truth, guess = np.array(pairs, dtype=np.int64).T
    counts = figures.confusion_of(truth, guess)
    options = {"labels": range(3), "average": None, "zero_division": 0.0}
    assert counts.tolist() == metrics.confusion_matrix(truth, guess, labels=range(3)).tolist()
    assert figures.precision(counts) == pytest.approx(metrics.precision_score(truth, guess, **options))
    assert figures.recall(counts) == pytest.approx(metrics.recall_score(truth, guess, **options))
    assert figures.macro_f1(counts) == pytest.approx(metrics.f1_score(truth, guess, **options).mean())
    assert figures.accuracy_of(counts) == pytest.approx(metrics.accuracy_score(truth, guess))
    assert figures.f1_per_label(counts) == pytest.approx(metrics.f1_score(truth, guess, **options))
    assert figures.matthews(counts) == pytest.approx(metrics.matthews_corrcoef(truth, guess), abs=1e-9)


def test_matthews_by_hand():
    # 2 classes in use, 4 right of 6: (4·6 - (3·3 + 3·3)) / sqrt((36 - 18)·(36 - 18)) = 6 / 18
    assert figures.matthews(np.array([[2.0, 1, 0], [1, 2, 0], [0, 0, 0]])) == pytest.approx(1 / 3)


def test_squared_errors_by_hand():
    probabilities = np.float32([[0.5, 0.25, 0.25], [0, 0, 1]])
    assert figures.squared_errors(probabilities, np.array([0, 1])).tolist() == [0.25 + 2 / 16, 2.0]


@given(CODES, st.integers(0, 5))
def test_a_stack_of_matrices_gives_a_stack_of_figures(pairs, seed):
    truth, guess = np.array(pairs, dtype=np.int64).T
    drawn = figures.as_confusion(resampled_sums(figures.confusion_cells(truth, guess), None, seed, draws=5))
    for figure in (figures.precision, figures.recall, figures.macro_f1, figures.matthews):
        assert figure(drawn).tolist() == [figure(one).tolist() for one in drawn]
        assert np.isfinite(figure(drawn)).all()


def test_matthews_of_a_million_texts_does_not_overflow():
    counts = np.array([[500_000_000, 1, 0], [0, 500_000_000, 2], [3, 0, 500_000_000]])
    assert figures.matthews(counts) == pytest.approx(1.0, abs=1e-8)


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        (np.empty((0, 3)), [], "no labelled texts"),
        (np.zeros((1, 3)), ["bullish"], "'bullish'"),
        (np.zeros((1, 3)), list(LABELS), "probabilities are 1 × 3, needed are 3 × 3: one row per label"),
        (np.array([[0.2, 0.3, 0.5], [0.0, np.nan, 1.0]]), ["neutral"] * 2, "row 2: not a finite number"),
    ],
)
def test_what_cannot_be_compared_is_named(probabilities, labels, message):
    with pytest.raises(CorpusError, match=message):
        figures.checked_codes(probabilities, pd.Series(labels, dtype=object))
