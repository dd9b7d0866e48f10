"""Tables on disk: endings, exact round trips, and files that are whole or not there."""

import numpy as np
import pandas as pd
import pytest

from newsfolio.shared.errors import NewsfolioError
from newsfolio.shared.tables import need_columns, read_table, write_indexed, write_table
from nlp.errors import CorpusError, NewsError, NlpError

TABLE = pd.DataFrame({"text": ["NA", 'a,\r\n"b"', "日本"], "score": [1 / 3, -1.0, 0.25], "n": [1, 2, 3]})


def signal():
    index = pd.DatetimeIndex(["2021-01-04", "2021-01-05"], name="date")
    return pd.DataFrame({"AAA": [1 / 3, np.nan], "BBB": [-1.0, 0.5]}, index=index)


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_a_table_comes_back_as_it_was(tmp_path, ending):
    path = write_table(TABLE, tmp_path / "new" / f"t.{ending}")
    again, where = read_table(path, NlpError)
    pd.testing.assert_frame_equal(again, TABLE)
    assert where == str(path)


def test_json_lines_keep_nanoseconds_and_what_is_missing(tmp_path):
    times = pd.Series(pd.DatetimeIndex(["2021-01-04 10:00:00.123456789", None], tz="UTC"))
    table = pd.DataFrame(
        {"time": times, "x": [np.nan, np.float32(0.1)], "word": [None, "\u2028"], "yes": [True, False]}
    )
    path = write_table(table, tmp_path / "t.jsonl")
    again, _ = read_table(path, NlpError)
    assert again["time"][0] == "2021-01-04T10:00:00.123456789+00:00"
    assert again["time"].isna().tolist() == [False, True]
    assert np.isnan(again["x"][0])
    assert np.float32(again["x"][1]) == np.float32(0.1)
    assert again["word"].isna().tolist() == [True, False]
    assert again["word"][1] == "\u2028"
    assert again["yes"].dtype == bool


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_random_floats_come_back_bit_for_bit(tmp_path, ending):
    table = pd.DataFrame({"x": np.random.default_rng(0).standard_normal(2000)})
    again, _ = read_table(write_table(table, tmp_path / f"t.{ending}"), NlpError)
    assert again["x"].tolist() == table["x"].tolist()


def test_an_indexed_frame_has_its_dates_in_front(tmp_path):
    text = write_indexed(signal(), tmp_path / "s.csv").read_text().splitlines()
    assert text[0] == "date,AAA,BBB"
    assert text[2] == "2021-01-05,,0.5"
    pd.testing.assert_frame_equal(pd.read_parquet(write_indexed(signal(), tmp_path / "s.parquet")), signal())


def test_an_index_without_a_name_is_called_date(tmp_path):
    assert write_indexed(signal().rename_axis(None), tmp_path / "s.csv").read_text().startswith("date,")


@pytest.mark.parametrize("write", [write_table, write_indexed])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_failure_leaves_the_old_file_whole_and_nothing_else(tmp_path, monkeypatch, write, ending):
    path = write(signal(), tmp_path / f"t.{ending}")
    before = path.read_bytes()

    def fail(self, target, *_, **__):
        with open(target, "wb") as file:
            file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, f"to_{ending}", fail)
    with pytest.raises(NewsfolioError, match=f"t.{ending}: cannot be written: No space left on device"):
        write(signal(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_written_file_replaces_the_old(tmp_path):
    for table in (TABLE, TABLE.head(1)):
        path = write_table(table, tmp_path / "t.csv")
    assert len(read_table(path, NlpError)[0]) == 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("write", "known"), [(write_table, ".csv, .parquet, .jsonl"), (write_indexed, ".csv, .parquet")]
)
@pytest.mark.parametrize("name", ["t.xlsx", "t", "t.CSV.gz"])
def test_an_unknown_ending_is_refused_before_anything_is_written(tmp_path, write, known, name):
    with pytest.raises(CorpusError, match=rf"{name}: the ending '.*' is not known: use {known}$"):
        write(TABLE, tmp_path / "sub" / name, CorpusError)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["file/t.csv", "folder.csv"])
def test_a_place_that_cannot_be_written_is_named(tmp_path, place):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(CorpusError, match=f"{place}: cannot be written: .*name another place"):
        write_table(TABLE, tmp_path / place, CorpusError)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.csv"]


def test_a_column_twice_in_a_csv_file_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("\ufefftext,n,,text,\na,1,,b,\n")
    with pytest.raises(NlpError, match=r"t\.csv: cannot be read as csv: it has the column text twice: drop or rename"):
        read_table(tmp_path / "t.csv", NlpError)
    (tmp_path / "t.csv").write_text("text,n,,text.1,\na,1,,b,\n")  # columns without a name may be several
    assert read_table(tmp_path / "t.csv", NlpError)[0]["text.1"].tolist() == ["b"]


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_byte_order_mark_is_no_part_of_the_table(tmp_path, ending):
    path = write_table(TABLE, tmp_path / f"t.{ending}")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    pd.testing.assert_frame_equal(read_table(path, NlpError)[0], TABLE)


@pytest.mark.parametrize("error", [NewsError, CorpusError])
def test_reading_raises_the_callers_error(tmp_path, error):
    with pytest.raises(error, match="gone.csv: no such file"):
        read_table(tmp_path / "gone.csv", error)
    with pytest.raises(error, match="the ending '.txt' is not known: use .csv, .parquet, .jsonl"):
        read_table(tmp_path / "t.txt", error)


def test_a_frame_is_passed_through():
    table, where = read_table(TABLE, NlpError)
    assert table is TABLE
    assert where == "the frame"


def test_missing_columns_are_named_with_those_that_are_there():
    need_columns(TABLE, ("text", "n"), "here", NlpError)
    with pytest.raises(NlpError, match=r"here: has no column a, b \(it has text, score, n\): rename or add it"):
        need_columns(TABLE, ("a", "text", "b"), "here", NlpError)
