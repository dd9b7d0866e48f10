"""The pictures of a study as plain geometry, for a template to draw as SVG: pixels of the view box, y down."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtest.signal_study.output.tables import BASIS, IC, RATIO, Form
from newsfolio.shared.arrays import FloatArray

if TYPE_CHECKING:
    from backtest.signal_study.study import Study

Values = NDArray[np.float64]

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
    """A figure with its interval, and behind it where shuffled signals lie; words for who points at it."""

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
        step = _round_step((self.high - self.low) / TICKS)
        first = math.ceil(self.low / step)
        marks = [step * place for place in range(first, math.floor(self.high / step) + 1)]
        return [Tick(self.y(mark), form(mark)) for mark in marks]


def pictures(study: "Study") -> list[Picture]:
    """Return all pictures of a study that have anything to show."""
    return [
        picture
        for picture in (
            _dots(study, "horizons", "rank IC", study.entry, "Rank IC by sessions held", IC),
            _dots(study, "decay", "single session", "", "Decay: rank IC with single sessions", IC),
            _sums(study),
            _dots(study, "quantiles", "quantile return", f"{study.entry}, 1 session, quantile",
                  "Returns of quantiles over one session, basis points", BASIS),
            _events(study),
            _dots(study, "years", "year", "", "Rank IC by year", IC),
            _dots(study, "sectors", "sector", "", "Rank IC by sector", IC),
        )
        if picture is not None
    ]  # fmt: skip


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
    return Picture(key, title, _dot_words(table, form), across, scale.ticks(form), scale.y(0.0), [], dots)


def _dot(x: float, row: pd.Series, name: str, scale: _Scale, form: Form) -> Dot:
    known = math.isfinite(row["low"])
    low, high = (row["low"], row["high"]) if known else (row["value"], row["value"])
    least, most = min(row["assets_low"], row["time_low"]), max(row["assets_high"], row["time_high"])
    shuffled = math.isfinite(least) and math.isfinite(most)
    words = f"{name}: {form(row['value'])}" + (f" ({form(low)} to {form(high)})" if known else ", no interval")
    words += f"; shuffled {form(least)} to {form(most)}" if shuffled else ""
    chance = (scale.y(most), scale.y(least)) if shuffled else None
    return Dot(round(x, 1), scale.y(row["value"]), scale.y(low), scale.y(high), chance, words)


def _dot_words(table: pd.DataFrame, form: Form) -> str:
    above = int((table["value"] > table[["assets_high", "time_high"]].max(axis=1)).sum())
    return (
        f"From {form(table['value'].min())} to {form(table['value'].max())}; {above} of {len(table)} lie above the "
        "range of shuffled signals, drawn in grey. Lines are 95 % intervals."
    )


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
    across = _dates(pd.DatetimeIndex(sums.index), x)
    return Picture("sums", "Running sum of rank ICs", words, across, scale.ticks(RATIO), scale.y(0.0), lines, [])


def _dates(sessions: pd.DatetimeIndex, x: FloatArray) -> list[Tick]:
    chosen = np.unique(np.linspace(0, len(sessions) - 1, 6).round().astype(int))[1:-1]
    return [Tick(round(float(x[place]), 1), f"{sessions[place]:%b %Y}") for place in chosen]


def _events(study: "Study") -> Picture | None:
    shown = [each for each in study.events if each.events]
    if not shown:
        return None
    reach = [np.nan_to_num(each.critical_value * each.error) for each in shown]
    edges = [each.abnormal + sign * room for each, room in zip(shown, reach, strict=True) for sign in (-1, 1)]
    scale = _scale(np.concatenate(edges))
    offsets = shown[0].offsets
    x = np.linspace(LEFT, RIGHT, len(offsets))
    lines = [_event_line(each.name, each.abnormal, each.critical_value * each.error, x, scale) for each in shown]
    ends = "; ".join(f"{each.name}, {each.events:,} events: {BASIS(each.abnormal[-1])} bp" for each in shown)
    words = (
        f"Cumulative abnormal return (less the mean of all assets) from session -5 to +10, basis points: {ends}. "
        "What comes after session 0 is what could be earned; bands are 95 % intervals."
    )
    across = [Tick(round(float(place), 1), f"{offset:+d}") for place, offset in zip(x, offsets, strict=True)]
    return Picture("events", "Around strong news", words, across, scale.ticks(BASIS), scale.y(0.0), lines, [])


def _event_line(name: str, mean: FloatArray, reach: FloatArray, x: FloatArray, scale: _Scale) -> Line:
    """A line with its band, if it has one: one session's events alone have no interval."""
    upper, lower = _points(x, mean + reach, scale), _points(x[::-1], (mean - reach)[::-1], scale)
    return Line(name, _points(x, mean, scale), f"{upper} {lower}" if np.isfinite(reach).all() else "")


def _points(x: FloatArray, values: FloatArray, scale: _Scale) -> str:
    return " ".join(f"{place:.1f},{scale.y(float(value))}" for place, value in zip(x, values, strict=True))


def _scale(values: FloatArray) -> _Scale:
    """A range that holds all values and zero."""
    known = values[np.isfinite(values)]
    low, high = min(float(known.min(initial=0.0)), 0.0), max(float(known.max(initial=0.0)), 0.0)
    room = ROOM * (high - low) or 1.0
    return _Scale(low - room, high + room)


def _round_step(step: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= step)
