"""The guessed optimum: exact or no answer, the same from the same numbers, and found where little is traded."""

from functools import cache

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_allocation.problems import ALL_RULES, ALL_TERMS, SEEDS, any_mix, compiled, problem

from allocation import (
    Box,
    ExpectedReturn,
    LinearCost,
    LongOnly,
    MaxTurnover,
    MaxWeight,
    MeanVariance,
    MinCash,
    NetExposure,
    NetUtility,
    Variance,
)
from allocation.optimizer.solvers import cascade as solvers
from allocation.optimizer.solvers.piecewise_linear import PiecewiseLinearCost

DAILY = (ExpectedReturn(), Variance(5.0), LinearCost(0.001))


def active_set(program, data):
    return solvers._active_set(program.forms, data)


@settings(max_examples=30)
@any_mix
def test_what_is_believed_of_any_mix_is_the_optimum_of_a_general_solver(seed, n_assets, n_factors, terms, rules):
    case = problem(seed, n_assets, n_factors)
    chosen = (*ALL_TERMS[:2], *(ALL_TERMS[i] for i in sorted({2, *terms})))
    limits = (ALL_RULES[0], *(ALL_RULES[i] for i in sorted(rules)))
    program, data = compiled(chosen, limits, case, n_factors)
    found = active_set(program, data)
    if found is not None and found.residuals.worst <= solvers.EXACT:
        other = solvers._clarabel(program.forms, data)
        np.testing.assert_allclose(program.weights(found), program.weights(other), atol=3e-6)


@cache
def daily(n_assets, n_factors):
    return MeanVariance(problem(0, n_assets).assets, DAILY, (LongOnly(), NetExposure(0.0, 1.0)))


@settings(max_examples=60)
@given(seed=SEEDS, shape=st.sampled_from([(2, 1), (15, 20), (60, 4)]), size=st.sampled_from([0.02, 0.2, 1.0]))
def test_where_trading_costs_the_optimum_is_found(seed, shape, size):
    """Forecasts of a few basis points against a cost of ten: a rebalancing as there are most."""
    case, outer = problem(seed, *shape), daily(*shape)
    program = outer._program(shape[1])
    data = program.cone_program.apply(outer.numbers(size * case.mu, case.risk, case.held, 0.0))
    found = active_set(program, data)
    assert found is not None
    assert found.residuals.worst < solvers.EXACT
    w = program.weights(found)
    other = program.weights(solvers._piqp(program.forms, data))
    np.testing.assert_allclose(w, other, atol=1e-7)
    assert w.min() >= 0.0
    untouched = np.abs(other - case.held.to_numpy()) < 1e-9
    np.testing.assert_allclose(w[untouched], case.held.to_numpy()[untouched], atol=1e-15)  # not moved at all


def test_most_of_what_is_costly_to_trade_settles():
    """With turnover limited, boxes and costs: the guess is worth its time."""
    settled, rules = 0, (Box(0.0, 0.3), NetExposure(1.0, 1.0), MaxTurnover(0.3))
    outer = MeanVariance(problem(0, 40).assets, NetUtility(cost=0.002), rules)
    program = outer._program(5)
    for seed in range(40):
        case = problem(seed, 40, 5)
        data = program.cone_program.apply(outer.numbers(case.mu, case.risk, case.held, 0.0))
        found = active_set(program, data)
        settled += found is not None and found.residuals.worst <= solvers.EXACT
    assert settled >= 25


@settings(max_examples=40)
@given(
    seed=SEEDS, n_assets=st.integers(2, 40), drift=st.floats(1e-9, 3e-3), size=st.sampled_from([0.0, 0.02, 0.2]),
    shorts=st.booleans(),
)  # fmt: skip
def test_what_drifted_beyond_a_limit_pays_until_something_goes(seed, n_assets, drift, size, shorts):
    """No forecast is worth a trade, so all weights stay at their costs, and yet the portfolio must shrink."""
    case = problem(seed, n_assets, 3)
    held = case.held / case.held.sum() * (0.98 + drift)
    rules = (Box(-0.5, 1.0) if shorts else LongOnly(), MinCash(0.02))
    outer = MeanVariance(case.assets, DAILY, rules)
    mu = size * case.mu + 5.0 * case.risk.times(held)
    program = outer._program(3)
    data = program.cone_program.apply(outer.numbers(mu, case.risk, held, 0.0))
    found = active_set(program, data)
    assert found is not None
    assert found.residuals.worst < solvers.EXACT
    w = program.weights(found)
    assert w.sum() <= 0.98 + 1e-12
    other = program.weights(solvers._piqp(program.forms, data))
    np.testing.assert_allclose(w, other, atol=1e-7)


@settings(max_examples=60)
@given(seed=SEEDS, n_assets=st.integers(1, 12), at_bend=st.booleans(), side=st.sampled_from([-1.0, 1.0]))
def test_a_weight_moves_when_its_resistance_is_overcome_and_not_before(seed, n_assets, at_bend, side):
    case, random = problem(seed, n_assets, 1), np.random.default_rng(seed)
    program, data = compiled(DAILY, (Box(-0.2, 0.6), NetExposure(0.0, 1.0)), case, 1)
    costs = PiecewiseLinearCost.read(program.forms.form.program(data))
    w = costs.start() if at_bend else np.clip(random.normal(0.2, 0.3, n_assets), -0.2, 0.6)
    slope, cost = 2e-3 * random.normal(size=n_assets), random.uniform(0, 2e-3, costs.kink.shape)
    resistance = costs.resistance(w, slope, cost, np.full(n_assets, side))
    gone = {}
    for share, rounding in ((0.999, -1e-9), (1.001, 1e-9)):
        more = np.where(np.isfinite(resistance), share * resistance, 1.0) + rounding
        gone[share] = side * (costs.candidate(slope - side * more - w, np.ones(n_assets), cost).w - w) > 0.0
    assert not gone[0.999][resistance > 0.0].any()
    assert (gone[1.001] == np.isfinite(resistance)).all()


