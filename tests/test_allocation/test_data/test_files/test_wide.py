"""Wide frames on disk: exact round trips, bad files named, writes that are whole or not there."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import random_prices, random_signal

from allocation import SourceError, load_prices, read_frame, write_frame

ENDINGS = ["csv", "parquet"]


@pytest.mark.parametrize("ending", ENDINGS)
@settings(max_examples=15)
@given(seed=st.integers(0, 10_000))
def test_a_wide_frame_comes_back_to_the_last_bit(tmp_path_factory, ending, seed):
    signal = random_signal(seed, random_prices(seed))
    signal.iloc[3] = np.nan
    path = write_frame(signal, tmp_path_factory.mktemp("frames") / "new" / f"signal.{ending}")
    pd.testing.assert_frame_equal(read_frame(path), signal, check_exact=True, check_freq=False, check_index_type=False)


@pytest.mark.parametrize("ending", ENDINGS)
def test_numbers_of_every_size_come_back_to_the_last_bit(tmp_path, ending):
    random = np.random.default_rng(0)
    values = np.exp(random.normal(0, 30, (500, 10))) * random.choice([-1, 1], (500, 10))
    frame = pd.DataFrame(values, index=pd.bdate_range("1990-01-01", periods=500), columns=list("ABCDEFGHIJ"))
    again = read_frame(write_frame(frame, tmp_path / f"f.{ending}"))
    assert (again.to_numpy() == values).all()
    assert (again.index == frame.index).all()


def test_a_csv_is_for_people_too(tmp_path):
    path = write_frame(random_prices(1, 3).round(2).mask(lambda f: f["AAA"] > 1e9), tmp_path / "p.csv")
    lines = path.read_text().splitlines()
    assert lines[0] == "date,AAA,BBB,CCC,DDD"
    assert lines[1].startswith("2021-01-04,")


@pytest.mark.parametrize("write", [lambda p: write_frame(random_prices(1), p), read_frame, load_prices])
def test_an_unknown_ending_is_refused_before_anything_happens(tmp_path, write):
    path = tmp_path / "prices.xlsx"
    with pytest.raises(SourceError, match=r"prices.xlsx: the ending '.xlsx' is not known: use .csv, .parquet"):
        write(path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_missing_file_is_named(tmp_path, ending):
    with pytest.raises(SourceError, match=rf"absent.{ending}: no such file"):
        read_frame(tmp_path / f"absent.{ending}")


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("x.parquet", b"not a parquet file at all", "x.parquet: cannot be read as parquet: .+"),
        ("x.parquet", b"", "x.parquet: cannot be read as parquet: .+"),
        ("x.csv", b"", "x.csv: cannot be read as csv: No columns"),
        ("x.csv", b"date,A\n2021-01-04,1\n2021-01-05,1,2,3\n", "x.csv: cannot be read as csv: .*line 3"),
        ("x.csv", b"date,A\n\xff\xfe,1\n", "x.csv: row 1: 'яю' is not a date"),
    ],
)
def test_a_corrupt_file_is_named_with_the_readers_reason(tmp_path, name, content, complaint):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SourceError, match=complaint):
        read_frame(path)


def csv(folder, text):
    path = folder / "x.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("entry", "shown"),
    [("04/01/2021", "'04/01/2021'"), ("soon", "'soon'"), ("2021-02-30", "'2021-02-30'"), ("", ".*nan.*")],
)
def test_a_bad_date_is_named_with_its_row(tmp_path, entry, shown):
    path = csv(tmp_path, f"date,A\n2021-01-04,1\n{entry},2\n{entry},3\n")
    with pytest.raises(SourceError, match=rf"x.csv: row 2: {shown} is not a date: write .* \(2 such rows\)"):
        read_frame(path)


def test_numbers_are_no_dates(tmp_path):
    """Pandas would read 101.5 as nanoseconds after 1970."""
    with pytest.raises(SourceError, match=r"row 1: .*101\.5.* is not a date.*\(2 such rows\)"):
        read_frame(csv(tmp_path, "AAA,BBB\n101.5,7\n102.5,8\n"))


def test_dates_of_two_time_zones_are_a_source_error(tmp_path):
    path = csv(tmp_path, "date,A\n2021-01-04T10:00:00+01:00,1\n2021-07-05T18:00:00+02:00,2\n")
    with pytest.raises(SourceError, match=r"x.csv: .*time zone"):
        read_frame(path)


def test_a_ticker_twice_in_a_csv_header_is_refused(tmp_path):
    with pytest.raises(ValueError, match="AAA.* twice"):
        read_frame(csv(tmp_path, "date,AAA,AAA\n2021-01-04,1,2\n"))


def test_the_date_column_may_stand_anywhere_or_first_under_any_name(tmp_path):
    expected = read_frame(csv(tmp_path, "date,A,B\n2021-01-04,1,2\n"))
    assert read_frame(csv(tmp_path, "A,date,B\n1,2021-01-04,2\n")).equals(expected)
    assert read_frame(csv(tmp_path, "Day,A,B\n2021-01-04,1,2\n")).equals(expected)
    assert expected.index.name == "date"


def test_a_parquet_file_may_keep_its_dates_in_a_column(tmp_path):
    prices = random_prices(1, 5)
    prices.reset_index().to_parquet(tmp_path / "a.parquet")
    prices.reset_index().assign(date=prices.index.date).to_parquet(tmp_path / "b.parquet")
    for name in ("a", "b"):
        again = read_frame(tmp_path / f"{name}.parquet")
        pd.testing.assert_frame_equal(again, prices, check_freq=False, check_index_type=False)


def test_a_parquet_file_may_keep_plain_dates_in_its_index(tmp_path):
    prices = random_prices(1, 5)
    prices.set_axis(pd.Index(prices.index.date, name="date")).to_parquet(tmp_path / "a.parquet")
    assert (read_frame(tmp_path / "a.parquet").index == prices.index).all()


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_write_that_fails_leaves_the_old_file_whole_and_nothing_beside_it(tmp_path, monkeypatch, ending):
    path = write_frame(random_prices(1), tmp_path / f"p.{ending}")
    before = path.read_bytes()

    def half(_frame, target, **_options):
        target.write_text("half a fi")
        raise OSError("disk full")

    monkeypatch.setattr(pd.DataFrame, f"to_{ending}", half)
    with pytest.raises(SourceError, match=f"p.{ending}: cannot be written: disk full: name another place"):
        write_frame(random_prices(2), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
