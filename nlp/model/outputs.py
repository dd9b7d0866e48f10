"""From a model's outputs to probabilities by label: which label each column is, and what logits stand for."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from nlp.errors import ModelError
from nlp.labels import LABELS


def column_labels(config: Any) -> tuple[str, ...]:
    """Return the labels of a model's columns, in their order."""
    return tuple(str(label) for _, label in sorted((int(column), label) for column, label in config.id2label.items()))


def label_order(config: Any) -> list[int]:
    """Return the model's columns of negative, neutral and positive.

    Raises:
        ModelError: the config does not name exactly these three labels.
    """
    names = {int(column): str(label).strip().lower() for column, label in (config.id2label or {}).items()}
    if sorted(names.values()) != sorted(LABELS):
        raise ModelError(
            f"the model's labels are {', '.join(names.values()) or 'missing'}, needed are {', '.join(LABELS)}: "
            "set id2label in its config.json to these names, in the order of its columns"
        )
    return [column for label in LABELS for column, name in names.items() if name == label]


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Row-wise softmax, computed in float64 so that rows sum to 1 within float32."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), dtype=np.float32)


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probability of each label by itself, computed in float64."""
    return np.asarray(expit(logits.astype(np.float64)), dtype=np.float32)
