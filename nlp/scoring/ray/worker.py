"""What the machines of a cluster do when news is scored: one reads it part by part, workers score and write parts.

Nothing here knows of Ray (nlp/scoring/ray/driver.py does).
"""

import platform
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields, replace
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # pandas has loaded it already

from newsfolio.shared.arrays import FloatArray
from nlp.errors import ModelError
from nlp.labels import LABELS
from nlp.model.inference import text_notes
from nlp.provenance import TrainingTexts, attach_provenance
from nlp.scoring.score import ScoredBatch, labels_of, score_with_store, with_scores
from nlp.scoring.store import ScoreStore, no_store, store_key
from nlp.scoring.stream.clean import NewsCount, NewsTable, news_parts
from nlp.scoring.stream.part_folder import PartsFolder
from nlp.scoring.stream.write import parquet_schema, parquet_table

if TYPE_CHECKING:
    from nlp.model.ensemble import Classifier

COUNTED = tuple(each.name for each in fields(NewsCount))

Load = Callable[[], "Classifier"]
Stores = Callable[[str], AbstractContextManager[ScoreStore | None]]


@dataclass(frozen=True)
class Scorer:
    """What each worker calls for its classifier, and with `store_key` of it for a store on its own machine."""

    load: Load
    stores: Stores = no_store


@dataclass(frozen=True)
class NewsReader:
    """The news as rows of Ray, each of which holds a part: Ray cuts and joins tables, but never a row."""

    news: NewsTable
    training: TrainingTexts | None
    where: str

    def __call__(self) -> Iterator[pa.Table]:
        """Yield the rows; the last holds no part, but what was dropped behind the one before."""
        count, sent, number, schema = NewsCount(), NewsCount(), 0, None
        for part in news_parts(self.news, count):
            blank = attach_provenance(with_scores(part, np.zeros((len(part), len(LABELS)), np.float32)), self.training)
            schema = schema or parquet_schema(blank, self.news.table.types, self.where)
            yield _row(number, parquet_table(blank, schema, self.where), count.since(sent))
            sent, number = replace(count), number + 1
        yield _row(number, None, count.since(sent))


def _row(number: int, part: pa.Table | None, count: NewsCount) -> pa.Table:
    content = pa.array([None if part is None else _packed(part)], pa.large_binary())
    return pa.table({"number": [number], "part": content} | {name: [getattr(count, name)] for name in COUNTED})


class Worker:
    """Scores parts on some machine; the model is loaded with the first that is not there yet."""

    def __init__(self, scorer: Scorer, key: str, folder: PartsFolder) -> None:
        self.scorer, self.key, self.folder = scorer, key, folder

    def __call__(self, row: pa.Table) -> pa.Table:
        """Return the row with what was computed in place of the part, which is in the folder then."""
        done, scores = row.drop_columns("part"), np.zeros(0)
        number, content, computed = row["number"][0].as_py(), row["part"][0].as_buffer(), 0
        if content is not None:
            scores, computed = self._done(number, content)
        found = {"computed": computed, "total": float(np.nansum(scores)), "unreadable": int(np.isnan(scores).sum())}
        for name, value in found.items():
            done = done.append_column(name, [[value]])
        return done

    def _done(self, number: int, content: pa.Buffer) -> tuple[FloatArray, int]:
        """Return the scores of a part that is written then, and how many texts had to be computed."""
        stamp = f"{self.key} {blake2b(content, digest_size=16).hexdigest()}"
        known = self.folder.scores_of(number, stamp)
        if known is not None:
            return known, 0
        part = _unpacked(content)
        with text_notes(apart=True) as notes:
            batch = self._scored(part["text"].to_pylist())
        notes.say(unreadable=False)  # the report counts rows
        scored = with_scores(pd.DataFrame(index=range(len(part))), batch.probabilities)
        self.folder.write(number, stamp, _filled(part, scored))
        return scored["score"].to_numpy(), batch.computed

    def _scored(self, texts: list[str]) -> ScoredBatch:
        with self.scorer.stores(self.key) as store:
            if store is None:
                return ScoredBatch(self._classifier.predict_proba(texts), len(set(texts)))
            return score_with_store(texts, self._classifier, store, lambda _: None)

    @cached_property
    def _classifier(self) -> "Classifier":
        classifier = self.scorer.load()
        if labels_of(classifier) != LABELS:
            raise ModelError("on Ray only classifiers of tone score: leave out --ray for other tasks")
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
