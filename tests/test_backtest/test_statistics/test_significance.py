"""Newey-West against loops, the bootstrap against its own definition, the Sharpe interval against its promise."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kurtosis, norm, skew
from scipy.stats import t as student

from allocation.errors import AllocationError
from backtest import newey_west_t, sharpe_interval
from backtest.statistics.significance import (
    bootstrap_null,
    deflated_sharpe,
    holm,
    mean_interval,
    newey_west_error,
    newey_west_lags,
    newey_west_null,
    percentile_levels,
    probabilistic_sharpe,
    stationary_bootstrap,
    student_95,
    two_sided,
)


def looped_variance(x, lags):
    """Variance of the mean, one product at a time."""
    n, mean = len(x), sum(x) / len(x)
    long_run = sum((v - mean) ** 2 for v in x) / n
    for lag in range(1, min(lags, n - 1) + 1):
        covariance = sum((x[t] - mean) * (x[t - lag] - mean) for t in range(lag, n)) / n
        long_run += 2 * (1 - lag / (lags + 1)) * covariance
    return max(long_run, 0.0) / n


def series(seed, n):
    shocks = np.random.default_rng(seed).standard_normal(n)
    return pd.Series(0.1 + shocks + 0.5 * np.r_[0.0, shocks[:-1]])


@given(seed=st.integers(0, 10**6), n=st.integers(2, 150), lags=st.none() | st.integers(0, 200))
def test_newey_west_against_loops(seed, n, lags):
    x = series(seed, n)
    rule = int(np.floor(4 * (n / 100) ** (2 / 9))) if lags is None else lags
    expected = looped_variance(x.tolist(), rule)
    assert newey_west_error(x, lags) ** 2 == pytest.approx(expected, rel=1e-9, abs=1e-15)
    if lags is None and expected > 1e-12:
        assert newey_west_t(x) == pytest.approx(x.mean() / expected**0.5, rel=1e-9)


@given(seed=st.integers(0, 10**6), n=st.integers(2, 100))
def test_without_lags_it_is_the_textbook_error(seed, n):
    x = series(seed, n)
    assert newey_west_error(x, 0) == pytest.approx(x.std(ddof=0) / n**0.5)


@given(seed=st.integers(0, 1000), scale=st.floats(1e-6, 1e6))
def test_t_has_no_unit_and_skips_nan(seed, scale):
    x = series(seed, 60)
    gaps = pd.concat([pd.Series([np.nan]), scale * x, pd.Series([np.nan] * 3)])
    assert newey_west_t(gaps) == pytest.approx(newey_west_t(x), rel=1e-9)


def test_positive_serial_correlation_widens_the_error():
    x = pd.Series(np.random.default_rng(1).standard_normal(2000)).ewm(alpha=0.2).mean()
    assert newey_west_error(x) > 1.5 * newey_west_error(x, 0)


@pytest.mark.parametrize("values", [[], [1.0], [np.nan, 2.0]])
def test_too_few_values_have_no_error(values):
    assert np.isnan(newey_west_error(pd.Series(values, dtype=float)))
    assert np.isnan(newey_west_t(pd.Series(values, dtype=float)))


def test_a_constant_has_no_t():
    assert newey_west_error(pd.Series([2.0] * 9)) == 0.0
    assert np.isnan(newey_west_t(pd.Series([2.0] * 9)))


@given(n=st.integers(1, 200), block=st.floats(1.0, 50.0), seed=st.integers(0, 1000))
def test_drawn_rows_are_in_range_and_seeded(n, block, seed):
    rows = stationary_bootstrap(n, 7, block, seed)
    assert rows.shape == (7, n)
    assert rows.min() >= 0
    assert rows.max() < n
    assert (rows == stationary_bootstrap(n, 7, block, seed)).all()
    if n > 20:
        assert (rows != stationary_bootstrap(n, 7, block, seed + 1)).any()


@given(n=st.integers(1, 60), block=st.floats(1.0, 50.0), seed=st.integers(0, 1000))
def test_rows_are_those_of_a_walk_that_goes_on_or_begins_anew(n, block, seed):
    random = np.random.default_rng(seed)
    anew, places = random.random((3, n)) < 1.0 / block, random.integers(0, n, (3, n))
    for draw, rows in enumerate(stationary_bootstrap(n, 3, block, seed)):
        row = -1
        for step, found in enumerate(rows):
            row = places[draw, step] if step == 0 or anew[draw, step] else (row + 1) % n
            assert found == row


@pytest.mark.parametrize("block", [1.0, 3.0, 10.0, 25.0])
def test_blocks_run_on_wrap_and_are_of_geometric_length(block):
    """A row that is not its predecessor's successor begins a block; 1 in 500 begins where the last one ended."""
    n = 500
    rows = stationary_bootstrap(n, 400, block, 3)
    begins = rows[:, 1:] != (rows[:, :-1] + 1) % n
    assert begins.mean() == pytest.approx((1 / block) * (1 - 1 / n), abs=4 * (1 / block / begins.size) ** 0.5)
    wraps = rows[:, 1:][rows[:, :-1] == n - 1] == 0
    assert wraps.mean() == pytest.approx(1 - (1 / block) * (1 - 1 / n), abs=0.1)


