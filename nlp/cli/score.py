"""`newsfolio score`: probabilities for every headline."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from nlp.cli.options import Columns, Midnight, Timezone


def score(
    news: Annotated[Path, typer.Argument(help="Headlines: CSV, Parquet or JSONL with a time, a ticker and a text.")],
    model: Annotated[
        list[str],
        typer.Option(
            help="A folder that a classifier was saved in, or one on the hub; may be repeated, for several tasks."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Where to write the headlines with probabilities; with --ray a folder.")],
    timezone: Timezone = None,
    midnight: Midnight = "auto",
    columns: Columns = "",
    store: Annotated[Path | None, typer.Option(help="File of known scores; by default in the user's cache.")] = None,
    no_store: Annotated[bool, typer.Option("--no-store", help="Neither read nor keep scores.")] = False,
    task: Annotated[str | None, typer.Option(help="The task that the model must have; else whatever it has.")] = None,
    dtype: Annotated[str, typer.Option(help="auto (fastest), float32 (exact), bfloat16, float16, int8.")] = "auto",
    ray: Annotated[str | None, typer.Option(help="A Ray cluster that scores: HOST:6379, or auto for this one.")] = None,
) -> None:
    """Add the columns negative, neutral, positive and score to headlines, of any number.

    A model of another task adds a column per label, and `label`, the likeliest, or of several labels per text those of
    0.5 or more. Among several models these columns begin with the task: topic_label.

    A text that was scored before is looked up. A run that was killed goes on where it was.
    """
    from nlp.model.ensemble import load_classifier
    from nlp.scoring import store as score_store
    from nlp.scoring.ray.driver import score_on_ray
    from nlp.scoring.ray.worker import Scorer
    from nlp.scoring.stream.score_file import score_file_by
    from nlp.texts.columns import parse_columns

    if no_store and store is not None:
        raise typer.BadParameter("--store and --no-store exclude each other")
    if len(model) > 1 and (ray is not None or task is not None):
        raise typer.BadParameter("--ray and --task are for one --model")
    if ray is not None:  # workers are in other folders
        model, store = [_absolute(each) for each in model], store and store.absolute()
    loads = [partial(load_classifier, each, dtype=dtype, task=task) for each in model]
    opened = score_store.no_store if no_store else partial(score_store.open_store, store)
    named = parse_columns(columns)
    if ray is not None:
        report = score_on_ray(
            news,
            out,
            Scorer(loads[0], opened),
            address=ray,
            timezone=timezone,
            midnight=midnight,
            columns=named,
            progress=True,
        )
    else:
        classifiers = [load() for load in loads]
        with ExitStack() as stores:
            models = [
                (each, stores.enter_context(opened(score_store.store_key(each), len(each.labels))))
                for each in classifiers
            ]
            report = score_file_by(
                models, news, out, timezone=timezone, midnight=midnight, columns=named, progress=True
            )
    typer.echo(f"{report}; written to {out}")


def _absolute(model: str) -> str:
    """A folder by its whole path; a name on the hub as it is."""
    return str(Path(model).absolute()) if Path(model).exists() else model
