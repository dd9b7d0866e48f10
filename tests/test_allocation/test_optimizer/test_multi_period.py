"""Plans over several steps: one step is the single-period program, and foresight pays."""

import numpy as np
import pandas as pd
import pytest
from test_allocation.problems import problem

from allocation import (
    ExpectedReturn,
    ImpactCost,
    LinearCost,
    LongOnly,
    MaxHoldings,
    MaxTurnover,
    MaxWeight,
    MeanVariance,
    MultiPeriod,
    NetExposure,
    NetUtility,
    OptimizationError,
    Variance,
)

CASE = problem(1)
RULES = (LongOnly(), MaxWeight(0.4))
COSTLY = (ExpectedReturn(), Variance(5.0), LinearCost(0.002))


def forecasts(*factors):
    return pd.DataFrame([CASE.mu * factor for factor in factors])


def test_one_step_is_the_single_period_program():
    single = MeanVariance(CASE.assets, COSTLY, RULES).weights(CASE.mu, CASE.risk, CASE.held)
    plan = MultiPeriod(CASE.assets, COSTLY, RULES, n_steps=1).plan(forecasts(1.0), CASE.risk, CASE.held)
    np.testing.assert_allclose(plan.iloc[0], single, atol=1e-6)


def test_without_costs_each_step_stands_for_itself():
    free = NetUtility(5.0, 0.0)
    plan = MultiPeriod(CASE.assets, free, RULES, n_steps=3).plan(forecasts(1.0, -1.0, 0.5), CASE.risk, CASE.held)
    single = MeanVariance(CASE.assets, free, RULES)
    for row, factor in zip(plan.to_numpy(), (1.0, -1.0, 0.5), strict=True):
        np.testing.assert_allclose(row, single.weights(CASE.mu * factor, CASE.risk, CASE.held), atol=1e-6)


def test_a_forecast_that_lasts_is_traded_on_more_than_one_that_fades():
    program = MultiPeriod(CASE.assets, COSTLY, RULES, n_steps=4)
    lasting = program.plan(forecasts(1, 1, 1, 1), CASE.risk, CASE.held).iloc[0]
    fading = program.plan(forecasts(1, 0, 0, 0), CASE.risk, CASE.held).iloc[0]
    assert (lasting - CASE.held).abs().sum() > 1.5 * (fading - CASE.held).abs().sum()


def test_no_other_plan_is_worth_more():
    """In plain numpy: neither greedy single steps nor the plan moved a little beat the plan."""
    means = forecasts(1.0, -0.5, 0.8).to_numpy()
    plan = MultiPeriod(CASE.assets, COSTLY, (LongOnly(),), n_steps=3).plan(
        forecasts(1.0, -0.5, 0.8), CASE.risk, CASE.held
    )

    def worth(steps):
        before, total = CASE.held.to_numpy(), 0.0
        for mu, w in zip(means, steps, strict=True):
            total += mu @ w - 5 * w @ CASE.sigma @ w - 0.002 * np.abs(w - before).sum()
            before = w
        return total

    greedy, held = [], CASE.held
    for mu in means:
        mu_now = pd.Series(mu, CASE.assets)
        held = MeanVariance(CASE.assets, COSTLY, (LongOnly(),)).weights(mu_now, CASE.risk, held)
        greedy.append(held.to_numpy())
    assert worth(plan.to_numpy()) >= worth(greedy) - 1e-9
    random = np.random.default_rng(0)
    for _ in range(50):
        moved = np.clip(plan.to_numpy() + 0.01 * random.standard_normal(plan.shape), 0, None)
        moved /= np.maximum(moved.sum(axis=1, keepdims=True), 1)
        assert worth(moved) <= worth(plan.to_numpy()) + 1e-9


def test_each_step_obeys_the_rules():
    rules = (LongOnly(), MaxTurnover(0.2))
    plan = MultiPeriod(CASE.assets, NetUtility(1.0, 0.0), rules, n_steps=3).plan(
        forecasts(1, 2, 3), CASE.risk, CASE.held
    )
    before = CASE.held
    for _, w in plan.iterrows():
        assert (w - before).abs().sum() <= 0.2 + 1e-6
        assert w.min() >= -1e-9
        before = w


@pytest.mark.parametrize(
    ("n_steps", "rules", "means", "complaint"),
    [
        (0, RULES, forecasts(1), "n_steps is 0"),
        (3, RULES, forecasts(1, 1), "2 forecasts for 3 steps: pass one for each"),
        (2, RULES, forecasts(1, np.nan), r"expected return of step 2 of A00 \(nan\), .* and 3 more is not a finite"),
        (2, (MaxHoldings(2),), forecasts(1, 1), "cardinality rules cannot be planned ahead"),
        (2, (LongOnly(), lambda s: [s.cash >= 2]), forecasts(1, 1), "no optimal plan .*infeasible"),
    ],
)
def test_what_is_wrong_is_named(n_steps, rules, means, complaint):
    with pytest.raises(OptimizationError, match=complaint):
        MultiPeriod(CASE.assets, NetUtility(), rules, n_steps=n_steps).plan(means, CASE.risk, CASE.held)


def test_a_plan_that_cannot_be_made_names_the_rules():
    case = problem(1)
    plan = MultiPeriod(case.assets, NetUtility(), (LongOnly(), MaxWeight(0.05), NetExposure(1.0, 1.0)), n_steps=2)
    means = pd.DataFrame([case.mu, case.mu])
    with pytest.raises(
        OptimizationError, match=r"at the first step: MaxWeight\(limit=0.05\) \(would have to be relaxed by 0.6\)"
    ):
        plan.plan(means, case.risk, case.held)


@pytest.mark.parametrize("seed", range(8))
def test_impact_and_limited_turnover_are_planned_together(seed):
    """Trades near zero are cones near their tip; every one of these plans is feasible: holding is allowed."""
    random = np.random.default_rng(seed + 100)
    case, n_steps = problem(seed, int(random.integers(5, 25))), int(random.integers(2, 5))
    impact, limit = float(10 ** random.uniform(-3, -1)), float(random.uniform(0.05, 0.5))
    rules = (LongOnly(), NetExposure(0, 1), MaxTurnover(limit))
    program = MultiPeriod(case.assets, (ExpectedReturn(), Variance(5.0), ImpactCost(impact)), rules, n_steps=n_steps)
    means = pd.DataFrame([case.mu * factor for factor in random.standard_normal(n_steps)])
    plan = program.plan(means, case.risk, case.held).to_numpy()

    def utility(steps):
        total, before = 0.0, case.held.to_numpy()
        for mu, w in zip(means.to_numpy(), steps, strict=True):
            total += mu @ w - 5.0 * w @ case.sigma @ w - impact * (np.abs(w - before) ** 1.5).sum()
            before = w
        return total

    before = np.vstack([case.held, plan[:-1]])
    assert np.abs(plan - before).sum(axis=1).max() <= limit + 1e-6
    assert utility(plan) >= utility(np.tile(case.held, (n_steps, 1)))
    for other in range(20):  # towards other feasible plans nothing is gained
        towards = np.random.default_rng(other).dirichlet(np.ones(len(case.assets)), n_steps)
        share = limit / 4.0
        moved = plan + 1e-4 * share * (towards - plan)
        if np.abs(moved - np.vstack([case.held, moved[:-1]])).sum(axis=1).max() <= limit:
            assert utility(moved) <= utility(plan) + 1e-9
