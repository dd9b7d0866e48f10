"""Other costs without another run: exact at the cost that was paid, near a run where targets do not depend on it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import random_prices

from allocation import FrameError
from backtest import Costs, break_even_cost, cost_sensitivity, simulate


def book(seed, bp, every=5):
    prices = random_prices(seed, 300)
    targets = np.random.default_rng(seed).dirichlet(np.ones(4), len(prices))
    weights = (prices * 0 + targets).iloc[::every]
    return simulate(prices, weights, bp / 1e4, name=f"{bp} bp")


@settings(max_examples=10)
@given(seed=st.integers(0, 10**6), bp=st.sampled_from([0.0, 5.0, 40.0]))
def test_at_the_cost_that_was_paid_it_is_the_result(seed, bp):
    result = book(seed, bp)
    row = cost_sensitivity(result, [bp]).loc[bp]
    assert row["total_return"] == pytest.approx(result.total_return, rel=1e-9, abs=1e-12)
    assert row["annual_return"] == pytest.approx(result.annual_return, rel=1e-9, abs=1e-12)
    assert row["sharpe"] == pytest.approx(result.sharpe, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_for_targets_that_do_not_depend_on_costs_it_is_what_another_run_gives(seed):
    """A run trades fractions of a NAV that is smaller by the session's own costs: 1e-3 of a return here."""
    table = cost_sensitivity(book(seed, 10.0))
    assert list(table.index) == [0.0, 5.0, 10.0, 25.0, 50.0]
    for bp in table.index:
        other = book(seed, bp)
        assert table.loc[bp, "annual_return"] == pytest.approx(other.annual_return, abs=2e-3)
        assert table.loc[bp, "sharpe"] == pytest.approx(other.sharpe, abs=0.01)
    assert table["total_return"].is_monotonic_decreasing


@pytest.mark.parametrize("seed", range(3))
def test_at_the_break_even_cost_the_mean_return_is_zero(seed):
    result = book(seed, 10.0)
    cost = break_even_cost(result)
    paid = (result.costs / result.nav.shift(1)).iloc[1:]
    assert (result.returns + paid - cost * result.turnover).mean() == pytest.approx(0.0, abs=1e-15)


def test_a_break_even_cost_by_hand():
    """1 % earned once on half of the NAV traded: half a percent of NAV over half of it traded is 1 % of value."""
    days = pd.bdate_range("2021-01-04", periods=3)
    prices = pd.DataFrame({"A": [100.0, 100.0, 101.0]}, days)
    result = simulate(prices, pd.DataFrame({"A": [0.5]}, days[:1]), Costs(0.0, 0.0), cash=1000.0)
    assert break_even_cost(result) == pytest.approx(0.01)


def test_beside_a_twin_it_is_the_cost_of_what_is_traded_beyond_it():
    often, seldom = book(1, 10.0, every=2), book(1, 10.0, every=50)
    cost = break_even_cost(often, seldom)
    before = [(each.returns + (each.costs / each.nav.shift(1)).iloc[1:]).mean() for each in (often, seldom)]
    assert cost == pytest.approx((before[0] - before[1]) / (often.turnover.mean() - seldom.turnover.mean()))
    assert np.isnan(break_even_cost(often, often))


def test_what_has_no_meaning_is_refused():
    result = book(1, 10.0)
    with pytest.raises(FrameError, match="a cost of -5 bp has no meaning: give basis points"):
        cost_sensitivity(result, [-5.0])
    with pytest.raises(FrameError, match="covers other sessions"):
        break_even_cost(result, replace(result, nav=result.nav.iloc[5:]))


def test_nothing_traded_has_no_break_even_cost():
    prices = random_prices(1, 30)
    result = simulate(prices, prices.iloc[:1] * 0.0)
    assert np.isnan(break_even_cost(result))
    assert (cost_sensitivity(result)["total_return"] == 0.0).all()
