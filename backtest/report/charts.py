"""The charts of a report: plotly figures without colours of the page, each with a summary in words.

Colours of text and grid belong to the page's theme and are added in the browser; lines and areas use hues
that are distinguishable on white and on near-black alike.
"""

import math
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from backtest.result.active_return import BenchmarkComparison
from backtest.result.result import Result
from backtest.signal_study.information_coefficient import InformationCoefficient
from backtest.statistics.significance import ROUNDING
from backtest.sweeps.sweep import Sweep

HUES = (
    "#3b82c4", "#d9822b", "#3a9d6a", "#cf4f57", "#8f6cc9", "#2c9aa6", "#c39b1f", "#c9609f",
    "#6d9150", "#5f73d6", "#a5794b", "#e0785f", "#4aa3d8", "#93962e", "#b06fb6",
)  # fmt: skip
REST, CASH = "#7d8590", "#a9b1ba"
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")  # lines must differ in print without colour
MOST_ASSETS = 15  # more areas than this are not distinguishable
MONTH, HALF_YEAR = 21, 126  # sessions
COLD, WARM = "#cf7b3a", "#3b82c4"  # losses and gains, distinguishable to the colour-blind
MINUS = "\u2212"
DUST = 5e-5  # a weight below half a basis point is the solver's residue


def signed(value: float, form: str, unit: str = "") -> str:
    """Return `value` formatted for readers, with a true minus sign; n/a where it is not finite."""
    return format(value, form).replace("-", MINUS) + unit if math.isfinite(value) else "n/a"


@dataclass(frozen=True)
class Chart:
    """A figure, what it shows in one paragraph, and the dates its traces share.

    Traces without an x of their own are drawn over `dates`: written once, not once per trace, which would be
    half the size of a long report. `height` in pixels.
    """

    key: str
    title: str
    summary: str
    figure: Any
    dates: list[str]
    height: int = 340

    def spec(self) -> dict[str, object]:
        """What the browser needs to draw it, ready for plotly's JSON encoder."""
        plain = self.figure.to_plotly_json()
        data = [trace | {"y": _unpacked(trace["y"])} for trace in plain["data"]]
        return {"dates": self.dates, "height": self.height, **plain, "data": data}


def nav_chart(results: Sequence[Result]) -> Chart:
    """NAV of all results, each 100 at its own first session, over the drawdown of the first in percent."""
    strategy = results[0]
    growth = pd.concat([100.0 * each.nav / each.nav.iloc[0] for each in results], axis=1, sort=True)
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.7, 0.3], vertical_spacing=0.06)
    for number, result in enumerate(results):
        figure.add_trace(_line(result.name, growth.iloc[:, number], number, "%{y:.1f}"), row=1, col=1)
    fall = 100.0 * strategy.drawdown.reindex(growth.index)
    figure.add_trace(_area(f"drawdown of {strategy.name}", fall, HUES[0], "%{y:.1f}%"), row=2, col=1)
    _title_y(figure, "NAV (start = 100)", "drawdown, %")
    figure.update_xaxes(showticklabels=False, row=1, col=1)
    ends = ", ".join(f"{result.name} at {100.0 * (1.0 + result.total_return):.1f}" for result in results)
    words = (
        f"From 100 at its first session each ends: {ends}. The deepest fall of {strategy.name} ended on "
        f"{strategy.drawdown.idxmin():%Y-%m-%d}, {-strategy.max_drawdown:.1%} below its highest value before."
    )
    return Chart("nav", "Net asset value", words, _dressed(figure), _dates(growth.index), 480)


