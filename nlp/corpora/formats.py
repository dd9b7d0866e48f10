"""One door for labelled corpora in the forms they are published in: which form is this, and what does it hold?"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from newsfolio.shared.tables import READERS, need_columns, read_table
from nlp.corpora.duplicates import CorpusCounts, OnMixed
from nlp.corpora.entity_tables import DECISIONS, TITLE, entity_rows
from nlp.corpora.fiqa import NEUTRAL_BELOW, read_fiqa_json, scored_rows
from nlp.corpora.labelled import checked_rows, named_columns
from nlp.corpora.phrasebank import phrasebank_rows
from nlp.errors import CorpusError
from nlp.labels import LABEL_MAP, LABELS

log = logging.getLogger(__name__)

PHRASEBANK = "Financial PhraseBank"
SCORES = "scored opinions"
ENTITIES = "labels per entity"
TABLE = "labelled table"


@dataclass(frozen=True, eq=False)
class Corpus:
    """Labelled rows, the form they came in, and what became of the rows that were read."""

    rows: pd.DataFrame
    form: str
    counts: CorpusCounts

    def __str__(self) -> str:
        """One line that a person can read."""
        counts = self.rows["label"].value_counts()
        names = LABELS if set(counts.index) <= set(LABELS) else sorted(counts.index)
        labels = ", ".join(f"{counts.get(label, 0):,} {label}" for label in names)
        return f"{self.form}: {self.counts}; {labels}"


def read_corpus(
    source: str | Path | pd.DataFrame,
    *,
    text: str | Sequence[str] = "text",
    label: str = "label",
    label_map: Mapping[Any, str] | None = LABEL_MAP,
    neutral_below: float = NEUTRAL_BELOW,
    on_mixed: OnMixed = "drop",
) -> Corpus:
    """Read labelled texts in any of these forms, and say which it was: rows of text, label and more columns.

    - a zip or folder of the Financial PhraseBank, or one of its .txt files (nlp/corpora/phrasebank.py), with agree;
    - .json of FiQA's first task, or a table with a score in [-1, 1] and no label (nlp/corpora/fiqa.py), with score;
      sizes below `neutral_below` are neutral;
    - a table of Title and Decisions, a label per entity (nlp/corpora/entity_tables.py), with target;
    - any other table: CSV, Parquet, JSON lines or a frame whose columns of texts and labels `text` and `label` name;
      several columns of texts, such as title and body, are joined by line breaks.

    Labels are looked up in `label_map`, as in read_labelled; None keeps those of a table as they are, for other tasks.
    A text with several labels is decided by vote; where it has several targets whose labels disagree, `on_mixed`
    decides: "drop" the text (the default, for classifiers that see the text alone), "keep" a row per target, or "vote"
    as if there were no targets.

    Raises:
        CorpusError: the form is none of these, a column is missing, a label is unknown, or nothing is left.
    """
    if on_mixed not in ("drop", "keep", "vote"):
        raise CorpusError(f"on_mixed is {on_mixed!r}: give drop, keep or vote")
    form, rows, where = _recognised(source, text, label, neutral_below)
    if label_map is None and form != TABLE:
        raise CorpusError(f"{where}: is read as {form}, which is of tone: pass a table with a column {label}")
    if form == TABLE and where.endswith(".csv"):  # there every cell is text
        given = rows["text"].dropna()
        if len(given) and pd.to_numeric(given, errors="coerce").notna().all():
            raise CorpusError(f"{where}: the column {text} holds numbers: name the column of sentences text")
    log.info("%s: read as %s", where, form)
    ours = form in (PHRASEBANK, SCORES)  # their labels are our words already, whatever those of other corpora mean
    kept, counts = checked_rows(rows, where, LABEL_MAP if ours else label_map, on_mixed)
    return Corpus(kept, form, counts)


def _recognised(
    source: str | Path | pd.DataFrame, text: str | Sequence[str], label: str, neutral_below: float
) -> tuple[str, pd.DataFrame, str]:
    """Return the form, the rows as that form's reader gives them, and a name for the source in messages."""
    if not isinstance(source, pd.DataFrame):
        path = Path(source)
        if path.is_dir() or path.suffix in (".zip", ".txt"):
            return PHRASEBANK, phrasebank_rows(path), str(path)
        if path.suffix == ".json":
            where = f"{path}: opinions"
            return SCORES, scored_rows(read_fiqa_json(path), where, neutral_below=neutral_below), where
        if path.suffix not in READERS:
            raise CorpusError(
                f"{path}: the ending {path.suffix!r} is not known: use {', '.join(READERS)}, .json (FiQA), "
                ".zip, .txt or a folder (Financial PhraseBank)"
            )
    texts = (text,) if isinstance(text, str) else tuple(text)
    table, where = read_table(source, CorpusError, words=(*texts, label, "target", TITLE, DECISIONS))
    text = texts[0]
    if len(texts) > 1:
        table, text = _with_joined(table, texts, where), "text"
    columns = set(table.columns)
    if label not in columns and {TITLE, DECISIONS} <= columns:
        return ENTITIES, entity_rows(table, where), where
    if label not in columns and "score" in columns:
        if set(LABELS) <= columns:
            raise CorpusError(f"{where}: holds a model's scores, not labels: pass texts that people labelled")
        return SCORES, scored_rows(table, where, text=text, neutral_below=neutral_below), where
    return TABLE, named_columns(table, where, {"text": text, "label": label}), where


def _with_joined(table: pd.DataFrame, texts: Sequence[str], where: str) -> pd.DataFrame:
    """The table with one column of texts in place of several."""
    need_columns(table, tuple(texts), where, CorpusError)
    numbers = [name for name in texts if pd.api.types.is_numeric_dtype(table[name])]
    if numbers and len(table):
        raise CorpusError(f"{where}: the column {numbers[0]} holds numbers: name columns of sentences")
    if "text" in table.columns and "text" not in texts:
        raise CorpusError(f"{where}: has a column text as well as {', '.join(texts)}, joined as text: rename it")
    cells = zip(
        *(table[name].map(lambda cell: cell.strip() if isinstance(cell, str) else "") for name in texts), strict=True
    )
    return table.drop(columns=list(texts)).assign(text=["\n".join(filter(None, row)) for row in cells])
