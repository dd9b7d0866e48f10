"""The effect of each word of a text on its score: the score less the score of the text without that word."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from newsfolio.shared.arrays import FloatArray
from nlp.errors import ModelError
from nlp.labels import TONE

if TYPE_CHECKING:
    from nlp.model.ensemble import Classifier

COLUMNS = ("row", "word", "start", "end", "effect")
# A number with its points and commas is one word, and so is each character of a script without blanks.
WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]|[$€£¥#@]?\d+(?:[.,/:-]\d+)*%?"
    r"|[^\W\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+(?:['’-][^\W\u3040-\u9fff]+)*",
)
VARIANTS = 16_384  # texts computed in one go: of 16 thousand headlines a gigabyte of tokens is not needed at once


@dataclass(frozen=True)
class Faithfulness:
    """How well the words that are said to matter do matter; means over texts, in units of the effect.

    comprehensiveness: how far the score moves towards 0 (of other tasks: the probability of the label falls) without
    the share of words with the largest effect; random: without as many words at random. sufficiency: how far it moves
    where only these words are left: the smaller, the better. (J. DeYoung et al., "ERASER", ACL 2020.)
    """

    comprehensiveness: float
    sufficiency: float
    random: float
    texts: int

    def __str__(self) -> str:
        """One line."""
        return (
            f"{self.texts:,} texts: comprehensiveness {self.comprehensiveness:.3f} (random words {self.random:.3f}), "
            f"sufficiency {self.sufficiency:+.3f}"
        )


def explain_scores(
    texts: Sequence[str], classifier: "Classifier", *, label: str | None = None, progress: bool = False
) -> pd.DataFrame:
    """Return the words of each text with their effect, in the order of the texts: one row per word.

    Columns: row (the text, from 0), word, start and end (text[start:end] is the word), effect. Of a classifier of tone
    the effect is on the score p(positive) - p(negative), of another on the probability of `label`, by default the
    likeliest label of the text: what the whole text gets less what it gets without this word. Words are runs of letters
    and digits; in Chinese and Japanese each character is one. Compared amounts are rewritten anew for each text that is
    computed, so that a word such as "from" carries the effect of the comparison that goes with it. An empty text has no
    rows; words beyond what the model reads have the effect 0, and all words of a text that it cannot read NaN: the log
    counts such texts. Words that say the same twice each have a small effect, as one alone changes little.

    Raises:
        ModelError: label is none of the classifier's.
        NlpError: a text is not a string.
    """
    from nlp.model.inference import text_notes

    whole = np.asarray(classifier.predict_proba(texts), dtype=np.float64)  # first, as it checks and notes the texts
    weight = _weights(whole, classifier, label)
    found = [list(WORD.finditer(text)) for text in texts]
    row = np.repeat(np.arange(len(texts)), [len(words) for words in found])
    words = [word for each in found for word in each]
    values = np.empty(len(words))
    with text_notes(apart=True):  # what a text lacks is noted already
        for start in range(0, len(words), VARIANTS):
            part = slice(start, start + VARIANTS)
            without = [left_out(texts[at], [word.span()]) for at, word in zip(row[part], words[part], strict=True)]
            shares = np.asarray(classifier.predict_proba(without, progress=progress), dtype=np.float64)
            values[part] = (shares * weight[row[part]]).sum(axis=1)
    effect = (whole * weight).sum(axis=1)[row] - values
    columns = (row, [word[0] for word in words], [word.start() for word in words], [word.end() for word in words])
    return pd.DataFrame(dict(zip(COLUMNS, (*columns, effect), strict=True))).astype({"start": int, "end": int})


def left_out(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """Return a text without some of its characters; blanks that meet there become one."""
    parts, since = [], 0
    for start, end in sorted(spans):
        parts.append(text[since:start])
        since = end
    return re.sub(r"\s{2,}", " ", "".join([*parts, text[since:]])).strip()


def faithfulness(
    texts: Sequence[str], classifier: "Classifier", explained: pd.DataFrame, *, share: float = 0.2, seed: int = 0
) -> Faithfulness:
    """Return how much of the scores the words with the largest effect carry, beside words at random.

    explained: what `explain_scores` returned for these texts, without a label of its own. share: of the words of each
    text, at least one. Texts without words, or that the model cannot read, are left out.

    Raises:
        ModelError: no text is left, or the share lies outside (0, 1].
    """
    if not 0 < share <= 1:
        raise ModelError(f"share of the words is {share:g}: it must lie in (0, 1]")
    random = np.random.default_rng(seed)
    whole = np.asarray(classifier.predict_proba(texts), dtype=np.float64)
    weight = _weights(whole, classifier, None)
    value = (whole * weight).sum(axis=1)
    sign = np.where(value < 0, -1.0, 1.0) if classifier.task == TONE else np.ones(len(texts))
    rows, without, only, chance = [], list[str](), list[str](), list[str]()
    for at, words in explained.dropna(subset=["effect"]).groupby("row"):
        number, text = int(str(at)), texts[int(str(at))]
        spans = list(zip(words["start"].tolist(), words["end"].tolist(), strict=True))
        count = max(1, round(share * len(spans)))
        top = {spans[place] for place in np.argsort(-sign[number] * words["effect"].to_numpy(), kind="stable")[:count]}
        drawn = random.choice(len(spans), count, replace=False)
        rows.append(number)
        without.append(left_out(text, sorted(top)))
        only.append(left_out(text, [span for span in spans if span not in top]))
        chance.append(left_out(text, [spans[place] for place in drawn]))
    if not rows:
        raise ModelError("no text has words that the model can read: nothing to explain")

    def moved(variants: list[str]) -> float:
        shares = np.asarray(classifier.predict_proba(variants), dtype=np.float64)
        return float(np.nanmean(sign[rows] * (value[rows] - (shares * weight[rows]).sum(axis=1))))

    return Faithfulness(moved(without), moved(only), moved(chance), len(rows))


def _weights(whole: FloatArray, classifier: "Classifier", label: str | None) -> FloatArray:
    """For each text the weights of the probabilities in what is explained."""
    if label is not None and label not in classifier.labels:
        raise ModelError(f"{label!r} is no label of this classifier: use {', '.join(classifier.labels)}")
    weights = np.zeros(whole.shape)
    if label is not None:
        weights[:, classifier.labels.index(label)] = 1.0
    elif classifier.task == TONE:
        weights[:] = (-1.0, 0.0, 1.0)
    elif len(whole):
        weights[np.arange(len(whole)), np.nan_to_num(whole).argmax(axis=1)] = 1.0
    return weights
