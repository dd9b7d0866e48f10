"""News rows: times to UTC without moving news across a close, texts kept as they are, all else refused by name."""

import logging
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsfolio.shared.tables import write_table
from nlp.errors import NewsError
from nlp.texts.headlines import headlines_with_report, read_headlines

ENDINGS = ["csv", "parquet", "jsonl"]
AWKWARD = [
    "NA",
    "None",
    "null",
    "nan",
    'a "quoted", text',
    "two\nlines\r\nthree",
    "£5 – naïve 日本 🚀",
    "  padded  ",
    "\\n",
]


def news(published, **columns):
    rows = {"published": published, "asset": "AAA", "text": [f"text {row}" for row in range(len(published))]}
    return pd.DataFrame(rows | columns)


def iso(headlines):
    return headlines["published"].map(pd.Timestamp.isoformat).tolist()


@settings(max_examples=20)
@given(
    st.lists(
        st.datetimes(datetime(2000, 1, 1), datetime(2026, 1, 1), timezones=st.timezones().map(lambda zone: zone)),
        min_size=1, max_size=20,
    )
)  # fmt: skip
def test_any_mixture_of_offsets_gives_the_instants_in_utc(times):
    times = [time.astimezone(UTC).astimezone(time.tzinfo) for time in times]
    headlines = read_headlines(news([time.isoformat() for time in times]), midnight="time")
    assert headlines["published"].tolist() == [time.astimezone(UTC) for time in times]
    assert headlines["time_known"].all()
    assert str(headlines["published"].dt.tz) == "UTC"


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2014-03-07T15:30:00Z", "2014-03-07T15:30:00+00:00"),
        ("2014-03-07 15:30:00+05:30", "2014-03-07T10:00:00+00:00"),
        ("2014-03-07T15:30-0500", "2014-03-07T20:30:00+00:00"),
        ("2014-03-07 15:30-05", "2014-03-07T20:30:00+00:00"),
        (" 2014-03-07T15:30:00.123456Z ", "2014-03-07T15:30:00.123456+00:00"),
    ],
)
def test_every_way_to_write_an_offset_is_read(written, utc):
    assert iso(read_headlines(news([written]))) == [utc]


def test_offsets_of_hours_only_may_differ():
    headlines = read_headlines(news(["2014-03-07 15:30-05", "2014-03-10 15:30-04"]))
    assert iso(headlines) == ["2014-03-07T20:30:00+00:00", "2014-03-10T19:30:00+00:00"]


local_times = st.datetimes(datetime(2005, 1, 1), datetime(2025, 1, 1))
changes = st.builds(
    lambda day, minutes: day + timedelta(minutes=minutes),
    st.sampled_from([datetime(2014, 3, 9), datetime(2014, 11, 2), datetime(2019, 3, 31), datetime(2019, 10, 27)]),
    st.integers(0, 300),
)
zones = st.sampled_from(["America/New_York", "Europe/London", "Asia/Tokyo", "UTC"])


def readings(time, zone):
    """The instants that a wall-clock time can mean: two where the clock was set back or forward over it."""
    return {time.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1)}


def exists(time, zone):
    return time.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) == time


@given(local_times | changes, zones)
def test_a_local_time_is_the_latest_instant_that_it_can_mean(time, zone):
    headlines = read_headlines(news([time.isoformat(" ")]), timezone=zone, midnight="time")
    if exists(time, zone):
        assert headlines["published"][0] == max(readings(time, zone))


def test_a_local_time_that_was_skipped_is_not_read_too_early():
    time = datetime(2014, 3, 9, 2, 30)
    headlines = read_headlines(news([time.isoformat()]), timezone="America/New_York")
    assert headlines["published"][0] >= max(readings(time, "America/New_York"))


