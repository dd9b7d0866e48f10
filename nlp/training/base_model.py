"""The pretrained encoder that a fine-tuning starts from, under a fresh head."""

from collections.abc import Sequence
from typing import Any

from newsfolio.shared.arrays import FloatArray
from nlp.labels import LABELS
from nlp.model.files import (
    MULTI_LABEL,
    SAFE_LOADING,
    absent_weights,
    checked_source,
    load_tokenizer,
    reading,
    refuse_absent,
)

LEAST_SHARE = 1e-4  # of texts that have a label, in the answer that a fresh head begins with


def load_base(
    base: str,
    seed: int,
    *,
    dropout: float = 0.1,
    labels: Sequence[str] = LABELS,
    shares: FloatArray | None = None,
) -> tuple[Any, Any]:
    """Return a pretrained encoder with a fresh head for the labels, in float32, and its tokenizer.

    A pooler is kept where there is one. A head never is, even one of three labels: its order need not be ours.
    Dropout acts between layers only.

    shares: of a multi-label task, the share of texts that have each label. The head then begins with these as its
    answers: from one half each it would first learn that most labels are absent, and of rare ones little more
    (T.-Y. Lin et al., "Focal loss for dense object detection", 2017, section 3.3; measured in benchmarks/README.md).
    """
    import torch
    import transformers

    where = checked_source(base)
    transformers.set_seed(seed)  # the head is drawn at random
    with reading(base, "a base model"):
        model, report = transformers.AutoModelForSequenceClassification.from_pretrained(
            where,
            num_labels=len(labels),
            id2label=dict(enumerate(labels)),
            label2id={label: code for code, label in enumerate(labels)},
            ignore_mismatched_sizes=True,
            **SAFE_LOADING,
        )
        absent, encoder = absent_weights(report), f"{model.base_model_prefix}."
        refuse_absent([name for name in absent if name.startswith(encoder) and ".pooler." not in name])
        tokenizer = load_tokenizer(where)
    if shares is not None or model.config.problem_type == MULTI_LABEL:  # that of an earlier head
        model.config.problem_type = None if shares is None else MULTI_LABEL
    for name, layer in model.named_modules():
        if isinstance(layer, torch.nn.Dropout):  # the modules are built: a config attribute would come too late
            layer.p = 0.0 if name.endswith(("attention.self.dropout", "attention.dropout")) else dropout
        above = isinstance(layer, torch.nn.Linear) and not name.startswith(encoder)
        if above and f"{name}.weight" not in absent:  # else transformers has drawn it already
            torch.nn.init.normal_(layer.weight, std=getattr(model.config, "initializer_range", 0.02))
            if layer.bias is not None:
                torch.nn.init.zeros_(layer.bias)
        if above and shares is not None and layer.bias is not None and layer.out_features == len(labels):
            layer.bias.data = torch.logit(torch.tensor(shares, dtype=torch.float32), eps=LEAST_SHARE)
    return model, tokenizer
