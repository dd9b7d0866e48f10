"""`newsfolio study`: what a signal explains and what it predicts."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from allocation.errors import AllocationError, SourceError

if TYPE_CHECKING:
    import pandas as pd

Json = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]
AllowJump = Annotated[
    list[str] | None, typer.Option(help="Asset whose moves as large as a split's are real; repeat for more.")
]


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
    allow_jump: AllowJump = None,
    as_json: Json = False,
) -> None:
    """Judge what a signal explains and predicts, each figure with the range of its placebos."""
    from allocation.data.files.wide import read_frame
    from allocation.data.jumps import refuse_jumps
    from allocation.data.load import load_prices
    from backtest.signal_study.study import study as judge
    from newsfolio.shared.text_table import json_text

    found = judge(
        read_frame(signal),
        refuse_jumps(load_prices(prices), str(prices), allow_jump or ()),
        sectors=read_sectors(sectors) if sectors else None,
        delayed=read_frame(delayed) if delayed else None,
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
