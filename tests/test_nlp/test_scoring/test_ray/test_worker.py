"""What machines do when news is scored by many: the parts together are what one machine would have written."""

import json
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsfolio.shared.tables import write_table
from nlp.errors import ModelError, NewsError, NlpError
from nlp.provenance import TrainingTexts
from nlp.scoring.ray.worker import NewsReader, Scorer, Worker
from nlp.scoring.store import ScoreStore
from nlp.scoring.stream import read as table_parts
from nlp.scoring.stream.clean import NewsCount, inspect_news
from nlp.scoring.stream.part_folder import parts_folder
from nlp.scoring.stream.score_file import Tally, score_file

TOLD = TrainingTexts(("bank",), "2014-01-01")


class Stub:
    """Probabilities that follow from the text; counts what it is asked."""

    training = TOLD

    def __init__(self, fingerprint="stub"):
        self.fingerprint = fingerprint
        self.asked = []

    def predict_proba(self, texts, **_):
        self.asked += texts
        raw = np.array([[len(t) % 7 + 1, sum(map(ord, t)) % 5 + 1, len(t) % 3 + 1] for t in texts], dtype=np.float32)
        return raw / raw.sum(axis=1, keepdims=True)


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(table_parts, "PART_ROWS", 4)


def news(count, **columns):
    published = pd.date_range("2020-01-01 10:00", periods=count, freq="7h", tz="UTC")
    rows = {"published": published, "asset": ["AAA", "NA"] * (count // 2), "text": [f"t{n % 9}" for n in range(count)]}
    return pd.DataFrame(rows | columns)


class TopicStub(Stub):
    """The same, of a task whose texts have several labels."""

    labels, multi_label = ("crude", "earn | other", "ship"), True


def scored(path, out, stub, stores=lambda *_: nullcontext(), last=None):
    """Do on one machine what a cluster would, in another order; `last`: die before the part of that number."""
    table, tally = inspect_news(path), Tally(NewsCount())
    with parts_folder(out) as folder:
        of_task = (stub.labels, stub.multi_label) if isinstance(stub, TopicStub) else ()
        rows = list(NewsReader(table, TOLD, str(out), *of_task)())[:last]
        worker = Worker(Scorer(lambda: stub, stores), stub.fingerprint, folder)
        for row in map(worker, reversed(rows)):
            (told,) = row.to_pylist()
            tally.count.add(NewsCount(told["rows"], told["empty"], told["repeats"]))
            tally.computed, tally.total = tally.computed + told["computed"], tally.total + told["total"]
            tally.unreadable += told["unreadable"]
        if last is None:
            folder.finish(len(rows) - 1, {"rows": tally.count.kept})
    return tally.report(table.table)


def together(out):
    """The parts in the order of their names."""
    return pa.concat_tables(pq.read_table(path).replace_schema_metadata() for path in sorted(out.glob("part-*")))


@settings(max_examples=12)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from("AB"), st.sampled_from(["up", "down", "", " ", "£5 🚀"]), st.none() | st.integers(-5, 5)
        ),
        max_size=12,
    ).filter(lambda rows: any(text.strip() for _, text, _ in rows)),
    ending=st.sampled_from(["csv", "parquet", "jsonl"]),
    part_rows=st.integers(1, 5),
)
def test_the_parts_are_what_one_machine_writes(tmp_path_factory, rows, ending, part_rows):
    folder = tmp_path_factory.mktemp("parts")
    frame = pd.DataFrame(rows, columns=["asset", "text", "n"]).astype({"n": "Int64"})
    frame.insert(0, "published", [f"2020-01-{1 + n // 2:02d}T10:00:00Z" for n in range(len(frame))])
    path = write_table(frame, folder / f"n.{ending}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_parts, "PART_ROWS", part_rows)
        single = score_file(path, folder / "one.parquet", Stub())
        report = scored(path, folder / "out", Stub())
    assert together(folder / "out").equals(pq.read_table(folder / "one.parquet").replace_schema_metadata())
    pd.testing.assert_frame_equal(
        pd.read_parquet(folder / "out"), pd.read_parquet(folder / "one.parquet"), check_exact=True
    )
    assert (report.rows, report.empty, report.repeats, report.scored) == (
        single.rows, single.empty, single.repeats, single.scored,
    )  # fmt: skip
    assert report.mean_score == pytest.approx(single.mean_score, abs=1e-12)


def test_texts_with_several_labels_are_scored_too(tmp_path, small_parts):
    path = write_table(news(10), tmp_path / "n.parquet")
    score_file(path, tmp_path / "one.parquet", TopicStub())
    scored(path, tmp_path / "out", TopicStub())
    parts = pd.read_parquet(tmp_path / "out")
    pd.testing.assert_frame_equal(parts, pd.read_parquet(tmp_path / "one.parquet"), check_exact=True)
    assert list(parts.columns[-4:]) == ["crude", "earn | other", "ship", "label"]
    for _, row in parts.iterrows():
        assert row["label"] == "|".join(label for label in TopicStub.labels if row[label] >= 0.5)
    again = TopicStub()
    scored(path, tmp_path / "out", again)
    assert not again.asked  # all parts are there


def test_what_taught_the_model_is_told(tmp_path):
    scored(write_table(news(6), tmp_path / "n.csv"), tmp_path / "out", Stub())
    assert pd.read_parquet(tmp_path / "out").attrs == TOLD.attrs


def test_news_that_was_scored_before_is_scored_again_in_place(tmp_path, small_parts):
    rows = news(10, score=9.0, negative="x")
    scored(write_table(rows, tmp_path / "n.parquet"), tmp_path / "out", Stub())
    score_file(tmp_path / "n.parquet", tmp_path / "one.parquet", Stub())
    assert together(tmp_path / "out").equals(pq.read_table(tmp_path / "one.parquet").replace_schema_metadata())


def test_whole_parts_are_not_scored_again(tmp_path, small_parts):
    path = write_table(news(20, text=[f"t{n}" for n in range(20)]), tmp_path / "n.csv")
    scored(path, tmp_path / "out", Stub(), last=3)
    before = {part.name: part.stat().st_mtime_ns for part in (tmp_path / "out").iterdir()}
    assert sorted(before) == ["part-000000.parquet", "part-000001.parquet", "part-000002.parquet"]
    stub = Stub()
    report = scored(path, tmp_path / "out", stub)
    assert sorted(stub.asked) == sorted(f"t{n}" for n in range(12, 20))
    assert (report.computed, report.scored) == (8, 20)
    scored(path, tmp_path / "fresh", Stub())
    assert all((tmp_path / "out" / name).stat().st_mtime_ns == time for name, time in before.items())
    assert together(tmp_path / "out").equals(together(tmp_path / "fresh"))
    assert json.loads((tmp_path / "out" / "_scored.json").read_text()) == {"parts": 5, "rows": 20}


@pytest.mark.parametrize("what", ["model", "news"])
def test_parts_of_another_model_or_of_other_news_are_scored_again(tmp_path, small_parts, what):
    rows, out = news(12, text=[f"t{n}" for n in range(12)]), tmp_path / "out"
    scored(write_table(rows, tmp_path / "n.csv"), out, Stub("another" if what == "model" else "stub"))
    if what == "news":
        rows.loc[5, "text"] = "changed"
    stub = Stub()
    scored(write_table(rows, tmp_path / "n.csv"), out, stub)
    expected = {"model": {*rows["text"]}, "news": {"t4", "changed", "t6", "t7"}}
    assert set(stub.asked) == expected[what]


def test_fewer_rows_leave_no_part_of_the_longer_table(tmp_path, small_parts):
    scored(write_table(news(20), tmp_path / "n.csv"), tmp_path / "out", Stub())
    scored(write_table(news(6), tmp_path / "n.csv"), tmp_path / "out", Stub())
    assert sorted(part.name for part in (tmp_path / "out").glob("part*")) == [f"part-00000{n}.parquet" for n in (0, 1)]
    assert len(pd.read_parquet(tmp_path / "out")) == 6


def test_a_store_computes_each_text_once_in_all_parts(tmp_path, small_parts):
    stub = Stub()
    path = write_table(news(40), tmp_path / "n.csv")
    report = scored(path, tmp_path / "out", stub, lambda key: ScoreStore(tmp_path / "s", key))
    assert sorted(stub.asked) == sorted(set(stub.asked))
    assert report.computed == 9


def test_another_model_on_a_machine_is_refused(tmp_path):
    table = inspect_news(write_table(news(4), tmp_path / "n.csv"))
    (row, _) = NewsReader(table, None, "out")()
    with (
        parts_folder(tmp_path / "out") as folder,
        pytest.raises(ModelError, match=r"is other, on another machine stub"),
    ):
        Worker(Scorer(lambda: Stub("other")), "stub", folder)(row)
    assert not list((tmp_path / "out").glob("part*"))


def test_what_parquet_cannot_hold_is_said(tmp_path):
    (tmp_path / "n.jsonl").write_text('{"text": "a", "many": 1}\n{"text": "b", "many": "x"}\n')
    with pytest.raises(NlpError, match="Parquet cannot hold the column many"):
        scored(tmp_path / "n.jsonl", tmp_path / "out", Stub())


def test_a_bad_row_is_named(tmp_path, small_parts):
    rows = news(10).astype({"published": str})
    rows.loc[8, "published"] = "yesterday"
    with pytest.raises(NewsError, match=r"n.csv: row 9: published 'yesterday' is not a time"):
        scored(write_table(rows, tmp_path / "n.csv"), tmp_path / "out", Stub())
