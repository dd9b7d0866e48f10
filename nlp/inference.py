"""Texts -> logits: batches of like lengths and fixed shapes through a transformer."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nlp.errors import NlpError

if TYPE_CHECKING:
    import torch

# Small batches stay in the processor's cache: 2,048 tokens beat 8,192 and 16,384 on two AVX-512 cores.
TOKENS_PER_BATCH = 2048
LONGEST = 512  # tokens; headlines are far shorter, and attention costs their square


def longest_text(model: Any, tokenizer: Any) -> int:
    """Return how many tokens of a text the model can read."""
    positions = getattr(model.config, "max_position_embeddings", LONGEST)
    return min(LONGEST, int(tokenizer.model_max_length), int(positions))


def checked_texts(texts: Sequence[str], error: type[NlpError] = NlpError) -> list[str]:
    """Return the texts as a list, or raise `error` naming the first that is no text."""
    if isinstance(texts, str):
        raise error("texts is one string: pass a list of strings")
    for row, text in enumerate(texts, 1):
        if not isinstance(text, str):
            raise error(f"row {row}: the text is {text!r}: pass strings only")
        if not text.isascii() and _has_surrogate(text):
            raise error(f"row {row}: the text {text!r} holds half a character (a lone surrogate): decode it again")
    return list(texts)


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def tokenize(tokenizer: Any, texts: Sequence[str], max_length: int) -> tuple[list[list[int]], int]:
    """Return the token ids of each text, special tokens included, and how many texts were cut at `max_length`.

    The Rust tokenizer is called directly: its Python wrapper builds a list for every field of every text.
    """
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.enable_truncation(max_length)
    encodings = backend.encode_batch_fast(list(texts))
    return [encoding.ids for encoding in encodings], sum(bool(encoding.overflowing) for encoding in encodings)


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
    keeps the last bit of a score free of which other texts, later news among them, are scored beside it.
    """
    padded = np.array([padded_length(int(length), limit) for length in lengths], dtype=np.int64)
    order = np.argsort(-padded, kind="stable")
    starts = np.flatnonzero(np.diff(padded[order], prepend=-1))
    for group in np.split(order, starts)[1:]:  # before the first start lies nothing
        longest = int(padded[group[0]])
        rows = max(1, tokens_per_batch // longest)
        for start in range(0, len(group), rows):
            yield group[start : start + rows], rows, longest


def logits_of(
    model: "torch.nn.Module",
    ids: Sequence[Sequence[int]],
    pad_id: int,
    limit: int,
    tokens_per_batch: int,
    progress: bool,
) -> NDArray[np.float32]:
    """Return the logits (texts × labels), in the order given, from a model in eval mode; at least one text."""
    import torch
    from tqdm import tqdm

    lengths = np.fromiter(map(len, ids), dtype=np.int64, count=len(ids))
    device = next(model.parameters()).device
    results: list[NDArray[np.float32]] = []
    places: list[NDArray[np.int64]] = []
    bar = tqdm(total=len(ids), desc="scoring", unit="text", disable=None if progress else True)
    with torch.inference_mode(), bar:
        for texts, rows, longest in token_batches(lengths, tokens_per_batch, limit):
            inputs, mask = _padded([ids[text] for text in texts], pad_id, (rows, longest))
            answer = model(
                input_ids=torch.from_numpy(inputs).to(device),
                attention_mask=torch.from_numpy(mask).to(device),
            )
            results.append(answer.logits[: len(texts)].float().cpu().numpy())
            places.append(texts)
            bar.update(len(texts))
    ordered = np.empty((len(ids), results[0].shape[1]), dtype=np.float32)
    ordered[np.concatenate(places)] = np.concatenate(results)
    return ordered


def _padded(
    ids: Sequence[Sequence[int]], pad_id: int, shape: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    inputs, mask = np.full(shape, pad_id, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    mask[:, 0] = 1  # a blank row must attend to something, or its softmax is 0/0
    for row, tokens in enumerate(ids):
        inputs[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
    return inputs, mask
