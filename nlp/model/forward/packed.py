"""Texts -> logits without padding: the tokens of several texts concatenated, attention within each text."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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

    texts: their places in the list given. ids, positions (tokens): 0 after the last text. cuts (texts + 1): where
    each text starts, and where the last one ends. cls_tokens: where each text starts, then zeros. The lengths of
    ids, positions and cls_tokens do not depend on which texts these are.
    """

    texts: NDArray[np.int64]
    ids: NDArray[np.int64]
    positions: NDArray[np.int64]
    cuts: NDArray[np.int32]
    cls_tokens: NDArray[np.int64]


def packs(ids: Sequence[Sequence[int]], embeddings: Embeddings, tokens_per_pack: int) -> Iterator[Pack]:
    """Yield the texts (token ids) in rows of `tokens_per_pack` tokens: the longest first, then what still fits.

    The shapes that a text is computed in follow from its own length alone: those of every pack, or of one that the
    text has to itself where it is longer. Matrix kernels round by the shape of their input, so this is what makes
    the last bit of a score independent of the other texts in its batch, later news among them.
    """
    lengths = np.fromiter(map(len, ids), dtype=np.int64, count=len(ids))
    tokens = np.fromiter(chain.from_iterable(ids), dtype=np.int64, count=int(lengths.sum()))
    starts, order = np.cumsum(lengths) - lengths, np.argsort(lengths, kind="stable")
    present, firsts = np.unique(lengths[order], return_index=True)
    waiting = Waiting(present.tolist(), [group.tolist() for group in np.split(order, firsts[1:])])
    while waiting.lengths:
        size = max(tokens_per_pack, waiting.lengths[-1])
        room = max(1, size // TOKENS_PER_TEXT // ANSWERS_AT_ONCE) * ANSWERS_AT_ONCE
        texts = np.array(waiting.taken(size, room))
        cuts = np.append(0, np.cumsum(lengths[texts]))
        own = tokens[np.repeat(starts[texts] - cuts[:-1], lengths[texts]) + np.arange(cuts[-1])]
        yield Pack(
            texts=texts,
            ids=_filled(own, size),
            positions=_filled(_positions(own, cuts, embeddings.skipped), size),
            cuts=cuts.astype(np.int32),
            cls_tokens=_filled(cuts[:-1], room),
        )


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
    """Return the logits (texts × labels) of the texts in a pack, on the device; a GPU may still be computing them."""
    import torch

    def sent(values: "NDArray[np.int64] | NDArray[np.int32]") -> "torch.Tensor":
        """From pinned memory, which the copy engine reads while the host packs on; PyTorch keeps it till then."""
        tensor = torch.from_numpy(values)
        return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor

    def answers(cls_tokens: "torch.Tensor", spans: SequenceSpans) -> "torch.Tensor":
        """Logits; the head reads the first token of each text, so the last layer is computed for those alone."""
        first, last = hidden[cls_tokens], encoder.last
        attended = attention.of_cls(last.qkv, first, hidden, spans, encoder.n_heads)
        return encoder.head(last.after_attention(attended, first))

    cls_tokens, rows = sent(pack.cls_tokens), SequenceSpans(np.diff(pack.cuts).tolist(), sent(pack.cuts))
    hidden = encoder.embeddings(sent(pack.ids), sent(pack.positions))
    for block in encoder.blocks:
        hidden = block.after_attention(attention.within(block.qkv(hidden), rows, encoder.n_heads), hidden)
    if device.type != "cpu":
        return answers(cls_tokens, rows)[: len(pack.texts)]
    found = []
    for start in range(0, len(rows.lengths), ANSWERS_AT_ONCE):
        few = slice(start, start + ANSWERS_AT_ONCE)
        found.append(answers(cls_tokens[few], SequenceSpans(rows.lengths[few], rows.cuts[start : few.stop + 1])))
    return torch.cat(found)[: len(pack.texts)]
