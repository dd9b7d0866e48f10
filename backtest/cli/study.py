"""`newsfolio study`: what a signal explains and what it predicts."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from allocation.errors import AllocationError, SourceError
from backtest.cli.prices import (
    AllowJump,
    Asset,
    Assets,
    Delistings,
    End,
    PriceChoice,
    Start,
    read_prices,
    with_payouts,
)

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

Json = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]


def study(
    signal: Annotated[Path, typer.Argument(help="A signal: sessions × assets.")],
    prices: Annotated[Path, typer.Argument(help="Prices: wide closes, or long with date, ticker, close, open.")],
    out: Annotated[Path | None, typer.Option(help="Folder for study.html and figures.json.")] = None,
    sectors: Annotated[Path | None, typer.Option(help="Table with columns ticker and sector.")] = None,
    delayed: Annotated[
        Path | None, typer.Option(help="The signal with news published later: newsfolio signal --delay 30.")
    ] = None,
    shuffles: Annotated[int, typer.Option(help="Placebos of each kind for each figure.")] = 40,
    seed: Annotated[int, typer.Option(help="Seed of the placebos.")] = 0,
    full: Annotated[bool, typer.Option("--full", help="Print all figures with all that is known of each.")] = False,
    start: Start = None,
    end: End = None,
    assets: Assets = None,
    asset: Asset = None,
    delistings: Delistings = None,
    allow_jump: AllowJump = None,
    as_json: Json = False,
) -> None:
    """Judge what a signal explains and predicts, each figure with the range of its placebos."""
    from allocation.data.files.wide import read_frame
    from backtest.signal_study.study import study as judge
    from newsfolio.shared.text_table import json_text

    choice = PriceChoice(
        start=start,
        end=end,
        assets=assets,
        asset=asset,
        allow_jump=tuple(allow_jump or ()),
        delistings=delistings,
    )
    chosen = read_prices(prices, choice, prices.name)
    for note in chosen.notes:
        log.warning("%s: %s", prices.name, note)
    if chosen.sessions.a_year is not None:
        log.warning("%s: has %d rows a year: a session is a row", prices.name, chosen.sessions.a_year)
    found = judge(
        chosen.signal_of_assets(read_frame(signal), choice),
        with_payouts(chosen.bars, chosen.events),
        sectors=read_sectors(sectors) if sectors else None,
        delayed=chosen.signal_of_assets(read_frame(delayed), choice) if delayed else None,
        shuffles=shuffles,
        seed=seed,
    )
    if out is not None:
        from backtest.signal_study.output.page import write_study
        from newsfolio.shared.atomic import write_text

        write_text(json_text(found.to_dict(), indent=2) + "\n", out / "figures.json")
        write_study(found, out / "study.html", title=signal.stem)
    typer.echo(json_text(found.to_dict()) if as_json else found.to_text(full=full))


def read_sectors(path: Path) -> "pd.Series":
    """Return the sector of each ticker, from a table with the columns ticker and sector.

    Raises:
        AllocationError: a column is missing, or a ticker has two sectors.
    """
    from newsfolio.shared.tables import need_columns, read_table

    table, where = read_table(path, SourceError, words=("sector",))
    need_columns(table, ("ticker", "sector"), where, SourceError)
    rows = table[["ticker", "sector"]].dropna().drop_duplicates()
    twice = rows.loc[rows["ticker"].duplicated(), "ticker"]
    if len(twice):
        raise AllocationError(f"{where}: {twice.iloc[0]} has two sectors: keep one")
    return rows.set_index("ticker")["sector"].astype(str)
