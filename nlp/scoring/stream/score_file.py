"""A file of news -> the same file with probabilities, however large, and resumed where it was killed."""

import logging
from collections.abc import Callable, Iterator, Mapping
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
from nlp.provenance import attach_provenance
from nlp.scoring.score import check_store, has_several_labels, labels_of, score_with_store, with_scores
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
    table = inspect_news(news, timezone=timezone, midnight=midnight, columns=columns)
    if store is not None:
        check_store(store, classifier)
        return _scored_file(table, Path(out), classifier, store, progress)
    with (
        scratch_folder(Path(out)) as folder,
        ScoreStore(folder / "scores", store_key(classifier), len(labels_of(classifier))) as own,
    ):
        return _scored_file(table, Path(out), classifier, own, progress)


def _scored_file(
    news: NewsTable, out: Path, classifier: "Classifier", store: ScoreStore, progress: bool
) -> ScoreReport:
    from tqdm import tqdm

    table, tally = news.table, Tally(NewsCount())
    shown = None if progress else True
    with text_notes(apart=True) as notes, tqdm(total=table.rows, unit="row", desc="scoring", disable=shown) as bar:
        parts = news_parts(news, tally.count)
        write_parts(_scored_parts(parts, classifier, store, tally, bar.update, table.path), out, table.types)
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
        if count.kept < count.rows:
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
    classifier: "Classifier",
    store: ScoreStore,
    tally: Tally,
    advance: Callable[[int], object],
    source: Path,
) -> Iterator[pd.DataFrame]:
    shown, tone = 0, labels_of(classifier) == LABELS
    for part in parts:
        # rows dropped have been dealt with as well, and of a story of several assets all rows but one
        skipped = tally.count.rows - shown - len(part)
        batch = score_with_store(part["text"].to_numpy(dtype=object).tolist(), classifier, store, advance)
        advance(skipped)
        shown = tally.count.rows
        scored = with_scores(
            part, batch.probabilities, labels_of(classifier), multi_label=has_several_labels(classifier)
        )
        scored = attach_provenance(scored, classifier.training)
        tally.computed += batch.computed
        tally.total = tally.total + float(scored["score"].sum()) if tone and tally.total is not None else None
        tally.unreadable += int(np.isnan(batch.probabilities).any(axis=1).sum())
        yield scored
    tally.refuse_unreadable(source)  # while `out` is not there yet
