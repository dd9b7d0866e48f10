"""What any classifier must beat: the commonest label, a word list, and a linear model over words.

Each is a small frozen object with `predict_proba(texts)` -> (texts × 3: negative, neutral, positive) float32, rows sum
to 1, in the order given, so that `evaluate_probabilities` and `compare` take them as they take a transformer.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import softmax

from newsfolio.shared.tables import need_columns, read_table
from nlp.errors import CorpusError
from nlp.evaluation.evaluate import Predictor, Probabilities
from nlp.labels import LABELS, label_codes, label_matrix, need_all_labels
from nlp.texts.near_duplicates import duplicate_groups

NEGATIONS = frozenset({"no", "not", "none", "neither", "never", "nobody", "nor", "without", "cannot"})
REACH = 3  # words between a negation and what it turns
UNDECIDED = 0.5  # evidence for neutral: between no word and one
RARE = 3e-4  # words of a smaller share of texts are left out, and words of one text: a tenth of the time to fit

ANY_WORD = r"(?u)\b\w+\b"  # those of one letter too
_TOKEN = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


@dataclass(frozen=True)
class Majority:
    """Gives every text the shares of the labels in the training texts: its guess is the commonest one."""

    shares: tuple[float, ...]

    def predict_proba(self, texts: Sequence[str]) -> Probabilities:
        """Return the shares, once per text."""
        return np.tile(np.array(self.shares, dtype=np.float32), (len(texts), 1))


def fit_majority(labelled: pd.DataFrame, *, names: Sequence[str] = LABELS, multi_label: bool = False) -> Majority:
    """Count the labels (see read_labelled); of a multi-label task the shares are of texts that have each.

    Raises:
        CorpusError: no texts, or an unknown label.
    """
    if multi_label:
        return Majority(tuple(_matrix(labelled, names).mean(axis=0).tolist()))
    codes = label_codes(labelled["label"], known=names)
    if not len(codes):
        raise CorpusError("no labelled texts: a baseline needs at least one")
    counts = np.bincount(codes, minlength=len(names))
    return Majority(tuple((counts / counts.sum()).tolist()))


@dataclass(frozen=True)
class WordList:
    """Counts words of two lists: with balance = positive - negative, p = softmax(-balance, 1/2, balance).

    A text is neutral where the lists balance, else of the heavier side; more words, more confidence. A positive word
    within three words after a negation counts as negative; a negative word there counts for nothing, as what does
    not fall need not rise. After T. Loughran and B. McDonald, "When is a liability not a liability?", Journal of
    Finance 2011, section II.A, who turn positive words only. The probabilities are a ranking: see fit_temperature.
    """

    negative: frozenset[str] = field(repr=False)
    positive: frozenset[str] = field(repr=False)

    def predict_proba(self, texts: Sequence[str]) -> Probabilities:
        """Return probabilities (texts × 3)."""
        balance = np.array([self.balance(text) for text in texts], dtype=np.float64)
        evidence = np.stack([-balance, np.full(len(balance), UNDECIDED), balance], axis=1)
        return np.asarray(softmax(evidence, axis=1), dtype=np.float32)

    def balance(self, text: str) -> int:
        """Positive less negative words of one text."""
        words = _TOKEN.findall(text.lower().replace("’", "'"))
        balance, negated_until = 0, -1
        for place, word in enumerate(words):
            negated = place <= negated_until
            if word in self.positive:
                balance += -1 if negated else 1
            elif word in self.negative and not negated:
                balance -= 1
            if word in NEGATIONS or word.endswith("n't"):
                negated_until = place + REACH
        return balance


def read_word_list(source: str | Path | pd.DataFrame) -> WordList:
    """Read a table with columns word and category, or the Loughran-McDonald master dictionary as it is published.

    The latter (T. Loughran and B. McDonald, Software Repository for Accounting and Finance, University of Notre Dame)
    has columns Word, Negative, Positive and others, which hold the year in which the word was added to the category: 0
    where it was not, a negative year where it was removed again. Other categories are left aside. Case does not
    matter, in the names of columns neither. A word of both categories counts in neither.

    Raises:
        CorpusError: the columns are neither of these, a year is no number, or there is no positive or no negative word.
    """
    table, where = read_table(source, CorpusError)
    table = table.set_axis([str(name).strip().lower() for name in table.columns], axis=1)
    need_columns(table, (), where, CorpusError)
    if {"word", "negative", "positive"} <= set(table.columns) and "category" not in table.columns:
        long = table[["word", "negative", "positive"]].melt("word", var_name="category", value_name="year")
        year = pd.to_numeric(long["year"], errors="coerce")
        if year.isna().any():
            row = long[year.isna()].iloc[0]
            raise CorpusError(
                f"{where}: {row['category']} of the word {row['word']} is {row['year']}: give a year or 0"
            )
        table = long[year > 0]
    if not {"word", "category"} <= set(table.columns):
        have = ", ".join(table.columns) or "none"
        raise CorpusError(
            f"{where}: has neither the columns word and category nor, as the Loughran-McDonald master dictionary, "
            f"word, negative and positive (it has {have}): rename or add them"
        )
    words, category = (table[name].astype(str).str.strip().str.lower() for name in ("word", "category"))
    negative, positive = (frozenset(words[category == name]) for name in ("negative", "positive"))
    if not negative or not positive:
        known = ", ".join(sorted(set(category))[:10]) or "none"
        raise CorpusError(f"{where}: needs words of category negative and positive, its categories are {known}")
    return WordList(negative - positive, positive - negative)


@dataclass(frozen=True)
class WordWeights:
    """Logistic regression over TF-IDF of words and word pairs; `pipeline` is scikit-learn's, fitted."""

    pipeline: Any = field(repr=False)

    def predict_proba(self, texts: Sequence[str]) -> Probabilities:
        """Return probabilities (texts × 3)."""
        if not len(texts):
            return np.empty((0, len(self.pipeline.classes_)), dtype=np.float32)
        return np.asarray(self.pipeline.predict_proba(list(texts)), dtype=np.float32)


