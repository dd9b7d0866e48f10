"""write_study(): a study as one HTML file that opens offline, runs no script and loads nothing."""

from pathlib import Path
from typing import TYPE_CHECKING

from backtest.signal_study.output.charts import pictures
from backtest.signal_study.output.tables import PARTS, rows_of
from newsfolio.shared.atomic import write_text
from newsfolio.shared.page import render_page

if TYPE_CHECKING:
    from backtest.signal_study.study import Study


def write_study(found: "Study", path: str | Path, *, title: str) -> Path:
    """Write pictures and tables of a study and return the path; a crash leaves an older file whole.

    Every name in it is untrusted and escaped. The same study gives the same bytes.
    """
    return write_text(study_html(found, title=title), path)


def study_html(found: "Study", *, title: str) -> str:
    """Return the page of `write_study`."""
    drawn = pictures(found)
    tables = [
        (part, [(name, *(cell.replace("-", "\u2212") for cell in cells)) for name, *cells in rows])
        for part in PARTS
        if (rows := rows_of(found.figures, part, part.cells))
    ]
    content = {
        "title": f"What is {title} worth?",
        "span": f"{found.span}; returns before costs",
        "lead": list(found.lead),
        "notices": list(found.alarms.values()),
        "sections": [*((each.key, each.title) for each in drawn), ("tables", "All figures"), ("notes", "Notes")],
        "closing": "Past results promise nothing. ",
        "entry": found.entry,
        "shuffles": found.shuffles,
        "tests": str(found.tests),
        "notes": found.notes,
        "pictures": drawn,
        "tables": tables,
    }
    return render_page("backtest.signal_study.output", "study.html.jinja", content, style="study.css")
