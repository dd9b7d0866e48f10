"""Texts -> logits without padding: the tokens of several texts in one row, attention within each text."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nlp.model.forward.attention import Attention, SequenceSpans
from nlp.model.forward.encoders import Embeddings, Encoder

if TYPE_CHECKING:
    import torch

TOKENS_PER_TEXT = 8  # a pack has room for the answers of as many texts as are this long
ANSWERS_AT_ONCE = 16  # on a CPU, which need not compute the rest of the room; a GPU would wait for each few


@dataclass(frozen=True)
class Pack:
    """Several texts in one row of tokens.

    texts: their places in the list given. ids, positions (tokens): blank behind the last text. cuts (texts + 1):
    where each text starts, and where the last one ends. firsts: where each text starts, then zeros. The lengths of
    ids, positions and firsts do not tell of the texts.
    """

    texts: NDArray[np.int64]
    ids: NDArray[np.int64]
    positions: NDArray[np.int64]
    cuts: NDArray[np.int32]
    firsts: NDArray[np.int64]


def packs(ids: Sequence[Sequence[int]], embeddings: Embeddings, tokens_per_pack: int) -> Iterator[Pack]:
    """Yield the texts (token ids) in rows of `tokens_per_pack` tokens: the longest first, then what still fits.

    The shapes that a text is computed in follow from its own length alone: those of every pack, or of one that the
    text has to itself where it is longer. Matrix kernels round by the shape of their input, so this is what keeps
    the last bit of a score free of which other texts, later news among them, are scored beside it.
    """
    lengths = np.fromiter(map(len, ids), dtype=np.int64, count=len(ids))
    tokens = np.fromiter(chain.from_iterable(ids), dtype=np.int64, count=int(lengths.sum()))
    starts = np.cumsum(lengths) - lengths
    for texts, size, room in _shared_out(lengths, tokens_per_pack):
        cuts = np.append(0, np.cumsum(lengths[texts]))
        within = np.repeat(starts[texts] - cuts[:-1], lengths[texts]) + np.arange(cuts[-1])
        yield _pack(texts, tokens[within], cuts, embeddings, size, room)


def _shared_out(lengths: NDArray[np.int64], tokens_per_pack: int) -> Iterator[tuple[NDArray[np.int64], int, int]]:
    """Texts of each pack, its tokens, and for how many texts it has room."""
    order = np.argsort(lengths, kind="stable")
    present, firsts = np.unique(lengths[order], return_index=True)
    waiting = Waiting(present.tolist(), [group.tolist() for group in np.split(order, firsts[1:])])
    while waiting.lengths:
        size = max(tokens_per_pack, waiting.lengths[-1])
        room = max(1, size // TOKENS_PER_TEXT // ANSWERS_AT_ONCE) * ANSWERS_AT_ONCE
        yield np.array(waiting.taken(size, room)), size, room


@dataclass(frozen=True)
class Waiting:
    """The lengths of the texts that are in no pack yet, rising, and the texts of each."""

    lengths: list[int]
    texts: list[list[int]]

    def taken(self, tokens: int, room: int) -> list[int]:
        """Take out as many texts as fit, each time the longest that does."""
        found: list[int] = []
        while len(found) < room and (place := bisect_right(self.lengths, tokens) - 1) >= 0:
            length, group = self.lengths[place], self.texts[place]
            count = min(tokens // length, room - len(found), len(group))
            found += group[-count:]
            del group[-count:]
            tokens -= count * length
            if not group:
                del self.lengths[place], self.texts[place]
        return found


def _pack(
    texts: NDArray[np.int64], tokens: NDArray[np.int64], cuts: NDArray[np.int64], embeddings: Embeddings,
    size: int, room: int,
) -> Pack:  # fmt: skip
    positions = _positions(tokens, cuts, embeddings.skipped)
    return Pack(texts, _filled(tokens, size), _filled(positions, size), cuts.astype(np.int32), _filled(cuts[:-1], room))


def _filled(values: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    return np.pad(values, (0, size - len(values)))


def _positions(tokens: NDArray[np.int64], cuts: NDArray[np.int64], skipped: int | None) -> NDArray[np.int64]:
    """As transformers counts them within each text."""
    lengths = np.diff(cuts)
    if skipped is None:
        return np.arange(len(tokens)) - np.repeat(cuts[:-1], lengths)
    counted = np.append(0, np.cumsum(tokens != skipped))
    within = counted[1:] - np.repeat(counted[cuts[:-1]], lengths)
    return np.where(tokens != skipped, within, 0) + skipped


def logits_of_pack(encoder: Encoder, pack: Pack, device: "torch.device", attention: Attention) -> "torch.Tensor":
    """Return the logits (texts × labels) of the texts in a pack, on the device; a GPU may still be at it."""
    import torch

    ids, positions, firsts, cuts = (
        _sent(values, device) for values in (pack.ids, pack.positions, pack.firsts, pack.cuts)
    )
    rows = SequenceSpans(np.diff(pack.cuts).tolist(), cuts)
    hidden = encoder.embeddings(ids, positions)
    for block in encoder.blocks:
        hidden = block.after(attention.within(block.qkv(hidden), rows, encoder.n_heads), hidden)
    answers = partial(_answers, encoder, attention, hidden)
    if device.type == "cpu":
        return torch.cat([answers(firsts[few], part) for few, part in _few_at_a_time(rows)])[: len(pack.texts)]
    return answers(firsts, rows)[: len(pack.texts)]


def _few_at_a_time(rows: SequenceSpans) -> Iterator[tuple[slice, SequenceSpans]]:
    """Where the first tokens of each few texts stand, and where the texts lie."""
    for start in range(0, len(rows.lengths), ANSWERS_AT_ONCE):
        few = slice(start, start + ANSWERS_AT_ONCE)
        yield few, SequenceSpans(rows.lengths[few], rows.cuts[start : few.stop + 1])


def _answers(
    encoder: Encoder, attention: Attention, hidden: "torch.Tensor", firsts: "torch.Tensor", rows: SequenceSpans
) -> "torch.Tensor":
    """Logits (firsts × labels). The head reads the first token of each text: the last layer is for those alone."""
    first, last = hidden[firsts], encoder.last
    return encoder.head(last.after(attention.of_firsts(last.qkv, first, hidden, rows, encoder.n_heads), first))


def _sent(values: "NDArray[np.int64] | NDArray[np.int32]", device: "torch.device") -> "torch.Tensor":
    """To a GPU from pinned memory, which the copy engine reads while the host packs on; PyTorch keeps it till then."""
    import torch

    tensor = torch.from_numpy(values)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor
