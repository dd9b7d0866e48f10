"""Fine-tune a pretrained encoder into a sentiment classifier with the transformers Trainer."""

import hashlib
import json
import logging
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from newsfolio.shared.tables import need_columns
from nlp.errors import CorpusError, ModelError
from nlp.evaluation.metrics import YES
from nlp.labels import LABELS, TONE, has_several, label_codes, label_matrix, label_set, need_all_labels
from nlp.model.classifier import TextClassifier, classifier_of
from nlp.model.files import texts_of_base
from nlp.model.inference import checked_texts, longest_text, tokenize, warn_truncated
from nlp.model.temperature import fit_temperature
from nlp.model.unknown_words import UNREADABLE, unknown_ids, unknown_shares
from nlp.provenance import combine, training_texts
from nlp.texts.compared_amounts import with_directions
from nlp.training.base_model import load_base
from nlp.training.recipe import FinetuneConfig
from nlp.training.targets import binary_targets, class_weights, row_weights, targets
from nlp.training.techniques.augment import AugmentConfig, augment
from nlp.training.techniques.lora import adapt, merged
from nlp.training.techniques.rdrop import duplicate_batch
from nlp.training.trainer import Run, build, headline_figures, rows_of, train_from

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FinetuneReport:
    """What a fine-tuning run did: its config, row counts, losses and the figures on the held-out rows.

    train_loss is the mean over the last pass, with trackers over its last steps. seconds are those of the training
    since it was last begun or resumed. With `patience` the pass was chosen on the held-out rows: their figures are
    then a little too good.
    """

    config: FinetuneConfig
    train_rows: int
    valid_rows: int
    steps: int
    seconds: float
    train_loss: float
    valid_accuracy: float
    valid_macro_f1: float
    valid_micro_f1: float
    temperature: float

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        """One line that a person can read."""
        micro = "" if self.valid_micro_f1 == self.valid_accuracy else f", micro-F1 {self.valid_micro_f1:.3f}"
        return (
            f"fine-tuned {self.config.base} on {self.train_rows:,} texts in {self.seconds:.0f} s; "
            f"on {self.valid_rows:,} held-out texts: accuracy {self.valid_accuracy:.3f}, "
            f"macro-F1 {self.valid_macro_f1:.3f}" + micro
        )


def finetune(
    train: pd.DataFrame,
    valid: pd.DataFrame,
    config: FinetuneConfig | None = None,
    *,
    task: str = TONE,
    workspace: str | Path | None = None,
    trackers: Sequence[str] = (),
    progress: bool = False,
    keep_checkpoints: bool = False,
) -> tuple[TextClassifier, FinetuneReport]:
    """Train on rows of `text` and `label` (see read_labelled), measure on `valid`, return both.

    train may have a column `weight` (how much a text counts; see nlp/corpora/mixing.py for several corpora) and, for
    soft targets, `agree`. The same data, config and machine give the same weights. The temperature is fitted on
    `valid` too, which training never saw: it moves no figure of the report, as it never changes which label comes
    first.

    task: "tone" has the labels negative, neutral, positive, and gives a SentimentClassifier; any other name those that
    the rows bring (two or more), and gives a TextClassifier. Where a cell names several, divided by `|` (see
    nlp.labels.divided), the task is multi-label: each label is learnt as a yes or no, class weights do not apply.

    workspace: a folder for a checkpoint per pass. The same call after a kill resumes from the last whole one, to the
    same weights as an uninterrupted run; at the end they are removed. keep_checkpoints: they are not, and the same
    call then returns without training, until `nlp.training.checkpoints.clear(workspace)`. trackers: tensorboard (writes
    below `workspace`), wandb, mlflow; their own environment variables hold.

    Raises:
        CorpusError: a column, a text or a label is missing or unknown; seen before the training starts.
        ModelError: the base model cannot be loaded, memory or disk ran out, or a tracker is missing.
    """
    config = FinetuneConfig() if config is None else config
    labels = _label_set((train, "training"), (valid, "validation"), task=task, config=config)
    config = replace(config, class_weight_power=0.0) if labels.several else config
    held_texts, held = _checked(valid, "validation", labels)
    need_all_labels(_checked(train, "training", labels)[1], labels.names)
    if not held_texts:
        raise CorpusError("there are no validation texts: hold some out (split)")
    if labels.several:
        log.warning("%s: a text may have several of %d labels: | without blanks divides them", task, len(labels.names))
    elif any("|" in name for name in labels.names):
        log.warning("%s: a text has one of %d labels: | between blanks is part of a name", task, len(labels.names))
    # The dates of the held-out texts count too: these set the temperature, and with `patience` the pass.
    measured = replace(training_texts(valid), corpora=())
    provenance = combine(texts_of_base(config.base), training_texts(train), measured)
    train = _augmented(train, held_texts, config)
    # To return to the best pass, checkpoints need a folder, if only a temporary one.
    needs_folder = workspace is None and config.patience > 0
    with tempfile.TemporaryDirectory() if needs_folder else nullcontext(workspace) as folder:
        run = Run(config, None if folder is None else Path(folder), trackers, progress, keep_checkpoints)
        trainer, tokenizer, seconds = _trained(train, valid, run, labels)
        model = merged(trainer.model)
    classifier = classifier_of(task)(
        model, tokenizer, task=task, dtype="float32", reads_amounts=config.reads_amounts, training=provenance
    )
    figures = _calibrated(classifier, valid, held, labels)
    return classifier, FinetuneReport(
        config=config,
        train_rows=len(train),
        valid_rows=len(held_texts),
        steps=int(trainer.state.global_step),
        seconds=seconds,
        train_loss=next(float(entry["loss"]) for entry in reversed(trainer.state.log_history) if "loss" in entry),
        valid_accuracy=figures["accuracy"],
        valid_macro_f1=figures["macro_f1"],
        valid_micro_f1=figures["micro_f1"],
        temperature=classifier.temperature,
    )


