"""Texts -> probabilities, each text computed once; headlines -> headlines with probabilities and a score."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from newsfolio.shared.tables import need_columns
from nlp.errors import NewsError, NlpError
from nlp.evaluation.metrics import YES
from nlp.labels import LABELS, TONE, joined
from nlp.model.inference import checked_texts, text_notes
from nlp.provenance import attach_provenance
from nlp.scoring.store import ScoreStore, store_key

if TYPE_CHECKING:
    from nlp.model.ensemble import Classifier

# Texts between two commits: half a minute of work on two cores. Batches are filled up with blank rows at the end
# of each, about a tenth of the work for 4,096 texts and a thirtieth for this many.
COMMIT_TEXTS = 16_384


def score_headlines(
    headlines: pd.DataFrame,
    classifier: "Classifier",
    *,
    store: ScoreStore | None = None,
    progress: bool = False,
) -> pd.DataFrame:
    """Return the rows with columns negative, neutral, positive (probabilities) and score, in [-1, 1].

    score = p(positive) - p(negative). A classifier of another task adds a column per label, and `label`, the likeliest;
    of a multi-label task those of a probability of 0.5 or more, joined by `|`, and an empty text where there is none.
    Where the classifier cannot read a text all of them are missing, which is counted in the log.
    Each distinct text is computed once, and not at all where `store` knows it.
    The frame's attrs say which texts taught the classifier, where it knows (nlp/provenance.py).

    Raises:
        NewsError: there is no column text.
        NlpError: a text is not a string.
        StoreError: the store cannot be used, or is not of this classifier.
    """
    need_columns(headlines, ("text",), "headlines", NewsError)
    probabilities = score_texts(list(headlines["text"]), classifier, store, progress=progress)
    scored = with_scores(headlines, probabilities, labels_of(classifier), multi_label=has_several_labels(classifier))
    return attach_provenance(scored, classifier.training)


def labels_of(classifier: "Classifier") -> tuple[str, ...]:
    """The names of its columns; those of tone where it does not say."""
    return getattr(classifier, "labels", LABELS)


def task_of(classifier: "Classifier") -> str:
    """What its labels are about; tone where it does not say."""
    return getattr(classifier, "task", TONE)


def has_several_labels(classifier: "Classifier") -> bool:
    """Whether a text may have several of its labels; not where it does not say."""
    return bool(getattr(classifier, "multi_label", False))


def with_scores(
    headlines: pd.DataFrame,
    probabilities: NDArray[np.float32],
    labels: tuple[str, ...] = LABELS,
    *,
    multi_label: bool = False,
    task: str = "",
) -> pd.DataFrame:
    """Return the rows with the columns that `score_headlines` adds.

    task: what the columns of another task than tone begin with, followed by "_".

    Raises:
        NewsError: labels of another task than tone are the names of columns of the headlines.
    """
    columns = {label: probabilities[:, code] for code, label in enumerate(labels)}
    if labels != LABELS:
        before = f"{task}_" if task else ""
        columns = {f"{before}{label}": values for label, values in columns.items()}
        taken = [name for name in (*columns, f"{before}label") if name in headlines.columns]
        if taken:
            raise NewsError(f"the headlines have a column {taken[0]}, which the scores need: rename or drop it")
        words = np.array(labels, dtype=object)
        if multi_label:
            cells = np.array([joined(words[chosen]) for chosen in probabilities >= YES], dtype=object)
        else:
            cells = words[probabilities.argmax(axis=1)]
        cells[np.isnan(probabilities).any(axis=1)] = None
        return headlines.assign(**columns, **{f"{before}label": cells})
    score = probabilities[:, 2].astype(np.float64) - probabilities[:, 0]
    return headlines.assign(**columns, score=score)


def summed_scores(scored: pd.DataFrame) -> tuple[float, int]:
    """Return the sum of the scores, 0 of a task without scores, and how many rows the classifier could not read."""
    if "score" in scored.columns:
        return float(scored["score"].sum()), int(scored["score"].isna().sum())
    return 0.0, int(scored["label"].isna().sum())


def score_texts(
    texts: Sequence[str],
    classifier: "Classifier",
    store: ScoreStore | None = None,
    *,
    progress: bool = False,
) -> NDArray[np.float32]:
    """Return probabilities (texts × labels), float32, in the order given; NaN as of `predict_proba`.

    With a store only the texts that it does not know are computed, COMMIT_TEXTS at a time, and committed to it
    each time: a run that is killed goes on from there. The result is that of `predict_proba` to the last bit.

    Raises:
        NlpError: a text is not a string.
        StoreError: the store cannot be used, or is not of this classifier.
    """
    if store is None:
        return classifier.predict_proba(texts, progress=progress)
    from tqdm import tqdm

    check_store(store, classifier)
    asked = checked_texts(texts)
    shown = None if progress else True
    with text_notes(), tqdm(total=len(asked), unit="text", desc="scoring", disable=shown) as bar:
        return score_with_store(asked, classifier, store, bar.update).probabilities


def check_store(store: ScoreStore, classifier: "Classifier") -> None:
    """Raise NlpError where the store is not of this classifier; takes longer than to look up a thousand texts."""
    if store.fingerprint != store_key(classifier):
        raise NlpError(f"{store.path}: was opened for another classifier: open it with store_key(classifier)")


class ScoredBatch(NamedTuple):
    """Probabilities (texts × labels), and how many distinct texts had to be computed for them."""

    probabilities: NDArray[np.float32]
    computed: int


def score_with_store(
    texts: list[str], classifier: "Classifier", store: ScoreStore, advance: Callable[[int], object]
) -> ScoredBatch:
    """As `score_texts`; `advance` is told of how many more texts the probabilities are known. See check_store."""
    place = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    distinct, back = list(place), np.array([place[text] for text in texts], dtype=np.intp)
    occurrences = np.bincount(back, minlength=len(distinct))
    probabilities = store.lookup(distinct)
    unknown = np.flatnonzero(np.isnan(probabilities[:, 0]))
    advance(int(len(texts) - occurrences[unknown].sum()))
    for rows in np.split(unknown, range(COMMIT_TEXTS, len(unknown), COMMIT_TEXTS)):
        part = [distinct[row] for row in rows]
        probabilities[rows] = _computed(part, classifier, store)
        advance(int(occurrences[rows].sum()))
    return ScoredBatch(probabilities[back], len(unknown))


def _computed(texts: list[str], classifier: "Classifier", store: ScoreStore) -> NDArray[np.float32]:
    if not texts:
        return np.empty((0, len(labels_of(classifier))), dtype=np.float32)
    probabilities = classifier.predict_proba(texts)
    known = ~np.asarray(np.isnan(probabilities).any(axis=1))  # what it cannot read today, a later version may
    store.add([text for text, kept in zip(texts, known, strict=True) if kept], probabilities[known])
    return probabilities