def test_every_row_is_drawn_equally_often():
    counts = np.bincount(stationary_bootstrap(50, 4000, 4.0, 1).ravel(), minlength=50)
    assert counts / 4000 == pytest.approx(np.ones(50), abs=0.15)


def returns(seed, n=250, mean=0.0005, spread=0.01):
    return pd.Series(mean + spread * np.random.default_rng(seed).standard_normal(n))


def test_the_interval_covers_the_true_sharpe_ratio_as_often_as_it_says():
    true = 0.05 * 252**0.5
    hits = [low <= true <= high for low, high in (sharpe_interval(returns(seed), 252) for seed in range(200))]
    assert 0.88 <= np.mean(hits) <= 0.99


@pytest.mark.parametrize("n", [10, 20, 40])
def test_of_few_returns_without_skill_the_interval_seldom_leaves_zero_outside(n):
    """Of plain percentiles it does for 12 to 15 % of such samples."""
    outside = [low > 0 or high < 0 for low, high in (sharpe_interval(returns(s, n, 0.0), 252) for s in range(200))]
    assert np.mean(outside) <= 0.08


def test_the_interval_is_seeded_nested_and_scales_with_the_year():
    x = returns(5)
    wide, narrow = sharpe_interval(x, 252, level=0.99), sharpe_interval(x, 252, level=0.5)
    assert sharpe_interval(x, 252) == sharpe_interval(x, 252)
    assert sharpe_interval(x, 252) != sharpe_interval(x, 252, seed=1)
    assert wide.low < sharpe_interval(x, 252).low < narrow.low < narrow.high < sharpe_interval(x, 252).high < wide.high
    assert sharpe_interval(x, 1008) == pytest.approx([2 * end for end in sharpe_interval(x, 252)])
    assert sharpe_interval(1000 * x, 252) == pytest.approx(sharpe_interval(x, 252))


def test_it_narrows_with_the_root_of_the_length():
    short, long = (np.mean([np.subtract(*sharpe_interval(returns(s, n), 252)) for s in range(10)]) for n in (250, 4000))
    assert short / long == pytest.approx(4.0, rel=0.25)


@pytest.mark.parametrize("values", [[], [0.01], [0.0] * 5, [0.01, np.nan, 0.02]])
def test_no_spread_no_interval(values):
    assert np.isnan(sharpe_interval(pd.Series(values, dtype=float), 252)).all()


def test_a_constant_return_has_no_interval():
    assert np.isnan(sharpe_interval(pd.Series([0.01] * 20), 252)).all()


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("n", [2, 3])
def test_a_short_series_has_finite_ends_or_none_at_all(n):
    """Infinity ends up in figures.json, and in the report, as a figure."""
    low, high = sharpe_interval(returns(1, n), 252)
    assert (np.isfinite(low) and np.isfinite(high)) or (np.isnan(low) and np.isnan(high))


def test_the_middle_of_the_interval_is_the_annualised_ratio():
    x = returns(2, 4000)
    ratio = x.mean() / x.std() * 252**0.5
    assert sharpe_interval(x, 252, level=0.02) == pytest.approx((ratio, ratio), abs=0.1)


def test_the_interval_of_a_mean_covers_it_as_often_as_it_says():
    hits = []
    for seed in range(200):
        low, high = mean_interval(series(seed, 300), mean_block=8.0)
        hits.append(low <= 0.1 <= high)
    assert 0.88 <= np.mean(hits) <= 0.99


def test_the_interval_of_a_mean_is_seeded_and_widens_with_serial_correlation():
    x = pd.Series(np.random.default_rng(1).standard_normal(800)).ewm(alpha=0.2).mean()
    assert mean_interval(x) == mean_interval(x) != mean_interval(x, seed=1)
    (low, high), (short_low, short_high) = mean_interval(x, mean_block=20), mean_interval(x, mean_block=1)
    assert high - low > 1.5 * (short_high - short_low)
    assert np.isnan(mean_interval(x.head(9))).all()


def test_the_probabilistic_sharpe_ratio_worked_out_by_hand():
    x = returns(7, 400)
    ratio = x.mean() / x.std()
    error = np.sqrt((1 - skew(x) * ratio + (kurtosis(x, fisher=False) - 1) / 4 * ratio**2) / 399)
    assert probabilistic_sharpe(x, 0.02) == pytest.approx(norm.cdf((ratio - 0.02) / error), rel=1e-12)
    assert probabilistic_sharpe(x, float(ratio)) == pytest.approx(0.5, abs=1e-12)


