"""Kinds of news files that people have: each is read right, or refused in words that help; the table documents it."""

import json
import logging

import numpy as np
import pandas as pd
import pytest

from newsfolio.shared.tables import read_table, write_table
from nlp.errors import NewsError, NlpError
from nlp.scoring.stream.score_file import score_file
from nlp.texts.columns import parse_columns
from nlp.texts.headlines import headlines_with_report, read_headlines

DAYS = pd.bdate_range("2023-02-27", "2023-11-30")  # over both changes of the clock
HEAD = "published,asset,text\n"


class Stub:
    """The same probabilities for every text."""

    fingerprint = "stub"
    training = None

    def predict_proba(self, texts, **_):
        return np.full((len(texts), 3), 1 / 3, dtype=np.float32)


class NeverAsked(Stub):
    """Must not be asked."""

    def predict_proba(self, texts, **_):
        raise AssertionError(texts)


def frame(published, **columns):
    rows = {"published": published, "asset": "AAA", "text": [f"text {row}" for row in range(len(published))]}
    return pd.DataFrame(rows | columns)


def both_ways(rows, tmp_path, **how):
    """Read in memory and, through CSV and Parquet, in parts: all alike."""
    read = read_headlines(rows, **how)
    for ending in ("csv", "parquet"):
        path = tmp_path / f"news.{ending}"
        rows.to_csv(path, index=False) if ending == "csv" else rows.to_parquet(path, index=False)
        score_file(path, tmp_path / "scored.parquet", Stub(), **how)
        scored = pd.read_parquet(tmp_path / "scored.parquet")
        for column in ("asset", "text", "time_known"):
            assert scored[column].tolist() == read[column].tolist()
        assert (scored["published"].to_numpy() == read["published"].to_numpy()).all()
    return read


def stamped(zone):
    return pd.Series(DAYS.tz_localize(zone))


# Dates in disguise

MIDNIGHTS = {
    "Z": DAYS.strftime("%Y-%m-%dT00:00:00Z"),
    "an offset": DAYS.strftime("%Y-%m-%d 00:00:00-05:00"),
    "an odd offset": DAYS.strftime("%Y-%m-%dT00:00+04:30"),
    "UTC behind it": DAYS.strftime("%Y-%m-%d 00:00:00 UTC"),
    "New York in UTC": stamped("America/New_York").dt.tz_convert("UTC"),
    "New York in UTC as text": stamped("America/New_York").dt.tz_convert("UTC").map(pd.Timestamp.isoformat),
    "Shanghai in UTC": stamped("Asia/Shanghai").dt.tz_convert("UTC"),
    "Berlin in UTC": stamped("Europe/Berlin").dt.tz_convert("UTC"),
    "pd.to_datetime(utc=True)": pd.to_datetime(DAYS.strftime("%Y-%m-%d"), utc=True),
    "tz_localize": stamped("America/New_York"),
    "tz_localize far away": stamped("Pacific/Auckland"),
    "epoch seconds": DAYS.as_unit("s").asi8,
    "epoch milliseconds": DAYS.as_unit("ms").asi8,
    "RFC 2822": DAYS.strftime("%a, %d %b %Y 00:00:00 +0000"),
}


@pytest.mark.parametrize("kind", MIDNIGHTS)
def test_a_column_of_midnights_is_dates(kind, tmp_path, caplog):
    rows = frame(pd.Series(MIDNIGHTS[kind]))
    with caplog.at_level(logging.WARNING):
        read = both_ways(rows, tmp_path)
    assert not read["time_known"].any()
    assert read["published"].tolist() == DAYS.tz_localize("UTC").tolist()
    assert f"{len(DAYS)} of {len(DAYS)} times (100%) are exactly midnight" in caplog.text
    assert read_headlines(rows, midnight="time")["time_known"].all()


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_midnights_mixed_with_real_times_are_dates(zone, tmp_path):
    real = DAYS.tz_localize("America/New_York") + pd.to_timedelta(np.arange(len(DAYS)) * 7919 % 86399 + 1, unit="s")
    dates = stamped(zone).dt.tz_convert("UTC")
    rows = frame(pd.concat([pd.Series(real.tz_convert("UTC")), dates[::10]], ignore_index=True))
    read = both_ways(rows, tmp_path)
    assert read["time_known"].sum() == len(DAYS)
    assert read["published"][len(DAYS) :].tolist() == DAYS[::10].tz_localize("UTC").tolist()
    assert read["published"][: len(DAYS)].tolist() == real.tz_convert("UTC").tolist()


