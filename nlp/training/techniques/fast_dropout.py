"""Dropout that costs little on the CPU, where drawing torch's mask takes a tenth of a training step.

Import it where a model is trained: it loads torch.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

WORD = 2**16  # a value is dropped where its 16 random bits are a number below p times this


@contextmanager
def quick_dropout(model: torch.nn.Module) -> Iterator[None]:
    """Have the model drop out by this module's Dropout; it is given back as it was, of torch's own modules."""
    layers = [(name, layer) for name, layer in model.named_modules() if type(layer) is torch.nn.Dropout]
    for name, layer in layers:
        model.set_submodule(name, Dropout(layer.p).train(layer.training))
    try:
        yield
    finally:
        for name, layer in layers:
            model.set_submodule(name, layer.train(model.training))


class Dropout(torch.nn.Dropout):
    """As torch's, its share rounded to 1/65536; on a GPU it is torch's.

    torch draws one random number per value on one core; here one of 64 bits serves four values. Drawn from torch's
    own generator, so that a seed, and a checkpoint that keeps the generator's state, reproduce it.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Values (any shape): in training dropped with chance p, the others divided by the share kept, so that the
        mean stays (N. Srivastava et al., "Dropout", JMLR 2014, section 10); else as they are.
        """
        dropped = round(self.p * WORD)
        if not self.training or dropped in (0, WORD) or input.device.type != "cpu":
            return super().forward(input)
        bits = torch.empty((input.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
        kept = bits.view(torch.int16)[: input.numel()] >= dropped - WORD // 2
        return input * (kept.view(input.shape).to(input.dtype) * (WORD / (WORD - dropped)))
