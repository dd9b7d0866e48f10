"""`newsfolio score`: probabilities for every headline."""

import logging
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from nlp.score_store import ScoreStore

log = logging.getLogger(__name__)


def score(
    news: Annotated[Path, typer.Argument(help="Headlines: CSV, Parquet or JSONL with published, asset, text.")],
    model: Annotated[str, typer.Option(help="A folder that a classifier was saved in, or one on the hub.")],
    out: Annotated[Path, typer.Option(help="Where to write the headlines with probabilities.")],
    timezone: Annotated[str | None, typer.Option(help="Zone of publication times that name none.")] = None,
    store: Annotated[Path | None, typer.Option(help="File of known scores; by default in the user's cache.")] = None,
    no_store: Annotated[bool, typer.Option("--no-store", help="Neither read nor keep scores.")] = False,
) -> None:
    """Add the columns negative, neutral, positive and score to headlines, of any number.

    A text that was scored before is looked up. A run that was killed goes on where it was.
    """
    from nlp.ensemble import load_classifier
    from nlp.score_store import store_key
    from nlp.score_stream import score_file

    if no_store and store is not None:
        raise typer.BadParameter("--store and --no-store exclude each other")
    classifier = load_classifier(model)
    with nullcontext() if no_store else _opened(store, store_key(classifier)) as scores:
        report = score_file(news, out, classifier, store=scores, timezone=timezone, progress=True)
    typer.echo(f"{report}; written to {out}")


def _opened(path: Path | None, key: str) -> "AbstractContextManager[ScoreStore | None]":
    """The store that was asked for, or an error; the default one, or a warning and none."""
    from nlp.score_store import ScoreStore, default_path
    from nlp.store_file import UnwritableError

    if path is not None:
        return ScoreStore(path, key)
    try:
        return ScoreStore(default_path(), key)
    except UnwritableError as error:
        log.warning("%s; going on without", error)
        return nullcontext()
