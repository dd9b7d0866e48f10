"""The sentences that a backtest opens with: each where it must appear, and where it must not."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from backtest.report.charts import MINUS
from backtest.report.lead import ABOVE, BELOW, INCLUDES, news_lead, strategy_lead, verdict
from backtest.report.report import Report
from backtest.report.text import report_text
from backtest.result.active_return import compare_with_benchmark
from backtest.result.result import Result

SESSIONS = pd.bdate_range("2020-01-01", periods=500, name="date")


def book(mean, name="mine", seed=0, volatility=0.01, n=500):
    """A result of random returns whose mean is exactly this."""
    drawn = np.random.default_rng(seed).standard_normal(n - 1)
    returns = mean + volatility * (drawn - drawn.mean())
    nav = pd.Series(1e6 * np.cumprod([1.0, *(1.0 + returns)]), SESSIONS[:n], name="nav")
    weights = pd.DataFrame(1.0, SESSIONS[:n], ["A"])
    trades = pd.DataFrame({"session": SESSIONS[:1], "asset": ["A"], "shares": [1.0], "price": [1.0], "cost": [0.0]})
    return Result(name, nav, weights, trades, weights.iloc[:1])


def plus(twin, extra, seed=1, noise=1e-4):
    """The same book with something added to each return."""
    drawn = np.random.default_rng(seed).standard_normal(len(twin.nav) - 1)
    returns = twin.returns + extra + noise * (drawn - drawn.mean())
    return replace(twin, name="mine", nav=pd.Series(1e6 * np.cumprod([1.0, *(1.0 + returns)]), twin.nav.index))


def lead_of(extra, **options):
    twin = book(0.0005, "twin")
    return news_lead(compare_with_benchmark(plus(twin, extra, **options), twin))


@pytest.mark.parametrize(
    ("low", "high", "digits", "expected"),
    [
        (0.4, 9.0, 0, INCLUDES),  # basis points: shown as +0
        (0.6, 9.0, 0, ABOVE),
        (-9.0, -0.4, 0, INCLUDES),
        (-9.0, -0.6, 0, BELOW),
        (-1.0, 1.0, 0, INCLUDES),
        (0.004, 2.84, 2, INCLUDES),  # a Sharpe ratio: shown as 0.00
        (0.006, 2.84, 2, ABOVE),
        (0.0, 1.0, 2, INCLUDES),
    ],
)
def test_a_bound_that_is_shown_as_zero_is_zero(low, high, digits, expected):
    assert verdict(low, high, digits) == expected


def test_what_cannot_be_known_is_no_verdict():
    assert verdict(float("nan"), float("nan"), 2).startswith("is unknown")


def test_news_that_added_something_is_said_to_lie_above_zero():
    sentence = lead_of(2e-4)
    assert sentence.startswith("The news added +504 bp a year to mine (t ")
    assert ABOVE in sentence
    assert INCLUDES not in sentence


def test_news_that_cost_something_is_said_to_lie_below_zero():
    sentence = lead_of(-2e-4)
    assert f"added {MINUS}504 bp a year" in sentence
    assert BELOW in sentence
    assert ABOVE not in sentence


def test_news_that_added_next_to_nothing_could_be_chance():
    sentence = lead_of(1e-7)
    assert "added +0 bp a year to mine (t 0.0)" in sentence
    assert INCLUDES in sentence
    assert ABOVE not in sentence


def test_news_that_changed_no_return_added_nothing():
    assert (
        lead_of(0.0, noise=0.0)
        == "The news added nothing: without its signal mine has the same return in every session."
    )
    assert "added nothing" not in lead_of(1e-7)


def test_too_few_sessions_have_no_verdict():
    twin = book(0.0005, "twin", n=6)
    assert "is unknown: too few sessions" in news_lead(compare_with_benchmark(plus(twin, 1e-3), twin))


def test_the_strategy_is_judged_by_its_sharpe_ratio():
    strong, weak = strategy_lead(book(0.003)), strategy_lead(book(0.0001))
    assert ABOVE in strong
    assert INCLUDES not in strong
    assert INCLUDES in weak
    assert ABOVE not in weak
    assert BELOW in strategy_lead(book(-0.003))


def test_the_twin_stands_beside_it_where_there_is_one():
    mine, twin = book(0.001), book(0.0005, "twin")
    assert strategy_lead(mine, twin).endswith(f"Without the news the Sharpe ratio is {twin.sharpe:.2f}.")
    assert "Without the news" not in strategy_lead(mine)


def test_a_twin_in_cash_is_said_to_hold_none_of_the_market():
    mine, twin = book(0.001, seed=1), book(0.0, "twin")
    words = "Without the news it holds cash only: what the news added includes what the market gave."
    assert words in strategy_lead(mine, replace(twin, weights=twin.weights * 0.0))
    assert words not in strategy_lead(mine, twin)


def test_a_book_that_stands_still_has_no_sharpe_ratio():
    sentence = strategy_lead(book(0.0, volatility=0.0))
    assert sentence == "mine returned +0.0% a year; its Sharpe ratio is undefined."
    assert "undefined" not in strategy_lead(book(0.001))


def test_the_news_come_first_and_the_strategy_after():
    """A strong book whose news added nothing must not open with its Sharpe ratio."""
    twin = book(0.003, "twin")
    mine = plus(twin, 0.0)
    printed = report_text(Report(title="x", results=[mine, twin], twin=twin))
    first, second = printed.index("The news added +0 bp"), printed.index("mine returned")
    assert first == 0 < second
    alone = report_text(Report(title="x", results=[mine]))
    assert alone.startswith("mine returned")
    assert "The news" not in alone