def test_without_skill_it_is_as_often_high_as_low():
    found = [probabilistic_sharpe(returns(seed, 250, mean=0.0)) for seed in range(300)]
    assert np.mean(np.array(found) > 0.95) == pytest.approx(0.05, abs=0.03)
    assert np.mean(found) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("trials", [10, 100, 1000])
def test_the_expected_best_of_many_is_that_of_many_normals(trials):
    """The approximation of the paper is within a few percent."""
    best = np.random.default_rng(1).standard_normal((4000, trials)).max(axis=1).mean()
    returns, spread = series(1, 250) * 0.01, 0.01
    plain, shifted = (norm.ppf(probabilistic_sharpe(returns, benchmark)) for benchmark in (0.0, spread))
    deflated = norm.ppf(deflated_sharpe(returns, trials, trial_spread=spread))
    assert (plain - deflated) / (plain - shifted) == pytest.approx(best, rel=0.04)  # the score is linear in it


def test_the_best_of_many_trials_without_skill_is_not_believed():
    """Of a hundred strategies without skill the best looks sure until the hundred are counted."""
    random = np.random.default_rng(1)
    naive, deflated = [], []
    for _ in range(40):
        tried = pd.DataFrame(0.01 * random.standard_normal((250, 100)))
        best = tried[(tried.mean() / tried.std()).idxmax()]
        naive.append(probabilistic_sharpe(best))
        deflated.append(deflated_sharpe(best, 100))
    assert np.mean(naive) > 0.95
    assert 0.2 < np.mean(deflated) < 0.8


def test_one_trial_deflates_nothing_and_more_deflate_more():
    x = returns(7, 400)
    found = [deflated_sharpe(x, trials) for trials in (1, 2, 10, 100)]
    assert found[0] == probabilistic_sharpe(x)
    assert found == sorted(found, reverse=True)
    assert deflated_sharpe(x, 10, trial_spread=0.0) == found[0]


def test_a_sharpe_ratio_needs_returns_that_vary_and_a_trial():
    assert np.isnan(probabilistic_sharpe(pd.Series([0.01] * 20)))
    assert np.isnan(probabilistic_sharpe(returns(1, 9)))
    with pytest.raises(AllocationError, match="trials is 0: count every strategy that was tried"):
        deflated_sharpe(returns(1), 0)


@settings(max_examples=30)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_is_its_definition(probabilities):
    """Sorted: each times how many are not smaller; none below one before it; 1 at most."""
    p = np.array([*probabilities, np.nan])
    found = holm(p)
    assert np.isnan(found[-1])
    n, worst = len(probabilities), 0.0
    for rank, place in enumerate(np.argsort(p[:-1], kind="stable")):
        worst = max(worst, min(1.0, p[place] * (n - rank)))
        assert found[place] == pytest.approx(worst)


def test_holm_controls_the_probability_of_any_false_positive_even_where_tests_coincide():
    random = np.random.default_rng(1)
    for shared in (0.0, 0.9):
        draws = np.sqrt(shared) * random.standard_normal((2000, 1)) + np.sqrt(1 - shared) * random.standard_normal(
            (2000, 30)
        )
        finds = [(holm(2 * norm.sf(np.abs(row))) < 0.05).any() for row in draws]
        assert np.mean(finds) < 0.065


def test_t_values_and_their_probabilities_are_students():
    assert student_95() == pytest.approx(1.959964, rel=1e-6)
    assert student_95(3.3) == pytest.approx(student.ppf(0.975, 3.3))
    assert np.isnan(student_95(0.0))
    assert two_sided(-2.5) == pytest.approx(2 * norm.sf(2.5))
    assert two_sided(2.5, 4.2) == pytest.approx(2 * student.sf(2.5, 4.2))
    assert np.isnan(two_sided(np.nan, 4.0))


@settings(max_examples=15)
@given(seed=st.integers(0, 100), n=st.integers(10, 200), block=st.floats(1.0, 50.0))
def test_the_interval_of_a_mean_is_that_of_the_series_drawn_row_by_row(seed, n, block):
    x = series(seed, n)
    rows = stationary_bootstrap(n, 1000, max(block, 1.0), seed)
    tail = norm.sf(bootstrap_null(n, max(block, 1.0)).critical_value)
    assert percentile_levels(0.95, n, max(block, 1.0)) == pytest.approx((tail, 1.0 - tail))
    expected = np.quantile(x.to_numpy()[rows].mean(axis=1), [tail, 1.0 - tail])
    np.testing.assert_allclose(mean_interval(x, mean_block=block, seed=seed), expected, atol=1e-13)


