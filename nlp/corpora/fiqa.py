"""FiQA: opinions scored from -1 to 1 instead of labelled, as a table or in the JSON of its first task.

M. Maia et al., "WWW'18 open challenge: financial opinion mining and question answering", 2018, task 1.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from newsfolio.shared.errors import first_line
from nlp.corpora.labelled import has_text, named_columns
from nlp.errors import CorpusError
from nlp.labels import LABELS

# Where others who turn FiQA into three classes cut it too, FinGPT's benchmark among them, so figures compare. They
# call a score of exactly -0.1 neutral and one of 0.1 positive; here both sides are treated alike.
NEUTRAL_BELOW = 0.1


def scored_rows(
    table: pd.DataFrame, where: str, *, text: str = "text", neutral_below: float = NEUTRAL_BELOW
) -> pd.DataFrame:
    """Return the rows of a table of text and score in [-1, 1] with the label the score stands for.

    neutral where |score| < neutral_below or the score is 0, else by its sign. The score stays as a number.

    Raises:
        CorpusError: a column is missing, a score is no number in [-1, 1], or neutral_below is outside [0, 1].
    """
    if not 0.0 <= neutral_below <= 1.0:
        raise CorpusError(
            f"neutral_below is {neutral_below:g}: give the size of score that is neutral no more, in [0, 1]"
        )
    rows = named_columns(table, where, {"text": text, "score": "score"})
    score = pd.to_numeric(rows["score"], errors="coerce").astype(float)
    wrong = np.flatnonzero(has_text(rows["text"]) & ~(score.abs() <= 1.0))
    if len(wrong):
        given = rows["score"].astype(object).iloc[wrong[0]]
        raise CorpusError(
            f"{where}: row {wrong[0] + 1}: score {given!r} is no number in [-1, 1] "
            f"({len(wrong)} such rows): rescale them, or name a column of labels label"
        )
    side = np.where(score.abs() >= neutral_below, np.sign(score), 0.0)
    return rows.assign(score=score, label=np.array(LABELS, dtype=object)[np.nan_to_num(side).astype(int) + 1])


def read_fiqa_json(path: Path) -> pd.DataFrame:
    """Return id, text, target, score and the other fields of each opinion in a file of FiQA's first task.

    The file is one object: id -> {"sentence": ..., "info": [{"sentiment_score": "0.4", "target": ..., ...}, ...]}.

    Raises:
        CorpusError: the file is not of that form.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError, OSError) as error:
        raise CorpusError(f"{path}: cannot be read as JSON: {first_line(error)}") from error
    if not isinstance(entries, dict):
        raise CorpusError(f"{path}: is no object of id -> sentence and info, as FiQA's first task is: use .jsonl")
    opinions = []
    for name, entry in entries.items():
        where = f"{path}: entry {name}"
        if not (isinstance(entry, dict) and isinstance(entry.get("info"), list) and "sentence" in entry):
            raise CorpusError(f"{where} has no sentence and list of info, as FiQA's first task does: add them")
        for opinion in entry["info"]:
            if not (isinstance(opinion, dict) and "sentiment_score" in opinion):
                raise CorpusError(f"{where}: an opinion has no sentiment_score: pass the file with scores")
            others = {key: value for key, value in opinion.items() if key != "sentiment_score"}
            opinions.append(others | {"id": name, "text": entry["sentence"], "score": opinion["sentiment_score"]})
    return pd.DataFrame(opinions, columns=None if opinions else ["text", "score"])


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """As a dict; the json module would silently keep the last of two entries with one name."""
    named = dict(pairs)
    if len(named) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"one object has the name {twice!r} twice")
    return named