def test_times_at_any_minute_keep_their_midnights(tmp_path):
    rows = frame(pd.Series(pd.date_range("2023-01-01", periods=5000, freq="17min", tz="UTC")))
    assert both_ways(rows, tmp_path)["time_known"].all()
    assert both_ways(rows, tmp_path, midnight="date")["time_known"].sum() < 5000


@pytest.mark.parametrize("hour", [6, 10, 13.5, 21])
def test_one_time_of_every_day_is_a_time(hour):
    assert read_headlines(frame(pd.Series(DAYS.tz_localize("UTC") + pd.Timedelta(hours=hour))))["time_known"].all()


def test_an_unknown_choice_for_midnights_is_refused():
    with pytest.raises(NewsError, match="midnight is 'never': use 'auto', 'time' or 'date'"):
        read_headlines(frame(["2023-01-01T10:00Z"]), midnight="never")


# Times in other forms

FORMS = {
    "2023-12-15 23:00:00 UTC": "2023-12-15T23:00:00+00:00",
    "2023-12-15 23:00:00 GMT": "2023-12-15T23:00:00+00:00",
    "1702681200": "2023-12-15T23:00:00+00:00",
    "1702681200.5": "2023-12-15T23:00:00.500000+00:00",
    "1702681200000": "2023-12-15T23:00:00+00:00",
    "1702681200123456": "2023-12-15T23:00:00.123456+00:00",
    "Fri, 15 Dec 2023 18:00:00 -0500": "2023-12-15T23:00:00+00:00",
    "Fri, 15 Dec 2023 18:00:00 EST": "2023-12-15T23:00:00+00:00",
    "15 Dec 2023 23:00:00 GMT": "2023-12-15T23:00:00+00:00",
    "2023-12-15 18:00:00 EST": "2023-12-15T23:00:00+00:00",
    "2023-07-15 19:00 EDT": "2023-07-15T23:00:00+00:00",
    "20231215T230000Z": "2023-12-15T23:00:00+00:00",
    "Dec 15, 2023 06:00 PM EST": "2023-12-15T23:00:00+00:00",
    "Friday, December 15, 2023 at 11:00:00 PM UTC": "2023-12-15T23:00:00+00:00",
    "15-Dec-2023 23:00 +0000": "2023-12-15T23:00:00+00:00",
    "2023-12-15 11:00:00 PM Z": "2023-12-15T23:00:00+00:00",
    "2023/12/15 11:00 p.m. GMT": "2023-12-15T23:00:00+00:00",
}


@pytest.mark.parametrize("written", FORMS)
@pytest.mark.parametrize("others", [[], ["2023-12-14T10:00:00Z", "2023-12-14"]])
def test_other_forms_of_a_time_are_read(written, others, tmp_path):
    read = both_ways(frame([written, *others]), tmp_path)
    assert read["published"][0] == pd.Timestamp(FORMS[written])
    assert read["time_known"].tolist() == [True, True, False][: len(others) + 1]


UNZONED = {
    "Jan 3, 2023": "2023-01-03",
    "Jan. 3, 2023": "2023-01-03",
    "3 Sept 2023": "2023-09-03",
    "03-Jan-2023": "2023-01-03",
    "Tuesday, January 3, 2023": "2023-01-03",
    "January 3, 2023 14:05": "2023-01-03T14:05",
    "2023-01-03 02:00:00 PM": "2023-01-03T14:00",
    "2023-01-03 12:30 am": "2023-01-03T00:30",
    "44929": "2023-01-03",
    "44929.0": "2023-01-03",
    "44929.4375": "2023-01-03T10:30",
    "44929.58333": "2023-01-03T14:00",
    "44929.5833333333": "2023-01-03T14:00",
    "44929.6666": "2023-01-03T15:59:59",  # of what four decimals can mean the latest
}


@pytest.mark.parametrize("written", UNZONED)
def test_dates_of_people_and_spreadsheets_are_read(written, tmp_path):
    read = both_ways(frame([written, "2023-01-04"]), tmp_path, timezone="UTC")
    assert read["published"][0] == pd.Timestamp(UNZONED[written], tz="UTC")
    assert read["time_known"].tolist() == ["T" in UNZONED[written], False]


