"""write_study(): a study as one HTML file that opens offline, runs no script and loads nothing."""

from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from backtest.signal_study.output.charts import pictures
from backtest.signal_study.output.tables import PARTS, rows_of
from newsfolio.shared.atomic import write_text
from newsfolio.shared.page import asset, page_style

if TYPE_CHECKING:
    from backtest.signal_study.study import Study

# No scripts: pictures are SVG.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def write_study(found: "Study", path: str | Path, *, title: str) -> Path:
    """Write pictures and tables of a study and return the path; a crash leaves an older file whole.

    Every name in it is untrusted and escaped. The same study gives the same bytes.
    """
    return write_text(study_html(found, title=title), path)


def study_html(found: "Study", *, title: str) -> str:
    """Return the page of `write_study`."""
    tables = [(part, rows) for part in PARTS if (rows := rows_of(found.figures, part, part.cells))]
    strict = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return strict.from_string(asset("backtest.signal_study.output", "study.html.jinja")).render(
        title=title,
        lead=found.lead,
        alarms=list(found.alarms.values()),
        span=found.span,
        entry=found.entry,
        shuffles=found.shuffles,
        tests=str(found.tests),
        notes=found.notes,
        pictures=pictures(found),
        tables=tables,
        policy=POLICY,
        style=Markup(page_style() + asset("backtest.signal_study.output", "study.css")),  # noqa: S704 - our own files
    )
