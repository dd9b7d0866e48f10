"""Files of prices as people have them: each row is a file, and what must come out of it; the table documents them.

The three sessions are 2021-03-01, -02 and -15, of which one order of day and month is right, where a row says no other.
"""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest

from allocation import AllocationError, load_prices, read_frame
from allocation.data.load import bars_from_long

DAYS = ["2021-03-01", "2021-03-02", "2021-03-15"]
OHLCV = "2021-03-01,9,12,8,10,100\n2021-03-02,10,13,9,11,200\n2021-03-15,11,14,10,12,300\n"


@dataclass(frozen=True)
class Kind:
    """A file's text, and what must be read: closes and opens by asset, dates, and words of the line that says so."""

    text: str
    close: dict[str, list[float]]
    open: dict[str, list[float]] | None = None
    days: list[str] = field(default_factory=lambda: DAYS)
    said: str = ""
    name: str = "AAPL.csv"
    asset: str | None = None


ONE, TWO = {"AAPL": [10, 11, 12]}, {"AAPL": [10, 11, 12], "MSFT": [20, 21, 22]}
OPENS = {"AAPL": [9, 10, 11]}
NAMED = "one asset, called AAPL after the file"


def wide(heading="date,AAPL,MSFT", end="", days=DAYS, separator=","):
    rows = [separator.join([day, str(10 + n), str(20 + n)]) + end for n, day in enumerate(days)]
    return "\n".join([heading, *rows]) + "\n"


