"""Risk profiles: more appetite, more risk; limits and targets that hold."""

import numpy as np
import pytest
from support import random_prices, random_signal

from allocation import (
    AGGRESSIVE,
    BALANCED,
    CONSERVATIVE,
    PROFILES,
    EqualWeight,
    GroupBounds,
    LedoitWolf,
    NoView,
    OptimizationError,
    RelaxationOrder,
    RiskProfile,
    ScaledRisk,
    SentimentPolicy,
    View,
    target_volatility,
)

ASSETS = tuple(f"A{i:02}" for i in range(12))


def view(seed=1, held=0.0):
    prices = random_prices(seed, 150, ASSETS)
    weights = EqualWeight()(View(prices.index[-1], prices, prices * 0, prices.iloc[-1] * 0.0)) * 0 + held
    return View(prices.index[-1], prices, random_signal(seed, prices), weights)


def risk_of(policy, w, now):
    return float(np.sqrt(w @ policy.risk(now.prices).times(w)))


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("seed", [1, 2])
def test_limits_hold(name, seed):
    profile = PROFILES[name]
    w = profile.policy()(view(seed))
    assert w.max() <= profile.most_per_asset + 1e-6
    assert w.min() >= 0
    assert w.sum() <= 1 - profile.least_cash + 1e-6
    assert w.abs().sum() <= profile.most_turnover + 1e-6


def test_the_profiles_are_in_order_of_their_appetite():
    order = (CONSERVATIVE, BALANCED, AGGRESSIVE)
    assert [p.risk_aversion for p in order] == sorted((p.risk_aversion for p in order), reverse=True)
    assert [p.most_per_asset for p in order] == sorted(p.most_per_asset for p in order)
    assert [p.least_cash for p in order] == sorted((p.least_cash for p in order), reverse=True)


@pytest.mark.parametrize("annual", [0.02, 0.04])
def test_a_target_volatility_is_not_exceeded(annual):
    now = view()
    policy = target_volatility(annual).policy(forecast=NoView(), cost=0.0)
    w = policy(now)
    assert risk_of(policy, w, now) * np.sqrt(252) == pytest.approx(annual, rel=1e-4)


def test_a_target_volatility_forecasts_its_risk_unless_one_is_given():
    assert isinstance(target_volatility(0.1).policy().risk, ScaledRisk)
    assert target_volatility(0.1).policy(risk=LedoitWolf()).risk == LedoitWolf()
    assert isinstance(BALANCED.policy().risk, LedoitWolf)


def test_where_a_move_of_the_market_breaks_the_limits_turnover_gives_way_first(caplog):
    """All in one asset: a cap of 10 % cannot be met with a quarter turned over."""
    now = view()
    now.held["A00"] = 1.0
    policy = CONSERVATIVE.policy()
    decision = policy.decide(now)
    assert decision.status == "relaxed"
    assert decision.relaxed == ("MaxTurnover(limit=0.25)",)
    assert decision.weights.max() <= 0.1 + 1e-6
    assert "relaxed MaxTurnover" in caplog.text
    assert policy(now).equals(decision.weights.reindex(now.held.index))


def test_more_rules_can_stand_beside_a_profile():
    groups = {asset: "first" if asset < "A06" else "second" for asset in ASSETS}
    w = BALANCED.policy(constraints=(GroupBounds(groups, {"first": 0.1}),))(view())
    assert w[:6].sum() <= 0.1 + 1e-6


def test_a_policy_is_a_plain_sentiment_policy():
    policy = AGGRESSIVE.policy()
    assert isinstance(policy, SentimentPolicy)
    assert policy.relaxation_order == RelaxationOrder(())


@pytest.mark.parametrize("change", [{"risk_aversion": 0.0}, {"most_per_asset": 1.5}, {"least_cash": 1.0},
                                    {"most_turnover": 0.0}, {"target_volatility": -0.1}])  # fmt: skip
def test_a_profile_that_leaves_no_portfolio_is_refused(change):
    with pytest.raises(OptimizationError, match="leaves no portfolio"):
        RiskProfile(**({"risk_aversion": 5.0, "most_per_asset": 0.2} | change))
