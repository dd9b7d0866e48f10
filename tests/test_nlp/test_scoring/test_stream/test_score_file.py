"""A file scored part by part: as if it had been scored in memory, resumed after a kill, whole or not there."""

import logging
import os
import re
import signal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsfolio.shared.tables import read_table, write_table
from nlp.errors import NewsError, NlpError
from nlp.labels import LABELS
from nlp.scoring.score import score_headlines
from nlp.scoring.store import ScoreStore
from nlp.scoring.stream import read as table_parts
from nlp.scoring.stream.score_file import score_file
from nlp.texts.headlines import read_headlines

ENDINGS = ["csv", "parquet", "jsonl"]
FOUR = [*LABELS, "score"]


class Stub:
    """Probabilities that follow from the text; counts what it is asked, and wants each text once."""

    fingerprint = "stub"
    training = None

    def __init__(self):
        self.asked = []

    def predict_proba(self, texts, **_):
        assert len(set(texts)) == len(texts)
        assert not set(texts) & set(self.asked)
        self.asked += texts
        raw = np.array([[len(t) % 7 + 1, sum(map(ord, t)) % 5 + 1, len(t) % 3 + 1] for t in texts], dtype=np.float32)
        return raw.reshape(-1, 3) / np.maximum(raw.reshape(-1, 3).sum(axis=1, keepdims=True), 1)


class Forgetful(Stub):
    """For a whole frame in memory, in which texts repeat."""

    def predict_proba(self, texts, **_):
        return Stub().predict_proba(list(dict.fromkeys(texts)))[pd.factorize(np.array(texts, dtype=object))[0]]


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(table_parts, "PART_ROWS", 4)