@pytest.mark.parametrize(
    ("time", "zone", "utc"),
    [
        ("2014-03-09 02:30", "America/New_York", "2014-03-09T07:30:00+00:00"),  # an hour, the clock not yet forward
        ("2019-10-06 02:10", "Australia/Lord_Howe", "2019-10-05T15:40:00+00:00"),  # half an hour
        ("2011-12-30 05:00", "Pacific/Apia", "2011-12-30T15:00:00+00:00"),  # the whole day, over the date line
        ("2014-11-02 01:30", "America/New_York", "2014-11-02T06:30:00+00:00"),  # twice: the later
    ],
)
def test_skipped_and_repeated_hours_are_read_late(time, zone, utc):
    assert iso(read_headlines(news([time]), timezone=zone)) == [utc]


def test_a_datetime_column_and_its_text_are_read_alike():
    times = pd.to_datetime(["2014-03-07 15:30:00", "2014-07-07 15:30:00.5"], format="ISO8601")
    for zone in ("UTC", "America/New_York"):
        expected = read_headlines(news(times.tz_localize(zone)))
        assert iso(read_headlines(news(times), timezone=zone)) == iso(expected)
        assert iso(read_headlines(news(times.astype(str)), timezone=zone)) == iso(expected)


def test_times_without_a_zone_need_one():
    with pytest.raises(NewsError, match=r"row 2: 2014-03-07 15:30 has no time zone: .*timezone='UTC'.*--timezone UTC"):
        read_headlines(news(["2014-03-06", "2014-03-07 15:30"]))


def test_a_row_without_an_offset_among_rows_with_one_is_named():
    with pytest.raises(
        NewsError, match="row 2: published '2014-03-07 15:30' is not a time in the form of the other rows"
    ):
        read_headlines(news(["2014-03-07 15:30Z", "2014-03-07 15:30"]), timezone="UTC")


def test_an_unknown_zone_is_named_with_known_ones():
    with pytest.raises(NewsError, match="time zone 'Mars/Base' is not known: use UTC, America/New_York"):
        read_headlines(news(["2014-03-07 15:30"]), timezone="Mars/Base")


@pytest.mark.parametrize(
    "dates",
    [
        ["2014-03-07", "2014-03-10"],
        [" 2014-03-07 ", "2014-3-10"],
        [date(2014, 3, 7), date(2014, 3, 10)],
        pd.to_datetime(["2014-03-07", "2014-03-10"]),
    ],
)
@pytest.mark.parametrize("zone", [None, "America/New_York", "Asia/Tokyo"])
def test_dates_without_a_time_keep_their_date_in_every_zone(dates, zone):
    headlines = read_headlines(news(dates), timezone=zone)
    assert iso(headlines) == ["2014-03-07T00:00:00+00:00", "2014-03-10T00:00:00+00:00"]
    assert not headlines["time_known"].any()


@pytest.mark.parametrize("written", ["20140307", 20140307, "2014/03/07"])
def test_a_date_in_another_form_has_no_known_time_either(written):
    assert not read_headlines(news([written]), timezone="UTC")["time_known"].any()


@pytest.mark.parametrize("written", ["2014-03", "2014", 2014, "2014-03-07Z", 140101010, 20140307.0])
def test_what_pandas_would_take_for_a_midnight_is_refused(written):
    with pytest.raises(NewsError, match="row 1: published .*(2014|1401)"):
        read_headlines(news([written]), timezone="UTC")


@pytest.mark.parametrize(
    "midnights",
    [
        ["2014-03-07 00:00:00", "2014-03-10 00:00:00"],
        ["2014-03-07T00:00:00.000", "2014-03-10T00:00:00.000"],  # as DataFrame.to_json writes dates
        pd.Series([pd.Timestamp("2014-03-07"), pd.Timestamp("2014-03-10")], dtype=object),
    ],
)
def test_a_column_of_midnights_is_dates_only_however_it_is_written(midnights):
    assert not read_headlines(news(midnights), timezone="UTC")["time_known"].any()


