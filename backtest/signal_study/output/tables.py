"""Tables of a study's figures: aligned for a terminal of a hundred columns, or as cells for a page."""

import math
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from backtest.statistics.significance import LEVEL
from newsfolio.shared.text_table import text_table

Form = Callable[[float], str]
WIDTH = 100  # columns of a terminal


def _plain(form: str, scale: float = 1.0, unit: str = "") -> Form:
    return lambda value: f"{scale * value:{form}}{unit}" if math.isfinite(value) else "n/a"


IC, BASIS, SHARE, RATIO = _plain("+.4f"), _plain("+.1f", 1e4), _plain(".1%"), _plain("+.2f")

ALL = (
    "value", "95 % interval", "t", "p", "periods", "ICIR", "bootstrap", "placebo assets", "placebo time", "stale",
    "sessions",
)  # fmt: skip
USUAL = ("value", "95 % interval", "t", "p", "periods", "placebos")
DETAILS = ("bootstrap", "placebo assets", "placebo time", "stale", "n")


@dataclass(frozen=True)
class Part:
    """A section of the study: its heading and unit, how figures are written, and the columns of its tables.

    columns: of the terminal's table; details: of the one that a full study adds; cells: of the page. brief: the ends of
    the names that a short study shows; None for all of them, empty for none.
    """

    section: str
    title: str
    unit: str
    form: Form
    columns: tuple[str, ...] = USUAL
    details: tuple[str, ...] = DETAILS
    brief: tuple[str, ...] | None = None
    detail_form: Form | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        """All columns that the section has."""
        if self.section == "monotonicity":
            return ("value", "placebo assets", "placebo time", "stale")
        return ALL if "ICIR" in self.details else tuple(name for name in ALL if name not in ("ICIR", "bootstrap"))


IC_DETAILS, SHORT_IC = ("ICIR", *DETAILS), _plain("+.3f")
PARTS = (
    Part("rank IC", "Rank IC by entry and sessions held", "Spearman correlation", IC, USUAL, IC_DETAILS,
         (", 1 session", ", 5 sessions", ", 21 sessions"), SHORT_IC),
    Part("linear IC", "Linear IC by entry and sessions held", "Pearson correlation", IC, USUAL, IC_DETAILS, (),
         SHORT_IC),
    Part("single session", "Decay: rank IC with the return of single sessions", "Spearman correlation", IC),
    Part("quantile return", "Returns of quantiles less the mean of all", "basis points", BASIS,
         brief=tuple(f"1 session, {name}" for name in ("top less bottom", *(f"quantile {q}" for q in range(1, 6))))),
    Part("monotonicity", "Monotonicity of the quantiles", "rank correlation, 1 is perfect", RATIO,
         ("value", "placebos"), ("placebo assets", "placebo time", "stale"), ()),
    Part("trading", "Trading", "shares of the portfolio", SHARE, USUAL[:-1], DETAILS[1:4],
         brief=("autocorrelation of ranks", "long-short portfolio", "break-even cost")),
    Part("coverage", "Coverage", "share", SHARE, ("value", "95 % interval"), ("n",)),
    Part("year", "By year, rank IC over one session", "Spearman correlation", IC),
    Part("sector", "By sector, rank IC over one session", "Spearman correlation", IC, brief=()),
    Part("event", "Abnormal return around strong news", "basis points", BASIS,
         details=("placebo assets", "placebo time", "stale")),
)  # fmt: skip
FORMS = {  # figures that are not written like the rest of their section
    "autocorrelation of ranks": _plain("+.3f"),
    "return of the long-short portfolio": _plain("+.2f", 1e4, " bp"),
    "break-even cost": _plain("+.2f", 1e4, " bp"),
}


def rows_of(
    figures: pd.DataFrame, part: Part, columns: Sequence[str], form: Form | None = None
) -> list[tuple[str, ...]]:
    """Return the cells of one section's table, the name first; a figure without value has no row."""
    known = figures[figures["value"].notna()]
    if part.section not in known.index.get_level_values(0):
        return []
    return [
        (str(name), *(_cells(row, FORMS.get(str(name), form or part.form))[column] for column in columns))
        for name, row in known.loc[part.section].iterrows()
    ]


def _cells(row: pd.Series, form: Form) -> dict[str, str]:
    tested = math.isfinite(row["p"])  # a turnover, say, has a t-value that means nothing
    low, high = min(row["assets_low"], row["time_low"]), max(row["assets_high"], row["time_high"])
    return {
        "value": form(row["value"]),
        "95 % interval": _range(row["low"], row["high"], form),
        "t": _plain(".1f")(row["t"]) + ("*" if row["holm"] < LEVEL else " ") if tested else "",
        "p": ("<.001" if row["p"] < 0.001 else f"{row['p']:.3f}") if tested else "",
        "periods": _plain(",.0f")(row["periods"]),
        "placebos": _range(low, high, form),
        "ICIR": _plain("+.3f")(row["ratio"]),
        "bootstrap": _range(row["boot_low"], row["boot_high"], form),
        "placebo assets": _range(row["assets_low"], row["assets_high"], form),
        "placebo time": _range(row["time_low"], row["time_high"], form),
        "stale": form(row["stale"]),
        "sessions": f"{row['sessions']:,.0f}",
        "n": f"{row['sessions']:,.0f}",
    }


def _range(low: float, high: float, form: Form) -> str:
    return f"{form(low)} to {form(high)}" if math.isfinite(low) and math.isfinite(high) else "n/a"


def text_page(lead: Iterable[str], paragraphs: Iterable[str], figures: pd.DataFrame | None, *, full: bool) -> str:
    """Return a page of at most `WIDTH` columns: the lead, the paragraphs, and the tables of figures, if there are any.

    full: every figure and every column; else those that a decision needs.
    """
    lines = [row for text in (*lead, *paragraphs) for row in textwrap.wrap(text, WIDTH, subsequent_indent="  ")]
    if figures is not None:
        lines += [line for part in PARTS for line in _tables(figures, part, full=full)]
    return "\n".join(lines)


def _tables(figures: pd.DataFrame, part: Part, *, full: bool) -> Iterator[str]:
    rows, heading = rows_of(figures, part, part.columns), f"{part.title} ({part.unit})"
    if not rows:
        if part.section in figures.index.get_level_values(0):
            yield from ("", f"{part.title}: none, too few sessions or assets")
        return
    keep = [full or part.brief is None or row[0].endswith(part.brief) for row in rows]
    tables = [(heading, part.columns, rows)]
    if full:
        tables.append((f"{heading}, details", part.details, rows_of(figures, part, part.details, part.detail_form)))
    for title, columns, cells in tables:
        shown = [row for row, kept in zip(cells, keep, strict=True) if kept]
        if not shown:
            continue
        widths = [max(map(len, column)) for column in zip(("", *columns), *shown, strict=True)]
        room = WIDTH - sum(2 + width for width in widths[1:])
        # Quantiles are of one entry, which the page names above.
        names = [row[0].partition(", ")[2] if part.section == "quantile return" else row[0] for row in shown]
        names = [name if len(name) <= room else f"{name[: room - 1]}…" for name in names]
        table = [("", *columns), *((name, *row[1:]) for name, row in zip(names, shown, strict=True))]
        yield from ("", title, text_table(table))
