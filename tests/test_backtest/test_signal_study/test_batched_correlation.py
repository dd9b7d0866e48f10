"""Batched correlations equal those computed row by row, whatever is missing, tied or constant."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.signal_study.batched_correlation import ReturnRows, SignalRows, linear_ics, rank_ics
from backtest.signal_study.figure_table import across_assets, in_time
from backtest.signal_study.row_correlation import linear_correlation, rank_correlation, ranked

PAIRS = ((rank_ics, rank_correlation), (linear_ics, linear_correlation))


def drawn(seed, silent=0.3, missing=0.0, levels=None, shape=(40, 7)):
    """A signal and returns with gaps; rounded to few levels, so that values are equal, where asked."""
    random = np.random.default_rng(seed)
    signal, returns = random.standard_normal((2, *shape))
    if levels:
        signal, returns = np.round(signal * levels) / levels, np.round(returns * levels) / levels
    signal[random.random(shape) < silent] = np.nan
    returns[random.random(shape) < missing] = np.nan
    returns[-5:] = np.nan  # as forward returns end
    return signal, returns


@pytest.mark.parametrize(("fast", "plain"), PAIRS)
@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    silent=st.sampled_from([0.0, 0.3, 0.9, 1.0]),
    missing=st.sampled_from([0.0, 0.02, 0.5]),
    levels=st.sampled_from([None, 1, 2]),
)
def test_they_equal_the_correlations_row_by_row(fast, plain, seed, silent, missing, levels):
    signal, returns = drawn(seed, silent, missing, levels)
    np.testing.assert_allclose(fast(SignalRows.of(signal), ReturnRows.of(returns)), plain(signal, returns), atol=1e-13)


@pytest.mark.parametrize(("fast", "plain"), PAIRS)
@pytest.mark.parametrize("sessions", [0, 1, 10, 40, 50])
def test_a_later_return_is_that_of_a_later_row(fast, plain, sessions):
    signal, returns = drawn(1)
    found = fast(SignalRows.of(signal).head(40 - sessions), ReturnRows.of(returns).shift(sessions))
    expected = plain(signal[: max(40 - sessions, 0)], returns[sessions:])
    np.testing.assert_allclose(found, expected, atol=1e-13)


@pytest.mark.parametrize(("fast", "plain"), PAIRS)
@pytest.mark.parametrize("value", [0.0, 0.1, 1e9])
def test_a_flat_row_has_no_correlation(fast, plain, value):
    signal, returns = drawn(2, silent=0.2)
    signal[3] = np.where(np.isfinite(signal[3]), value, np.nan)
    returns[4] = value
    found = fast(SignalRows.of(signal), ReturnRows.of(returns))
    assert np.isnan(found[[3, 4]]).all()
    assert np.isfinite(found[[0, 1, 2]]).all()
    np.testing.assert_array_equal(np.isnan(found), np.isnan(plain(signal, returns)))


@pytest.mark.parametrize("shuffle", [across_assets, in_time])
def test_a_shuffled_signal_is_as_good(shuffle):
    signal, returns = drawn(3)
    other = shuffle(signal, np.random.default_rng(1))
    for fast, plain in PAIRS:
        np.testing.assert_allclose(
            fast(SignalRows.of(other), ReturnRows.of(returns)), plain(other, returns), atol=1e-13
        )


def test_ranks_less_their_middle_sum_to_zero_exactly():
    rows = SignalRows.of(drawn(4, levels=2)[0])
    assert (rows.demeaned_ranks.sum(axis=1) == 0.0).all()
    np.testing.assert_array_equal(rows.ranks, ranked(rows.values))
    assert rows.count.tolist() == rows.known.sum(axis=1).tolist()