def test_numbers_of_a_spreadsheet_are_days(tmp_path):
    read = both_ways(frame([44929, 44930.75]), tmp_path, timezone="America/New_York")
    assert read["published"].map(pd.Timestamp.isoformat).tolist() == [
        "2023-01-03T00:00:00+00:00",
        "2023-01-04T23:00:00+00:00",
    ]


@pytest.mark.parametrize("written", ["Foo 3, 2023", "Jan 32, 2023", "Jan 3, 2023 25:00", "3-Jan-23", "13:00 PM"])
def test_what_is_no_date_is_refused(written):
    with pytest.raises(NewsError, match="row 1: published .* is not a time.*: write 2014-03-07T15:30:00"):
        read_headlines(frame([written, "2023-01-04"]), timezone="UTC")


def test_epoch_numbers_are_read_with_a_gap_refused(tmp_path):
    both_ways(frame([1702681200, 1702681260]), tmp_path)
    with pytest.raises(NewsError, match="row 2: published nan is not a time"):
        read_headlines(frame([1702681200.0, np.nan]))


@pytest.mark.parametrize("written", ["1823-12-15T10:00:00Z", "0023-12-15", "2203-12-15T10:00Z", "2093-01-01"])
def test_years_of_no_news_are_refused(written, tmp_path):
    rows = frame(["2023-12-15T10:00:00Z", written])
    with pytest.raises(NewsError, match=r"row 2: published .* lies (before 1900|in the future) .*: correct it"):
        read_headlines(rows)
    rows.to_csv(tmp_path / "n.csv", index=False)
    with pytest.raises(NewsError, match=r"n.csv: row 2: published .* lies (before 1900|in the future)"):
        score_file(tmp_path / "n.csv", tmp_path / "o.csv", Stub())


# Dates with slashes

ORDERED = {
    "day first": (["13/04/2018", "03/04/2018"], ["2018-04-13", "2018-04-03"]),
    "month first": (["04/13/2018", "04/03/2018"], ["2018-04-13", "2018-04-03"]),
    "dots": (["13.04.2018", "3.4.2018"], ["2018-04-13", "2018-04-03"]),
    "hyphens": (["03-04-2018", "13-04-2018"], ["2018-04-03", "2018-04-13"]),
    "times": (["13/04/2018 15:30", "03/04/2018 9:05:07"], ["2018-04-13T15:30", "2018-04-03T09:05:07"]),
    "a.m. and p.m.": (["4/13/2018 3:30 PM", "4/3/2018 12:05:07 am"], ["2018-04-13T15:30", "2018-04-03T00:05:07"]),
    "a comma": (["4/13/2018, 3:30:00 PM", "4/3/2018, 9:30:00 AM"], ["2018-04-13T15:30", "2018-04-03T09:30"]),
    "zones": (["13/04/2018 15:30 UTC", "03/04/2018 15:30+02:00"], ["2018-04-13T15:30", "2018-04-03T13:30"]),
    "ISO among them": (["2018-04-13", "04/30/2018"], ["2018-04-13", "2018-04-30"]),
}


@pytest.mark.parametrize("kind", ORDERED)
@pytest.mark.parametrize("part_rows", [1, 100])
def test_dates_with_slashes_are_read_where_the_column_shows_their_order(kind, part_rows, tmp_path, monkeypatch):
    monkeypatch.setattr("nlp.scoring.stream.read.PART_ROWS", part_rows)
    written, meant = ORDERED[kind]
    read = both_ways(frame(written), tmp_path, timezone="UTC")
    assert read["published"].tolist() == [pd.Timestamp(each, tz="UTC") for each in meant]
    assert read["time_known"].tolist() == ["T" in each for each in meant]


