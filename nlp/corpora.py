"""Labelled texts: read them, map their labels, split them without leaks."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nlp.errors import CorpusError
from nlp.near_duplicates import duplicate_groups, group_split
from nlp.tables import need_columns, read_table

log = logging.getLogger(__name__)

LABELS = ("negative", "neutral", "positive")
LABEL_MAP: Mapping[str, str] = {
    "negative": "negative", "neutral": "neutral", "positive": "positive",
    "bearish": "negative", "bullish": "positive",
}  # fmt: skip


def read_labelled(source: str | Path | pd.DataFrame, *, label_map: Mapping[Any, str] = LABEL_MAP) -> pd.DataFrame:
    """Return rows with `text` and `label` (negative, neutral, positive), all other columns as given.

    source: CSV, Parquet, JSON lines or a frame with the columns text and label. Labels are looked up in
    `label_map` whatever their case, numbers as their digits; rows without a text are dropped and counted, as are
    exact repeats of one text with one label. A text with two labels keeps the commoner one, or is dropped on a tie.

    Raises:
        CorpusError: a column is missing, a label is unknown, texts are not text, or nothing is left.
    """
    table, where = read_table(source, CorpusError)
    need_columns(table, ("text", "label"), where, CorpusError)
    table = table.reset_index(drop=True)  # rows are named by position
    if pd.api.types.is_numeric_dtype(table["text"]) and len(table):
        raise CorpusError(f"{where}: the column text holds numbers: name the column of sentences text")
    usable = table["text"].map(lambda value: isinstance(value, str) and bool(value.strip())).astype(bool)
    labelled = table[usable].assign(label=_mapped(table["label"][usable], label_map, where))
    kept = _one_label_per_text(labelled)
    if len(kept) < len(table):
        log.warning("%s: %d rows without text, %d repeats or contradictions dropped, %d kept",
                    where, int((~usable).sum()), len(labelled) - len(kept), len(kept))  # fmt: skip
    if kept.empty:
        raise CorpusError(f"{where}: holds no labelled text")
    return kept.reset_index(drop=True)


def _mapped(labels: pd.Series, label_map: Mapping[Any, str], where: str) -> pd.Series:
    known = {_key(label): ours for label, ours in label_map.items()}
    strange = sorted(set(map(str, known.values())) - set(LABELS))
    if strange:
        raise CorpusError(f"label_map leads to {', '.join(strange)}: map to {', '.join(LABELS)}")
    mapped = labels.map(_key).map(known)
    unknown = labels[mapped.isna()]
    if len(unknown):
        raise CorpusError(
            f"{where}: row {unknown.index[0] + 1}: label {unknown.iloc[0]!r} is not known; known are "
            f"{', '.join(known)}: pass a label_map ({len(unknown)} such rows)"
        )
    return mapped


def _key(label: object) -> str:
    """A label as lower-case text; 1.0 is 1, as missing values turn a column of whole numbers into floats."""
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    return str(label).strip().lower()


def _one_label_per_text(labelled: pd.DataFrame) -> pd.DataFrame:
    votes = labelled.groupby(["text", "label"], sort=True).size()
    best = votes.groupby("text").transform("max")
    leading = votes[votes == best].reset_index()
    winner = leading.drop_duplicates("text", keep=False).set_index("text")["label"]
    first = labelled.drop_duplicates("text")
    return first.assign(label=first["text"].map(winner)).dropna(subset=["label"])


def split(labelled: pd.DataFrame, *, valid: float = 0.1, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return (train, valid), stratified by label; near-duplicates (see nlp/near_duplicates.py) stay on one side.

    valid: the share of rows to hold out.

    Raises:
        CorpusError: too few different texts for a split of that size.
    """
    if not 0.0 < valid <= 0.5:
        raise CorpusError(f"valid is {valid:g}: give the share to hold out, in (0, 0.5]")
    need_columns(labelled, ("text", "label"), "labelled texts", CorpusError)
    groups = duplicate_groups(list(labelled["text"]))
    _need_enough(pd.Series(groups).groupby(labelled["label"].to_numpy()).nunique(), round(1.0 / valid))
    train, held = group_split(labelled, groups, valid=valid, seed=seed)
    return train.reset_index(drop=True), held.reset_index(drop=True)


def _need_enough(texts_per_label: pd.Series, folds: int) -> None:
    smallest = 0 if texts_per_label.empty else int(texts_per_label.min())
    if smallest < folds:
        raise CorpusError(
            f"the rarest label has {smallest} texts that are no near-duplicates, a split into {folds} needs {folds}: "
            "hold out more, or collect more"
        )


def label_codes(labels: pd.Series, where: str = "labels") -> np.ndarray:
    """Positions of labels in LABELS, as int64.

    Raises:
        CorpusError: a label is none of them.
    """
    codes = pd.Index(LABELS).get_indexer(pd.Index(labels)).astype(np.int64)
    unknown = np.flatnonzero(codes < 0)
    if len(unknown):
        raise CorpusError(
            f"{where}: row {unknown[0] + 1}: label {pd.Index(labels)[unknown[0]]!r} is none of {', '.join(LABELS)}: "
            "see read_labelled"
        )
    return codes


def embedded_corpus() -> pd.DataFrame:
    """The labelled headlines that ship with the package: text, label, kind (see nlp/data/README.md)."""
    from importlib.resources import as_file, files

    with as_file(files("nlp.data") / "headlines.csv") as path:
        return read_labelled(path)