def test_as_many_lags_as_the_rule_and_twice_what_values_share():
    assert [newey_west_lags(n) for n in (2, 100, 250, 1000)] == [1, 4, 4, 6]
    assert [newey_west_lags(250, overlap) for overlap in (1, 2, 5, 21)] == [4, 4, 9, 41]


@pytest.mark.parametrize(("b", "slack"), [(0.02, 0.01), (0.1, 0.02), (0.2, 0.02), (0.3, 0.05), (0.5, 0.25)])
def test_critical_values_are_those_of_kiefer_and_vogelsang(b, slack):
    """Their polynomial for Bartlett weights and 97.5 %, from table 1 of their paper; ours never lies below by 2 %."""
    theirs = 1.96 + 2.9694 * b + 0.4160 * b**2 - 0.5324 * b**3
    ours = newey_west_null(1000, round(1000 * b) - 1).critical_value
    assert -0.02 < ours / theirs - 1 < slack


def test_many_values_for_few_lags_are_as_good_as_known():
    assert newey_west_null(10**7, 9).critical_value == pytest.approx(1.959964, rel=1e-5)
    assert bootstrap_null(10**7, 9.0).critical_value == pytest.approx(1.959964, rel=1e-5)
    for chance in (newey_west_null(3, 9), bootstrap_null(3, 40.0), newey_west_null(0, 1)):
        assert 4.8 < chance.critical_value < 25.0  # all lags there are: Kiefer and Vogelsang have 4.81


@pytest.mark.parametrize(("n", "lags"), [(40, 3), (40, 9), (100, 20)])
def test_t_values_of_nothing_pass_as_often_as_they_should_far_out_too(n, lags):
    """The normal distribution lets three to ten times as many pass one in a thousand."""
    draws = np.random.default_rng(2).standard_normal((8000, n))
    centred = draws - draws.mean(axis=1, keepdims=True)
    variance = (centred**2).mean(axis=1)
    for lag in range(1, lags + 1):
        variance += 2 * (1 - lag / (lags + 1)) * (centred[:, lag:] * centred[:, :-lag]).sum(axis=1) / n
    t = draws.mean(axis=1) / np.sqrt(variance / n)
    chance = newey_west_null(n, lags)
    p = 2 * student.sf(np.abs(t) / chance.scale, chance.dof)
    assert chance.p_value(float(t[0])) == pytest.approx(p[0])
    assert np.mean(p < 0.05) == pytest.approx(0.05, abs=0.01)
    assert np.mean(p < 0.001) < 0.0025
    assert np.mean(2 * norm.sf(np.abs(t)) < 0.001) > 0.003


@pytest.mark.parametrize(("n", "block"), [(40, 5.0), (60, 20.0), (200, 10.0)])
def test_what_a_bootstrap_in_few_blocks_leaves_of_the_variance(n, block):
    """Drawn means of white noise vary less than true ones, by the square of the scale."""
    random = np.random.default_rng(3)
    rows = stationary_bootstrap(n, 400, block, 1)
    shares = []
    for _ in range(200):
        x = random.standard_normal(n)
        shares.append(x[rows].mean(axis=1).var() * n)
    assert np.mean(shares) == pytest.approx(bootstrap_null(n, block).scale ** -2, rel=0.1)


def test_the_interval_of_a_mean_is_as_wide_as_that_of_another_package():
    """Both draw at random: over twelve series their widths agree within three percent, ours expanded as it should."""
    arch = pytest.importorskip("arch.bootstrap")
    for block in (3.0, 12.0):
        widths = []
        for seed in range(12):
            x = series(seed, 300)
            drawn = arch.StationaryBootstrap(block, x.to_numpy(), seed=seed)
            theirs = drawn.conf_int(np.mean, reps=1000, method="percentile")[:, 0]
            ours = np.diff(mean_interval(x, mean_block=block, seed=seed))[0] / bootstrap_null(300, block).critical_value
            widths.append(np.diff(theirs)[0] / student_95() / ours)
        assert np.mean(widths) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("n", [10, 11, 250])
def test_ratios_from_sums_over_blocks_are_those_of_the_series_drawn(n):
    from backtest.statistics.significance import DRAWS, _drawn_ratios, stationary_bootstrap

    values = np.random.default_rng(n).standard_t(3, n) * 0.01 + 0.5
    drawn = values[stationary_bootstrap(n, DRAWS, n ** (1 / 3), 4)]
    spread = drawn.std(axis=1, ddof=1)
    varies = np.ptp(drawn, axis=1) > 0
    found = _drawn_ratios(values, n ** (1 / 3), 4)
    assert (np.isfinite(found) == varies).all()
    np.testing.assert_allclose(found[varies], drawn.mean(axis=1)[varies] / spread[varies], rtol=1e-6)