def refit(
    rows: pd.DataFrame,
    config: FinetuneConfig,
    *,
    temperature: float,
    task: str = TONE,
    workspace: str | Path | None = None,
    progress: bool = False,
    keep_checkpoints: bool = False,
) -> TextClassifier:
    """Train by the same recipe on all rows, those included that `finetune` was measured on, and return that.

    temperature: the one that `finetune` fitted on the rows it had held out. None are left here to fit it on, so it is
    that of a model trained on fewer texts, as are all figures: scikit-learn's CalibratedClassifierCV does the
    same with ensemble=False. task, workspace, keep_checkpoints: as for finetune, and not the same folder.

    Raises:
        CorpusError, ModelError: as finetune; ModelError too where `patience` asks for held-out rows.
    """
    if config.patience:
        raise ModelError("patience needs held-out texts, which a refit has none of: give the passes as epochs")
    labels = _label_set((rows, "training"), task=task, config=config)
    config = replace(config, class_weight_power=0.0) if labels.several else config
    need_all_labels(_checked(rows, "training", labels)[1], labels.names)
    provenance = combine(texts_of_base(config.base), training_texts(rows))
    rows = _augmented(rows, [], config)
    run = Run(config, None if workspace is None else Path(workspace), (), progress, keep_checkpoints)
    trainer, tokenizer, _ = _trained(rows, rows.head(0), run, labels)
    return classifier_of(task)(
        merged(trainer.model),
        tokenizer,
        task=task,
        temperature=temperature,
        dtype="float32",
        reads_amounts=config.reads_amounts,
        training=provenance,
    )


def _augmented(train: pd.DataFrame, held: list[str], config: FinetuneConfig) -> pd.DataFrame:
    if not config.augmented_copies:
        return train
    return augment(train, AugmentConfig(copies=config.augmented_copies, seed=config.seed), held_out=held)


def _calibrated(
    classifier: TextClassifier, valid: pd.DataFrame, truth: NDArray[np.int64], labels: "_Labels"
) -> dict[str, float]:
    """Set the temperature that fits the held-out texts, and return the figures on them."""
    probabilities = classifier.predict_proba(list(valid["text"]))
    read = np.asarray(np.isfinite(probabilities).all(axis=1))  # of the others predict_proba has said how many they are
    probabilities, cells = probabilities[read], valid["label"][read]
    classifier.temperature = fit_temperature(probabilities, cells, names=labels.names, multi_label=labels.several)
    guess = (probabilities >= YES).astype(np.int64) if labels.several else probabilities.argmax(axis=1)
    return headline_figures(truth[read], guess, len(labels.names))


