"""Fine-tune a pretrained encoder into a sentiment classifier with the transformers Trainer."""

import logging
import sys
import tempfile
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nlp.adversarial import adversarial_step
from nlp.augment import AugmentConfig, augment
from nlp.calibration import fit_temperature
from nlp.classifier import SentimentClassifier
from nlp.corpora import LABELS, label_codes
from nlp.errors import CorpusError, ModelError
from nlp.evaluate import accuracy_of, confusion_of, f1_per_label
from nlp.inference import checked_texts, longest_text, tokenize
from nlp.learning_rates import parameter_groups
from nlp.lora import adapt, merged
from nlp.loss import trainer_loss
from nlp.model_files import absent_weights, checked_source, load_tokenizer, reading, refuse_absent
from nlp.recipe import FinetuneConfig
from nlp.tables import need_columns

log = logging.getLogger(__name__)


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
    temperature: float

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        """One line that a person can read."""
        return (
            f"fine-tuned {self.config.base} on {self.train_rows:,} texts in {self.seconds:.0f} s; "
            f"on {self.valid_rows:,} held-out texts: accuracy {self.valid_accuracy:.3f}, "
            f"macro-F1 {self.valid_macro_f1:.3f}"
        )


def finetune(
    train: pd.DataFrame, valid: pd.DataFrame, config: FinetuneConfig | None = None, *, progress: bool = False
) -> tuple[SentimentClassifier, FinetuneReport]:
    """Train on rows of `text` and `label` (see read_labelled), measure on `valid`, return both.

    The same data, config and machine give the same weights. The temperature is fitted on `valid` too, which
    training never saw: it moves no figure of the report, as it never changes which label comes first.

    Raises:
        CorpusError: a column, a text or a label is missing or unknown; seen before the training starts.
        ModelError: the base model cannot be loaded, or the training ran out of memory.
    """
    config = FinetuneConfig() if config is None else config
    held_texts, held_codes = _checked(valid, "validation")
    _need_all_labels(_checked(train, "training")[1])
    if not held_texts:
        raise CorpusError("there are no validation texts: hold some out (split)")
    texts, codes = _checked(_augmented(train, held_texts, config), "training")
    model, tokenizer = load_base(config.base, config.seed, dropout=config.dropout)
    trainer = _trainer(model, tokenizer, _encoded(model, tokenizer, texts, codes, config), config, progress)
    outcome = _train(trainer, config)
    classifier = SentimentClassifier(_without_adapters(trainer.model, config), tokenizer)
    probabilities = classifier.predict_proba(held_texts)
    classifier.temperature = fit_temperature(probabilities, valid["label"])
    confusion = confusion_of(held_codes, probabilities.argmax(axis=1))
    return classifier, FinetuneReport(
        config, len(texts), len(held_texts), int(trainer.state.global_step), float(outcome.metrics["train_runtime"]),
        float(outcome.training_loss), float(accuracy_of(confusion)), float(f1_per_label(confusion).mean()),
        classifier.temperature,
    )  # fmt: skip


def _augmented(train: pd.DataFrame, held: list[str], config: FinetuneConfig) -> pd.DataFrame:
    if not config.augmented_copies:
        return train
    return augment(train, AugmentConfig(copies=config.augmented_copies, seed=config.seed), held_out=held)


def _checked(rows: pd.DataFrame, role: str) -> tuple[list[str], NDArray[np.int64]]:
    """Texts and label codes of the rows."""
    need_columns(rows, ("text", "label"), f"{role} texts", CorpusError)
    try:
        return checked_texts(list(rows["text"]), CorpusError), label_codes(rows["label"])
    except CorpusError as error:
        raise CorpusError(f"{role} texts: {error}") from error


def _need_all_labels(codes: NDArray[np.int64]) -> None:
    missing = [label for code, label in enumerate(LABELS) if code not in codes]
    if missing:
        raise CorpusError(f"no training text is labelled {', '.join(missing)}: all of {', '.join(LABELS)} are needed")


def load_base(base: str, seed: int, *, dropout: float = 0.1) -> tuple[Any, Any]:
    """Return a pretrained encoder with a fresh three-way head, in float32, and its tokenizer.

    A pooler is kept where there is one. A head never is, even one of three labels: its order need not be ours.
    """
    import transformers

    where = checked_source(base)
    transformers.set_seed(seed)  # the head is drawn at random
    with reading(base, "a base model"):
        model, report = transformers.AutoModelForSequenceClassification.from_pretrained(
            where,
            num_labels=len(LABELS),
            id2label=dict(enumerate(LABELS)),
            label2id={label: code for code, label in enumerate(LABELS)},
            ignore_mismatched_sizes=True,
            use_safetensors=True,
            dtype="float32",  # an fp16 checkpoint would else be trained in fp16
            output_loading_info=True,
        )
        absent = absent_weights(report)
        refuse_absent([name for name in absent if not _in_head(model, name)])
        tokenizer = load_tokenizer(where)
    _draw_head(model, set(absent))
    _set_dropout(model, dropout)
    return model, tokenizer


