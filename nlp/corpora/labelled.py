"""Labelled texts: read them, map their labels, split them without leaks."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from newsfolio.shared.tables import need_columns, read_table
from nlp.corpora.duplicates import CorpusCounts, OnMixed, count_fates, resolve_duplicates
from nlp.errors import CorpusError
from nlp.labels import LABEL_MAP, LABELS, divided, has_several, joined
from nlp.texts.near_duplicates import duplicate_groups, group_split

log = logging.getLogger(__name__)

EMBEDDED, EMBEDDED_WRITTEN = "newsfolio's embedded headlines", "2026-11-21"  # its name, and the day it was finished


def read_labelled(
    source: str | Path | pd.DataFrame,
    *,
    text: str = "text",
    label: str = "label",
    label_map: Mapping[Any, str] = LABEL_MAP,
) -> pd.DataFrame:
    """Return rows with `text` and `label` (negative, neutral, positive), all other columns as given.

    source: CSV, Parquet, JSON lines or a frame; `text` and `label` name its columns of sentences and labels. Labels
    are looked up in `label_map` whatever their case, numbers as their digits; rows without a text are dropped and
    counted, as are exact repeats of one text with one label. A text with two labels keeps the commoner one, in the
    first row that has it, or is dropped on a tie. For the counts, and for corpora in other forms, see read_corpus.

    Raises:
        CorpusError: a column is missing, a label is unknown, texts are not text, or nothing is left.
    """
    table, where = read_table(source, CorpusError, words=(text, label))
    return checked_rows(named_columns(table, where, {"text": text, "label": label}), where, label_map)[0]


def named_columns(table: pd.DataFrame, where: str, names: Mapping[str, str]) -> pd.DataFrame:
    """Return the table with its columns called as we do (`names`: ours -> theirs), its rows numbered from 0.

    Raises:
        CorpusError: a column is missing or there twice, one serves for two, or the column of texts holds numbers.
    """
    need_columns(table, tuple(names.values()), where, CorpusError)
    if len(set(names.values())) < len(names):
        raise CorpusError(f"{where}: {' and '.join(names)} are both to be the column {names['text']}: name two columns")
    for ours, theirs in names.items():
        if ours in table.columns and ours not in names.values():
            raise CorpusError(f"{where}: has a column {ours} as well as {theirs}, which is read as {ours}: drop one")
    if pd.api.types.is_numeric_dtype(table[names["text"]]) and len(table):
        raise CorpusError(f"{where}: the column {names['text']} holds numbers: name the column of sentences text")
    return table.rename(columns={theirs: ours for ours, theirs in names.items()}).reset_index(drop=True)


def checked_rows(
    rows: pd.DataFrame, where: str, label_map: Mapping[Any, str] | None = LABEL_MAP, on_mixed: OnMixed = "vote"
) -> tuple[pd.DataFrame, CorpusCounts]:
    """Return rows of text and label with our labels, one per text (see resolve_duplicates), and the count of each fate.

    rows: text, label as given, other columns; their index is the row of the source, for messages. label_map: None
    keeps the labels as given, whatever they are.

    Raises:
        CorpusError: a label is unknown, or nothing is left.
    """
    with_text = rows[has_text(rows["text"])]
    labels = with_text["label"].astype(object)  # not of NumPy: they are shown
    if label_map is None:
        mapped = labels.map(lambda label: None if pd.isna(label) else _words(label) or None)
        if mapped.isna().any():
            row = mapped.index[mapped.isna()][0] + 1
            raise CorpusError(f"{where}: row {row}: has no label ({mapped.isna().sum()} such rows): add or drop them")
        mapped, known = _canonical(mapped, where), {}
    else:
        known = {_words(label).lower(): ours for label, ours in label_map.items()}
        wrong = sorted(set(map(str, known.values())) - set(LABELS))
        if wrong:
            raise CorpusError(f"label_map leads to {', '.join(wrong)}: map to {', '.join(LABELS)}")
        mapped = labels.map(lambda label: known.get(_words(label).lower()))
    unknown = labels[mapped.isna()]
    if len(unknown):
        raise CorpusError(
            f"{where}: row {unknown.index[0] + 1}: label {unknown.iloc[0]!r} is not known; known are "
            f"{', '.join(known)}: pass --labels or a label_map ({len(unknown)} such rows)"
        )
    labelled = with_text.assign(label=mapped).reset_index(drop=True)
    fates = resolve_duplicates(labelled, on_mixed)
    counts = count_fates(fates, read=len(rows))
    if counts.kept < counts.read:
        log.warning("%s: %s", where, counts)
    if not counts.kept:
        raise CorpusError(f"{where}: holds no labelled text")
    return labelled[fates == "kept"].reset_index(drop=True), counts


def _canonical(labels: pd.Series, where: str) -> pd.Series:
    """Cells of several labels in one order, so that equal sets are equal cells; a cell of one label as it is."""
    cells = {}
    first = labels.drop_duplicates()
    for row, label in zip(first.index.tolist(), first.tolist(), strict=True):
        try:
            cells[label] = joined(divided(label)) if "|" in label else label
        except CorpusError as error:
            raise CorpusError(f"{where}: row {row + 1}: {error}") from error
    return labels.map(cells) if has_several(labels) else labels


def has_text(texts: pd.Series) -> NDArray[np.bool_]:
    """Whether each value is a text with anything but blanks."""
    return np.array([isinstance(text, str) and bool(text.strip()) for text in texts], dtype=bool)


def _words(label: object) -> str:
    """A label as text; 1.0 is 1, as missing values turn a column of whole numbers into floats."""
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    return str(label).strip()


def split(labelled: pd.DataFrame, *, valid: float = 0.1, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return (train, valid), stratified by label; near-duplicates (nlp/texts/near_duplicates.py) stay on one side.

    valid: the share of rows to hold out. For multi-label rows see split_groups.

    Raises:
        CorpusError: too few different texts for a split of that size.
    """
    if not 0.0 < valid <= 0.5:
        raise CorpusError(f"valid is {valid:g}: give the share to hold out, in (0, 0.5]")
    need_columns(labelled, ("text", "label"), "labelled texts", CorpusError)
    groups = duplicate_groups(list(labelled["text"]))
    return split_groups(labelled, groups, valid=valid, seed=seed)


