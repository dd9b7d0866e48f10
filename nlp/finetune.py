"""Fine-tune a pretrained encoder into a sentiment classifier with the transformers Trainer."""

import logging
import tempfile
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nlp.classifier import EMBEDDED, SentimentClassifier, checked_source, quiet_transformers
from nlp.corpora import LABELS, label_codes
from nlp.errors import CorpusError, ModelError
from nlp.inference import tokenize

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FinetuneConfig:
    """How to fine-tune.

    learning_rate is that of the pretrained encoder; the head (pooler and classifier, nearly or wholly new)
    learns `head_factor` times as fast. warmup is the share of steps over which both rise; they then fall
    linearly to 0. class_weight_power: loss weights are (1 / label frequency) to this power, mean 1.
    dropout applies between layers; attention dropout is off, as it shuts out the fused attention kernels.
    max_length is in tokens; longer texts are cut and counted.
    """

    base: str = EMBEDDED
    epochs: float = 4.0
    learning_rate: float = 5e-5
    head_factor: float = 10.0
    batch_size: int = 32
    warmup: float = 0.1
    dropout: float = 0.1
    weight_decay: float = 0.01
    class_weight_power: float = 0.5
    max_length: int = 128
    seed: int = 0

    @classmethod
    def small_corpus(cls, seed: int = 0) -> "FinetuneConfig":
        """For about a thousand texts: smaller batches, faster learning, more passes."""
        return cls(epochs=8.0, learning_rate=1e-4, batch_size=16, seed=seed)


@dataclass(frozen=True)
class FinetuneReport:
    """What a fine-tuning run did: its config, row counts, losses and the figures on the held-out rows."""

    config: FinetuneConfig
    train_rows: int
    valid_rows: int
    steps: int
    seconds: float
    train_loss: float
    valid_accuracy: float
    valid_macro_f1: float

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        """One line that a person can read."""
        return (
            f"fine-tuned {self.config.base} on {self.train_rows:,} texts in {self.seconds:.0f} s; "
            f"on {self.valid_rows:,} held-out texts: accuracy {self.valid_accuracy:.3f}, macro-F1 {self.valid_macro_f1:.3f}"
        )


def finetune(
    train: pd.DataFrame, valid: pd.DataFrame, config: FinetuneConfig | None = None, *, progress: bool = False
) -> tuple[SentimentClassifier, FinetuneReport]:
    """Train on rows of `text` and `label` (see read_labelled), measure on `valid`, return both.

    The same data, config and machine give the same weights.

    Raises:
        CorpusError: a label is missing from the training rows.
        ModelError: the base model cannot be loaded, or the training ran out of memory.
    """
    config = FinetuneConfig() if config is None else config
    _need_all_labels(train)
    model, tokenizer = load_base(config.base, config.seed, dropout=config.dropout)
    trainer = _trainer(model, tokenizer, train, config, progress)
    try:
        outcome = trainer.train()
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error).lower():
            raise
        raise ModelError(f"out of memory at batch size {config.batch_size}: lower batch_size or max_length") from error
    classifier = SentimentClassifier(trainer.model, tokenizer)
    accuracy, macro_f1 = _figures(classifier, valid)
    return classifier, FinetuneReport(
        config, len(train), len(valid), int(trainer.state.global_step), float(outcome.metrics["train_runtime"]),
        float(outcome.training_loss), accuracy, macro_f1,
    )  # fmt: skip


