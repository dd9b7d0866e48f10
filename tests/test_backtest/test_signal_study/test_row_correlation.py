"""Ranks and correlations per row, against SciPy."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr, rankdata, spearmanr

from allocation import Bars, MissingPriceError
from allocation.errors import AllocationError
from backtest.signal_study.forward_returns import ENTRIES, forward_returns, session_returns
from backtest.signal_study.row_correlation import linear_correlation, rank_correlation, ranked, row_means


def drawn(seed, levels=None, shape=(15, 7)):
    random = np.random.default_rng(seed)
    values = random.uniform(-1, 1, shape)
    values = np.round(values * levels) / levels if levels else values
    values[random.random(shape) < 0.3] = np.nan
    return values


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), levels=st.sampled_from([None, 1, 3]))
def test_ranks_are_scipys(seed, levels):
    values = drawn(seed, levels)
    expected = rankdata(values, axis=1, nan_policy="omit")
    np.testing.assert_array_equal(ranked(values), expected)


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), levels=st.sampled_from([None, 1, 3]))
def test_correlations_are_scipys(seed, levels):
    one, other = drawn(seed, levels), drawn(seed + 1, levels)
    for ours, theirs in ((rank_correlation, spearmanr), (linear_correlation, pearsonr)):
        for found, a, b in zip(ours(one, other), one, other, strict=True):
            both = np.isfinite(a) & np.isfinite(b)
            if both.sum() < 3 or np.ptp(a[both]) == 0 or np.ptp(b[both]) == 0:
                assert np.isnan(found)
            else:
                assert found == pytest.approx(theirs(a[both], b[both]).statistic, abs=1e-12)


def test_means_skip_gaps():
    np.testing.assert_array_equal(row_means(np.array([[1.0, np.nan, 3.0], [np.nan] * 3])), [2.0, np.nan])


def bars(seed=1, n=30):
    random = np.random.default_rng(seed)
    index = pd.bdate_range("2021-01-04", periods=n, name="date")
    close, opens = (pd.DataFrame(random.uniform(10, 20, (n, 3)), index, list("ABC")) for _ in range(2))
    return Bars(close, opens)


@pytest.mark.parametrize("horizon", [1, 2, 7])
def test_returns_start_at_the_entry_and_end_a_horizon_later(horizon):
    prices = bars()
    for t in (0, 5, 30 - horizon - 2):
        found = [forward_returns(prices, horizon, entry).iloc[t] for entry in ENTRIES]
        expected = [
            prices.close.iloc[t + horizon] / prices.close.iloc[t],
            prices.open.iloc[t + 1 + horizon] / prices.open.iloc[t + 1],
            prices.close.iloc[t + 1 + horizon] / prices.close.iloc[t + 1],
        ]
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other - 1.0, rtol=1e-12)


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_row_uses_no_price_before_its_entry(entry):
    """Prices until the close of t (of `this close`, before it) may change without a trace in row t."""
    prices, t = bars(), 12
    last = t if entry == "this close" else t + 1
    changed = Bars(prices.close.copy(), prices.open.copy())
    changed.close.iloc[:last] *= 3.0
    changed.open.iloc[: t + 1] *= 3.0
    before, after = (forward_returns(each, 2, entry).iloc[t:] for each in (prices, changed))
    assert before.equals(after)


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_last_rows_have_no_return(entry):
    found = forward_returns(bars(), 3, entry)
    assert found.notna().all(axis=1).sum() == 30 - 3 - (entry != "this close")
    assert forward_returns(bars(n=3), 3, entry).isna().all(axis=None)


def test_the_returns_of_a_session_are_close_to_close():
    prices = bars()
    pd.testing.assert_frame_equal(session_returns(prices), prices.close.pct_change(fill_method=None))


def test_wrong_usage_is_named():
    with pytest.raises(AllocationError, match="entry 'dawn' is not known: use this close, next open, next close"):
        forward_returns(bars(), 1, "dawn")
    for horizon in (0, 1.5, -1):
        with pytest.raises(AllocationError, match=f"horizon is {horizon}"):
            forward_returns(bars(), horizon)
    with pytest.raises(MissingPriceError, match="needs opens"):
        forward_returns(Bars(bars().close), 1)
