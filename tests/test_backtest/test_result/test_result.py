"""Every figure of a Result against plain NumPy."""

import json

import exchange_calendars
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest import Result, comparison
from newsfolio.shared.text_table import json_text

FIGURES = {
    "total_return", "annual_return", "volatility", "sharpe", "sharpe_low", "sharpe_high", "max_drawdown",
    "annual_turnover", "annual_cost",
}  # fmt: skip


def result_of(nav, trades=(), sessions=None, name="ours", notes=()):
    """A Result from NAVs and (row, shares, price, cost) of its trades."""
    sessions = pd.bdate_range("2021-01-04", periods=len(nav), name="date") if sessions is None else sessions
    weights = pd.DataFrame(0.5, sessions, ["A"])
    rows = [(sessions[row], "A", shares, price, cost) for row, shares, price, cost in trades]
    frame = pd.DataFrame(rows, columns=["session", "asset", "shares", "price", "cost"])
    return Result(name, pd.Series(nav, sessions, dtype=float), weights, frame, weights.iloc[:1], tuple(notes))


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), n=st.integers(30, 300))
def test_figures_against_numpy(seed, n):
    random = np.random.default_rng(seed)
    nav = 1e6 * np.cumprod(np.r_[1.0, 1 + 0.02 * random.standard_normal(n - 1)])
    trades = [
        (int(row), float(shares), float(price), float(cost))
        for row, shares, price, cost in zip(
            random.integers(1, n, 2 * n), random.normal(0, 100, 2 * n), random.uniform(1, 9, 2 * n),
            random.uniform(0, 50, 2 * n), strict=True,
        )
    ]  # fmt: skip
    result = result_of(nav, trades)
    returns = nav[1:] / nav[:-1] - 1
    value, cost = np.zeros(n), np.zeros(n)
    for row, shares, price, paid in trades:
        value[row] += abs(shares) * price
        cost[row] += paid
    close = {"rel": 1e-10, "abs": 1e-12}
    assert result.returns.to_numpy() == pytest.approx(returns, **close)
    assert result.total_return == pytest.approx(nav[-1] / nav[0] - 1, **close)
    assert result.annual_return == pytest.approx((nav[-1] / nav[0]) ** (252 / (n - 1)) - 1, rel=1e-8, abs=1e-12)
    assert result.volatility == pytest.approx(np.std(returns, ddof=1) * 252**0.5, **close)
    assert result.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1) * 252**0.5, **close)
    assert result.costs.to_numpy() == pytest.approx(cost, **close)
    assert result.turnover.to_numpy() == pytest.approx(value[1:] / nav[:-1], **close)
    assert result.annual_turnover == pytest.approx(np.mean(value[1:] / nav[:-1]) * 252, **close)
    assert result.annual_cost == pytest.approx(np.mean(cost[1:] / nav[:-1]) * 252, **close)
    peaks = np.array([nav[: row + 1].max() for row in range(n)])
    assert result.drawdown.to_numpy() == pytest.approx(nav / peaks - 1, **close)
    assert result.max_drawdown == pytest.approx((nav / peaks - 1).min(), **close)
    low, high = result.sharpe_interval()
    assert low <= high
    assert result.figures() == {
        "total_return": result.total_return, "annual_return": result.annual_return,
        "volatility": result.volatility, "sharpe": result.sharpe, "sharpe_low": low, "sharpe_high": high,
        "max_drawdown": result.max_drawdown, "annual_turnover": result.annual_turnover,
        "annual_cost": result.annual_cost,
    }  # fmt: skip


def test_figures_are_plain_floats_under_fixed_names():
    figures = result_of(np.linspace(1.0, 2.0, 30)).figures()
    assert set(figures) == FIGURES
    assert all(type(value) is float for value in figures.values())


def test_drawdown_by_hand():
    result = result_of([100.0, 120.0, 90.0, 108.0, 130.0, 117.0])
    assert result.drawdown.tolist() == pytest.approx([0.0, 0.0, -0.25, -0.10, 0.0, -0.10])
    assert result.max_drawdown == pytest.approx(-0.25)
    assert result_of([1.0, 2.0, 3.0]).max_drawdown == 0.0


