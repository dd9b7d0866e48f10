"""One Newton step beside the full equations, written out and solved as they stand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.optimizer.solvers.newton import Fixed, Newton
from allocation.optimizer.solvers.portfolio_qp import PerAssetRows, QuadraticProgram


def random_program(seed, n, k, shared):
    """Bounds on each weight, and `shared` rows on each of n secondary variables, which two of four long rows add up;
    the first weight has no such variable."""
    random = np.random.default_rng(seed)
    idle = np.zeros((1, n))
    idle[0, 0] = 1.0
    b = -random.uniform(0.5, 2.0, (shared, 1, n)) * (1.0 - idle)
    a, h = random.standard_normal((2, shared + 1, n))
    a[:shared, 0] = 0.0
    long_second = np.zeros((4, n))
    long_second[2:, 1:] = random.uniform(0.0, 1.0, (2, n - 1))
    return QuadraticProgram(
        random.uniform(0.1, 1.0, n), random.standard_normal((n, k)), np.zeros(n), np.zeros((1, n)),
        random.standard_normal((4, n)), long_second, np.zeros(4), 2, PerAssetRows(a, b, h, idle),
    )  # fmt: skip


def written_out(program, theta, inverse):
    """The matrix of w, t and y once slacks and multipliers of short rows are replaced by theta × what moves them."""
    rows, n = program.short, len(program.p)
    diagonals = [np.diag(row) for row in rows.a]
    seconds = [np.diag(row[0]) for row in rows.b] + [np.zeros((n, n))]
    lines = np.hstack([np.vstack(diagonals), np.vstack(seconds)])
    full = lines.T @ (theta.reshape(-1, 1) * lines) + np.diag(np.append(np.zeros(n), rows.idle))
    full[:n, :n] += np.diag(program.p) + program.v @ program.v.T
    border = np.hstack([program.long_first, program.long_second])
    return lines, np.block([[full, border.T], [border, -np.diag(inverse)]])


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(3, 8),
    k=st.integers(0, 8),
    shared=st.integers(2, 4),
    spread=st.integers(0, 3),
)
def test_a_step_solves_the_full_equations(seed, n, k, shared, spread):
    """With few factors and with many, and multipliers that differ by powers of ten."""
    program = random_program(seed, n, k, shared)
    random = np.random.default_rng(seed + 1)
    theta = 10.0 ** random.uniform(-spread, spread, (shared + 1, n))
    inverse = np.concatenate([np.zeros(2), random.uniform(0.1, 1.0, 2)])
    first, second, long = random.standard_normal(n), random.standard_normal((1, n)), random.standard_normal(4)
    u = random.standard_normal(theta.shape)
    dw, dt, dy, moved = Newton(program, Fixed(program), theta, inverse).solve(first, second, u, long)
    lines, matrix = written_out(program, theta, inverse)
    right = np.concatenate([np.concatenate([first, second[0]]) - lines.T @ u.reshape(-1), long])
    expected = np.linalg.solve(matrix, right)
    found = np.concatenate([dw, dt[0], dy])
    np.testing.assert_allclose(matrix @ found, right, atol=1e-7 * max(1.0, np.abs(expected).max()))
    np.testing.assert_allclose(moved.reshape(-1), lines @ found[: 2 * n], atol=1e-9 * max(1.0, np.abs(expected).max()))


def test_an_equality_that_asks_for_nothing_is_no_step():
    """No pivot is left: that is said, not guessed."""
    program = random_program(1, 3, 0, 2)
    program.long_first[0], program.long_second[0] = 0.0, 0.0
    with pytest.raises(np.linalg.LinAlgError):
        Newton(program, Fixed(program), np.ones(program.short.h.shape), np.zeros(4))
