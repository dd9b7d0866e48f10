"""Answers are measured, not believed; what one solver cannot do the next one does."""

from dataclasses import replace

import numpy as np
import pytest
from test_allocation.problems import problem

from allocation import (
    ExpectedReturn,
    ImpactCost,
    LongOnly,
    MaxTurnover,
    MaxVolatility,
    MaxWeight,
    MeanVariance,
    NetUtility,
    OptimizationError,
    Variance,
)
from allocation.optimizer.solvers import cascade as solvers

RULES = (LongOnly(), MaxWeight(0.4), MaxTurnover(0.5))


def solved(seed=1, n_assets=8):
    case = problem(seed, n_assets)
    return MeanVariance(case.assets, NetUtility(), RULES).decide(case.mu, case.risk, case.held)


def without(monkeypatch, *names):
    for name in names:
        monkeypatch.setitem(solvers.SOLVERS, name, lambda *_: None)


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ((), "active set"),
        (("guess",), "CLARABEL"),
        (("guess", "CLARABEL"), "structured interior point"),
        (("guess", "CLARABEL", "structured"), "OSQP"),
    ],
)
def test_every_solver_comes_to_the_same_weights(monkeypatch, missing, expected):
    usual = [solved(seed).weights for seed in range(4)]
    without(monkeypatch, *missing)
    for seed in range(4):
        decision = solved(seed)
        assert decision.solver == expected
        assert decision.residuals.worst < 1e-8
        np.testing.assert_allclose(decision.weights, usual[seed], atol=2e-6)
        assert decision.weights.min() >= 0
        assert decision.weights.sum() <= 1 + 1e-6


def test_a_large_program_goes_to_the_structured_method(monkeypatch):
    without(monkeypatch, "guess")
    assert solved(n_assets=120).solver == "structured interior point"


def test_cones_have_a_second_opinion_too(monkeypatch):
    case = problem(2)
    terms = (ExpectedReturn(), Variance(5.0), ImpactCost(5e-3))
    program = MeanVariance(case.assets, terms, (LongOnly(), MaxVolatility(0.01)))
    usual = program.decide(case.mu, case.risk, case.held)
    without(monkeypatch, "CLARABEL")
    other = program.decide(case.mu, case.risk, case.held)
    assert (usual.solver, other.solver) == ("CLARABEL", "SCS")
    np.testing.assert_allclose(other.weights, usual.weights, atol=1e-4)
    assert other.utility == pytest.approx(usual.utility, abs=1e-8)


def test_an_answer_that_is_off_is_not_believed_whatever_it_is_called(monkeypatch):
    """A solver that says "optimal" of a point one millionth away is passed over."""
    usual, clarabel = solved(), solvers.SOLVERS["CLARABEL"]
    without(monkeypatch, "guess")

    def sloppy(canonical, structure, data):
        found = clarabel(canonical, structure, data)
        x = found.x + 1e-6
        return replace(found, x=x, residuals=solvers.residuals(data, x, found.z))

    monkeypatch.setitem(solvers.SOLVERS, "CLARABEL", sloppy)
    decision = solved()
    assert decision.solver == "structured interior point"
    np.testing.assert_allclose(decision.weights, usual.weights, atol=1e-6)


def test_an_accurate_answer_counts_whatever_it_is_called(monkeypatch):
    clarabel = solvers.SOLVERS["CLARABEL"]
    without(monkeypatch, "guess")
    monkeypatch.setitem(solvers.SOLVERS, "CLARABEL", lambda *a: replace(clarabel(*a), status="InsufficientProgress"))
    decision = solved()
    assert (decision.solver, decision.status) == ("CLARABEL", "optimal")


def test_where_all_fail_each_is_named_with_its_residuals(monkeypatch):
    clarabel = solvers.SOLVERS["CLARABEL"]

    def lost(canonical, structure, data):
        found = clarabel(canonical, structure, data)
        return replace(found, status="NumericalError", residuals=solvers.residuals(data, found.x + 1.0, found.z))

    without(monkeypatch, "guess", "structured", "second")
    monkeypatch.setitem(solvers.SOLVERS, "CLARABEL", lost)
    with pytest.raises(
        OptimizationError,
        match=r"no optimal weights \(CLARABEL ended with NumericalError at residuals primal .*: rescale",
    ):
        solved()
