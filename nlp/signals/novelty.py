"""How much a headline adds: less the more often it was told of the same asset, less the more assets it names.

Both weights look backward only, so that no later news can move the weight of an earlier row.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from newsfolio.shared.arrays import IntArray
from newsfolio.shared.tables import need_columns
from nlp.errors import NewsError
from nlp.texts.headlines import known_flags
from nlp.texts.near_duplicates import normalised

FADE = 0.75  # 1, 0.75, 0.56, ...: the scale on which RavenPack rates a story and its repeats within a day
PAIRS_AT_ONCE = 2_000_000  # some 300 MB
ROUNDING = 1e-9  # 3 of 5 words are alike at 0.6, whatever the last bit says
DAY_NS = 24 * 3600 * 10**9


def weigh_headlines(
    news: pd.DataFrame, *, hours: float = 24.0, likeness: float = 0.6, fade: float = FADE
) -> pd.DataFrame:
    """Return the rows with columns `novelty` and `relevance`, weights in [0, 1] that `daily_signal` uses.

    news: rows of `read_headlines`. See `novelty` and `relevance`.

    Raises:
        NewsError: as these two.
    """
    return news.assign(novelty=novelty(news, hours=hours, likeness=likeness, fade=fade), relevance=relevance(news))


def novelty(news: pd.DataFrame, *, hours: float = 24.0, likeness: float = 0.6, fade: float = FADE) -> pd.Series:
    """Return per row fade^k, where k counts the earlier headlines on the same asset that say the same.

    Earlier: published before it, by at most `hours`; a row with a date only counts as published at the end of that
    date (UTC). The same: of the words of two texts (no URLs, case or punctuation, numbers alike), the share that
    both have, of those that either has, is at least `likeness`. All pairs are compared exactly.

    Raises:
        NewsError: a column is missing or a parameter makes no sense.
    """
    need_columns(news, ("published", "asset", "text"), "headlines", NewsError)
    _check(hours, likeness, fade)
    if news.empty:
        return pd.Series([], index=news.index, dtype=np.float64, name="novelty")
    told = _times_told(_stories(news), round(hours * 3600e9), likeness)
    return pd.Series(fade**told, index=news.index, name="novelty")


def relevance(news: pd.DataFrame) -> pd.Series:
    """Return per row the column `relevance` where it has one, else 1 / the assets that the story names.

    A story is one text at one instant (one `id` too, where there is such a column): a round-up of ten companies
    says a tenth about each.

    Raises:
        NewsError: a column is missing, or a given relevance lies outside [0, 1].
    """
    need_columns(news, ("published", "asset", "text"), "headlines", NewsError)
    story = ["published", "text", *(["id"] if "id" in news.columns else [])]
    named = news.groupby(story, sort=False, dropna=False)["asset"].transform("nunique")
    return _given(news, "relevance").fillna(1.0 / named).rename("relevance")


def _given(news: pd.DataFrame, column: str) -> pd.Series:
    if column not in news.columns:
        return pd.Series(np.nan, index=news.index)
    given = pd.to_numeric(news[column], errors="coerce").astype(np.float64)
    wrong = np.flatnonzero((given.isna() & news[column].notna()) | (given < 0) | (given > 1))
    if len(wrong):
        raise NewsError(
            f"row {wrong[0] + 1}: {column} is {news[column].iloc[wrong[0]]!r}: give a number from 0 to 1, or nothing "
            f"where it is not known ({len(wrong)} such rows)"
        )
    return given


def _check(hours: float, likeness: float, fade: float) -> None:
    if not 0 < hours < math.inf:
        raise NewsError(f"hours is {hours:g}: give how long a story stays known, > 0")
    for name, share in (("likeness", likeness), ("fade", fade)):
        if not 0 < share <= 1:
            raise NewsError(f"{name} is {share:g}: it must lie in (0, 1]")


class _Stories(NamedTuple):
    """Rows sorted by asset and time: where each came from, its asset, its nanosecond, and which text it tells.

    words: which text holds which word (distinct texts × words, ones), the rarest word first.
    """

    row: IntArray
    asset: IntArray
    moment: IntArray
    text: IntArray
    words: sparse.csr_array


def _stories(news: pd.DataFrame) -> _Stories:
    moment = pd.DatetimeIndex(news["published"]).as_unit("ns").asi8.copy()
    if "time_known" in news.columns:
        moment[~known_flags(news["time_known"], len(news))] += DAY_NS
    asset = pd.factorize(news["asset"])[0].astype(np.int64)
    order = np.lexsort((moment, asset))
    return _Stories(order, asset[order], moment[order], *_word_sets(news["text"].iloc[order]))


def _word_sets(texts: pd.Series) -> tuple[IntArray, sparse.csr_array]:
    """Return the number of each row's text, and which text holds which word; a wordless text is its own word."""
    text, distinct = pd.factorize(texts)
    told = [set((normalised(each) or each.strip()).split()) for each in distinct]
    length = np.fromiter(map(len, told), dtype=np.int64, count=len(told))
    word = pd.factorize(np.array([word for words in told for word in words], dtype=object))[0]
    frequency = np.bincount(word, weights=np.repeat(np.bincount(text), length))
    rank = np.empty(len(frequency), dtype=np.int64)
    rank[np.argsort(frequency, kind="stable")] = np.arange(len(frequency))
    held = sparse.csr_array((np.ones(len(word), np.int32), rank[word], np.concatenate([[0], np.cumsum(length)])))
    held.sort_indices()
    return text.astype(np.int64), held


