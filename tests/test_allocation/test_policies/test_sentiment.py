"""Policies: what each holds, what it leaves alone, and that labels carry everything."""

import pickle
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support import random_prices, random_signal

from allocation import (
    BorrowCost,
    EqualWeight,
    Grinold,
    GroupBounds,
    Hold,
    LedoitWolf,
    LinearCost,
    MaxTurnover,
    NoView,
    OptimizationError,
    RelaxationOrder,
    RiskError,
    SentimentPolicy,
    StatisticalFactors,
    View,
)
from allocation.optimizer.model.constraints import LongOnly, MaxWeight, MinCash
from allocation.policies import sentiment as policies

ASSETS = ("AAA", "BBB", "CCC", "DDD", "EEE")
SEEDS = st.integers(0, 10_000)
LIMITS = (LongOnly(), MaxWeight(0.3), MinCash(0.05))
# Forecasts strong enough to move the weights of a random walk: no shrinkage, no cost.
POLICY = SentimentPolicy(forecast=Grinold(horizon=1, prior_sd=10.0), cost=0.0, constraints=LIMITS)
UNINFORMED = SentimentPolicy(forecast=NoView(), cost=0.0, constraints=LIMITS)


def view_of(seed=1, *, held=0.0, missing=(), n_sessions=150):
    """A view with random prices and news; assets `missing` have no price today."""
    prices = random_prices(seed, n_sessions, ASSETS)
    signal = random_signal(seed, prices)
    prices.loc[prices.index[-1], list(missing)] = np.nan
    return View(prices.index[-1], prices, signal, pd.Series(held, index=prices.columns, dtype=float))


def with_signal(view, signal):
    return View(view.now, view.prices, signal, view.held)


def test_tradable_is_what_has_a_price_now():
    assert list(view_of(missing=["BBB", "DDD"]).tradable) == ["AAA", "CCC", "EEE"]


def test_equal_weight_shares_what_is_not_locked():
    """BBB cannot be traded and keeps its 20 %: the others share 80 %."""
    found = EqualWeight()(view_of(held=[0.5, 0.2, 0.1, 0.0, 0.0], missing=["BBB"]))
    pd.testing.assert_series_equal(found, pd.Series([0.2, np.nan, 0.2, 0.2, 0.2], index=ASSETS))
    assert EqualWeight()(view_of(held=0.1)).tolist() == [0.2] * 5


@pytest.mark.parametrize("policy", [EqualWeight(), Hold(), POLICY], ids=["equal weight", "hold", "sentiment"])
@pytest.mark.parametrize("held", [0.0, 0.2])
def test_nothing_is_traded_where_nothing_has_a_price(policy, held):
    found = policy(view_of(held=held, missing=ASSETS))
    assert list(found.index) == list(ASSETS)
    assert found.isna().all()


def test_hold_buys_equal_weights_once():
    assert Hold()(view_of(missing=["CCC"])).fillna(-1).tolist() == [0.25, 0.25, -1, 0.25, 0.25]
    assert Hold()(view_of(held=[0.0, 0.0, 1e-6, 0.0, 0.0])).isna().all()


@settings(max_examples=40)
@given(seed=SEEDS, missing=st.sets(st.sampled_from(ASSETS), max_size=4), invested=st.floats(0.0, 0.95))
def test_sentiment_weights_obey_their_limits_and_hold_what_cannot_trade(seed, missing, invested):
    held = np.random.default_rng(seed).dirichlet(np.ones(5)) * invested
    view = view_of(seed, held=held, missing=missing)
    found = POLICY(view)
    assert list(found.index) == list(ASSETS)
    assert set(found.index[found.isna()]) == missing
    assert found.min() >= 0.0
    assert found.max() <= 0.3 + 1e-6
    assert found.fillna(view.held).sum() <= 0.95 + 1e-6 or found.sum() == 0.0


