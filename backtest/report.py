"""write_report(): results as one HTML file that opens offline and asks nothing of any network."""

import gzip
import math
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup
from numpy.typing import NDArray
from plotly.io.json import to_json_plotly

from allocation.errors import FrameError
from allocation.files import write_text
from allocation.frames import named
from backtest.charts import Chart, cost_chart, ic_chart, nav_chart, signal_chart, signed, weights_chart
from backtest.result import HEADER, Result
from backtest.signal_quality import InformationCoefficient

Values = NDArray[np.float64]

MOST_DRAWDOWNS, MOST_HEADLINES = 5, 3
DAYS_BEFORE, DAYS_AFTER = 3, 1  # three days, so that a Monday's bottom sees Friday's news
HEADLINE_COLUMNS = ("published", "asset", "text")
IC_HEADER = ("", "mean", "95 % interval", "t", "sessions")


def write_report(
    path: str | Path,
    results: Sequence[Result],
    *,
    title: str,
    notice: str = "",
    coefficients: Sequence[InformationCoefficient] = (),
    signal: pd.DataFrame | None = None,
    headlines: pd.DataFrame | None = None,
    manifest: Mapping[str, object] | None = None,
) -> Path:
    """Write tables and charts of `results`, the first being the strategy, and return the path written.

    notice: a sentence shown above everything else. signal: sessions × assets, NaN where there is no news.
    headlines: columns published (UTC), asset, text and, where known, score (negative is bad news) and url;
    shown beside the worst drawdowns. manifest: how the results came about, nested mappings allowed. A crash
    leaves an older file whole.

    Raises:
        FrameError: no result was given, or headlines lacks a column.
    """
    if not results:
        raise FrameError("a report needs at least one result: give the strategy's first, then its benchmarks")
    strategy, figures = results[0], [result.figures() for result in results]
    content = {
        "title": title,
        "notice": notice,
        "span": _span(strategy),
        "lead": _lead(strategy.name, figures[0]),
        "header": HEADER,
        "rows": [_headline_row(result.name, each) for result, each in zip(results, figures, strict=True)],
        "ic_header": IC_HEADER,
        "ic_rows": [_ic_row(each) for each in coefficients],
        "strategy": strategy.name,
        "years": monthly_returns(strategy.nav),
        "drawdowns": worst_drawdowns(strategy.drawdown, _checked(headlines)),
        "has_headlines": headlines is not None,
        "window": (DAYS_BEFORE, DAYS_AFTER),
        "notes": [(result.name, notes) for result in results if (notes := _notes(result, strategy))],
        "manifest": list(_flat(manifest or {})),
    }
    charts = _charts(results, coefficients, signal)
    return write_text(_template().render(content | _shell(charts)), path)


def _charts(
    results: Sequence[Result], coefficients: Sequence[InformationCoefficient], signal: pd.DataFrame | None
) -> list[Chart]:
    charts = [nav_chart(results), weights_chart(results[0]), cost_chart(results[0])]
    if signal is not None:
        charts.append(signal_chart(signal))
    if coefficients:
        charts.append(ic_chart(coefficients))
    return charts


def _shell(charts: Sequence[Chart]) -> dict[str, object]:
    """Style, scripts and figures, and the policy that lets a browser run these two scripts and no other."""
    script, plotly = _asset("report.js"), _plotly()
    return {
        "charts": {chart.key: chart for chart in charts},
        "figures": _figures_json(charts),
        "style": Markup(_asset("report.css")),  # noqa: S704 - our own file
        "script": Markup(script),  # noqa: S704 - our own file
        # 4.8 MB as it is, 2 MB so; mtime 0 because the same results shall give the same bytes.
        "plotly": b64encode(gzip.compress(plotly, 9, mtime=0)).decode(),
        "policy": _content_security_policy(script.encode(), plotly),
    }


def _plotly() -> bytes:
    return files("plotly").joinpath("package_data", "plotly.min.js").read_bytes()


def _asset(name: str) -> str:
    return files("backtest.data").joinpath(name).read_text(encoding="utf-8")


def _template() -> Template:
    strict = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return strict.from_string(_asset("report.html.jinja"))


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