def test_a_midnight_among_all_hours_is_a_time():
    times = [f"2014-03-07 {hour:02}:{minute:02}" for hour in range(24) for minute in range(0, 60, 5)]
    assert read_headlines(news(times), timezone="UTC")["time_known"].all()


def test_a_midnight_among_times_of_no_full_hour_is_a_date():
    rows = news(["2014-03-07 00:00", "2014-03-07 15:30"])
    assert read_headlines(rows, timezone="UTC")["time_known"].tolist() == [False, True]
    assert read_headlines(rows, timezone="UTC", midnight="time")["time_known"].all()


def test_dates_mix_with_zoned_and_with_local_times():
    zoned = read_headlines(news(["2014-03-07", "2014-03-07T15:30:00-05:00"]))
    local = read_headlines(news(["2014-03-07", "2014-03-07 15:30"]), timezone="America/New_York")
    for headlines in (zoned, local):
        assert iso(headlines) == ["2014-03-07T00:00:00+00:00", "2014-03-07T20:30:00+00:00"]
        assert headlines["time_known"].tolist() == [False, True]


def test_a_given_time_known_can_only_take_away():
    headlines = read_headlines(
        news(["2014-03-07T00:00Z", "2014-03-07T10:00Z", "2014-03-07"], time_known=[False, True, True])
    )
    assert headlines["time_known"].tolist() == [False, True, False]


def test_a_time_known_that_is_text_is_read():
    times = ["2014-03-07T10:00Z"] * 4
    headlines = read_headlines(news(times, text=list("abcd"), time_known=["False", " true", "TRUE", None]))
    assert headlines["time_known"].tolist() == [False, True, True, False]


@pytest.mark.parametrize("value", ["yes", 1, 0.0, "", "nan"])
def test_a_time_known_that_is_neither_true_nor_false_is_named(value):
    with pytest.raises(NewsError, match="row 2: time_known is .*: write true or false"):
        read_headlines(news(["2014-03-07T10:00Z"] * 2, time_known=pd.Series([True, value], dtype=object)))


@pytest.mark.parametrize("value", ["yesterday", "", None, "2014-13-01", "2014-02-30 10:00", "15:30", 139385700])
def test_a_time_that_cannot_be_read_is_named_with_its_row_and_the_form_to_use(value):
    with pytest.raises(
        NewsError, match=r"the frame: row 2: published .* is not a time .*write 2014-03-07T15:30:00\+00:00"
    ):
        read_headlines(news(["2014-03-07T10:00Z", value]))


@pytest.mark.parametrize("missing", ["published", "asset", "text"])
def test_a_missing_column_is_named_with_those_that_are_there(missing):
    with pytest.raises(
        NewsError,
        match=rf"the frame: has no column {missing} \(it has .*\): .*--columns {missing}=NAME",
    ):
        read_headlines(news(["2014-03-07"]).drop(columns=missing))


