"""The tables of a report: figures, benchmarks, evidence, months and drawdowns as rows of text."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from backtest.report.charts import MINUS, signed
from backtest.report.headlines import Headline, Headlines
from backtest.result.active_return import BenchmarkComparison
from backtest.result.attribution import Attribution
from backtest.result.capacity import MEANING
from backtest.result.cost_sensitivity import break_even_cost, cost_sensitivity
from backtest.result.drawdowns import drawdown_table
from backtest.result.result import Result, figures_row
from backtest.signal_study.information_coefficient import InformationCoefficient, Placebo
from backtest.statistics.overfitting import overfitting
from backtest.statistics.significance import deflated_sharpe
from backtest.sweeps.sweep import Sweep

MOST_DRAWDOWNS = 5
OWN = "next session"  # the coefficient that a placebo is compared with
IC_HEADER = ("", "mean", "95 % interval", "t", "sessions")
RATIO_HEADER = ("", "value", "95 % interval")
RATIOS = (  # name among the figures, what a reader calls it, how it is written
    ("annual_return", "Return a year", "+z.1%"),
    ("sortino", "Sortino ratio", ".2f"),
    ("calmar", "Calmar ratio", ".2f"),
    ("max_drawdown", "Max drawdown", ".1%"),
    ("value_at_risk", "Value at risk: loss exceeded in 5 % of sessions", ".2%"),
    ("expected_shortfall", "Expected shortfall (CVaR): mean loss of those sessions", ".2%"),
    ("hit_rate", "Hit rate: sessions that gained", ".1%"),
)
BENCHMARK_FIGURES = (  # name among the figures, what a reader calls it, how it is written, whether it has an interval
    ("active_return", "Active return a year", "+z.1%", True),
    ("active_t", "t of active return", "z.1f", False),
    ("tracking_error", "Tracking error", ".1%", False),
    ("information_ratio", "Information ratio", ".2f", True),
    ("beta", "Beta", ".2f", True),
    ("alpha", "Alpha a year", "+z.1%", True),
    ("alpha_t", "t of alpha", "z.1f", False),
)
ATTRIBUTION_HEADER = ("source", "mean a year", "t")
BLOCKS = 10  # of the probability of overfitting; two sessions each are the fewest


def result_rows(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """The figures of each result, in the order of HEADER."""
    rows = [figures_row(result.name, result.figures()) for result in results]
    return [(name, *(cell.replace("-", MINUS) for cell in cells)) for name, *cells in rows]


def ic_row(coefficient: InformationCoefficient) -> tuple[str, ...]:
    """One information coefficient, in the order of IC_HEADER."""
    low, high = coefficient.interval
    return (
        coefficient.name,
        signed(coefficient.mean, "+z.4f"),
        f"{signed(low, '+z.4f')} to {signed(high, '+z.4f')}",
        signed(coefficient.t, ".1f"),
        f"{coefficient.per_session.notna().sum()}",
    )


def benchmark_table(comparisons: Sequence[BenchmarkComparison]) -> list[tuple[str, ...]]:
    """The strategy against its benchmarks: a header of their names, then a row per figure; nothing without any."""
    if not comparisons:
        return []
    found = [each.figures() for each in comparisons]
    header: list[tuple[str, ...]] = [("", *(each.benchmark for each in comparisons))]
    return header + [
        (words, *(signed(each[name], form) + (f"\n{_interval(each, name, form)}" if sure else "") for each in found))
        for name, words, form, sure in BENCHMARK_FIGURES
    ]


def attribution_rows(attribution: Attribution) -> list[tuple[str, ...]]:
    """Each source of the strategy's return, and their total, in the order of ATTRIBUTION_HEADER."""
    table = attribution.annual
    return [
        (str(source), signed(1e4 * mean, "+.0f", " bp"), signed(t, ".1f"))
        for source, mean, t in zip(table.index, table["mean"], table["t"], strict=True)
    ]


def _interval(figures: Mapping[str, float], name: str, form: str) -> str:
    return " to ".join(signed(figures[f"{name}_{end}"], form) for end in ("low", "high"))


def ratio_rows(strategy: Result) -> list[tuple[str, ...]]:
    """Further figures of one result with their intervals, in the order of RATIO_HEADER."""
    figures = strategy.details()
    return [(words, signed(figures[name], form), _interval(figures, name, form)) for name, words, form in RATIOS]


def evidence_rows(
    strategy: Result,
    placebo: Placebo | None,
    tried: Sweep | int | None,
    coefficients: Sequence[InformationCoefficient] = (),
) -> list[tuple[str, str]]:
    """What speaks for skill and what for chance: (name, verdict) of each test that was made.

    tried: the sweep that the strategy was chosen from, or how many settings were tried. coefficients: of the signal,
    whose next session the placebo is compared with.
    """
    low, high = strategy.sharpe_interval()
    alone = deflated_sharpe(strategy.returns, 1)
    rows = [
        ("Sharpe ratio", f"{signed(strategy.sharpe, 'z.2f')}, 95 % {signed(low, 'z.2f')} to {signed(high, 'z.2f')}"),
        ("True Sharpe ratio above 0", f"probability {signed(alone, '.0%')}, if nothing else had been tried"),
    ]
    if tried is None:
        rows.append(("Settings tried", "not logged: had others been tried first, that probability would be lower"))
    else:
        settings, spread = (tried, None) if isinstance(tried, int) else (tried.tried, tried.sharpe_spread)
        deflated = signed(deflated_sharpe(strategy.returns, settings, trial_spread=spread), ".0%")
        rows.append(("Settings tried", f"{settings}"))
        rows.append(("Deflated by that number", f"probability {deflated} that the true Sharpe ratio is above 0"))
    if isinstance(tried, Sweep) and tried.returns.shape[1] > 1 and len(tried.returns) >= 2 * BLOCKS:
        found = overfitting(tried.returns, BLOCKS)
        words = (
            f"{found.probability:.0%} of {len(found.logits)} splits: the best of one half no better than the median "
            "of the other"
        )
        rows.append(("Probability of overfitting", words))
    if placebo is not None:
        own = [f"; the signal's own is {signed(each.mean, '+z.4f')}" for each in coefficients if each.name == OWN]
        ends = " and ".join(signed(end, "+z.4f") for end in placebo.interval)
        rows.append(("Placebo", f"rank IC of {len(placebo.means)} shuffled signals: 95 % between {ends}{''.join(own)}"))
    return rows


