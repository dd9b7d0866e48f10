"""The options of `newsfolio rebalance` and `status`: their types, names and help, by the settings' names."""

import os
from pathlib import Path
from typing import Annotated

import typer

from allocation.live.cli.settings_file import use_settings

HOOK = "NEWSFOLIO_ON_FAILURE"  # a hook that hears of a broken settings file, too


def _settings_or_report(context: typer.Context, path: Path | None) -> Path | None:
    """As `use_settings`; at night nobody but the hook of the environment hears that the file is broken."""
    if path is None or context.command.name != "rebalance":
        return use_settings(context, path)
    from allocation.live.monitor.failures import report_failure  # loads SQLAlchemy

    with report_failure(os.environ.get(HOOK)):
        return use_settings(context, path)


Strategy = Annotated[Path, typer.Argument(help="A Python file with a function policy().")]
LedgerUrl = Annotated[str, typer.Option(help="The ledger: a file, or postgresql://user@host/name.")]
SettingsFile = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        is_eager=True,
        callback=_settings_or_report,
        help="TOML file of these options; the command line wins.",
    ),
]
Record = Annotated[str, typer.Argument(help="nav, decisions, orders, fills or events.")]
Json = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]

# Data
Prices = Annotated[str, typer.Option(help="A file, URL#TABLE of a database, or yahoo:TICKER,TICKER,...")]
Since = Annotated[str | None, typer.Option(help="First date to ask Yahoo Finance for.")]
PriceCache = Annotated[Path | None, typer.Option(help="Folder that keeps what Yahoo Finance gave.")]
News = Annotated[Path | None, typer.Option(help="Headlines: published, asset, text.")]
Model = Annotated[str | None, typer.Option(help="Classifier that scores them, unless they have scores.")]
Signal = Annotated[Path | None, typer.Option(help="A signal, in place of news.")]

# When
Date = Annotated[str | None, typer.Option(help="Session to decide for; by default the last closed.")]
Every = Annotated[str, typer.Option(help="daily, weekly, monthly, or a number of sessions.")]
Calendar = Annotated[str, typer.Option(help="Exchange calendar, such as XNYS or XLON.")]

# Where and how to trade
BrokerName = Annotated[str, typer.Option(help="paper, or alpaca (keys from the environment).")]
CostBp = Annotated[float, typer.Option(help="Cost of trading, basis points of the traded value.")]
Lot = Annotated[float, typer.Option(help="Shares that trades are multiples of; 0: any fraction.")]
Minimum = Annotated[float, typer.Option(help="Least value of an order.")]
Reserve = Annotated[float, typer.Option(help="Fraction of NAV kept in cash when orders are sized.")]

# Guards
MaxWeight = Annotated[float, typer.Option(help="Guard: largest weight.")]
MaxTurnover = Annotated[float, typer.Option(help="Guard: largest one-way turnover.")]
MinCoverage = Annotated[float, typer.Option(help="Guard: least share of assets with a signal.")]
Allow = Annotated[list[str] | None, typer.Option(help="Let a guard's finding through, by name.")]

# The run itself
DryRun = Annotated[bool, typer.Option("--dry-run", help="Decide and show; keep and send nothing.")]
Wait = Annotated[float, typer.Option(help="Seconds to wait for another run.")]
Metrics = Annotated[Path | None, typer.Option(help="Where to write figures for Prometheus.")]
OnFailure = Annotated[
    str | None,
    typer.Option(
        envvar=HOOK, help="Command to run with the reason as its last argument, or https address to post it to."
    ),
]
Log = Annotated[str, typer.Option(help="quiet, text or json: what is said on stderr meanwhile.")]
