"""The real yfinance client against a server on loopback that speaks Yahoo's chart format."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pandas as pd
import pytest
import yfinance

from allocation import SourceError, load_prices
from allocation.data import load as prices
from allocation.data.versions import price_fetches

# yfinance 1.7 itself uses what pandas is going to drop.
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")
DAYS = pd.bdate_range("2021-01-04", "2021-01-15")
WEEK = {"start": "2021-01-04", "end": "2021-01-15"}


class Chart:
    """What the server knows: closes by ticker, adjusted closes, gaps; and answers to give first, by status."""

    def __init__(self):
        self.close = {"AAA": np.arange(100.0, 110.0), "BBB": np.arange(50.0, 60.0)}
        self.adjusted, self.split, self.dividend, self.trouble, self.asked = {}, {}, {}, [], []
        self.silent, self.over, self.spans, self.broken = threading.Event(), threading.Event(), [], set()

    def answer(self, ticker, query):
        if ticker not in self.close:
            return {"chart": {"result": None, "error": {"code": "Not Found", "description": "No data found"}}}
        stamps = [int(day.tz_localize("America/New_York").timestamp()) + 34_200 for day in DAYS]
        first, last = (int(query[name][0]) for name in ("period1", "period2")) if "period1" in query else (0, 2**40)
        inside = [n for n, stamp in enumerate(stamps) if first <= stamp < last]
        if "period1" in query:
            self.spans.append(
                (ticker, pd.Timestamp(first, unit="s").normalize(), pd.Timestamp(last, unit="s").normalize())
            )
        close = [None if np.isnan(self.close[ticker][n]) else float(self.close[ticker][n]) for n in inside]
        adjusted = self.adjusted.get(ticker, self.close[ticker])
        bars = dict.fromkeys(("close", "open", "high", "low"), close) | {"volume": [1000] * len(inside)}
        events = {}
        if ticker in self.split:
            stamp = stamps[self.split[ticker]]
            events = {"splits": {str(stamp): {"date": stamp, "numerator": 2, "denominator": 1, "splitRatio": "2:1"}}}
        if ticker in self.dividend:
            stamp = stamps[self.dividend[ticker]]
            events["dividends"] = {str(stamp): {"date": stamp, "amount": 1.5}}
        meta = {"currency": "USD", "symbol": ticker, "exchangeName": "NYQ", "instrumentType": "EQUITY",
                "timezone": "EST", "exchangeTimezoneName": "America/New_York", "gmtoffset": -18000,
                "regularMarketPrice": 1.0, "priceHint": 2, "dataGranularity": "1d", "range": "",
                "validRanges": ["1d", "1mo", "max"]}  # fmt: skip
        adjclose = [None if c is None else float(adjusted[n]) for c, n in zip(close, inside, strict=True)]
        result = {"meta": meta, "timestamp": [stamps[n] for n in inside], "events": events,
                  "indicators": {"quote": [bars], "adjclose": [{"adjclose": adjclose}]}}  # fmt: skip
        return {"chart": {"result": [result], "error": None}}


@pytest.fixture
def chart(monkeypatch, tmp_path):
    known = Chart()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            parts = urlsplit(self.path)
            ticker = parts.path.rsplit("/", 1)[-1]
            known.asked.append(ticker)
            if known.silent.is_set():
                return known.over.wait(10) and None
            status, text = known.trouble.pop(0) if known.trouble else (200, None)
            status, text = (500, "{}") if ticker in known.broken else (status, text)
            self.send_response(status)
            self.end_headers()
            self.wfile.write((text or json.dumps(known.answer(ticker, parse_qs(parts.query)))).encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr(yfinance.scrapers.history, "_BASE_URL_", url)
    monkeypatch.setattr(yfinance.base, "_BASE_URL_", url)
    monkeypatch.setattr(yfinance.scrapers.quote, "_BASE_URL_", url)
    monkeypatch.setattr(yfinance.scrapers.quote, "_QUERY1_URL_", url)
    monkeypatch.setattr(yfinance.data.YfData, "_get_cookie_and_crumb", lambda *_, **__: (None, "basic"))
    monkeypatch.setattr(prices, "PAUSES", (0.01, 0.01))
    yfinance.set_tz_cache_location(str(tmp_path / "zones"))
    yfinance.data.YfData.cache_get.cache_clear()
    yield known
    known.over.set()
    yfinance.data.YfData.cache_get.cache_clear()
    server.shutdown()
    server.server_close()


def test_good_data_come_as_they_are(chart):
    bars = load_prices(["AAA", "BBB"], **WEEK)
    np.testing.assert_allclose(bars.close["AAA"], chart.close["AAA"])
    assert bars.close.index.equals(pd.DatetimeIndex(DAYS, name="date").as_unit(bars.close.index.unit))
    assert bars.open["BBB"].notna().all()


def test_tickers_may_be_named_in_one_text(chart, tmp_path):
    """As a command line names every source."""
    bars = load_prices("yahoo:BBB,aaa", **WEEK, cache=tmp_path)
    assert bars.close.equals(load_prices(["AAA", "BBB"], **WEEK, cache=tmp_path).close)
    with pytest.raises(SourceError, match="no ticker was named"):
        load_prices("yahoo:", **WEEK)


def test_a_split_in_the_window_is_adjusted(chart):
    """Yahoo's closes are split-adjusted already; its adjusted closes carry the dividends, and scale the opens."""
    chart.split["AAA"] = 5
    chart.adjusted["AAA"] = chart.close["AAA"] * np.where(np.arange(10) < 5, 0.98, 1.0)
    bars = load_prices(["AAA"], **WEEK)
    np.testing.assert_allclose(bars.close["AAA"], chart.adjusted["AAA"])
    np.testing.assert_allclose(bars.open["AAA"], chart.adjusted["AAA"])


