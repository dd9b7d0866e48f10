"""PIQP and Clarabel on the reduced program: one optimum, that of the whole program, from either form of its risk."""

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_allocation.problems import ALL_RULES, ALL_TERMS, SEEDS, any_mix, compiled, problem

from allocation import (
    Box,
    ExpectedReturn,
    ImpactCost,
    LongOnly,
    MaxTurnover,
    MaxVolatility,
    MaxWeight,
    MinCash,
    NetExposure,
    NetUtility,
    Variance,
)
from allocation.optimizer.solvers import cascade as solvers
from allocation.optimizer.solvers import elimination
from allocation.optimizer.solvers.cone_program import residuals


def both(terms, rules, case, n_factors):
    program, data = compiled(terms, rules, case, n_factors)
    return program, data, solvers._piqp(program.forms, data), solvers._clarabel(program.forms, data)


@settings(max_examples=40)
@example(seed=7314, n_assets=8, n_factors=12, terms={2, 3, 6}, rules={2, 3})  # two costs, a rounding apart
@any_mix
def test_every_mix_of_terms_and_rules_has_one_optimum(seed, n_assets, n_factors, terms, rules):
    """Points are compared by what they are worth, in both directions; both obey the rules."""
    case = problem(seed, n_assets, n_factors)
    chosen = (*ALL_TERMS[:2], *(ALL_TERMS[i] for i in sorted(terms)))
    limits = (ALL_RULES[0], *(ALL_RULES[i] for i in sorted(rules)))
    program, data, piqp, clarabel = both(chosen, limits, case, n_factors)
    if clarabel.status != solvers.OPTIMAL:  # some mixes contradict each other
        assert not piqp.residuals.worst <= 1e-6
        return
    assert piqp.residuals.worst < 1e-10
    worth = [float(x @ (data.p @ x) / 2 + data.q @ x) for x in (piqp.x, clarabel.x)]
    assert worth[0] == pytest.approx(worth[1], abs=1e-9)
    np.testing.assert_allclose(program.weights(piqp), program.weights(clarabel), atol=1e-5)


@settings(max_examples=20)
@given(seed=SEEDS, n_assets=st.integers(2, 12), n_factors=st.integers(1, 12), cones=st.booleans())
def test_a_reduced_program_is_worth_the_same_and_has_the_same_multipliers(seed, n_assets, n_factors, cones):
    case = problem(seed, n_assets, n_factors)
    terms = (ExpectedReturn(), Variance(5.0), *([ImpactCost(1e-3)] if cones else []))
    rules = (LongOnly(), MaxTurnover(0.5), *([MaxVolatility(0.02)] if cones else []))
    for share in (0.0, np.inf):  # one dense quadratic form; a variable for each factor
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(elimination, "MANY_FACTORS", share)
            program, data = compiled(terms, rules, case, n_factors)
        forms, small = program.forms, program.forms.elimination.reduce(data)
        assert forms.elimination.is_dense == (share == 0.0 and n_factors > 0)
        assert len(small.q) < len(data.q)
        random = np.random.default_rng(seed)
        worth = []
        for _ in range(2):
            x = random.standard_normal(len(small.q))
            z = random.standard_normal(len(small.b))
            full_x, full_z = forms.elimination.restore(data, x, z)
            square = small.p.csc.toarray()
            square = square + np.triu(square, 1).T
            worth.append((x @ square @ x / 2 + small.q @ x, full_x @ (data.p @ full_x) / 2 + data.q @ full_x))
            slope = (data.p @ full_x + data.q + data.a.transposed_times(full_z))[forms.elimination.kept_columns]
            np.testing.assert_allclose(square @ x + small.q + small.a.transposed_times(z), slope, atol=1e-9)
        np.testing.assert_allclose(worth[0][0] - worth[1][0], worth[0][1] - worth[1][1], atol=1e-9)
        found = solvers._clarabel(forms, data)
        assert found.residuals.worst < 1e-7