def split_groups(
    labelled: pd.DataFrame, groups: NDArray[np.int64], *, valid: float, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return (train, valid) as `group_split`, of rows with one label each or with several.

    Of multi-label rows each is stratified by its rarest label, as in the iterative stratification of K. Sechidis,
    G. Tsoumakas and I. Vlahavas, "On the stratification of multi-label data", 2011. Labels with fewer texts than a
    split of that size needs stay in training, and are counted in the log.

    Raises:
        CorpusError: too few different texts for a split of that size.
    """
    if not has_several(labelled["label"]):
        need_enough(labelled, groups, valid)
        return group_split(labelled, groups, valid=valid, seed=seed)
    folds, cells = round(1.0 / valid), [divided(cell) for cell in labelled["label"]]
    each = pd.DataFrame({"label": cells, "group": groups}).explode("label")
    texts = each.groupby("label")["group"].nunique()
    rarest = pd.Series([min(cell, key=lambda name: (texts[name], name)) for cell in cells])
    scarce = texts.index[texts < folds]
    if len(scarce):
        log.warning("%d labels have fewer than %d texts each, which all stay in training", len(scarce), folds)
    in_training = np.isin(groups, groups[rarest.isin(scarce)])
    per_stratum = pd.Series(groups[~in_training]).groupby(rarest[~in_training].to_numpy()).nunique()
    stratum = rarest.where(~rarest.isin(per_stratum.index[per_stratum < folds]), "")  # several small ones as one
    if pd.Series(groups[~in_training & (stratum == "")]).nunique() < folds:
        in_training |= np.isin(groups, groups[stratum == ""])
    rows = pd.DataFrame({"text": labelled["text"].to_numpy(), "label": stratum, "place": np.arange(len(labelled))})
    free, free_groups = rows[~in_training], np.asarray(groups)[~in_training]
    need_enough(free.assign(label="any"), free_groups, valid)
    _, held = group_split(free, free_groups, valid=valid, seed=seed)
    side = np.isin(rows["place"], held["place"])
    return labelled[~side].reset_index(drop=True), labelled[side].reset_index(drop=True)


def need_enough(labelled: pd.DataFrame, groups: NDArray[np.int64], valid: float) -> None:
    """Refuse rows of which a label has fewer texts, near-duplicates counted once, than a split of that size needs.

    Raises:
        CorpusError: so it is.
    """
    per_label = pd.Series(groups).groupby(labelled["label"].to_numpy()).nunique()
    if per_label.empty:
        raise CorpusError("there is no text to split: pass labelled texts")
    folds, smallest = round(1.0 / valid), int(per_label.min())
    if smallest < folds:
        raise CorpusError(
            f"the rarest label has {smallest} texts ({per_label.idxmin()}, near-duplicates counted once), a split into "
            f"{folds} needs {folds}: hold out more, or collect more"
        )


def embedded_corpus() -> pd.DataFrame:
    """The labelled headlines that ship with the package: text, label, kind (see nlp/corpora/data/README.md).

    corpus and published become the provenance of a classifier that is trained on them.
    """
    from importlib.resources import as_file, files

    with as_file(files("nlp.corpora") / "data" / "headlines.csv") as path:
        return read_labelled(path).assign(corpus=EMBEDDED, published=EMBEDDED_WRITTEN)