def active_chart(news: BenchmarkComparison) -> Chart:
    """Sum of the strategy's returns less its twin's, in percent: what the news added so far."""
    sums = 100.0 * news.active.cumsum()
    figure = go.Figure(_area("active return so far", sums, HUES[0], "%{y:+.2f}%"))
    _title_y(figure, "% of NAV")
    words = (
        f"{news.name} less {news.benchmark}: the sum of their differences ends at {signed(sums.iloc[-1], '+z.1f')} % "
        f"of NAV, between {signed(sums.min(), '+z.1f')} and {signed(sums.max(), '+z.1f')} on the way. Skill is a "
        "steady rise; chance wanders around zero."
    )
    return Chart("news", "What the news added", words, _dressed(figure, legend=False), _dates(sums.index), 280)


def risk_chart(result: Result) -> Chart:
    """Sharpe ratio of the last half year at each close, over gross and net exposure in percent of NAV."""
    recent = result.returns.rolling(HALF_YEAR)
    spread = recent.std(ddof=1)
    rolling = recent.mean() / spread.where(spread > ROUNDING) * np.sqrt(result.sessions_per_year)
    rolling = rolling.reindex(result.nav.index)
    gross, net = 100.0 * result.weights.abs().sum(axis=1), 100.0 * result.weights.sum(axis=1)
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.08)
    figure.add_trace(_line("rolling Sharpe", rolling, 0, "%{y:.2f}"), row=1, col=1)
    figure.add_trace(_line("gross exposure", gross, 1, "%{y:.0f}%"), row=2, col=1)
    figure.add_trace(_line("net exposure", net, 2, "%{y:.0f}%"), row=2, col=1)
    _title_y(figure, "Sharpe, half year", "% of NAV")
    figure.update_yaxes(rangemode="tozero")
    figure.update_xaxes(showticklabels=False, row=1, col=1)
    known = rolling.dropna()
    ratio = (
        f"The Sharpe ratio of {HALF_YEAR} sessions moves between {signed(known.min(), '.2f')} and "
        f"{signed(known.max(), '.2f')}, and is above zero in {(known > 0).mean():.0%} of sessions."
        if len(known)
        else f"Fewer than {HALF_YEAR} sessions are too few for a rolling Sharpe ratio."
    )
    words = f"{ratio} Exposure averages {gross.mean():.0f}% gross and {signed(net.mean(), '.0f')}% net of NAV."
    return Chart("risk", "Rolling Sharpe ratio and exposure", words, _dressed(figure), _dates(result.nav.index), 400)


def sweep_chart(sweep: Sweep) -> Chart:
    """Sharpe ratio over the two axes of a sweep that take most values, its mean over any others."""
    rows, columns = sorted(sorted(sweep.axes, key=lambda axis: -sweep.table[axis].nunique())[:2], key=sweep.axes.index)
    table = sweep.heat_map(rows, columns)
    values = [_short(line).tolist() for _, line in table.iterrows()]
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=[str(each) for each in table.columns],
            y=[str(each) for each in table.index],
            colorscale=[[0, COLD], [0.5, REST], [1, WARM]],
            zmid=0,
            texttemplate="%{z:.2f}",
            hovertemplate=f"{_label(rows)} %{{y}}, {_label(columns)} %{{x}}: %{{z:.2f}}<extra></extra>",
        )
    )
    _title_y(figure, _label(rows))
    figure = _dressed(figure, legend=False, hover="closest")
    figure.update_xaxes(type="category", title={"text": _label(columns)})
    figure.update_yaxes(type="category")
    words = (
        f"Sharpe ratios of {len(sweep.table)} settings lie between {signed(sweep.table['sharpe'].min(), '.2f')} and "
        f"{signed(sweep.table['sharpe'].max(), '.2f')}; highest: {sweep.described(sweep.best)}. "
        "A hill is worth more than a peak."
    )
    return Chart("sweep", "Settings tried", words, figure, [], 360)


