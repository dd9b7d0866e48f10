"""The affine map from parameters to solver data is cvxpy's own, number by number."""

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_allocation.problems import problem

from allocation import (
    CVaR,
    ExpectedReturn,
    ImpactCost,
    LinearCost,
    LongOnly,
    MaxVolatility,
    MeanVariance,
    NetUtility,
    OptimizationError,
    Variance,
)
from allocation.optimizer.program import set_values
from allocation.optimizer.solvers.cone_program import (
    ConeData,
    ParametrisedConeProgram,
    Pattern,
    SparseMatrix,
    residuals,
)

SCENARIOS = pd.DataFrame(np.random.default_rng(0).standard_normal((20, 8)) * 0.01, columns=problem(0).assets)
OBJECTIVES = {
    "quadratic": NetUtility(5.0, 0.001),
    "cones": (ExpectedReturn(), Variance(5.0), LinearCost("spread"), ImpactCost("impact"), CVaR(SCENARIOS, 0.9)),
}


@pytest.mark.parametrize("name", OBJECTIVES)
@settings(max_examples=10)
@given(seed=st.integers(0, 1000))
def test_equals_what_cvxpy_hands_to_the_solver(name, seed):
    case = problem(seed)
    program = MeanVariance(case.assets, OBJECTIVES[name], (LongOnly(), MaxVolatility(0.02)))
    spread = case.mu.abs()
    values = program.numbers(case.mu, case.risk, case.held, 0.1, {"spread": spread, "impact": spread * 3})
    inner = program._program(3)
    ours = inner.cone_program.apply(values)
    set_values(inner.inputs, values)
    theirs, _, _ = inner.problem.get_problem_data(cp.CLARABEL)
    np.testing.assert_array_equal(ours.a.csc.toarray(), theirs["A"].toarray())
    np.testing.assert_array_equal(ours.b, theirs["b"])
    np.testing.assert_array_equal(ours.q, theirs["c"])
    np.testing.assert_array_equal(ours.p.csc.toarray(), theirs["P"].toarray())


def test_a_compiler_that_works_in_another_way_is_noticed(monkeypatch):
    split = ParametrisedConeProgram._split

    def other(self, program):
        split(self, program)
        self.b_map = self.b_map * 2.0

    monkeypatch.setattr(ParametrisedConeProgram, "_split", other)
    with pytest.raises(OptimizationError, match=r"cvxpy .* compiles problems in another way"):
        MeanVariance(["A", "B"], NetUtility(), (LongOnly(), lambda s: [s.weights <= 0.5])).is_dpp(1)


def test_parameters_that_are_multiplied_are_refused_with_the_remedy():
    program = MeanVariance(
        ["A", "B"], lambda s: s.expected_return - cp.sum_squares(cp.multiply(s.held, s.held) - s.weights)
    )
    with pytest.raises(OptimizationError, match="multiplies numbers that change at each rebalancing.*`parameters`"):
        program.is_dpp(1)


@given(seed=st.integers(0, 1000), shape=st.tuples(st.integers(1, 6), st.integers(1, 6)))
def test_products_are_those_of_the_full_matrix(seed, shape):
    random = np.random.default_rng(seed)
    columns, rows = np.nonzero(random.random(shape[::-1]) < 0.5)
    sparse = SparseMatrix(random.standard_normal(len(rows)), Pattern(rows, columns, shape))
    full, x, z = np.zeros(shape), random.standard_normal(shape[1]), random.standard_normal(shape[0])
    full[rows, columns] = sparse.entries
    np.testing.assert_allclose(sparse @ x, full @ x, atol=1e-14)
    np.testing.assert_allclose(sparse.transposed_times(z), full.T @ z, atol=1e-14)
    np.testing.assert_array_equal(sparse.csc.toarray(), full)


def test_residuals_by_hand():
    """min x² / 2 - x subject to x <= 0.5: x = 0.5 with multiplier 0.5."""
    one = SparseMatrix(np.ones(1), Pattern(np.zeros(1, dtype=int), np.zeros(1, dtype=int), (1, 1)))
    data = ConeData(one, np.array([-1.0]), one, np.array([0.5]), 0, 1)
    assert residuals(data, np.array([0.5]), np.array([0.5])).worst == 0.0
    assert residuals(data, np.array([0.6]), np.array([0.4])).primal == pytest.approx(0.1 / 1.5)
    assert residuals(data, np.array([0.5]), np.array([0.1])).dual == pytest.approx(0.4 / 2)
    assert residuals(data, np.array([1.0]), np.array([0.0])).primal == pytest.approx(0.5 / 1.5)
    assert residuals(data, np.array([0.4]), np.array([0.6])).gap > 0.01
    assert residuals(data, np.array([1.5]), np.array([-0.5])).dual >= 0.25
    assert str(residuals(data, np.array([0.5]), np.array([0.5]))) == "primal 0e+00, dual 0e+00, gap 0e+00"
