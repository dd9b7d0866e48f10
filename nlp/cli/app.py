"""The sub-commands of this package: each is a thin skin over one public function, in a file of its own."""

import typer

from nlp.cli.evaluate import evaluate
from nlp.cli.events import events
from nlp.cli.explain import explain
from nlp.cli.finetune import finetune
from nlp.cli.score import score
from nlp.cli.signal import signal


def register(app: typer.Typer) -> None:
    """Add this package's commands to `app`."""
    for command in (finetune, evaluate, score, signal, events, explain):
        app.command()(command)
