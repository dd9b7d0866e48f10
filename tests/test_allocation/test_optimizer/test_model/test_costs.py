"""What each term adds to utility, against plain numpy, and the optima it leads to."""
# ruff: noqa: ARG005 - the entries of a table share one signature

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_allocation.problems import problem

from allocation import (
    BorrowCost,
    CardinalityPenalty,
    CashYield,
    CVaR,
    ExpectedReturn,
    ImpactCost,
    LinearCost,
    LongOnly,
    MaxLeverage,
    MeanVariance,
    NetUtility,
    OptimizationError,
    QuadraticCost,
    Ridge,
    TrackingVariance,
    Variance,
    WorstCaseReturn,
    WorstCaseRisk,
    square_root_impact,
)

ASSETS = problem(0).assets
TABLE = pd.Series(np.linspace(2e-4, 2e-3, 8), ASSETS)
EQUAL = pd.Series(1 / 8, ASSETS)
SCENARIOS = pd.DataFrame(0.01 * np.random.default_rng(0).standard_normal((40, 8)), columns=ASSETS)


def tail(w):
    losses = np.sort(-SCENARIOS.to_numpy() @ w)[::-1]
    return losses[:4].mean()  # a tenth of forty


VALUES = {
    "expected return": (ExpectedReturn(), lambda c, w: c.mu @ w),
    "variance": (Variance(3.0), lambda c, w: -3 * w @ c.sigma @ w),
    "tracking": (TrackingVariance(dict(EQUAL), 3.0), lambda c, w: -3 * (w - EQUAL) @ c.sigma @ (w - EQUAL)),
    "tracking by name": (TrackingVariance("equal", 3.0), lambda c, w: -3 * (w - EQUAL) @ c.sigma @ (w - EQUAL)),
    "linear": (LinearCost(dict(TABLE), horizon=2), lambda c, w: -(TABLE * (w - c.held).abs()).sum() / 2),
    "linear by name": (LinearCost("table"), lambda c, w: -(TABLE * (w - c.held).abs()).sum()),
    "quadratic": (QuadraticCost(0.01), lambda c, w: -0.01 * ((w - c.held) ** 2).sum()),
    "quadratic by name": (QuadraticCost("table"), lambda c, w: -(TABLE * (w - c.held) ** 2).sum()),
    "impact": (ImpactCost(dict(TABLE), 5), lambda c, w: -(TABLE * (w - c.held).abs() ** 1.5).sum() / 5),
    "impact by name": (ImpactCost("table"), lambda c, w: -(TABLE * (w - c.held).abs() ** 1.5).sum()),
    "borrow": (BorrowCost(2e-4), lambda c, w: 2e-4 * np.minimum(w, 0).sum()),
    "cash": (CashYield(1e-4, 5e-5), lambda c, w: 1e-4 * (1 - w.sum()) - 5e-5 * max(w.sum() - 1, 0)),
    "uncertain return": (WorstCaseReturn("table"), lambda c, w: -(TABLE * w.abs()).sum()),
    "jointly uncertain": (WorstCaseReturn(dict(TABLE), jointly=True), lambda c, w: -np.linalg.norm(TABLE * w)),
    "uncertain risk": (WorstCaseRisk(0.1, 3.0), lambda c, w: -0.3 * (np.sqrt(np.diag(c.sigma)) @ w.abs()) ** 2),
    "sparse": (CardinalityPenalty(1e-4), lambda c, w: -1e-4 * w.abs().sum()),
    "ridge": (Ridge(1e-3), lambda c, w: -1e-3 * (w**2).sum()),
    "tail": (CVaR(SCENARIOS, 0.9, 0.5), lambda c, w: -0.5 * tail(w.to_numpy())),
}
GIVEN = {"table": TABLE, "equal": EQUAL}


@pytest.mark.parametrize("name", VALUES)
def test_the_value_of_a_term_is_what_it_says(name):
    """At the optimum that it takes part in; the decision reports it."""
    term, value = VALUES[name]
    base = (ExpectedReturn(), Variance(4.0))
    program = MeanVariance(ASSETS, (*base, term), [MaxLeverage(2.0)])
    for seed in range(3):
        case = problem(seed)
        decision = program.decide(case.mu, case.risk, case.held, parameters=GIVEN)
        assert decision.terms.iloc[-1] == pytest.approx(value(case, decision.weights), rel=1e-4, abs=1e-8)
    assert program.is_dpp(3)


