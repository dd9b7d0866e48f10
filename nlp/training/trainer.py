"""The transformers Trainer of one fine-tuning run: its arguments, optimizer, callbacks, and how it is run."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from newsfolio.shared.errors import first_line
from nlp.errors import ModelError
from nlp.model.files import quiet_transformers
from nlp.training.recipe import FinetuneConfig
from nlp.training.targets import Targets
from nlp.training.techniques.adversarial import adversarial_step
from nlp.training.techniques.learning_rates import parameter_groups
from nlp.training.techniques.loss import trainer_loss

TRACKERS = ("tensorboard", "wandb", "mlflow")
# What torch says of a checkpoint that it could not write to its end: its archive writer, by name or by file.
UNWRITTEN = ("PytorchStreamWriter", "inline_container", "No space left")

Row = dict[str, Any]  # input_ids, and labels: the target, one number per label


@dataclass(frozen=True)
class Run:
    """One training run: its settings, where its checkpoints go (None: nowhere), and the trackers that log it.

    keeps_checkpoints: they stay when it is done, so that the same run again is done at once.
    """

    config: FinetuneConfig
    workspace: Path | None = None
    trackers: Sequence[str] = ()
    progress: bool = False
    keeps_checkpoints: bool = False


def build(model: Any, tokenizer: Any, train: list[Row], valid: list[Row], weights: Targets, run: Run) -> Any:
    """Return a Trainer; weights: the loss's factor per class.

    Raises:
        ModelError: memory ran out, or a tracker is unknown or not installed.
    """
    import torch
    import transformers

    from nlp.training.checkpoints import LossOfPass, WholeMark
    from nlp.training.techniques.averaging import AveragingCallback

    config = run.config
    callbacks = [
        *([AveragingCallback(config.average_decay)] if config.average_decay else []),
        *([transformers.EarlyStoppingCallback(config.patience)] if config.patience else []),
        *([LossOfPass()] if run.trackers else []),
        *([WholeMark()] if run.workspace else []),  # last: it vouches for what those before it wrote
    ]
    loss = trainer_loss(
        torch.tensor(weights), smoothing=config.label_smoothing, gamma=config.focal_gamma, rdrop=config.rdrop
    )
    with _resource_errors(run):  # the model goes to its device here
        trainer = transformers.Trainer(
            model=model,
            args=arguments(run),
            train_dataset=train,
            eval_dataset=valid,
            data_collator=transformers.DataCollatorWithPadding(tokenizer),
            compute_loss_func=loss,
            compute_metrics=trainer_metrics,
            optimizers=(optimizer(model, config), None),
            callbacks=callbacks,
        )
    trainer.remove_callback(transformers.PrinterCallback)  # it prints a dict per logging step
    if config.adversarial_norm:
        # Callbacks do not see the inputs and the loss does not see the model: only the step itself sees both.
        step = adversarial_step(trainer.training_step, config.adversarial_norm)
        trainer.training_step = step  # type: ignore[method-assign]
    return trainer


def optimizer(model: Any, config: FinetuneConfig) -> Any:
    """AdamW over the learning-rate groups of the config."""
    import torch

    groups = parameter_groups(
        model,
        learning_rate=config.learning_rate,
        layer_decay=config.layer_decay,
        head_factor=config.head_factor,
        weight_decay=config.weight_decay,
    )
    return torch.optim.AdamW(groups, fused=True)  # a twentieth of the step's time; the plain loop takes a third


def arguments(run: Run) -> Any:
    """The config in the Trainer's words."""
    import tempfile

    import torch
    import transformers

    for name in run.trackers:
        if name not in TRACKERS:
            raise ModelError(f"the tracker {name!r} is not known: use {', '.join(TRACKERS)}")
        if find_spec(name) is None:
            raise ModelError(f"the tracker {name} is not installed: pip install {name}")
    config, on_cpu = run.config, not (torch.cuda.is_available() or torch.backends.mps.is_available())
    measured, width = bool(config.patience or run.trackers), precision_on(config.precision, on_cpu=on_cpu)
    return transformers.TrainingArguments(
        output_dir=str(run.workspace or tempfile.gettempdir()),  # without a workspace nothing is written there
        num_train_epochs=config.epochs,
        learning_rate=config.learning_rate,
        per_device_train_batch_size=config.batch_size,
        per_device_eval_batch_size=64,
        gradient_accumulation_steps=config.accumulation,
        activation_checkpointing=config.gradient_checkpointing,
        warmup_steps=config.warmup,  # below 1: a share of all steps
        train_sampling_strategy="group_by_length",  # batches of like lengths waste little padding
        seed=config.seed,
        use_cpu=on_cpu,
        bf16=width == "bfloat16",
        fp16=width == "float16",
        eval_strategy="epoch" if measured else "no",
        save_strategy="epoch" if run.workspace else "no",
        save_total_limit=2,  # one would leave none whole while the next is written
        load_best_model_at_end=bool(config.patience),
        metric_for_best_model="macro_f1",
        restore_callback_states_from_checkpoint=True,  # the patience already spent
        logging_strategy="steps" if run.trackers else "epoch",
        logging_steps=10,
        report_to=list(run.trackers),
        disable_tqdm=not (run.progress and sys.stderr.isatty()),
        dataloader_pin_memory=not on_cpu,
    )