def weights_chart(result: Result) -> Chart:
    """Weights at each close as stacked areas up to 100 % with cash on top; as lines where any is short."""
    weights = largest_weights(result.weights)
    short = bool((weights < -DUST).any(axis=None))
    figure = go.Figure()
    shown = zip(weights.columns[:-1], HUES, strict=False)
    hues = [*(REST if str(name).endswith(" others") else hue for name, hue in shown), CASH]
    for (name, weight), hue in zip(weights.items(), hues, strict=True):
        figure.add_trace(_weight(str(name), 100.0 * weight, hue, stacked=not short))
    _title_y(figure, "% of NAV")
    if not short:
        figure.update_yaxes(range=[0, 100])
    held = (result.weights.abs() > DUST).sum(axis=1)
    means = result.weights.abs().mean().nlargest(3)
    largest = ", ".join(f"{name} {mean:.0%}" for name, mean in means.items() if mean > DUST)
    words = (
        f"{result.name} holds {held.median():.0f} assets in its median session; largest on average: "
        f"{largest or 'none'}. Cash averages {float((1.0 - result.weights.sum(axis=1)).mean()):.0%} of NAV."
    )
    return Chart("weights", "Weights over time", words, _dressed(figure), _dates(weights.index), 460)


def largest_weights(weights: pd.DataFrame) -> pd.DataFrame:
    """Return the assets ever held, by mean absolute weight, then cash; past fifteen the rest as one."""
    size = weights.abs()
    order = size.mean().sort_values(ascending=False, kind="stable").index
    held = [asset for asset in order if size[asset].max() > DUST]
    shown = held if len(held) <= MOST_ASSETS else held[: MOST_ASSETS - 1]
    parts: list[pd.DataFrame | pd.Series] = [weights[shown].rename(columns=str)]
    if len(shown) < len(held):
        parts.append(weights[held[len(shown) :]].sum(axis=1).rename(f"{len(held) - len(shown)} others"))
    return pd.concat([*parts, (1.0 - weights.sum(axis=1)).rename("cash")], axis=1)


def signal_chart(signal: pd.DataFrame) -> Chart:
    """Share of assets that have a signal, over the mean across those assets and its average over a month."""
    coverage, mean = 100.0 * signal.notna().mean(axis=1), signal.mean(axis=1)
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.08)
    figure.add_trace(_area("coverage", coverage, HUES[5], "%{y:.0f}%"), row=1, col=1)
    each = _line("mean signal", mean, 0, "%{y:+.3f}").update(opacity=0.4, line_width=1)
    figure.add_trace(each, row=2, col=1)
    smooth = mean.rolling(MONTH, min_periods=1).mean()
    figure.add_trace(_line(f"its {MONTH}-session average", smooth, 0, "%{y:+.3f}"), row=2, col=1)
    _title_y(figure, "coverage, %", "mean signal")
    figure.update_yaxes(rangemode="tozero", row=1, col=1)
    figure.update_xaxes(showticklabels=False, row=1, col=1)
    words = (
        f"On average {coverage.mean():.0f}% of the {signal.shape[1]} assets have a signal, in the leanest "
        f"session {coverage.min():.0f}%. The mean across assets averages {signed(mean.mean(), '+z.3f')} and "
        f"moves between {signed(mean.min(), '+z.3f')} and {signed(mean.max(), '+z.3f')}."
    )
    return Chart("signal", "Signal", words, _dressed(figure, legend=False), _dates(signal.index), 360)


def ic_chart(coefficients: Sequence[InformationCoefficient]) -> Chart:
    """Running sum of each per-session rank IC: steady skill is a straight line, none wanders around 0."""
    table = pd.concat([each.per_session.rename(each.name) for each in coefficients], axis=1, sort=True)
    table = table.loc[table.first_valid_index() :]  # the signal may begin long after the prices
    sums = table.cumsum()  # skips sessions without one
    figure = go.Figure()
    for number, each in enumerate(coefficients):
        line = _line(each.name, sums.iloc[:, number], number, "%{y:.2f}")
        figure.add_trace(line.update(connectgaps=True))
    _title_y(figure, "sum of rank IC so far")
    last = sums.ffill().iloc[-1]
    ends = "; ".join(f"{name} {signed(value, '+z.1f')}" for name, value in last.items())
    words = f"Sum over all sessions: {ends}. Steady skill is a straight line; none wanders around zero."
    return Chart("ic", "Information coefficient", words, _dressed(figure), _dates(table.index))


