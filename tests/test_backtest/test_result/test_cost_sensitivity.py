"""Other costs without a new run: equal to simulating the same trades at those costs, and exact at a break-even."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import random_prices

from allocation import FrameError
from backtest import Costs, Result, cost_sensitivity, simulate


def book(seed=0, cost=0.001, every=5, n=120):
    prices = random_prices(seed, n)
    random = np.random.default_rng(seed)
    dates = prices.index[::every]
    weights = pd.DataFrame(0.9 * random.dirichlet(np.ones(4), len(dates)), dates, prices.columns)
    return simulate(prices, weights, Costs(cost / 2, cost / 2))


def test_by_hand():
    sessions = pd.bdate_range("2021-01-04", periods=3, name="date")
    nav = pd.Series([100.0, 109.0, 119.9], sessions, name="nav")
    trades = pd.DataFrame({"session": sessions[1:2], "asset": ["A"], "shares": [-5.0], "price": [10.0], "cost": [1.0]})
    still = pd.DataFrame(0.0, sessions, ["A"])
    found = cost_sensitivity(Result("x", nav, still, trades, still), (0.0, 100.0))
    free, half = np.array([0.10, 0.10]), np.array([0.10 - 0.01 * 0.5, 0.10])  # turnover 50 of 100, costs 1 of 100
    assert found.table["annual_return"].tolist() == pytest.approx(
        [np.prod(1 + each) ** 126 - 1 for each in (free, half)]
    )
    assert found.break_even == pytest.approx(1e4 * 0.20 / 0.5)
    assert list(found.table.columns) == ["annual_return", "sharpe"]


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), cost=st.sampled_from([0.0, 0.0005, 0.001, 0.0025]))
def test_it_is_near_a_simulation_at_those_costs(seed, cost):
    """Not equal: orders are sized net of costs, so that other costs trade a little less or more."""
    paid, asked = book(seed, cost=0.001), book(seed, cost=cost)
    row = cost_sensitivity(paid, (1e4 * cost,)).table.iloc[0]
    assert row["annual_return"] == pytest.approx(asked.annual_return, abs=2e-3)
    assert row["sharpe"] == pytest.approx(asked.sharpe, abs=2e-2)


def test_what_was_paid_gives_what_was_returned():
    result = book()
    row = cost_sensitivity(result, (10.0,)).table.iloc[0]
    assert row["annual_return"] == pytest.approx(result.annual_return, rel=1e-9)
    assert row["sharpe"] == pytest.approx(result.sharpe, rel=1e-9)


def test_at_the_break_even_cost_the_mean_is_zero():
    result, benchmark = book(3), book(3, every=20)
    found = cost_sensitivity(result, benchmark=benchmark)
    if found.break_even > 0:
        at = cost_sensitivity(result, (found.break_even,), benchmark=benchmark)
        assert at.table["sharpe"].iloc[0] == pytest.approx(0.0, abs=1e-9)
    if found.active_break_even > 0:
        at = cost_sensitivity(result, (found.active_break_even,), benchmark=benchmark)
        assert at.table["active_return"].iloc[0] == pytest.approx(0.0, abs=1e-12)
    assert found.table["annual_return"].is_monotonic_decreasing
    assert found.table["active_return"].is_monotonic_decreasing  # it trades more


def test_what_loses_free_of_costs_breaks_even_nowhere():
    result = book()
    falling = replace(result, nav=pd.Series(np.linspace(1e6, 5e5, len(result.nav)), result.nav.index))
    assert cost_sensitivity(falling).break_even == 0.0


def test_without_trades_no_cost_matters():
    result = book()
    still = replace(result, trades=result.trades.iloc[:0])
    found = cost_sensitivity(still, benchmark=still)
    assert np.isnan(found.break_even)
    assert np.isnan(found.active_break_even)
    assert len(set(found.table["annual_return"])) == 1


def test_other_sessions_and_negative_costs_are_refused():
    result = book()
    with pytest.raises(FrameError, match="covers other sessions"):
        cost_sensitivity(result, benchmark=book(n=100))
    with pytest.raises(FrameError, match="a cost of -5 bp would pay for trading"):
        cost_sensitivity(result, (-5.0,))
