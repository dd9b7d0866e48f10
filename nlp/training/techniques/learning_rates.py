"""Parameter groups for the optimizer: layer-wise learning rates, weight decay on matrices only."""

import re
from typing import Any

from nlp.errors import ModelError

LAYER = re.compile(r"(?:^|\.)layers?\.(\d+)\.")  # BERT, RoBERTa, MiniLM: encoder.layer.3; ModernBERT: layers.3


def parameter_groups(
    model: Any, *, learning_rate: float, layer_decay: float = 1.0, head_factor: float = 1.0, weight_decay: float = 0.0
) -> list[dict[str, Any]]:
    """Return optimizer groups in which each trainable parameter appears once, lowest learning rate first.

    The top layer of the encoder learns at `learning_rate`, each layer below at `layer_decay` times the rate of the
    one above it, the embeddings lowest; the head (pooler and classifier) at `learning_rate` × `head_factor`.
    Weight decay acts on matrices and never on biases and norms. Works on any transformers classifier whose layers
    are numbered `layer.N` or `layers.N`, also inside a peft adapter; frozen parameters are left out.

    Raises:
        ModelError: layer_decay below 1 for a model without numbered layers.
    """
    depths = parameter_depths(model)
    top = max((depth for depth in depths.values() if depth is not None), default=0)
    if top == 0 and layer_decay < 1.0:
        raise ModelError(f"{type(model).__name__} has no numbered layers: its layer_decay can only be 1")
    groups: dict[tuple[float, bool], list[Any]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            # lr_l = lr * decay^(L - l): Howard and Ruder (2018), section 3.2, where decay is 1 / 2.6; for BERT
            # Sun et al. (2019), section 5.3.4, find 0.95 best.
            depth = depths[name]
            rate = learning_rate * (head_factor if depth is None else float(layer_decay ** (top - depth)))
            groups.setdefault((rate, parameter.ndim > 1), []).append(parameter)
    return [
        {"params": groups[key], "lr": key[0], "weight_decay": weight_decay if key[1] else 0.0} for key in sorted(groups)
    ]


def parameter_depths(model: Any) -> dict[str, int | None]:
    """Return the depth of each named parameter: 0 embeddings, 1 ... n the layers, None the head.

    What else the encoder holds besides numbered layers, embeddings and pooler (a last norm) counts as its top layer.
    """
    plain = model.get_base_model() if hasattr(model, "peft_config") else model
    encoder = {id(parameter) for parameter in plain.base_model.parameters()}
    layers = {name: int(found[1]) + 1 for name, _ in model.named_parameters() if (found := LAYER.search(name))}
    top = max(layers.values(), default=0)

    def depth(name: str, parameter: Any) -> int | None:
        if id(parameter) not in encoder or ("pooler." in name and name not in layers):
            return None
        return layers.get(name, 0 if "embed" in name else top)

    return {name: depth(name, parameter) for name, parameter in model.named_parameters()}