def _times_told(stories: _Stories, window: int, likeness: float) -> IntArray:
    """How many earlier rows of the same asset within the window say the same, in the order of the news."""
    told = np.zeros(len(stories.row), dtype=np.int64)
    for later, earlier in _candidates(stories, window, likeness):
        alike = _are_alike(stories.words, stories.text[later], stories.text[earlier], likeness)
        told += np.bincount(stories.row[later[alike]], minlength=len(told))
    return told


def _are_alike(words: sparse.csr_array, one: IntArray, other: IntArray, likeness: float) -> NDArray[np.bool_]:
    """Whether pairs of texts share enough of their words; each pair of different texts is compared once."""
    low, high = np.minimum(one, other), np.maximum(one, other)
    pair, back = np.unique(low * words.shape[0] + high, return_inverse=True)
    low, high = pair // words.shape[0], pair % words.shape[0]
    size = np.diff(words.indptr).astype(np.int64)
    near = np.minimum(size[low], size[high]) >= (likeness - ROUNDING) * np.maximum(size[low], size[high])
    near[near] = _share_in_common(words, low[near], high[near]) >= likeness - ROUNDING
    return np.asarray(near[back])


def _share_in_common(words: sparse.csr_array, one: IntArray, other: IntArray) -> NDArray[np.float64]:
    """Jaccard similarity of pairs of texts."""
    size = np.diff(words.indptr)
    common = np.asarray(words[one].multiply(words[other]).sum(axis=1)).ravel()
    return np.asarray(common / (size[one] + size[other] - common), dtype=np.float64)


def _candidates(stories: _Stories, window: int, likeness: float) -> Iterator[tuple[IntArray, IntArray]]:
    """Pairs (later row, earlier row) that can be alike, each once, a few million at a time.

    Two sets that share enough must share one of their rarest words already: of n words, one of the first
    n - ceil(likeness × n) + 1. S. Chaudhuri, V. Ganti and R. Kaushik, "A primitive operator for similarity joins in
    data cleaning", ICDE 2006.
    """
    story, word = _rarest_words(stories, likeness)
    group = pd.factorize(stories.asset[story] * stories.words.shape[1] + word)[0].astype(np.int64)
    times, now = np.unique(stories.moment, return_inverse=True)
    oldest = np.searchsorted(times, times - window)[now]  # the first time inside the window
    key = group * len(times) + now[story]
    order = np.argsort(key, kind="stable")
    since = np.searchsorted(key[order], group * len(times) + oldest[story])
    until = np.searchsorted(key[order], key)  # strictly earlier: of two at one instant, neither repeats the other
    for part in _parts(story, until - since):
        pairs = (until - since)[part]
        within = np.arange(pairs.sum()) - np.repeat(np.cumsum(pairs) - pairs, pairs)
        earlier = story[order[np.repeat(since[part], pairs) + within]]
        both = np.unique(np.repeat(story[part], pairs) * len(stories.row) + earlier)  # they may share several words
        yield both // len(stories.row), both % len(stories.row)


def _rarest_words(stories: _Stories, likeness: float) -> tuple[IntArray, IntArray]:
    """Story and word number of the words of which alike texts share at least one."""
    indptr = stories.words.indptr.astype(np.int64)
    size = np.diff(indptr)
    needed = (size - np.ceil((likeness - ROUNDING) * size).astype(np.int64) + 1)[stories.text]
    story = np.repeat(np.arange(len(needed)), needed)
    place = np.arange(len(story)) - np.repeat(np.cumsum(needed) - needed, needed)
    return story, stories.words.indices[indptr[stories.text][story] + place].astype(np.int64)


def _parts(story: IntArray, pairs: IntArray) -> Iterator[slice]:
    """Runs of postings with no more than some million pairs, never cut within a story."""
    begins = np.flatnonzero(np.diff(story, prepend=-1))
    done = np.concatenate([[0], np.cumsum(pairs)])
    start = 0
    while start < len(story):
        last = np.searchsorted(done[begins], done[start] + PAIRS_AT_ONCE, side="right") - 1
        end = begins[last] if begins[last] > start else begins[begins > start].min(initial=len(story))
        end = len(story) if done[-1] - done[start] <= PAIRS_AT_ONCE else int(end)
        yield slice(start, end)
        start = end