def cost_chart(result: Result) -> Chart:
    """Trading costs of each month, in basis points of the NAV before each fill."""
    paid = 1e4 * (result.costs / result.nav.shift(1)).fillna(0.0)  # nothing is filled in the first session
    months = paid.resample("MS").sum()
    hover = "%{x|%b %Y}: %{y:.1f} bp<extra></extra>"
    bar = go.Bar(x=_dates(months.index), y=_short(months), marker={"color": HUES[0]}, hovertemplate=hover)
    figure = go.Figure(bar.update(name="costs", xperiod="M1"))
    _title_y(figure, "basis points")
    words = (
        f"Trading costs {months.mean():.1f} basis points of NAV a month on average, most in "
        f"{months.idxmax():%B %Y} with {months.max():.1f}; in money {result.costs.sum():,.0f} in all."
    )
    return Chart("costs", "Costs per month", words, _dressed(figure, legend=False, hover="closest"), [], 280)


def _line(name: str, values: pd.Series, number: int, template: str) -> Any:
    hue, dash = HUES[number % len(HUES)], DASHES[number % len(DASHES)]
    line = {"color": hue, "dash": dash, "width": 2.2 if number == 0 else 1.6}
    return go.Scatter(name=_label(name), y=_short(values), mode="lines", hovertemplate=template, line=line)


def _area(name: str, values: pd.Series, hue: str, template: str) -> Any:
    trace = go.Scatter(name=_label(name), y=_short(values), mode="lines", hovertemplate=template, fill="tozeroy")
    return trace.update(line={"color": hue, "width": 1}, showlegend=False)


def _weight(name: str, values: pd.Series, hue: str, *, stacked: bool) -> Any:
    # Four decimals of a percent: what is left of a weight after a solver's tolerance.
    trace = go.Scatter(name=_label(name), y=_short(values.round(4)), mode="lines", hovertemplate="%{y:.1f}%")
    if stacked:
        return trace.update(stackgroup="weights", fillcolor=hue, line={"color": hue, "width": 0})
    return trace.update(line={"color": hue, "width": 1.4})


def _title_y(figure: Any, *titles: str) -> None:
    for row, title in enumerate(titles, start=1):
        figure.update_layout({f"yaxis{row if row > 1 else ''}": {"title": {"text": title, "standoff": 8}}})


def _dressed(figure: Any, *, legend: bool = True, hover: str = "x unified") -> Any:
    figure.update_layout(
        template="none",
        showlegend=legend,
        hovermode=hover,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"},
    )
    figure.update_yaxes(automargin=True)
    figure.update_xaxes(type="date", automargin=True, hoverformat="%a %d %b %Y", tickangle=0)
    return figure


def _label(text: str) -> str:
    """A trace's name as plain text: plotly reads tags such as <a> and <b> in it."""
    return escape(text, quote=False)


def _short(values: pd.Series) -> NDArray[np.float64]:
    """Six significant digits: more than a screen has pixels, a third of the bytes.

    As an array of floats: plotly looks at each value of a list, and copies each of an array of objects, several times.
    """
    return np.array([float(f"{number:.6g}") for number in values.to_numpy(dtype=np.float64).tolist()])


def _unpacked(values: object) -> object:
    """Numbers that plotly packed as bytes, three times as long as six digits are, as a list; NaN is None."""
    if not isinstance(values, dict):
        return values
    numbers = np.frombuffer(b64decode(values["bdata"]), values["dtype"]).tolist()
    return [number if math.isfinite(number) else None for number in numbers]


def _dates(sessions: pd.Index) -> list[str]:
    return [str(day) for day in np.datetime_as_string(sessions.to_numpy(), unit="D")]
