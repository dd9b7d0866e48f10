"""Near-duplicate texts as groups, and splits that keep each group on one side.

Two texts are near-duplicates where the Jaccard similarity of their sets of word 3-grams reaches a threshold: the
grams both have, over the grams either has. The words are those of `normalised`: no URLs, lower case, every number
as 0, no punctuation. Words and not characters, because financial news is made of templates: unrelated sentences of
one template ("net profit rose to EUR 0 mn from EUR 0 mn") share most character 3-grams, so components of character
neighbours grow into one giant group. A text of one or two words is a single gram, so it is near its exact
repeats only: of two texts that short, one other word is another message. A text without any word is its own gram.

Chinese, Japanese and Thai have no blanks between words: there each pair of adjacent characters is a word, so that a
gram is four characters.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import count, pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from newsfolio.shared.arrays import IntArray
from nlp.errors import CorpusError

WORDS = 3
EXACT_TEXTS = 20_000  # up to so many distinct texts every pair that shares a gram is compared
EXACT_PAIRS = 10**9  # beyond too, where no more pairs than this share grams: some ten seconds
PERMUTATIONS = 128
MISSED = 0.005  # chance that no band of the MinHash shows a pair exactly at the threshold
WINDOW = 8  # neighbours compared within one bucket: a bucket of one template may hold half the corpus
ROWS_AT_ONCE = 512
PAIRS_AT_ONCE = 200_000

_URL = re.compile(r"https?://\S+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_UNSPACED = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
_BETWEEN = re.compile(r"\W+")


def normalised(text: str) -> str:
    """URLs gone, lower case, each number (with its points and commas) as 0, the rest but letters as one space."""
    return _BETWEEN.sub(" ", _NUMBER.sub("0", _URL.sub(" ", text).lower())).strip()


def duplicate_groups(texts: Sequence[str], *, threshold: float = 0.5) -> IntArray:
    """Return a group number per text (texts, int64): near-duplicates, and theirs in turn, share one.

    Numbers count up from 0 in order of first appearance. Exact up to 20,000 distinct normalised texts, and beyond
    where few texts share grams (a billion pairs, counted once per gram). Else candidates come from a MinHash and
    are compared exactly: no group joins texts that no chain of near-duplicates
    joins, but a pair right at the threshold is missed with a chance of 0.5 %, and pairs of a bucket of more than
    nine texts are found through their alphabetical neighbours. The same texts in another order give the same groups.

    Raises:
        CorpusError: a text is not a string, or the threshold lies outside (0, 1].
    """
    if not 0.0 < threshold <= 1.0:
        raise CorpusError(f"threshold is {threshold:g}: give a Jaccard similarity in (0, 1]")
    keys = _keys(texts)
    if not keys:
        return np.empty(0, dtype=np.int64)
    # Sorted, so that gram numbers, and with them the hashes, do not depend on the order of the texts.
    code, distinct = pd.factorize(np.array(keys, dtype=object), sort=True)
    grams = _grams(list(distinct))
    component = (_exact_components if _is_small(grams) else _hashed_components)(grams, threshold)
    return np.asarray(pd.factorize(component[code])[0], dtype=np.int64)


def near_any_of(texts: Sequence[str], others: Sequence[str]) -> NDArray[np.bool_]:
    """Return for each text (texts,) whether it shares a group of near-duplicates with any of the others."""
    groups = duplicate_groups([*texts, *others])
    return np.isin(groups[: len(texts)], groups[len(texts) :])


def _keys(texts: Sequence[str]) -> list[str]:
    if isinstance(texts, str):
        raise CorpusError("texts is one string: pass a list of strings")
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise CorpusError(f"row {row + 1}: the text is {text!r}: drop rows without a text first")
    return [_UNSPACED.sub(_pairs, normalised(text)) or text.strip() for text in texts]


def _pairs(run: re.Match[str]) -> str:
    """Each two adjacent characters of a run, between blanks."""
    characters = run[0]
    return f" {' '.join(map(''.join, pairwise(characters))) or characters} "


def _grams(keys: Sequence[str]) -> sparse.csr_array:
    """Return which text holds which 3-gram (texts × distinct grams), as ones."""
    words, length = _word_numbers(keys)
    text = np.repeat(np.arange(len(keys)), length)
    inside = text[: -WORDS + 1] == text[WORDS - 1 :]
    size = int(words.max()) + 1
    # In two steps, as the cube of the vocabulary would overflow; numbered exactly, so no two grams collide.
    pairs = pd.factorize(words[:-1] * size + words[1:])[0].astype(np.int64)
    triples = pd.factorize((pairs[:-1] * size + words[2:])[inside])[0]
    held = sparse.csr_array((np.ones(len(triples), np.int32), (text[: -WORDS + 1][inside], triples)))
    held.sum_duplicates()
    held.data[:] = 1
    return held


def _word_numbers(keys: Sequence[str]) -> tuple[IntArray, IntArray]:
    """Return the number of each word, all texts in a row, and the words per text; blanks fill short texts."""
    number: defaultdict[str, int] = defaultdict(count().__next__)
    length = np.empty(len(keys), dtype=np.int64)

    def _numbers() -> Iterator[int]:
        for row, key in enumerate(keys):
            words = key.split()
            words += [""] * (WORDS - len(words))
            length[row] = len(words)
            yield from map(number.__getitem__, words)

    return np.fromiter(_numbers(), dtype=np.int64), length


def _is_small(grams: sparse.csr_array) -> bool:
    """Whether comparing all pairs that share a gram takes seconds."""
    holders = grams.sum(axis=0, dtype=np.float64)
    return grams.shape[0] <= EXACT_TEXTS or float((holders**2).sum()) <= EXACT_PAIRS


def _exact_components(grams: sparse.csr_array, threshold: float) -> IntArray:
    """Compare every two texts that share a gram, by the inverted index: the product of the table with itself."""
    size, by_gram = grams.sum(axis=1), grams.T.tocsr()
    left, right = [], []
    for start in range(0, len(size), ROWS_AT_ONCE):
        shared = (grams[start : start + ROWS_AT_ONCE] @ by_gram).tocoo()
        one, other = shared.row + start, shared.col
        near = (one < other) & (shared.data / (size[one] + size[other] - shared.data) >= threshold)
        left.append(one[near])
        right.append(other[near])
    return _components(left, right, len(size))


def _hashed_components(grams: sparse.csr_array, threshold: float) -> IntArray:
    """Compare texts that agree on some band of a MinHash, unless they are joined already.

    A. Broder, "On the resemblance and containment of documents", 1997; bands: J. Leskovec, A. Rajaraman and
    J. Ullman, "Mining of Massive Datasets", section 3.4. The signatures are datasketch's; its index of buckets is
    not used, as a million texts times forty bands fill some ten gigabytes of dictionaries.
    """
    rows, bands = band_shape(threshold)
    signatures = _signatures(grams, rows * bands)
    component: IntArray = np.arange(grams.shape[0], dtype=np.int64)
    left: list[IntArray] = []
    right: list[IntArray] = []
    for band in range(bands):
        for one, other in _neighbours(signatures[:, band * rows : (band + 1) * rows]):
            apart = component[one] != component[other]
            near = _near(grams, one[apart], other[apart], threshold)
            left.append(one[apart][near])
            right.append(other[apart][near])
        component = _components(left, right, len(component))
    return component


def band_shape(threshold: float) -> tuple[int, int]:
    """Return (rows per band, bands): the longest bands that still miss a pair at the threshold rarely enough.

    A pair of similarity s agrees on no band with the chance (1 - s^rows)^bands.
    """
    fitting = [
        rows for rows in range(1, PERMUTATIONS + 1) if (1.0 - threshold**rows) ** (PERMUTATIONS // rows) <= MISSED
    ]
    rows = max(fitting, default=1)
    return rows, PERMUTATIONS // rows


def _signatures(grams: sparse.csr_array, permutations: int) -> NDArray[np.uint32]:
    from datasketch import MinHash  # type: ignore[import-untyped]

    held = (grams.indices[start:end].tolist() for start, end in zip(grams.indptr[:-1], grams.indptr[1:], strict=True))
    signatures = np.empty((grams.shape[0], permutations), dtype=np.uint32)
    # The scheme mixes its input first, so that gram numbers serve as they are: no text is hashed.
    hashes = MinHash.generator(held, num_perm=permutations, seed=1, hashfunc=int, scheme="affine32")
    for row, minhash in enumerate(hashes):
        signatures[row] = minhash.hashvalues
    return signatures


def _neighbours(band: NDArray[np.uint32]) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield pairs of texts (smaller number first) that agree on the band and stand near one another in its bucket."""
    key = np.zeros(len(band), dtype=np.uint64)
    for column in band.T:  # buckets that this mixes up cost a comparison, no more
        key = key * np.uint64(0x9E3779B97F4A7C15) + column
    order = np.argsort(key, kind="stable")
    key = key[order]
    for step in range(1, WINDOW + 1):
        same = np.flatnonzero(key[:-step] == key[step:])
        yield order[same], order[same + step]


