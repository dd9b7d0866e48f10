"""What the machines of a cluster do when news is scored: one reads it part by part, workers score and write parts.

Nothing here knows of Ray (nlp/scoring/ray/driver.py does).
"""

import platform
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields, replace
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # pandas has loaded it already

from nlp.errors import ModelError
from nlp.labels import LABELS
from nlp.model.inference import text_notes
from nlp.provenance import TrainingTexts, attach_provenance
from nlp.scoring.score import ScoredBatch, has_several_labels, labels_of, score_with_store, summed_scores, with_scores
from nlp.scoring.store import ScoreStore, no_store, store_key
from nlp.scoring.stream.clean import NewsCount, NewsTable, news_parts
from nlp.scoring.stream.part_folder import PartsFolder
from nlp.scoring.stream.write import parquet_schema, parquet_table

if TYPE_CHECKING:
    from nlp.model.ensemble import Classifier

COUNTED = tuple(each.name for each in fields(NewsCount))

Load = Callable[[], "Classifier"]
Stores = Callable[..., AbstractContextManager[ScoreStore | None]]


@dataclass(frozen=True)
class Scorer:
    """What each worker calls for its classifier, and with `store_key` of it for a store on its own machine.

    Of another task than tone `stores` is given the number of labels too, as `open_store` takes it.
    """

    load: Load
    stores: Stores = no_store


@dataclass(frozen=True)
class NewsReader:
    """The news as rows of Ray, each of which holds a part: Ray cuts and joins tables, but never a row."""

    news: NewsTable
    training: TrainingTexts | None
    where: str
    labels: tuple[str, ...] = LABELS
    multi_label: bool = False

    def __call__(self) -> Iterator[pa.Table]:
        """Yield the rows; the last holds no part, but what was dropped behind the one before."""
        count, sent, number, schema = NewsCount(), NewsCount(), 0, None
        for part in news_parts(self.news, count):
            zeros = np.zeros((len(part), len(self.labels)), np.float32)
            blank = attach_provenance(
                with_scores(part, zeros, self.labels, multi_label=self.multi_label), self.training
            )
            schema = schema or parquet_schema(blank, self.news.table.types, self.where)
            yield _row(number, parquet_table(blank, schema, self.where), count.since(sent))
            sent, number = replace(count), number + 1
        yield _row(number, None, count.since(sent))


def _row(number: int, part: pa.Table | None, count: NewsCount) -> pa.Table:
    content = pa.array([None if part is None else _packed(part)], pa.large_binary())
    return pa.table({"number": [number], "part": content} | {name: [getattr(count, name)] for name in COUNTED})


class PartScores(NamedTuple):
    """Of a part: texts that had to be computed, the sum of its scores, and rows that the model cannot read."""

    computed: int = 0
    total: float = 0.0
    unreadable: int = 0


class Worker:
    """Scores parts on some machine; the model is loaded with the first that is not there yet."""

    def __init__(self, scorer: Scorer, key: str, folder: PartsFolder) -> None:
        self.scorer, self.key, self.folder = scorer, key, folder

    def __call__(self, row: pa.Table) -> pa.Table:
        """Return the row with what was computed in place of the part, which is in the folder then."""
        number, content = row["number"][0].as_py(), row["part"][0].as_buffer()
        found = PartScores() if content is None else self._done(number, content)
        row = row.drop_columns("part")
        for name, value in found._asdict().items():
            row = row.append_column(name, [[value]])
        return row

    def _done(self, number: int, content: pa.Buffer) -> PartScores:
        stamp = f"{self.key} {blake2b(content, digest_size=16).hexdigest()}"
        known = self.folder.scores_of(number, stamp)
        if known is not None:
            return PartScores(0, *known)
        part = _unpacked(content)
        with text_notes(apart=True) as notes:
            batch = self._scored(part["text"].to_pylist())
        notes.say(unreadable=False)  # the report counts rows
        labels, several = labels_of(self._classifier), has_several_labels(self._classifier)
        scored = with_scores(pd.DataFrame(index=range(len(part))), batch.probabilities, labels, multi_label=several)
        self.folder.write(number, stamp, _filled(part, scored))
        return PartScores(batch.computed, *summed_scores(scored))

    def _scored(self, texts: list[str]) -> ScoredBatch:
        labels = labels_of(self._classifier)
        shape = () if labels == LABELS else (len(labels),)
        with self.scorer.stores(self.key, *shape) as store:
            if store is None:
                return ScoredBatch(self._classifier.predict_proba(texts), len(set(texts)))
            return score_with_store(texts, self._classifier, store, lambda _: None)

    @cached_property
    def _classifier(self) -> "Classifier":
        classifier = self.scorer.load()
        if store_key(classifier) != self.key:
            raise ModelError(
                f"on {platform.node()} the model is {store_key(classifier)}, on another machine {self.key}: give "
                "all the same model, and a dtype that all can compute, such as float32"
            )
        return classifier


def _filled(part: pa.Table, scored: pd.DataFrame) -> pa.Table:
    for name in scored.columns:
        place = part.schema.get_field_index(name)
        part = part.set_column(place, part.schema.field(name), pa.array(scored[name]))
    return part


def _packed(part: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, part.schema) as stream:
        stream.write_table(part)
    return bytes(sink.getvalue())


def _unpacked(content: pa.Buffer) -> pa.Table:
    return pa.ipc.open_stream(content).read_all()
