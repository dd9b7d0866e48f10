"""Rules at a price: broken where it pays, named in every explanation, never in the way of anything."""

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_allocation.problems import problem

from allocation import (
    ExpectedReturn,
    FactorBounds,
    GroupBounds,
    LongOnly,
    MaxTurnover,
    MaxVolatility,
    MaxWeight,
    MeanVariance,
    MinCash,
    MultiPeriod,
    Named,
    NetExposure,
    NetUtility,
    OptimizationError,
    Soft,
    Variance,
)

ASSETS = problem(0).assets
GROUPS = {asset: "odd" if i % 2 else "even" for i, asset in enumerate(ASSETS)}
BETA = {asset: 0.5 + 0.2 * i for i, asset in enumerate(ASSETS)}
SOFT = (
    Soft(MaxWeight(0.2), 3e-4), Soft(MaxTurnover(0.2), 4e-4), Soft(GroupBounds(GROUPS, {"odd": 0.1}), 2e-4),
    Named("beta", Soft(FactorBounds(BETA, 0.8, 0.8), 1e-4)),
)  # fmt: skip
LINEAR = MeanVariance(ASSETS, NetUtility(5.0, 2e-4), (LongOnly(), NetExposure(0.0, 1.0), *SOFT))
CONES = MeanVariance(
    ASSETS,
    NetUtility(5.0, 2e-4),
    (
        LongOnly(),
        Soft(MaxVolatility(0.004), 1e-2),
        Soft(lambda s: [cp.SOC(cp.Constant(0.4), s.weights)], 3e-4),
        lambda s: [cp.SOC(cp.Constant(0.5), s.weights)],
    ),
)


@pytest.mark.parametrize("program", [LINEAR, CONES], ids=["linear", "cones"])
@settings(max_examples=6)
@given(seed=st.integers(0, 5000))
def test_all_that_pulls_at_a_weight_sums_to_zero(program, seed):
    """The condition of an optimum, part by part, to the accuracy of a numerical slope."""
    case = problem(seed)
    decision = program.decide(3 * case.mu, case.risk, case.held)
    for asset in ASSETS:
        why = decision.explain(asset)
        assert abs(why.balance.sum()) < 1e-8
        assert (why.balance.index == [*why.gain.index, *why.force.index]).all()


def test_without_the_soft_rules_there_would_be_a_rest():
    case = problem(3)
    why = [LINEAR.decide(3 * case.mu, case.risk, case.held).explain(asset) for asset in ASSETS]
    soft = [name for name in why[0].force.index if name.startswith("soft") or name == "beta"]
    assert len(soft) == len(SOFT)
    rest = [abs(one.balance.drop(soft).sum()) for one in why]
    assert max(rest) > 1e-4
    assert "soft MaxTurnover(limit=0.2) holds it" in "".join(map(str, why))


@settings(max_examples=6)
@given(seed=st.integers(0, 5000))
def test_nothing_pulls_with_more_than_its_price(seed):
    case = problem(seed)
    prices = LINEAR.decide(3 * case.mu, case.risk, case.held).prices
    most = {"soft MaxWeight(limit=0.2)": 3e-4, "soft MaxTurnover(limit=0.2)": 4e-4, "beta": 1e-4}
    assert all(price.price <= most.get(price.rule, np.inf) + 1e-9 for price in prices)


@pytest.mark.parametrize("rule", [MaxTurnover, MaxWeight, lambda limit: Named("house", MaxTurnover(limit))])
def test_the_price_of_a_soft_rule_is_what_loosening_brings(rule):
    case = problem(2)

    def decide(limit):
        rules = (LongOnly(), Named("it", Soft(rule(limit), 1e-3)))
        return MeanVariance(ASSETS, (ExpectedReturn(), Variance(5.0)), rules).decide(case.mu, case.risk, case.held)

    before, after = decide(0.3), decide(0.3 + 1e-5)
    price = sum(found.price for found in before.prices if found.rule == "it")
    assert price > 1e-5
    assert (after.utility - before.utility) / 1e-5 == pytest.approx(price, rel=2e-2)


def test_a_soft_rule_stays_soft_under_a_name():
    case = problem(1)
    plain, by_name = (
        MeanVariance(ASSETS, NetUtility(), (LongOnly(), rule)).weights(case.mu, case.risk, case.held)
        for rule in (Soft(MaxWeight(0.05), 1e-5), Named("small", Soft(MaxWeight(0.05), 1e-5)))
    )
    assert plain.max() > 0.06
    pd.testing.assert_series_equal(plain, by_name)


def test_a_soft_rule_is_no_part_of_a_conflict():
    case = problem(1)
    rules = (LongOnly(), Soft(MinCash(1.5), 1e-3), MaxWeight(0.1), NetExposure(1.0, 1.0))
    with pytest.raises(OptimizationError, match="MaxWeight.* and NetExposure") as caught:
        MeanVariance(ASSETS, NetUtility(), rules).weights(case.mu, case.risk, case.held)
    assert "MinCash" not in str(caught.value)


def test_a_plan_pays_the_price_too():
    """One step is the single-period program; the same rule, hard, cannot be kept."""
    case = problem(1)
    rules = (LongOnly(), NetExposure(1.0, 1.0), Soft(MinCash(0.3), 1e-3))
    single = MeanVariance(ASSETS, NetUtility(), rules).weights(case.mu, case.risk, case.held)
    plan = MultiPeriod(ASSETS, NetUtility(), rules, n_steps=1).plan(case.mu.to_frame().T, case.risk, case.held)
    np.testing.assert_allclose(plan.iloc[0], single, atol=1e-6)
    hard = (*rules[:2], MinCash(0.3))
    with pytest.raises(OptimizationError, match="infeasible"):
        MultiPeriod(ASSETS, NetUtility(), hard, n_steps=1).plan(case.mu.to_frame().T, case.risk, case.held)


def test_a_soft_equality_is_broken_on_the_side_that_pays():
    case = problem(1, 1, 1)
    case.risk.factors[:], case.risk.specific[:], case.mu[:] = 0.0, 1e-4, 1e-3
    objective = (ExpectedReturn(), Variance(10.0))  # alone: 0.5; the slope at w is 1e-3 - 2e-3 w
    for at, expected in ((0.3, 0.4), (0.45, 0.45), (0.7, 0.6)):
        rules = [Soft(NetExposure(at, at), 2e-4)]
        decision = MeanVariance(case.assets, objective, rules).decide(case.mu, case.risk, case.held)
        assert decision.weights.iloc[0] == pytest.approx(expected, abs=1e-8)
        assert decision.terms.iloc[-1] == pytest.approx(-2e-4 * abs(expected - at), abs=1e-10)
