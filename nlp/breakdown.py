"""Where a classifier is good: figures by agreement band, by source, by length; and the figures beyond accuracy."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from nlp import bootstrap
from nlp.bootstrap import Floats
from nlp.corpora import LABELS
from nlp.errors import CorpusError
from nlp.evaluate import Probabilities, accuracy_of, f1_per_label

Figure = Callable[[Floats], Floats]  # confusion (... × 3 × 3) -> (...)


def breakdown(
    probabilities: Probabilities,
    labels: pd.Series,
    by: pd.Series,
    *,
    groups: ArrayLike | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Return n, accuracy and macro_f1 with 95 % intervals (…_low, …_high) per value of `by`, sorted, then of all
    texts as "(all)".

    probabilities: texts × 3 (negative, neutral, positive). by: a value per text, in the same order: a column such as
    the agreement band or the source, or `length_quarter(texts)`; rows without a value stand under "(none)".
    groups: one number per text (see duplicate_groups); the bootstrap draws whole groups. A label that a part
    lacks counts there as an F1 of 0, as in `evaluate`: compare the macro-F1 of parts that hold all labels only.

    Raises:
        CorpusError: no texts, an unknown label, or lengths that differ.
    """
    truth = bootstrap.checked_codes(probabilities, labels)
    if len(by) != len(truth):
        raise CorpusError(f"{len(by)} values to break down by for {len(truth)} texts: pass one per text")
    cells = bootstrap.confusion_cells(truth, bootstrap.guesses(probabilities))
    together = None if groups is None else np.asarray(groups)
    part, names = pd.factorize(_named(by), sort=True)
    rows = {name: part == code for code, name in enumerate(names)} | {"(all)": np.ones(len(truth), bool)}
    figures = {
        name: _figures(cells[chosen], None if together is None else together[chosen], seed)
        for name, chosen in rows.items()
    }
    index = pd.Index(list(figures), name=by.name or "part")
    return pd.DataFrame(list(figures.values()), index=index).astype({"n": np.int64})


def _named(by: pd.Series) -> pd.Series:
    """`by` with a name for what is missing; values are left as they are otherwise, so that numbers sort as such."""
    return by.astype(object).where(by.notna(), "(none)").astype(str) if by.isna().any() else by


def _figures(cells: Floats, groups: ArrayLike | None, seed: int) -> dict[str, float]:
    row = {"n": float(len(cells))}
    total = bootstrap.as_confusion(cells.sum(axis=0))
    drawn = bootstrap.as_confusion(bootstrap.resampled_sums(cells, groups, seed))
    figures: dict[str, Figure] = {"accuracy": accuracy_of, "macro_f1": bootstrap.macro_f1}
    for name, figure in figures.items():
        low, high = bootstrap.interval(figure(drawn))
        row |= {name: float(figure(total)), f"{name}_low": float(low), f"{name}_high": float(high)}
    return row


def length_quarter(texts: pd.Series) -> pd.Series:
    """Return the quarter of each text by its number of words, named by its range: "1 to 12 words".

    Quarters are equal up to texts of the same length, which stay together; where these are many there are fewer.
    """
    words = texts.map(lambda text: len(text.split()))
    quarter = pd.qcut(words, 4, labels=False, duplicates="drop").fillna(0.0)  # one length only: a single part
    ends = words.groupby(quarter).agg(["min", "max"])
    width = len(str(words.max()))  # so that the names sort as the numbers do
    names = {part: f"{low:{width}d} to {high:{width}d} words" for part, low, high in ends.itertuples()}
    return quarter.map(names).rename("length")


def scorecard(
    probabilities: Probabilities, labels: pd.Series, *, groups: ArrayLike | None = None, seed: int = 0
) -> pd.DataFrame:
    """Return the figures beyond accuracy, a row each, with columns value, low, high (95 % interval).

    Rows: brier (mean squared distance to the one-hot label, 0 to 2, least is best), mcc (Matthews correlation, -1 to
    1), then precision, recall and f1 of each label, as "precision negative". Other arguments and errors are those of
    `breakdown`.
    """
    truth = bootstrap.checked_codes(probabilities, labels)
    cells = bootstrap.confusion_cells(truth, bootstrap.guesses(probabilities))
    errors = bootstrap.squared_errors(probabilities, truth)
    sums = np.column_stack([cells, errors])
    low, high = bootstrap.interval(_card(bootstrap.resampled_sums(sums, groups, seed)))
    names = ["brier", "mcc", *(f"{figure} {label}" for figure in ("precision", "recall", "f1") for label in LABELS)]
    value = _card(sums.sum(axis=0))
    return pd.DataFrame({"value": value, "low": low, "high": high}, index=pd.Index(names, name="figure"))


def _card(sums: Floats) -> Floats:
    """Figures (... × 11) from sums of confusion cells and squared errors (... × 10)."""
    confusion = bootstrap.as_confusion(sums[..., :-1])
    brier = sums[..., -1] / sums[..., :-1].sum(axis=-1)
    whole = np.stack([brier, bootstrap.matthews(confusion)], axis=-1)
    per_label = [figure(confusion) for figure in (bootstrap.precision, bootstrap.recall, f1_per_label)]
    return np.concatenate([whole, *per_label], axis=-1)
