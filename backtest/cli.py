"""The list of this package's commands: thin skins over its functions."""

import typer

from backtest.cli_backtest import backtest
from backtest.cli_study import study
from backtest.json_text import json_text as json_text  # newsfolio.py takes it from here
from backtest.strategy_file import load_policy as load_policy  # and this


def register(app: typer.Typer) -> None:
    """Add this package's commands to `app`."""
    for command in (study, backtest):
        app.command()(command)
