"""How a policy is asked: by one thread, whatever the machine has, and leaving everything as it was."""

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from allocation import OptimizationError, View
from allocation.policies.call import call_policy


def view():
    prices = pd.DataFrame(100.0, index=pd.bdate_range("2024-01-01", periods=3), columns=["A", "B"])
    return View(prices.index[-1], prices, prices * np.nan, pd.Series(0.0, index=prices.columns))


def blas_threads():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_a_policy_multiplies_by_one_thread_and_the_rest_of_the_program_as_before():
    seen = []

    def policy(known):
        seen.append(blas_threads())
        return known.held

    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        call_policy(policy, view())
        assert blas_threads() == before
    assert seen == [{1}]


def test_a_policy_that_fails_leaves_the_threads_too():
    def policy(_):
        raise OptimizationError("no")

    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        with pytest.raises(OptimizationError, match="2024-01-03: no"):
            call_policy(policy, view())
        assert blas_threads() == before


def test_a_decision_has_the_same_bits_on_any_number_of_threads():
    """Large enough products are split among threads, and then sums come in another order."""
    random = np.random.default_rng(0)
    matrix = random.standard_normal((700, 700))

    def policy(known):
        return known.held + float((matrix @ matrix).sum())

    found = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            found.append(call_policy(policy, view()))
    pd.testing.assert_series_equal(*found, check_exact=True)