@pytest.mark.parametrize("name", VALUES)
@settings(max_examples=5)
@given(seed=st.integers(0, 1000))
def test_no_small_change_of_weights_does_better(name, seed):
    """Utility in plain numpy, at the optimum and beside it: no random direction gains."""
    term, value = VALUES[name]
    case, random = problem(seed), np.random.default_rng(seed)

    def utility(w):
        return case.mu @ w - 4.0 * w @ case.sigma @ w + value(case, w) * (name not in ("expected return", "variance"))

    extra = () if name in ("expected return", "variance") else (term,)
    program = MeanVariance(ASSETS, (ExpectedReturn(), Variance(4.0), *extra))
    found = program.weights(case.mu, case.risk, case.held, parameters=GIVEN)
    best = utility(found)
    for size in (1e-1, 1e-2, 1e-3):
        for _ in range(10):
            assert utility(found + size * random.standard_normal(8)) <= best + 1e-9


def test_impact_by_the_square_root_law():
    """A trade of 1 % of NAV in an asset that trades 4 % of it: coefficient × sigma × sqrt(1/4) of the trade."""
    impact = square_root_impact(np.array([0.02]), np.array([0.04]), coefficient=0.5)
    cost = impact[0] * 0.01**1.5
    assert cost == pytest.approx(0.5 * 0.02 * np.sqrt(0.01 / 0.04) * 0.01)


@pytest.mark.parametrize("cost", [LinearCost(1e-3), ImpactCost(5e-3), QuadraticCost(0.05)])
def test_a_cost_makes_trades_smaller(cost):
    case = problem(3)
    free = MeanVariance(ASSETS, NetUtility(5.0, 0.0), (LongOnly(),)).weights(case.mu, case.risk, case.held)
    paid = MeanVariance(ASSETS, (NetUtility(5.0, 0.0), cost), (LongOnly(),)).weights(case.mu, case.risk, case.held)
    assert (paid - case.held).abs().sum() < 0.9 * (free - case.held).abs().sum()


@pytest.mark.parametrize(
    ("build", "complaint"),
    [
        (lambda: LinearCost({**dict(TABLE), "A02": -1e-3}), "rate of A02 is -0.001: it must not be negative"),
        (lambda: LinearCost(-1e-3), "rate of every asset is -0.001"),
        (lambda: ImpactCost({**dict(TABLE), "A05": np.nan}), "impact of A05 is nan"),
        (lambda: BorrowCost({**dict(TABLE), "TSLA": 1e-3}), "borrow rate names TSLA"),
        (lambda: LinearCost(1e-3, horizon=0), "horizon is 0"),
        (lambda: CashYield(1e-4, -1e-5), "CashYield.*is not meaningful"),
        (lambda: Variance(-1.0), "risk aversion is -1.0"),
        (lambda: TrackingVariance({"A00": 0.4}), "weights sum to 0.4: they must sum to 1"),
        (lambda: CVaR(SCENARIOS, level=1.0), "level is 1.0"),
        (lambda: CVaR(SCENARIOS.drop(columns="A06")), "scenario 0 has no return of A06"),
        (lambda: WorstCaseRisk(np.nan), "covariance error is nan"),
        (lambda: Ridge(-1.0), "price is -1.0"),
    ],
)
def test_what_is_wrong_is_named(build, complaint):
    case = problem(1)
    with pytest.raises(OptimizationError, match=complaint):
        MeanVariance(ASSETS, (ExpectedReturn(), Variance(), build())).weights(case.mu, case.risk, case.held)


def test_a_negative_cost_given_by_name_is_named_too():
    case = problem(1)
    program = MeanVariance(ASSETS, (ExpectedReturn(), Variance(), LinearCost("table")))
    with pytest.raises(OptimizationError, match="table of A03 is -0.001"):
        program.weights(case.mu, case.risk, case.held, parameters={"table": TABLE.where(TABLE.index != "A03", -1e-3)})


def test_a_benchmark_given_by_name_must_sum_to_one_too():
    case = problem(1)
    program = MeanVariance(ASSETS, (ExpectedReturn(), TrackingVariance("equal")))
    with pytest.raises(OptimizationError, match="equal sums to 0.8"):
        program.weights(case.mu, case.risk, case.held, parameters={"equal": EQUAL * 0.8})


def test_terms_are_values_that_print_themselves():
    assert LinearCost(0.001) == LinearCost()
    assert repr(LinearCost("spread", 5)) == "LinearCost(rate='spread', horizon=5)"
    assert repr(CVaR(SCENARIOS)) == "CVaR(40 scenarios, level=0.95, aversion=1)"
