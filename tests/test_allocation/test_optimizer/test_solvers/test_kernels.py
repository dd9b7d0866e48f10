"""The compiled first steps are NumPy's, to rounding, and lead to the same weights."""

import ctypes
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_allocation.problems import problem
from test_allocation.test_optimizer.test_solvers.test_interior_point import (
    ALL_RULES,
    ALL_TERMS,
    SEEDS,
    any_mix,
    compiled,
)

from allocation import (
    CardinalityPenalty,
    ExpectedReturn,
    LinearCost,
    LongOnly,
    MaxTurnover,
    MaxWeight,
    MinCash,
    NetExposure,
    Variance,
)
from allocation.optimizer.solvers import interior_point
from allocation.optimizer.solvers import kernels as module
from allocation.optimizer.solvers.cone_program import residuals
from allocation.optimizer.solvers.interior_point import MOST_STEPS, SETTINGS, _Search, minimise
from allocation.optimizer.solvers.kernels import VERSION, Kernels, kernels
from allocation.optimizer.solvers.newton import has_few_factors

TURNOVER = (LongOnly(), MaxWeight(0.4), NetExposure(1.0, 1.0), MaxTurnover(0.4))
COSTS = (LinearCost(1e-4), CardinalityPenalty(1e-5))


@pytest.fixture(scope="module")
def quick() -> Kernels:
    found = kernels()
    if found is None:
        pytest.skip("the kernels were not compiled")
    return found


def without(do):
    """What `do` returns on a machine that had no compiler."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interior_point, "kernels", lambda: None)
        return do()


def searches(program):
    """The search after its first steps, in C and in NumPy."""
    with np.errstate(all="ignore"):
        return _Search(program), without(lambda: _Search(program))


def feasible(seed, n_assets, n_factors, *costs):
    """No weight is beyond its limit before trading."""
    case = problem(seed, n_assets, n_factors)
    case = replace(case, held=0.8 / n_assets + 0.2 * case.held)
    program, data = compiled((ExpectedReturn(), Variance(5.0), *costs), TURNOVER, case, n_factors)
    return program.structure.program(data)


def mixed(seed, n_assets, n_factors, terms, rules):
    case = problem(seed, n_assets, n_factors)
    chosen = (*ALL_TERMS[:2], *(ALL_TERMS[i] for i in sorted(terms)))
    limits = (ALL_RULES[0], *(ALL_RULES[i] for i in sorted(rules)))
    program, data = compiled(chosen, limits, case, n_factors)
    return program.structure, data


@settings(max_examples=40)
@any_mix
def test_any_mix_of_terms_and_rules_comes_to_the_same_optimum(quick, seed, n_assets, n_factors, terms, rules):
    """Or to none: some mixes contradict each other."""
    structure, data = mixed(seed, n_assets, n_factors, terms, rules)
    program = structure.program(data)
    ours, numpys = minimise(program), without(lambda: minimise(program))
    exact = [
        found is not None and residuals(data, *structure.restore(data, found)).worst < 1e-10 for found in (ours, numpys)
    ]
    assert exact[0] == exact[1]
    if all(exact):
        np.testing.assert_allclose(ours.w, numpys.w, atol=1e-7)
        np.testing.assert_allclose(ours.y, numpys.y, atol=1e-6)


@settings(max_examples=40)
@given(
    seed=SEEDS,
    n_assets=st.integers(6, 40),
    n_factors=st.integers(1, 2),
    costs=st.sampled_from([(), COSTS]),
    most=st.integers(0, 2),
)
def test_the_first_steps_are_numpys_number_by_number(quick, seed, n_assets, n_factors, costs, most):
    """Later ones magnify what rounding makes of these."""
    program = feasible(seed, n_assets, n_factors, *costs)
    assert has_few_factors(program)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interior_point, "MOST_STEPS", most)
        ours, numpys = searches(program)
    assert ours.steps == numpys.steps <= most
    for name in ("w", "t", "y", "sz", "lack", "lack_equal"):
        mine, other = getattr(ours, name), getattr(numpys, name)
        assert mine.shape == other.shape
        np.testing.assert_allclose(mine, other, rtol=1e-8, atol=1e-11, err_msg=name)


@settings(max_examples=30)
@given(seed=SEEDS, n_assets=st.integers(20, 80))
def test_weights_do_not_depend_on_a_compiler(quick, seed, n_assets):
    """What the active set makes of either start is the same to the last bits."""
    program = feasible(seed, n_assets, 5)
    ours, numpys = minimise(program), without(lambda: minimise(program))
    np.testing.assert_allclose(ours.w, numpys.w, rtol=0, atol=1e-12)


def test_nothing_is_left_of_an_earlier_solve(quick):
    program, other = feasible(3, 30, 3), feasible(4, 30, 3)
    steps, point = quick.approach(program, SETTINGS, MOST_STEPS)
    quick.approach(other, SETTINGS, MOST_STEPS)
    again, same = quick.approach(program, SETTINGS, MOST_STEPS)
    assert steps == again
    assert [part.tobytes() for part in point] == [part.tobytes() for part in same]


def test_contradictions_are_no_optimum(quick):
    """Nor do they keep the method busy to the last step it may take."""
    rules = (LongOnly(), MinCash(0.5), NetExposure(0.7, 1.0))
    program, data = compiled((ExpectedReturn(), Variance(5.0)), rules, problem(5, 20, 3), 3)
    assert quick.approach(program.structure.program(data), SETTINGS, MOST_STEPS)[0] < MOST_STEPS
    found = minimise(program.structure.program(data))
    assert found is None or residuals(data, *program.structure.restore(data, found)).worst > 1e-6


def test_many_factors_are_left_to_lapack(monkeypatch):
    monkeypatch.setattr(interior_point, "kernels", lambda: pytest.fail("asked for kernels"))
    assert minimise(feasible(1, 10, 8)) is not None


@pytest.mark.usefixtures("quick")
def test_a_file_of_another_version_is_left_alone_and_said_so(monkeypatch, caplog):
    monkeypatch.setattr(ctypes, "CDLL", lambda _path: SimpleNamespace(version=lambda: VERSION + 1))
    assert module._compiled() is None
    assert "install newsfolio again" in caplog.text


def test_where_nothing_was_compiled_there_are_no_kernels(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda _name: None)
    assert module._compiled() is None