def _headline_row(name: str, figures: Mapping[str, float]) -> tuple[str, ...]:
    interval = (signed(figures[end], ".2f") for end in ("sharpe_low", "sharpe_high"))
    return (
        name,
        signed(figures["total_return"], "+z.1%"),
        signed(figures["annual_return"], "+z.1%"),
        signed(figures["volatility"], ".1%"),
        signed(figures["sharpe"], ".2f"),
        " to ".join(interval),
        signed(figures["max_drawdown"], ".1%"),
        signed(figures["annual_turnover"], ".1f", "x"),
        signed(1e4 * figures["annual_cost"], ".0f", " bp"),
    )


def _ic_row(coefficient: InformationCoefficient) -> tuple[str, ...]:
    low, high = coefficient.interval
    return (
        coefficient.name,
        signed(coefficient.mean, "+z.4f"),
        f"{signed(low, '+z.4f')} to {signed(high, '+z.4f')}",
        signed(coefficient.t, ".1f"),
        f"{coefficient.per_session.notna().sum()}",
    )


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
class Headline:
    """A headline as the report shows it; `url` is empty unless it is safe to follow."""

    published: str
    asset: str
    text: str
    score: str
    url: str


@dataclass(frozen=True)
class Drawdown:
    """A fall below the highest NAV so far: the last day there, the lowest, the first back (None: not yet)."""

    start: pd.Timestamp
    bottom: pd.Timestamp
    recovered: pd.Timestamp | None
    depth: str
    headlines: tuple[Headline, ...]


def worst_drawdowns(drawdown: pd.Series, headlines: pd.DataFrame | None) -> list[Drawdown]:
    """Return the deepest falls, deepest first, each with the headlines published around its bottom."""
    values, days = drawdown.to_numpy(), pd.DatetimeIndex(drawdown.index)
    peaks = np.append(np.flatnonzero(values == 0.0), len(values))
    spans = [(first, after) for first, after in pairwise(peaks.tolist()) if after - first > 1]
    deepest = sorted(spans, key=lambda span: float(values[slice(*span)].min()))[:MOST_DRAWDOWNS]
    return [_drawdown(values, days, span, headlines) for span in deepest]


def _drawdown(
    values: Values, days: pd.DatetimeIndex, span: tuple[int, int], headlines: pd.DataFrame | None
) -> Drawdown:
    first, after = span
    lowest = first + int(values[first:after].argmin())
    return Drawdown(
        start=days[first],
        bottom=days[lowest],
        recovered=days[after] if after < len(days) else None,
        depth=signed(float(values[lowest]), ".1%"),
        headlines=() if headlines is None else tuple(_around(days[lowest], headlines)),
    )


def _checked(headlines: pd.DataFrame | None) -> pd.DataFrame | None:
    """Headlines with publication times in UTC and a numeric score, NaN where none is known."""
    if headlines is None:
        return None
    absent = [column for column in HEADLINE_COLUMNS if column not in headlines.columns]
    if absent:
        raise FrameError(f"headlines lacks {named(absent)}: give the columns {named(HEADLINE_COLUMNS)}")
    published = pd.to_datetime(headlines["published"], utc=True)
    score = pd.to_numeric(headlines["score"]) if "score" in headlines.columns else float("nan")
    return headlines.assign(published=published, score=score)


def _around(bottom: pd.Timestamp, headlines: pd.DataFrame) -> Iterator[Headline]:
    """The headlines of the days around `bottom`: most negative first, then nearest in time."""
    day = bottom.tz_localize("UTC")
    since, until = day - pd.Timedelta(days=DAYS_BEFORE), day + pd.Timedelta(days=DAYS_AFTER + 1)
    near = headlines[(headlines["published"] >= since) & (headlines["published"] < until)]
    near = near.assign(distance=(near["published"] - day).abs())
    worst = near.sort_values(["score", "distance"], kind="stable").head(MOST_HEADLINES)
    for row in worst.to_dict("records"):
        yield Headline(
            published=f"{row['published']:%Y-%m-%d %H:%M}",
            asset=str(row["asset"]),
            text=str(row["text"]),
            score="" if math.isnan(row["score"]) else signed(row["score"], "+z.2f"),
            url=_web_address(row.get("url")),
        )


def _web_address(url: object) -> str:
    """Return `url` if it is an http or https address, else nothing: `javascript:` would run when clicked."""
    if not isinstance(url, str):
        return ""
    try:
        parts = urlsplit(url)
    except ValueError:  # such as an unclosed IPv6 bracket
        return ""
    return url if parts.scheme in ("http", "https") and parts.netloc else ""


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
