"""Texts -> logits: tokens read ahead of the model, the model in whatever way its device is fastest."""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlp.errors import NlpError
from nlp.model.forward.engines import Engine, in_flight
from nlp.model.forward.padded import LONGEST
from nlp.model.unknown_words import unreadable_note

log = logging.getLogger(__name__)

TOKENS_PER_BATCH = 0  # as many as suit the device (nlp/model/forward/engines.py)
TEXTS_AHEAD = 16_384  # are tokenised while as many before them are computed


def longest_text(model: Any, tokenizer: Any) -> int:
    """Return how many tokens of a text the model can read."""
    positions = getattr(model.config, "max_position_embeddings", LONGEST)
    return min(LONGEST, int(tokenizer.model_max_length), int(positions))


def checked_texts(
    texts: Sequence[str], error: type[NlpError] = NlpError, *, where: str = "", first_row: int = 1
) -> list[str]:
    """Return the texts as a list, or raise `error` naming the first that is no text.

    where, first_row: what a message begins with, and the number of the first text in its file.
    """
    if isinstance(texts, str):
        raise error("texts is one string: pass a list of strings")
    for row, text in enumerate(texts, first_row):
        if not isinstance(text, str):
            raise error(f"{where}row {row}: the text is {text!r}: pass strings only")
        try:
            text.encode()  # a hundred times as fast as to look at each character
        except UnicodeEncodeError as cause:
            message = f"{where}row {row}: the text {text!r} holds half a character (a lone surrogate): decode it again"
            raise error(message) from cause
    return list(texts)


def tokenize(tokenizer: Any, texts: Sequence[str], max_length: int) -> tuple[list[list[int]], int]:
    """Return the token ids of each text, special tokens included, and how many texts were truncated at `max_length`.

    The Rust tokenizer is called directly: its Python wrapper builds a list for every field of every text.
    """
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.enable_truncation(max_length)
    encodings = backend.encode_batch_fast(list(texts))
    return [encoding.ids for encoding in encodings], sum(bool(encoding.overflowing) for encoding in encodings)


@dataclass
class TextNotes:
    """How many of the computed texts were truncated at `limit` tokens, and how many the model cannot read."""

    texts: int = 0
    truncated: int = 0
    unreadable: int = 0
    limit: int = 0

    def add(self, other: "TextNotes") -> None:
        """Count what `other` counted as well."""
        self.texts += other.texts
        self.truncated += other.truncated
        self.unreadable += other.unreadable
        self.limit = max(self.limit, other.limit)

    def say(self, *, unreadable: bool = True) -> None:
        """In the log, where there are any."""
        warn_truncated(self.truncated, self.texts, self.limit)
        if self.unreadable and unreadable:
            log.warning("%s", unreadable_note(self.unreadable, self.texts, "texts"))


def warn_truncated(count: int, n_texts: int, limit: int, role: str = "") -> None:
    """Say in the log how many of the texts (of a role: "training ") were truncated, where any was."""
    if count:
        log.warning("%d of %d %stexts are longer than %d tokens and were truncated", count, n_texts, role, limit)


_notes: ContextVar[TextNotes | None] = ContextVar("notes", default=None)


@contextmanager
def text_notes(*, apart: bool = False) -> Iterator[TextNotes]:
    """Yield what is noted of texts until the end, where it is said: once, however many calls computed them.

    apart: what is noted is left to the caller.
    """
    outer = _notes.get()
    if outer is not None and not apart:
        yield outer
        return
    notes = TextNotes()
    token = _notes.set(notes)
    try:
        yield notes
    finally:
        _notes.reset(token)
    if not apart:
        notes.say()


def logits_of(
    texts: Sequence[str], read: Callable[[Sequence[str]], list[list[int]]], engine: Engine, tokens: int, progress: bool
) -> NDArray[np.float32]:
    """Return the logits (texts × labels), in the order given; at least one text.

    read: texts to their token ids; it runs in a thread of its own, ahead of the engine.
    """
    import torch
    from tqdm import tqdm

    windows = [texts[start : start + TEXTS_AHEAD] for start in range(0, len(texts), TEXTS_AHEAD)]
    bar = tqdm(total=len(texts), desc="scoring", unit="text", disable=None if progress else True)
    ordered = []
    with torch.inference_mode(), bar, ThreadPoolExecutor(1) as reader:
        for ids in in_flight(reader, read, windows, 1):
            places, rows = [], []
            for some, logits in engine(ids, tokens):
                places.append(some)
                rows.append(logits)
                bar.update(len(some))
            computed = torch.cat(rows).float().cpu().numpy()  # a GPU is waited for only here
            ordered.append(np.empty_like(computed))
            ordered[-1][np.concatenate(places)] = computed
    return np.concatenate(ordered)