def _in_head(model: Any, name: str) -> bool:
    """Whether a weight is in the pooler or the classifier, nearly or wholly new in fine-tuning."""
    return not name.startswith(f"{model.base_model_prefix}.") or ".pooler." in name


def _draw_head(model: Any, drawn: set[str]) -> None:
    """Draw the layers above the encoder anew, those apart that transformers has drawn already."""
    import torch

    spread = getattr(model.config, "initializer_range", 0.02)
    for name, layer in model.named_modules():
        above = not name.startswith(f"{model.base_model_prefix}.")
        if above and isinstance(layer, torch.nn.Linear) and f"{name}.weight" not in drawn:
            torch.nn.init.normal_(layer.weight, std=spread)
            if layer.bias is not None:
                torch.nn.init.zeros_(layer.bias)


def _set_dropout(model: Any, dropout: float) -> None:
    """Dropout between layers only; a config attribute would come too late, the modules are built."""
    import torch

    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0 if name.endswith(("attention.self.dropout", "attention.dropout")) else dropout


def _encoded(
    model: Any, tokenizer: Any, texts: list[str], codes: NDArray[np.int64], config: FinetuneConfig
) -> list[dict[str, Any]]:
    """Rows as the Trainer takes them: token ids and the code of the label."""
    limit = min(config.max_length, longest_text(model, tokenizer))
    ids, cut = tokenize(tokenizer, texts, limit)
    if cut:
        log.warning("%d of %d training texts are longer than %d tokens and were cut", cut, len(ids), limit)
    return [{"input_ids": tokens, "labels": int(code)} for tokens, code in zip(ids, codes, strict=True)]


def _trainer(model: Any, tokenizer: Any, rows: list[dict[str, Any]], config: FinetuneConfig, progress: bool) -> Any:
    import torch
    import transformers

    from nlp.averaging import AveragingCallback

    codes = np.array([row["labels"] for row in rows])
    weights = torch.tensor(class_weights(codes, config.class_weight_power))
    trained = _with_adapters(model, config)
    trainer = transformers.Trainer(
        model=trained,
        args=_arguments(config, progress),
        train_dataset=rows,
        data_collator=transformers.DataCollatorWithPadding(tokenizer),
        compute_loss_func=trainer_loss(weights, smoothing=config.label_smoothing, gamma=config.focal_gamma),
        optimizers=(_optimizer(trained, config), None),
        callbacks=[AveragingCallback(config.average_decay)] if config.average_decay else [],
    )
    trainer.remove_callback(transformers.PrinterCallback)  # it prints a dict per logging step
    if config.adversarial_norm:
        # Callbacks do not see the inputs and the loss does not see the model: only the step itself sees both.
        step = adversarial_step(trainer.training_step, config.adversarial_norm)
        trainer.training_step = step  # type: ignore[method-assign]
    return trainer


def _with_adapters(model: Any, config: FinetuneConfig) -> Any:
    return adapt(model, rank=config.lora_rank) if config.lora_rank else model


def _without_adapters(model: Any, config: FinetuneConfig) -> Any:
    return merged(model) if config.lora_rank else model


def _train(trainer: Any, config: FinetuneConfig) -> Any:
    try:
        return trainer.train()
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error).lower():
            raise
        raise ModelError(f"out of memory at batch size {config.batch_size}: lower batch_size or max_length") from error


def _optimizer(model: Any, config: FinetuneConfig) -> Any:
    import torch

    groups = parameter_groups(
        model,
        learning_rate=config.learning_rate,
        layer_decay=config.layer_decay,
        head_factor=config.head_factor,
        weight_decay=config.weight_decay,
    )
    return torch.optim.AdamW(groups, fused=True)  # a twentieth of the step's time; the plain loop takes a third


def _arguments(config: FinetuneConfig, progress: bool) -> Any:
    import torch
    import transformers

    on_cpu = not (torch.cuda.is_available() or torch.backends.mps.is_available())
    return transformers.TrainingArguments(
        output_dir=tempfile.gettempdir(),  # nothing is written there: saving is off
        num_train_epochs=config.epochs,
        learning_rate=config.learning_rate,
        per_device_train_batch_size=config.batch_size,
        gradient_accumulation_steps=config.accumulation,
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
