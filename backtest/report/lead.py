"""The sentences that a backtest opens with: what the news added first, then what the strategy returned."""

import math

from backtest.report.charts import signed
from backtest.result.active_return import BenchmarkComparison
from backtest.result.result import Result
from backtest.statistics.significance import ROUNDING

ABOVE, BELOW = "lies above zero", "lies below zero"
INCLUDES = "includes zero: chance alone could explain it"


def verdict(low: float, high: float, digits: int) -> str:
    """Say where an interval lies by its bounds as they are shown: one that rounds to zero is not above it."""
    if math.isnan(low) or math.isnan(high):
        return "is unknown: too few sessions, or none that differ"
    return ABOVE if round(low, digits) > 0 else BELOW if round(high, digits) < 0 else INCLUDES


def news_lead(news: BenchmarkComparison) -> str:
    """What the news added: the strategy less its twin, the same policy without a signal."""
    if not (news.active.abs() > ROUNDING).any():
        return f"The news added nothing: without its signal {news.name} has the same return in every session."
    figures = news.figures()
    added, low, high = (1e4 * figures[f"active_return{end}"] for end in ("", "_low", "_high"))
    return (
        f"The news added {signed(added, '+z.0f')} bp a year to {news.name} (t {signed(news.active_t, 'z.1f')}); the "
        f"95 % interval, {signed(low, '+z.0f')} to {signed(high, '+z.0f')} bp, {verdict(low, high, 0)}."
    )


def strategy_lead(strategy: Result, twin: Result | None = None) -> str:
    """What the strategy returned, and whether its Sharpe ratio could be chance; twin: the same policy without news."""
    figures = strategy.figures()
    returned = f"{strategy.name} returned {signed(figures['annual_return'], '+z.1%')} a year"
    if math.isnan(figures["sharpe"]):
        return f"{returned}; its Sharpe ratio is undefined."
    low, high = figures["sharpe_low"], figures["sharpe_high"]
    if twin is None:
        without = ""
    elif not (twin.weights.abs() > ROUNDING).any(axis=None):
        without = " Without the news it holds cash only: what the news added includes what the market gave."
    else:
        without = f" Without the news the Sharpe ratio is {signed(twin.sharpe, 'z.2f')}."
    return (
        f"{returned} at {figures['volatility']:.1%} volatility, net of costs, a Sharpe ratio of "
        f"{signed(figures['sharpe'], 'z.2f')}; its 95 % interval, {signed(low, 'z.2f')} to {signed(high, 'z.2f')}, "
        f"{verdict(low, high, 2)}.{without}"
    )
