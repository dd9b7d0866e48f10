"""Figures from confusion counts against scikit-learn, and the clustered bootstrap against drawing rows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from nlp import bootstrap
from nlp.corpora import LABELS
from nlp.errors import CorpusError

CODES = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60)


def confusion(truth, guess):
    return bootstrap.as_confusion(bootstrap.confusion_cells(truth, guess).sum(axis=0))


@given(CODES)
def test_figures_are_those_of_scikit_learn(pairs):
    truth, guess = np.array(pairs, dtype=np.int64).T
    counts = confusion(truth, guess)
    options = {"labels": range(3), "average": None, "zero_division": 0.0}
    assert counts.tolist() == metrics.confusion_matrix(truth, guess, labels=range(3)).tolist()
    assert bootstrap.precision(counts) == pytest.approx(metrics.precision_score(truth, guess, **options))
    assert bootstrap.recall(counts) == pytest.approx(metrics.recall_score(truth, guess, **options))
    assert bootstrap.macro_f1(counts) == pytest.approx(metrics.f1_score(truth, guess, **options).mean())
    assert bootstrap.matthews(counts) == pytest.approx(metrics.matthews_corrcoef(truth, guess), abs=1e-9)


def test_matthews_by_hand():
    # 2 classes in use, 4 right of 6: (4·6 - (3·3 + 3·3)) / sqrt((36 - 18)·(36 - 18)) = 6 / 18
    assert bootstrap.matthews(np.array([[2.0, 1, 0], [1, 2, 0], [0, 0, 0]])) == pytest.approx(1 / 3)


def test_squared_errors_by_hand():
    probabilities = np.float32([[0.5, 0.25, 0.25], [0, 0, 1]])
    assert bootstrap.squared_errors(probabilities, np.array([0, 1])).tolist() == [0.25 + 2 / 16, 2.0]


@given(CODES, st.integers(0, 5))
def test_a_stack_of_matrices_gives_a_stack_of_figures(pairs, seed):
    truth, guess = np.array(pairs, dtype=np.int64).T
    drawn = bootstrap.as_confusion(
        bootstrap.resampled_sums(bootstrap.confusion_cells(truth, guess), None, seed, draws=5)
    )
    for figure in (bootstrap.precision, bootstrap.recall, bootstrap.macro_f1, bootstrap.matthews):
        assert figure(drawn).tolist() == [figure(one).tolist() for one in drawn]
        assert np.isfinite(figure(drawn)).all()


def test_draws_have_the_mean_and_spread_of_drawing_whole_groups():
    random = np.random.default_rng(0)
    values, groups = random.normal(size=(300, 2)), random.integers(0, 60, 300)
    drawn = bootstrap.resampled_sums(values, groups, seed=1, draws=4000)
    sums = np.stack([values[groups == group].sum(axis=0) for group in np.unique(groups)])
    chosen = random.integers(0, len(sums), (4000, len(sums)))
    plain = sums[chosen].sum(axis=1)
    assert drawn.mean(axis=0) == pytest.approx(values.sum(axis=0), abs=4 * plain.std(axis=0).max() / 60)
    assert drawn.std(axis=0) == pytest.approx(plain.std(axis=0), rel=0.06)


def test_repeats_in_one_group_widen_the_interval_as_if_they_were_not_there():
    random = np.random.default_rng(0)
    once = random.normal(size=(200, 1))
    low, high = bootstrap.interval(bootstrap.resampled_sums(once, None, seed=0))
    thrice, groups = np.repeat(once, 3, axis=0), np.repeat(np.arange(200), 3)
    lows, highs = bootstrap.interval(bootstrap.resampled_sums(thrice, groups, seed=0))
    assert highs - lows == pytest.approx(3 * (high - low))
    loose = bootstrap.interval(bootstrap.resampled_sums(thrice, None, seed=0))
    assert loose[1] - loose[0] < 0.7 * (highs - lows)


@given(CODES, st.integers(0, 100))
def test_draws_do_not_depend_on_the_order_of_rows_nor_on_the_names_of_groups(pairs, seed):
    truth, guess = np.array(pairs, dtype=np.int64).T
    cells, random = bootstrap.confusion_cells(truth, guess), np.random.default_rng(seed)
    groups, order = random.integers(0, 10, len(cells)), random.permutation(len(cells))
    one = bootstrap.resampled_sums(cells, groups, seed, draws=10)
    two = bootstrap.resampled_sums(cells[order], [f"group {100 - group}" for group in groups[order]], seed, draws=10)
    assert (one == two).all()


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        (np.empty((0, 3)), [], "no labelled texts"),
        (np.zeros((1, 3)), ["bullish"], "'bullish'"),
        (np.zeros((1, 3)), list(LABELS), r"probabilities are \(1, 3\): 3 labels need 3 × 3"),
        (np.array([[0.2, 0.3, 0.5], [0.0, np.nan, 1.0]]), ["neutral"] * 2, "row 2: not a finite number"),
    ],
)
def test_what_cannot_be_compared_is_named(probabilities, labels, message):
    with pytest.raises(CorpusError, match=message):
        bootstrap.checked_codes(probabilities, pd.Series(labels, dtype=object))


def test_groups_must_be_one_per_row():
    with pytest.raises(CorpusError, match="2 groups for 3 rows"):
        bootstrap.resampled_sums(np.ones((3, 1)), [0, 1], seed=0)
