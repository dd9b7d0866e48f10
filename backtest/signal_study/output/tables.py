"""A study in words: tables of its figures, aligned for a terminal or as cells for a page."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from backtest.statistics.significance import LEVEL
from newsfolio.shared.text_table import text_table

if TYPE_CHECKING:
    from backtest.signal_study.study import Study

Form = Callable[[float], str]


def _plain(form: str, scale: float = 1.0, unit: str = "") -> Form:
    return lambda value: f"{scale * value:{form}}{unit}" if math.isfinite(value) else "n/a"


IC, BASIS, SHARE, COST = _plain("+.4f"), _plain("+.1f", 1e4), _plain(".1%"), _plain("+.1f", 1e4)
RATIO = _plain("+.2f")


COLUMNS = ("value", "95 % interval", "t", "ICIR", "bootstrap", "shuffled assets", "shuffled time", "stale", "sessions")
USUAL = ("value", "95 % interval", "t", "shuffled assets", "shuffled time", "stale")


@dataclass(frozen=True)
class Part:
    """A section of the study: its heading, what the figures are, how they are written, and the columns of its table."""

    section: str
    title: str
    unit: str
    form: Form
    columns: tuple[str, ...] = USUAL


PARTS = (
    Part("rank IC", "Rank IC by entry and sessions held", "Spearman correlation", IC, COLUMNS),
    Part("linear IC", "Linear IC by entry and sessions held", "Pearson correlation", IC, COLUMNS),
    Part("single session", "Decay: rank IC with the return of single sessions", "Spearman correlation", IC),
    Part("quantile return", "Returns of quantiles less the mean of all", "basis points", BASIS),
    Part(
        "monotonicity",
        "Monotonicity of the quantiles",
        "rank correlation, 1 is perfect",
        RATIO,
        ("value", "shuffled assets", "shuffled time", "stale"),
    ),
    Part("trading", "Trading", "shares of the portfolio", SHARE),
    Part("coverage", "Coverage", "share", SHARE),
    Part("year", "By year, rank IC over one session", "Spearman correlation", IC),
    Part("sector", "By sector, rank IC over one session", "Spearman correlation", IC),
    Part("event", "Abnormal return around strong news", "basis points", BASIS),
)
FORMS = {  # figures that are not written as the rest of their section
    "autocorrelation of ranks": _plain("+.3f"),
    "return of the long-short portfolio": _plain("+.2f", 1e4, " bp"),
    "break-even cost": _plain("+.2f", 1e4, " bp"),
}


def rows_of(study: "Study", part: Part) -> list[tuple[str, ...]]:
    """Return the cells of one section's table, the name first, then the part's columns; a figure without value has
    no row.
    """
    known = study.figures[study.figures["value"].notna()]
    if part.section not in known.index.get_level_values(0):
        return []
    table = known.loc[part.section]
    return [(str(name), *_cells(row, part, FORMS.get(str(name), part.form))) for name, row in table.iterrows()]


def _cells(row: pd.Series, part: Part, form: Form) -> Iterator[str]:
    written = {
        "value": form(row["value"]),
        "95 % interval": _range(row["low"], row["high"], form),
        # Of what is not held against 0, such as a turnover, t says nothing.
        "t": _plain(".1f")(row["t"]) + ("*" if row["holm"] < LEVEL else " ") if math.isfinite(row["p"]) else "",
        "ICIR": _plain("+.3f")(row["ratio"]),
        "bootstrap": _range(row["boot_low"], row["boot_high"], form),
        "shuffled assets": _range(row["assets_low"], row["assets_high"], form),
        "shuffled time": _range(row["time_low"], row["time_high"], form),
        "stale": form(row["stale"]),
        "sessions": f"{row['sessions']:,.0f}",
    }
    return (written[column] for column in part.columns)


def _range(low: float, high: float, form: Form) -> str:
    return f"{form(low)} to {form(high)}" if math.isfinite(low) and math.isfinite(high) else "n/a"


def span(study: "Study") -> str:
    """Return the sessions and assets in one line."""
    first, last = study.sessions[0].date(), study.sessions[-1].date()
    return f"{first} to {last}, {len(study.sessions):,} sessions × {len(study.assets):,} assets"


def study_text(study: "Study") -> str:
    """Return the whole study as text."""
    return "\n".join(_lines(study))


def _lines(study: "Study") -> Iterator[str]:
    yield study.verdict
    yield from (f"warning: {sentence}" for sentence in study.alarms.values())
    yield f"{span(study)}; returns before costs; one session at the {study.entry} where no entry is named"
    yield (f"stand-ins: 95 % of {study.shuffles} signals shuffled across assets, of {study.shuffles} in time; "
           "the signal of a month ago")  # fmt: skip
    yield f"{study.tests}"
    yield from (f"note: {note}" for note in study.notes)
    for part in PARTS if study.has_figures else ():
        rows = [row for row in rows_of(study, part) if part.section != "quantile return" or _is_shown(row[0])]
        if rows:
            yield from ("", f"{part.title} ({part.unit})", text_table([("", *part.columns), *rows]))
        elif part.section in study.figures.index.get_level_values(0):
            yield from ("", f"{part.title}: none, for want of sessions or of names")


def _is_shown(name: str) -> bool:
    """Of the quantiles, those of one session and the spreads; the page and the JSON have all."""
    return ", 1 session," in name or name.endswith("top less bottom")
