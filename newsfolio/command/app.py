"""The command `newsfolio`: the packages' sub-commands under one name."""

import logging
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

import allocation.data.cli
import allocation.live.cli.app
import backtest.cli.app
import nlp.cli.app
from allocation.live.cli.hooks import NewsReader, NewsSignal
from newsfolio import __version__
from newsfolio.command.check import check
from newsfolio.command.demo import demo
from newsfolio.command.risk import risk
from newsfolio.shared.errors import NewsfolioError
from newsfolio.shared.text_table import printable

if TYPE_CHECKING:
    import pandas as pd

    from allocation.live.cli.options import NewsFile

ONE_DAY = timedelta(days=1)
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


def _headlines(file: "NewsFile") -> "pd.DataFrame":
    from nlp import read_headlines
    from nlp.texts.columns import parse_columns

    columns = parse_columns(file.columns)
    return read_headlines(str(file.news), timezone=file.timezone, midnight=file.midnight, columns=columns)


def _news_signal(file: "NewsFile", sessions: "pd.DatetimeIndex", calendar: str) -> NewsSignal:
    """The signal of a news file; only texts that were never scored before are scored. Without a model it has scores."""
    from nlp import daily_signal, load_classifier, score_headlines
    from nlp.scoring.store import ScoreStore, default_path, store_key

    headlines, fingerprint = _headlines(file), "scores of the news file"
    if file.model is not None:
        classifier = load_classifier(file.model)
        fingerprint = classifier.fingerprint
        with ScoreStore(default_path(), store_key(classifier)) as store:
            headlines = score_headlines(headlines, classifier, store=store)
    known = headlines["published"][headlines["published"] < (sessions[-1] + ONE_DAY).tz_localize("UTC")]
    signal = daily_signal(headlines, sessions, calendar=calendar)
    return NewsSignal(signal, known.max(), fingerprint)


def _news_found(file: "NewsFile") -> str:
    """What a news file holds, for a check: read as a night reads it, nothing scored."""
    from newsfolio.shared.tables import need_columns
    from nlp.errors import NewsError

    headlines = _headlines(file)
    if file.model is None:
        need_columns(headlines, ("score",), str(file.news), NewsError)
    assets, newest = headlines["asset"].nunique(), headlines["published"].max()
    return f"{len(headlines):,} headlines of {assets} assets, the newest of {newest:%Y-%m-%d %H:%M} UTC"


def _model_found(model: str) -> str:
    from nlp import load_classifier

    return f"{model}: fingerprint {load_classifier(model).fingerprint[:12]}"


allocation.live.cli.app.register(app, NewsReader(_news_signal, _news_found, _model_found))
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
