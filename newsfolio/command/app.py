"""The command `newsfolio`: the packages' sub-commands under one name."""

import logging
import sys
from typing import Annotated, Any

import typer

import allocation.data.cli
import allocation.live.cli.app
import backtest.cli.app
import nlp.cli.app
from newsfolio import __version__
from newsfolio.command.check import check
from newsfolio.command.demo import demo
from newsfolio.command.news import NIGHTLY
from newsfolio.command.risk import risk
from newsfolio.shared.errors import NewsfolioError
from newsfolio.shared.text_table import printable

TRACEBACK = "--traceback"

app = typer.Typer(
    name="newsfolio",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"newsfolio {__version__}")
        raise typer.Exit


@app.callback()
def newsfolio(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """News in, portfolio out: sentiment, signals, mean-variance weights, honest backtests."""


nlp.cli.app.register(app)
allocation.data.cli.register(app)
backtest.cli.app.register(app)
allocation.live.cli.app.register(app, NIGHTLY)
app.command()(demo)
app.command()(check)
app.command()(risk)


class _Note(logging.Formatter):
    """A warning as one line that a terminal cannot take for commands: it may quote a headline or a ticker."""

    def format(self, record: logging.LogRecord) -> str:
        return f"note: {printable(record.getMessage())}"


def main(arguments: list[str] | None = None) -> Any:
    """Run the command; an error that a user can correct is one line on stderr and exit code 1.

    `--traceback`, anywhere on the line, shows the whole stack instead.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    notes = logging.StreamHandler(sys.stderr)
    notes.setFormatter(_Note())
    logging.basicConfig(level=logging.WARNING, handlers=[notes])
    try:
        return app([word for word in given if word != TRACEBACK])
    except (NewsfolioError, OSError) as error:
        if TRACEBACK in given:
            raise
        reason = " ".join(printable(str(error)).split())
        typer.echo(f"error: {reason}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
