"""Further masked-language-model training of an encoder on unlabelled texts, before it sees a label."""

import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from newsfolio.shared.errors import check_settings
from nlp.errors import ModelError, NlpError
from nlp.model.files import (
    PRETRAINED,
    SAFE_LOADING,
    absent_weights,
    checked_source,
    load_tokenizer,
    quiet_transformers,
    reading,
    refuse_absent,
    texts_of_base,
    whole_folder,
)
from nlp.model.inference import checked_texts, longest_text, tokenize, warn_truncated
from nlp.provenance import TRAINED_ON, TRAINED_UNTIL, TrainingTexts, combine


@dataclass(frozen=True)
class PretrainConfig:
    """How to train on.

    mask_share: the share of tokens to predict; of these 80 % are masked, 10 % replaced, 10 % left. warmup: the
    share of steps over which the rate rises; it then falls linearly to 0. max_length is in tokens.

    Raises:
        ModelError: a setting makes no sense.
    """

    epochs: float = 1.0
    learning_rate: float = 5e-5
    batch_size: int = 32
    mask_share: float = 0.15
    max_length: int = 128
    warmup: float = 0.06
    weight_decay: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        rules = (
            ("epochs", self.epochs > 0, "> 0"),
            ("learning_rate", self.learning_rate > 0, "> 0"),
            ("batch_size", self.batch_size >= 1, "at least 1"),
            ("mask_share", 0 < self.mask_share < 1, "in (0, 1), 0.15 is usual"),
            ("max_length", self.max_length >= 3, "at least 3 tokens"),
            ("warmup", 0 <= self.warmup < 1, "in [0, 1)"),
            ("weight_decay", self.weight_decay >= 0, ">= 0"),
        )
        check_settings(self, rules, ModelError)


def pretrain(
    texts: Sequence[str],
    base: str | Path,
    folder: str | Path,
    config: PretrainConfig | None = None,
    *,
    until: str | None = None,
    progress: bool = False,
) -> Path:
    """Train `base` to predict masked words of `texts`, write the encoder, return its folder.

    base: a folder, a hub name or "minilm", as for finetune. What is written holds safetensors, config, tokenizer and
    a record (pretraining.json: losses, digest of the texts), and serves as the base of a fine-tuning. The pooler
    of the base, which this training does not use, is kept as it was; where the base has none, none is added.
    Equal texts count once; blank ones are left out. Texts that the classifier will be measured on do not belong here.

    until: the date (YYYY-MM-DD) of the last of `texts`; what is fine-tuned from this encoder carries it, so that a
    backtest knows which of its sessions are not after it. Unknown where it is not given.

    The same texts, config and machine give the same weights.

    Raises:
        NlpError: `texts` is one string, holds something else than strings, or nothing.
        ModelError: the base cannot be loaded, has no mask token or its kind no masked language model; `folder` holds
            anything but a saved model.
    """
    import transformers

    from nlp.training.techniques.fast_dropout import quick_dropout

    config = PretrainConfig() if config is None else config
    kept = [text for text in dict.fromkeys(checked_texts(texts)) if text.strip()]
    if not kept:
        raise NlpError("there is no text to train on: pass at least one that is not blank")
    try:
        seen = TrainingTexts(("masked words",), None if until is None else str(date.fromisoformat(until)))
    except ValueError as error:
        raise NlpError(f"until is {until!r}: give the last text's date as YYYY-MM-DD") from error
    provenance = combine(texts_of_base(base), seen)
    model, tokenizer = _masked_model(base, config.seed)
    trainer = _trainer(model, tokenizer, kept, config, progress)
    with quick_dropout(trainer.model):
        trainer.train()
    # Mean cross-entropy per masked token, in nats, over the first and the last twentieth of the steps.
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    record = {
        "base": str(base),
        "config": asdict(config),
        "texts": len(kept),
        "texts_sha256": hashlib.sha256("\0".join(sorted(kept)).encode()).hexdigest(),
        "steps": int(trainer.state.global_step),
        **({"first_loss": losses[0], "last_loss": losses[-1]} if losses else {}),
        TRAINED_ON: list(provenance.corpora),
        TRAINED_UNTIL: provenance.until,
    }
    tokenizer.backend_tokenizer.no_truncation()  # the limit of this training is not the tokenizer's
    with whole_folder(Path(folder)) as fresh, quiet_transformers():
        # The base's own encoder, its pooler included, which a masked model is built without.
        encoder, report = transformers.AutoModel.from_pretrained(checked_source(base), **SAFE_LOADING)
        encoder.load_state_dict(trainer.model.base_model.cpu().state_dict(), strict=False)
        if any(name.startswith("pooler.") for name in report["missing_keys"]):
            encoder.pooler = None  # drawn at random just now
        encoder.save_pretrained(fresh)
        tokenizer.save_pretrained(fresh)
        (fresh / PRETRAINED).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return Path(folder)


def _masked_model(base: str | Path, seed: int) -> tuple[Any, Any]:
    """Return the base under a masked-word head (fresh where the base has none), in float32; its tokenizer."""
    import transformers

    where = checked_source(base)
    transformers.set_seed(seed)  # a head that the base lacks is drawn at random
    with reading(base, "a masked language model"):
        model, report = transformers.AutoModelForMaskedLM.from_pretrained(where, **SAFE_LOADING)
        refuse_absent([name for name in absent_weights(report) if name.startswith(f"{model.base_model_prefix}.")])
        tokenizer = load_tokenizer(where)
    if tokenizer.mask_token_id is None:
        raise ModelError(f"{base}: its tokenizer has no mask token: pass a BERT-like base")
    return model, tokenizer


def _trainer(model: Any, tokenizer: Any, texts: list[str], config: PretrainConfig, progress: bool) -> Any:
    import sys

    import torch
    import transformers

    # RoBERTa counts positions from the padding token's number + 1, so its last ones do not exist.
    positions = int(getattr(model.config, "max_position_embeddings", tokenizer.model_max_length))
    positions -= tokenizer.pad_token_id + 1 if "roberta" in str(model.config.model_type) else 0
    limit = min(config.max_length, longest_text(model, tokenizer), positions)
    ids, truncated = tokenize(tokenizer, texts, limit)
    warn_truncated(truncated, len(texts), limit)
    on_cpu = not (torch.cuda.is_available() or torch.backends.mps.is_available())
    arguments = transformers.TrainingArguments(
        output_dir=tempfile.gettempdir(),  # nothing is written there: saving is off
        num_train_epochs=config.epochs,
        learning_rate=config.learning_rate,
        per_device_train_batch_size=config.batch_size,
        warmup_steps=config.warmup,  # below 1: a share of all steps
        weight_decay=config.weight_decay,
        train_sampling_strategy="group_by_length",  # batches of like lengths waste little padding
        seed=config.seed,
        use_cpu=on_cpu,
        bf16=not on_cpu and torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
        save_strategy="no",
        logging_steps=0.05,  # below 1: a share of all steps
        report_to=[],
        disable_tqdm=not (progress and sys.stderr.isatty()),
        dataloader_pin_memory=not on_cpu,
    )
    trainer = transformers.Trainer(
        model=model,
        args=arguments,
        train_dataset=[{"input_ids": tokens} for tokens in ids],
        data_collator=transformers.DataCollatorForLanguageModeling(tokenizer, mlm_probability=config.mask_share),
    )
    trainer.remove_callback(transformers.PrinterCallback)  # it prints a dict per logging step
    return trainer
