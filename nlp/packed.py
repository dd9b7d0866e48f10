"""Texts -> logits without padding: the tokens of several texts in one row, attention within each text."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from nlp.encoders import Embeddings, Encoder

if TYPE_CHECKING:
    import torch

Attend = Callable[["torch.Tensor", "Rows", int], "torch.Tensor"]
TOKENS_PER_TEXT = 8  # a pack has room for the answers of as many texts as are this long


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


@dataclass(frozen=True)
class Rows:
    """Where the texts of a pack lie: their lengths, and the same as cumulative ones on the device."""

    lengths: list[int]
    cuts: "torch.Tensor"


def packs(ids: Sequence[Sequence[int]], embeddings: Embeddings, tokens_per_pack: int) -> Iterator[Pack]:
    """Yield the texts (token ids) in rows of `tokens_per_pack` tokens, longest texts first.

    The shapes that a text is computed in follow from its own length alone: those of every pack, or of one that the
    text has to itself where it is longer. Matrix kernels round by the shape of their input, so this is what keeps
    the last bit of a score free of which other texts, later news among them, are scored beside it.
    """
    lengths = np.fromiter(map(len, ids), dtype=np.int64, count=len(ids))
    tokens = np.fromiter(chain.from_iterable(ids), dtype=np.int64, count=int(lengths.sum()))
    starts = np.cumsum(lengths) - lengths
    order = np.argsort(-lengths, kind="stable")
    while len(order):
        size = max(tokens_per_pack, int(lengths[order[0]]))
        room = max(1, size // TOKENS_PER_TEXT)
        ends = np.cumsum(lengths[order[:room]])
        texts, order = np.split(order, [int(np.searchsorted(ends, size, side="right"))])
        cuts = np.append(0, ends[: len(texts)])
        within = np.repeat(starts[texts] - cuts[:-1], lengths[texts]) + np.arange(cuts[-1])
        yield _pack(texts, tokens[within], cuts, embeddings, size, room)


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


def logits_of_pack(encoder: Encoder, pack: Pack, device: "torch.device", attend: Attend) -> "torch.Tensor":
    """Return the logits (texts × labels) of the texts in a pack, on the device; a GPU may still be at it."""
    ids, positions, firsts, cuts = (
        _sent(values, device) for values in (pack.ids, pack.positions, pack.firsts, pack.cuts)
    )
    rows = Rows(np.diff(pack.cuts).tolist(), cuts)
    hidden = encoder.embeddings(ids, positions)
    for block in encoder.blocks:
        gathered = attend(block.qkv(hidden), rows, encoder.n_heads)
        hidden = block.attention_norm(block.out(gathered) + hidden)
        hidden = block.output_norm(block.feed_forward(hidden) + hidden)
    return encoder.head(hidden[firsts])[: len(pack.texts)]


def _sent(values: "NDArray[np.int64] | NDArray[np.int32]", device: "torch.device") -> "torch.Tensor":
    """To a GPU from pinned memory, which the copy engine reads while the host packs on; PyTorch keeps it till then."""
    import torch

    tensor = torch.from_numpy(values)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


def attend_by_length(qkv: "torch.Tensor", rows: Rows, n_heads: int) -> "torch.Tensor":
    """Return what each token gathers (tokens × width) from its own text; texts of one length at a time."""
    import torch

    width = qkv.shape[1] // 3
    gathered, start = qkv.new_zeros(len(qkv), width), 0
    for length, group in groupby(rows.lengths):
        texts = len(list(group))
        end = start + texts * length
        q, k, v = qkv[start:end].view(texts, length, 3, n_heads, -1).permute(2, 0, 3, 1, 4)
        answer = torch.nn.functional.scaled_dot_product_attention(q, k, v)
        gathered[start:end] = answer.transpose(1, 2).reshape(end - start, width)
        start = end
    return gathered


def attend_varlen(qkv: "torch.Tensor", rows: Rows, n_heads: int) -> "torch.Tensor":
    """As `attend_by_length`, in one CUDA kernel; float16 or bfloat16. What is behind the last text is not defined."""
    from torch.nn.attention.varlen import varlen_attn

    q, k, v = qkv.view(len(qkv), 3, n_heads, -1).unbind(1)
    longest = max(rows.lengths)
    # By position: the names of these arguments are not the same in all versions.
    gathered = cast("torch.Tensor", varlen_attn(q, k, v, rows.cuts, rows.cuts, longest, longest))
    return gathered.reshape(len(qkv), -1)
