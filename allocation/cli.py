"""`newsfolio prices`: fetch and cache prices."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add this package's commands to `app`."""
    app.command()(prices)


def prices(
    tickers: Annotated[list[str], typer.Argument(help="Tickers as Yahoo Finance writes them.")],
    start: Annotated[str, typer.Option(help="First date, YYYY-MM-DD.")],
    end: Annotated[str, typer.Option(help="Last date, YYYY-MM-DD, included.")],
    out: Annotated[Path, typer.Option(help="Where to write: CSV or Parquet; date, ticker, close, open.")],
    cache: Annotated[Path | None, typer.Option(help="Folder that keeps what the vendor answered.")] = None,
) -> None:
    """Fetch prices adjusted for splits and dividends."""
    from allocation.prices import load_prices, write_bars

    bars = load_prices(tickers, start=start, end=end, cache=cache)
    write_bars(bars, out)
    first, last = bars.close.index[0].date(), bars.close.index[-1].date()
    typer.echo(f"{bars.close.shape[1]} tickers, {len(bars.close)} sessions from {first} to {last}; written to {out}")
