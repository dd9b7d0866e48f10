"""Answers are measured, not believed; what one solver cannot do the next one does."""

from dataclasses import replace

import numpy as np
import pytest
from test_allocation.problems import problem

from allocation import (
    LongOnly,
    MaxTurnover,
    MaxWeight,
    MeanVariance,
    NetUtility,
    OptimizationError,
)
from allocation.optimizer.solvers import cascade as solvers
from allocation.optimizer.solvers.cone_program import Residuals

LOST = Residuals(1.0, 0.0, 0.0)
RULES = (LongOnly(), MaxWeight(0.4), MaxTurnover(0.5))


def solved(seed=1, n_assets=8):
    case = problem(seed, n_assets)
    return MeanVariance(case.assets, NetUtility(), RULES).decide(case.mu, case.risk, case.held)


def without(monkeypatch, *names):
    for name in names:
        monkeypatch.setitem(solvers.SOLVERS, name, lambda *_: None)


@pytest.mark.parametrize(
    ("missing", "expected"), [((), "active set"), (("active set",), "PIQP"), (("active set", "PIQP"), "CLARABEL")]
)
def test_every_solver_finds_the_same_weights(monkeypatch, missing, expected):
    usual = [solved(seed).weights for seed in range(4)]
    without(monkeypatch, *missing)
    for seed in range(4):
        decision = solved(seed)
        assert decision.solver == expected
        assert decision.residuals.worst < 1e-8
        np.testing.assert_allclose(decision.weights, usual[seed], atol=2e-6)
        assert decision.weights.min() >= 0
        assert decision.weights.sum() <= 1 + 1e-6


def test_a_point_that_is_off_is_rejected_whatever_its_solver_calls_it(monkeypatch):
    """A solver that says "optimal" of a point one millionth away is passed over."""
    usual, piqp = solved(), solvers.SOLVERS["PIQP"]
    without(monkeypatch, "active set")

    def sloppy(forms, data):
        found = piqp(forms, data)
        x = found.x + 1e-6
        return replace(found, x=x, residuals=solvers.residuals(data, x, found.z))

    monkeypatch.setitem(solvers.SOLVERS, "PIQP", sloppy)
    decision = solved()
    assert decision.solver == "CLARABEL"
    np.testing.assert_allclose(decision.weights, usual.weights, atol=1e-6)


def test_an_accurate_point_counts_whatever_its_solver_calls_it(monkeypatch):
    clarabel = solvers.SOLVERS["CLARABEL"]
    without(monkeypatch, "active set", "PIQP")
    monkeypatch.setitem(solvers.SOLVERS, "CLARABEL", lambda *a: replace(clarabel(*a), status="InsufficientProgress"))
    decision = solved()
    assert (decision.solver, decision.status) == ("CLARABEL", "optimal")


def test_of_points_that_are_not_exact_the_most_accurate_is_taken(monkeypatch):
    """The first is 1e-9 off, the second 3e-10."""
    without(monkeypatch, "active set")
    clarabel = solvers.SOLVERS["CLARABEL"]
    for name, off in (("PIQP", 1e-9), ("CLARABEL", 3e-10)):
        solver = solvers.SOLVERS[name]

        def worse(forms, data, solver=solver, off=off):
            return replace(solver(forms, data), residuals=Residuals(off, 0.0, 0.0))

        monkeypatch.setitem(solvers.SOLVERS, name, worse)
    assert solved().solver == "CLARABEL"
    monkeypatch.setitem(
        solvers.SOLVERS, "CLARABEL", lambda *a: replace(clarabel(*a), status="NumericalError", residuals=LOST)
    )
    assert solved().solver == "PIQP"


def test_where_all_fail_each_is_named_with_its_residuals(monkeypatch):
    for name in ("PIQP", "CLARABEL"):
        solver = solvers.SOLVERS[name]

        def lost(forms, data, solver=solver):
            return replace(solver(forms, data), status="NumericalError", residuals=LOST)

        monkeypatch.setitem(solvers.SOLVERS, name, lost)
    without(monkeypatch, "active set")
    with pytest.raises(
        OptimizationError,
        match=r"no optimal weights \(PIQP ended with NumericalError at residuals primal .*; CLARABEL ended.*: rescale",
    ):
        solved()
