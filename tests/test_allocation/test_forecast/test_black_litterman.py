"""Opinions against an equilibrium: limits, parity with the other form of the formula, and wrong input."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_allocation.problems import problem

from allocation import AllocationError, InvestorView, black_litterman, equilibrium_return


def prior(case):
    return equilibrium_return(case.risk, pd.Series(1 / 8, case.assets), 5.0)


@settings(max_examples=20)
@given(seed=st.integers(0, 5000), tau=st.floats(0.01, 2.0))
def test_equals_the_form_with_inverse_matrices(seed, tau):
    """[(tau Sigma)^-1 + P' Omega^-1 P]^-1 [(tau Sigma)^-1 pi + P' Omega^-1 q], the form of the paper."""
    case = problem(seed)
    views = [InvestorView({"A01": 1.0, "A02": -1.0}, 5e-4, 2e-3), InvestorView({"A05": 1.0}, -1e-3, 1e-3)]
    found = black_litterman(prior(case), case.risk, views, uncertainty=tau)
    p = np.zeros((2, 8))
    p[0, 1], p[0, 2], p[1, 5] = 1, -1, 1
    precision, doubt = np.linalg.inv(tau * case.sigma), np.diag([1 / 4e-6, 1 / 1e-6])
    expected = np.linalg.solve(
        precision + p.T @ doubt @ p, precision @ prior(case) + p.T @ doubt @ np.array([5e-4, -1e-3])
    )
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-12)


def test_no_view_and_one_that_repeats_the_equilibrium_change_nothing():
    case = problem(1)
    same = InvestorView({"A03": 1.0}, float(prior(case)["A03"]), 1e-3)
    assert black_litterman(prior(case), case.risk, []).equals(prior(case))
    np.testing.assert_allclose(black_litterman(prior(case), case.risk, [same]), prior(case), atol=1e-18)


def test_between_doubt_and_certainty():
    case = problem(1)
    sure = black_litterman(prior(case), case.risk, [InvestorView({"A03": 1.0}, 0.01, 1e-9)])
    unsure = black_litterman(prior(case), case.risk, [InvestorView({"A03": 1.0}, 0.01, 1e3)])
    assert sure["A03"] == pytest.approx(0.01)
    np.testing.assert_allclose(unsure, prior(case), atol=1e-9)
    assert black_litterman(prior(case), case.risk, [InvestorView({"A03": 1.0}, 0.01, 1e-2)], uncertainty=0.0).equals(
        prior(case)
    )


def test_what_is_wrong_is_named():
    case = problem(1)
    with pytest.raises(AllocationError, match="a view names TSLA, which the risk model lacks"):
        black_litterman(prior(case), case.risk, [InvestorView({"TSLA": 1.0}, 0.01, 0.01)])
    with pytest.raises(AllocationError, match="uncertainty is -1"):
        black_litterman(prior(case), case.risk, [InvestorView({"A03": 1.0}, 0.01, 0.01)], uncertainty=-1.0)
    for wrong in ({}, {"A03": 1.0}):
        with pytest.raises(AllocationError, match="is not a view"):
            InvestorView(wrong, np.nan, 0.0)