def test_a_year_by_hand():
    """Ten percent over 252 returns is ten percent a year; over 126, twenty-one."""
    sessions = pd.bdate_range("2021-01-04", periods=253, name="date")
    assert result_of(np.geomspace(100, 110, 253), sessions=sessions).annual_return == pytest.approx(0.10)
    assert result_of(np.geomspace(100, 110, 127)).annual_return == pytest.approx(0.21)


def test_turnover_and_costs_by_hand():
    """Buying 50 worth of a NAV of 100, then selling 20 of 200: over one year of two sessions out of 252."""
    result = result_of([100.0, 200.0, 200.0], [(1, 5.0, 10.0, 1.0), (2, -4.0, 5.0, 2.0)])
    assert result.turnover.tolist() == pytest.approx([0.5, 0.1])
    assert result.annual_turnover == pytest.approx(0.3 * 252)
    assert result.costs.tolist() == [0.0, 1.0, 2.0]
    assert result.annual_cost == pytest.approx((0.01 + 0.01) / 2 * 252)


def test_a_week_of_seven_days_counts_365():
    daily = pd.date_range("2021-01-01", periods=40, name="date")
    result = result_of(np.linspace(1, 2, 40), sessions=daily)
    assert result.sessions_per_year == 365
    assert result.volatility == pytest.approx(result.returns.std() * 365**0.5)
    assert result_of(np.linspace(1, 2, 40)).sessions_per_year == 252


def test_a_week_from_sunday_to_thursday_is_no_week_of_seven_days():
    exchange = exchange_calendars.get_calendar("XSAU", start="2022-06-01", end="2024-01-31")
    sessions = pd.DatetimeIndex(exchange.sessions_in_range("2023-01-01", "2023-12-31"))
    assert len(sessions) == 250
    assert result_of(np.linspace(1, 2, 250), sessions=sessions).sessions_per_year == 252


def test_a_nav_that_stands_still_has_no_sharpe_ratio():
    result = result_of([100.0] * 9)
    assert np.isnan(result.sharpe)
    assert np.isnan(result.sharpe_interval()).all()
    assert result.total_return == result.annual_return == result.max_drawdown == result.volatility == 0.0
    assert "n/a" in str(result)


def test_a_nav_that_rises_steadily_has_no_sharpe_ratio_either():
    assert np.isnan(result_of(100.0 * 1.001 ** np.arange(50)).sharpe)


def test_one_session_has_figures_too():
    result = result_of([100.0])
    assert result.total_return == result.annual_return == 0.0
    assert np.isnan(result.volatility)
    assert set(result.figures()) == FIGURES


def test_figures_are_json_for_every_parser():
    assert json.loads(json_text(result_of([100.0] * 9).figures()))["sharpe"] is None


def test_a_lost_fortune_still_has_figures():
    assert result_of([100.0, 80.0, 50.0, -20.0, -30.0, -10.0]).annual_return <= -1.0


def test_it_prints_itself():
    nav = 100.0 + np.arange(12) % 5
    result = result_of(nav, [(1, 5.0, 10.0, 0.1)], notes=("2 targets not filled",))
    text = str(result)
    assert text.startswith("ours, 2021-01-04 to 2021-01-19, 12 sessions, 252 a year, net of costs\n")
    assert text.endswith("\n  note: 2 targets not filled")
    assert comparison([result]) in text


def test_a_comparison_has_a_row_per_result_in_columns_of_one_width():
    results = [
        result_of([1.0, *[1.1, 1.0] * 8, rise], name=name) for name, rise in (("a", 1.2), ("a much longer name", 0.5))
    ]
    lines = comparison(results).splitlines()
    assert len(lines) == 4
    assert len({len(line) for line in lines}) == 1
    assert set(lines[1]) == {"-", " "}
    assert [line.split("  ")[0].strip() for line in lines[2:]] == ["a", "a much longer name"]
    assert "+20.0%" in lines[2]
    assert "-50.0%" in lines[3]
    assert comparison(iter(results)) == comparison(results)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_row_reads_in_percent_and_basis_points():
    result = result_of([100.0, 200.0, 200.0], [(1, 5.0, 10.0, 0.001), (2, -4.0, 5.0, 0.002)])
    row = comparison([result]).splitlines()[-1]
    assert "+100.0%" in row
    assert f"{result.annual_turnover:.1f}x" in row
    assert row.endswith(f"{0.00001 * 252 * 1e4:.0f} bp")
