"""R-Drop: each text goes through the model twice a step, and the two draws of dropout are asked to agree.

X. Liang et al., "R-Drop: regularized dropout for neural networks", NeurIPS 2021.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@contextmanager
def duplicate_batch(model: Any) -> Iterator[None]:
    """Within it, in training, the model reads every text twice and answers with two rows of logits for it.

    The two rows stand below each other, so that they stay together where a batch is parted among devices.
    """

    def doubled(module: Any, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if not module.training:
            return given, named
        return given, {name: _twice(value) for name, value in named.items()}

    handle = model.register_forward_pre_hook(doubled, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def _twice(value: Any) -> Any:
    """The Trainer also passes a count of the whole step along, which has no rows."""
    return value.repeat_interleave(2, dim=0) if getattr(value, "ndim", 0) else value


def rdrop_kl(logits: "Tensor", counts: "Tensor") -> "Tensor":
    """Return how far two readings of each text are apart, its mean over the texts, in nats, as a scalar.

    logits: texts × 2 × labels. counts: (texts,), how much each text counts.

    Half of KL(p || q) + KL(q || p), as in eq. 2 of the paper; both kept in the gradient.
    """
    import torch

    log_p, log_q = torch.log_softmax(logits.to(torch.promote_types(logits.dtype, torch.float32)), dim=-1).unbind(1)
    apart: Tensor = ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum(dim=-1) / 2.0
    return (counts * apart).mean()
