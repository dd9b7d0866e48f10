"""Prices from files and, through a stand-in of the real client's shape, from Yahoo Finance."""

import numpy as np
import pandas as pd
import pytest
import yfinance
from support import random_prices

from allocation import Bars, FrameError, SourceError, load_prices, write_bars, write_frame
from allocation.data.load import bars_from_long

LONG = """date,ticker,close,open,adj_close
2021-01-05,BBB,20,19,10
2021-01-04,AAA,10,9,10
2021-01-04,BBB,24,30,12
2021-01-05,AAA,11,10.5,11
"""
VOLUMES = "date,ticker,close,volume\n2021-01-04,AAA,2,9\n"


@pytest.fixture
def csv(tmp_path):
    def write(text, name="prices.csv"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_wide_file(tmp_path, ending):
    prices = random_prices(1).mask(np.random.default_rng(1).random((120, 4)) < 0.1)
    bars = load_prices(str(write_frame(prices[prices.columns[::-1]], tmp_path / f"p.{ending}")))
    pd.testing.assert_frame_equal(bars.close, prices, check_exact=True, check_freq=False, check_index_type=False)
    assert bars.open is None


def test_a_long_file_in_any_order_scales_opens_and_closes_by_the_adjustment(csv):
    """BBB split two for one: the factor is 12/24 and 10/20."""
    bars = load_prices(csv(LONG))
    days = ["2021-01-04", "2021-01-05"]
    assert bars.close.loc[days, ["AAA", "BBB"]].to_numpy().tolist() == [[10, 12], [11, 10]]
    assert bars.open.loc[days, ["AAA", "BBB"]].to_numpy().tolist() == [[9, 15], [10.5, 9.5]]


def test_a_long_file_without_opens_or_adjustment(csv):
    bars = load_prices(csv("ticker,close,date\nAAA,10,2021-01-04\nBBB,7,2021-01-05\n"))
    assert bars.open is bars.volume is bars.traded_value is None
    np.testing.assert_array_equal(bars.close.to_numpy(), [[10, np.nan], [np.nan, 7]])


def test_the_traded_value_is_the_money_of_that_day_however_prices_are_adjusted(csv):
    """AAA pays a dividend of half its price: 500 shares at 10 were 5,000, and are 1,000 of what 5 is the price of."""
    rows = "2021-01-04,AAA,10,5,500\n2021-01-05,AAA,6,6,\n2021-01-04,BBB,20,20,0\n2021-01-05,BBB,21,21,7\n"
    bars = load_prices(csv(f"date,ticker,close,adj_close,volume\n{rows}"))
    np.testing.assert_array_equal(bars.volume.to_numpy(), [[1000, 0], [np.nan, 7]])
    np.testing.assert_array_equal(bars.traded_value.to_numpy(), [[5000, 0], [np.nan, 147]])
    assert load_prices(csv(f"date,ticker,close,adj_close,volume\n{rows}"), start="2021-01-05").volume.shape == (1, 2)
    unadjusted = load_prices(csv(f"date,ticker,close,adjusted,volume\n{rows}"))
    np.testing.assert_array_equal(unadjusted.volume.to_numpy(), [[500, 0], [np.nan, 7]])


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("known", [(), ("open",), ("volume",), ("open", "volume")])
def test_bars_come_back_to_the_last_bit(tmp_path, ending, known):
    close = random_prices(1).mask(np.random.default_rng(1).random((120, 4)) < 0.1)
    more = {name: close * factor for name, factor in (("open", 1.01), ("volume", 12.3)) if name in known}
    again = load_prices(write_bars(Bars(close, **more), tmp_path / "new" / f"bars.{ending}"))
    same = {"check_exact": True, "check_freq": False, "check_index_type": False}
    pd.testing.assert_frame_equal(again.close, close, **same)
    for name, found in (("open", again.open), ("volume", again.volume)):
        if name in known:
            pd.testing.assert_frame_equal(found, more[name], **same)
        else:
            assert found is None


def test_an_open_without_a_close_comes_back(csv):
    bars = load_prices(csv("date,ticker,close,open\n2021-01-04,AAA,,3\n2021-01-05,AAA,4,3.5\n"))
    assert bars.open["AAA"].tolist() == [3.0, 3.5]


def test_bars_are_not_written_under_an_ending_that_cannot_be_read(tmp_path):
    with pytest.raises(SourceError, match=r"the ending '.json' is not known"):
        write_bars(Bars(random_prices(1)), tmp_path / "bars.json")


def test_start_and_end_are_included(tmp_path):
    prices = random_prices(1)
    path = write_bars(Bars(prices, prices), tmp_path / "b.parquet")
    bars = load_prices(path, start="2021-01-09", end=pd.Timestamp("2021-02-05"))
    assert [str(day.date()) for day in bars.close.index[[0, -1]]] == ["2021-01-11", "2021-02-05"]
    assert bars.open.index.equals(bars.close.index)
    assert load_prices(path, start="2021-01-11", end="2021-01-11").close.shape == (1, 4)


def test_a_range_without_a_session_is_refused(tmp_path):
    path = write_frame(random_prices(1), tmp_path / "p.csv")
    with pytest.raises(SourceError, match="no prices from 2030-01-01"):
        load_prices(path, start="2030-01-01")


def test_a_start_that_is_no_date_is_refused(tmp_path):
    path = write_frame(random_prices(1), tmp_path / "p.csv")
    with pytest.raises(SourceError, match="start is 'soon', which is not a date: write YYYY-MM-DD"):
        load_prices(path, start="soon")
    with pytest.raises(SourceError, match="end is '2021-02', which is not a date"):
        load_prices(path, end="2021-02")


@pytest.mark.parametrize(
    ("text", "error", "complaint"),
    [
        (LONG + "2021-01-05,AAA,11,10.5,11\n", SourceError, "has AAA on 2021-01-05 twice: keep one row per"),
        (LONG + "2021-01-06,,11,10.5,11\n", SourceError, r"row 5: has no ticker: name one \(1 such rows\)"),
        (LONG + "soon,AAA,11,10.5,11\n", SourceError, "row 5: 'soon' is not a date: write dates as YYYY-MM-DD"),
        (LONG + "2021-01-06,AAA,11,10,-1\n", FrameError, "adj_close: -1 for AAA at 2021-01-06 is not a price"),
        (LONG + "2021-01-06,AAA,11,0,11\n", FrameError, "open: 0 for AAA at 2021-01-06 is not a price"),
        (LONG + "2021-01-06,AAA,0,3,11\n", FrameError, "(open: inf|close: 0) for AAA at 2021-01-06 is not a price"),
        (LONG.splitlines()[0] + "\n", FrameError, "is empty"),
        (VOLUMES + "2021-01-05,AAA,2,-7\n", FrameError, "volume: -7 for AAA at 2021-01-05 is not a volume: .* >= 0"),
        (VOLUMES + "2021-01-05,AAA,2,inf\n", FrameError, "volume: inf for AAA at 2021-01-05 is not a volume"),
        (VOLUMES + "2021-01-05,AAA,2,7M\n", FrameError, "volume: row 2: '7M' is not a number: correct it"),
        ("date,AAA\n2021-01-04,-2\n", FrameError, "-2 for AAA at 2021-01-04 is not a price"),
        ("date,AAA\n2021-01-04,2\n2021-01-04,2\n", FrameError, "has 2021-01-04 twice"),
        ("date,AAA\n2021-01-04,two\n", FrameError, r"AAA: row 1: 'two' is not a number: correct it.* \(1 such rows\)"),
    ],
)
def test_a_bad_file_is_named_with_the_place_and_the_remedy(csv, text, error, complaint):
    with pytest.raises(error, match=rf"prices.csv:? .*{complaint}"):
        load_prices(csv(text))


def test_a_close_that_is_no_price_is_named_even_if_it_is_adjusted(csv):
    with pytest.raises(FrameError, match="-10 for AAA at 2021-01-04"):
        load_prices(csv("date,ticker,close,adj_close\n2021-01-04,AAA,-10,10\n"))


def test_tickers_are_text_with_their_leading_zeros(csv):
    assert list(load_prices(csv("date,ticker,close\n2021-01-04,0005,5\n")).close) == ["0005"]
    assert len(load_prices(csv("date,ticker,close\n2021-01-04,0005,5\n2021-01-04,5,\n")).close.columns) == 2


def test_a_ticker_may_be_called_na(csv):
    assert list(load_prices(csv("date,ticker,close\n2021-01-04,NA,5\n")).close) == ["NA"]


def test_missing_columns_are_named_beside_those_there_are():
    with pytest.raises(SourceError, match="prices: has no column date, ticker; it has day, close"):
        bars_from_long(pd.DataFrame({"day": [1], "close": [2.0]}))


WEEK = {"start": "2021-01-04", "end": "2021-01-08"}


class Yahoo:
    """Answers as yfinance 1.x does: columns Price × Ticker, every asked ticker there, unknown ones all NaN."""

    def __init__(self):
        self.calls, self.unknown = [], set()

    def download(self, tickers, start=None, end=None, **options):
        self.calls.append({"tickers": tickers, "start": start, "end": end, **options})
        begin, stop = pd.Timestamp(start or "2021-01-04"), pd.Timestamp(end or "2021-01-16")
        days = pd.bdate_range(begin, stop - pd.Timedelta(days=1), name="Date")
        fields = ["Close", "High", "Low", "Open", "Volume"]
        columns = pd.MultiIndex.from_product([fields, sorted(map(str.upper, tickers))], names=["Price", "Ticker"])
        # The same for one day, field and ticker, whatever else is asked for.
        shifts = np.array([len(field) * 7.0 + sum(map(ord, ticker)) for field, ticker in columns])
        values = 50.0 + np.sin(days.day_of_year.to_numpy()[:, None] + shifts)
        answer = pd.DataFrame(values, index=days, columns=columns)
        for field, ticker in columns:
            if ticker in self.unknown:
                answer[field, ticker] = np.nan
        return answer if set(columns.get_level_values(1)) - self.unknown else answer.iloc[:0]


@pytest.fixture
def yahoo(monkeypatch):
    stand_in = Yahoo()
    monkeypatch.setattr(yfinance, "download", stand_in.download)
    return stand_in


def test_yahoo_is_asked_for_adjusted_prices_up_to_and_with_the_last_day(yahoo):
    bars = load_prices(["BBB", "AAA"], start="2021-01-04", end="2021-01-08")
    (call,) = yahoo.calls
    assert call["auto_adjust"] is True
    assert call["multi_level_index"] is True
    assert call["tickers"] == ["AAA", "BBB"]
    answer = yahoo.download(["AAA", "BBB"], "2021-01-04", "2021-01-09")
    same = {"check_names": False, "check_freq": False, "check_index_type": False, "check_exact": True}
    pd.testing.assert_frame_equal(bars.close, answer["Close"], **same)
    pd.testing.assert_frame_equal(bars.open, answer["Open"], **same)
    assert bars.close.index[-1] == pd.Timestamp("2021-01-08")
    assert bars.close.index.name == "date"


def test_an_asset_listed_later_has_gaps_before(yahoo, monkeypatch):
    def late(*args, **options):
        answer = yahoo.download(*args, **options)
        answer.loc[:"2021-01-06", (slice(None), "BBB")] = np.nan
        return answer

    monkeypatch.setattr(yfinance, "download", late)
    bars = load_prices(["AAA", "BBB"], **WEEK)
    assert bars.close["BBB"].isna().tolist() == [True, True, True, False, False]
    assert bars.close["AAA"].notna().all()


def test_a_ticker_that_yahoo_does_not_know_is_named(yahoo, tmp_path):
    yahoo.unknown = {"ZZZ", "YYY"}
    complaint = "Yahoo Finance has no prices of {} from 2021-01-04 to 2021-01-08: check the ticker, or try again later"
    with pytest.raises(SourceError, match=complaint.format("YYY, ZZZ")):
        load_prices(["ZZZ", "AAA", "YYY"], **WEEK, cache=tmp_path)
    with pytest.raises(SourceError, match=complaint.format("ZZZ")):
        load_prices(["ZZZ"], **WEEK, cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [ConnectionError("no route"), KeyError("chart"), TimeoutError("slow")])
def test_whatever_the_client_raises_is_a_source_error(monkeypatch, error):
    def broken(*_args, **_options):
        raise error

    monkeypatch.setattr(yfinance, "download", broken)
    with pytest.raises(SourceError, match=f"Yahoo Finance did not answer: {type(error).__name__}.*: check the ticker"):
        load_prices(["AAA"], **WEEK)


def test_no_answer_is_a_source_error(monkeypatch):
    monkeypatch.setattr(yfinance, "download", lambda *_args, **_options: None)
    with pytest.raises(SourceError, match="Yahoo Finance has no prices of AAA"):
        load_prices(["AAA"], **WEEK)


def test_an_answer_with_dates_but_no_closes_is_a_source_error(yahoo, monkeypatch):
    monkeypatch.setattr(yfinance, "download", lambda *args, **options: yahoo.download(*args, **options) * np.nan)
    with pytest.raises(SourceError, match="Yahoo Finance has no prices of AAA"):
        load_prices(["AAA"], **WEEK)


def test_no_ticker_is_refused(yahoo):
    with pytest.raises(SourceError, match="no ticker was named: pass at least one"):
        load_prices([], **WEEK)
    assert not yahoo.calls


def test_a_cached_answer_is_read_without_a_second_call(yahoo, tmp_path):
    def load(tickers, end="2021-01-08"):
        return load_prices(tickers, start="2021-01-04", end=end, cache=tmp_path / "cache")

    first, second = load(["AAA", "BBB"]), load(["BBB", "AAA"])
    assert len(yahoo.calls) == 1
    assert second.close.equals(first.close)
    assert second.open.equals(first.open)
    load(["AAA", "BBB"], end="2021-01-11")
    assert len(yahoo.calls) == 2
    pd.testing.assert_frame_equal(load(["AAA"]).close, first.close[["AAA"]], check_exact=True)
    load_prices(["aaa"], start=pd.Timestamp("2021-01-04"), end=pd.Timestamp("2021-01-08"), cache=tmp_path / "cache")
    assert len(yahoo.calls) == 2


def test_a_corrupt_cache_is_named(yahoo, tmp_path):
    load_prices(["AAA"], start="2021-01-04", end="2021-01-08", cache=tmp_path)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(b"half a fi")
    with pytest.raises(SourceError, match=rf"{kept.name}: file is not a database: put it right"):
        load_prices(["AAA"], start="2021-01-04", end="2021-01-08", cache=tmp_path)


def test_a_day_that_is_not_over_is_not_answered_from_the_cache(yahoo, tmp_path):
    for _ in range(2):
        load_prices(["AAA"], start="2021-01-04", end=pd.Timestamp.now().normalize(), cache=tmp_path)
    first, second = yahoo.calls
    assert second["start"] > pd.Timestamp.now() - pd.Timedelta(days=20) > first["start"]


@pytest.mark.parametrize("given", [{}, {"start": "2021-01-04"}, {"end": "2021-01-08"}])
def test_a_download_needs_both_dates(yahoo, given):
    with pytest.raises(SourceError, match="a download needs both start and end"):
        load_prices(["AAA"], **given)
    assert not yahoo.calls


def test_a_large_universe_can_be_cached(yahoo, tmp_path):
    tickers = [f"T{i:03}" for i in range(100)]
    load_prices(tickers, start="2021-01-04", end="2021-01-08", cache=tmp_path)
    assert load_prices(tickers, start="2021-01-04", end="2021-01-08", cache=tmp_path).close.shape == (5, 100)
    assert len(yahoo.calls) == 1


def test_two_universes_never_share_a_cached_file(yahoo, tmp_path):
    load_prices(["A_B"], start="2021-01-04", end="2021-01-08", cache=tmp_path)
    bars = load_prices(["A", "B"], start="2021-01-04", end="2021-01-08", cache=tmp_path)
    assert list(bars.close.columns) == ["A", "B"]


def test_a_ticker_may_be_typed_in_small_letters(yahoo):
    assert list(load_prices(["aaa", "AAA"], **WEEK).close.columns) == ["AAA"]
