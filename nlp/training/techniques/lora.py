"""Low-rank adapters through peft: train a few numbers per matrix, merge them into the weights at the end."""

import re
from typing import Any

from nlp.errors import ModelError
from nlp.training.techniques.learning_rates import LAYER


def adapt(model: Any, *, rank: int = 8, alpha: float = 16.0, dropout: float = 0.05) -> Any:
    """Return the classifier with an adapter on each linear map of its encoder's layers; all else there is frozen.

    The head (what is not encoder) and the pooler are new or nearly so, and are trained whole. `model` itself is
    changed: its linear maps are wrapped in place.

    Raises:
        ModelError: peft is not installed, or the model has no linear maps in numbered layers.
    """
    try:
        import peft
    except ImportError as error:
        raise ModelError("low-rank adapters need peft: pip install 'newsfolio[lora]'") from error
    import torch

    linear = (name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear))
    names = [name for name in linear if LAYER.search(name)]
    if not names:
        raise ModelError(f"{type(model).__name__} has no linear maps in numbered layers: train it without adapters")
    outside = (name for name, module in model.named_children() if module is not model.base_model)
    head = [name for name in outside if list(model.get_submodule(name).parameters())]
    pooler = ["pooler"] if getattr(model.base_model, "pooler", None) is not None else []
    # W x + (alpha / rank) B A x, with B starting at 0: Hu et al. (2021), section 4.1. On all linear maps rather
    # than on query and value alone: Dettmers et al. (2023), section 4, find that this is what reaches full tuning.
    settings = peft.LoraConfig(
        task_type="SEQ_CLS",
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        bias="none",
        target_modules="|".join(map(re.escape, names)),  # a list would match by suffix, outside the layers too
        modules_to_save=head + pooler,
    )
    return peft.get_peft_model(model, settings)


def merged(model: Any) -> Any:
    """Return the plain transformers classifier with the adapters added into its weights; a model without is itself.

    The adapted model is used up: its wrapped maps are put back in place, W + (alpha / rank) B A.
    """
    return model.merge_and_unload() if hasattr(model, "peft_config") else model
