"""What is read from the cone_program data is the same program: its rows, its objective, and the way back."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from test_allocation.problems import ALL_RULES, ALL_TERMS, any_mix, compiled, problem

from allocation import LongOnly, MaxTurnover, MaxWeight, NetUtility, Soft
from allocation.optimizer.solvers.portfolio_qp import Optimum
from allocation.optimizer.solvers.recognise import _rank, _with_owner


def at_random(program, seed):
    """A point and multipliers, feasible or not."""
    random, short = np.random.default_rng(seed), program.per_asset
    t = random.standard_normal(program.r.shape) * (1.0 - short.absent)
    return Optimum(
        random.standard_normal(len(program.p)), t, random.standard_normal(len(program.coupling_limit)),
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
    form, program = inner.forms.form, inner.forms.form.program(data)
    rows = np.concatenate([form.defined_row, form.coupling_row, form.asset_row.reshape(-1)])
    np.testing.assert_array_equal(np.sort(rows[rows < len(data.b)]), np.arange(len(data.b)))  # each once

    worth = []
    for point in (at_random(program, seed), at_random(program, seed + 1)):
        x, z = form.restore(data, point)
        left = np.append(data.b - data.a @ x, 1.0)
        short, (_, depth, n) = program.per_asset, program.per_asset.b.shape
        speaks = np.zeros_like(short.h)
        short.epigraph(speaks)[:] = short.b * point.t
        np.testing.assert_allclose(short.h - short.a * point.w - speaks, left[form.asset_row], atol=1e-12)
        ours = program.coupling_limit - program.coupling_w @ point.w - program.coupling_t @ point.t.reshape(depth * n)
        np.testing.assert_allclose(ours, left[form.coupling_row], atol=1e-12)
        np.testing.assert_allclose(left[form.defined_row], 0.0, atol=1e-12)
        np.testing.assert_array_equal(np.append(z, 0.0)[form.coupling_row], point.y)
        worth.append((value(program, point), float(x @ (data.p @ x) / 2 + data.q @ x)))
    np.testing.assert_allclose(worth[0][0] - worth[1][0], worth[0][1] - worth[1][1], atol=1e-9)


def test_what_stands_beside_no_weight_is_given_the_least_crowded_one():
    np.testing.assert_array_equal(_with_owner(np.array([0, -1, 0, 2, -1, -1, -1]), 3), [0, 1, 0, 2, 2, 0, 1])


@given(st.lists(st.integers(0, 4)))
def test_rank_counts_what_came_before(values):
    of = np.array(values, dtype=np.intp)
    np.testing.assert_array_equal(_rank(of), [values[:at].count(value) for at, value in enumerate(values)])


def test_depths_that_differ_are_filled_up():
    """Soft limits of the whole portfolio have one variable that belongs to no asset."""
    rules = (LongOnly(), MaxWeight(0.5), Soft(MaxTurnover(0.05), 1e-3))
    inner, data = compiled(NetUtility(), rules, problem(1, 6), 3)
    program = inner.forms.form.program(data)
    depth, n = program.r.shape
    assert n == 6
    assert 0 < program.per_asset.absent.sum() < depth * n
    assert (program.r[program.per_asset.absent > 0] == 0).all()