@pytest.mark.parametrize(("n_assets", "n_factors"), [(60, 5), (60, 60), (150, 15)])
def test_larger_programs(n_assets, n_factors):
    """With sparse and with dense risk."""
    for seed in range(3):
        case = problem(seed, n_assets, n_factors)
        rules = (LongOnly(), MaxWeight(0.1), MaxTurnover(0.3))
        program, _, piqp, clarabel = both(NetUtility(5.0, 0.001, 5, True), rules, case, n_factors)
        assert program.forms.elimination.is_dense == (n_factors == 60)
        assert piqp.residuals.worst < 1e-11
        np.testing.assert_allclose(program.weights(piqp), program.weights(clarabel), atol=1e-7)


def test_a_solve_by_hand():
    """Two independent assets, w = mu / (2 gamma sigma²) = (0.5, 0.125), the first one capped at 0.3."""
    case = problem(1, 2, 1)
    case.risk.factors[:] = 0.0
    case.risk.specific[:] = [1e-4, 4e-4]
    case.mu[:] = [1e-3, 1e-3]
    program, _, piqp, _ = both((ExpectedReturn(), Variance(10.0)), (LongOnly(), Box(0.0, 0.3)), case, 1)
    np.testing.assert_allclose(program.weights(piqp), [0.3, 0.125], atol=1e-12)


def test_a_program_without_inequalities():
    case = problem(2)
    program, data, piqp, _ = both((ExpectedReturn(), Variance(5.0)), (NetExposure(1.0, 1.0),), case, 3)
    w = program.weights(piqp)
    assert w.sum() == pytest.approx(1.0, abs=1e-12)
    slope = case.mu - 10 * case.sigma @ w
    np.testing.assert_allclose(slope, slope.mean(), atol=1e-12)
    assert residuals(data, piqp.x, piqp.z).worst < 1e-12


def test_a_quadratic_form_of_the_users_own_is_kept():
    """cvxpy writes it as entries beside the diagonal of P."""
    case = problem(4)
    terms = (ExpectedReturn(), Variance(5.0), lambda s: -2.0 * cp.quad_form(s.weights, cp.psd_wrap(case.sigma)))
    program, _, piqp, clarabel = both(terms, (LongOnly(),), case, 3)
    plain, _, expected, _ = both((ExpectedReturn(), Variance(7.0)), (LongOnly(),), case, 3)
    assert program.forms.form is None
    for found in (piqp, clarabel):
        np.testing.assert_allclose(program.weights(found), plain.weights(expected), atol=1e-9)


def test_the_same_numbers_give_the_same_bits_whatever_was_solved_before():
    case, other = problem(3), problem(4)
    rules = (LongOnly(), MaxTurnover(0.3))
    program, data = compiled(NetUtility(), rules, case, 3)
    _, foreign = compiled(NetUtility(), rules, other, 3)
    first = solvers._piqp(program.forms, data)
    solvers._piqp(program.forms, foreign)
    again = solvers._piqp(program.forms, data)
    assert first.x.tobytes() == again.x.tobytes()
    assert first.z.tobytes() == again.z.tobytes()


def test_contradictions_and_unbounded_gains_are_left_to_clarabel():
    case = problem(5)
    rules = (LongOnly(), MinCash(0.5), NetExposure(0.7, 1.0))
    _, _, piqp, clarabel = both(NetUtility(), rules, case, 3)
    assert piqp.status != solvers.INFEASIBLE
    assert not piqp.residuals.worst <= 1e-6
    assert clarabel.status == solvers.INFEASIBLE


@pytest.mark.parametrize("scale", [1e-6, 1e-2, 1.0, 1e4])
def test_the_scale_of_utility_does_not_matter(scale):
    """Utility in other units: the same weights, within what rounding allows."""
    case = problem(6, 20)
    plain = both((ExpectedReturn(), Variance(5.0)), (LongOnly(),), case, 3)
    program, _, piqp, _ = both(
        (lambda s: scale * s.expected_return - scale * 5.0 * s.variance,), (LongOnly(),), case, 3
    )
    np.testing.assert_allclose(program.weights(piqp), plain[0].weights(plain[2]), atol=1e-9)