def test_no_rows_are_refused():
    with pytest.raises(NewsError, match="the frame: holds no news rows"):
        read_headlines(news([]))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.csv", None, "gone.csv: no such file"),
        ("news.txt", "x", r"news.txt: the ending '.txt' is not known: use .csv, .parquet, .jsonl"),
        ("news.csv", "", "news.csv: cannot be read as csv: No columns"),
        ("news.csv", "published,asset,text\n", "news.csv: holds no news rows"),
        ("news.jsonl", "", r"news.jsonl: has no column published, asset, text \(it has none\)"),
        ("news.jsonl", "{oops", "news.jsonl: cannot be read as jsonl"),
        ("news.jsonl", '{"text": "a"}\n[1]\n', "news.jsonl: cannot be read as jsonl: row 2 is not an object"),
        ("news.parquet", "oops", "news.parquet: cannot be read as parquet"),
        (
            "news.csv",
            "published,asset,text\n2014-03-07,AAA,hi\n7 March,AAA,ho\n",
            "news.csv: row 2: published '7 March'",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(NewsError, match=message):
        read_headlines(tmp_path / name)


def test_rows_without_text_or_asset_and_exact_repeats_are_dropped_and_counted(caplog):
    rows = news(
        ["2014-03-07"] * 7,
        asset=["A", "A", "B", "A", None, "A", "A"],
        text=["x", "x", "x", " ", "x", None, 3],
    )
    with caplog.at_level(logging.WARNING):
        headlines = read_headlines(rows)
    assert headlines[["asset", "text"]].to_numpy().tolist() == [["A", "x"], ["B", "x"]]
    assert headlines.index.tolist() == [0, 1]
    assert "the frame: 4 rows without text or asset and 1 exact repeats dropped, 2 kept" in caplog.text


def test_the_same_text_at_another_instant_or_of_another_asset_is_kept_and_nothing_logged(caplog):
    rows = news(["2014-03-07T10:00Z", "2014-03-07T11:00Z", "2014-03-07T10:00Z"], asset=["A", "A", "B"], text="x")
    with caplog.at_level(logging.WARNING):
        assert len(read_headlines(rows)) == 3
    assert not caplog.records


def test_one_instant_in_two_zones_is_a_repeat():
    rows = news(["2014-03-07T10:00Z", "2014-03-07T05:00-05:00"], text="x")
    assert len(read_headlines(rows)) == 1


@pytest.mark.parametrize("empty", ["", "  "])
def test_rows_with_an_empty_asset_are_dropped(empty):
    assert len(read_headlines(news(["2014-03-07", "2014-03-08"], asset=["A", empty]))) == 1


def test_when_nothing_is_left_it_says_so():
    with pytest.raises(NewsError, match="the frame: no row has both a text and an asset"):
        read_headlines(news(["2014-03-07"], text=[" "]))


def test_order_other_columns_and_the_given_frame_are_kept():
    rows = news(["2014-03-09", "2014-03-07", "2014-03-08"], source=["x", "y", "z"]).set_index(pd.Index([5, 3, 9]))
    before = rows.copy()
    headlines = read_headlines(rows)
    assert headlines["source"].tolist() == ["x", "y", "z"]
    assert headlines["text"].tolist() == ["text 0", "text 1", "text 2"]
    pd.testing.assert_frame_equal(rows, before)


def test_an_index_with_repeats_does_no_harm():
    rows = news(["2014-03-07", "2014-03-07 10:00"]).set_index(pd.Index([0, 0]))
    assert read_headlines(rows, timezone="UTC")["text"].tolist() == ["text 0", "text 1"]


def test_a_column_that_is_there_twice_is_named():
    rows = pd.concat([news(["2014-03-07"]), news(["2014-03-07"])[["text"]]], axis=1)
    with pytest.raises(NewsError, match="text"):
        read_headlines(rows)


@pytest.mark.parametrize("ending", ENDINGS)
def test_words_that_look_like_nothing_and_odd_characters_stay_texts(tmp_path, ending):
    rows = news(["2014-03-07T10:00:00Z"] * len(AWKWARD), text=AWKWARD)
    assert read_headlines(write_table(rows, tmp_path / f"news.{ending}"))["text"].tolist() == AWKWARD


@pytest.mark.parametrize("ending", ENDINGS)
def test_tickers_that_look_like_nothing_stay_tickers(tmp_path, ending):
    rows = news(["2014-03-07"] * 3, asset=["NA", "NAN", "NULL"])
    assert read_headlines(write_table(rows, tmp_path / f"news.{ending}"))["asset"].tolist() == [
        "NA",
        "NAN",
        "NULL",
    ]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("tickers", [["0005", "7203"], ["TRUE", "TRUE"]])
def test_tickers_of_digits_or_true_are_kept(tmp_path, ending, tickers):
    rows = news(["2014-03-07"] * 2, asset=tickers)
    assert read_headlines(write_table(rows, tmp_path / f"news.{ending}"))["asset"].tolist() == tickers


def test_a_csv_with_one_text_of_digits_is_read(tmp_path):
    path = write_table(news(["2014-03-07"], text=["2014"]), tmp_path / "news.csv")
    assert read_headlines(path)["text"].tolist() == ["2014"]


@pytest.mark.parametrize(
    "times", [["2014-03-07T10:00Z", "2014-03-08T10:00:00.5Z"], ["2014-03-07", "2014-03-08T10:00Z"]]
)
@pytest.mark.parametrize("ending", ENDINGS)
def test_what_was_read_is_read_back_the_same(tmp_path, ending, times):
    headlines = read_headlines(news(times, score=[0.1, -1 / 8]))
    again = read_headlines(write_table(headlines, tmp_path / f"news.{ending}"))
    pd.testing.assert_frame_equal(again, headlines, check_dtype=False)


def test_json_lines_keep_every_digit(tmp_path):
    headlines = read_headlines(news(["2014-03-07T10:00:00.123456Z"], score=[1 / 3]))
    again = read_headlines(write_table(headlines, tmp_path / "news.jsonl"))
    assert iso(again) == iso(headlines)
    assert again["score"][0] == 1 / 3


def test_every_row_is_kept_or_counted_in_the_report():
    rows = news(
        ["2014-03-07"] * 8 + ["2014-03-09T10:00Z"],
        asset=["A", "A", "B", "A", None, "A", " ", "A", "OLD"],
        text=["x", "x", "x", " ", "x", None, "x", 3, "y"],
    )
    kept, report = headlines_with_report(rows, aliases={"OLD": "NEW"})
    assert (report.given, report.kept, report.without_text, report.without_asset, report.repeats) == (9, 3, 3, 2, 1)
    assert report.given == report.kept + report.empty + report.repeats == 9
    assert (report.renamed, report.date_only, report.assets) == (1, 2, len(set(kept["asset"])))
    assert str(report).splitlines() == [
        "the frame: 3 of 9 rows kept, 3 assets, 2014-03-07 to 2014-03-09",
        "dropped: 3 without text, 2 without asset, 1 exact repeats; 1 renamed by alias; "
        "2 with a date only, known at the next session",
    ]


@pytest.mark.parametrize("form", ["mapping", "frame", "csv"])
def test_aliases_rename_before_repeats_are_looked_for(tmp_path, form):
    table = pd.DataFrame({"alias": ["FB", "0005"], "asset": ["META", "HSBC"]})
    table.to_csv(tmp_path / "aliases.csv", index=False)
    source = {"mapping": {"FB": "META", "0005": "HSBC"}, "frame": table, "csv": tmp_path / "aliases.csv"}[form]
    rows = news(["2014-03-07T10:00Z"] * 4, asset=["FB", " META", "META", "0005"], text="x")
    assert read_headlines(rows, aliases=source)["asset"].tolist() == ["META", "HSBC"]


def test_an_alias_is_followed_once():
    rows = news(["2014-03-07T10:00Z"] * 2, asset=["A", "B"], text=["x", "y"])
    assert read_headlines(rows, aliases={"A": "B", "B": "C"})["asset"].tolist() == ["B", "C"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"alias": ["A", "A"], "asset": ["B", "C"]}, "alias 'A' stands for B, C: keep one"),
        ({"alias": ["A", ""], "asset": ["B", "C"]}, "row 2: alias '' is no name: write one or drop the row"),
        ({"alias": ["A"], "asset": [None]}, "row 1: asset .* is no name"),
        ({"alias": ["A"]}, "has no column asset"),
    ],
)
def test_aliases_that_cannot_be_used_are_named(table, message):
    with pytest.raises(NewsError, match=message):
        read_headlines(news(["2014-03-07"]), aliases=pd.DataFrame(table))