@pytest.mark.parametrize(
    ("written", "why"),
    [
        (["03/04/2018", "05/04/2018"], "03/04/2018 may have the day or the month first"),
        (["13/04/2018", "04/13/2018"], "13/04/2018 has the day first and 04/13/2018 the month"),
    ],
)
def test_dates_in_an_order_that_nothing_shows_are_read_once_it_is_named(written, why, tmp_path):
    rows = frame(["2018-01-02", *written]).rename(columns={"published": "date"})
    rows.to_csv(tmp_path / "n.csv", index=False)
    for read in (lambda: read_headlines(rows), lambda: score_file(tmp_path / "n.csv", tmp_path / "o.csv", Stub())):
        with pytest.raises(NewsError, match=f"{why}: name the column and .*--columns published=NAME:dmy"):
            read()
    for order, day in {"dmy": "2018-04-03", "mdy": "2018-03-04"}.items():
        one = frame(["2018-01-02", "03/04/2018"]).rename(columns={"published": "date"})
        read = both_ways(one, tmp_path, columns=parse_columns(f"published=date:{order}"))
        assert read["published"].tolist()[1] == pd.Timestamp(day, tz="UTC")
    with pytest.raises(NewsError, match="row 2: published '13/04/2018' is not a time"):
        read_headlines(frame(["2018-01-02", "13/04/2018"]), columns={"published": "published:mdy"})


# Columns


@pytest.mark.parametrize("published", ["date", "Time", "created_at", "datetime", "TIMESTAMP", "Created At"])
@pytest.mark.parametrize("asset", ["ticker", "Symbol", "stock"])
@pytest.mark.parametrize("text", ["headline", "Title", " sentence "])
def test_names_that_people_use_are_understood(published, asset, text, tmp_path, caplog):
    path = tmp_path / "n.csv"
    path.write_text(f"{published},{asset},{text}\n2023-12-15T10:00:00Z,000005,2014\n")
    with caplog.at_level(logging.WARNING):
        read = read_headlines(path)
    assert read[["asset", "text"]].to_numpy().tolist() == [["000005", "2014"]]
    assert f"'{published}' is read as published, '{asset}' is read as asset, '{text}' is read as text" in caplog.text
    score_file(path, tmp_path / "o.parquet", Stub())
    assert pd.read_parquet(tmp_path / "o.parquet")[["asset", "text"]].to_numpy().tolist() == [["000005", "2014"]]


def test_a_column_of_the_very_name_wins():
    rows = frame(["2023-12-15T10:00:00Z"], date="2020-01-01", title="x")
    pd.testing.assert_frame_equal(read_headlines(rows)[rows.columns[1:]], rows[rows.columns[1:]])


def test_two_columns_that_could_be_one_thing_are_refused_until_one_is_named(tmp_path):
    rows = pd.DataFrame({"date": ["2023-12-15"], "time": ["10:00"], "stock": ["A"], "headline": ["up"]})
    with pytest.raises(NewsError, match="date and time could each be published: name one.*--columns published=date"):
        read_headlines(rows)
    assert read_headlines(rows, columns={"published": "date"})["time"].tolist() == ["10:00"]


def test_a_date_and_a_time_are_joined(tmp_path):
    times = {"date": ["2023-12-15", "2023-12-16", "2023-12-17"], "time": ["10:00", None, "2:00 PM"]}
    rows = pd.DataFrame(times | {"stock": "A", "headline": ["up", "down", "flat"]})
    with pytest.raises(NewsError, match=r"or both where one has the date and the other the time: published=date\+time"):
        read_headlines(rows)
    read = both_ways(rows, tmp_path, columns=parse_columns("published=date+time"), timezone="UTC")
    assert read["published"].tolist() == [
        pd.Timestamp(each, tz="UTC") for each in ("2023-12-15T10:00", "2023-12-16", "2023-12-17T14:00")
    ]
    assert read["time_known"].tolist() == [True, False, True]
    assert read["date"].tolist() == times["date"]
    ordered = rows.assign(date=["05/12/2023", "06/12/2023", "07/12/2023"])
    read = both_ways(ordered, tmp_path, columns=parse_columns("published=date+time:dmy"), timezone="UTC")
    assert read["published"][0] == pd.Timestamp("2023-12-05T10:00", tz="UTC")


def test_columns_are_named_in_one_option(tmp_path):
    rows = pd.DataFrame({"when": ["2023-12-15T10:00:00Z"], "isin": [5], "text": ["up"], "published": [True]})
    columns = parse_columns("published=when, asset=isin")
    read = both_ways(rows, tmp_path, columns=columns)
    assert read["asset"].tolist() == ["5"]
    assert read["published_given"].tolist() == [True]
    with pytest.raises(NewsError, match="has no column 'wen' to be read as published"):
        read_headlines(rows, columns={"published": "wen"})
    for wrong in ("published", "published=", "when=published"):
        with pytest.raises(NewsError, match="write published=NAME,asset=NAME"):
            parse_columns(wrong)


