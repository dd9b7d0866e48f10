"""Self-attention within each of several texts that are concatenated without padding."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, cast

from nlp.model.forward.encoders import Linear
from nlp.model.forward.kernels import is_kernel_compatible, kernels

if TYPE_CHECKING:
    import torch

SHORT = 128  # tokens; below, PyTorch's fused kernel, made for long texts, is slower
TOKENS_AT_ONCE = 160  # their queries, keys, values and weights stay in a core's cache


@dataclass(frozen=True)
class SequenceSpans:
    """Where the texts of a pack lie: their lengths, and the cumulative ones on the device."""

    lengths: list[int]
    cuts: "torch.Tensor"


@dataclass(frozen=True)
class Attention:
    """within: queries, keys and values side by side (tokens × 3 width) to the attention outputs (tokens × width).

    of_cls: the map to queries, keys and values; the vectors of each text's first token (room × width); those of
    all tokens (tokens × width); to the outputs of the first tokens (room × width). Both: spans, and the number of
    heads; what comes after the last text is not defined.
    """

    within: Callable[["torch.Tensor", SequenceSpans, int], "torch.Tensor"]
    of_cls: Callable[[Linear, "torch.Tensor", "torch.Tensor", SequenceSpans, int], "torch.Tensor"]


def attend_on_cpu(qkv: "torch.Tensor", rows: SequenceSpans, n_heads: int) -> "torch.Tensor":
    """As `Attention.within`."""
    compiled = kernels()
    if compiled is not None and is_kernel_compatible(qkv, 3 * 32 * n_heads):
        return compiled.attend(qkv, rows, n_heads)
    return attend_by_length(qkv, rows, n_heads)


def attend_by_length(qkv: "torch.Tensor", rows: SequenceSpans, n_heads: int) -> "torch.Tensor":
    """As `Attention.within`: a few texts of one length at a time."""
    import torch

    width = qkv.shape[1] // 3
    gathered = qkv.new_zeros(len(qkv), width)
    for start, texts, length in _equal_lengths(rows.lengths):
        tokens = slice(start, start + texts * length)
        parts = qkv[tokens].view(texts, length, 3, n_heads, -1).permute(2, 0, 3, 1, 4)
        if length > SHORT or qkv.dtype != torch.float32:
            attended = torch.nn.functional.scaled_dot_product_attention(*parts)
        else:
            query, key, value = parts.reshape(3, texts * n_heads, length, -1)
            # Keys by queries: softmax along rows shorter than the processor's vectors takes three times as long.
            scores = query.new_empty(len(query), length, length)
            scores.baddbmm_(key, query.transpose(1, 2), beta=0, alpha=query.shape[2] ** -0.5)
            attended = torch.bmm(torch.softmax(scores, 1).transpose(1, 2), value).view(texts, n_heads, length, -1)
        gathered[tokens].view(texts, length, n_heads, -1).transpose(1, 2).copy_(attended)
    return gathered


def _equal_lengths(lengths: list[int], start: int = 0) -> Iterator[tuple[int, int, int]]:
    """First token, number of texts and their length, for adjacent texts of one length."""
    for length, group in groupby(lengths):
        left, at_once = len(list(group)), max(1, TOKENS_AT_ONCE // length)
        while left:
            texts = min(at_once, left)
            yield start, texts, length
            start, left = start + texts * length, left - texts


def cls_by_length(
    qkv: Linear, cls_tokens: "torch.Tensor", hidden: "torch.Tensor", rows: SequenceSpans, n_heads: int
) -> "torch.Tensor":
    """As `Attention.of_cls`, without the keys and values of any token.

    A score is q'(W h + b) = (W'q)'h + q'b, whose second term softmax drops; and as its weights p sum to 1, the output
    is sum p (V h + c) = V (sum p h) + c. Computed in float32: in half precision the part of the scores that
    is common to all tokens would take the digits of the rest.
    """
    import torch

    width, exact = cls_tokens.shape[1], hidden.float()
    query, key, value = qkv.weight.float().view(3, n_heads, -1, width)
    query_bias, _, value_bias = qkv.bias.float().view(3, n_heads, 1, -1)
    queries = torch.baddbmm(query_bias, cls_tokens.float().expand(n_heads, -1, -1), query.transpose(1, 2))
    queries = torch.bmm(queries * query.shape[1] ** -0.5, key)
    mixed, text = torch.zeros_like(queries), 0  # each text's mean vector for each head (heads × room × width)
    for start, texts, length in _equal_lengths(rows.lengths, int(rows.cuts[0])):
        own = exact[start : start + texts * length].view(texts, length, -1)
        scores = torch.bmm(own, queries[:, text : text + texts].permute(1, 2, 0))
        weighted = torch.bmm(torch.softmax(scores, 1).transpose(1, 2), own)
        mixed[:, text : text + texts] = weighted.transpose(0, 1)
        text += texts
    outputs = torch.baddbmm(value_bias, mixed, value.transpose(1, 2)).transpose(0, 1)
    return outputs.reshape(cls_tokens.shape).to(cls_tokens.dtype)


def attend_varlen(qkv: "torch.Tensor", rows: SequenceSpans, n_heads: int) -> "torch.Tensor":
    """As `Attention.within`, in one CUDA kernel; float16 or bfloat16."""
    query, key, value = qkv.view(len(qkv), 3, n_heads, -1).unbind(1)
    return _varlen((query, key, value), rows.cuts, max(rows.lengths), rows)


def cls_varlen(
    qkv: Linear, cls_tokens: "torch.Tensor", hidden: "torch.Tensor", rows: SequenceSpans, n_heads: int
) -> "torch.Tensor":
    """As `Attention.of_cls`, in one CUDA kernel, where each text has one query; float16 or bfloat16."""
    import torch

    width, texts = cls_tokens.shape[1], len(rows.lengths)
    query = Linear(qkv.weight[:width], qkv.bias[:width])(cls_tokens).view(len(cls_tokens), n_heads, -1)
    both = Linear(qkv.weight[width:], qkv.bias[width:])(hidden)
    key, value = both.view(len(hidden), 2, n_heads, -1).unbind(1)
    ones = torch.arange(texts + 1, dtype=torch.int32, device=cls_tokens.device)
    return _varlen((query, key, value), ones, 1, rows)


def _varlen(
    qkv: tuple["torch.Tensor", "torch.Tensor", "torch.Tensor"], cuts: "torch.Tensor", longest: int, rows: SequenceSpans
) -> "torch.Tensor":
    """cuts, longest: cumulative numbers of queries per text, on the device, and the largest number."""
    from torch.nn.attention.varlen import varlen_attn

    # By position: the names of these arguments are not the same in all versions.
    answer = varlen_attn(*qkv, cuts, rows.cuts, longest, max(rows.lengths))
    return cast("torch.Tensor", answer).reshape(len(qkv[0]), -1)


ON_CPU = Attention(attend_on_cpu, cls_by_length)
VARLEN = Attention(attend_varlen, cls_varlen)
