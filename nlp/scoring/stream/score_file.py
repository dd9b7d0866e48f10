"""A file of news -> the same file with probabilities, however large, and resumed where it was killed."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from newsfolio.shared.atomic import scratch_folder
from nlp.errors import ModelError
from nlp.labels import LABELS
from nlp.model.inference import text_notes
from nlp.model.unknown_words import unreadable_note
from nlp.provenance import attach_provenance, joined
from nlp.scoring.score import (
    check_store,
    has_several_labels,
    labels_of,
    score_with_store,
    task_of,
    with_scores,
)
from nlp.scoring.store import ScoreStore, store_key
from nlp.scoring.stream.clean import NewsCount, NewsTable, inspect_news, news_parts
from nlp.scoring.stream.read import PartedTable
from nlp.scoring.stream.write import write_parts
from nlp.texts.times import Midnight

if TYPE_CHECKING:
    from nlp.model.ensemble import Classifier

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScoreReport:
    """What became of the rows of a file; `computed` are the texts that the store did not know.

    unreadable: rows without a score, as the classifier does not know their words.
    """

    rows: int
    empty: int
    repeats: int
    scored: int
    computed: int
    mean_score: float | None  # None: the classifier is of another task than tone
    unreadable: int = 0

    def __str__(self) -> str:
        mean = "" if self.mean_score is None else f", mean score {self.mean_score:+.3f}"
        return f"{self.scored:,} headlines scored{mean}; {self.computed:,} texts computed"


def score_file(
    news: str | Path,
    out: str | Path,
    classifier: "Classifier",
    *,
    store: ScoreStore | None = None,
    timezone: str | None = None,
    midnight: Midnight = "auto",
    columns: Mapping[str, str] | None = None,
    progress: bool = False,
) -> ScoreReport:
    """Write the rows of `news` that `read_headlines` keeps, in their order, with the columns of score_headlines.

    For several classifiers at once see `score_file_by`.

    CSV, Parquet and JSON lines are read and written part by part (see `inspect_table` and `news_parts` for what differs
    from a table in memory); timezone, midnight and columns as there. Each text is computed once. `out` appears whole at
    the end or not at all; killed before, a run with the same store starts the writing anew and computes only what is
    not in the store yet. Without a store the scores are kept on disk until the end. A file of texts alone is scored row
    by row.

    Raises:
        NewsError: the news cannot be read.
        StoreError: the store cannot be used, or is not of this classifier.
        NlpError: `out` cannot be written.
        ModelError: the classifier cannot read most of the texts.
    """
    return score_file_by(
        [(classifier, store)], news, out, timezone=timezone, midnight=midnight, columns=columns, progress=progress
    )


def score_file_by(
    models: Sequence[tuple["Classifier", ScoreStore | None]],
    news: str | Path,
    out: str | Path,
    *,
    timezone: str | None = None,
    midnight: Midnight = "auto",
    columns: Mapping[str, str] | None = None,
    progress: bool = False,
) -> ScoreReport:
    """Do what `score_file` does with several classifiers, each with its store, in one reading of the news.

    Where there are several, the columns of another task than tone begin with its name: topic_label, topic_ipo. In the
    report `computed` counts the texts of each classifier, `unreadable` the rows that any of them cannot read.

    Raises:
        ModelError: no classifier, two of one task, or one cannot read most of the texts.
        NewsError, StoreError, NlpError: as score_file.
    """
    tasks = [task_of(classifier) for classifier, _ in models]
    twice = [task for task in tasks if tasks.count(task) > 1]
    if twice or not tasks:
        raise ModelError(
            f"two models are of {twice[0]}: name one, or join them as an ensemble" if twice else "no model"
        )
    table = inspect_news(news, timezone=timezone, midnight=midnight, columns=columns)
    for classifier, store in models:
        if store is not None:
            check_store(store, classifier)
    with scratch_folder(Path(out)) as folder, ExitStack() as opened:
        stored = []
        for number, (classifier, store) in enumerate(models):
            if store is None:
                path = folder / f"scores-{number}"
                store = opened.enter_context(ScoreStore(path, store_key(classifier), len(labels_of(classifier))))
            stored.append((classifier, store))
        return _scored_file(table, Path(out), stored, progress)


def _scored_file(
    news: NewsTable, out: Path, models: Sequence[tuple["Classifier", ScoreStore]], progress: bool
) -> ScoreReport:
    from tqdm import tqdm

    table, tally = news.table, Tally(NewsCount())
    shown, rows = None if progress else True, len(models) * table.rows
    with text_notes(apart=True) as notes, tqdm(total=rows, unit="row", desc="scoring", disable=shown) as bar:
        parts = news_parts(news, tally.count)
        write_parts(_scored_parts(parts, models, tally, bar.update, table.path), out, table.types)
    notes.say(unreadable=False)  # the report counts rows
    return tally.report(table)


@dataclass
class Tally:
    """What was found on the way: rows, texts that the store did not know, the sum of all scores, rows without one."""

    count: NewsCount
    computed: int = 0
    total: float | None = 0.0
    unreadable: int = 0

    def refuse_unreadable(self, where: object) -> None:
        """Raise ModelError where most of the rows have no score."""
        if 2 * self.unreadable > self.count.kept:
            raise ModelError(f"{where}: {unreadable_note(self.unreadable, self.count.kept, 'rows')}")

    def report(self, table: PartedTable) -> ScoreReport:
        """What became of the rows; those that were dropped are said in the log."""
        count = self.count
        if count.empty or count.repeats:
            log.warning("%s: %s", table.path, count.dropped())
        if self.unreadable:
            log.warning("%s: %s", table.path, unreadable_note(self.unreadable, count.kept, "rows"))
        scored = count.kept - self.unreadable
        return ScoreReport(
            rows=count.rows,
            empty=count.empty,
            repeats=count.repeats,
            scored=scored,
            computed=self.computed,
            mean_score=None if self.total is None else self.total / max(1, scored),
            unreadable=self.unreadable,
        )


def _scored_parts(
    parts: Iterator[pd.DataFrame],
    models: Sequence[tuple["Classifier", ScoreStore]],
    tally: Tally,
    advance: Callable[[int], object],
    source: Path,
) -> Iterator[pd.DataFrame]:
    shown, tone = 0, any(labels_of(classifier) == LABELS for classifier, _ in models)
    training = models[0][0].training if len(models) == 1 else joined([classifier.training for classifier, _ in models])
    for part in parts:
        # rows dropped have been dealt with as well, and of a story of several assets all rows but one
        skipped = tally.count.rows - shown - len(part)
        shown, texts, scored = tally.count.rows, part["text"].to_numpy(dtype=object).tolist(), part
        unreadable = np.zeros(len(part), dtype=bool)
        for classifier, store in models:
            batch = score_with_store(texts, classifier, store, advance)
            advance(skipped)
            scored = with_scores(
                scored,
                batch.probabilities,
                labels_of(classifier),
                multi_label=has_several_labels(classifier),
                task="" if len(models) == 1 else task_of(classifier),
            )
            tally.computed += batch.computed
            unreadable |= np.isnan(batch.probabilities).any(axis=1)
        if tone and tally.total is not None:  # of the rows that the report counts as scored
            tally.total += float(scored["score"].mask(unreadable).sum())
        else:
            tally.total = None
        tally.unreadable += int(unreadable.sum())
        yield attach_provenance(scored, training)
    tally.refuse_unreadable(source)  # while `out` is not there yet
