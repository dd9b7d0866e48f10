"""A decision can be asked why: terms add up, prices are what loosening brings, and forces balance."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_allocation.problems import problem

from allocation import (
    CVaR,
    ExpectedReturn,
    GroupBounds,
    ImpactCost,
    LinearCost,
    LongOnly,
    MaxTurnover,
    MaxVolatility,
    MaxWeight,
    MeanVariance,
    MinCash,
    MinReturn,
    Named,
    NetExposure,
    NetUtility,
    OptimizationError,
    RiskModel,
    Soft,
    Variance,
)

ASSETS = problem(0).assets
GROUPS = {asset: "odd" if i % 2 else "even" for i, asset in enumerate(ASSETS)}
RULES = (LongOnly(), MaxWeight(0.25), GroupBounds(GROUPS, {"odd": 0.4}), MaxTurnover(0.5))


PROGRAM = MeanVariance(ASSETS, NetUtility(5.0, 5e-4), RULES)


def decided(case, objective=None, rules=RULES):
    usual = objective is None and rules is RULES
    program = PROGRAM if usual else MeanVariance(ASSETS, objective or NetUtility(5.0, 5e-4), rules)
    return program, program.decide(case.mu, case.risk, case.held)


@settings(max_examples=15)
@given(seed=st.integers(0, 5000))
def test_the_terms_add_up_to_the_utility_of_the_weights(seed):
    case = problem(seed)
    program, decision = decided(case)
    w = decision.weights
    by_hand = case.mu @ w - 5 * w @ case.sigma @ w - 5e-4 * (w - case.held).abs().sum()
    assert decision.utility == pytest.approx(by_hand, abs=1e-9)
    assert list(decision.terms.index) == ["expected return", "risk", "trading cost"]
    assert program.weights(case.mu, case.risk, case.held).equals(w)
    assert decision.residuals.worst < 1e-9
    assert decision.status == "optimal"
    assert decision.iterations > 0


@settings(max_examples=15)
@given(seed=st.integers(0, 5000))
def test_gains_losses_and_forces_balance_for_each_asset(seed):
    """Buying gains at most what the rules pull with, selling loses at least that: the conditions of an optimum."""
    _, decision = decided(problem(seed))
    for asset in ASSETS:
        why = decision.explain(asset)
        assert why.gain.sum() <= why.force.sum() + 2e-6
        assert why.loss.sum() >= why.release.sum() - 2e-6


@pytest.mark.parametrize(
    ("rule", "looser"),
    [
        (MaxWeight(0.25), MaxWeight(0.25 + 1e-5)),
        (NetExposure(0.0, 0.8), NetExposure(0.0, 0.8 + 1e-5)),
        (MaxTurnover(0.5), MaxTurnover(0.5 + 1e-5)),
        (MaxVolatility(0.004), MaxVolatility(0.004 + 1e-5)),
        (MinCash(0.3), MinCash(0.3 - 1e-5)),
    ],
)
def test_a_shadow_price_is_what_loosening_brings(rule, looser):
    """To first order: the change of the best utility per unit, summed over the rows that are loosened."""
    for seed in range(3):
        case = problem(seed)
        _, before = decided(case, rules=(LongOnly(), rule))
        _, after = decided(case, rules=(LongOnly(), looser))
        price = sum(found.price for found in before.prices if found.rule == str(rule))
        assert (after.utility - before.utility) / 1e-5 == pytest.approx(price, rel=2e-2, abs=2e-6)


def test_the_story_of_an_asset_by_hand():
    """w = mu / (2 gamma sigma²) would be 0.5; a cap of 0.3 pulls with 1e-3 - 2 × 10 × 1e-4 × 0.3 = 4e-4."""
    case = problem(1)
    case.risk.factors[:], case.risk.specific[:], case.mu[:] = 0.0, 1e-4, 0.0
    case.mu["A03"] = 1e-3
    program = MeanVariance(ASSETS, NetUtility(10.0, 0.0), (LongOnly(), Named("house limit", MaxWeight(0.3))))
    decision = program.decide(case.mu, case.risk, case.held * 0)
    why = decision.explain("A03")
    assert why.weight == pytest.approx(0.3, abs=1e-9)
    np.testing.assert_allclose(why.gain, [1e-3, -6e-4, 0.0], atol=1e-9)
    assert why.force["house limit"] == pytest.approx(4e-4, abs=1e-8)
    assert why.held_by == ["house limit"]
    text = str(why)
    assert text.startswith("A03: 30.00% of NAV, 0.00% before")
    assert "expected return: buying more +10.00, selling -10.00" in text
    assert "house limit holds it at +4.00" in text
    assert "no rule holds it" in str(decision.explain("A00"))
    assert "binding: house limit on A03: 4.00 bp" in str(decision)


def test_an_explanation_outlives_later_solves():
    case, other = problem(1), problem(2)
    program, decision = decided(case)
    first = str(decision.explain("A03"))
    program.decide(other.mu, other.risk, other.held)
    assert str(decision.explain("A03")) == first


def test_an_explanation_outlives_changes_of_the_tables_it_was_made_from():
    case = problem(1)
    _, decision = decided(case)
    first, text = str(decision.explain("A03")), str(decision)
    case.held.iloc[:], case.mu.iloc[:] = 0.0, 0.01
    case.risk.specific.iloc[:], case.risk.factors.iloc[:, :] = 1.0, 1.0
    assert (str(decision.explain("A03")), str(decision)) == (first, text)


def test_inside_the_no_trade_region_buying_and_selling_both_lose():
    case = problem(1)
    objective = (ExpectedReturn(), Variance(5.0), LinearCost(0.05))
    _, decision = decided(case, objective, (LongOnly(),))
    why = decision.explain("A02")
    assert decision.weights["A02"] == case.held["A02"]
    assert why.gain.sum() < 0 < why.loss.sum()


def test_an_asset_outside_is_named():
    _, decision = decided(problem(1))
    with pytest.raises(OptimizationError, match="AAPL was not decided on: the program has A00"):
        decision.explain("AAPL")


def test_cones_are_explained_as_well():
    case = problem(4)
    _, decision = decided(case, (NetUtility(5.0), ImpactCost(1e-3)), (LongOnly(), MaxVolatility(0.004)))
    why = decision.explain("A01")
    assert np.isfinite(why.gain).all()
    assert decision.residuals.worst < 1e-7
    assert isinstance(decision.terms, pd.Series)


def test_lambdas_are_named_by_their_line():
    case = problem(1)
    _, decision = decided(case, rules=(lambda s: [s.weights <= 0.1], LongOnly(), LongOnly()))
    names = {price.rule for price in decision.prices}
    assert any(name.startswith("<lambda> (test_decision.py:") for name in names)


def test_cash_is_what_the_budget_leaves():
    """A fifth is locked elsewhere: nothing invested is four fifths in cash."""
    case = problem(1)
    program = MeanVariance(ASSETS, NetUtility(5.0, 0.0), (LongOnly(), NetExposure(0.0, 0.0)))
    decision = program.decide(case.mu, case.risk, case.held, untradable_weight=0.2)
    assert decision.budget == pytest.approx(0.8)
    assert "0 of 8 assets, cash 80.00%" in str(decision)


def test_the_price_of_a_group_names_the_group():
    case = problem(1)
    case.mu["A01"] = 5e-3
    for rule in (GroupBounds(GROUPS, {"odd": 0.2, "even": 0.9}), Soft(GroupBounds(GROUPS, {"odd": 0.2}), 1.0)):
        _, decision = decided(case, rules=(LongOnly(), rule))
        found = [price for price in decision.prices if price.rule.removeprefix("soft ").startswith("GroupBounds")]
        assert [(price.asset, price.part) for price in found] == [(None, "group odd")]
        assert " on group odd: " in str(decision)


def test_a_rule_with_as_many_rows_as_assets_is_not_one_per_asset():
    """Its rows limit sums of two weights; another's are in the reverse order of the assets."""
    case = problem(1)
    case.mu[:] = 5e-3
    pairs = np.eye(8) + np.roll(np.eye(8), 1, axis=1)
    _, decision = decided(case, rules=(LongOnly(), Named("pairs", lambda s: [pairs @ s.weights <= 0.1])))
    found = [price for price in decision.prices if price.rule == "pairs"]
    assert found
    assert all(price.asset is None and price.part.startswith("row ") for price in found)
    limits = np.full(8, 0.9)
    limits[0] = 0.05
    case.mu["A07"] = 2e-2
    _, decision = decided(case, rules=(LongOnly(), Named("reverse", lambda s: [s.weights[::-1] <= limits])))
    assert [price.asset for price in decision.prices if price.rule == "reverse"] == ["A07"]


