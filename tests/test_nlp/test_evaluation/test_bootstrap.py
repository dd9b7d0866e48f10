"""The clustered bootstrap against drawing rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp.errors import CorpusError
from nlp.evaluation import bootstrap
from nlp.evaluation.metrics import confusion_cells

CODES = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60)


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
    cells, random = confusion_cells(truth, guess), np.random.default_rng(seed)
    groups, order = random.integers(0, 10, len(cells)), random.permutation(len(cells))
    one = bootstrap.resampled_sums(cells, groups, seed, draws=10)
    two = bootstrap.resampled_sums(cells[order], [f"group {100 - group}" for group in groups[order]], seed, draws=10)
    assert (one == two).all()


def test_groups_must_be_one_per_row():
    with pytest.raises(CorpusError, match="2 groups for 3 rows"):
        bootstrap.resampled_sums(np.ones((3, 1)), [0, 1], seed=0)


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=50), st.integers(0, 1000))
def test_sums_of_grains_are_exact_in_any_order(values, seed):
    grains = bootstrap.in_grains(np.array(values))
    assert np.abs(grains - values).max() <= 0.5 / bootstrap.GRAIN
    order = np.random.default_rng(seed).permutation(len(values))
    assert np.cumsum(grains)[-1] == np.cumsum(grains[order])[-1]


def test_groups_are_numbered_and_each_row_is_one_where_none_are_given():
    assert bootstrap.group_codes(["b", "a", "b"], 3).tolist() == [0, 1, 0]
    assert bootstrap.group_codes(None, 3).tolist() == [0, 1, 2]
