"""write_report(): results as one HTML file that opens offline and asks nothing of any network."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from allocation.errors import FrameError
from backtest.report.charts import (
    Chart,
    cost_chart,
    ic_chart,
    nav_chart,
    risk_chart,
    signal_chart,
    signed,
    sweep_chart,
    weights_chart,
)
from backtest.report.headlines import DAYS_AFTER, DAYS_BEFORE, Headlines, checked_headlines
from backtest.report.manifest import manifest_rows
from backtest.report.tables import (
    ATTRIBUTION_HEADER,
    IC_HEADER,
    RATIO_HEADER,
    attribution_rows,
    benchmark_table,
    evidence_rows,
    ic_row,
    monthly_returns,
    ratio_rows,
    result_rows,
    worst_drawdowns,
)
from backtest.result.attribution import Attribution
from backtest.result.result import HEADER, Result
from backtest.signal_study.information_coefficient import InformationCoefficient, Placebo
from backtest.sweeps.sweep import Sweep
from newsfolio.shared.atomic import write_text
from newsfolio.shared.page import render_page

SECTIONS = (
    ("figures", "Figures"),
    ("significance", "Significance"),
    ("nav", "Net asset value"),
    ("risk", "Risk"),
    ("weights", "Weights"),
    ("signal", "Signal"),
    ("ic", "Information coefficient"),
    ("sweep", "Settings tried"),
    ("costs", "Costs"),
    ("months", "Months"),
    ("drawdowns", "Drawdowns"),
    ("notes", "Notes"),
    ("manifest", "Manifest"),
)
OPTIONAL = ("signal", "ic", "sweep", "manifest")


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a report shows.

    results: the strategy's first, then those it is compared with. notice: a sentence shown above everything else.
    coefficients: of the signal. signal: sessions × assets, NaN where there is no news. headlines: columns published
    (UTC) or session, asset, text and, where known, score and url, shown with the worst drawdowns; see
    checked_headlines. placebo: what shuffled signals gave. sweep: the settings tried before this strategy was chosen,
    by which its Sharpe ratio is deflated; tried: how many they were, where there is no sweep of them. attribution:
    where the strategy's return came from. capacity: of the strategy, in money, as capacity() gives it by default.
    manifest: how the results came about, nested mappings allowed.
    """

    title: str
    results: Sequence[Result]
    notice: str = ""
    coefficients: Sequence[InformationCoefficient] = ()
    signal: pd.DataFrame | None = None
    headlines: pd.DataFrame | None = None
    placebo: Placebo | None = None
    sweep: Sweep | None = None
    tried: int | None = None
    attribution: Attribution | None = None
    capacity: float | None = None
    manifest: Mapping[str, object] | None = None


def write_report(report: Report, path: str | Path) -> Path:
    """Write tables and charts as one HTML file and return its path; a crash leaves an older file whole.

    The same report gives the same bytes.

    Raises:
        FrameError: there is no result, or the headlines are not such a table.
        AllocationError: tried is less than one.
    """
    if not report.results:
        raise FrameError("a report needs at least one result: give the strategy's first, then its benchmarks")
    news = None if report.headlines is None else checked_headlines(report.headlines)
    charts = {chart.key: chart for chart in _charts(report)}
    specs = {key: chart.spec() for key, chart in charts.items()}
    content = _content(report, news, charts)
    html = render_page("backtest.report", "report.html.jinja", content, style="report.css", charts=specs)
    return write_text(html, path)


def _charts(report: Report) -> list[Chart]:
    strategy = report.results[0]
    charts = [nav_chart(report.results), risk_chart(strategy), weights_chart(strategy), cost_chart(strategy)]
    if report.signal is not None:
        charts.append(signal_chart(report.signal))
    if report.coefficients:
        charts.append(ic_chart(report.coefficients))
    if report.sweep is not None and len(report.sweep.axes) > 1:
        charts.append(sweep_chart(report.sweep))
    return charts


def _content(report: Report, news: Headlines | None, charts: Mapping[str, Chart]) -> dict[str, object]:
    results, strategy = report.results, report.results[0]
    figures = strategy.figures()
    tried = report.sweep if report.sweep is not None else report.tried
    given = {*charts, "manifest" if report.manifest else ""}
    return {
        "title": report.title,
        "notices": [report.notice] if report.notice else [],
        "span": _span(strategy),
        "lead": [_lead(strategy.name, figures)],
        "sections": [each for each in SECTIONS if each[0] not in OPTIONAL or each[0] in given],
        "closing": "A simulation of the past promises nothing. ",
        "header": HEADER,
        "rows": result_rows(results),
        "ic_header": IC_HEADER,
        "ic_rows": [ic_row(each) for each in report.coefficients],
        "attribution_header": ATTRIBUTION_HEADER,
        "attribution_rows": [] if report.attribution is None else attribution_rows(report.attribution),
        "benchmarks": benchmark_table(results),
        "ratio_header": RATIO_HEADER,
        "ratio_rows": ratio_rows(strategy, report.capacity),
        "evidence": evidence_rows(strategy, figures, report.placebo, tried, report.coefficients),
        "strategy": strategy.name,
        "years": monthly_returns(strategy.nav),
        "drawdowns": worst_drawdowns(strategy.drawdown, news),
        "headlines": news and {"by": news.by, "before": DAYS_BEFORE, "after": DAYS_AFTER},
        "notes": [(result.name, notes) for result in results if (notes := _notes(result, strategy))],
        "manifest": list(manifest_rows(report.manifest or {})),
        "charts": charts,
    }


def _span(result: Result) -> str:
    first, last = result.nav.index[0].date(), result.nav.index[-1].date()
    return f"{first} to {last}, {len(result.nav)} sessions, {result.sessions_per_year} a year, net of costs"


def _lead(name: str, figures: Mapping[str, float]) -> str:
    """One sentence that says what was earned and whether chance alone could explain it."""
    low, high = figures["sharpe_low"], figures["sharpe_high"]
    earned = f"{name} returned {signed(figures['annual_return'], '+z.1%')} a year"
    if math.isnan(low):
        return f"{earned}; its Sharpe ratio is undefined."
    verdict = "includes zero: chance alone could explain it" if low <= 0 <= high else "does not include zero"
    return (
        f"{earned} at {figures['volatility']:.1%} volatility. The 95 % interval of its Sharpe ratio, "
        f"{signed(low, '.2f')} to {signed(high, '.2f')}, {verdict}."
    )


def _notes(result: Result, strategy: Result) -> list[str]:
    ends = result.nav.index[[0, -1]]
    other = [] if (ends == strategy.nav.index[[0, -1]]).all() else [f"covers other sessions: {_span(result)}"]
    return [*other, *result.notes]