def test_at_a_degenerate_optimum_the_prices_are_one_sided():
    """Two rules with the same limit: loosening one alone brings nothing, tightening it costs the whole price."""
    case = problem(1)
    case.mu[:] = 5e-3
    rules = (LongOnly(), Named("first", NetExposure(0.0, 0.5)), Named("second", lambda s: [s.cash >= 0.5]))
    _, decision = decided(case, rules=rules)
    _, single = decided(case, rules=rules[:2])
    (whole,) = [price for price in single.prices if price.rule == "first"]
    assert single.one_sided(whole) == pytest.approx((whole.price, whole.price), rel=1e-3)
    for price in decision.prices:
        if price.rule in ("first", "second"):
            loosening, tightening = decision.one_sided(price)
            assert loosening == pytest.approx(0.0, abs=1e-8)
            assert tightening == pytest.approx(whole.price, rel=1e-3)


def test_a_limit_that_cannot_be_tighter_costs_without_bound():
    case = problem(1)
    case.mu[:] = 5e-3
    _, decision = decided(case, rules=(LongOnly(), MinCash(0.5), NetExposure(0.5, 1.0)))
    (price,) = [price for price in decision.prices if price.rule == "MinCash(fraction=0.5)"]
    assert decision.one_sided(price)[1] == np.inf


