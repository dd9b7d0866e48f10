"""Texts -> logits in padded batches: the way for architectures and devices that packed rows are not for."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

LONGEST = 512  # tokens; headlines are far shorter, and attention costs their square


def padded_length(length: int, limit: int = LONGEST) -> int:
    """Return the length a text is padded to: the next step of a ladder that depends on the text alone."""
    step = 4 if length <= 64 else 8 if length <= 128 else 32
    return min(-(-length // step) * step, limit)


def token_batches(
    lengths: NDArray[np.int64], tokens_per_batch: int, limit: int = LONGEST
) -> Iterator[tuple[NDArray[np.int64], int, int]]:
    """Yield (positions of texts, number of rows, padded length) per batch, longest texts first.

    The shape of the batch a text is computed in follows from its own length alone, and a batch that has too
    few texts is filled with blank rows. Matrix kernels round by the shape of their input, so this is what
    makes the last bit of a score independent of the other texts in its batch, later news among them.
    """
    padded = np.array([padded_length(int(length), limit) for length in lengths], dtype=np.int64)
    order = np.argsort(-padded, kind="stable")
    starts = np.flatnonzero(np.diff(padded[order], prepend=-1))
    for group in np.split(order, starts)[1:]:  # before the first start lies nothing
        longest = int(padded[group[0]])
        rows = max(1, tokens_per_batch // longest)
        for start in range(0, len(group), rows):
            yield group[start : start + rows], rows, longest


def padded_logits(
    model: Any, pad_id: int, limit: int, ids: Sequence[Sequence[int]], tokens_per_batch: int
) -> Iterator[tuple[NDArray[np.int64], "torch.Tensor"]]:
    """Yield places of texts and their logits (texts × labels), batch by batch, from a model in eval mode."""
    import torch

    lengths = np.fromiter(map(len, ids), dtype=np.int64, count=len(ids))
    for texts, rows, longest in token_batches(lengths, tokens_per_batch, limit):
        inputs, mask = (np.full((rows, longest), fill, dtype=np.int64) for fill in (pad_id, 0))
        mask[:, 0] = 1  # a blank row must attend to something, or its softmax is 0/0
        for row, text in enumerate(texts):
            inputs[row, : lengths[text]] = ids[text]
            mask[row, : lengths[text]] = 1
        answer = model(
            input_ids=torch.from_numpy(inputs).to(model.device), attention_mask=torch.from_numpy(mask).to(model.device)
        )
        yield texts, answer.logits[: len(texts)]