def test_missing_days_are_gaps(chart):
    chart.close["BBB"][[3, 9]] = np.nan
    bars = load_prices(["AAA", "BBB"], **WEEK)
    assert bars.close["BBB"].isna().to_numpy().nonzero()[0].tolist() == [3, 9]
    assert bars.close["AAA"].notna().all()


def test_a_limit_on_requests_is_waited_for(chart, caplog):
    chart.trouble = [(429, "Too Many Requests")] * 4
    bars = load_prices(["AAA"], **WEEK)
    assert bars.close["AAA"].notna().all()
    assert "limits requests: trying again in 0.01 s" in caplog.text


@pytest.mark.parametrize(
    ("trouble", "complaint"),
    [
        ((429, "Too Many Requests"), "limits requests and did not give all of AAA: try again later"),
        ((500, "{}"), "has no prices of AAA"),
        ((200, "<html>Will be right back</html>"), "has no prices of AAA"),
        ((200, "<html>consent</html>"), "has no prices of AAA"),
    ],
)
def test_what_is_no_data_is_an_error_and_is_not_kept(chart, tmp_path, trouble, complaint):
    chart.trouble = [trouble] * 40
    with pytest.raises(SourceError, match=f"Yahoo Finance {complaint}"):
        load_prices(["AAA"], **WEEK, cache=tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_a_server_that_never_answers_is_left_in_time(chart, monkeypatch, caplog):
    """The first call learns the ticker's time zone, for which the client waits as long as it likes."""
    load_prices(["AAA"], **WEEK)
    yfinance.data.YfData.cache_get.cache_clear()
    monkeypatch.setattr(prices, "TIMEOUT", 0.2)
    chart.silent.set()
    with pytest.raises(SourceError, match="Yahoo Finance has no prices of AAA"):
        load_prices(["AAA"], **WEEK)
    assert "Yahoo Finance gave nothing of AAA: ['AAA']: Timeout" in caplog.text


# With a cache


def later(chart):
    """As another night: the client itself remembers answers about days that are over."""
    yfinance.data.YfData.cache_get.cache_clear()
    chart.asked.clear(), chart.spans.clear()


def test_a_second_night_asks_for_the_new_days_only(chart, tmp_path):
    load_prices(["AAA", "BBB"], start="2021-01-04", end="2021-01-13", cache=tmp_path)
    later(chart)
    bars = load_prices(["AAA", "BBB"], **WEEK, cache=tmp_path)
    np.testing.assert_array_equal(bars.close["AAA"], chart.close["AAA"])
    assert {first for _, first, _ in chart.spans} == {pd.Timestamp("2021-01-04")}  # within the overlap
    later(chart)
    assert load_prices(["AAA", "BBB"], **WEEK, cache=tmp_path).close.equals(bars.close)
    assert not chart.asked


def test_one_ticker_that_fails_for_a_night_keeps_its_past_and_is_told_of(chart, tmp_path, caplog):
    first = load_prices(["AAA", "BBB"], start="2021-01-04", end="2021-01-13", cache=tmp_path)
    later(chart)
    chart.broken = {"BBB"}
    bars = load_prices(["AAA", "BBB"], **WEEK, cache=tmp_path)
    np.testing.assert_array_equal(bars.close["AAA"], chart.close["AAA"])
    np.testing.assert_array_equal(bars.close["BBB"].iloc[:-2], first.close["BBB"])
    assert bars.close["BBB"].iloc[-2:].isna().all()
    assert "Yahoo Finance gave nothing of BBB: what was kept before is used" in caplog.text
    assert "no price at 2021-01-15 of BBB since 2021-01-13: not traded, or the vendor is late" in caplog.text
    later(chart)
    chart.broken = set()
    again = load_prices(["AAA", "BBB"], **WEEK, cache=tmp_path)
    np.testing.assert_array_equal(again.close["BBB"], chart.close["BBB"])


@pytest.mark.parametrize(("kind", "factor"), [("split", 0.5), ("dividend", 0.985)])
def test_a_split_or_dividend_between_two_nights_is_a_new_version(chart, tmp_path, caplog, kind, factor):
    """Yahoo rewrites closes for a split, adjusted closes for both."""
    plain = chart.close["AAA"].copy()
    first = load_prices(["AAA", "BBB"], start="2021-01-04", end="2021-01-12", cache=tmp_path)
    between = pd.Timestamp.now("UTC")
    later(chart)
    past = np.arange(10) < 8
    getattr(chart, kind)["AAA"] = 8
    if kind == "split":
        chart.close["AAA"] = plain * np.where(past, factor, 1.0)
    chart.adjusted["AAA"] = plain * np.where(past, factor, 1.0)
    bars = load_prices(["AAA", "BBB"], **WEEK, cache=tmp_path)
    np.testing.assert_allclose(bars.close["AAA"], chart.adjusted["AAA"])
    np.testing.assert_array_equal(bars.close["BBB"], chart.close["BBB"])
    assert f"rewrote 7 past prices of AAA ({kind} of {2 if kind == 'split' else 1.5:g} on 2021-01-14)" in caplog.text
    before = load_prices(["AAA", "BBB"], **WEEK, cache=tmp_path, as_of=between)
    pd.testing.assert_frame_equal(before.close, first.close, check_exact=True)
    pd.testing.assert_frame_equal(before.open, first.open, check_exact=True)
    record = price_fetches(tmp_path)
    assert record.groupby("ticker")["rewritten"].sum().to_dict() == {"AAA": 7, "BBB": 0}
    assert record["client"].str.startswith("yfinance 1").all()
    assert record["policy"].str.contains("auto_adjust").all()


def test_last_bars_that_are_missing_are_told_of(chart, caplog):
    chart.close["BBB"][[8, 9]] = np.nan
    load_prices(["AAA", "BBB"], **WEEK)
    assert "no price at 2021-01-15 of BBB since 2021-01-13: not traded, or the vendor is late" in caplog.text
    caplog.clear()
    load_prices(["AAA"], start="2021-01-04", end="2021-01-20")
    assert "no prices after 2021-01-15, asked up to 2021-01-20: a holiday, or the vendor is late" in caplog.text
    caplog.clear()
    load_prices(["AAA"], start="2021-01-04", end="2021-01-17")  # a Sunday
    assert not caplog.records


def test_as_of_needs_a_cache_and_a_moment(chart, tmp_path):
    load_prices(["AAA"], **WEEK, cache=tmp_path)
    with pytest.raises(SourceError, match="name the cache that keeps them"):
        load_prices(["AAA"], **WEEK, as_of="2021-01-20")
    with pytest.raises(SourceError, match="as_of is 'soon', which is not a moment: write YYYY-MM-DDTHH:MM"):
        load_prices(["AAA"], **WEEK, cache=tmp_path, as_of="soon")
    with pytest.raises(SourceError, match="has no kept prices of AAA as of 2021-01-20 00:00 UTC"):
        load_prices(["AAA"], **WEEK, cache=tmp_path, as_of="2021-01-20")


def test_an_unknown_ticker_is_named(chart):
    with pytest.raises(SourceError, match="Yahoo Finance has no prices of ZZZ"):
        load_prices(["AAA", "ZZZ"], **WEEK)


def test_the_command_updates_and_looks_back(chart, tmp_path, monkeypatch, capsys):
    """By default up to today; with a moment, what the cache held then."""
    from newsfolio.command.app import main

    def command(*options):
        line = ["prices", "AAA", "--start", "2021-01-04", "--out", "p.csv", "--cache", "kept", *options]
        with pytest.raises(SystemExit) as ended:
            main(line)
        return ended.value.code or 0, *capsys.readouterr()

    monkeypatch.chdir(tmp_path)
    code, out, _ = command()
    assert (code, out) == (0, "1 tickers, 10 sessions from 2021-01-04 to 2021-01-15; written to p.csv\n")
    written, moment = (tmp_path / "p.csv").read_text(), f"{pd.Timestamp.now('UTC'):%Y-%m-%dT%H:%M:%S.%f}"
    later(chart)
    chart.adjusted["AAA"] = chart.close["AAA"] * 0.5
    command()
    assert (tmp_path / "p.csv").read_text() != written
    later(chart)
    assert command("--as-of", moment)[0] == 0
    assert (tmp_path / "p.csv").read_text() == written
    assert not chart.asked
    assert command("--as-of", "soon")[:2] == (1, "")
