"""Which words a model does not know: the share of a text's tokens that stand for none of its vocabulary."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from newsfolio.shared.arrays import FloatArray

UNREADABLE = 0.2  # share of unknown tokens above which a text is not classified: the answer would be about the rest
LETTER = re.compile(r"[^\W_]")  # or digit
OF_LATIN = ("LATIN", "FULLWIDTH", "FEMININE", "MASCULINE", "MICRO")  # one of their letters says nothing of a language
IDEOGRAPHS = ("CJK", "HANGUL SYLLABLE")  # a single one is a word, or a syllable


class TokenizedTexts(NamedTuple):
    """Token ids of each text, how many texts were truncated, and the share of each text's tokens that are unknown."""

    ids: list[list[int]]
    truncated: int
    unknown: FloatArray


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


def unreadable_note(count: int, total: int, what: str) -> str:
    """Return what there is to say of texts that a model cannot read."""
    return (
        f"{count:,} of {total:,} {what} are in words that the model does not know (more than {UNREADABLE:.0%} of the "
        "tokens) and have no score: use a model that knows their language (newsfolio finetune --base with a "
        "multilingual encoder)"
    )
