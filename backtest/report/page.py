"""write_report(): results as one HTML file that opens offline and asks nothing of any network."""

import gzip
import math
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import pandas as pd
from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup
from plotly.io.json import to_json_plotly

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
from backtest.report.headlines import DAYS_AFTER, DAYS_BEFORE, checked_headlines
from backtest.report.tables import (
    ATTRIBUTION_HEADER,
    IC_HEADER,
    RATIO_HEADER,
    attribution_rows,
    benchmark_table,
    evidence_rows,
    headline_row,
    ic_row,
    monthly_returns,
    ratio_rows,
    worst_drawdowns,
)
from backtest.result.attribution import Attribution
from backtest.result.result import HEADER, Result
from backtest.signal_study.information_coefficient import InformationCoefficient, Placebo
from backtest.sweeps.sweep import Sweep
from newsfolio.shared.atomic import write_text
from newsfolio.shared.page import asset, page_style


def write_report(
    path: str | Path,
    results: Sequence[Result],
    *,
    title: str,
    notice: str = "",
    coefficients: Sequence[InformationCoefficient] = (),
    signal: pd.DataFrame | None = None,
    headlines: pd.DataFrame | None = None,
    placebo: Placebo | None = None,
    sweep: Sweep | None = None,
    tried: int | None = None,
    attribution: Attribution | None = None,
    capacity: float | None = None,
    manifest: Mapping[str, object] | None = None,
) -> Path:
    """Write tables and charts of `results`, the first being the strategy, and return the path written.

    notice: a sentence shown above everything else. signal: sessions × assets, NaN where there is no news.
    headlines: columns published (UTC) or session, asset, text and, where known, score and url, shown beside the
    worst drawdowns; see checked_headlines. placebo and sweep: what shuffled signals gave, and the settings that were
    tried before this strategy was chosen, by which its Sharpe ratio is deflated; tried: how many they were, where
    there is no sweep of them. attribution: where the strategy's return came from. capacity: of the strategy, in money,
    as capacity() gives it if asked for nothing else. manifest: how the results came about, nested mappings allowed. A
    crash leaves an older file whole.

    Raises:
        FrameError: no result was given, or headlines are not such a table.
        AllocationError: tried is less than one.
    """
    if not results:
        raise FrameError("a report needs at least one result: give the strategy's first, then its benchmarks")
    strategy, figures = results[0], [result.figures() for result in results]
    news = None if headlines is None else checked_headlines(headlines)
    content = {
        "title": title,
        "notice": notice,
        "span": _span(strategy),
        "lead": _lead(strategy.name, figures[0]),
        "header": HEADER,
        "rows": [headline_row(result.name, each) for result, each in zip(results, figures, strict=True)],
        "ic_header": IC_HEADER,
        "ic_rows": [ic_row(each) for each in coefficients],
        "attribution_header": ATTRIBUTION_HEADER,
        "attribution_rows": [] if attribution is None else attribution_rows(attribution),
        "benchmarks": benchmark_table(results),
        "ratio_header": RATIO_HEADER,
        "ratio_rows": ratio_rows(strategy, capacity),
        "evidence": evidence_rows(strategy, figures[0], placebo, sweep or tried, coefficients),
        "strategy": strategy.name,
        "years": monthly_returns(strategy.nav),
        "drawdowns": worst_drawdowns(strategy.drawdown, news),
        "headlines": news and {"by": news.by, "before": DAYS_BEFORE, "after": DAYS_AFTER},
        "notes": [(result.name, notes) for result in results if (notes := _notes(result, strategy))],
        "manifest": list(_flat(manifest or {})),
    }
    charts = _charts(results, coefficients, signal, sweep)
    return write_text(_template().render(content | _shell(charts)), path)


def _charts(
    results: Sequence[Result],
    coefficients: Sequence[InformationCoefficient],
    signal: pd.DataFrame | None,
    sweep: Sweep | None,
) -> list[Chart]:
    charts = [nav_chart(results), risk_chart(results[0]), weights_chart(results[0]), cost_chart(results[0])]
    if signal is not None:
        charts.append(signal_chart(signal))
    if coefficients:
        charts.append(ic_chart(coefficients))
    if sweep is not None and len(sweep.axes) > 1:
        charts.append(sweep_chart(sweep))
    return charts


def _shell(charts: Sequence[Chart]) -> dict[str, object]:
    """Style, scripts and figures, and the policy that lets a browser run these two scripts and no other."""
    script, plotly = asset("backtest.report", "report.js"), _plotly()
    return {
        "charts": {chart.key: chart for chart in charts},
        "figures": _figures_json(charts),
        "style": Markup(page_style()),  # noqa: S704 - our own file
        "script": Markup(script),  # noqa: S704 - our own file
        # 4.8 MB as it is, 2 MB so, little less by trying harder; mtime 0: the same results shall give the same bytes.
        "plotly": b64encode(gzip.compress(plotly, 4, mtime=0)).decode(),
        "policy": _content_security_policy(script.encode(), plotly),
    }


def _plotly() -> bytes:
    return files("plotly").joinpath("package_data", "plotly.min.js").read_bytes()


def _template() -> Template:
    strict = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return strict.from_string(asset("backtest.report", "report.html.jinja"))


def _content_security_policy(*scripts: bytes) -> str:
    """Scripts run by the hash of their text, so an injected one would not even if escaping failed.

    Styles cannot be hashed likewise: plotly sets them on the elements that it draws.
    """
    hashes = " ".join(f"'sha256-{b64encode(sha256(script).digest()).decode()}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _figures_json(charts: Sequence[Chart]) -> Markup:
    """Figures as JSON that no text in them can break out of: the first `</script` would end the element."""
    text = str(to_json_plotly({chart.key: chart.spec() for chart in charts}))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - escaped above


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


def _flat(manifest: Mapping[str, object], above: str = "") -> Iterator[tuple[str, str]]:
    """Nested mappings as dotted names, sequences as comma-separated text."""
    for key, value in manifest.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        elif isinstance(value, (list, tuple)):
            yield f"{above}{key}", ", ".join(map(str, value))
        else:
            yield f"{above}{key}", str(value)
