"""Newey-West against the textbook's double sum."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from allocation.forecast.newey_west import newey_west_variance

SERIES = arrays(np.float64, st.integers(2, 25), elements=st.floats(-10, 10, width=32))


@given(series=SERIES, lags=st.integers(0, 30))
def test_equals_the_double_sum_over_pairs_of_sessions(series, lags):
    """Var(mean) = 1/n² sum_i sum_j (1 - |i-j|/(L+1))+ (x_i - m)(x_j - m)."""
    n, mean = len(series), sum(series) / len(series)
    total = 0.0
    for i in range(n):
        for j in range(n):
            total += max(0.0, 1 - abs(i - j) / (lags + 1)) * (series[i] - mean) * (series[j] - mean)
    assert newey_west_variance(series, lags) == pytest.approx(total / n**2, rel=1e-9, abs=1e-12)


@given(series=SERIES)
def test_without_lags_it_is_the_variance_of_independent_sessions(series):
    assert newey_west_variance(series, 0) == pytest.approx(series.var() / len(series), rel=1e-12, abs=1e-15)


@given(series=SERIES, lags=st.integers(0, 30), shift=st.floats(-5, 5), scale=st.floats(0.1, 5))
def test_moves_with_the_square_of_the_unit_and_not_with_the_level(series, lags, shift, scale):
    moved = newey_west_variance(shift + scale * series, lags)
    assert moved == pytest.approx(scale**2 * newey_west_variance(series, lags), rel=1e-6, abs=1e-9)


def test_by_hand():
    """x = 0, 1, 3, 4; c = -2, -1, 1, 2; c0 = 10/4, c1 = (2-1+2)/4, one lag of weight 1/2: (2.5 + 0.75) / 4."""
    assert newey_west_variance(np.array([0.0, 1.0, 3.0, 4.0]), 1) == pytest.approx(0.8125)


def test_finds_the_true_variance_of_an_overlapping_sum():
    """Means of moving sums of 5: the truth is 5 times the naive figure, and a Bartlett window sees most of it."""
    random = np.random.default_rng(0)
    series = np.convolve(random.standard_normal(40_000), np.ones(5), "valid")
    assert newey_west_variance(series, 40) * len(series) == pytest.approx(25, rel=0.15)


def test_a_constant_series_has_no_variance():
    assert newey_west_variance(np.full(10, 3.0), 4) == 0.0
