"""FinetuneConfig: every choice of a fine-tuning run, in one place."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from newsfolio.shared.errors import check_settings
from nlp.errors import ModelError
from nlp.model.files import EMBEDDED

# What differs from the defaults. The measurements behind `full` are in benchmarks/README.md; its three passes read each
# text twice, and a fourth brought nothing.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "small": {"epochs": 8.0, "batch_size": 16},
    "full": {"epochs": 3.0, "rdrop": 1.0, "soft_targets": True},
}
PRECISIONS = ("auto", "float32", "bfloat16", "float16")


@dataclass(frozen=True)
class FinetuneConfig:
    """How to fine-tune.

    learning_rate is that of the pretrained encoder; the head (pooler and classifier, nearly or wholly new)
    learns `head_factor` times as fast. warmup is the share of steps over which both rise; they then fall
    linearly to 0. class_weight_power: loss weights are (1 / label frequency) to this power, mean 1.
    dropout applies between layers; attention dropout is off, as it shuts out the fused attention kernels.
    max_length is in tokens, at most those the base can read; longer texts are cut and counted.

    Off by default (named is the file of nlp/training/techniques): layer_decay, the factor from each layer's learning
    rate to the one below (learning_rates; 1: none); accumulation, micro-batches of batch_size per step;
    label_smoothing and focal_gamma (loss); average_decay of a moving average of weights, 0.99 for one over about a
    hundred steps (averaging); adversarial_norm of a perturbation of word embeddings (adversarial); augmented_copies
    of each training text (augment); lora_rank (lora); soft_targets, to train towards the share of annotators behind a
    label where the texts carry `agree`; rdrop, weight of the divergence between two draws of dropout, for which each
    text is computed twice a step (rdrop); patience, the passes without a better macro-F1 on the validation texts after
    which to stop and return to the best pass; gradient_checkpointing: recompute activations instead of keeping them.

    reads_amounts: whether compared amounts are worked out for the model (see nlp/texts/compared_amounts.py). precision:
    auto (bfloat16 on a GPU that has it, else float32), float32, bfloat16 or float16.

    Raises:
        ModelError: a setting makes no sense.
    """

    base: str = EMBEDDED
    epochs: float = 4.0
    learning_rate: float = 1e-4
    head_factor: float = 10.0
    batch_size: int = 32
    warmup: float = 0.1
    dropout: float = 0.1
    weight_decay: float = 0.01
    class_weight_power: float = 0.5
    rdrop: float = 0.0
    reads_amounts: bool = True
    max_length: int = 128
    seed: int = 0
    layer_decay: float = 1.0
    accumulation: int = 1
    label_smoothing: float = 0.0
    focal_gamma: float = 0.0
    average_decay: float = 0.0
    adversarial_norm: float = 0.0
    augmented_copies: int = 0
    lora_rank: int = 0
    patience: int = 0
    gradient_checkpointing: bool = False
    soft_targets: bool = False
    precision: str = "auto"

    def __post_init__(self) -> None:
        rules = (
            ("epochs", 0 < self.epochs < np.inf, "> 0"),
            ("learning_rate", 0 < self.learning_rate < np.inf, "> 0"),
            ("head_factor", 0 < self.head_factor < np.inf, "> 0"),
            ("batch_size", self.batch_size >= 1, "at least 1"),
            ("warmup", 0 <= self.warmup < 1, "in [0, 1)"),
            ("dropout", 0 <= self.dropout < 1, "in [0, 1)"),
            ("weight_decay", 0 <= self.weight_decay < np.inf, ">= 0"),
            ("class_weight_power", 0 <= self.class_weight_power < np.inf, ">= 0"),
            ("max_length", self.max_length >= 3, "at least 3: one word between two marks"),
            ("seed", 0 <= self.seed < 2**32, "in [0, 2^32)"),
            ("layer_decay", 0 < self.layer_decay <= 1, "in (0, 1]"),
            ("accumulation", self.accumulation >= 1, "at least 1"),
            ("rdrop", 0 <= self.rdrop < np.inf, ">= 0"),
            ("label_smoothing", 0 <= self.label_smoothing < 1, "in [0, 1)"),
            ("focal_gamma", 0 <= self.focal_gamma < np.inf, ">= 0"),
            ("average_decay", 0 <= self.average_decay < 1, "in [0, 1)"),
            ("adversarial_norm", 0 <= self.adversarial_norm < np.inf, ">= 0"),
            ("augmented_copies", self.augmented_copies >= 0, ">= 0"),
            ("lora_rank", self.lora_rank >= 0, ">= 0"),
            ("patience", self.patience >= 0, ">= 0"),
            ("precision", self.precision in PRECISIONS, f"one of {', '.join(PRECISIONS)}"),
        )
        check_settings(self, rules, ModelError)

    @classmethod
    def preset(cls, name: str, seed: int = 0) -> "FinetuneConfig":
        """Return the settings of a name: default and full (thousands of texts) or small (about a thousand).

        full takes half as long again as default on the same texts; after it, `nlp.refit` trains on the held-out
        texts too.

        Raises:
            ModelError: another name.
        """
        if name not in PRESETS:
            raise ModelError(f"the preset {name!r} is not known: use {', '.join(PRESETS)}")
        return cls(**PRESETS[name], seed=seed)
