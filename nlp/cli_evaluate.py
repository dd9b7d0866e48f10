"""`newsfolio evaluate`: how good a classifier is on labelled texts."""

import json
from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    model: Annotated[str, typer.Argument(help="A folder that a classifier was saved in, or one on the hub.")],
    test: Annotated[Path, typer.Argument(help="Labelled texts the model has not seen.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Measure accuracy, macro-F1 and calibration, with 95 % intervals."""
    from nlp.corpora import read_labelled
    from nlp.ensemble import load_classifier
    from nlp.evaluate import evaluate

    labelled = read_labelled(test)
    evaluation = evaluate(load_classifier(model), labelled)
    typer.echo(json.dumps(evaluation.to_dict()) if as_json else str(evaluation))
