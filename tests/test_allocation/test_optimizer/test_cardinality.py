"""Whole numbers: how many positions, how small; against all subsets tried one by one."""

from itertools import combinations

import cvxpy as cp
import pytest
from test_allocation.problems import problem

from allocation import (
    LongOnly,
    MaxHoldings,
    MaxWeight,
    MeanVariance,
    MinHolding,
    NetExposure,
    NetUtility,
    OptimizationError,
    RelaxationOrder,
    Soft,
)

FULL = (LongOnly(), NetExposure(1.0, 1.0))
needs_scip = pytest.mark.skipif(cp.SCIP not in cp.installed_solvers(), reason="SCIP is not installed")


def utility(case, w):
    return case.mu @ w - 20 * w @ case.sigma @ w - 5e-4 * (w - case.held).abs().sum()


def best_of_all_choices(case, count):
    found = []
    for kept in combinations(range(len(case.mu)), count):
        only = [i for i in range(len(case.mu)) if i not in kept]
        rules = (*FULL, lambda s, only=only: [s.weights[only] == 0])
        w = MeanVariance(case.assets, NetUtility(20.0, 5e-4), rules).weights(case.mu, case.risk, case.held)
        found.append(utility(case, w))
    return max(found)


@needs_scip
@pytest.mark.parametrize("seed", range(3))
def test_the_best_choice_of_positions_is_found(seed):
    case = problem(seed, 6)
    program = MeanVariance(case.assets, NetUtility(20.0, 5e-4), (*FULL, MaxHoldings(2)))
    found = program.weights(case.mu, case.risk, case.held)
    assert (found > 0).sum() <= 2
    assert found.sum() == pytest.approx(1.0, abs=1e-6)
    assert utility(case, found) == pytest.approx(best_of_all_choices(case, 2), abs=1e-7)
    assert program.weights(case.mu, case.risk, case.held).equals(found)


@needs_scip
def test_a_position_is_none_or_at_least_the_smallest():
    for seed in range(3):
        case = problem(seed)
        free = MeanVariance(case.assets, NetUtility(20.0, 5e-4), FULL).weights(case.mu, case.risk, case.held)
        rules = (*FULL, MinHolding(0.15))
        found = MeanVariance(case.assets, NetUtility(20.0, 5e-4), rules).weights(case.mu, case.risk, case.held)
        assert ((found == 0) | (found >= 0.15 - 1e-6)).all()
        assert utility(case, found) <= utility(case, free) + 1e-9


@needs_scip
def test_the_choice_is_explained_without_prices_on_what_was_left_out():
    case = problem(1)
    rules = (LongOnly(), MaxWeight(0.4), MaxHoldings(3))
    decision = MeanVariance(case.assets, NetUtility(20.0), rules).decide(case.mu, case.risk, case.held)
    out = set(decision.weights.index[decision.weights == 0])
    assert len(out) >= 5
    assert not out & {price.asset for price in decision.prices}


@needs_scip
def test_a_choice_that_cannot_be_made_is_an_error():
    case = problem(1)
    program = MeanVariance(case.assets, NetUtility(), (*FULL, MaxHoldings(2, largest=0.4)))
    with pytest.raises(
        OptimizationError,
        match=r"SCIP infeasible\): the constraints contradict each other: "
        r"NetExposure.* \(would have to be relaxed by 0.2\)"
        r" and MaxHoldings\(count=2, largest=0.4\) \(would have to be relaxed by 0.2\)",
    ):
        program.weights(case.mu, case.risk, case.held)


@needs_scip
@pytest.mark.parametrize(("relaxed", "status"), [((MaxWeight(0.3),), "relaxed"), ((), "held")])
def test_the_ladder_serves_where_no_choice_can_be_made(relaxed, status):
    case = problem(1)
    rules = (*FULL, MaxWeight(0.3), MaxHoldings(2))
    decision = MeanVariance(case.assets, NetUtility(), rules, relaxation_order=RelaxationOrder(relaxed)).decide(
        case.mu, case.risk, case.held
    )
    assert decision.status == status
    if relaxed:
        assert (decision.weights > 0).sum() <= 2
        assert decision.weights.sum() == pytest.approx(1.0)
    else:
        assert decision.weights.equals(case.held)


def test_without_scip_the_remedy_is_named(monkeypatch):
    monkeypatch.setattr(cp, "installed_solvers", list)
    case = problem(1)
    with pytest.raises(OptimizationError, match=r'cardinality rules need SCIP: pip install "newsfolio\[integer\]"'):
        MeanVariance(case.assets, NetUtility(), (*FULL, MaxHoldings(2))).weights(case.mu, case.risk, case.held)


@pytest.mark.parametrize("build", [lambda: MaxHoldings(0), lambda: MinHolding(0.0), lambda: MinHolding(0.5, 0.2)])
def test_settings_that_allow_nothing_are_refused(build):
    with pytest.raises(OptimizationError, match="allows no position"):
        build()


def test_soft_works_on_the_rule_around():
    assert Soft(MaxHoldings(2), 1.0).rule == MaxHoldings(2)
