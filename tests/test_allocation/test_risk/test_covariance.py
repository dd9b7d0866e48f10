"""Covariances: parity with scikit-learn, labels, gaps, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import OAS as OASReference
from sklearn.covariance import LedoitWolf as Reference
from support import random_prices

from allocation import EWMA, OAS, LedoitWolf, RiskError, RiskModel, Sample, StatisticalFactors

AB = ["AAA", "BBB"]
SEEDS = st.integers(0, 10_000)


def model(factors=((0.01, 0.0), (0.005, 0.01)), specific=(1e-4, 2e-4), labels=AB):
    return RiskModel(pd.DataFrame(factors, index=labels), pd.Series(specific, index=labels, dtype=float))


def prices_of(returns):
    index = pd.bdate_range("2021-01-04", periods=len(returns) + 1)
    grown = np.vstack([np.ones(returns.shape[1]), np.cumprod(1.0 + returns, axis=0)])
    return pd.DataFrame(50.0 * grown, index=index, columns=[f"A{i:02}" for i in range(returns.shape[1])])


@settings(max_examples=30)
@given(seed=SEEDS, n_assets=st.integers(1, 40), n_sessions=st.integers(10, 80))
def test_equals_scikit_learn_on_complete_data(seed, n_assets, n_sessions):
    """More assets than sessions included."""
    random = np.random.default_rng(seed)
    common = random.standard_normal((n_sessions, 1))
    prices = prices_of(
        0.01 * (common + random.uniform(0.2, 2, n_assets) * random.standard_normal((n_sessions, n_assets)))
    )
    expected = Reference().fit(prices.pct_change().iloc[1:].to_numpy()).covariance_
    found = LedoitWolf(min_returns=5)(prices).covariance()
    np.testing.assert_allclose(found.to_numpy(), expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    assert list(found.index) == list(found.columns) == list(prices.columns)


def test_only_the_last_window_of_returns_counts():
    prices = random_prices(1, 120)
    older = prices.copy()
    older.iloc[:59] = random_prices(2, 120).iloc[:59]
    risk = LedoitWolf(window=60)
    assert risk(prices).covariance().equals(risk(older).covariance())
    assert not risk(prices).covariance().equals(LedoitWolf(window=61)(older).covariance())


@settings(max_examples=30)
@given(seed=SEEDS, missing=st.floats(0.0, 0.3))
def test_gaps_are_filled_with_the_mean_and_the_variance_is_kept(seed, missing):
    random = np.random.default_rng(seed)
    prices = random_prices(seed).mask(random.random((120, 4)) < missing)
    centred = np.zeros((119, 4))
    returns = prices.pct_change(fill_method=None).iloc[1:].to_numpy()
    for asset in range(4):
        known = np.isfinite(returns[:, asset])
        deviation = returns[known, asset] - returns[known, asset].mean()
        centred[known, asset] = deviation * np.sqrt(119 / known.sum())
        assert centred[:, asset].var() == pytest.approx(returns[known, asset].var())
    expected = Reference(assume_centered=True).fit(centred).covariance_
    found = LedoitWolf(min_returns=5)(prices).covariance().to_numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    assert np.linalg.eigvalsh(found).min() > 0


@settings(max_examples=20)
@given(seed=SEEDS, scale=st.sampled_from([1e-4, 1e-2, 0.5, 3.0]))
def test_returns_times_c_give_covariances_times_c_squared(seed, scale):
    """At 1e-4 returns are of size 1e-6, as in stablecoins or money-market funds."""
    returns = 0.01 * np.random.default_rng(seed).standard_normal((100, 5))
    plain, scaled = (LedoitWolf()(prices_of(c * returns)).covariance().to_numpy() for c in (1.0, scale))
    np.testing.assert_allclose(scaled, scale**2 * plain, rtol=0, atol=1e-7 * scale**2 * plain.max())


@settings(max_examples=20)
@given(seed=SEEDS, order=st.permutations(range(4)))
def test_columns_carry_their_labels(seed, order):
    prices = random_prices(seed)
    plain = LedoitWolf()(prices).covariance()
    permuted = LedoitWolf()(prices.iloc[:, list(order)]).covariance().loc[plain.index, plain.columns]
    np.testing.assert_allclose(permuted, plain, rtol=0, atol=1e-12 * plain.max().max())


@settings(max_examples=30)
@given(seed=SEEDS, n_assets=st.integers(1, 8), n_factors=st.integers(1, 8))
def test_volatility_and_times_are_those_of_the_full_matrix(seed, n_assets, n_factors):
    random = np.random.default_rng(seed)
    labels = [f"A{i}" for i in range(n_assets)]
    risk = model(random.standard_normal((n_assets, n_factors)), random.uniform(0, 1, n_assets), labels)
    full = risk.covariance()
    weights = pd.Series(random.standard_normal(n_assets), index=labels)
    np.testing.assert_allclose(risk.volatility() ** 2, np.diag(full), rtol=1e-12)
    np.testing.assert_allclose(risk.times(weights), full @ weights, rtol=1e-10, atol=1e-12)
    pd.testing.assert_series_equal(risk.times(weights[::-1]), risk.times(weights))
    assert np.linalg.eigvalsh(full).min() > -1e-12


def test_by_hand():
    """F = [[.01, 0], [.005, .01]], d = (1e-4, 2e-4)."""
    pd.testing.assert_frame_equal(
        model().covariance(), pd.DataFrame([[2e-4, 5e-5], [5e-5, 3.25e-4]], index=AB, columns=AB)
    )


def test_a_price_that_never_moves_has_only_the_shrunk_variance():
    prices = random_prices(1).assign(BBB=7.0)
    covariance = LedoitWolf()(prices).covariance()
    assert 0 < covariance.at["BBB", "BBB"] < covariance.at["AAA", "AAA"]
    np.testing.assert_allclose(covariance["BBB"].drop("BBB"), 0.0, atol=1e-20)


def test_prices_that_all_stand_still_have_no_risk():
    assert (LedoitWolf()(random_prices(1) * 0 + 5.0).covariance() == 0).all(axis=None)


def test_too_short_a_history_names_the_asset_its_count_and_the_remedy():
    prices = random_prices(1)
    prices.iloc[:110, 2] = np.nan
    with pytest.raises(RiskError, match="^CCC has 9 returns in the window, 60 are needed: start later, lower"):
        LedoitWolf()(prices)
    assert LedoitWolf(min_returns=9)(prices).assets.equals(prices.columns)


def test_an_asset_without_any_return_has_no_risk_whatever_min_returns_says():
    with pytest.raises(RiskError, match="BBB"):
        LedoitWolf(min_returns=0)(random_prices(1).assign(BBB=np.nan))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_model_that_is_not_finite_names_its_assets(bad):
    complaint = "covariance of BBB is NaN or infinite: drop these assets or use more history"
    with pytest.raises(RiskError, match=complaint):
        model(factors=((0.1, 0.1), (0.1, bad)))
    with pytest.raises(RiskError, match=complaint):
        model(specific=(1.0, bad))


def test_a_negative_variance_is_named():
    with pytest.raises(RiskError, match=r"specific variance of BBB is -0\.0003: .*>= 0"):
        model(specific=(1e-4, -3e-4))


@pytest.mark.parametrize("labels", [["BBB", "AAA"], ["AAA", "CCC"], ["AAA"]])
def test_labels_that_differ_are_refused(labels):
    with pytest.raises(RiskError, match="name different assets: build both on one index"):
        RiskModel(model().factors, pd.Series(1e-4, index=labels))


def test_an_asset_named_twice_is_refused():
    with pytest.raises(RiskError, match="duplicate entry for AAA in the risk model"):
        model(labels=["AAA", "AAA"])


def test_times_refuses_weights_that_lack_an_asset():
    with pytest.raises(RiskError, match="BBB"):
        model().times(pd.Series({"AAA": 1.0}))


def normal_prices(seed, n_assets, n_sessions):
    random = np.random.default_rng(seed)
    common = random.standard_normal((n_sessions, 1))
    return prices_of(
        0.01 * (common + random.uniform(0.2, 2, n_assets) * random.standard_normal((n_sessions, n_assets)))
    )


def returns_of(prices):
    return prices.pct_change().iloc[1:]


REFERENCES = {
    "sample": (Sample(min_returns=5), lambda r: np.atleast_2d(np.cov(r.to_numpy().T))),
    "sample, divisor n": (Sample(min_returns=5, ddof=0), lambda r: np.atleast_2d(np.cov(r.to_numpy().T, ddof=0))),
    "oas": (OAS(min_returns=5), lambda r: OASReference().fit(r.to_numpy()).covariance_),
    "ewma": (
        EWMA(halflife=20, min_returns=5),
        lambda r: r.ewm(halflife=20).cov(bias=True).iloc[-r.shape[1] :].to_numpy(),
    ),
}


@pytest.mark.parametrize("name", REFERENCES)
@settings(max_examples=15)
@given(seed=SEEDS, n_assets=st.integers(1, 30), n_sessions=st.integers(10, 60))
def test_equals_the_definition_elsewhere(name, seed, n_assets, n_sessions):
    """numpy, scikit-learn and pandas, more assets than sessions included."""
    prices = normal_prices(seed, n_assets, n_sessions)
    estimator, reference = REFERENCES[name]
    expected = reference(returns_of(prices))
    found = estimator(prices)
    np.testing.assert_allclose(found.covariance(), expected, rtol=0, atol=1e-10 * np.abs(expected).max())
    assert found.factors.shape[1] <= min(n_assets, n_sessions)


ESTIMATORS = [Sample(min_returns=20), EWMA(min_returns=20), LedoitWolf(min_returns=20), OAS(min_returns=20),
              StatisticalFactors(3, min_returns=20)]  # fmt: skip


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_collinear_constant_and_unequal_histories_are_repaired_and_said(estimator, caplog):
    prices = random_prices(3, 100, ("AAA", "BBB", "CCC", "DDD", "EEE"))
    prices["BBB"] = prices["AAA"] * 2.0
    prices["CCC"] = 7.0
    prices.iloc[:40, 3] = np.nan
    with caplog.at_level("INFO", logger="allocation"):
        found = estimator(prices)
    matrix = found.covariance().to_numpy()
    assert np.isfinite(matrix).all()
    assert np.linalg.eigvalsh(matrix).min() > -1e-16
    assert "40 missing returns of DDD set to the mean" in caplog.text
    assert "CCC did not move in 99 sessions" in caplog.text
    own = prices["DDD"].pct_change(fill_method=None).iloc[-59:]
    if isinstance(estimator, Sample):
        assert matrix[3, 3] * 98 / 99 == pytest.approx(own.var(ddof=0), rel=1e-9)
        np.testing.assert_allclose(matrix[0], matrix[1], atol=1e-12)


def test_more_assets_than_sessions_is_said_and_semidefinite(caplog):
    with caplog.at_level("INFO", logger="allocation"):
        found = Sample(min_returns=5)(normal_prices(1, 40, 20))
    assert "40 assets in 20 sessions: a covariance of rank 20" in caplog.text
    assert found.factors.shape == (40, 20)
    assert np.linalg.eigvalsh(found.covariance()).min() > -1e-12


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_only_the_window_counts_and_its_bits_do_not_depend_on_what_came_before(estimator):
    from dataclasses import replace

    short = replace(estimator, window=60)
    prices, older = random_prices(1, 120), random_prices(1, 120)
    older.iloc[:59] = random_prices(2, 120).iloc[:59]
    assert short(prices).covariance().equals(short(older).covariance())
    assert short(prices).covariance().equals(short(prices.iloc[-61:]).covariance())


def test_principal_factors_explain_as_much_as_any_and_keep_the_variances():
    prices = normal_prices(5, 12, 200)
    sample = Sample(ddof=0)(prices).covariance().to_numpy()
    found = StatisticalFactors(3, shrink=0.0)(prices)
    loadings = found.factors.to_numpy()
    values = np.sort(np.linalg.eigvalsh(sample))[::-1]
    np.testing.assert_allclose(np.linalg.eigvalsh(loadings @ loadings.T)[-3:][::-1], values[:3], rtol=1e-9)
    np.testing.assert_allclose(np.diag(found.covariance()), np.diag(sample), rtol=1e-9)
    drawn = StatisticalFactors(3, shrink=1.0)(prices).specific
    np.testing.assert_allclose(drawn, found.specific.mean(), rtol=1e-12)
    wide = StatisticalFactors(3, shrink=0.0, min_returns=5)(normal_prices(5, 40, 20))
    tall = Sample(ddof=0, min_returns=5)(normal_prices(5, 40, 20)).covariance()
    np.testing.assert_allclose(np.diag(wide.covariance()), np.diag(tall), rtol=1e-9)


@pytest.mark.parametrize(
    ("build", "complaint"),
    [
        (lambda: EWMA(halflife=0), "halflife is 0"),
        (lambda: StatisticalFactors(0), "is not meaningful: pass n_factors >= 1"),
        (lambda: StatisticalFactors(3, shrink=1.5), "shrink in"),
        (lambda: Sample()(random_prices(1, 30)), "AAA, BBB, CCC, DDD has 29 returns in the window, 60 are needed"),
    ],
)
def test_settings_and_histories_that_will_not_do_are_named(build, complaint):
    with pytest.raises(RiskError, match=complaint):
        build()