class _Labels(NamedTuple):
    """The labels of a task, and whether a text may have several."""

    names: tuple[str, ...]
    several: bool


def _label_set(*parts: tuple[pd.DataFrame, str], task: str, config: FinetuneConfig) -> _Labels:
    if config.soft_targets and task != TONE:
        raise ModelError(f"soft_targets need labels in an order, which only those of {TONE} have: leave it out")
    for rows, role in parts:
        need_columns(rows, ("text", "label"), f"{role} texts", CorpusError)
    if task == TONE:
        return _Labels(LABELS, several=False)
    cells = pd.concat([rows["label"] for rows, _ in parts])
    several = has_several(cells)
    return _Labels(label_set(cells, multi_label=several), several)


def _checked(rows: pd.DataFrame, role: str, labels: _Labels) -> tuple[list[str], NDArray[np.int64]]:
    """Texts of the rows and their label codes, or of a multi-label task 0 and 1 per label (texts × labels)."""
    try:
        texts = checked_texts(list(rows["text"]), CorpusError)
        if labels.several:
            return texts, label_matrix(rows["label"], known=labels.names).astype(np.int64)
        return texts, label_codes(rows["label"], known=labels.names)
    except CorpusError as error:
        raise CorpusError(f"{role} texts: {error}") from error


def _trained(train: pd.DataFrame, valid: pd.DataFrame, run: Run, labels: _Labels) -> tuple[Any, Any, float]:
    """Return the Trainer when it is done, the tokenizer, and how long it took."""
    from nlp.training.techniques.fast_dropout import quick_dropout

    config, names = run.config, labels.names
    doubled = duplicate_batch if config.rdrop else nullcontext
    counts = row_weights(train)
    shares = None
    if labels.several:
        wanted = binary_targets(train, names) * counts[:, None, None]
        shares = wanted[..., 1].sum(axis=0, dtype=np.float64) / counts.sum(dtype=np.float64)
        towards, factors = binary_targets(valid, names), np.ones(len(names), dtype=np.float32)
    else:
        wanted = targets(train, soft=config.soft_targets, names=names) * counts[:, None]
        codes = label_codes(train["label"], known=names)
        factors = class_weights(codes, config.class_weight_power, counts, n_labels=len(names))
        towards = targets(valid, names=names)
    model, tokenizer = load_base(config.base, config.seed, dropout=config.dropout, labels=names, shares=shares)
    rows = rows_of(_token_ids(model, tokenizer, train, "training", config), wanted)
    held = rows_of(_token_ids(model, tokenizer, valid, "validation", config), towards)
    model = adapt(model, rank=config.lora_rank) if config.lora_rank else model
    trainer = build(model, tokenizer, rows, held, factors, run)
    # What decides a run: only one that agrees in all of it may resume from another's checkpoint.
    digest = hashlib.sha256(json.dumps([asdict(config), rows, held], sort_keys=True).encode()).hexdigest()
    with quick_dropout(trainer.model), doubled(trainer.model):
        outcome = train_from(trainer, run, digest)
    return trainer, tokenizer, float(outcome.metrics["train_runtime"])


def _token_ids(model: Any, tokenizer: Any, rows: pd.DataFrame, role: str, config: FinetuneConfig) -> list[list[int]]:
    limit = min(config.max_length, longest_text(model, tokenizer))
    texts = [with_directions(text) for text in rows["text"]] if config.reads_amounts else list(rows["text"])
    ids, truncated = tokenize(tokenizer, texts, limit)
    warn_truncated(truncated, len(ids), limit, f"{role} ")
    unreadable = int((unknown_shares(tokenizer, unknown_ids(tokenizer), texts, ids) > UNREADABLE).sum())
    if 2 * unreadable > len(ids):
        raise ModelError(
            f"{config.base}: does not know the words of {unreadable:,} of {len(ids):,} {role} texts: name another "
            "encoder, such as a multilingual one (base, on the command line --base)"
        )
    return ids
