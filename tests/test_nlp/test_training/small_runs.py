"""Small runs for the tests of training: thirty short texts, and a kill between two passes."""

import pandas as pd

SENTENCES = {
    "positive": "profit rises",
    "negative": "loss said to the shares of net loss",
    "neutral": "sales in the net",
}


ROWS = pd.DataFrame(
    [(f"{text} {n}", label) for n in range(10) for label, text in SENTENCES.items()],
    columns=["text", "label"],
)


def weights_of(classifier):
    return b"".join(tensor.float().numpy().tobytes() for _, tensor in sorted(classifier._stored.items()))


class Killed(BaseException):
    """Stands for a kill: nothing of ours catches it."""


def kill_after(passes, monkeypatch):
    """Let the next training be cut off right after so many passes were saved."""
    import transformers

    begun = transformers.TrainerCallback.on_epoch_begin

    def on_epoch_begin(self, args, state, control, **named):
        if state.epoch >= passes:
            raise Killed
        return begun(self, args, state, control, **named)

    monkeypatch.setattr(transformers.DefaultFlowCallback, "on_epoch_begin", on_epoch_begin)


def count_steps(monkeypatch):
    import transformers

    steps = []
    step = transformers.Trainer.training_step
    monkeypatch.setattr(
        transformers.Trainer, "training_step", lambda self, *rest: (steps.append(1), step(self, *rest))[1]
    )
    return steps