def test_what_a_signal_will_need_is_said_before_scoring(tmp_path, caplog):
    pd.DataFrame({"date": ["2023-12-15"], "title": ["up"], "score": [5]}).to_csv(tmp_path / "n.csv", index=False)
    with caplog.at_level(logging.WARNING):
        score_file(tmp_path / "n.csv", tmp_path / "o.csv", Stub())
    assert "'date' could be published, but there is no asset (--columns asset=NAME)" in caplog.text
    assert "its column score is replaced" in caplog.text
    assert "title" not in read_table(tmp_path / "o.csv", NlpError)[0]


def test_the_columns_that_are_there_are_listed_with_the_option_that_names_them(tmp_path):
    rows = pd.DataFrame({"wann": ["2023-12-15T10:00:00Z"], "isin": ["A"], "body": ["up"]})
    rows.to_csv(tmp_path / "n.csv", index=False)
    with pytest.raises(NewsError, match=r"asset, text \(it has wann, isin, body\).*--columns published=NAME"):
        read_headlines(tmp_path / "n.csv")
    with pytest.raises(NewsError, match=r"has no column text \(it has wann, isin, body\).*--columns text=NAME"):
        score_file(tmp_path / "n.csv", tmp_path / "o.csv", Stub())


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_every_asset_is_checked_before_anything_is_scored(ending, tmp_path, monkeypatch):
    monkeypatch.setattr("nlp.scoring.stream.read.PART_ROWS", 1)
    rows = frame(["2023-12-15T10:00:00Z"] * 3, asset=[1.0, 2.0, 2.5] if ending == "parquet" else ["A", "B", True])
    write_table(rows, tmp_path / f"n.{ending}")
    with pytest.raises(NewsError, match="row 3: asset .* is not a ticker"):
        score_file(tmp_path / f"n.{ending}", tmp_path / "o.csv", NeverAsked())


def test_weights_that_a_signal_will_refuse_are_said_before_scoring(tmp_path, caplog):
    frame(["2023-12-15T10:00:00Z"] * 2, relevance=[100, 85]).to_csv(tmp_path / "n.csv", index=False)
    with caplog.at_level(logging.WARNING):
        score_file(tmp_path / "n.csv", tmp_path / "o.csv", Stub())
    assert "relevance is no weight from 0 to 1 (100 in row 1): newsfolio signal will refuse it" in caplog.text


def test_every_time_is_checked_before_anything_is_scored(tmp_path):
    times = ["2023-12-15T10:00:00Z"] * 3 + ["soon"]
    frame(times).to_csv(tmp_path / "n.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nlp.scoring.stream.read.PART_ROWS", 1)
        with pytest.raises(NewsError, match="n.csv: row 4: published 'soon'"):
            score_file(tmp_path / "n.csv", tmp_path / "o.csv", NeverAsked())


# Tickers


@pytest.mark.parametrize(
    ("cells", "tickers"),
    [
        ([600519, None, 5], ["600519", "5"]),  # a gap makes floats of them
        (["NA", "TRUE", "000005", "1E5", "NAN"], ["NA", "TRUE", "000005", "1E5", "NAN"]),
        (["600519.0", "5.0", "0700.HK", "600519.0,5.0"], ["600519", "5", "0700.HK", "600519", "5"]),  # a spreadsheet's
        ([" BRK.B ", "BRK B", "^GSPC", "EUR=X"], ["BRK.B", "BRK B", "^GSPC", "EUR=X"]),
        (["Apple, Inc.", "APPLE, INC."], ["Apple, Inc.", "APPLE, INC."]),
        ([["AAPL"], [], None, np.array(["MSFT"])], ["AAPL", "MSFT"]),
    ],
)
def test_a_ticker_stays_what_it_is(cells, tickers):
    published = ["2023-12-15T10:00:00Z"] * len(cells)
    column = pd.Series(cells) if cells[0] == 600519 else pd.Series(cells, dtype=object)
    assert read_headlines(frame(published, asset=column))["asset"].tolist() == tickers


