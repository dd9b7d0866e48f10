"""write_report(): results as one HTML file that opens offline and asks nothing of any network."""

from collections.abc import Mapping
from pathlib import Path

from allocation.errors import FrameError
from backtest.report.charts import (
    Chart,
    active_chart,
    cost_chart,
    ic_chart,
    nav_chart,
    risk_chart,
    signal_chart,
    sweep_chart,
    weights_chart,
)
from backtest.report.headlines import DAYS_AFTER, DAYS_BEFORE, Headlines, checked_headlines
from backtest.report.manifest import manifest_rows
from backtest.report.report import Report, span
from backtest.report.tables import (
    ATTRIBUTION_HEADER,
    IC_HEADER,
    RATIO_HEADER,
    attribution_rows,
    benchmark_table,
    cost_table,
    ic_row,
    monthly_returns,
    ratio_rows,
    result_rows,
    worst_drawdowns,
)
from backtest.result.result import HEADER
from newsfolio.shared.atomic import write_text
from newsfolio.shared.page import render_page

SECTIONS = (
    ("news", "What the news added"),
    ("figures", "Figures"),
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
OPTIONAL = ("news", "signal", "ic", "sweep", "manifest")


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
    strategy = report.strategy
    drawn = [] if report.news is None else [active_chart(report.news)]
    drawn += [nav_chart(report.results), risk_chart(strategy), weights_chart(strategy), cost_chart(strategy)]
    if report.signal is not None:
        drawn.append(signal_chart(report.signal))
    if report.coefficients:
        drawn.append(ic_chart(report.coefficients))
    if report.sweep is not None and len(report.sweep.axes) > 1:
        drawn.append(sweep_chart(report.sweep))
    charts = {chart.key: chart for chart in drawn}
    specs = {key: chart.spec() for key, chart in charts.items()}
    content = _content(report, news, charts)
    html = render_page("backtest.report", "report.html.jinja", content, style="report.css", charts=specs)
    return write_text(html, path)


def _content(report: Report, news: Headlines | None, charts: Mapping[str, Chart]) -> dict[str, object]:
    strategy, given = report.strategy, {*charts, "manifest" if report.manifest else ""}
    return {
        "title": report.title,
        "notices": report.warnings,
        "span": span(strategy),
        "lead": report.lead,
        "sections": [each for each in SECTIONS if each[0] not in OPTIONAL or each[0] in given],
        "closing": "A simulation of the past promises nothing. ",
        "header": HEADER,
        "rows": result_rows(report.results),
        "ic_header": IC_HEADER,
        "ic_rows": [ic_row(each) for each in report.coefficients],
        "attribution_header": ATTRIBUTION_HEADER,
        "attribution_rows": [] if report.attribution is None else attribution_rows(report.attribution),
        "benchmarks": benchmark_table(report.comparisons),
        "ratio_header": RATIO_HEADER,
        "ratio_rows": ratio_rows(strategy),
        "evidence": report.evidence,
        "cost_table": cost_table(report.strategy, report.twin),
        "strategy": strategy.name,
        "years": monthly_returns(strategy.nav),
        "drawdowns": worst_drawdowns(strategy.drawdown, news),
        "headlines": news and {"by": news.by, "before": DAYS_BEFORE, "after": DAYS_AFTER},
        "notes": report.notes,
        "manifest": list(manifest_rows(report.manifest or {})),
        "charts": charts,
    }
