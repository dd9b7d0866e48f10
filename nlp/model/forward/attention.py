"""What a token gathers from the other tokens of its own text, for texts that lie in one row without padding."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, cast

from nlp.model.forward.encoders import Linear
from nlp.model.forward.kernels import is_kernel_compatible, kernels

if TYPE_CHECKING:
    import torch

SHORT = 128  # tokens; PyTorch's fused kernel, made for long texts, is the slower one below
TOKENS_AT_ONCE = 160  # their queries, keys, values and weights stay in a core's cache


@dataclass(frozen=True)
class SequenceSpans:
    """Where the texts of a pack lie: their lengths, and the same as cumulative ones on the device."""

    lengths: list[int]
    cuts: "torch.Tensor"


@dataclass(frozen=True)
class Attention:
    """within: queries, keys and values side by side (tokens × 3 width) to what each token gathers (tokens × width).

    of_firsts: the map to queries, keys and values; the vectors of each text's first token (room × width); those of
    all tokens (tokens × width); to what the first tokens gather (room × width). Both: rows, and how many heads there
    are; what is behind the last text is not defined.
    """

    within: Callable[["torch.Tensor", SequenceSpans, int], "torch.Tensor"]
    of_firsts: Callable[[Linear, "torch.Tensor", "torch.Tensor", SequenceSpans, int], "torch.Tensor"]


def attend_on_cpu(qkv: "torch.Tensor", rows: SequenceSpans, n_heads: int) -> "torch.Tensor":
    """As `Attention.within`."""
    quick = kernels()
    if quick is not None and is_kernel_compatible(qkv, 3 * 32 * n_heads):
        return quick.attend(qkv, rows, n_heads)
    return attend_by_length(qkv, rows, n_heads)


def attend_by_length(qkv: "torch.Tensor", rows: SequenceSpans, n_heads: int) -> "torch.Tensor":
    """As `Attention.within`: a few texts of one length at a time."""
    width = qkv.shape[1] // 3
    gathered = qkv.new_zeros(len(qkv), width)
    for start, texts, length in _alike(rows.lengths):
        tokens = slice(start, start + texts * length)
        parts = qkv[tokens].view(texts, length, 3, n_heads, -1).permute(2, 0, 3, 1, 4)
        gathered[tokens].view(texts, length, n_heads, -1).transpose(1, 2).copy_(_attended(parts))
    return gathered


def _alike(lengths: list[int], start: int = 0) -> Iterator[tuple[int, int, int]]:
    """First token, number of texts and their length, for texts of one length that lie side by side."""
    for length, group in groupby(lengths):
        left, at_once = len(list(group)), max(1, TOKENS_AT_ONCE // length)
        while left:
            texts = min(at_once, left)
            yield start, texts, length
            start, left = start + texts * length, left - texts


def _attended(parts: "torch.Tensor") -> "torch.Tensor":
    """Queries, keys, values (3 × texts × heads × length × width of a head) to texts × heads × length × width."""
    import torch

    _, texts, heads, length, width = parts.shape
    if length > SHORT or parts.dtype != torch.float32:
        return torch.nn.functional.scaled_dot_product_attention(*parts)
    query, key, value = parts.reshape(3, texts * heads, length, width)
    # Keys by queries: softmax along rows that are shorter than the processor's vectors takes three times as long.
    scores = query.new_empty(len(query), length, length)
    scores.baddbmm_(key, query.transpose(1, 2), beta=0, alpha=width**-0.5)
    return torch.bmm(torch.softmax(scores, 1).transpose(1, 2), value).view(texts, heads, length, width)


def firsts_by_length(
    qkv: Linear, first: "torch.Tensor", hidden: "torch.Tensor", rows: SequenceSpans, n_heads: int
) -> "torch.Tensor":
    """As `Attention.of_firsts`, without the keys and values of any token.

    A score is q'(W h + b) = (W'q)'h + q'b, whose second term softmax drops; and as its weights p sum to 1, what is
    gathered is sum p (V h + c) = V (sum p h) + c. Computed in float32: in half precision the part of the scores that
    is common to all tokens would take the digits of the rest.
    """
    import torch

    width, exact = first.shape[1], hidden.float()
    query, key, value = qkv.weight.float().view(3, n_heads, -1, width)
    query_bias, _, value_bias = qkv.bias.float().view(3, n_heads, 1, -1)
    asking = torch.baddbmm(query_bias, first.float().expand(n_heads, -1, -1), query.transpose(1, 2))
    mixed = _mixed(torch.bmm(asking * query.shape[1] ** -0.5, key), exact, rows)
    return torch.baddbmm(value_bias, mixed, value.transpose(1, 2)).transpose(0, 1).reshape(first.shape).to(first.dtype)


def _mixed(asking: "torch.Tensor", hidden: "torch.Tensor", rows: SequenceSpans) -> "torch.Tensor":
    """The mean vector of each text for each head (heads × room × width), weighted by what its first token asks."""
    import torch

    mixed, text = torch.zeros_like(asking), 0
    for start, texts, length in _alike(rows.lengths, int(rows.cuts[0])):
        own = hidden[start : start + texts * length].view(texts, length, -1)
        scores = torch.bmm(own, asking[:, text : text + texts].permute(1, 2, 0))
        weighted = torch.bmm(torch.softmax(scores, 1).transpose(1, 2), own)
        mixed[:, text : text + texts] = weighted.transpose(0, 1)
        text += texts
    return mixed


def attend_varlen(qkv: "torch.Tensor", rows: SequenceSpans, n_heads: int) -> "torch.Tensor":
    """As `Attention.within`, in one CUDA kernel; float16 or bfloat16."""
    query, key, value = qkv.view(len(qkv), 3, n_heads, -1).unbind(1)
    return _varlen(query, key, value, QuerySpans(rows.cuts, max(rows.lengths)), rows)


def firsts_varlen(
    qkv: Linear, first: "torch.Tensor", hidden: "torch.Tensor", rows: SequenceSpans, n_heads: int
) -> "torch.Tensor":
    """As `Attention.of_firsts`, in one CUDA kernel, where each text asks one question; float16 or bfloat16."""
    import torch

    width, texts = first.shape[1], len(rows.lengths)
    query = Linear(qkv.weight[:width], qkv.bias[:width])(first).view(len(first), n_heads, -1)
    both = Linear(qkv.weight[width:], qkv.bias[width:])(hidden)
    key, value = both.view(len(hidden), 2, n_heads, -1).unbind(1)
    ones = torch.arange(texts + 1, dtype=torch.int32, device=first.device)
    return _varlen(query, key, value, QuerySpans(ones, 1), rows)


@dataclass(frozen=True)
class QuerySpans:
    """Where the queries of each text lie, as cumulative lengths on the device, and how many the longest has."""

    cuts: "torch.Tensor"
    longest: int


def _varlen(
    query: "torch.Tensor", key: "torch.Tensor", value: "torch.Tensor", asking: QuerySpans, rows: SequenceSpans
) -> "torch.Tensor":
    from torch.nn.attention.varlen import varlen_attn

    # By position: the names of these arguments are not the same in all versions.
    answer = varlen_attn(query, key, value, asking.cuts, rows.cuts, asking.longest, max(rows.lengths))
    return cast("torch.Tensor", answer).reshape(len(query), -1)


ON_CPU = Attention(attend_on_cpu, firsts_by_length)
VARLEN = Attention(attend_varlen, firsts_varlen)
