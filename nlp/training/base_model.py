"""The pretrained encoder that a fine-tuning starts from, under a fresh three-way head."""

from typing import Any

from nlp.labels import LABELS
from nlp.model.files import absent_weights, checked_source, load_tokenizer, reading, refuse_absent


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
            trust_remote_code=False,
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
