"""Quantiles against pandas, one session at a time."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.signal_study.quantiles import monotonicity, quantile_numbers, quantile_returns, quantile_turnover


def drawn(seed, levels=None, shape=(12, 11)):
    random = np.random.default_rng(seed)
    values = random.uniform(-1, 1, shape)
    values = np.round(values * levels) / levels if levels else values
    values[random.random(shape) < 0.3] = np.nan
    return values


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), quantiles=st.integers(2, 6))
def test_numbers_are_those_of_qcut(seed, quantiles):
    signal = drawn(seed)
    for row, found in zip(signal, quantile_numbers(signal, quantiles), strict=True):
        enough = np.isfinite(row).sum() >= quantiles
        expected = pd.qcut(row, quantiles, labels=False) + 1.0 if enough else np.full(len(row), np.nan)
        np.testing.assert_array_equal(found, expected)


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), levels=st.integers(1, 3))
def test_equal_values_share_a_quantile_and_order_is_kept(seed, levels):
    signal = drawn(seed, levels)
    for row, number in zip(signal, quantile_numbers(signal), strict=True):
        order = np.argsort(row)[: np.isfinite(number).sum()]
        assert (np.diff(number[order]) >= 0).all()
        for value in np.unique(row[np.isfinite(number)]):
            assert len(set(number[row == value])) == 1


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6))
def test_returns_are_means_less_the_mean_of_the_session(seed):
    number, returns = quantile_numbers(drawn(seed)), drawn(seed + 1)
    for names, earned, found in zip(number, returns, quantile_returns(number, returns), strict=True):
        both = np.isfinite(names) & np.isfinite(earned)
        for q in range(1, 6):
            mine = earned[both & (names == q)]
            expected = mine.mean() - earned[both].mean() if len(mine) else np.nan
            assert found[q - 1] == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_turnover_counts_new_names():
    number = np.array([[1, 1, 2, 2], [1, 2, 1, 2], [1, 2, 1, 2], [2, 2, np.nan, np.nan]], dtype=float)
    np.testing.assert_array_equal(quantile_turnover(number, 1), [np.nan, 0.5, 0.0, np.nan])
    np.testing.assert_array_equal(quantile_turnover(number, 2), [np.nan, 0.5, 0.0, 0.5])


@pytest.mark.parametrize(
    ("means", "value"),
    [([1, 2, 3], 1.0), ([3, 2, 1], -1.0), ([1, 3, 2], 0.5), ([1, 1, 1], np.nan), ([1, np.nan, 2], np.nan)],
)
def test_monotonicity_is_the_rank_correlation_with_the_number(means, value):
    assert monotonicity(np.array(means, dtype=float)) == pytest.approx(value, nan_ok=True)