@pytest.mark.parametrize("cell", ["AAPL,MSFT", "AAPL, MSFT", "['AAPL', 'MSFT']", "AAPL;MSFT", "AAPL|MSFT|AAPL"])
def test_a_story_of_several_assets_is_a_row_for_each(cell, tmp_path):
    read = both_ways(frame(["2023-12-15T10:00:00Z"] * 3, asset=["X", cell, "Y"]), tmp_path)
    assert read["asset"].tolist() == ["X", "AAPL", "MSFT", "Y"]
    assert read["relevance"].tolist() == [1.0, 0.5, 0.5, 1.0]


def test_lists_of_assets_are_rows_for_each_in_json_too(tmp_path):
    lines = [{"published": "2023-12-15T10:00:00Z", "asset": ["A", "B", "C"], "text": "x", "relevance": 0.6}]
    (tmp_path / "n.jsonl").write_text("\n".join(map(json.dumps, lines)))
    read, report = headlines_with_report(tmp_path / "n.jsonl")
    assert read["relevance"].tolist() == pytest.approx([0.2, 0.2, 0.2])
    assert (report.given, report.added, report.kept) == (1, 2, 3)
    assert ": 3 of 3 rows kept" in str(report)
    score_file(tmp_path / "n.jsonl", tmp_path / "o.parquet", Stub())
    assert pd.read_parquet(tmp_path / "o.parquet")["asset"].tolist() == ["A", "B", "C"]


@pytest.mark.parametrize("cell", [True, 1.5, {"a": 1}])
def test_what_is_no_ticker_is_refused(cell):
    rows = frame(["2023-12-15T10:00:00Z"] * 2, asset=pd.Series(["A", cell], dtype=object))
    with pytest.raises(NewsError, match="row 2: asset .* is not a ticker: write it as text"):
        read_headlines(rows)


def test_a_column_of_booleans_is_no_column_of_tickers():
    with pytest.raises(NewsError, match="row 1: asset True is not a ticker"):
        read_headlines(frame(["2023-12-15T10:00:00Z"], asset=[True]))


def test_names_of_one_asset_in_several_spellings_are_said(caplog):
    names = ["AAPL", "aapl", "$AAPL", "NASDAQ:AAPL", "AAPL.O", "AAPL US Equity", "BRK.A", "BRK.B", "O", "MSFT"]
    with caplog.at_level(logging.WARNING):
        read_headlines(frame(["2023-12-15T10:00:00Z"] * len(names), asset=names))
    assert "$AAPL, AAPL, AAPL US Equity, AAPL.O, NASDAQ:AAPL, aapl may be one asset" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        read_headlines(frame(["2023-12-15T10:00:00Z"] * 4, asset=["AAPL", "BRK.A", "BRK.B", "MSFT"]))
    assert "one asset" not in caplog.text