def fit_word_weights(
    labelled: pd.DataFrame,
    *,
    names: Sequence[str] = LABELS,
    multi_label: bool = False,
    strength: float = 10.0,
) -> WordWeights:
    """Fit TF-IDF + logistic regression on rows of text and label; the same rows give the same model.

    strength: inverse of the L2 penalty (scikit-learn's C). Labels weigh the same however rare they are; of a
    multi-label task there is one regression per label, each text weighing the same.

    Raises:
        CorpusError: an unknown label, or a label without a text.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    if multi_label:  # independent yes and no, so that a probability of 0.5 means what it says
        wanted = _matrix(labelled, names)
        regression = OneVsRestClassifier(LogisticRegression(C=strength, max_iter=1000))
    else:
        wanted = label_codes(labelled["label"], known=names)  # so that the columns are in that order
        regression = LogisticRegression(C=strength, class_weight="balanced", max_iter=1000)
    need_all_labels(wanted, names)
    rare = max(2, round(RARE * len(wanted))) if len(wanted) >= 100 else 1
    # Stop words stay: "up", "not" and "from" decide many a headline.
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=ANY_WORD, min_df=rare)
    pipeline = make_pipeline(words, regression)
    with threadpool_limits(1):  # on matrices this thin threads wait for one another: seconds instead of a quarter
        pipeline.fit(list(labelled["text"]), wanted)
    return WordWeights(pipeline)


def fit_baselines(
    train: pd.DataFrame | None,
    words: WordList | None,
    *,
    names: Sequence[str] = LABELS,
    multi_label: bool = False,
) -> dict[str, Predictor]:
    """Return what can be had by name: majority and TF-IDF where there are training texts, the list where there is one.

    Raises:
        CorpusError: see fit_majority and fit_word_weights.
    """
    fitted: dict[str, Predictor] = (
        {} if train is None else {"majority": fit_majority(train, names=names, multi_label=multi_label)}
    )
    if words is not None:
        fitted["word list"] = words
    if train is not None:
        fitted["TF-IDF + logistic regression"] = fit_word_weights(train, names=names, multi_label=multi_label)
    return fitted


def unseen_baselines(
    train: pd.DataFrame | None,
    test: pd.DataFrame,
    words: WordList | None,
    names: Sequence[str] = LABELS,
    *,
    multi_label: bool = False,
) -> tuple[dict[str, Predictor], list[str]]:
    """Return `fit_baselines` of the training texts that are no near-duplicates of test texts, and notes on that.

    Raises:
        CorpusError: see fit_baselines and without_near_duplicates.
    """
    notes = ["A model does not record the texts it was trained on: that it has not seen these is taken on trust."]
    kept = None
    if train is not None:
        kept, met = without_near_duplicates(train, test)
        notes.append(
            f"The baselines were fitted on {len(kept):,} training texts; {len(train) - len(kept):,} more are "
            f"near-duplicates of {int(met.sum()):,} of the {len(met):,} test texts and were left out."
        )
    if words is not None:
        notes.append("The word list ranks texts; its Brier score and calibration error are of an arbitrary scale.")
    return fit_baselines(kept, words, names=names, multi_label=multi_label), notes


def without_near_duplicates(train: pd.DataFrame, test: pd.DataFrame) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """Return the rows of `train` whose text is no near-duplicate (see duplicate_groups) of a text of `test`, and
    which rows of `test` have one in `train`.

    A baseline that has seen the test texts says nothing about how hard they are.

    Raises:
        CorpusError: nothing is left.
    """
    groups = duplicate_groups([*train["text"], *test["text"]])
    trained, tested = groups[: len(train)], groups[len(train) :]
    seen = np.isin(trained, tested)
    if seen.all():
        raise CorpusError(f"all {len(train)} training texts are near-duplicates of test texts: give other ones")
    return train[~seen].reset_index(drop=True), np.isin(tested, trained)


def _matrix(labelled: pd.DataFrame, names: Sequence[str]) -> NDArray[np.int64]:
    if labelled.empty:
        raise CorpusError("no labelled texts: a baseline needs at least one")
    return label_matrix(labelled["label"], known=names).astype(np.int64)
