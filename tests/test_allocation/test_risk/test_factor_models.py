"""Factors that the user names: least squares, unequal histories, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from allocation import RiskError, UserFactors


def market(seed=1, n_sessions=150, n_assets=6):
    """Returns that follow two factors, and what does not follow them."""
    random = np.random.default_rng(seed)
    index = pd.bdate_range("2021-01-04", periods=n_sessions + 1)
    factors = pd.DataFrame(0.01 * random.standard_normal((n_sessions, 2)), index[1:], ["market", "size"])
    loadings = random.uniform(-1, 1.5, (n_assets, 2))
    own = 0.005 * random.standard_normal((n_sessions, n_assets))
    returns = factors.to_numpy() @ loadings.T + own
    grown = 50 * np.vstack([np.ones(n_assets), np.cumprod(1 + returns, axis=0)])
    return pd.DataFrame(grown, index, [f"A{i}" for i in range(n_assets)]), factors, loadings


def test_equals_least_squares_written_out():
    prices, factors, _ = market()
    found = UserFactors(factors)(prices)
    x, y = factors.to_numpy(), prices.pct_change().iloc[1:].to_numpy()
    design = np.column_stack([np.ones(len(x)), x])
    beta = np.linalg.lstsq(design, y, rcond=None)[0]
    expected = beta[1:].T @ np.cov(x.T, ddof=0) @ beta[1:] + np.diag(((y - design @ beta) ** 2).mean(axis=0))
    np.testing.assert_allclose(found.covariance(), expected, rtol=1e-9, atol=1e-15)
    assert found.factors.shape == (6, 2)


def test_the_planted_loadings_are_recovered():
    prices, factors, loadings = market(n_sessions=2000)
    found = UserFactors(factors, window=2000)(prices)
    common = found.factors @ found.factors.T
    np.testing.assert_allclose(common, loadings @ np.cov(factors.T, ddof=0) @ loadings.T, atol=1e-5)
    np.testing.assert_allclose(found.specific**0.5, 0.005, rtol=0.1)


def test_factors_that_repeat_one_another_give_the_same_risk_and_say_so(caplog):
    prices, factors, _ = market()
    twice = factors.assign(again=2 * factors["market"])
    with caplog.at_level("INFO", logger="allocation"):
        found = UserFactors(twice)(prices).covariance()
    np.testing.assert_allclose(found, UserFactors(factors)(prices).covariance(), rtol=1e-8, atol=1e-14)
    assert "of 3 factors 1 repeat others" in caplog.text


def test_a_shorter_history_is_used_as_far_as_it_goes():
    prices, factors, _ = market()
    prices.iloc[:50, 2] = np.nan
    found = UserFactors(factors)(prices)
    alone = UserFactors(factors.iloc[50:])(prices.iloc[50:])
    assert found.specific["A2"] == pytest.approx(alone.specific["A2"], rel=1e-9)
    np.testing.assert_allclose(found.specific.drop("A2"), UserFactors(factors)(market()[0]).specific.drop("A2"))


def test_what_is_missing_is_named():
    prices, factors, _ = market()
    with pytest.raises(RiskError, match="the factor size has no return on 2021-02"):
        UserFactors(factors.assign(size=factors["size"].where(factors.index != factors.index[30])))(prices)
    prices.iloc[:120, 4] = np.nan
    with pytest.raises(RiskError, match="A4 has 30 returns in the window, 60 are needed"):
        UserFactors(factors)(prices)
    assert repr(UserFactors(factors)) == "UserFactors(market, size, window=252)"
