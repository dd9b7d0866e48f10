"""One Newton step beside the full equations, written out and solved as they stand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.newton import Fixed, Newton
from allocation.quadratic import QuadraticProgram, ShortRows


def random_program(seed, n, k, shared):
    """Bounds on each weight, and `shared` rows on each of n secondary variables, which two of four long rows add up."""
    random = np.random.default_rng(seed)
    t_of = np.tile(np.arange(n), shared)
    rows = ShortRows(
        primary=np.concatenate([np.arange(n), np.tile(np.arange(n), shared)]),
        secondary=np.concatenate([np.full(n, n), t_of]),
        a=random.standard_normal(n * (1 + shared)),
        b=np.concatenate([np.zeros(n), -random.uniform(0.5, 2.0, n * shared)]),
        h=random.standard_normal(n * (1 + shared)),
        first=np.concatenate([n + i * n + np.arange(n) for i in range(shared) for _ in range(i + 1, shared)]),
        second=np.concatenate([n + j * n + np.arange(n) for i in range(shared) for j in range(i + 1, shared)]),
    )
    long_second = np.zeros((4, n + 1))
    long_second[2:, :-1] = random.uniform(0.0, 1.0, (2, n))
    return QuadraticProgram(
        random.uniform(0.1, 1.0, n), random.standard_normal((n, k)), np.zeros(n), np.zeros(n + 1),
        random.standard_normal((4, n)), long_second, np.zeros(4), 2, rows, np.append(np.arange(n), 0),
    )  # fmt: skip


def written_out(program, theta, inverse):
    """The matrix of w, t and y once slacks and multipliers of short rows are replaced by theta × what moves them."""
    rows, n, m = program.short, len(program.p), len(program.r) - 1
    lines = np.zeros((len(rows.h), n + m))
    lines[np.arange(len(rows.h)), rows.primary] = rows.a
    paired = np.flatnonzero(rows.secondary < m)
    lines[paired, n + rows.secondary[paired]] = rows.b[paired]
    full = lines.T @ (theta[:, None] * lines)
    full[:n, :n] += np.diag(program.p) + program.v @ program.v.T
    border = np.hstack([program.long_first, program.long_second[:, :-1]])
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
    theta = 10.0 ** random.uniform(-spread, spread, len(program.short.h))
    inverse = np.concatenate([np.zeros(2), random.uniform(0.1, 1.0, 2)])
    first, second, long = (
        random.standard_normal(n),
        np.append(random.standard_normal(n), 0.0),
        random.standard_normal(4),
    )
    u = random.standard_normal(len(theta))
    dw, dt, dy, moved = Newton(program, Fixed(program), theta, inverse).solve(first, second, u, long)
    lines, matrix = written_out(program, theta, inverse)
    right = np.concatenate([np.concatenate([first, second[:-1]]) - lines.T @ u, long])
    expected = np.linalg.solve(matrix, right)
    found = np.concatenate([dw, dt[:-1], dy])
    np.testing.assert_allclose(matrix @ found, right, atol=1e-7 * max(1.0, np.abs(expected).max()))
    np.testing.assert_allclose(moved, lines @ found[: 2 * n], atol=1e-9 * max(1.0, np.abs(expected).max()))


def test_an_equality_that_asks_for_nothing_is_no_step():
    """No pivot is left: that is said, not guessed."""
    program = random_program(1, 3, 0, 2)
    program.long_first[0], program.long_second[0] = 0.0, 0.0
    with pytest.raises(np.linalg.LinAlgError):
        Newton(program, Fixed(program), np.ones(len(program.short.h)), np.zeros(4))
