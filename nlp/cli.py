"""The sub-commands of this package: each is a thin skin over one public function, in a file of its own."""

import typer

from nlp.cli_evaluate import evaluate
from nlp.cli_finetune import finetune
from nlp.cli_score import score
from nlp.cli_signal import signal


def register(app: typer.Typer) -> None:
    """Add this package's commands to `app`."""
    for command in (finetune, evaluate, score, signal):
        app.command()(command)
