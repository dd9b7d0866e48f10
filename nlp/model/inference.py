"""Texts -> logits: tokens read ahead of the model, the model in whatever way its device is fastest."""

import logging
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from newsfolio.shared.arrays import FloatArray
from nlp.errors import NlpError
from nlp.model.forward.engines import Engine, in_flight
from nlp.model.forward.padded import LONGEST

log = logging.getLogger(__name__)

TOKENS_PER_BATCH = 0  # as many as suit the device (nlp/model/forward/engines.py)
TEXTS_AHEAD = 16_384  # are tokenised while as many before them are computed
UNREADABLE = 0.2  # share of unknown tokens above which a text is not classified: the answer would be about the rest
LETTER = re.compile(r"[^\W_]")  # or digit
OF_LATIN = ("LATIN", "FULLWIDTH", "FEMININE", "MASCULINE", "MICRO")  # one of their letters says nothing of a language
IDEOGRAPHS = ("CJK", "HANGUL SYLLABLE")  # a single one is a word, or a syllable


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


class TokenizedTexts(NamedTuple):
    """Token ids of each text, how many texts were cut, and the share of each text's tokens that are unknown."""

    ids: list[list[int]]
    cut: int
    unknown: FloatArray


def tokenize(tokenizer: Any, texts: Sequence[str], max_length: int) -> tuple[list[list[int]], int]:
    """Return the token ids of each text, special tokens included, and how many texts were cut at `max_length`.

    The Rust tokenizer is called directly: its Python wrapper builds a list for every field of every text.
    """
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.enable_truncation(max_length)
    encodings = backend.encode_batch_fast(list(texts))
    return [encoding.ids for encoding in encodings], sum(bool(encoding.overflowing) for encoding in encodings)


def unknown_ids(tokenizer: Any) -> frozenset[int]:
    """Return the tokens that stand for no word a model could have learnt.

    The unknown token; parts of a character, in which vocabularies of bytes spell what they do not know; and single
    letters of a script of which the vocabulary has more letters than longer pieces: an English one spells Russian,
    Korean or Arabic so.
    """
    by_bytes = "ByteLevel" in type(tokenizer.backend_tokenizer.decoder).__name__
    unknown, letters, longer = {tokenizer.unk_token_id}, dict[str, list[int]](), Counter[str]()
    for piece, number in tokenizer.get_vocab().items():
        if piece.isascii():
            if re.fullmatch("<0x[89A-F].>", piece):
                unknown.add(number)
            continue
        spelled = tokenizer.backend_tokenizer.decoder.decode([piece]) if by_bytes else piece
        if "\ufffd" in spelled:
            unknown.add(number)
        word = spelled.strip().removeprefix("##").removeprefix("\u2581")
        name = unicodedata.name(word[0], "") if word and word[0].isalpha() and not word.isascii() else ""
        if name and not name.startswith((*OF_LATIN, *IDEOGRAPHS)):
            script = name.partition(" ")[0]
            longer[script] += len(word) > 1
            letters.setdefault(script, []).extend([number] if len(word) == 1 else [])
    spelled_out = (numbers for script, numbers in letters.items() if len(numbers) > longer[script])
    return frozenset(unknown.union(*spelled_out) - {None})


def unknown_shares(tokenizer: Any, unknown: frozenset[int], texts: Sequence[str], ids: list[list[int]]) -> FloatArray:
    """Return the share of unknown tokens among those of each text, special tokens left out.

    An unknown token without a letter or digit, such as an emoji, does not count: the words around it are read.
    """
    nothing, special = tokenizer.unk_token_id, tokenizer.num_special_tokens_to_add(False)
    rare = unknown - {nothing}
    shares = np.zeros(len(texts))
    for row, (text, numbers) in enumerate(zip(texts, ids, strict=True)):
        found = numbers.count(nothing)
        if rare and not text.isascii():
            found += sum(map(rare.__contains__, numbers))
        if not found:
            continue
        if found > UNREADABLE * (len(numbers) - special):
            encoding = tokenizer.backend_tokenizer.encode(text)  # with the place of each token in the text
            marks = sum(
                number == nothing and LETTER.search(text[begin:end]) is None
                for number, (begin, end) in zip(encoding.ids, encoding.offsets, strict=True)
            )
            found, numbers = found - marks, numbers[marks:]
        shares[row] = found / max(1, len(numbers) - special)
    return shares


@dataclass
class TextNotes:
    """How many of the texts that were computed were cut at `limit` tokens, and how many the model cannot read."""

    texts: int = 0
    cut: int = 0
    unreadable: int = 0
    limit: int = 0

    def add(self, other: "TextNotes") -> None:
        """Count what `other` counted as well."""
        self.texts += other.texts
        self.cut += other.cut
        self.unreadable += other.unreadable
        self.limit = max(self.limit, other.limit)

    def say(self, *, unreadable: bool = True) -> None:
        """In the log, where there are any."""
        if self.cut:
            log.warning("%d of %d texts are longer than %d tokens and were cut", self.cut, self.texts, self.limit)
        if self.unreadable and unreadable:
            log.warning("%s", unreadable_note(self.unreadable, self.texts, "texts"))


def unreadable_note(count: int, total: int, what: str) -> str:
    """Return what there is to say of texts that a model cannot read."""
    return (
        f"{count:,} of {total:,} {what} are in words that the model does not know (more than {UNREADABLE:.0%} of the "
        "tokens) and have no score: use a model that knows their language (newsfolio finetune --base with a "
        "multilingual encoder)"
    )


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