def news(count, **columns):
    published = pd.date_range("2020-01-01 10:00", periods=count, freq="7h", tz="UTC")
    rows = {"published": published, "asset": ["AAA", "NA"] * (count // 2), "text": [f"t{n % 9}" for n in range(count)]}
    return pd.DataFrame(rows | columns)


def in_memory(path, out, timezone=None):
    write_table(score_headlines(read_headlines(path, timezone=timezone), Forgetful()), out)
    return read_table(out, NlpError)[0]


def same(streamed, expected):
    for frame in (streamed, expected):
        frame["published"] = pd.to_datetime(frame["published"], format="ISO8601", utc=True).dt.as_unit("ns")
    pd.testing.assert_frame_equal(streamed, expected, check_dtype=False)


# As in memory


def clocks():
    """Ways in which the publication times of one file can be written, good ones and bad ones."""
    moments = st.datetimes(pd.Timestamp("2001-01-01"), pd.Timestamp("2026-01-01")).map(lambda t: t.replace(fold=0))
    zoned = moments.map(lambda time: time.isoformat() + "Z")
    local = moments.map(lambda time: time.isoformat(" "))
    dates = moments.map(lambda time: time.date().isoformat())
    midnights = dates.map(lambda day: f"{day} 00:00:00")
    few = st.sampled_from(["2020-01-01T10:00:00Z", "2020-01-01T12:00:00+02:00"])
    ways = [
        zoned,
        few,
        dates,
        midnights,
        zoned | dates,
        local | dates,
        local | midnights,
        midnights | dates,
        few | dates,
    ]
    return st.sampled_from([*ways, zoned | local, zoned | midnights, local | st.just("soon")])


ASSETS = st.sampled_from(["AAA", "BBB", "NA", "0005", "", " "])
TEXTS = st.sampled_from(["up", "down", "NA", "2014", "", "  ", " up", '£5, "so" – it\'s\nsaid 🚀'])
NUMBERS = st.none() | st.integers(-5, 5)


@st.composite
def tables(draw):
    clock = draw(clocks())
    row = st.tuples(clock, ASSETS, TEXTS, NUMBERS, st.none() | st.floats(-1, 1), st.booleans(), st.booleans())
    rows = draw(st.lists(row, min_size=1, max_size=14))
    names = ["published", "asset", "text", "n", "x", "yes", "time_known"]
    return pd.DataFrame(rows, columns=names)[names[: draw(st.sampled_from([3, 6, 7]))]]


def outcome(work):
    try:
        return work()
    except NewsError as error:
        return re.sub(r"\s*\(\d+ such rows\)", "", str(error))


@pytest.mark.parametrize("ending", ENDINGS)
@settings(max_examples=25)
@given(
    table=tables(),
    zone=st.sampled_from([None, "America/New_York"]),
    part_rows=st.integers(1, 5),
    out=st.sampled_from(ENDINGS),
)
def test_streaming_is_scoring_in_memory(tmp_path_factory, ending, table, zone, part_rows, out):
    folder = tmp_path_factory.mktemp("stream")
    path = write_table(table, folder / f"news.{ending}")
    expected = outcome(lambda: in_memory(path, folder / f"expected.{out}", zone))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_parts, "PART_ROWS", part_rows)
        streamed = outcome(lambda: score_file(path, folder / f"streamed.{out}", Stub(), timezone=zone))
    if isinstance(expected, str):
        mixed = table["published"].str.endswith("Z").any() and (~table["published"].str.contains("[Z+]")).any()
        assert streamed == expected or (
            mixed and re.match(r".*: row \d+: .* (has no time zone|is not a time)", streamed)
        )
        assert not (folder / f"streamed.{out}").exists()
        return
    assert streamed.scored == len(expected)
    assert streamed.mean_score == pytest.approx(expected["score"].mean(), abs=1e-6)
    same(read_table(folder / f"streamed.{out}", NlpError)[0], expected)


def test_a_midnight_is_read_by_the_times_of_other_parts(tmp_path, small_parts):
    times = ["2020-01-01 00:00"] + [f"2020-01-02 {hour:02}:{n}" for hour in range(24) for n in ("00", "30")] * 2
    path = write_table(news(96, published=times[:96], text=[str(n) for n in range(96)]), tmp_path / "n.csv")
    score_file(path, tmp_path / "out.parquet", Stub(), timezone="America/New_York")
    scored = pd.read_parquet(tmp_path / "out.parquet")
    assert scored["time_known"].all()
    assert scored["published"][0] == pd.Timestamp("2020-01-01 05:00", tz="UTC")


@pytest.mark.parametrize(("midnight", "known"), [("auto", 1), ("date", 1), ("time", 10)])
def test_midnights_among_few_other_times_are_dates_unless_it_is_said_otherwise(tmp_path, small_parts, midnight, known):
    times = ["2020-01-01 00:00"] * 9 + ["2020-01-02 09:30"]
    path = write_table(news(10, published=times, asset=list("abcdefghij")), tmp_path / "n.csv")
    score_file(path, tmp_path / "out.parquet", Stub(), timezone="America/New_York", midnight=midnight)
    scored = pd.read_parquet(tmp_path / "out.parquet")
    assert scored["time_known"].sum() == known
    date, time = (pd.Timestamp(f"2020-01-01 {hour}", tz="UTC") for hour in ("00:00", "05:00"))
    assert scored["published"][0] == (time if midnight == "time" else date)


def test_a_bad_row_is_named_by_its_place_in_the_file(tmp_path, small_parts):
    rows = news(10).astype({"published": str})
    rows.loc[8, "published"] = "yesterday"
    path = write_table(rows, tmp_path / "n.csv")
    with pytest.raises(NewsError, match=r"n.csv: row 9: published 'yesterday' is not a time"):
        score_file(path, tmp_path / "out.csv", Stub())
    rows.loc[8, "published"] = "2020-01-05 11:00"  # without the offset that all others have
    with pytest.raises(NewsError, match=r"n.csv: row 9: published '2020-01-05 11:00' is not a time in the form of"):
        score_file(write_table(rows, path), tmp_path / "out.csv", Stub())


def test_half_a_character_is_named_by_its_place_in_the_file(tmp_path, small_parts):
    rows = news(10)
    rows["text"] = rows["text"].astype(object)
    rows.loc[[6, 8], "text"] = [" ", "\ud800"]
    with pytest.raises(NewsError, match=r"n.jsonl: row 9: the text .* holds half a character"):
        score_file(write_table(rows, tmp_path / "n.jsonl"), tmp_path / "out.csv", Stub())


def test_rows_that_are_dropped_are_counted_over_all_parts(tmp_path, small_parts, caplog):
    rows = pd.concat([news(10), news(4), news(2, text=["", None]), news(2, asset=[None, " "])])
    path = write_table(rows, tmp_path / "n.jsonl")
    with caplog.at_level(logging.WARNING):
        report = score_file(path, tmp_path / "out.jsonl", Stub())
    assert (report.rows, report.empty, report.repeats, report.scored, report.computed) == (18, 4, 4, 10, 9)
    assert "n.jsonl: 4 rows without text or asset and 4 exact repeats dropped, 10 kept" in caplog.text
    assert len(caplog.records) == 1


@pytest.mark.parametrize("ending", ENDINGS)
def test_texts_alone_are_scored_row_by_row(tmp_path, small_parts, ending, caplog):
    rows = pd.DataFrame({"id": [1, 2, 3, 4, 5, 6], "text": ["up", "down", "up", " ", None, "NA"]})
    report = score_file(write_table(rows, tmp_path / f"n.{ending}"), tmp_path / f"o.{ending}", Stub())
    scored, _ = read_table(tmp_path / f"o.{ending}", NlpError)
    assert scored.columns.tolist() == ["id", "text", *FOUR]
    assert scored["id"].tolist() == [1, 2, 3, 6]
    assert scored[FOUR].iloc[0].tolist() == scored[FOUR].iloc[2].tolist()
    assert (report.empty, report.repeats, report.computed) == (2, 0, 3)
    assert "has neither published nor asset: texts are scored" in caplog.text


@pytest.mark.parametrize("missing", ["published", "asset", "text"])
def test_a_missing_column_of_dated_news_is_named(tmp_path, missing):
    path = write_table(news(4).drop(columns=missing), tmp_path / "n.csv")
    with pytest.raises(NewsError, match=f"n.csv: has no column {missing} "):
        score_file(path, tmp_path / "o.csv", Stub())


# What other columns hold


@pytest.mark.parametrize("name", ["published", "created_at", "date", "Time", "datetime", "timestamp"])
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", None])
def test_times_that_parquet_holds_as_times_are_read_whatever_their_column_is_called(tmp_path, name, zone):
    times = pd.date_range("2024-03-05 13:02:11", periods=3, freq="7h", tz=zone)
    frame = pd.DataFrame({name: times, "ticker": ["AAA"] * 3, "title": ["one", "two", "three"]})
    frame.to_parquet(tmp_path / "n.parquet")
    score_file(tmp_path / "n.parquet", tmp_path / "o.parquet", Stub(), timezone="America/New_York")
    read = pd.DatetimeIndex(pd.read_parquet(tmp_path / "o.parquet")["published"])
    expected = times.tz_localize("America/New_York") if zone is None else times
    assert (read == expected).all()


def test_parquet_keeps_the_types_it_came_with(tmp_path, small_parts):
    import decimal

    table = pa.table({
        "text": [f"t{n}" for n in range(9)],
        "n": pa.array([2**60 + 1, None] * 4 + [3], pa.int64()),
        "d": pa.array([decimal.Decimal("1.10")] * 9),
        "l": pa.array([[1, None], None, []] * 3, pa.list_(pa.int16())),
        "t": pa.array([1] * 9, pa.timestamp("ns", "Asia/Tokyo")),
        "k": pa.array(["x", "y", None] * 3).dictionary_encode(),
        "none": pa.nulls(9),
    })  # fmt: skip
    pq.write_table(table, tmp_path / "n.parquet")
    score_file(tmp_path / "n.parquet", tmp_path / "o.parquet", Stub())
    again = pq.read_table(tmp_path / "o.parquet")
    assert again.column_names == [*table.column_names, *FOUR]
    assert again.select(table.column_names[1:]).cast(table.select(table.column_names[1:]).schema).equals(
        table.select(table.column_names[1:])
    )  # fmt: skip
    assert again.schema.field("n").type == pa.int64()
    assert again.schema.field("d").type == table.schema.field("d").type


def test_an_index_that_pandas_wrote_is_left_out_as_in_memory(tmp_path):
    news(6).set_index(pd.Index([7, 3, 5, 1, 0, 2])).to_parquet(tmp_path / "n.parquet")
    score_file(tmp_path / "n.parquet", tmp_path / "o.parquet", Stub())
    same(pd.read_parquet(tmp_path / "o.parquet"), in_memory(tmp_path / "n.parquet", tmp_path / "e.parquet"))


def test_json_lines_keep_each_value_as_it_is(tmp_path, small_parts):
    lines = [
        f'{{"text": "t{n}", "n": {n}, "many": {value}}}'
        for n, value in enumerate(['"a"', "1", "null", '{"b": []}'] * 3)
    ]
    lines[7] = '{"text": "t7"}'
    (tmp_path / "n.jsonl").write_text("\n".join(lines))
    score_file(tmp_path / "n.jsonl", tmp_path / "o.jsonl", Stub())
    written = (tmp_path / "o.jsonl").read_text().splitlines()
    assert [line.partition(', "negative"')[0] + "}" for line in written] == [
        *lines[:7], '{"text": "t7", "n": null, "many": null}', *lines[8:],
    ]  # fmt: skip
    with pytest.raises(NlpError, match=r"o.parquet: Parquet cannot hold the column many, of values of several kinds"):
        score_file(tmp_path / "n.jsonl", tmp_path / "o.parquet", Stub())
    assert not (tmp_path / "o.parquet").exists()


def test_json_lines_become_parquet_of_one_type_per_column(tmp_path, small_parts):
    lines = [f'{{"text": "t{n}", "n": {n}, "x": {n / 2 if n > 5 else n}, "late": null}}' for n in range(8)]
    lines.append('{"text": "t8", "late": "word"}')
    (tmp_path / "n.jsonl").write_text("\n".join(lines))
    score_file(tmp_path / "n.jsonl", tmp_path / "o.parquet", Stub())
    again = pq.read_table(tmp_path / "o.parquet")
    assert [str(again.schema.field(name).type) for name in ("n", "x", "late")] == ["int64", "double", "string"]
    assert again["n"].to_pylist() == [*range(8), None]
    assert again["late"].to_pylist() == [None] * 8 + ["word"]


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (["1", "2", "3", "4", "5"], "int64"),
        (["1", "", "3", "4", "5"], "double"),
        (["1", "2", "3", "4", ""], "double"),
        (["1", "2", "3", "4", "1.5"], "double"),
        (["True", "False", "True", "True", ""], "bool"),
        (["007", "2", "3", "4", "x"], "string"),
        (["", "", "", "", "x"], "string"),
        (["1", "2", "3", "4", "18446744073709551615"], "string"),
        (["18446744073709551615"] * 5, "string"),
        (["1", "2", "3", "4", "99999999999999999999999"], "string"),
    ],
)
def test_a_csv_column_has_one_type_in_all_parts(tmp_path, small_parts, column, kind):
    pd.DataFrame({"text": [f"t{n}" for n in range(5)], "c": column}).to_csv(tmp_path / "n.csv", index=False)
    score_file(tmp_path / "n.csv", tmp_path / "o.parquet", Stub())
    again = pq.read_table(tmp_path / "o.parquet")["c"]
    assert str(again.type).removeprefix("large_") == kind
    if kind == "string":
        assert again.to_pylist() == [value or None for value in column]


