"""Who else is told of a training: which trackers there are, and the loss that none of them may miss."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from transformers import TrainerCallback

from nlp.errors import ModelError

TRACKERS = ("tensorboard", "wandb", "mlflow")


def known_trackers(trackers: Sequence[str]) -> Sequence[str]:
    """Return the trackers as they are.

    Raises:
        ModelError: one is not known, or its package is not installed.
    """
    for name in trackers:
        if name not in TRACKERS:
            raise ModelError(f"the tracker {name!r} is not known: use {', '.join(TRACKERS)}")
        if find_spec(name) is None:
            raise ModelError(f"the tracker {name} is not installed: pip install {name}")
    return trackers


class LossOfPass(TrainerCallback):  # type: ignore[misc, unused-ignore]
    """Has the loss told at the end of a pass too: trackers hear of it every few steps, a short run has fewer."""

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:  # noqa: ARG002 - Trainer's call
        """A pass is over."""
        control.should_log = True
        return control