KINDS = {
    # Wide closes
    "wide": Kind(wide(), TWO),
    "blanks in headings": Kind(wide("date, AAPL , MSFT"), TWO),
    "blanks in cells": Kind(wide().replace(",", ", "), TWO),
    "a trailing comma in all rows": Kind(wide("date,AAPL,MSFT,", ","), TWO),
    "a trailing comma in rows only": Kind(wide(end=","), TWO),
    "a saved row index": Kind(
        ",date,AAPL\n0,2021-03-01,10\n1,2021-03-02,11\n2,2021-03-15,12\n", ONE, said="row numbers"
    ),
    "a saved row index with a name": Kind(
        "index,Date,AAPL\n7,2021-03-01,10\n8,2021-03-02,11\n9,2021-03-15,12\n", ONE, said="row numbers"
    ),
    "dates without a heading": Kind(wide(",AAPL,MSFT"), TWO),
    "row names as R writes them": Kind(wide('"AAPL","MSFT"'), TWO),
    "Date": Kind(wide("Date,AAPL,MSFT"), TWO),
    "dates under a word of their own": Kind(wide("Session,AAPL,MSFT"), TWO),
    "tickers that are words of bars": Kind(wide("date,LOW,OPEN"), {"LOW": [10, 11, 12], "OPEN": [20, 21, 22]}),
    "tickers that are numbers": Kind(wide("date,0005,600519"), {"0005": [10, 11, 12], "600519": [20, 21, 22]}),
    "tickers that are dates' words": Kind(wide("date,DAY,TIME"), {"DAY": [10, 11, 12], "TIME": [20, 21, 22]}),
    "gaps": Kind("date,AAPL,MSFT\n2021-03-01,10,NA\n2021-03-02,,null\n2021-03-15,12,22\n",
                 {"AAPL": [10, np.nan, 12], "MSFT": [np.nan, np.nan, 22]}),
    "blank lines": Kind("\n\n" + wide().replace("\n2021-03-02", "\n\n2021-03-02"), TWO),
    "newest first": Kind(wide(days=DAYS[::-1]), {"AAPL": [12, 11, 10], "MSFT": [22, 21, 20]}, said="newest first"),
    "in no order": Kind("date,AAPL\n2021-03-02,11\n2021-03-15,12\n2021-03-01,10\n", ONE, said="sorted"),
    # One asset's bars
    "Yahoo": Kind("Date,Open,High,Low,Close,Volume\n" + OHLCV, ONE, OPENS, said=NAMED),
    "a name that is asked for": Kind("Date,Open,High,Low,Close,Volume\n" + OHLCV, {"MINE": [10, 11, 12]}, asset="MINE"),
    "small letters": Kind("date,open,high,low,close,volume\n" + OHLCV, ONE, OPENS, said=NAMED),
    "capitals": Kind("DATE,OPEN,HIGH,LOW,CLOSE,VOL\n" + OHLCV, ONE, OPENS, said=NAMED),
    "Stooq": Kind("<DATE>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>\n" + OHLCV.replace("-", ""), ONE, OPENS, said=NAMED),
    "Alpha Vantage": Kind("timestamp,1. open,2. high,3. low,4. close,5. volume\n" + OHLCV, ONE, OPENS, said=NAMED),
    "a close alone": Kind("Date,Close\n2021-03-01,10\n2021-03-02,11\n2021-03-15,12\n", ONE, said=NAMED),
    "Investing.com": Kind(
        'Date,Price,Open,High,Low,Vol.,Change %\n"03/15/2021","12","11","14","10","1.2M","1%"\n'
        '"03/02/2021","11","10","13","9","2.5K","1%"\n"03/01/2021","10","9","12","8","3B","1%"\n',
        ONE, OPENS, said="newest first",
    ),
    "Nasdaq": Kind(
        "Date,Close/Last,Volume,Open,High,Low\n03/15/2021,$12.00,300,$11,$14,$10\n03/02/2021,$11,200,$10,$13,$9\n"
        "03/01/2021,$10.00,100,$9,$12,$8\n", ONE, OPENS, said=r"\$ is left out of numbers",
    ),
    **{
        f"adjusted as {heading}": Kind(
            f"Date,Open,Close,{heading}\n2021-03-01,36,40,10\n2021-03-02,40,44,11\n2021-03-15,11,12,12\n", ONE, OPENS
        )
        for heading in ("Adj Close", "adj_close", "adj close", "AdjClose", "adjusted_close", "Adjusted Close",
                        "close_adj", "ADJCLOSE", "Adj Close**", "5. adjusted close", "adjClose")
    },
    "an adjusted close alone": Kind("Date,Adj Close\n2021-03-01,10\n2021-03-02,11\n2021-03-15,12\n", ONE, said=NAMED),
    "a change next to a close": Kind("Date,Close,Change %\n2021-03-01,10,1%\n2021-03-02,11,1%\n2021-03-15,12,1%\n", ONE,
                                     said="not read: Change %"),
    "a weekday next to a date": Kind("Date,Day,Close\n2021-03-01,Mon,10\n2021-03-02,Tue,11\n2021-03-15,Mon,12\n", ONE),
    "a time of day next to a date": Kind(
        "Date,Time,Close\n2021-03-01,16:00,10\n2021-03-02,16:00,11\n2021-03-15,16:00,12\n", ONE
    ),
    "CoinGecko": Kind(
        "snapped_at,price,market_cap,total_volume\n2021-03-01 00:00:00 UTC,10,1e9,5\n2021-03-02 00:00:00 UTC,11,1e9,5\n"
        "2021-03-15 00:00:00 UTC,12,1e9,5\n", ONE, said="not read: market_cap, total_volume",
    ),
    "Bloomberg": Kind("Dates,PX_LAST,PX_OPEN\n03/01/2021,10,9\n03/02/2021,11,10\n03/15/2021,12,11\n", ONE, OPENS),
    # Long rows
    "a name next to a ticker": Kind(
        "Date,Name,Ticker,Close\n2021-03-01,Apple,AAPL,10\n2021-03-02,Apple,AAPL,11\n2021-03-15,Apple,AAPL,12\n", ONE
    ),
    "CRSP": Kind(
        "PERMNO,date,TICKER,PRC,RET\n14593,03/01/2021,AAPL,10,C\n14593,03/02/2021,AAPL,11,0.1\n"
        "14593,03/15/2021,AAPL,12,0.1\n", ONE,
    ),
    "Polygon, nanoseconds": Kind(
        "ticker,volume,open,close,window_start\nAAPL,1,9,10,1614574800000000000\nAAPL,1,10,11,1614661200000000000\n"
        "AAPL,1,11,12,1615780800000000000\n", ONE, OPENS, said="epoch nanoseconds",
    ),
    "CryptoDataDownload, under its link": Kind(
        "https://www.example.com\nUnix,Date,Symbol,Open,Close,Volume BTC\n1615766400000,2021-03-15,AAPL,11,12,3\n"
        "1614643200000,2021-03-02,AAPL,10,11,3\n1614556800000,2021-03-01,AAPL,9,10,3\n", ONE, OPENS,
    ),
    "Ticker": Kind("Date,Ticker,Close\n2021-03-01,AAPL,10\n2021-03-02,AAPL,11\n2021-03-15,AAPL,12\n", ONE),
    "Symbol, and opens": Kind(
        "Symbol,Date,Open,Close\nAAPL,2021-03-01,9,10\nAAPL,2021-03-02,10,11\nAAPL,2021-03-15,11,12\n", ONE, OPENS
    ),
    "asset, newest first": Kind("date,asset,close\n2021-03-15,AAPL,12\n2021-03-02,AAPL,11\n2021-03-01,AAPL,10\n", ONE),
    "a ticker called NA": Kind("date,ticker,close\n2021-03-01,NA,10\n2021-03-02,NA,11\n2021-03-15,NA,12\n",
                               {"NA": [10, 11, 12]}),
    # What yfinance writes
    "yfinance, one ticker": Kind(
        "Price,Close,High,Low,Open,Volume\nTicker,AAPL,AAPL,AAPL,AAPL,AAPL\nDate,,,,,\n2021-03-01,10,12,8,9,100\n"
        "2021-03-02,11,13,9,10,200\n2021-03-15,12,14,10,11,300\n", ONE, OPENS,
    ),
    "yfinance, two tickers": Kind(
        "Price,Close,Close,Open,Open\nTicker,AAPL,MSFT,AAPL,MSFT\nDate,,,,\n2021-03-01,10,20,9,19\n"
        "2021-03-02,11,21,10,20\n2021-03-15,12,22,11,21\n", TWO, {"AAPL": [9, 10, 11], "MSFT": [19, 20, 21]},
    ),
    "yfinance, by ticker": Kind(
        "Ticker,AAPL,AAPL,MSFT,MSFT\nPrice,Open,Close,Open,Close\nDate,,,,\n2021-03-01,9,10,19,20\n"
        "2021-03-02,10,11,20,21\n2021-03-15,11,12,21,22\n", TWO, {"AAPL": [9, 10, 11], "MSFT": [19, 20, 21]},
    ),
    "yfinance, older": Kind(
        ",Adj Close,Adj Close,Close,Close\n,AAPL,MSFT,AAPL,MSFT\nDate,,,,\n2021-03-01,10,20,40,20\n"
        "2021-03-02,11,21,44,21\n2021-03-15,12,22,12,22\n", TWO,
    ),
    "yfinance, its index reset": Kind(
        "Date,Close,Close\n,AAPL,MSFT\n2021-03-01,10,20\n2021-03-02,11,21\n2021-03-15,12,22\n", TWO
    ),
    "yfinance, New York dates over daylight saving": Kind(
        "Date,Open,High,Low,Close,Volume,Dividends,Stock Splits\n2021-03-01 00:00:00-05:00,9,12,8,10,1,0,0\n"
        "2021-03-02 00:00:00-05:00,10,13,9,11,1,0,0\n2021-03-15 00:00:00-04:00,11,14,10,12,1,0,0\n", ONE, OPENS,
    ),
    "flat headings": Kind(
        "Date,Close_AAPL,High_AAPL,Close_MSFT\n2021-03-01,10,12,20\n2021-03-02,11,13,21\n2021-03-15,12,14,22\n", TWO
    ),
    "flat headings, the ticker first": Kind(
        "Date,AAPL Close,AAPL Open\n2021-03-01,10,9\n2021-03-02,11,10\n2021-03-15,12,11\n", ONE, OPENS
    ),
    "Bloomberg, several": Kind(
        "Security,AAPL,MSFT\nDates,PX_LAST,PX_LAST\n2021-03-01,10,20\n2021-03-02,11,21\n2021-03-15,12,22\n", TWO
    ),
    "quantmod": Kind(
        '"Index","AAPL.Open","AAPL.Close","AAPL.Volume","AAPL.Adjusted"\n2021-03-01,36,40,5,10\n2021-03-02,40,44,5,11\n'
        "2021-03-15,11,12,5,12\n", ONE, OPENS,
    ),
    "volumes next to closes": Kind(
        "Date,AAPL,AAPL Vol,MSFT,MSFT Vol\n2021-03-01,10,5,20,5\n2021-03-02,11,5,21,5\n2021-03-15,12,5,22,5\n", TWO
    ),
    "row indices saved twice": Kind(
        ",Unnamed: 0,Date,AAPL\n0,0,2021-03-01,10\n1,1,2021-03-02,11\n2,2,2021-03-15,12\n", ONE, said="row numbers"
    ),
    "tuples as headings": Kind(
        "Date,\"('Close', 'AAPL')\",\"('Open', 'AAPL')\"\n2021-03-01,10,9\n2021-03-02,11,10\n2021-03-15,12,11\n",
        ONE, OPENS,
    ),
    # Dates
    "20210301": Kind(wide(days=[day.replace("-", "") for day in DAYS]), TWO),
    "Excel's serial dates": Kind(wide(days=["44256", "44257", "44270"]), TWO, said="Excel's serial numbers"),
    "day first": Kind(wide(days=["01/03/2021", "02/03/2021", "15/03/2021"]), TWO, said="day/month/year"),
    "month first": Kind(wide(days=["03/01/2021", "03/02/2021", "03/15/2021"]), TWO, said="month/day/year"),
    "month first, two digits": Kind(wide(days=["3/1/21", "3/2/21", "3/15/21"]), TWO, said="month/day/yy"),
    "dots": Kind(wide(days=["01.03.2021", "02.03.2021", "15.03.2021"]), TWO, said="day/month/year"),
    "day first, as the order of rows says": Kind(
        wide(days=["30/11/2020", "01/12/2020", "02/12/2020"]), TWO, days=["2020-11-30", "2020-12-01", "2020-12-02"]
    ),
    "names of months": Kind(wide(days=["01-Mar-2021", "02-Mar-2021", "15-Mar-2021"]), TWO),
    "names of months first": Kind(wide(days=['"Mar 01, 2021"', '"Mar 02, 2021"', '"Mar 15, 2021"']), TWO),
    "names of months first, no comma": Kind(wide(days=["Mar 01 2021", "Mar 02 2021", "Mar 15 2021"]), TWO),
    "names of weekdays": Kind(
        wide(days=['"Monday, March 1, 2021"', '"Tuesday, March 2, 2021"', '"Monday, March 15, 2021"']), TWO
    ),
    "a time of day": Kind(wide(days=[f"{day} 16:00:00" for day in DAYS]), TWO, said="times of day are left out"),
    "midnights of New York in UTC": Kind(
        wide(days=["2021-03-01T05:00:00Z", "2021-03-02T05:00:00Z", "2021-03-15T04:00:00Z"]), TWO,
        said="America/New_York",
    ),
    "epoch seconds": Kind(wide(days=["1614556800", "1614643200", "1615766400"]), TWO, said="epoch seconds"),
    # Tickers
    "tickers that a spreadsheet took for numbers": Kind(
        "date,ticker,close\n2021-03-01,600519.0,10\n2021-03-02,600519.0,11\n2021-03-15,600519.0 ,12\n",
        {"600519": [10, 11, 12]},
    ),
    "headings that a spreadsheet took for numbers": Kind(
        wide("date,600519.0,5.0"), {"5": [20, 21, 22], "600519": [10, 11, 12]}
    ),
    # Numbers and separators
    "dashes and dots where nothing is known": Kind(
        "date,AAPL,MSFT\n2021-03-01,10,-\n2021-03-02,--,.\n2021-03-15,12,22\n",
        {"AAPL": [10, np.nan, 12], "MSFT": [np.nan, np.nan, 22]},
    ),
    "tabs by the ending": Kind(wide("date\tAAPL\tMSFT", separator="\t"), TWO, name="p.tsv", said="tabs"),
    "a title above the heading": Kind("Prices\nMade 2021\n\n" + wide(), TWO, said="2 lines above the heading"),
    "a title above columns with semicolons": Kind(
        "Kurse\n" + wide("Datum;AAPL;MSFT", separator=";"), TWO, said="1 lines above the heading"
    ),
    "semicolons": Kind(wide("date;AAPL;MSFT", separator=";"), TWO, said="separated by semicolons"),
    "tabs": Kind(wide(separator="\t").replace("date,AAPL,MSFT", "date\tAAPL\tMSFT"), TWO, said="separated by tabs"),
    "Excel in Europe": Kind(
        "Datum;AAPL;MSFT\n01.03.2021;10,5;1.020,25\n02.03.2021;11;1.021\n15.03.2021;12,25;999\n",
        {"AAPL": [10.5, 11, 12.25], "MSFT": [1020.25, 1021, 999]}, said="decimal commas",
    ),
    "thousands": Kind(
        'date,AAPL,MSFT\n2021-03-01,"1,010.50",20\n2021-03-02,"1,011",21\n2021-03-15,999.5,22\n',
        {"AAPL": [1010.5, 1011, 999.5], "MSFT": [20, 21, 22]}, said="commas between thousands",
    ),
    "Swiss thousands": Kind("date,SMI\n2021-03-01,10'500.5\n2021-03-02,10'600\n2021-03-15,9'999\n",
                            {"SMI": [10500.5, 10600, 9999]}),
    "currency": Kind("date,AAPL\n2021-03-01,€10\n2021-03-02,€ 11\n2021-03-15,12 €\n", ONE, said="€ is left out"),
    "a byte order mark": Kind("\ufeff" + wide(), TWO),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_a_file_is_read_as_a_person_would(tmp_path, caplog, kind):
    path = tmp_path / kind.name
    path.write_text(kind.text, encoding="utf-8")
    bars = load_prices(path, asset=kind.asset)
    index = pd.DatetimeIndex(sorted(kind.days), name="date")
    expected = pd.DataFrame(kind.close, index=index, dtype=float)
    same = {"check_freq": False, "check_index_type": False, "check_column_type": False, "check_exact": True}
    pd.testing.assert_frame_equal(bars.close, expected, **same)
    if kind.open is not None:
        pd.testing.assert_frame_equal(bars.open, pd.DataFrame(kind.open, index=index, dtype=float), **same)
    said = [record.getMessage() for record in caplog.records]
    if kind.said:
        assert len(said) == 1
        assert said[0].startswith(f"{kind.name}: ")
        assert kind.said.replace("\\", "") in said[0]


REFUSED = {
    "two orders of day and month": (wide(days=["01/02/2021", "01/03/2021", "01/04/2021"]),
                                    "'01/02/2021' may be 1 February .* or 2 January .*: write dates as YYYY-MM-DD"),
    "months": (wide(days=["2021-01", "2021-02", "2021-03"]), "'2021-01' is a month or a year, not a session"),
    "a date that is none": (wide(days=["01/03/2021", "32/03/2021", "15/03/2021"]), "row 2: '32/03/2021' is not a date"),
    "1,234 throughout": ("date;A\n2021-03-01;1,234\n2021-03-02;2,345\n2021-03-15;3,456\n",
                         "'1,234' may be 1234 or 1.234, and so may every number: write 1234 or 1.234"),
    "two currencies": ("date,A,B\n2021-03-01,$10,€9\n2021-03-02,$11,€9\n2021-03-15,$11,€9\n", "several currencies"),
    "pence by their letter": ("date,A\n2021-03-01,10p\n2021-03-02,11p\n2021-03-15,12p\n", "'10p' is not a number"),
    "no heading": ("2021-03-01,10,20\n2021-03-02,11,21\n", "its first row is no heading: begin the file with one"),
    "several times a day": ("date,A\n2021-03-01 10:00,1\n2021-03-01 11:00,2\n2021-03-02 10:00,3\n",
                            "several times on 2021-03-01: keep one row per session"),
    "a close and strangers": ("date,Close,AAPL\n2021-03-01,1,2\n", "has Close and AAPL: name a column ticker if"),
    "two closes": ("date,Close,close \n2021-03-01,1,2\n", "columns Close and close are both the close: keep one"),
    "a line that is no row": (wide() + "Source: a bank,,\n", "row 4: 'Source: a bank' is not a date: .* or leave out"),
    "one column": ("date\n2021-03-01\n2021-03-02\n", "has no columns besides its dates"),
    "letters of another script": ("date,A\nяю,1\n", "row 1: 'яю' is not a date"),
    "dates as headings": ("Ticker,2021-03-01,2021-03-02\nAAPL,10,11\n", "dates are headings: turn rows and columns"),
    "no close": ("Date,Open,High,Low\n2021-03-01,1,2,1\n", "has Open, High, Low and no close: add a column close"),
    "quotes": ("Date,Bid,Ask\n2021-03-01,1,2\n", "has Bid, Ask, which are quotes: name one of them close"),
    "currencies in a column": (
        "Date,Ticker,Currency,Close\n2021-03-01,A,USD,1\n2021-03-01,B,EUR,1\n", "several currencies .USD, EUR.: write"
    ),
    "cells apart by blanks": ("Date  AAPL\n2021-03-01  10\n", "no columns besides its dates: separate cells by commas"),
    "a column twice": ("date,AAA, AAA\n2021-03-01,1,2\n", "the column AAA twice: keep one"),
    "values without a heading": ("date,A,\n2021-03-01,1,5\n2021-03-02,1,7\n", "column 3 has values and no heading"),
    "UTC evenings": (wide(days=["2021-03-01T21:30:00Z", "2021-03-02T21:30:00Z", "2021-03-15T20:30:00Z"]),
                     "no midnight of an exchange known here: write dates as"),
    "a name where the file has names": (wide(), "names its assets itself .*AAPL, MSFT.*: leave asset out"),
}  # fmt: skip


@pytest.mark.parametrize("ending", ["csv", "tsv"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "latin-1"])
def test_encodings_are_recognised_and_said(tmp_path, caplog, encoding, ending):
    path, asset = tmp_path / f"p.{ending}", "Société Générale"
    text = wide(f"date,{asset},Münchener Rück", separator=",").replace(",", "," if ending == "csv" else "\t")
    path.write_bytes(text.encode(encoding))
    assert load_prices(path).close[asset].tolist() == [10, 11, 12]
    assert ("not UTF-8, read as" in caplog.text) == (encoding in ("utf-16-le", "cp1252", "latin-1"))


TICKERS = {
    "numbers beside a gap": ([600519.0, 600519.0], None),
    "whole numbers": ([600519, 600519], None),
    "true": ([True, True], "row 1: True is no ticker"),
    "true among others": (["A", True], "row 2: True is no ticker"),
    "lists": ([["A"], ["A"]], "row 1: .* is no ticker"),
    "fractions": ([1.5, 1.5], "row 1: 1.5 is no ticker"),
    "a gap": ([600519.0, None], "row 2: has no ticker"),
}


@pytest.mark.parametrize(("tickers", "complaint"), TICKERS.values(), ids=TICKERS.keys())
@pytest.mark.parametrize("door", ["parquet", "frame"])
def test_tickers_that_are_no_text(tmp_path, tickers, complaint, door):
    table = pd.DataFrame({"date": DAYS[:2], "ticker": pd.Series(tickers), "close": [10.0, 11.0]})

    def read():
        if door == "frame":
            return bars_from_long(table)
        table.to_parquet(tmp_path / "p.parquet")
        return load_prices(tmp_path / "p.parquet")

    if door == "parquet" and complaint and "row 2: True" in complaint:
        pytest.skip("Parquet has no such column")
    if complaint is None:
        assert list(read().close.columns) == ["600519"]
    else:
        with pytest.raises(AllocationError, match=complaint):
            read()


@pytest.mark.parametrize(("text", "complaint"), REFUSED.values(), ids=REFUSED.keys())
def test_a_file_that_can_be_read_in_two_ways_is_refused(tmp_path, text, complaint):
    path = tmp_path / "p.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(AllocationError, match=rf"p.csv: .*{complaint}") as raised:
        load_prices(path, asset="X" if "leave asset" in complaint else None)
    assert "\n" not in str(raised.value)
    assert "float64" not in str(raised.value)


def yahoo_frame(tickers, levels):
    days = pd.DatetimeIndex(DAYS, name="Date").tz_localize("America/New_York")
    columns = pd.MultiIndex.from_product([["Close", "Open"], tickers], names=levels)
    values = np.array([[10.0 + n + 10 * (t == "MSFT") - (f == "Open") for f, t in columns] for n in range(3)])
    return pd.DataFrame(values, index=days, columns=columns)


@pytest.mark.parametrize("change", ["none", "by ticker", "reset", "stacked", "one level"])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("tickers", [["AAPL"], ["AAPL", "MSFT"]])
def test_frames_of_yfinance_in_all_shapes(tmp_path, ending, tickers, change):
    frame = yahoo_frame(tickers, ["Price", "Ticker"])
    changed = {
        "none": lambda: frame,
        "by ticker": lambda: frame.swaplevel(axis=1).sort_index(axis=1),
        "reset": lambda: frame.reset_index(),
        "stacked": lambda: frame.stack(level="Ticker"),
        "one level": lambda: frame.droplevel("Ticker", axis=1) if len(tickers) == 1 else frame,
    }[change]()
    path = tmp_path / f"AAPL.{ending}"
    changed.to_csv(path) if ending == "csv" else changed.to_parquet(path)
    bars = load_prices(path)
    expected = frame["Close"].tz_localize(None)
    same = {"check_names": False, "check_freq": False, "check_index_type": False, "check_column_type": False}
    pd.testing.assert_frame_equal(bars.close, expected, **same)
    pd.testing.assert_frame_equal(bars.open, frame["Open"].tz_localize(None), **same)


def test_a_signal_is_read_by_the_same_reader(tmp_path, caplog):
    (tmp_path / "s.csv").write_text("Datum;AAPL;MSFT\n02.03.2021;0,5;-0,25\n01.03.2021;;1\n15.03.2021;;\n")
    signal = read_frame(tmp_path / "s.csv")
    assert signal["AAPL"].tolist()[1] == 0.5
    assert signal["MSFT"].tolist()[:2] == [1.0, -0.25]
    assert "decimal commas" in caplog.text
