"""What is read from the canonical data is the same program: its rows, its objective, and the way back."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from test_allocation.problems import problem
from test_allocation.test_optimizer.test_solvers.test_interior_point import ALL_RULES, ALL_TERMS, any_mix, compiled

from allocation import LongOnly, MaxTurnover, MaxWeight, NetUtility, Soft
from allocation.optimizer.solvers.portfolio_qp import Optimum
from allocation.optimizer.solvers.recognise import _rank, _with_company


def at_random(program, seed):
    """A point and multipliers, feasible or not."""
    random, short = np.random.default_rng(seed), program.short
    t = random.standard_normal(program.r.shape) * (1.0 - short.idle)
    return Optimum(
        random.standard_normal(len(program.p)), t, random.standard_normal(len(program.long_limit)),
        random.standard_normal(short.h.shape), 0,
    )  # fmt: skip


def value(program, point):
    risk = point.w @ (program.p * point.w) + ((program.v.T @ point.w) ** 2).sum()
    return risk / 2 + program.q @ point.w + (program.r * point.t).sum()


@settings(max_examples=40)
@any_mix
def test_every_row_and_the_objective_are_those_of_the_canonical_data(seed, n_assets, n_factors, terms, rules):
    case = problem(seed, n_assets, n_factors)
    chosen = (*ALL_TERMS[:2], *(ALL_TERMS[i] for i in sorted(terms)))
    limits = (ALL_RULES[0], *(ALL_RULES[i] for i in sorted(rules)))
    inner, data = compiled(chosen, limits, case, n_factors)
    structure, program = inner.structure, inner.structure.program(data)
    rows = np.concatenate([structure.defined_row, structure.long_row, structure.short_row.reshape(-1)])
    np.testing.assert_array_equal(np.sort(rows[rows < len(data.b)]), np.arange(len(data.b)))  # each once

    worth = []
    for point in (at_random(program, seed), at_random(program, seed + 1)):
        x, z = structure.restore(data, point)
        left = np.append(data.b - data.a @ x, 1.0)
        short, (_, depth, n) = program.short, program.short.b.shape
        speaks = np.zeros_like(short.h)
        short.shared(speaks)[:] = short.b * point.t
        np.testing.assert_allclose(short.h - short.a * point.w - speaks, left[structure.short_row], atol=1e-12)
        ours = program.long_limit - program.long_first @ point.w - program.long_second @ point.t.reshape(depth * n)
        np.testing.assert_allclose(ours, left[structure.long_row], atol=1e-12)
        np.testing.assert_allclose(left[structure.defined_row], 0.0, atol=1e-12)
        np.testing.assert_array_equal(np.append(z, 0.0)[structure.long_row], point.y)
        worth.append((value(program, point), float(x @ (data.p @ x) / 2 + data.q @ x)))
    np.testing.assert_allclose(worth[0][0] - worth[1][0], worth[0][1] - worth[1][1], atol=1e-9)


def test_what_stands_beside_no_weight_is_given_the_least_crowded_one():
    np.testing.assert_array_equal(_with_company(np.array([0, -1, 0, 2, -1, -1, -1]), 3), [0, 1, 0, 2, 2, 0, 1])


@given(st.lists(st.integers(0, 4)))
def test_rank_counts_what_came_before(values):
    of = np.array(values, dtype=np.intp)
    np.testing.assert_array_equal(_rank(of), [values[:at].count(value) for at, value in enumerate(values)])


def test_depths_that_differ_are_filled_up():
    """Soft limits of the whole portfolio have one variable that belongs to no asset."""
    rules = (LongOnly(), MaxWeight(0.5), Soft(MaxTurnover(0.05), 1e-3))
    inner, data = compiled(NetUtility(), rules, problem(1, 6), 3)
    program = inner.structure.program(data)
    depth, n = program.r.shape
    assert n == 6
    assert 0 < program.short.idle.sum() < depth * n
    assert (program.r[program.short.idle > 0] == 0).all()