def test_columns_without_a_name_are_read_as_in_memory(tmp_path, small_parts):
    (tmp_path / "n.csv").write_text(
        "text,,published,asset,\n" + "".join(f"t{n},x,2020-01-0{n + 1},A,{n}\n" for n in range(6))
    )
    score_file(tmp_path / "n.csv", tmp_path / "o.csv", Stub())
    same(read_table(tmp_path / "o.csv", NlpError)[0], in_memory(tmp_path / "n.csv", tmp_path / "e.csv"))


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_byte_order_mark_is_no_part_of_the_table(tmp_path, small_parts, ending):
    plain, marked = (write_table(news(6), tmp_path / f"{name}.{ending}") for name in ("plain", "marked"))
    marked.write_bytes(b"\xef\xbb\xbf" + plain.read_bytes())
    for path in (plain, marked):
        score_file(path, path.with_suffix(".parquet"), Stub())
    same(*(pd.read_parquet(path.with_suffix(".parquet")) for path in (plain, marked)))


# Whole or not there


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_cannot_be_read_leaves_the_old_file(tmp_path, ending):
    (tmp_path / f"n.{ending}").write_text('{"text": \n"a,b,c"\n1,2,3,4')
    (tmp_path / "o.csv").write_text("old")
    with pytest.raises(NewsError, match=rf"n.{ending}: cannot be read as {ending}: .+"):
        score_file(tmp_path / f"n.{ending}", tmp_path / "o.csv", Stub())
    assert (tmp_path / "o.csv").read_text() == "old"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.csv", None, "gone.csv: no such file"),
        ("n.txt", "x", r"n.txt: the ending '.txt' is not known: use .csv, .parquet, .jsonl"),
        ("n.csv", "text,text\na,b\n", "n.csv: cannot be read as csv: it has the column text twice: drop or rename"),
        ("n.csv", "published,asset,text\n", "n.csv: holds no news rows"),
        ("n.csv", "text\n\" \"\n", "n.csv: no row has a text"),
        ("n.csv", "published,asset,text\n2020-01-01,,x\n", "n.csv: no row has both a text and an asset"),
        ("n.jsonl", "", r"n.jsonl: has no column text \(it has none\)"),
        ("n.jsonl", '{"text": "a"}\n\n[1]\n', "n.jsonl: cannot be read as jsonl: row 2 is not an object"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_named(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(NewsError, match=message):
        score_file(tmp_path / name, tmp_path / "o.csv", Stub())
    assert not (tmp_path / "o.csv").exists()


def test_an_unknown_ending_is_refused_before_anything_is_computed(tmp_path):
    stub = Stub()
    with pytest.raises(NlpError, match="o.xlsx: the ending '.xlsx' is not known"):
        score_file(write_table(news(4), tmp_path / "n.csv"), tmp_path / "o.xlsx", stub)
    assert not stub.asked


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_error_on_the_way_leaves_the_old_file_and_what_was_committed(tmp_path, small_parts, ending):
    class Failing(Stub):
        def predict_proba(self, texts, **_):
            if len(self.asked) > 5:
                raise NlpError("out of order")
            return super().predict_proba(texts)

    path, out = write_table(news(20), tmp_path / f"n.{ending}"), tmp_path / f"o.{ending}"
    out.write_text("old")
    with ScoreStore(tmp_path / "s", "stub") as store:
        with pytest.raises(NlpError, match="out of order"):
            score_file(path, out, Failing(), store=store)
        assert out.read_text() == "old"
        assert not list(tmp_path.glob(".*"))
        assert len(store) == 8
        rest = Stub()
        report = score_file(path, out, rest, store=store)
        assert (len(rest.asked), report.computed, report.scored) == (1, 1, 20)
    score_file(path, tmp_path / f"fresh.{ending}", Stub())
    assert out.read_bytes() == (tmp_path / f"fresh.{ending}").read_bytes()


class Mortal(Stub):
    """Kills its process when it is asked once more than `calls` times."""

    def __init__(self, calls):
        super().__init__()
        self.calls = calls

    def predict_proba(self, texts, **_):
        self.calls -= 1
        if self.calls < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().predict_proba(texts)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("ending", ENDINGS)
def test_killed_runs_are_resumed_to_the_same_file(tmp_path, small_parts, ending):
    rows = news(60, text=[f"t{n % 50}" for n in range(60)])
    path, out = write_table(rows, tmp_path / f"n.{ending}"), tmp_path / f"o.{ending}"
    for calls in (0, 1, 3, 5):
        child = os.fork()
        if child == 0:
            try:
                with ScoreStore(tmp_path / "s", "stub") as store:
                    score_file(path, out, Mortal(calls), store=store)
            finally:
                os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        assert not out.exists()
    rest = Stub()
    with ScoreStore(tmp_path / "s", "stub") as store:
        score_file(path, out, rest, store=store)
    assert len(rest.asked) == 50 - 9 * 4
    assert not list(tmp_path.glob(".*"))
    score_file(path, tmp_path / f"fresh.{ending}", Stub())
    assert out.read_bytes() == (tmp_path / f"fresh.{ending}").read_bytes()
