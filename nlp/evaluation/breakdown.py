"""Where a classifier is good: figures by agreement band, by source, by length."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from nlp.errors import CorpusError
from nlp.evaluation.bootstrap import interval, resampled_sums
from nlp.evaluation.evaluate import Probabilities, evaluate_probabilities
from nlp.evaluation.metrics import Outcome, outcome
from nlp.labels import LABELS

BANDS = ("agree", "source", "corpus")  # columns to break figures down by, where a table has them
MOST_PARTS = 20


def breakdown(
    probabilities: Probabilities,
    labels: pd.Series,
    by: pd.Series,
    *,
    names: Sequence[str] = LABELS,
    multi_label: bool = False,
    groups: ArrayLike | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Return n, accuracy and macro_f1 with 95 % intervals (…_low, …_high) per value of `by`, sorted, then of all
    texts as "(all)".

    probabilities: texts × names. by: a value per text, in the same order: a column such as
    the agreement band or the source, or `length_quarter(texts)`; rows without a value stand under "(none)".
    groups: one number per text (see duplicate_groups); the bootstrap draws whole groups. A label that a part
    lacks counts there as an F1 of 0, as in `evaluate`: compare the macro-F1 of parts that hold all labels only.

    Raises:
        CorpusError: no texts, an unknown label, or lengths that differ.
    """
    found = outcome(probabilities, labels, names, multi_label=multi_label)
    if len(by) != len(found.cells):
        raise CorpusError(f"{len(by)} values to break down by for {len(found.cells)} texts: pass one per text")
    together = None if groups is None else np.asarray(groups)
    rows = dict(_parts(by))
    figures = [_figures(found, part, None if together is None else together[part], seed) for part in rows.values()]
    return pd.DataFrame(figures, index=pd.Index(list(rows), name=by.name or "part")).astype({"n": np.int64})


def breakdowns(
    probabilities: Probabilities,
    labelled: pd.DataFrame,
    *,
    names: Sequence[str] = LABELS,
    multi_label: bool = False,
    groups: ArrayLike | None = None,
    seed: int = 0,
) -> dict[str, pd.DataFrame]:
    """Return `breakdown` of rows of text and label by each of the columns agree, source and corpus that there is,
    and by length.

    Of more than twenty sources the smallest stand together as "(others)".
    """
    by = {}
    for name in BANDS:
        if name not in labelled.columns:
            continue
        column = labelled[name]  # whatever is no number as text, rare values as "(others)"
        plain = column if pd.api.types.is_numeric_dtype(column) else column.map(str, na_action="ignore")
        if plain.nunique() > MOST_PARTS:
            counts = plain.value_counts().sort_index().sort_values(ascending=False, kind="stable")
            kept = plain.isin(counts.index[: MOST_PARTS - 1]) | plain.isna()
            plain = plain.map(str, na_action="ignore").where(kept, "(others)")
        by[name] = plain
    by["length"] = length_quarter(labelled["text"])
    return {
        name: breakdown(
            probabilities, labelled["label"], part, names=names, multi_label=multi_label, groups=groups, seed=seed
        )
        for name, part in by.items()
    }


def _parts(by: pd.Series) -> Iterator[tuple[Any, NDArray[np.bool_]]]:
    """Yield each value of `by` and its rows: values sorted, then what has none, then all."""
    code, names = pd.factorize(by, sort=True)
    for number, name in enumerate(names):
        yield name, code == number
    if (code < 0).any():
        yield "(none)", code < 0
    yield "(all)", np.ones(len(by), dtype=bool)


def _figures(found: Outcome, part: NDArray[np.bool_], groups: ArrayLike | None, seed: int) -> dict[str, float]:
    cells = found.cells[part]
    row = {"n": float(len(cells))}
    total, drawn = cells.sum(axis=0), resampled_sums(cells, groups, seed)
    for name, figure in {"accuracy": found.accuracy, "macro_f1": found.macro_f1}.items():
        low, high = interval(figure(drawn))
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
    1), then precision, recall and f1 of each label, as "precision negative". They are those of
    `evaluate_probabilities`, as one table; arguments and errors are the same.
    """
    found = evaluate_probabilities(probabilities, labels, groups=groups, seed=seed)
    rows = {"brier": (found.brier, *found.brier_interval), "mcc": (found.mcc, *found.mcc_interval)}
    for figure in ("precision", "recall", "f1"):
        each = found.per_class[[figure, f"{figure}_low", f"{figure}_high"]].itertuples(index=False, name=None)
        rows |= {f"{figure} {label}": row for label, row in zip(found.per_class.index, each, strict=True)}
    index = pd.Index(list(rows), name="figure")
    return pd.DataFrame(list(rows.values()), index=index, columns=["value", "low", "high"])