@settings(max_examples=15)
@given(seed=SEEDS, missing=st.sets(st.sampled_from(ASSETS), max_size=3))
def test_a_silent_signal_is_no_view_to_the_last_bit(seed, missing):
    view = view_of(seed, held=0.1, missing=missing)
    silent = with_signal(view, view.signal * np.nan)
    assert POLICY(silent).equals(UNINFORMED(view))


@settings(max_examples=10)
@given(seed=SEEDS, unit=st.sampled_from([0.0078125, 1024.0, 0.01, 7.3, 1e6]))
def test_the_currency_of_the_prices_does_not_matter(seed, unit):
    """To the last bit where the exchange rate rounds nothing, else as far as it does."""
    view = view_of(seed, held=0.1)
    usual, other = POLICY(view), POLICY(View(view.now, view.prices * unit, view.signal, view.held))
    np.testing.assert_allclose(other, usual, rtol=0, atol=1e-7)
    assert unit not in (0.0078125, 1024.0) or other.equals(usual)


@settings(max_examples=15)
@given(seed=SEEDS)
def test_a_view_moves_the_weights_towards_good_news(seed):
    """Against no view, the weights move along the forecast: its gain is not negative."""
    view = view_of(seed)
    forecast = POLICY.forecast(view)
    assume(forecast.abs().max() > 1e-5)
    moved = POLICY(view) - UNINFORMED(view)
    assert moved @ forecast > 0


@pytest.mark.parametrize(
    ("constraints", "each"),
    [((), 0.2), ((LongOnly(), MaxWeight(0.25)), 0.2), ((LongOnly(), MaxWeight(0.1)), 0.1)],
)
def test_without_view_and_cost_the_portfolio_is_equal_weight_within_the_constraints(constraints, each):
    policy = SentimentPolicy(forecast=NoView(), cost=0.0, constraints=constraints)
    np.testing.assert_allclose(policy(view_of()), each, rtol=0, atol=1e-6)
    locked = policy(view_of(held=[0.4, 0.0, 0.0, 0.0, 0.0], missing=["AAA"]))
    np.testing.assert_allclose(locked.iloc[1:], min(each, 0.15), rtol=0, atol=1e-6)


def test_the_first_purchase_is_equal_weight_whatever_it_costs():
    """A cost spread over five sessions must not keep a lasting position from being opened."""
    np.testing.assert_allclose(SentimentPolicy(forecast=NoView())(view_of()), 0.2, rtol=0, atol=1e-6)


def test_with_cost_and_without_view_nearly_equal_weights_are_kept_to_the_last_bit():
    view = view_of(held=[0.19, 0.21, 0.2, 0.205, 0.195])
    assert SentimentPolicy(forecast=NoView())(view).equals(view.held)


@pytest.mark.parametrize("kept", [0.02, 0.05])
def test_nearly_equal_weights_are_kept_beside_a_cash_floor_too(kept):
    policy = SentimentPolicy(forecast=NoView(), constraints=(LongOnly(), MaxWeight(0.25), MinCash(kept)))
    view = view_of(held=(1 - kept) * np.array([0.18, 0.22, 0.2, 0.21, 0.19]))
    np.testing.assert_allclose(policy(view), view.held, rtol=0, atol=0)


def test_constraints_see_the_trades_that_will_be_made():
    """From all cash, a turnover of 10 % buys 10 %; idle cash does not count as held."""
    policy = SentimentPolicy(forecast=NoView(), constraints=(LongOnly(), lambda s: [s.turnover <= 0.1]))
    assert policy(view_of()).sum() == pytest.approx(0.1, abs=1e-6)


def test_a_history_that_the_risk_model_never_sees_is_refused():
    with pytest.raises(RiskError, match="min_history is 60, but the risk model looks at 40 returns: lower"):
        SentimentPolicy(risk=LedoitWolf(window=40))


def test_a_second_rebalancing_at_once_trades_nothing():
    """AAA is capped by a rule: the 15 % that stay in cash must not be bought step by step."""
    policy = SentimentPolicy(forecast=NoView(), constraints=(LongOnly(), lambda s: [s.weights[0] <= 0.05]))
    view = view_of()
    first = policy(view)
    again = policy(View(view.now, view.prices, view.signal, first))
    np.testing.assert_allclose(again, first, rtol=0, atol=1e-6)


