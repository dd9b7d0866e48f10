"""Information coefficients against SciPy, row by row."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr
from scipy.stats import t as student
from support import random_prices, random_signal

from allocation import FrameError, MissingPriceError
from backtest import (
    InformationCoefficient,
    linear_ic,
    newey_west_t,
    next_session_ic,
    rank_ic,
    same_session_ic,
    shuffled_across_assets,
)

ASSETS = ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF")


def drawn(seed, levels=None):
    """A signal and returns with gaps; with `levels`, values on a grid, so that there are ties."""
    random = np.random.default_rng(seed)
    index = pd.bdate_range("2021-01-04", periods=20, name="date")
    frames = []
    for _ in range(2):
        values = random.uniform(-1, 1, (20, len(ASSETS)))
        values = np.round(values * levels) / levels if levels else values
        values[random.random(values.shape) < 0.25] = np.nan
        frames.append(pd.DataFrame(values, index, list(ASSETS)))
    return frames


def by_row(correlation, signal, returns):
    """One session at a time; NaN below three names or where a side does not vary."""
    found = []
    for a, b in zip(signal.to_numpy(), returns.to_numpy(), strict=True):
        both = np.isfinite(a) & np.isfinite(b)
        a, b = a[both], b[both]
        enough = len(a) >= 3 and np.ptp(a) > 0 and np.ptp(b) > 0
        found.append(correlation(a, b).statistic if enough else np.nan)
    return np.array(found)


@given(seed=st.integers(0, 10**6), levels=st.sampled_from([None, 1, 2, 4]))
def test_rank_ic_is_spearmans_with_ties_and_gaps(seed, levels):
    signal, returns = drawn(seed, levels)
    np.testing.assert_allclose(rank_ic(signal, returns), by_row(spearmanr, signal, returns), atol=1e-12)


@given(seed=st.integers(0, 10**6), levels=st.sampled_from([None, 2]))
def test_linear_ic_is_pearsons(seed, levels):
    signal, returns = drawn(seed, levels)
    np.testing.assert_allclose(linear_ic(signal, returns), by_row(pearsonr, signal, returns), atol=1e-12)


@pytest.mark.parametrize("ic", [rank_ic, linear_ic])
def test_fewer_than_three_names_have_none(ic):
    signal = pd.DataFrame([[0.1, 0.2, np.nan], [0.1, 0.2, 0.3], [0.1, 0.2, 0.3]], columns=list("ABC"))
    returns = pd.DataFrame([[0.1, 0.2, 0.3], [np.nan, 0.2, 0.3], [0.1, 0.2, 0.3]], columns=list("ABC"))
    assert ic(signal, returns).isna().tolist() == [True, True, False]
    assert ic(signal, returns).iloc[2] == pytest.approx(1.0)


@given(seed=st.integers(0, 1000), order=st.permutations(ASSETS))
def test_columns_are_matched_by_label(seed, order):
    signal, returns = drawn(seed)
    pd.testing.assert_series_equal(rank_ic(signal, returns[list(order)]), rank_ic(signal, returns))


@given(seed=st.integers(0, 1000))
def test_rank_ic_sees_order_only_and_changes_sign_with_the_signal(seed):
    signal, returns = drawn(seed)
    np.testing.assert_allclose(rank_ic(np.exp(signal), returns), rank_ic(signal, returns), atol=1e-12)
    np.testing.assert_allclose(rank_ic(-signal, returns), -rank_ic(signal, returns), atol=1e-12)


@pytest.mark.parametrize("scale", [1e3, pytest.param(
    1e-13)])  # fmt: skip
def test_linear_ic_has_no_unit(scale):
    signal, returns = drawn(3)
    np.testing.assert_allclose(linear_ic(scale * signal, returns), linear_ic(signal, returns), atol=1e-9)


@settings(max_examples=20)
@given(seed=st.integers(0, 1000))
def test_next_session_uses_exactly_the_next_row_and_same_session_its_own(seed):
    prices = random_prices(seed, 30, ASSETS)
    signal = random_signal(seed, prices, covered=0.8)
    returns = prices.to_numpy()[1:] / prices.to_numpy()[:-1] - 1
    after = np.vstack([returns, np.full(len(ASSETS), np.nan)])
    own = np.vstack([np.full(len(ASSETS), np.nan), returns])
    frames = (pd.DataFrame(each, prices.index, prices.columns) for each in (after, own))
    for found, wanted in zip((next_session_ic(signal, prices), same_session_ic(signal, prices)), frames, strict=True):
        np.testing.assert_allclose(found.per_session, by_row(spearmanr, signal, wanted), atol=1e-12)


def test_one_moved_price_moves_two_sessions_of_each():
    """The price of row 10 is in the returns of rows 10 and 11: known next to the signals of 9 and 10."""
    prices = random_prices(1, 30, ASSETS)
    signal = random_signal(1, prices, covered=1.0)
    moved = prices.copy()
    moved.iloc[10, 0] *= 1.5
    for ic, rows in ((next_session_ic, [9, 10]), (same_session_ic, [10, 11])):
        change = ic(signal, prices).per_session.fillna(0) - ic(signal, moved).per_session.fillna(0)
        assert set(np.flatnonzero(change)) <= set(rows)
        assert change.any()


def test_a_missing_price_is_no_return():
    prices = random_prices(1, 30, ASSETS)
    gap = prices.copy()
    gap.iloc[10, 2:] = np.nan
    found = next_session_ic(random_signal(1, prices, covered=1.0), gap).per_session
    assert list(np.flatnonzero(found.isna())) == [9, 10, 29]


def test_a_signal_that_is_the_next_return_has_an_ic_of_one():
    prices = random_prices(1, 30, ASSETS)
    perfect = prices.pct_change().shift(-1).clip(-1, 1)
    assert next_session_ic(perfect, prices).mean == pytest.approx(1.0)
    assert next_session_ic(-perfect, prices).mean == pytest.approx(-1.0)


def test_mean_error_t_and_interval_belong_together():
    per_session = pd.Series(np.random.default_rng(1).normal(0.05, 0.3, 200))
    per_session[::7] = np.nan
    ic = InformationCoefficient("ours", per_session, lags=3)
    assert ic.mean == pytest.approx(np.nanmean(per_session))
    assert ic.t == pytest.approx(newey_west_t(per_session, 3)) == pytest.approx(ic.mean / ic.error)
    b = 4 / per_session.count()
    reach = student.ppf(0.975, 1.5 / b) / np.sqrt(1 - b + b * b / 3) * ic.error
    assert ic.interval == pytest.approx((ic.mean - reach, ic.mean + reach), rel=1e-9)
    assert reach > 2.0 * ic.error
    assert InformationCoefficient("more lags", per_session, lags=9).error != ic.error


def test_it_prints_itself():
    ic = InformationCoefficient("next session", pd.Series([0.1, np.nan, 0.3, 0.2]))
    low, high = ic.interval
    assert str(ic) == (f"next session: rank IC +0.2000 (95 % {low:+.4f} to {high:+.4f}), t = {ic.t:.1f}, 3 sessions")


def test_no_session_has_no_figures_and_still_prints():
    ic = InformationCoefficient("none", pd.Series([np.nan, np.nan]))
    assert np.isnan([ic.mean, ic.error, ic.t, *ic.interval]).all()
    assert "no rank IC in any of 2 sessions" in str(ic)


def test_names_say_which():
    prices = random_prices(1, 30)
    signal = random_signal(1, prices)
    assert same_session_ic(signal, prices).name == "same session"
    assert next_session_ic(signal, prices).name == "next session"
    assert next_session_ic(signal, prices, name="placebo").name == "placebo"


@pytest.mark.parametrize("ic", [next_session_ic, same_session_ic])
def test_wrong_frames_are_named(ic):
    prices = random_prices(1, 30)
    signal = random_signal(1, prices)
    with pytest.raises(FrameError, match=r"signal: .* for .* at .* lies outside \[-1, 1\]: scale the signal"):
        ic(3 * signal, prices)
    with pytest.raises(
        MissingPriceError, match="signal has DDD without a price column: add the prices or drop the column"
    ):
        ic(signal, prices.drop(columns="DDD"))
    with pytest.raises(
        MissingPriceError, match="signal has rows on 2021-01-08 where prices has none: use one calendar"
    ):
        ic(signal, prices.drop(pd.Timestamp("2021-01-08")))


@given(seed=st.integers(0, 1000), other=st.integers(0, 1000))
def test_a_placebo_keeps_each_sessions_values_and_gaps(seed, other):
    signal, _ = drawn(seed)
    before = signal.copy()
    placebo = shuffled_across_assets(signal, other)
    assert signal.equals(before)
    assert (placebo.isna() == signal.isna()).all(axis=None)
    np.testing.assert_array_equal(np.sort(placebo, axis=1), np.sort(signal, axis=1))
    assert placebo.equals(shuffled_across_assets(signal, other))


def test_a_placebo_deals_every_value_to_every_asset():
    signal = pd.DataFrame(np.tile(np.arange(4) / 4, (4000, 1)), columns=list("ABCD"))
    means = shuffled_across_assets(signal, 1).mean()
    assert means.to_numpy() == pytest.approx(np.full(4, 0.375), abs=0.02)
    assert not shuffled_across_assets(signal, 1).equals(shuffled_across_assets(signal, 2))


def test_the_placebo_does_not_depend_on_the_order_of_columns():
    signal, _ = drawn(1)
    turned = shuffled_across_assets(signal[list(ASSETS[::-1])], 0)
    pd.testing.assert_frame_equal(turned[list(ASSETS)], shuffled_across_assets(signal, 0))


def test_an_ic_that_does_not_exist_says_why_and_one_that_does_says_nothing():
    index = pd.bdate_range("2021-01-04", periods=30, name="date")
    random = np.random.default_rng(1)
    prices = pd.DataFrame(50 * np.cumprod(1 + 0.01 * random.standard_normal((30, 4)), axis=0), index, list("ABCD"))
    signal = pd.DataFrame(random.uniform(-1, 1, (30, 4)), index, list("ABCD"))
    two = next_session_ic(signal[["A", "B"]], prices[["A", "B"]])
    assert (
        str(two)
        == "next session: no rank IC in any of 30 sessions: no session has three assets with both a signal and a return"
    )
    constant = same_session_ic(signal * 0 + 0.3, prices)
    assert (
        str(constant)
        == "same session: no rank IC in any of 30 sessions: the signal is the same for all assets in every session"
    )
    assert "no rank IC" not in str(next_session_ic(signal, prices))
    assert next_session_ic(signal, prices).reason == ""
