"""Named portfolios: what makes each of them what it is, and parity with plain numpy."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from test_allocation.problems import problem

from allocation import (
    LongOnly,
    MaxWeight,
    NetExposure,
    OptimizationError,
    RiskModel,
    efficient_frontier,
    max_sharpe,
    minimum_variance,
    risk_parity,
)

SEEDS = st.integers(0, 5000)
SHORTS = (NetExposure(1.0, 1.0),)


@settings(max_examples=10)
@given(seed=SEEDS)
def test_least_variance_with_shorts_is_the_closed_form(seed):
    case = problem(seed)
    inverse = np.linalg.solve(case.sigma, np.ones(8))
    np.testing.assert_allclose(minimum_variance(case.risk, SHORTS), inverse / inverse.sum(), atol=2e-6)


@settings(max_examples=10)
@given(seed=SEEDS)
def test_the_best_ratio_beats_whatever_slsqp_finds(seed):
    case = problem(seed)
    found = max_sharpe(case.mu, case.risk, risk_free=-1e-3)
    assert found.sum() == pytest.approx(1.0, abs=1e-6)
    assert found.min() >= 0

    def ratio(w):
        return (case.mu.to_numpy() @ w + 1e-3 * np.sum(w)) / np.sqrt(w @ case.sigma @ w)

    rival = minimize(
        lambda w: -ratio(w), np.full(8, 1 / 8), bounds=[(0, 1)] * 8,
        constraints=[{"type": "eq", "fun": lambda w: w.sum() - 1}], options={"ftol": 1e-12},
    )  # fmt: skip
    assert ratio(found.to_numpy()) >= ratio(rival.x) - 1e-6


def test_the_tangency_portfolio_with_shorts_is_the_closed_form():
    case = problem(1)
    wanted = np.linalg.solve(case.sigma, case.mu.abs())
    np.testing.assert_allclose(max_sharpe(case.mu.abs(), case.risk, SHORTS), wanted / wanted.sum(), atol=1e-5)


def test_nothing_to_gain_is_said():
    case = problem(1)
    with pytest.raises(OptimizationError, match="no portfolio is expected to earn more than 0.5: hold cash"):
        max_sharpe(case.mu, case.risk, risk_free=0.5)


def risk_of(loadings, specific):
    names = [f"S{i}" for i in range(len(loadings))]
    return RiskModel(pd.DataFrame(loadings, names), pd.Series(specific, names, dtype=float))


@pytest.mark.parametrize("unit", [1e-8, 1.0, 1e6])
@pytest.mark.parametrize(
    ("loadings", "specific", "free"),
    [
        ([[0.01], [0.01], [0.0]], [1e-4, 1e-4, 0.0], "S2"),  # an asset without risk that earns something
        ([[0.01], [0.02], [-0.01]], [0.0, 0.0, 0.0], "S0, S2"),  # a hedge of one factor
        ([[0.01, 0.0], [0.02, 0.0], [-0.01, 0.0]], [0.0, 0.0, 0.0], "S0, S2"),  # with a factor that nothing loads on
    ],
)
def test_a_gain_without_risk_has_no_best_ratio(loadings, specific, free, unit):
    mu = pd.Series([1e-3, 5e-4, 2e-4], ["S0", "S1", "S2"])
    risk = risk_of(unit * np.array(loadings), unit**2 * np.array(specific))
    with pytest.raises(OptimizationError, match=f"the ratio has no bound: {free} earn more than 0 with next to no ris"):
        max_sharpe(unit * mu, risk)


@pytest.mark.parametrize("gain", [0.0, -2e-4])
def test_an_asset_without_risk_that_earns_nothing_leaves_the_best_ratio_as_it_is(gain):
    risk = risk_of([[0.01], [0.0], [0.0]], [1e-4, 1e-4, 0.0])
    found = max_sharpe(pd.Series([1e-3, 5e-4, gain], risk.assets), risk)
    np.testing.assert_allclose(found, [0.5, 0.5, 0.0], atol=1e-3)


@settings(max_examples=10)
@given(seed=SEEDS)
def test_the_best_ratio_is_the_same_where_cash_may_stay(seed):
    """Cash changes the size of a portfolio and not its ratio: the largest such portfolio is the fully invested one."""
    case = problem(seed)
    mu = case.mu.abs() + 1e-5
    np.testing.assert_allclose(max_sharpe(mu, case.risk, [LongOnly()]), max_sharpe(mu, case.risk), atol=1e-3)


@settings(max_examples=20)
@given(seed=SEEDS, n_assets=st.integers(2, 30), budgets=st.booleans())
def test_risk_is_shared_as_budgeted(seed, n_assets, budgets):
    case = problem(seed, n_assets)
    wanted = pd.Series(np.random.default_rng(seed).uniform(0.2, 3.0, n_assets), case.assets)
    w = risk_parity(case.risk, wanted if budgets else None)
    shares = w * case.risk.times(w) / (w @ case.risk.times(w))
    expected = wanted / wanted.sum() if budgets else 1 / n_assets
    np.testing.assert_allclose(shares, expected, atol=1e-10)
    assert w.sum() == pytest.approx(1.0)
    assert (w > 0).all()


def test_independent_assets_share_risk_by_inverse_volatility():
    sd = pd.Series([0.01, 0.02, 0.04], ["A", "B", "C"])
    risk = RiskModel(pd.DataFrame(0.0, sd.index, ["none"]), sd**2)
    np.testing.assert_allclose(risk_parity(risk), (1 / sd) / (1 / sd).sum(), rtol=1e-12)


@pytest.mark.parametrize("budgets", [{"A00": 1.0}, dict.fromkeys(problem(0).assets, 0.0)])
def test_budgets_that_are_missing_or_zero_are_named(budgets):
    with pytest.raises(OptimizationError, match="the risk budget of A0.* is not > 0"):
        risk_parity(problem(0).risk, budgets)


def test_an_asset_without_risk_cannot_share_it():
    case = problem(0)
    case.risk.factors.loc["A03"], case.risk.specific["A03"] = 0.0, 0.0
    with pytest.raises(OptimizationError, match="A03 has no risk to share"):
        risk_parity(case.risk)


@settings(max_examples=5)
@given(seed=SEEDS)
def test_the_frontier_rises_and_bends(seed):
    case = problem(seed)
    frontier = efficient_frontier(case.mu, case.risk, n_points=9)
    assert list(frontier.columns[:2]) == ["expected_return", "volatility"]
    assert (np.diff(frontier["volatility"]) > -1e-9).all()
    np.testing.assert_allclose(np.diff(frontier["expected_return"], 2), 0.0, atol=1e-7)
    assert (np.diff(frontier["volatility"], 2) > -1e-7).all()
    weights = frontier[case.assets]
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-6)
    assert frontier["expected_return"].iloc[-1] == pytest.approx(case.mu.max(), abs=1e-7)
    np.testing.assert_allclose(weights.iloc[0], minimum_variance(case.risk), atol=1e-9)


def test_no_point_of_the_frontier_lies_above_another_way_to_compute_it():
    """A hundred thousand random portfolios: none has less risk at its return."""
    case = problem(3)
    frontier = efficient_frontier(case.mu, case.risk, (LongOnly(), NetExposure(1, 1), MaxWeight(0.6)), n_points=30)
    random = np.random.default_rng(0).dirichlet(np.full(8, 0.5), 100_000)
    random = random[random.max(axis=1) <= 0.6]
    returns, risks = random @ case.mu.to_numpy(), np.sqrt(np.einsum("ij,jk,ik->i", random, case.sigma, random))
    least = np.interp(returns, frontier["expected_return"], frontier["volatility"], left=0.0, right=np.inf)
    inside = returns <= frontier["expected_return"].iloc[-1]
    assert (risks[inside] >= least[inside] - 2e-5).all()


def test_a_frontier_has_two_ends():
    with pytest.raises(OptimizationError, match="n_points is 1"):
        efficient_frontier(problem(0).mu, problem(0).risk, n_points=1)


def rescaled(case, factor):
    return case.mu * factor, RiskModel(case.risk.factors * factor, case.risk.specific * factor**2)


@pytest.mark.parametrize("factor", [1e-8, 1e-4, 1e4])
def test_the_unit_of_returns_does_not_matter(factor):
    for seed in range(3):
        case = problem(seed)
        mu, risk = rescaled(case, factor)
        for usual, other in (
            (max_sharpe(case.mu, case.risk), max_sharpe(mu, risk)),
            (minimum_variance(case.risk), minimum_variance(risk)),
            (risk_parity(case.risk), risk_parity(risk)),
        ):
            np.testing.assert_allclose(other, usual, atol=2e-6)
        frontiers = efficient_frontier(case.mu, case.risk, n_points=4), efficient_frontier(mu, risk, n_points=4)
        np.testing.assert_allclose(frontiers[1][case.assets], frontiers[0][case.assets], atol=2e-5)
        np.testing.assert_allclose(frontiers[1]["volatility"], factor * frontiers[0]["volatility"], rtol=1e-5)


def test_of_several_portfolios_of_the_largest_return_the_frontier_has_the_least_risk():
    """Two assets of the same return, independent, with volatilities of 1 and 2 %: four fifths in the first."""
    names = ["A", "B", "C"]
    risk = RiskModel(pd.DataFrame(0.0, names, ["none"]), pd.Series([1e-4, 4e-4, 1e-5], names))
    frontier = efficient_frontier(pd.Series([1e-3, 1e-3, 0.0], names), risk, n_points=5)
    np.testing.assert_allclose(frontier[names].iloc[-1], [0.8, 0.2, 0.0], atol=1e-5)


@pytest.mark.parametrize("seed", range(30))
def test_risk_is_shared_whatever_the_scales_and_budgets(seed):
    """Volatilities of several powers of ten, budgets of a thousandth, covariances of low rank."""
    random = np.random.default_rng(seed)
    n, k = int(random.integers(2, 30)), int(random.integers(1, 6))
    names = [f"A{i:02}" for i in range(n)]
    loadings = random.standard_normal((n, k)) * 10 ** random.uniform(-3, -1, (n, 1))
    singular = seed % 4 == 0
    loadings = np.abs(loadings) if singular else loadings  # then no long portfolio is without risk
    specific = np.zeros(n) if singular else random.uniform(1e-7, 1e-4, n)
    risk = RiskModel(pd.DataFrame(loadings, names), pd.Series(specific, names))
    budgets = pd.Series(10 ** random.uniform(-3, 0, n), names)
    w = risk_parity(risk, budgets)
    shares = w * risk.times(w) / (w @ risk.times(w))
    np.testing.assert_allclose(shares, budgets / budgets.sum(), atol=1e-8)


@pytest.mark.parametrize("loadings", [[[0.01], [-0.02]], [[0.01, 0.0], [-0.01, 0.01], [0.0, -0.01]]])
def test_where_a_long_portfolio_has_no_risk_there_are_no_shares_of_it(loadings):
    names = [f"A{i}" for i in range(len(loadings))]
    risk = RiskModel(pd.DataFrame(loadings, names), pd.Series(0.0, names))
    with pytest.raises(OptimizationError, match="no long portfolio has these shares of risk.*LedoitWolf"):
        risk_parity(risk)