@settings(max_examples=20)
@given(seed=SEEDS, order=st.permutations(range(5)), missing=st.sets(st.sampled_from(ASSETS), max_size=2))
def test_labels_carry_everything(seed, order, missing):
    """Inside a view columns are sorted already; a view in another order differs by rounding alone."""
    view = view_of(seed, held=[0.3, 0.0, 0.1, 0.2, 0.1], missing=missing)
    columns = [ASSETS[i] for i in order]
    other = View(view.now, view.prices[columns], view.signal[columns], view.held[columns])
    for policy in (EqualWeight(), POLICY):
        found = policy(other)
        assert list(found.index) == columns
        np.testing.assert_allclose(found[list(ASSETS)], policy(view), atol=1e-6)


def test_too_short_a_history_is_held_like_an_asset_without_a_price():
    view = view_of(held=0.1)
    view.prices.loc[view.prices.index[:-60], "BBB"] = np.nan
    assert list(view.prices.columns[POLICY(view).isna()]) == ["BBB"]
    young = view_of(n_sessions=60)
    assert POLICY(young).isna().all()
    assert POLICY(view_of(n_sessions=61)).notna().all()


def gappy():
    """BBB has 105 prices, more than `min_history`, but only 20 returns from one session to the next."""
    view = view_of(held=0.1)
    view.prices.loc[view.prices.index[20:110:2], "BBB"] = np.nan
    view.prices.loc[view.prices.index[110:-1:2], "BBB"] = np.nan
    return view


def test_a_history_full_of_gaps_is_held_too():
    view = gappy()
    assert view.prices["BBB"].notna().sum() > 60
    assert list(view.prices.columns[POLICY(view).isna()]) == ["BBB"]


def test_an_asset_that_comes_back_after_a_long_halt_is_held_too():
    view = view_of(n_sessions=400)
    view.prices.loc[view.prices.index[120:-20], "BBB"] = np.nan
    assert list(view.prices.columns[POLICY(view).isna()]) == ["BBB"]


def test_a_risk_model_that_needs_more_than_the_policy_says_so():
    with pytest.raises(RiskError, match="have|has 149 returns in the window, 200 are needed"):
        SentimentPolicy(risk=LedoitWolf(min_returns=200))(view_of())


def test_one_policy_serves_changing_universes_and_gives_the_same_bits_again():
    first = POLICY(view_of(1))
    POLICY(view_of(2, missing=["AAA"]))
    POLICY(view_of(3, held=0.1))
    assert POLICY(view_of(1)).equals(first)
    fresh = SentimentPolicy(forecast=POLICY.forecast, cost=0.0, constraints=LIMITS)
    assert fresh(view_of(1)).equals(first)
    assert fresh == POLICY


def test_a_used_policy_can_be_copied():
    """As a sweep over processes, or a deep copy of a strategy, must do."""
    expected = POLICY(view_of())
    assert deepcopy(POLICY)(view_of()).equals(expected)
    assert pickle.loads(pickle.dumps(POLICY))(view_of()).equals(expected)  # noqa: S301 - our own bytes


@pytest.mark.parametrize("missing", [(), ("BBB",)])
def test_a_decision_has_the_very_weights_of_the_call_and_can_be_asked(missing):
    view = view_of(2, held=0.1, missing=missing)
    decision = POLICY.decide(view)
    assert decision.weights.equals(POLICY(view).dropna())
    assert list(decision.terms.index) == ["expected return", "risk", "trading cost"]
    assert "AAA: " in str(decision.explain("AAA"))


def test_there_is_nothing_to_decide_where_nothing_trades():
    with pytest.raises(OptimizationError, match="nothing to decide at .*: no asset has a price and 60 returns"):
        POLICY.decide(view_of(missing=ASSETS))


