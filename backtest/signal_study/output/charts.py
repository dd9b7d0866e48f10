"""The pictures of a study as plain geometry, for a template to draw as SVG: pixels of the view box, y down."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from backtest.signal_study.output.tables import BASIS, IC, RATIO, Form
from newsfolio.shared.arrays import FloatArray

if TYPE_CHECKING:
    from backtest.signal_study.study import Study

WIDE, HIGH = 720.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 708.0, 12.0, 262.0
MOST_POINTS = 600  # more than a screen shows
ROOM = 0.06  # of the range, above and below
TICKS = 5


@dataclass(frozen=True)
class Tick:
    """A mark of an axis: where, and what it says."""

    at: float
    text: str


@dataclass(frozen=True)
class Line:
    """A polyline with its name, and the outline of its interval where it has one."""

    name: str
    points: str
    band: str = ""


@dataclass(frozen=True)
class Dot:
    """A figure with its interval, and behind it the range of placebos; text for a tooltip."""

    x: float
    y: float
    low: float
    high: float
    placebo: tuple[float, float] | None
    words: str


@dataclass(frozen=True)
class Picture:
    """One chart: lines or dots over a common axis, and what it shows in words."""

    key: str
    title: str
    words: str
    across: list[Tick]
    up: list[Tick]
    zero: float
    lines: list[Line]
    dots: list[Dot]


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float

    def y(self, value: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * (value - self.low) / (self.high - self.low), 1)

    def ticks(self, form: Form) -> list[Tick]:
        """Marks at round values, some five of them."""
        least = (self.high - self.low) / TICKS
        power = 10.0 ** math.floor(math.log10(least))
        step = next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= least)
        first = math.ceil(self.low / step)
        marks = [step * place for place in range(first, math.floor(self.high / step) + 1)]
        return [Tick(self.y(mark), form(mark)) for mark in marks]


def pictures(study: "Study") -> list[Picture]:
    """Return all pictures of a study that have anything to show."""
    of_quantiles, title = f"{study.entry}, 1 session, quantile", "Returns of quantiles over one session, basis points"
    drawn = (
        _dots(study, "horizons", "rank IC", study.entry, "Rank IC by sessions held", IC),
        _dots(study, "decay", "single session", "", "Decay: rank IC with single sessions", IC),
        _sums(study),
        _dots(study, "quantiles", "quantile return", of_quantiles, title, BASIS),
        _events(study),
        _dots(study, "years", "year", "", "Rank IC by year", IC),
        _dots(study, "sectors", "sector", "", "Rank IC by sector", IC),
    )
    return [picture for picture in drawn if picture is not None]


def _dots(study: "Study", key: str, section: str, start: str, title: str, form: Form) -> Picture | None:
    table = study.figures[study.figures.index.get_level_values(0) == section].droplevel(0)
    table = table.loc[table.index.str.startswith(start) & table["value"].notna()]
    if table.empty:
        return None
    scale = _scale(table[["value", "low", "high", "assets_low", "assets_high", "time_low", "time_high"]].to_numpy())
    step = (RIGHT - LEFT) / len(table)
    places = [LEFT + step * (place + 0.5) for place in range(len(table))]
    names = [str(name).removeprefix(start).removeprefix(", ").strip() for name in table.index]
    dots = [_dot(x, row, name, scale, form) for x, name, (_, row) in zip(places, names, table.iterrows(), strict=True)]
    across = [Tick(round(x, 1), name) for x, name in zip(places, names, strict=True)]
    above = int((table["value"] > table[["assets_high", "time_high"]].max(axis=1)).sum())
    words = (
        f"From {form(table['value'].min())} to {form(table['value'].max())}; {above} of {len(table)} lie above the "
        "range of placebos, drawn in grey. Lines are 95 % intervals."
    )
    return Picture(key, title, words, across, scale.ticks(form), scale.y(0.0), [], dots)


def _dot(x: float, row: pd.Series, name: str, scale: _Scale, form: Form) -> Dot:
    known = math.isfinite(row["low"])
    low, high = (row["low"], row["high"]) if known else (row["value"], row["value"])
    least, most = min(row["assets_low"], row["time_low"]), max(row["assets_high"], row["time_high"])
    placebos = math.isfinite(least) and math.isfinite(most)
    words = f"{name}: {form(row['value'])}" + (f" ({form(low)} to {form(high)})" if known else ", no interval")
    words += f"; placebos {form(least)} to {form(most)}" if placebos else ""
    placebo = (scale.y(most), scale.y(least)) if placebos else None
    return Dot(round(x, 1), scale.y(row["value"]), scale.y(low), scale.y(high), placebo, words)


def _sums(study: "Study") -> Picture | None:
    sums = study.per_session.cumsum().ffill().fillna(0.0)
    if not study.per_session.notna().any(axis=None):
        return None
    sums = sums.iloc[:: math.ceil(len(sums) / MOST_POINTS)]
    scale = _scale(sums.to_numpy())
    x = np.linspace(LEFT, RIGHT, len(sums))
    lines = [Line(str(name), _points(x, values.to_numpy(), scale)) for name, values in sums.items()]
    ends = "; ".join(f"{name} {value:+.1f}" for name, value in sums.iloc[-1].items())
    words = f"Sum so far: {ends}. Steady skill is a straight line; none wanders around zero."
    chosen = np.unique(np.linspace(0, len(sums) - 1, 6).round().astype(int))[1:-1]
    dates = pd.DatetimeIndex(sums.index)
    across = [Tick(round(float(x[place]), 1), f"{dates[place]:%b %Y}") for place in chosen]
    return Picture("sums", "Running sum of rank ICs", words, across, scale.ticks(RATIO), scale.y(0.0), lines, [])


def _events(study: "Study") -> Picture | None:
    shown = [each for each in study.events if each.events]
    if not shown:
        return None
    widths = [np.nan_to_num(each.critical_value * each.error) for each in shown]
    edges = [each.abnormal + sign * room for each, room in zip(shown, widths, strict=True) for sign in (-1, 1)]
    scale = _scale(np.concatenate(edges))
    offsets = shown[0].offsets
    x = np.linspace(LEFT, RIGHT, len(offsets))
    lines = []
    for each in shown:
        half_width = each.critical_value * each.error
        upper = _points(x, each.abnormal + half_width, scale)
        lower = _points(x[::-1], (each.abnormal - half_width)[::-1], scale)
        band = f"{upper} {lower}" if np.isfinite(half_width).all() else ""  # events of one session have no interval
        lines.append(Line(each.name, _points(x, each.abnormal, scale), band))
    ends = "; ".join(f"{each.name}, {each.events:,} events: {BASIS(each.abnormal[-1])} bp" for each in shown)
    words = (
        f"Cumulative abnormal return (less the mean of all assets) from session -5 to +10, basis points: {ends}. "
        "What comes after session 0 could be earned; bands are 95 % intervals."
    )
    across = [Tick(round(float(place), 1), f"{offset:+d}") for place, offset in zip(x, offsets, strict=True)]
    return Picture("events", "Around strong news", words, across, scale.ticks(BASIS), scale.y(0.0), lines, [])


def _points(x: FloatArray, values: FloatArray, scale: _Scale) -> str:
    return " ".join(f"{place:.1f},{scale.y(float(value))}" for place, value in zip(x, values, strict=True))


def _scale(values: FloatArray) -> _Scale:
    """A range that holds all values and zero."""
    known = values[np.isfinite(values)]
    low, high = min(float(known.min(initial=0.0)), 0.0), max(float(known.max(initial=0.0)), 0.0)
    room = ROOM * (high - low) or 1.0
    return _Scale(low - room, high + room)
