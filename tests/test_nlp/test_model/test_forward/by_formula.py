"""Texts in one row, and their attention as the formula has it."""

import numpy as np
import torch

from nlp.model.forward.attention import SequenceSpans


def rows(lengths):
    return SequenceSpans(lengths, torch.tensor(np.cumsum([0, *lengths]), dtype=torch.int32))


def plain(qkv, lengths, n_heads):
    """Attention by its formula, text by text, in float64."""
    gathered = []
    for text in qkv.double().split(lengths):
        query, key, value = text.view(len(text), 3, n_heads, -1).unbind(1)
        scores = torch.einsum("ihd,jhd->hij", query, key) / query.shape[-1] ** 0.5
        gathered.append(torch.einsum("hij,jhd->ihd", scores.softmax(-1), value).reshape(len(text), -1))
    return torch.cat(gathered)
