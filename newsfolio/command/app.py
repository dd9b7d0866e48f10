"""The command `newsfolio`: the packages' sub-commands under one name."""

import logging
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import allocation.data.cli
import allocation.live.cli.app
import backtest.cli.app
import nlp.cli.app
from allocation.live.cli.hooks import NewsSignal
from newsfolio import __version__
from newsfolio.command.demo import demo
from newsfolio.command.risk import risk
from newsfolio.shared.errors import NewsfolioError

if TYPE_CHECKING:
    import pandas as pd

ONE_DAY = timedelta(days=1)
TRACEBACK = "--traceback"

app = typer.Typer(
    name="newsfolio",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:
    if asked:
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


def _news_signal(news: Path, model: str | None, sessions: "pd.DatetimeIndex", calendar: str) -> NewsSignal:
    """The signal of a news file; only texts that were never scored before are scored. Without a model it has scores."""
    from nlp import daily_signal, load_classifier, read_headlines, score_headlines
    from nlp.scoring.store import ScoreStore, default_path, store_key

    headlines, fingerprint = read_headlines(news), "scores of the news file"
    if model is not None:
        classifier = load_classifier(model)
        fingerprint = classifier.fingerprint
        with ScoreStore(default_path(), store_key(classifier)) as store:
            headlines = score_headlines(headlines, classifier, store=store)
    known = headlines["published"][headlines["published"] < (sessions[-1] + ONE_DAY).tz_localize("UTC")]
    signal = daily_signal(headlines, sessions, calendar=calendar)
    return NewsSignal(signal, known.max(), fingerprint)


allocation.live.cli.app.register(app, _news_signal)
app.command()(demo)
app.command()(risk)


def main(arguments: list[str] | None = None) -> Any:
    """Run the command; an error that a user can correct is one line on stderr and exit code 1.

    `--traceback`, anywhere on the line, shows the whole stack instead.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(level=logging.WARNING, format="note: %(message)s", stream=sys.stderr)
    try:
        return app([word for word in given if word != TRACEBACK])
    except (NewsfolioError, OSError) as error:
        if TRACEBACK in given:
            raise
        reason = " ".join(str(error).split())
        typer.echo(f"error: {reason}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
