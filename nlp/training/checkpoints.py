"""Checkpoints of a training run: only whole ones, of the very same run, are gone on from."""

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
LAST = "last"  # in a checkpoint: the training ended with it, be it before its time


class WholeMark(TrainerCallback):  # type: ignore[misc, unused-ignore]
    """Marks a checkpoint once all of it is written; a kill before that leaves one that is never read."""

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002 - Trainer's call
        """Trainer has saved; so have the callbacks in front of this one."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if folder.is_dir():  # rotated away at once where an older one is the best
            if control.should_training_stop:
                (folder / LAST).touch()
            (folder / WHOLE).touch()


def last_whole(workspace: Path) -> Path | None:
    """Return the newest whole checkpoint, None where there is none."""
    return max((mark.parent for mark in workspace.glob(f"checkpoint-*/{WHOLE}")), key=_step, default=None)


def passes_if_last(checkpoint: Path) -> float | None:
    """Return the passes behind a checkpoint with which its training ended; None where more were to come."""
    if not (checkpoint / LAST).exists():
        return None
    state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
    return None if state.epoch is None else float(state.epoch)


def claim(workspace: Path, run: str) -> None:
    """Make the workspace that of `run` (a digest); checkpoints of another run there are removed, and said so."""
    workspace.mkdir(parents=True, exist_ok=True)
    if _owner(workspace) == run:
        return
    stale = list(workspace.glob("checkpoint-*"))
    if stale:
        log.warning("%s: %d checkpoints are of other settings or data: starting afresh", workspace, len(stale))
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


def _owner(workspace: Path) -> str | None:
    try:
        found = json.loads((workspace / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # none yet, or cut off in writing: then no checkpoint was begun either
        return None
    return found.get("run") if isinstance(found, dict) else None


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])
