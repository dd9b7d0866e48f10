"""Exponential moving average of the weights during training; the average is what is evaluated and kept.

Import it where the Trainer is made: the base class of the callback loads transformers.
"""

import logging
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from nlp.errors import ModelError

log = logging.getLogger(__name__)

FILE = "averaged.safetensors"  # in a checkpoint folder, with the weights


class MovingAverage:
    """A debiased exponential moving average of a model's trainable weights, kept in float32."""

    def __init__(self, decay: float) -> None:
        """decay: what stays of the old average per step, in [0, 1); it looks back about 1 / (1 - decay) steps."""
        self.decay = decay
        self.steps = 0
        self.average: dict[str, Any] = {}
        self._aside: dict[str, Any] = {}  # the trained weights while the average is in the model

    @property
    def swapped(self) -> bool:
        """Whether the average is in the model now."""
        return bool(self._aside)

    def update(self, model: Any) -> None:
        """Take in the model's weights after one optimizer step."""
        import torch

        self.steps += 1
        # Debiased as in Adam (Kingma and Ba 2015, section 3): a_t = sum_i decay^(t-i) w_i / sum_i decay^(t-i).
        # As a recursion on a_t itself: a_t = a_{t-1} + share (w_t - a_{t-1}), share = (1 - decay)/(1 - decay^t).
        share = (1.0 - self.decay) / (1.0 - self.decay**self.steps)
        with torch.no_grad():
            for name, weight in _trainable(model):
                # float32: a step of 1e-3 of a difference is lost in the 8 bits of a bfloat16
                now = weight.detach().float()
                if name in self.average:
                    self.average[name].lerp_(now, share)
                else:
                    self.average[name] = now.clone()

    def swap(self, model: Any) -> None:
        """Put the average into the model and keep the trained weights aside, or put these back, to the last bit."""
        import torch

        coming = self._aside or self.average
        aside = {} if self._aside else {name: weight.detach().clone() for name, weight in _trainable(model)}
        with torch.no_grad():
            for name, weight in _trainable(model):
                if name in coming:
                    weight.copy_(coming[name])
        self._aside = aside if self.steps else {}

    def finish(self, model: Any) -> None:
        """Leave the average in the model for good."""
        if not self.swapped:
            self.swap(model)
        self._aside = {}

    def state_dict(self) -> dict[str, Any]:
        """Return the average by parameter name, and the number of steps under `steps`."""
        import torch

        return {**self.average, "steps": torch.tensor(self.steps)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        if "steps" not in state:
            raise ModelError(f"the saved average has no count of steps (it has {', '.join(list(state)[:3])}, ...)")
        self.steps = int(state["steps"])
        self.average = {name: tensor.float().clone() for name, tensor in state.items() if name != "steps"}


class AveragingCallback(TrainerCallback):  # type: ignore[misc, unused-ignore]
    """Averages after each optimizer step; evaluates, and ends the training, with the average in the model.

    Trainer saves the trained weights, which resuming needs, and this callback the average next to them. With
    `load_best_model_at_end` the average of the best checkpoint is the one that is kept: it is what was measured.
    """

    def __init__(self, decay: float) -> None:
        """decay: see MovingAverage."""
        self.moving = MovingAverage(decay)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002 - Trainer's call
        """Resume from the checkpoint whose step the state is at."""
        if state.global_step > 0:
            self._read(_checkpoint(args, state), kwargs["model"])

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Take in the new weights; where an evaluation follows, let it see the average."""
        self.moving.update(kwargs["model"])
        self._show_if_evaluated(control, kwargs["model"])

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Where an evaluation follows, let it see the average."""
        self._show_if_evaluated(control, kwargs["model"])

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Put the trained weights back; what is saved next must be they."""
        if self.moving.swapped:
            self.moving.swap(kwargs["model"])

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Write the average next to the checkpoint's weights."""
        from safetensors.torch import save_file

        folder = _checkpoint(args, state)
        if folder.is_dir():  # rotated away at once where the best is kept and the limit is 1
            save_file({name: t.contiguous().cpu() for name, t in self.moving.state_dict().items()}, folder / FILE)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Leave the average in the model: the last, or the best checkpoint's where that was loaded."""
        if args.load_best_model_at_end and state.best_model_checkpoint is not None:
            self._read(Path(state.best_model_checkpoint), kwargs["model"])
        self.moving.finish(kwargs["model"])

    def _show_if_evaluated(self, control: Any, model: Any) -> None:
        if control.should_evaluate and not self.moving.swapped:
            self.moving.swap(model)

    def _read(self, folder: Path, model: Any) -> None:
        from safetensors.torch import load_file

        if not (folder / FILE).is_file():
            raise ModelError(f"{folder}: has no {FILE}: the run it is from did not average; start again or turn it off")
        self.moving.load_state_dict(load_file(folder / FILE, device=str(next(model.parameters()).device)))


def _trainable(model: Any) -> list[tuple[str, Any]]:
    return [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]


def _checkpoint(args: Any, state: Any) -> Path:
    return Path(args.output_dir) / f"checkpoint-{state.global_step}"
