"""The structured method beside a general solver: the same optimum, or no answer at all."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_allocation.problems import problem

from allocation import (
    Box,
    CardinalityPenalty,
    ExpectedReturn,
    FactorBounds,
    GroupBounds,
    LinearCost,
    LongOnly,
    MaxLeverage,
    MaxTurnover,
    MaxWeight,
    MeanVariance,
    MinCash,
    NetExposure,
    NetUtility,
    QuadraticCost,
    Ridge,
    Soft,
    TrackingVariance,
    Variance,
)
from allocation.optimizer.solvers import cascade as solvers
from allocation.optimizer.solvers.cone_program import residuals
from allocation.optimizer.solvers.interior_point import minimise

SEEDS = st.integers(0, 10_000)
ALL_TERMS = (
    ExpectedReturn(), Variance(5.0), LinearCost(0.001), LinearCost("spread", horizon=5), QuadraticCost("spread"),
    CardinalityPenalty(1e-5), Ridge(1e-4), TrackingVariance("benchmark", 2.0),
)  # fmt: skip
ALL_RULES = (
    LongOnly(), MaxWeight(0.5), MinCash(0.02), NetExposure(0.3, 1.0), MaxLeverage(1.4), MaxTurnover(0.6),
    FactorBounds("beta", 0.1, 1.5), Soft(MaxTurnover(0.05), 1e-3), Soft(MaxWeight(0.2), 1e-2),
    GroupBounds({f"A{i:02}": "xy"[i % 2] for i in range(12)}, {"x": 0.6}, {"y": 0.1}),
)  # fmt: skip


def compiled(terms, rules, case, n_factors):
    program = MeanVariance(case.assets, terms, rules, known=[f"A{i:02}" for i in range(12)])
    random = np.random.default_rng(1)
    numbers = {name: pd.Series(random.uniform(0.5, 1.5, len(case.mu)), case.assets) for name in ("spread", "beta")}
    given_numbers = {
        "spread": numbers["spread"] * 1e-3, "beta": numbers["beta"], "benchmark": case.held * 0 + 1 / len(case.mu),
    }  # fmt: skip
    values = program.numbers(case.mu, case.risk, case.held, 0.0, given_numbers)
    inner = program._program(n_factors)
    return inner, inner.canonical.apply(values)


any_mix = given(
    seed=SEEDS,
    n_assets=st.integers(2, 12),
    n_factors=st.integers(1, 12),
    terms=st.sets(st.integers(2, len(ALL_TERMS) - 1)),
    rules=st.sets(st.integers(1, len(ALL_RULES) - 1)),
)


def both(terms, rules, case, n_factors):
    program, data = compiled(terms, rules, case, n_factors)
    assert program.structure is not None
    ours = solvers._structured(program.canonical, program.structure, data)
    theirs = solvers._clarabel(program.canonical, None, data)
    return program, data, ours, theirs


@settings(max_examples=40)
@example(seed=7314, n_assets=8, n_factors=12, terms={2, 3, 6}, rules={2, 3})  # two costs, a rounding apart
@any_mix
def test_every_mix_of_terms_and_rules_has_the_optimum_of_a_general_solver(seed, n_assets, n_factors, terms, rules):
    """Points are compared by what they are worth, in both directions; both obey the rules."""
    case = problem(seed, n_assets, n_factors)
    chosen = (*ALL_TERMS[:2], *(ALL_TERMS[i] for i in sorted(terms)))
    limits = (ALL_RULES[0], *(ALL_RULES[i] for i in sorted(rules)))
    program, data, ours, theirs = both(chosen, limits, case, n_factors)
    if theirs.status != solvers.OPTIMAL:  # some mixes contradict each other
        assert ours is None or ours.residuals.worst > 1e-6
        return
    assert ours.residuals.worst < 1e-10
    worth = [float(x @ (data.p @ x) / 2 + data.q @ x) for x in (ours.x, theirs.x)]
    assert worth[0] == pytest.approx(worth[1], abs=1e-9)
    np.testing.assert_allclose(program.weights(ours), program.weights(theirs), atol=1e-5)


@pytest.mark.parametrize(("n_assets", "n_factors"), [(60, 5), (60, 60), (150, 15)])
def test_larger_programs(n_assets, n_factors):
    """Both ways to factorise: by Woodbury's identity and densely."""
    for seed in range(3):
        case = problem(seed, n_assets, n_factors)
        rules = (LongOnly(), MaxWeight(0.1), MaxTurnover(0.3))
        program, _, ours, theirs = both(NetUtility(5.0, 0.001, 5, True), rules, case, n_factors)
        assert ours.residuals.worst < 1e-11
        np.testing.assert_allclose(program.weights(ours), program.weights(theirs), atol=1e-7)


def test_a_solve_by_hand():
    """Two independent assets, w = mu / (2 gamma sigma²) = (0.5, 0.125), the first one capped at 0.3."""
    case = problem(1, 2, 1)
    case.risk.factors[:] = 0.0
    case.risk.specific[:] = [1e-4, 4e-4]
    case.mu[:] = [1e-3, 1e-3]
    program, _, ours, _ = both((ExpectedReturn(), Variance(10.0)), (LongOnly(), Box(0.0, 0.3)), case, 1)
    np.testing.assert_allclose(program.weights(ours), [0.3, 0.125], atol=1e-12)


def test_a_program_without_inequalities():
    case = problem(2)
    program, data, ours, _ = both((ExpectedReturn(), Variance(5.0)), (NetExposure(1.0, 1.0),), case, 3)
    w = program.weights(ours)
    assert w.sum() == pytest.approx(1.0, abs=1e-12)
    slope = case.mu - 10 * case.sigma @ w
    np.testing.assert_allclose(slope, slope.mean(), atol=1e-12)
    assert residuals(data, ours.x, ours.z).worst < 1e-12


def test_the_same_numbers_give_the_same_bits_whatever_was_solved_before():
    case, other = problem(3), problem(4)
    rules = (LongOnly(), MaxTurnover(0.3))
    program, data = compiled(NetUtility(), rules, case, 3)
    first = minimise(program.structure.program(data))
    _, foreign = compiled(NetUtility(), rules, other, 3)
    minimise(program.structure.program(foreign))
    again = minimise(program.structure.program(data))
    assert first.w.tobytes() == again.w.tobytes()
    assert first.z.tobytes() == again.z.tobytes()


def test_contradictions_and_endless_gains_are_left_to_another_solver():
    case = problem(5)
    for terms, rules in (
        (NetUtility(), (LongOnly(), MinCash(0.5), NetExposure(0.7, 1.0))),
        (ExpectedReturn(), (MaxTurnover(9.0), Soft(MinCash(0.0), 1e-9))),
    ):
        program, data = compiled(terms, rules, case, 3)
        found = minimise(program.structure.program(data)) if program.structure else None
        if found is not None and terms == NetUtility():
            assert residuals(data, *program.structure.restore(data, found)).worst > 1e-6


@pytest.mark.parametrize("scale", [1e-6, 1e-2, 1.0, 1e4])
def test_the_scale_of_utility_does_not_matter(scale):
    """Utility in other units: the same weights, within what rounding allows."""
    case = problem(6, 20)
    plain = both((ExpectedReturn(), Variance(5.0)), (LongOnly(),), case, 3)
    program, _, ours, _ = both(
        (lambda s: scale * s.expected_return - scale * 5.0 * s.variance,), (LongOnly(),), case, 3
    )
    np.testing.assert_allclose(program.weights(ours), plain[0].weights(plain[2]), atol=1e-9)
