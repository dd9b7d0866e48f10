"""Checkpoints of a training run (only whole ones, of the very same run, are resumed from) and what trackers log."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

from transformers import TrainerCallback
from transformers.trainer_callback import TrainerState

log = logging.getLogger(__name__)

RUN = "run.json"  # in the workspace: which run its checkpoints belong to
WHOLE = "whole"  # in a checkpoint: everything else had been written before it
LAST = "last"  # in a checkpoint: the training ended with it, perhaps early


class WholeMark(TrainerCallback):  # type: ignore[misc, unused-ignore]
    """Marks a checkpoint once all of it is written; a kill before that leaves one that is never read."""

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002 - Trainer's call
        """Trainer has saved; so have the callbacks in front of this one."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if folder.is_dir():  # rotated away at once where an older one is the best
            if control.should_training_stop:
                (folder / LAST).touch()
            (folder / WHOLE).touch()


class LossOfPass(TrainerCallback):  # type: ignore[misc, unused-ignore]
    """Logs the loss at the end of a pass too: trackers get it every few steps, and a short run has fewer."""

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:  # noqa: ARG002 - Trainer's call
        """A pass is over."""
        control.should_log = True
        return control


def last_whole(workspace: Path) -> Path | None:
    """Return the newest whole checkpoint, None where there is none."""
    whole = (mark.parent for mark in workspace.glob(f"checkpoint-*/{WHOLE}"))
    return max(whole, key=lambda folder: int(folder.name.rpartition("-")[2]), default=None)


def passes_if_last(checkpoint: Path) -> float | None:
    """Return the number of passes at a checkpoint with which its training ended; None where more were to come."""
    if not (checkpoint / LAST).exists():
        return None
    state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
    return None if state.epoch is None else float(state.epoch)


def claim(workspace: Path, run: str) -> None:
    """Make the workspace that of `run` (a digest); checkpoints of another run there are removed, and said so."""
    workspace.mkdir(parents=True, exist_ok=True)
    try:
        owner = json.loads((workspace / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # none yet, or truncated in writing: then no checkpoint was begun either
        owner = None
    if isinstance(owner, dict) and owner.get("run") == run:
        return
    stale = list(workspace.glob("checkpoint-*"))
    if stale:
        log.warning(
            "%s: %d checkpoints are of other settings or data: starting from the beginning", workspace, len(stale)
        )
    for folder in stale:
        shutil.rmtree(folder)
    (workspace / RUN).write_text(json.dumps({"run": run}) + "\n", encoding="utf-8")


def clear(workspace: Path) -> None:
    """Remove the checkpoints of a run that is finished, and the workspace if nothing else is in it.

    Nothing happens where there is no workspace.
    """
    if not workspace.is_dir():
        return
    for folder in workspace.glob("checkpoint-*"):
        shutil.rmtree(folder)
    (workspace / RUN).unlink(missing_ok=True)
    if not any(workspace.iterdir()):
        workspace.rmdir()