@pytest.mark.parametrize("cell", ["nan", "NaN", "None", "null", "<NA>", "NaT", "N/A", " nan "])
def test_a_missing_ticker_that_was_written_as_text_is_missing(cell, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        read = both_ways(frame(["2023-12-15T10:00:00Z"] * 3, asset=["AAPL", cell, "NAN"]), tmp_path)
    assert read["asset"].tolist() == ["AAPL", "NAN"]
    said = [each.getMessage() for each in caplog.records if "rows have nan, None" in each.getMessage()]
    assert [each.partition(": ")[2][:12] for each in said] == ["1 rows have "] * 3
    assert headlines_with_report(frame(["2023-12-15"] * 2, asset=["AAPL", cell]))[1].without_asset == 1
    assert read_headlines(frame(["2023-12-15"], asset=[cell]), aliases={cell.strip(): "X"})["asset"].tolist() == ["X"]


def test_names_made_of_other_assets_are_said_once(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("nlp.scoring.stream.read.PART_ROWS", 2)
    names = ["AAPL", "MSFT", "AAPL/MSFT", "AAPL MSFT", "AAPL/MSFT", "BRK/B", "BRK B"]
    frame(["2023-12-15T10:00:00Z"] * len(names), asset=names).to_csv(tmp_path / "n.csv", index=False)
    for read in (read_headlines, lambda path: score_file(path, tmp_path / "o.csv", Stub())):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            read(tmp_path / "n.csv")
        assert caplog.text.count("'AAPL MSFT', 'AAPL/MSFT' is read as one asset, though its parts are") == 1
        assert "BRK" not in caplog.text


# Texts


def test_html_in_texts_is_counted_and_said_once(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("nlp.scoring.stream.read.PART_ROWS", 2)
    texts = ["AT&T up; 5 < 6", "Apple <AAPL.O> and <A>", "Q&amp;A", "It&#39;s up", "<b>Profit</b>", "line<br/>line"]
    frame(["2023-12-15T10:00:00Z"] * len(texts), text=texts).to_csv(tmp_path / "n.csv", index=False)
    for read in (read_headlines, lambda path: score_file(path, tmp_path / "o.csv", Stub())):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            read(tmp_path / "n.csv")
        assert caplog.text.count("4 texts hold HTML (&amp;, &#39;, <b>), the first in row 3: 'Q&amp;A'") == 1
    assert pd.read_csv(tmp_path / "o.csv")["text"].tolist() == texts


@pytest.mark.parametrize("column", ["published", "asset", "text"])
def test_half_a_character_names_its_row(column, tmp_path):
    rows = frame(["2023-12-15", "2023-12-16"]).astype(object)
    rows.loc[1, column] = "Up \ud83d"
    write_table(rows, tmp_path / "n.jsonl")
    reads = {
        "the frame": lambda: read_headlines(rows),
        "n.jsonl": lambda: read_headlines(tmp_path / "n.jsonl"),
        "n.jsonl: ": lambda: score_file(tmp_path / "n.jsonl", tmp_path / "o.csv", Stub()),
    }
    for where, read in reads.items():
        with pytest.raises(NewsError, match=f"{where}.*row 2: the {column} .* holds half a character"):
            read()


def test_a_stray_quotation_mark_is_said_with_the_first_text_that_it_makes(tmp_path, caplog):
    body = '2023-12-15T10:00:00Z,A,"Profit up\n2023-12-15T11:00:00Z,B,Loss\n2023-12-15T12:00:00Z,C,"" Fine"\n'
    (tmp_path / "n.csv").write_text(HEAD + "2023-12-15T09:00:00Z,A,First\n" + body)
    for read in (read_headlines, lambda path: score_file(path, tmp_path / "o.csv", Stub())):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            read(tmp_path / "n.csv")
        assert "1 texts hold line breaks, the first in row 2: 'Profit up" in caplog.text


def test_repeats_are_found_whatever_blanks_and_invisible_marks_they_have(tmp_path):
    texts = ["Profit up", "Profit  up ", "Profit\u00a0up", "Pro\u200bfit up\ufeff", "profit up"]
    read = both_ways(frame(["2023-12-15T10:00:00Z"] * 5, text=texts), tmp_path)
    assert read["text"].tolist() == ["Profit up", "profit up"]


def test_a_text_without_letter_or_digit_is_empty(tmp_path):
    texts = ["up", "...", "-", "\u200b", "🚀", "日本", "7"]
    read = both_ways(frame(["2023-12-15T10:00:00Z"] * 7, text=texts), tmp_path)
    assert read["text"].tolist() == ["up", "日本", "7"]


# Files

WORDS = "Société Générale élève l’objectif – Münchener Rück führt"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_encodings_and_separators_are_recognised_and_said(tmp_path, encoding, separator, caplog):
    path, row = tmp_path / "n.csv", ["2023-12-15T10:00:00Z", "GLE", f"{WORDS} {len(encoding)}"]
    path.write_bytes("\n".join(separator.join(each) for each in (HEAD.strip().split(","), row, row)).encode(encoding))
    with caplog.at_level(logging.WARNING):
        assert read_headlines(path)["text"].tolist() == [row[2]]
    assert ("not UTF-8, read as" in caplog.text) == (encoding in ("utf-16-le", "cp1252"))
    assert ("cells are separated by" in caplog.text) == (separator != ",")
    score_file(path, tmp_path / "o.parquet", Stub())
    assert pd.read_parquet(tmp_path / "o.parquet")["text"].tolist() == [row[2]]


def test_latin_1_is_read_with_a_note(tmp_path, caplog):
    text = "Nokian Renkaat teki hyvän tuloksen, myynti kasvoi edelleen Pohjoismaissa ja Venäjällä"
    (tmp_path / "n.csv").write_bytes((HEAD + f'2023-12-15T10:00:00Z,A,"{text}"\n').encode("latin-1"))
    with caplog.at_level(logging.WARNING):
        assert read_headlines(tmp_path / "n.csv")["text"].tolist() == [text]
    assert "save it as UTF-8 if letters come out wrong" in caplog.text
