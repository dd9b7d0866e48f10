"""R-Drop: each text goes through the model twice a step, and disagreement of the two dropout draws is penalised.

X. Liang et al., "R-Drop: regularized dropout for neural networks", NeurIPS 2021.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@contextmanager
def duplicate_batch(model: Any) -> Iterator[None]:
    """Within it, in training, the model returns two adjacent rows of logits per text, from two draws of dropout.

    Adjacent, so that they stay together where a batch is divided among devices.
    """

    def doubled(module: Any, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The inputs with each row twice, in training."""
        if not module.training:
            return given, named
        # The Trainer also passes the item count of the whole step, which has no rows.
        return given, {
            name: value.repeat_interleave(2, dim=0) if getattr(value, "ndim", 0) else value
            for name, value in named.items()
        }

    handle = model.register_forward_pre_hook(doubled, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def rdrop_kl(logits: "Tensor", counts: "Tensor") -> "Tensor":
    """Return the symmetric divergence of two forward passes, its mean over the texts, in nats, as a scalar.

    logits: texts × 2 × labels. counts: (texts,), how much each text counts.

    Half of KL(p || q) + KL(q || p), as in eq. 2 of the paper; both kept in the gradient.
    """
    import torch

    log_p, log_q = torch.log_softmax(logits.to(torch.promote_types(logits.dtype, torch.float32)), dim=-1).unbind(1)
    apart: Tensor = ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum(dim=-1) / 2.0
    return (counts * apart).mean()
