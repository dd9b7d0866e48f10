"""Every ratio against plain loops, vectorbt's own figures and, where it is installed, quantstats."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import random_prices

from allocation import AllocationError, FrameError
from backtest import (
    Costs,
    Events,
    attribute,
    capacity,
    compare_with_benchmark,
    deflated_sharpe,
    drawdown_table,
    simulate,
)
from backtest.result import metrics

YEAR = 252


def drawn(seed, n=150):
    return 0.0004 + 0.01 * np.random.default_rng(seed).standard_t(4, n)


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), n=st.integers(15, 200))
def test_ratios_against_plain_loops(seed, n):
    returns = drawn(seed, n)
    mean, value, peak, worst = sum(returns) / n, 1.0, 1.0, 0.0
    for each in returns:
        value *= 1 + each
        peak = max(peak, value)
        worst = min(worst, value / peak - 1)
    close = {"rel": 1e-10}
    downside = (sum(min(each, 0.0) ** 2 for each in returns) / n) ** 0.5
    assert metrics.sortino(returns, YEAR) == pytest.approx(mean / downside * YEAR**0.5, **close)
    assert metrics.annual_return(returns, YEAR) == pytest.approx(value ** (YEAR / n) - 1, **close)
    assert metrics.max_drawdown(returns) == pytest.approx(worst, **close)
    assert metrics.calmar(returns, YEAR) == pytest.approx((value ** (YEAR / n) - 1) / -worst, **close)
    ordered, place = sorted(returns), 0.05 * (n - 1)
    low = int(place)
    risk = -(ordered[low] + (place - low) * (ordered[low + 1] - ordered[low]))
    assert metrics.value_at_risk(returns) == pytest.approx(risk, **close)
    tail = [each for each in returns if each <= -risk]
    assert metrics.expected_shortfall(returns) == pytest.approx(-sum(tail) / len(tail), **close)
    assert metrics.hit_rate(returns) == sum(each > 0 for each in returns) / n


def test_many_series_at_once_are_each_alone():
    table = np.stack([drawn(seed) for seed in range(5)])
    for statistic in (metrics.max_drawdown, metrics.value_at_risk, metrics.expected_shortfall, metrics.hit_rate):
        np.testing.assert_array_equal(statistic(table), [statistic(row) for row in table])


def test_vectorbt_gives_the_same_where_it_means_the_same():
    import vectorbt  # noqa: F401 - registers the accessor

    returns = pd.Series(drawn(1), pd.bdate_range("2021-01-04", periods=150))
    theirs = returns.vbt.returns(freq="1D", year_freq="252 days")
    values = returns.to_numpy()
    assert metrics.sharpe(values, YEAR) == pytest.approx(theirs.sharpe_ratio(), rel=1e-10)
    assert metrics.sortino(values, YEAR) == pytest.approx(theirs.sortino_ratio(), rel=1e-10)
    assert metrics.annual_return(values, YEAR) == pytest.approx(theirs.annualized(), rel=1e-10)
    assert metrics.max_drawdown(values) == pytest.approx(theirs.max_drawdown(), rel=1e-10)
    assert metrics.calmar(values, YEAR) == pytest.approx(theirs.calmar_ratio(), rel=1e-10)
    assert -metrics.value_at_risk(values) == pytest.approx(theirs.value_at_risk(), rel=1e-10)
    assert -metrics.expected_shortfall(values) == pytest.approx(theirs.cond_value_at_risk(), rel=1e-10)


def test_a_simple_book_has_the_figures_that_vectorbt_gives_it():
    """Half in cash, so that vectorbt has nothing to cut: its own targets, fills, fees and annualisation."""
    import vectorbt

    prices = random_prices(4, 120)
    weights = prices.iloc[:-1:7] * 0 + [0.2, 0.1, 0.15, 0.05]
    ours = simulate(prices, weights, Costs(0.0, 0.0))
    asked = weights.reindex(prices.index).shift(1)  # decided at one close, filled at the next
    theirs = vectorbt.Portfolio.from_orders(
        prices, asked, size_type="targetpercent", group_by=True, cash_sharing=True, call_seq="auto", init_cash=1e6,
        freq="1D", engine="rust",
    )  # fmt: skip
    np.testing.assert_allclose(ours.nav, theirs.value(), rtol=1e-12)
    year = {"year_freq": "252 days"}
    assert ours.total_return == pytest.approx(theirs.total_return(), rel=1e-10)
    assert ours.max_drawdown == pytest.approx(theirs.max_drawdown(), rel=1e-10)
    returns = ours.returns.vbt.returns(freq="1D", **year)
    assert ours.sharpe == pytest.approx(returns.sharpe_ratio(), rel=1e-10)
    assert ours.volatility == pytest.approx(returns.annualized_volatility(), rel=1e-10)
    assert ours.annual_return == pytest.approx(returns.annualized(), rel=1e-10)
    against_it = compare_with_benchmark(ours, prices.mean(axis=1).rename("index"))
    beta = returns.beta(prices.mean(axis=1).pct_change().iloc[1:])
    assert against_it.beta == pytest.approx(beta, rel=1e-10)


def test_a_result_is_resampled_once(monkeypatch):
    """For its figures, their JSON, its row in a comparison and its file: a thousand series are drawn one time."""
    from backtest import comparison
    from backtest.statistics import significance

    drawn = []
    once = significance._drawn_ratios
    monkeypatch.setattr(significance, "_drawn_ratios", lambda *given: (drawn.append(given), once(*given))[1])
    result = book()
    first = result.figures()
    assert len(drawn) == 1
    assert result.figures() == first
    comparison([result])
    assert result.sharpe_interval() == (first["sharpe_low"], first["sharpe_high"])
    assert len(drawn) == 1
    assert result.sharpe_interval(0.9) != result.sharpe_interval()
    assert len(drawn) == 2


def test_several_intervals_of_one_series_share_their_draws():
    returns = drawn(7)
    statistics = {"hit": metrics.hit_rate, "fall": metrics.max_drawdown}
    together = metrics.intervals(statistics, returns)
    assert together == {name: metrics.interval(each, returns) for name, each in statistics.items()}


def test_quantstats_gives_the_same_where_it_means_the_same():
    stats = pytest.importorskip("quantstats.stats", reason="compared with quantstats where it is installed")
    returns = pd.Series(drawn(2), pd.bdate_range("2021-01-04", periods=150))
    values = returns.to_numpy()
    assert metrics.sharpe(values, YEAR) == pytest.approx(stats.sharpe(returns, periods=YEAR), rel=1e-10)
    assert metrics.sortino(values, YEAR) == pytest.approx(stats.sortino(returns, periods=YEAR), rel=1e-10)
    assert metrics.hit_rate(values) == pytest.approx(stats.win_rate(returns), rel=1e-10)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """95 % intervals of the mean-like Sortino ratio over 60 series of 250 returns whose true ratio is known."""
    random = np.random.default_rng(0)
    truth = float(metrics.sortino(0.0005 + 0.01 * np.random.default_rng(1).standard_normal(2_000_000), YEAR))
    inside = 0
    for seed in range(60):
        low, high = metrics.interval(
            lambda r: metrics.sortino(r, YEAR), 0.0005 + 0.01 * random.standard_normal(250), seed=seed
        )
        inside += low <= truth <= high
    assert inside >= 51


def test_a_series_that_stands_still_has_no_interval():
    assert np.isnan(metrics.interval(metrics.hit_rate, np.zeros(50))).all()
    assert np.isnan(metrics.interval(metrics.hit_rate, drawn(1, 9))).all()


def book(seed=1, level=0.2, n=200, name="ours"):
    prices = random_prices(seed, n)
    return simulate(prices, prices.iloc[::10] * 0 + level, Costs(0.001, 0.0005, borrow=0.02), name=name)


def test_alpha_beta_and_t_against_matrix_algebra():
    ours, index = book(), random_prices(1, 200).mean(axis=1).rename("index")
    found = compare_with_benchmark(ours, index)
    y, x = ours.returns.to_numpy(), index.pct_change().iloc[1:].to_numpy()
    design = np.stack([np.ones(len(x)), x], axis=1)
    inverse = np.linalg.inv(design.T @ design)
    alpha, beta = inverse @ design.T @ y
    scores = design * (y - design @ [alpha, beta])[:, None]
    lags = int(4 * (len(y) / 100) ** (2 / 9))
    middle = scores.T @ scores
    for lag in range(1, lags + 1):
        cross = scores[lag:].T @ scores[:-lag]
        middle += (1 - lag / (lags + 1)) * (cross + cross.T)
    error = (inverse @ middle @ inverse)[0, 0] ** 0.5 * (len(y) / (len(y) - 2)) ** 0.5
    assert found.beta == pytest.approx(beta, rel=1e-10)
    assert found.alpha == pytest.approx(alpha * YEAR, rel=1e-9)
    assert found.alpha_t == pytest.approx(alpha / error, rel=1e-9)
    assert found.active_return == pytest.approx((y - x).mean() * YEAR, rel=1e-9)
    assert found.tracking_error == pytest.approx((y - x).std(ddof=1) * YEAR**0.5, rel=1e-10)
    assert found.information_ratio == pytest.approx(found.active_return / found.tracking_error, rel=1e-10)
    for which in ("information_ratio", "alpha", "beta"):
        low, high = found.interval(which)
        assert low < getattr(found, which) < high
    assert "ours against index, 199 sessions: active" in str(found)


def test_a_portfolio_is_its_own_benchmark():
    ours = book()
    found = compare_with_benchmark(ours, ours)
    assert found.active_return == found.tracking_error == 0.0
    assert found.beta == pytest.approx(1.0)
    assert np.isnan(found.information_ratio)


def test_a_benchmark_with_other_sessions_is_refused():
    ours = book()
    with pytest.raises(FrameError, match="ours lacks 1 of the 200 sessions of ours, such as 2021-01-11"):
        compare_with_benchmark(ours, ours.nav.drop(ours.nav.index[5]).rename("ours"))
    with pytest.raises(FrameError, match="lacks .* sessions"):
        compare_with_benchmark(ours, pd.Series([1.0, 2.0], pd.DatetimeIndex(["1999-01-04", "1999-01-05"]), name="old"))


def test_attribution_sums_to_the_return_in_every_session():
    ours, neutral, base = book(level=0.2), book(level=0.15, name="neutral"), book(level=0.1, name="base")
    found = attribute(ours, neutral, base)
    np.testing.assert_allclose(found.parts.sum(axis=1), ours.returns, atol=1e-15)
    paid = ours.costs_by_kind.sum(axis=1) / ours.nav.shift(1)
    np.testing.assert_allclose(found.parts["costs"], -paid.iloc[1:], atol=1e-15)
    assert found.annual.loc["total", "mean"] == pytest.approx(ours.returns.mean() * YEAR)
    assert str(found).count(" bp ") == 5
    with pytest.raises(FrameError, match="neutral covers other sessions than ours"):
        attribute(ours, book(n=150, name="neutral"), base)


def test_without_costs_gross_is_net_and_costs_add_up_by_kind():
    prices = random_prices(3, 60)
    weights = prices.iloc[::7] * 0 + [-0.2, 0.3, 0.3, 0.3]
    free = simulate(prices, weights, Costs(0.0, 0.0, cash_yield=0.05))
    np.testing.assert_array_equal(free.gross_returns, free.returns)
    paid = simulate(prices, weights, Costs(0.001, 0.0005, borrow=0.1)).costs_by_kind
    assert list(paid.columns) == ["commission", "spread", "impact", "borrow", "loan"]
    assert paid["commission"].sum() == pytest.approx(2 * paid["spread"].sum())
    assert paid["borrow"].sum() > 0 == paid["loan"].sum()


def test_capacity_by_hand():
    """Orders of a tenth of NAV in an asset that trades 1,000,000 a day: 1 % of that is a tenth of 100,000."""
    prices = pd.DataFrame({"A": [10.0] * 6}, pd.bdate_range("2021-01-04", periods=6))
    result = simulate(prices, pd.DataFrame({"A": [0.1]}, prices.index[2:3]), Costs(0, 0))
    daily_value = prices * 0 + 1e6
    assert capacity(result, daily_value) == pytest.approx(100_000)
    assert capacity(result, daily_value, participation=0.1) == pytest.approx(1_000_000)
    with pytest.raises(FrameError, match="daily_value of A before 2021-01-07 is unknown or 0"):
        capacity(result, daily_value * 0)
    with pytest.raises(FrameError, match="must be fractions"):
        capacity(result, daily_value, share=0)


def test_drawdowns_have_dates():
    days = pd.bdate_range("2021-01-04", periods=7)
    table = drawdown_table(pd.Series([10.0, 9.0, 10.0, 11.0, 5.5, 8.8, 9.0], days))
    assert table["depth"].tolist() == pytest.approx([-0.5, -0.1])
    assert table["start"].tolist() == [days[3], days[0]]
    assert table["bottom"].tolist() == [days[4], days[1]]
    assert pd.isna(table["recovered"].iloc[0])
    assert table["recovered"].iloc[1] == days[2]
    assert table["sessions"].tolist() == [3, 2]


def test_years_and_months_compound_to_the_total():
    result = book(n=400)
    assert np.prod(1 + result.by_year) - 1 == pytest.approx(result.total_return, rel=1e-10)
    assert np.prod(1 + result.by_month.stack()) - 1 == pytest.approx(result.total_return, rel=1e-10)
    assert list(result.by_year.index) == [2021, 2022]
    assert list(result.by_month.columns) == list(range(1, 13))


def test_details_hold_every_ratio_with_its_interval():
    details = book().details()
    for name in ("annual_return", "sharpe", "sortino", "calmar", "max_drawdown", "value_at_risk", "hit_rate"):
        assert details[f"{name}_low"] <= details[name] <= details[f"{name}_high"], name
    assert all(type(value) is float for value in details.values())


def test_the_exchange_says_how_many_sessions_a_year_has():
    prices = random_prices(1, 60)
    weights = prices.iloc[:1] * 0 + 0.2
    assert simulate(prices, weights, calendar="XSAU").sessions_per_year == 251
    assert simulate(prices, weights, calendar="24/7").sessions_per_year == 365
    assert simulate(prices, weights, calendar="XNYS", events=Events()).sessions_per_year == 252


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda book: book.sharpe_interval(95), "level is 95: give a fraction"),
        (lambda book: book.sharpe_interval(0.0), "level is 0: give a fraction"),
        (lambda book: compare_with_benchmark(book, book).interval("alpha", level=95), "level is 95: give a fraction"),
        (lambda book: book.value_at_risk(5), "tail is 5: give a fraction of sessions"),
        (lambda book: book.expected_shortfall(0.0), "tail is 0: give a fraction of sessions"),
        (lambda book: deflated_sharpe(book.returns, 5, trial_spread=-0.1), "trial_spread is -0.1: give a standard dev"),
        (
            lambda book: compare_with_benchmark(book, book.nav.rename("x") * 0.0),
            "x: 0 for x at 2021-01-11 is not",
        ),
        (lambda book: compare_with_benchmark(book, book.nav.rename("x").iloc[::-1]), "x is not sorted"),
        (lambda book: compare_with_benchmark(book, book.nav.rename("x").tz_localize("UTC")), "x has a time zone"),
        (lambda book: compare_with_benchmark(book, book.nav.rename("x").iloc[[0, 1, 1, 2]]), "x has 2021-01-12 twice"),
        (lambda book: compare_with_benchmark(book, book.nav.rename("x").astype(str)), "x holds text, not numbers"),
    ],
)
def test_what_is_no_level_no_tail_and_no_benchmark_is_refused(ask, message):
    prices = random_prices(1, 60)
    book = simulate(prices, (prices * 0.0 + 0.2).iloc[[5]])
    with pytest.raises(AllocationError, match=message):
        ask(book)