def trading_rows(strategy: Result, twin: Result | None, capacity: float | None) -> Iterator[tuple[str, str]]:
    """What trading the strategy takes, and how much it may cost: (name, words)."""
    if not len(strategy.trades):
        yield "Turnover", "none: nothing was traded"
        return
    turnover, cost = strategy.annual_turnover, 1e4 * strategy.annual_cost
    yield "Turnover", f"{turnover:.1f}x NAV a year, bought plus sold, at a cost of {cost:.0f} bp of NAV a year"
    if capacity is not None:
        yield "Capacity", f"{capacity:,.0f}: {MEANING}"
    own = 1e4 * break_even_cost(strategy)
    words = f"{own:.0f} bp of the traded value" if own > 0.0 else "none: it loses even free of costs"
    if twin is not None:
        news = 1e4 * break_even_cost(strategy, twin)
        if math.isnan(news):
            words += "; of the news none: no more is traded than without them"
        elif news <= 0.0:
            words += "; of the news none: they add nothing even free of costs"
        else:
            words += f"; of what the news added {news:.0f} bp"
    yield "Break-even cost", words


def cost_table(strategy: Result, twin: Result | None) -> list[tuple[str, ...]]:
    """Figures at other trading costs, the trades held fixed: a header, then a row per figure, a column per cost."""
    table = cost_sensitivity(strategy)
    rows: list[tuple[str, ...]] = [
        ("", *(f"{cost:g} bp" for cost in table.index)),
        ("return a year", *(signed(value, "+z.1%") for value in table["annual_return"])),
        ("Sharpe ratio at that cost", *(signed(value, "z.2f") for value in table["sharpe"])),
    ]
    if twin is not None:
        added = news_by_cost(strategy, twin, table.index)
        rows.append(("added by the news, bp a year", *(signed(1e4 * value, "+z.0f") for value in added)))
    return rows


def news_by_cost(strategy: Result, twin: Result, costs_bp: Iterable[float]) -> list[float]:
    """Mean return of `strategy` less that of its twin, annualised, at each cost: both pay it on what they traded."""
    year = strategy.sessions_per_year
    free = float((strategy.returns - twin.returns).mean() * year) + strategy.annual_cost - twin.annual_cost
    more = strategy.annual_turnover - twin.annual_turnover
    return [free - 1e-4 * cost * more for cost in costs_bp]


@dataclass(frozen=True)
class Cell:
    """One month's return: its text, and how it is tinted: a sign and a strength from 0 to 1."""

    text: str
    sign: str
    strength: float


def monthly_returns(nav: pd.Series) -> dict[int, tuple[list[Cell | None], str]]:
    """Return, by year, twelve cells (None: no session) and the year's return, from nav[0] on."""
    months, years = _returns(nav, "ME"), _returns(nav, "YE")
    most = float(months.abs().max()) or 1.0
    table: dict[int, tuple[list[Cell | None], str]] = {
        day.year: ([None] * 12, signed(100 * value, "+z.1f"))
        for day, value in zip(pd.DatetimeIndex(years.index), years, strict=True)
    }
    for day, value in zip(pd.DatetimeIndex(months.index), months, strict=True):
        sign = "up" if value > 0 else "down" if value < 0 else "flat"
        cell = Cell(signed(100 * value, "+z.1f"), sign, round(abs(value) / most, 2))
        table[day.year][0][day.month - 1] = cell
    return table


def _returns(nav: pd.Series, frequency: str) -> pd.Series:
    ends = nav.resample(frequency).last().dropna()
    return ends / ends.shift(1, fill_value=nav.iloc[0]) - 1.0


@dataclass(frozen=True)
class Drawdown:
    """A fall below the highest NAV so far: the last day at the peak, the lowest, the first back (None: not yet)."""

    start: pd.Timestamp
    bottom: pd.Timestamp
    recovered: pd.Timestamp | None
    depth: str
    headlines: tuple[Headline, ...]


def worst_drawdowns(drawdown: pd.Series, headlines: Headlines | None) -> list[Drawdown]:
    """Return the deepest falls, deepest first, each with the headlines of the days around its bottom."""
    table = drawdown_table(1.0 + drawdown, MOST_DRAWDOWNS)  # a NAV with the same falls
    days = [pd.DatetimeIndex(table[name]) for name in ("start", "bottom", "recovered")]
    return [
        Drawdown(
            start=start,
            bottom=bottom,
            recovered=None if pd.isna(back) else back,
            depth=signed(depth, ".1%"),
            headlines=() if headlines is None else tuple(headlines.around(bottom)),
        )
        for start, bottom, back, depth in zip(*days, table["depth"], strict=True)
    ]