def load_base(base: str, seed: int, *, dropout: float = 0.1) -> tuple[Any, Any]:
    """Return a pretrained encoder with a fresh three-way head, in float32, and its tokenizer."""
    import transformers

    where = checked_source(base)
    transformers.set_seed(seed)  # the head is drawn at random
    with quiet_transformers():
        try:
            model = transformers.AutoModelForSequenceClassification.from_pretrained(
                where,
                num_labels=len(LABELS),
                id2label=dict(enumerate(LABELS)),
                label2id={label: code for code, label in enumerate(LABELS)},
                ignore_mismatched_sizes=True,
                use_safetensors=True,
                dtype="float32",  # an fp16 checkpoint would else be trained in fp16
            )
            tokenizer = transformers.AutoTokenizer.from_pretrained(where, use_fast=True)
        except (OSError, ValueError, KeyError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise ModelError(f"{base}: cannot be loaded as a base model: {reason}") from error
    _set_dropout(model, dropout)
    return model, tokenizer


def _set_dropout(model: Any, dropout: float) -> None:
    """Dropout between layers only; a config attribute would come too late, the modules are built."""
    import torch

    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0 if name.endswith(("attention.self.dropout", "attention.dropout")) else dropout


def _need_all_labels(train: pd.DataFrame) -> None:
    missing = [label for label in LABELS if label not in set(train["label"])]
    if missing:
        raise CorpusError(f"no training text is labelled {', '.join(missing)}: all of {', '.join(LABELS)} are needed")


def _trainer(model: Any, tokenizer: Any, train: pd.DataFrame, config: FinetuneConfig, progress: bool) -> Any:
    import torch
    import transformers

    ids, cut = tokenize(tokenizer, list(train["text"]), config.max_length)
    if cut:
        log.warning("%d of %d training texts are longer than %d tokens and were cut", cut, len(ids), config.max_length)
    codes = label_codes(train["label"])
    rows = [{"input_ids": tokens, "labels": int(code)} for tokens, code in zip(ids, codes, strict=True)]
    weights = torch.tensor(class_weights(codes, config.class_weight_power))

    def weighted_loss(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:  # noqa: ARG001 - Trainer passes it
        return torch.nn.functional.cross_entropy(outputs.logits.float(), labels, weight=weights.to(labels.device))

    trainer = transformers.Trainer(
        model=model,
        args=_arguments(config, progress),
        train_dataset=rows,
        data_collator=transformers.DataCollatorWithPadding(tokenizer),
        compute_loss_func=weighted_loss,
        optimizers=(_optimizer(model, config), None),
    )
    trainer.model_accepts_loss_kwargs = False  # our loss is a mean: let Trainer divide by accumulation steps
    trainer.remove_callback(transformers.PrinterCallback)  # it prints a dict per logging step
    return trainer


def _optimizer(model: Any, config: FinetuneConfig) -> Any:
    """AdamW over four groups: head or encoder, with weight decay or (biases and norms) without."""
    import torch

    groups: dict[tuple[bool, bool], list[Any]] = {}
    for name, parameter in model.named_parameters():
        in_head = not name.startswith(f"{model.base_model_prefix}.") or ".pooler." in name
        groups.setdefault((in_head, parameter.ndim > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "lr": config.learning_rate * (config.head_factor if in_head else 1.0),
                "weight_decay": config.weight_decay if decays else 0.0,
            }
            for (in_head, decays), parameters in groups.items()
        ],
        fused=True,  # a twentieth of the step's time; the plain loop takes a third
    )


def _arguments(config: FinetuneConfig, progress: bool) -> Any:
    import sys

    import torch
    import transformers

    on_cpu = not (torch.cuda.is_available() or torch.backends.mps.is_available())
    return transformers.TrainingArguments(
        output_dir=tempfile.gettempdir(),  # nothing is written there: saving is off
        num_train_epochs=config.epochs,
        learning_rate=config.learning_rate,
        per_device_train_batch_size=config.batch_size,
        warmup_steps=config.warmup,  # below 1: a share of all steps
        train_sampling_strategy="group_by_length",  # batches of like lengths waste little padding
        seed=config.seed,
        use_cpu=on_cpu,
        # On the CPU float32: bfloat16 halves the forward pass but doubles the backward pass of short texts.
        bf16=not on_cpu and torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=not (progress and sys.stderr.isatty()),
        dataloader_pin_memory=not on_cpu,
    )


def class_weights(codes: NDArray[np.int64], power: float) -> NDArray[np.float32]:
    """Return (1 / label frequency)^power per label, scaled so that the mean over the texts is 1."""
    counts = np.bincount(codes, minlength=len(LABELS))
    weights = (len(codes) / counts) ** power
    return np.asarray(weights / (weights * counts).sum() * len(codes), dtype=np.float32)


def _figures(classifier: SentimentClassifier, valid: pd.DataFrame) -> tuple[float, float]:
    from sklearn.metrics import accuracy_score, f1_score

    truth = label_codes(valid["label"])
    guess = classifier.predict_proba(list(valid["text"])).argmax(axis=1)
    return float(accuracy_score(truth, guess)), float(f1_score(truth, guess, average="macro"))
