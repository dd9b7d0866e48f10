"""A file of news -> the same file with probabilities, however large, and resumed where it was killed."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from newsfolio.shared.atomic import scratch_folder
from nlp.errors import NewsError
from nlp.labels import LABELS
from nlp.provenance import attach_provenance
from nlp.scoring.score import check_store, labels_of, score_with_store, with_scores
from nlp.scoring.store import ScoreStore, store_key
from nlp.scoring.stream.clean import NewsCount, is_dated, news_parts
from nlp.scoring.stream.read import PartedTable, inspect_table
from nlp.scoring.stream.write import write_parts

if TYPE_CHECKING:
    from nlp.model.ensemble import Classifier

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScoreReport:
    """What became of the rows of a file; `computed` are the texts that the store did not know."""

    rows: int
    empty: int
    repeats: int
    scored: int
    computed: int
    mean_score: float | None  # None: the classifier is of another task than tone

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
    progress: bool = False,
) -> ScoreReport:
    """Write the rows of `news` that `read_headlines` keeps, in their order, with the columns of score_headlines.

    CSV, Parquet and JSON lines are read and written part by part (see `inspect_table` and `news_parts` for what differs
    from a table in memory). Each text is computed once. `out` appears whole at the end or not at all; killed
    before, a run with the same store starts the writing anew and computes only what is not in the store yet.
    Without a store the scores are kept on disk until the end. A file of texts alone is scored row by row.

    Raises:
        NewsError: the news cannot be read.
        StoreError: the store cannot be used, or is not of this classifier.
        NlpError: `out` cannot be written.
    """
    table = surveyed_news(news)
    if store is not None:
        check_store(store, classifier)
        return _scored_file(table, Path(out), classifier, store, timezone, progress)
    with (
        scratch_folder(Path(out)) as folder,
        ScoreStore(folder / "scores", store_key(classifier), len(labels_of(classifier))) as own,
    ):
        return _scored_file(table, Path(out), classifier, own, timezone, progress)


def surveyed_news(news: str | Path) -> PartedTable:
    """Return the news as a table to be read in parts; said in the log where it is texts alone.

    Raises:
        NewsError: the news cannot be read.
    """
    table = inspect_table(news, NewsError)
    if not is_dated(table):
        log.warning("%s: has neither published nor asset: texts are scored, repeats of rows are kept", table.path)
    return table


def _scored_file(
    table: PartedTable, out: Path, classifier: "Classifier", store: ScoreStore, timezone: str | None, progress: bool
) -> ScoreReport:
    from tqdm import tqdm

    tally = Tally(NewsCount())
    with tqdm(total=table.rows, unit="row", desc="scoring", disable=None if progress else True) as bar:
        parts = news_parts(table, timezone, tally.count)
        write_parts(_scored_parts(parts, classifier, store, tally, bar.update), out, table.types)
    return tally.report(table)


@dataclass
class Tally:
    """What was found on the way: rows, texts that the store did not know, and the sum of all scores."""

    count: NewsCount
    computed: int = 0
    total: float | None = 0.0

    def report(self, table: PartedTable) -> ScoreReport:
        """What became of the rows; those that were dropped are said in the log."""
        count = self.count
        if count.kept < count.rows:
            log.warning("%s: %s", table.path, count.dropped())
        return ScoreReport(
            rows=count.rows,
            empty=count.empty,
            repeats=count.repeats,
            scored=count.kept,
            computed=self.computed,
            mean_score=None if self.total is None else self.total / max(1, count.kept),
        )


def _scored_parts(
    parts: Iterator[pd.DataFrame],
    classifier: "Classifier",
    store: ScoreStore,
    tally: Tally,
    advance: Callable[[int], object],
) -> Iterator[pd.DataFrame]:
    shown, tone = 0, labels_of(classifier) == LABELS
    for part in parts:
        skipped = tally.count.rows - shown - len(part)  # rows dropped have been dealt with as well
        settled = score_with_store(part["text"].to_numpy(dtype=object).tolist(), classifier, store, advance)
        advance(skipped)
        shown = tally.count.rows
        scored = attach_provenance(with_scores(part, settled.probabilities, labels_of(classifier)), classifier.training)
        tally.computed += settled.computed
        tally.total = tally.total + float(scored["score"].sum()) if tone and tally.total is not None else None
        yield scored
