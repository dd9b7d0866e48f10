"""`newsfolio events`: what headlines report, and what they say is due when."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlp.cli.options import Columns, Midnight, Timezone

if TYPE_CHECKING:
    import pandas as pd


def events(
    news: Annotated[Path, typer.Argument(help="Headlines: CSV, Parquet or JSONL with a time, a ticker and a text.")],
    out: Annotated[Path, typer.Option(help="Where to write the events, one row for each and headline.")],
    calendar: Annotated[str, typer.Option(help="Exchange calendar, such as XNYS or XLON.")] = "XNYS",
    aliases: Annotated[Path | None, typer.Option(help="Table with columns alias and asset.")] = None,
    timezone: Timezone = None,
    midnight: Midnight = "auto",
    columns: Columns = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Find results, mergers, dividends and other events in headlines, and the sessions of what is to come.

    Each row says which words show the event and by which rule it was found.
    """
    from newsfolio.shared.tables import write_table
    from newsfolio.shared.text_table import json_text, text_table
    from nlp.errors import NlpError
    from nlp.events.find import find_events
    from nlp.texts.columns import parse_columns
    from nlp.texts.headlines import headlines_with_report

    rows, report = headlines_with_report(
        news, timezone=timezone, aliases=aliases, midnight=midnight, columns=parse_columns(columns)
    )
    found = find_events(rows, calendar=calendar)
    write_table(found.reset_index(), out, NlpError)
    figures = _figures(found, len(rows))
    if as_json:
        typer.echo(json_text(figures | {"given": report.given, "kept": report.kept, "out": str(out)}))
        return
    years = sorted({year for kind in figures["kinds"].values() for year in kind["years"]})
    table = [["kind", "events", "due", *years]]
    for name, kind in figures["kinds"].items():
        table.append([name, *(f"{kind[part]:,}" for part in ("events", "due")),
                      *(f"{kind['years'].get(year, 0):,}" for year in years)])  # fmt: skip
    typer.echo(
        f"{report}\n{text_table(table)}\n{figures['with_event']:,} of {figures['headlines']:,} headlines report an "
        f"event, {figures['without_event']:,} none that a rule knows; {len(found):,} events written to {out}"
    )


def _figures(found: "pd.DataFrame", headlines: int) -> dict[str, Any]:
    """Events of each kind, how many name a session that is due, and how many each year."""
    from nlp.events.rules import EVENT_KINDS

    with_event = found.index.nunique()
    year = found["published"].dt.year.astype(str)
    kinds = {}
    for kind in EVENT_KINDS:
        of_kind = (found["event"] == kind).to_numpy()
        kinds[kind] = {
            "events": int(of_kind.sum()),
            "due": int(found["due"][of_kind].notna().sum()),
            "years": {name: int(count) for name, count in year[of_kind].value_counts().sort_index().items()},
        }
    return {"headlines": headlines, "with_event": with_event, "without_event": headlines - with_event, "kinds": kinds}