def _near(grams: sparse.csr_array, one: IntArray, other: IntArray, threshold: float) -> NDArray[np.bool_]:
    """Whether the Jaccard similarity of each pair reaches the threshold."""
    size = np.diff(grams.indptr)
    shared = np.empty(len(one), dtype=np.int64)
    for start in range(0, len(one), PAIRS_AT_ONCE):
        part = slice(start, start + PAIRS_AT_ONCE)
        shared[part] = grams[one[part]].multiply(grams[other[part]]).sum(axis=1)
    return np.asarray(shared / (size[one] + size[other] - shared) >= threshold)


def _components(left: Sequence[IntArray], right: Sequence[IntArray], n: int) -> IntArray:
    one, other = np.concatenate(left), np.concatenate(right)
    graph = sparse.coo_array((np.ones(len(one), np.int8), (one, other)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def group_split(
    labelled: pd.DataFrame, groups: NDArray[np.int64], *, valid: float = 0.1, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return (train, valid) of rows of text and label: stratified by label, no group on both sides.

    groups: one number per row (see duplicate_groups). valid: the share of each label's rows to hold out; it is met
    to the row as long as texts without a near-duplicate suffice to fill up. The order of the rows is kept, and
    which rows are held out depends on the texts, the groups and the seed, not on that order.

    Raises:
        CorpusError: the share lies outside (0, 0.5], groups and rows differ in number, or a label is left without
            a row on one of the sides.
    """
    if not 0.0 < valid <= 0.5:
        raise CorpusError(f"valid is {valid:g}: give the share to hold out, in (0, 0.5]")
    part = _parts(labelled, groups, np.array([1.0 - valid, valid]), seed)
    train, held = labelled[part == 0], labelled[part == 1]
    short = sorted(set(labelled["label"]) - (set(train["label"]) & set(held["label"])))
    if short or labelled.empty:
        raise CorpusError(
            f"a split with {valid:g} held out leaves {', '.join(short) or 'every label'} without a row on one side: "
            f"{len(labelled)} rows in {len(np.unique(groups))} groups of near-duplicates are too few, add texts"
        )
    return train.reset_index(drop=True), held.reset_index(drop=True)


def group_folds(labelled: pd.DataFrame, groups: NDArray[np.int64], *, folds: int, seed: int = 0) -> IntArray:
    """Return the fold of each row (rows, int64, 0 to folds - 1), for cross-validation; see group_split.

    Raises:
        CorpusError: fewer than two folds, or fewer groups than folds.
    """
    if not 2 <= folds <= len(np.unique(groups)):
        raise CorpusError(f"folds is {folds}: give at least 2 and at most the {len(np.unique(groups))} groups")
    return _parts(labelled, groups, np.full(folds, 1.0 / folds), seed)


def _parts(labelled: pd.DataFrame, groups: NDArray[np.int64], shares: NDArray[np.float64], seed: int) -> IntArray:
    if len(groups) != len(labelled):
        raise CorpusError(f"{len(groups)} groups for {len(labelled)} rows: pass duplicate_groups of these very texts")
    order = np.lexsort((labelled["label"].astype(str), labelled["text"].astype(str)))
    label = pd.factorize(labelled["label"], sort=True)[0][order]
    group = pd.factorize(np.asarray(groups)[order])[0]
    part = np.empty(len(order), dtype=np.int64)
    part[order] = _assigned(_counts(group, label), shares, np.random.default_rng(seed))[group]
    return part


def _counts(group: Any, label: Any) -> IntArray:
    """Rows per group and label (groups × labels)."""
    shape = (int(group.max(initial=-1)) + 1, int(label.max(initial=-1)) + 1)
    cells = np.bincount(group * shape[1] + label, minlength=shape[0] * shape[1])
    return np.asarray(cells.reshape(shape), dtype=np.int64)


def _assigned(counts: IntArray, shares: NDArray[np.float64], random: np.random.Generator) -> IntArray:
    """Return the part of each group: the large ones each where most is missing, single rows fill up per label."""
    part = np.zeros(len(counts), dtype=np.int64)
    total, size = counts.sum(axis=0), counts.sum(axis=1)
    shuffled = random.permutation(len(counts))
    large = shuffled[np.argsort(-size[shuffled], kind="stable")][: int((size > 1).sum())]
    filled = _place_large(counts, large, shares, part)
    for label, rows in enumerate(total):
        single = random.permutation(np.flatnonzero((size == 1) & (counts[:, label] == 1)))
        wanted = np.diff(np.rint(np.cumsum(shares) * rows), prepend=0.0)
        need = np.maximum(wanted - filled[:, label], 0.0).astype(np.int64)
        part[single] = random.permutation(np.repeat(np.arange(len(shares)), need))[: len(single)]
    return part


def _place_large(counts: IntArray, large: IntArray, shares: NDArray[np.float64], part: IntArray) -> NDArray[np.float64]:
    """Write the part of each large group into `part`; return the rows so placed (parts × labels).

    Each goes where the squared distance of rows placed to the share of rows seen, over labels in units of their
    rows, stays least: of all the terms only counts · (placed - share · seen) depends on the choice.
    """
    filled = np.zeros((len(shares), counts.shape[1]))
    seen, scale = np.zeros(counts.shape[1]), np.maximum(counts.sum(axis=0), 1)
    for group in large:
        seen += counts[group]
        surplus = (filled - shares[:, None] * seen) @ (counts[group] / scale)
        part[group] = int(np.argmin(surplus))
        filled[part[group]] += counts[group]
    return filled
