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
    out: Annotated[Path, typer.Option(help="Where to write: CSV or Parquet; date, ticker, close, open.")],
    end: Annotated[str | None, typer.Option(help="Last date, included; by default today.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder that keeps what came: only the rest is asked for.")] = None,
    as_of: Annotated[
        str | None, typer.Option(help="Ask nobody: what the cache held then, YYYY-MM-DDTHH:MM, UTC.")
    ] = None,
) -> None:
    """Fetch prices adjusted for splits and dividends."""
    from datetime import UTC, datetime

    from allocation.data.load import load_prices, write_bars

    last = end or f"{datetime.now(UTC):%Y-%m-%d}"
    bars = load_prices(tickers, start=start, end=last, cache=cache, as_of=as_of)
    write_bars(bars, out)
    begin, newest = bars.close.index[0].date(), bars.close.index[-1].date()
    typer.echo(f"{bars.close.shape[1]} tickers, {len(bars.close)} sessions from {begin} to {newest}; written to {out}")
