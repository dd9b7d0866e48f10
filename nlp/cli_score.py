"""`newsfolio score`: probabilities for every headline."""

from pathlib import Path
from typing import Annotated

import typer


def score(
    news: Annotated[Path, typer.Argument(help="Headlines: CSV, Parquet or JSONL with published, asset, text.")],
    model: Annotated[str, typer.Option(help="A folder that a classifier was saved in, or one on the hub.")],
    out: Annotated[Path, typer.Option(help="Where to write the headlines with probabilities.")],
    timezone: Annotated[str | None, typer.Option(help="Zone of publication times that name none.")] = None,
) -> None:
    """Add the columns negative, neutral, positive and score to headlines."""
    from nlp.ensemble import load_classifier
    from nlp.headlines import read_headlines
    from nlp.scores import score_headlines
    from nlp.tables import write_table

    headlines = read_headlines(news, timezone=timezone)
    scored = score_headlines(headlines, load_classifier(model), progress=True)
    write_table(scored, out)
    typer.echo(f"{len(scored):,} headlines scored, mean score {scored['score'].mean():+.3f}; written to {out}")