def precision_on(precision: str, *, on_cpu: bool) -> str:
    """Return the precision that the config's means on this machine: float32, bfloat16 or float16.

    auto on the CPU is float32: bfloat16 halves the forward pass but doubles the backward pass of short texts.

    Raises:
        ModelError: float16 on the CPU, or bfloat16 on a GPU without it.
    """
    import torch

    has_bf16 = on_cpu or (torch.cuda.is_available() and torch.cuda.is_bf16_supported())
    if precision == "float16" and on_cpu:
        raise ModelError("precision float16 needs a GPU: use float32 or bfloat16 on the CPU")
    if precision == "bfloat16" and not has_bf16:
        raise ModelError("precision bfloat16 is not known to this GPU: use float16 or float32")
    if precision != "auto":
        return precision
    return "bfloat16" if has_bf16 and not on_cpu else "float32"


def trainer_metrics(predicted: Any) -> dict[str, float]:
    """`headline_figures` of what the Trainer predicted."""
    truth, guess = predicted.label_ids.argmax(axis=-1), predicted.predictions.argmax(axis=1)
    if truth.ndim == 2:  # no and yes of each label
        guess = (predicted.predictions >= 0.0).astype(truth.dtype)
    return headline_figures(truth, guess, predicted.predictions.shape[1])


def headline_figures(truth: NDArray[np.int64], guess: NDArray[np.int64], n_labels: int) -> dict[str, float]:
    """Accuracy, macro-F1 and micro-F1 of label codes; a label absent from both sides has the F1 0.

    Of a multi-label task, 0 and 1 per label (texts × labels): all labels of a text must be right, and the macro-F1 is
    that of the labels which occur.
    """
    from sklearn.metrics import accuracy_score, f1_score

    codes = list(range(n_labels)) if truth.ndim == 1 else np.flatnonzero(truth.any(axis=0)).tolist()
    return {
        "accuracy": float(accuracy_score(truth, guess)),
        "macro_f1": float(f1_score(truth, guess, labels=codes, average="macro", zero_division=0.0)),
        "micro_f1": float(f1_score(truth, guess, labels=list(range(n_labels)), average="micro", zero_division=0.0)),
    }


def train_from(trainer: Any, run: Run, digest: str) -> Any:
    """Train, from the last whole checkpoint of this very run (`digest`) where the workspace has one.

    Memory and disk that run out are errors with a remedy.
    """
    from nlp.training.checkpoints import claim, clear, last_whole, passes_if_last

    with _resource_errors(run), quiet_transformers():  # each checkpoint would else draw a bar of its own
        if run.workspace is None:
            return trainer.train()
        claim(run.workspace, digest)
        checkpoint = last_whole(run.workspace)
        if checkpoint is not None and (passes := passes_if_last(checkpoint)):
            trainer.args.num_train_epochs = passes  # it would otherwise continue where patience had ended it
        outcome = trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
        if not run.keeps_checkpoints:
            clear(run.workspace)
        return outcome


@contextmanager
def _resource_errors(run: Run) -> Iterator[None]:
    """Raise a ModelError with a remedy where memory or disk run out."""
    from safetensors import SafetensorError

    try:
        yield
    except (MemoryError, OSError, SafetensorError, RuntimeError) as error:  # torch's is a RuntimeError for both
        plain = isinstance(error, RuntimeError)
        if isinstance(error, OSError | SafetensorError) or (plain and any(sign in str(error) for sign in UNWRITTEN)):
            reason = getattr(error, "strerror", None) or first_line(error)
            raise ModelError(f"{run.workspace}: cannot be written: {reason}: make room there") from error
        if plain and "memory" not in str(error).lower():
            raise
        raise ModelError(
            f"out of memory at batch size {run.config.batch_size}: lower batch_size (--batch-size on the command "
            "line); from Python one may also raise accumulation, lower max_length or set gradient_checkpointing"
        ) from error


def rows_of(ids: list[list[int]], targets: Targets) -> list[Row]:
    """Rows as the Trainer takes them."""
    return [{"input_ids": tokens, "labels": row} for tokens, row in zip(ids, targets.tolist(), strict=True)]
