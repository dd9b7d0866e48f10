"""write_warnings(): today's risk, the alarms of the past and, where there is one, their study, as one HTML page."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from backtest.warning.study import WarningStudy
from backtest.warning.today import RiskToday, alarm_rows
from newsfolio.shared.arrays import FloatArray
from newsfolio.shared.atomic import write_text
from newsfolio.shared.page import render_page

LEFT, RIGHT, TOP, BOTTOM = 56.0, 708.0, 12.0, 262.0
MOST_POINTS = 700
MOST_DOTS = 400
MOST_ALARMS = 60
LINES = ("forecast", "realised", "usual")


@dataclass(frozen=True)
class Dot:
    """An alarm in the picture, and its evidence in words."""

    x: float
    y: float
    came: bool
    words: str


@dataclass(frozen=True)
class Timeline:
    """Forecast, realised and usual volatility over time as polylines, alarms as dots, ticks of both axes."""

    lines: list[tuple[str, str]]
    dots: list[Dot]
    across: list[tuple[float, str]]
    up: list[tuple[float, str]]


def write_warnings(today: RiskToday, path: str | Path, *, title: str, study: WarningStudy | None = None) -> Path:
    """Write the page and return its path; a crash leaves an older file whole. The same input gives the same bytes."""
    sections = [("today", "Risk now"), ("timeline", "Risk and alarms over time"), ("alarms", "Alarms")]
    sections += [("study", "What it was worth")] if study is not None else []
    ordered = today.table.sort_values("probability", ascending=False)
    bins = () if study is None else study.probabilities[study.event.kind]["news"].bins
    newest = today.alarms.tail(MOST_ALARMS)[::-1]
    alarms = zip(alarm_rows(newest), newest["volatility"], newest["usual"], strict=True)
    content = {
        "title": title,
        "span": f"At the close of {today.session.date()}; an alarm warns of {today.event}",
        "lead": [*today.lead, *(study.lead if study is not None else ())],
        "notices": [],
        "sections": sections,
        "closing": "A forecast of risk is no forecast of return. ",
        "header": ("", "volatility", "usual", "probability", "base rate", "alarm", "why"),
        "rows": [_row(str(asset), row) for asset, row in ordered.iterrows()],
        "timeline": timeline(today),
        "alarm_header": ("", "asset", "probability", "volatility", "usual", "what came"),
        "alarm_rows": [(*row[:3], f"{forecast:.1%}", f"{usual:.1%}", row[3]) for row, forecast, usual in alarms],
        "n_alarms": len(today.alarms),
        "tables": [] if study is None else [(name, rows[0], rows[1:]) for name, rows in study.tables()],
        "reliability": [(f"{mean:.2%}", f"{share:.2%}", f"{cells:,}") for mean, share, cells in bins],
        "notes": list(dict.fromkeys([*today.notes, *(study.notes if study is not None else ())])),
    }
    return write_text(render_page("backtest.warning", "warning.html.jinja", content, style="warning.css"), path)


def _row(asset: str, row: pd.Series) -> tuple[str, ...]:
    figures = (("volatility", ".1%"), ("usual", ".1%"), ("probability", ".2%"), ("base_rate", ".2%"))
    cells = ("n/a" if not np.isfinite(row[name]) else format(row[name], form) for name, form in figures)
    return (asset, *cells, "alarm" if row["alarm"] else "", row["why"])


def timeline(today: RiskToday) -> Timeline:
    """Return the picture: at most some hundred points of each line, and the newest alarms."""
    risk = today.risk.dropna(how="all")
    if not len(risk):
        return Timeline([], [], [], [])
    n, top = len(risk), float(np.nanmax(risk.to_numpy())) * 1.08
    x = LEFT + (RIGHT - LEFT) * np.arange(n) / max(n - 1, 1)

    def y(value: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * min(value, top) / top, 1)

    shown = np.unique(np.linspace(0, n - 1, min(n, MOST_POINTS)).astype(int))
    lines = []
    for name in LINES:
        values = risk[name].to_numpy()
        points = " ".join(f"{x[row]:.1f},{y(values[row])}" for row in shown if np.isfinite(values[row]))
        lines.append((name, points))
    years = pd.Series(pd.DatetimeIndex(risk.index).year)
    across = [(round(float(x[int(rows[0])]), 1), str(year)) for year, rows in years.groupby(years).indices.items()]
    step = next(size for size in (0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 1e9) if top / size <= 6)
    up = [(y(mark), f"{mark:.0%}") for mark in np.arange(0.0, top, step)]
    return Timeline(lines, _dots(today.alarms, risk, x, y), across[:: max(1, len(across) // 12)], up)


def _dots(alarms: pd.DataFrame, risk: pd.DataFrame, x: FloatArray, y: Callable[[float], float]) -> list[Dot]:
    """One dot per session with alarms: what was raised, why, and what came."""
    dots = []
    for session, rows in list(alarms.groupby("session"))[-MOST_DOTS:]:
        place = risk.index.get_indexer(pd.DatetimeIndex([session]))[0]
        if place < 0 or not np.isfinite(risk["forecast"].iloc[place]):
            continue
        hits = int((rows["outcome"] == "came").sum())
        names = ", ".join(rows["asset"].head(8)) + (f" and {len(rows) - 8} more" if len(rows) > 8 else "")
        why = "; ".join(reason for reason in rows["why"].head(3) if reason)
        words = f"{session:%Y-%m-%d}: {names}; it came for {hits} of {len(rows)}" + (f". {why}" if why else "")
        dots.append(
            Dot(round(float(x[place]), 1), y(float(risk["forecast"].iloc[place])), 2 * hits >= len(rows), words)
        )
    return dots
