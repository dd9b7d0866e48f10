"""The list of this package's commands: thin skins over its functions."""

import typer

from backtest.cli.backtest import backtest
from backtest.cli.study import study


def register(app: typer.Typer) -> None:
    """Add this package's commands to `app`."""
    for command in (study, backtest):
        app.command()(command)