def test_no_bits_come_from_what_was_solved_before():
    case, others = problem(3, 30), [problem(seed, 30) for seed in (7, 8)]
    rules = (LongOnly(), MaxWeight(0.2), NetExposure(0.0, 1.0))
    fresh = MeanVariance(case.assets, DAILY, rules).weights(case.mu, case.risk, case.held)
    used = MeanVariance(case.assets, DAILY, rules)
    for other in others:
        used.weights(other.mu, other.risk, other.held)
    pd.testing.assert_series_equal(used.weights(case.mu, case.risk, case.held), fresh, check_exact=True)


def test_where_trading_is_free_and_factors_are_few_it_is_not_tried():
    case = problem(1)
    outer = MeanVariance(case.assets, DAILY[:2], (LongOnly(), MaxTurnover(0.5)))
    program = outer._program(3)
    data = program.cone_program.apply(outer.numbers(case.mu, case.risk, case.held, 0.0))
    assert solvers._active_set(program.forms, data) is None


@pytest.mark.parametrize(
    "rules", [(LongOnly(), MaxWeight(0.2)), (Box(0.0, 0.1), NetExposure(1.0, 1.0), MaxTurnover(0.3))]
)
def test_with_many_factors_free_trading_is_solved_too(rules):
    """There a step of an interior point method is dense; bounds alone have no kinks to start from."""
    outer, solved = MeanVariance(problem(0, 30).assets, DAILY[:2], rules), 0
    program = outer._program(30)
    for seed in range(10):
        case = problem(seed, 30, 30)
        held = np.minimum(case.held, 0.1)
        data = program.cone_program.apply(outer.numbers(case.mu, case.risk, held / held.sum(), 0.0))
        found, other = active_set(program, data), solvers._clarabel(program.forms, data)
        solved += found is not None
        if found is not None:
            assert found.residuals.worst < solvers.EXACT
            np.testing.assert_allclose(program.weights(found), program.weights(other), atol=1e-6)
    assert solved >= 5


def test_a_portfolio_that_needs_no_change_is_kept_to_the_last_bit():
    """The forecast at which what is held is optimal leaves only rounding to trade on."""
    case = problem(5, 40)
    held = case.held * 0 + 1 / 40
    mu = 10.0 * case.risk.times(held)
    outer = MeanVariance(case.assets, NetUtility(cost=0.001, idle_cash_is_free=True), (LongOnly(), MaxWeight(0.25)))
    decision = outer.decide(mu, case.risk, held)
    assert decision.solver == "active set"
    assert decision.iterations <= 2
    assert (decision.weights == held).all()


def test_what_the_cost_of_trading_holds_needs_no_bound():
    """Nothing is held and nothing is worth buying: the cost alone says so, and long-only has no price."""
    case = problem(2)
    outer = MeanVariance(case.assets, DAILY, (LongOnly(), NetExposure(0.0, 1.0)))
    small = case.mu * 0 - 1e-4
    decision = outer.decide(small, case.risk, case.held * 0)
    assert decision.solver == "active set"
    assert (decision.weights == 0).all()
    assert decision.prices == ()
    dearer = outer.decide(case.mu * 0 - 5e-3, case.risk, case.held * 0)
    assert [price.price for price in dearer.prices] == pytest.approx([4e-3] * 8, abs=1e-9)


def test_costs_that_only_some_assets_have_settle_too():
    """A further cost of trading the first three: the other assets have one kink less."""
    case, rules = problem(7, 12), (LongOnly(), NetExposure(0.0, 1.0))
    terms = (*DAILY, lambda s: -5e-4 * cp.norm1((s.weights - s.held)[:3]))
    program, data = compiled(terms, rules, case, 3)
    idle = program.forms.form.program(data).per_asset.absent
    assert idle.sum() == 9
    found = active_set(program, data)
    assert found is not None
    assert found.residuals.worst < solvers.EXACT
    other = solvers._clarabel(program.forms, data)
    np.testing.assert_allclose(program.weights(found), program.weights(other), atol=3e-6)


def test_of_two_bounds_at_one_weight_the_first_holds_it():
    """Both say that nothing is sold short: the price is paid once."""
    case = problem(2)
    dearer = case.mu * 0 - 5e-3
    for rules in (
        (LongOnly(), Box(0.0, 0.9), NetExposure(0.0, 1.0)),
        (Box(0.0, 0.9), LongOnly(), NetExposure(0.0, 1.0)),
    ):
        decision = MeanVariance(case.assets, DAILY, rules).decide(dearer, case.risk, case.held * 0)
        assert decision.solver == "active set"
        assert {price.rule for price in decision.prices} == {str(rules[0])}
        assert [price.price for price in decision.prices] == pytest.approx([4e-3] * 8, abs=1e-9)