def test_numbers_given_by_name_follow_from_the_view():
    """Each asset's cost is its own volatility: what moves most is traded least."""
    spread = {"spread": lambda view: view.prices.pct_change(fill_method=None).std()}
    plain = SentimentPolicy(forecast=POLICY.forecast, cost=0.0)
    costly = SentimentPolicy(forecast=POLICY.forecast, cost=0.0, terms=(LinearCost("spread"),), parameters=spread)
    view = view_of(4, held=0.15)
    moved = [(policy_(view) - view.held).abs().sum() for policy_ in (plain, costly)]
    assert moved[1] < 0.5 * moved[0]


def test_a_ladder_lets_the_policy_go_on_after_a_move_of_the_market():
    rules = (LongOnly(), MaxWeight(0.25), MaxTurnover(0.1))
    view = view_of(held=[0.8, 0.2, 0.0, 0.0, 0.0])
    with pytest.raises(OptimizationError, match="contradict each other: MaxWeight.*MaxTurnover"):
        SentimentPolicy(constraints=rules)(view)
    gone_on = SentimentPolicy(constraints=rules, relaxation_order=RelaxationOrder((MaxTurnover(0.1),)))(view)
    assert gone_on.max() <= 0.25 + 1e-6


def test_tables_may_name_assets_that_do_not_trade_today():
    groups = {asset: "first" if asset < "CCC" else "second" for asset in ASSETS}
    found = SentimentPolicy(constraints=(LongOnly(), GroupBounds(groups, {"first": 0.1})))(view_of(missing=["BBB"]))
    assert found["AAA"] <= 0.1 + 1e-6
    unknown = SentimentPolicy(constraints=(LongOnly(), GroupBounds({**groups, "ZZZ": "second"}, {"first": 0.1})))
    with pytest.raises(OptimizationError, match="the group second has ZZZ without a price column"):
        unknown(view_of())


def test_terms_are_added_to_the_objective():
    terms = (BorrowCost(1e-4),)
    decision = SentimentPolicy(terms=terms).decide(view_of(held=0.1))
    assert "BorrowCost(rate=0.0001)" in decision.terms.index


def test_only_so_many_universes_are_kept_compiled(monkeypatch):
    monkeypatch.setattr(policies, "MAX_PROGRAMS", 2)
    fresh = SentimentPolicy(forecast=NoView())
    for missing in ((), ("AAA",), ("BBB",), ("AAA",), ("CCC",)):
        fresh(view_of(missing=missing))
    assert [names for names, _ in fresh._programs] == [("BBB", "CCC", "DDD", "EEE"), ("AAA", "BBB", "DDD", "EEE")]


def test_without_news_the_portfolio_goes_to_no_view_continuously():
    """Signals scaled down step by step: the weights come to those without a view, and stay close to one another."""
    view = view_of(3)
    still = UNINFORMED(view)
    forecast = pd.Series([1e-3, -5e-4, 0.0, 2e-4, -7e-4], ASSETS)

    def weights(scale):
        return SentimentPolicy(forecast=lambda _: scale * forecast, cost=0.0, constraints=LIMITS)(view)

    gaps = [float((weights(scale) - still).abs().max()) for scale in (1.0, 1e-2, 1e-4, 0.0)]
    assert gaps[0] > gaps[1] > gaps[2] >= 0.0
    assert gaps[2] < 1e-3
    assert gaps[3] == 0.0


def test_the_currency_of_prices_does_not_matter():
    view = view_of(5, held=0.1)
    dear = View(view.now, view.prices * 4096.0, view.signal, view.held)  # a power of two: no rounding at all
    assert POLICY(dear).equals(POLICY(view))
    odd = View(view.now, view.prices * 7.3, view.signal, view.held)
    np.testing.assert_allclose(POLICY(odd), POLICY(view), atol=1e-6)


def test_any_risk_model_serves():
    factors = SentimentPolicy(risk=StatisticalFactors(n_factors=2), forecast=NoView())
    np.testing.assert_allclose(factors(view_of()), 0.2, atol=1e-6)