@pytest.mark.parametrize("unit", [1e-8, 1.0, 1e6])
def test_a_price_lies_between_its_two_sides_whatever_the_unit_and_where_a_limit_is_zero(unit):
    """Weights at zero are so but for a solver's noise, whose size must not become the step."""
    case = problem(2)
    risk = RiskModel(case.risk.factors * unit, case.risk.specific * unit**2)
    scenarios = pd.DataFrame(unit * 0.01 * np.random.default_rng(0).standard_normal((30, 8)), columns=ASSETS)
    terms = (ExpectedReturn(), Variance(5.0 / unit), CVaR(scenarios, 0.9, 0.1))
    rules = (LongOnly(), MaxVolatility(0.006 * unit), MinReturn(1e-4 * unit))
    decision = MeanVariance(ASSETS, terms, rules).decide(case.mu * unit, risk, case.held)
    asked = [price for price in decision.prices if price.rule == "LongOnly()"][:2] + list(decision.prices)[-1:]
    assert len(asked) == 3
    for price in asked:
        loosening, tightening = decision.one_sided(price)
        assert loosening == pytest.approx(price.price, rel=0.02)
        assert tightening == pytest.approx(price.price, rel=0.02)


@pytest.mark.parametrize("unit", [1e-8, 1e-4, 1.0, 1e4])
def test_forces_balance_whatever_the_unit_of_returns(unit):
    for seed in range(3):
        case = problem(seed)
        risk = RiskModel(case.risk.factors * unit, case.risk.specific * unit**2)
        terms = (ExpectedReturn(), Variance(5.0 / unit), LinearCost(5e-4 * unit))
        program = MeanVariance(ASSETS, terms, (LongOnly(), MaxWeight(0.25), MaxTurnover(0.5)))
        decision = program.decide(case.mu * unit, risk, case.held)
        usual = MeanVariance(
            ASSETS, (ExpectedReturn(), Variance(5.0), LinearCost(5e-4)), (LongOnly(), MaxWeight(0.25), MaxTurnover(0.5))
        ).decide(case.mu, case.risk, case.held)
        assert {(p.rule, p.asset) for p in decision.prices} == {(p.rule, p.asset) for p in usual.prices}
        for asset in ASSETS:
            why = decision.explain(asset)
            assert abs(why.balance.sum()) < 2e-6 * unit
            assert why.held_by == usual.explain(asset).held_by
