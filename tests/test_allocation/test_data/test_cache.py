"""The cache of prices: only missing days are asked for, a rewritten history is a new version, the old one stays."""

import logging
import sqlite3
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from allocation import SourceError, frame_digest
from allocation.data.bars import bars_from_long
from allocation.data.cache import OVERLAP, SAME, WHOLE, Vendor, fetch_missing, kept_prices
from allocation.data.versions import price_fetches

SESSIONS = pd.bdate_range("2021-01-04", periods=90)
ONE_DAY = pd.Timedelta(days=1)


@dataclass
class Exchange:
    """A vendor with a memory: raw closes, splits and dividends; what it says of the past changes with each event.

    A close that is younger than 36 hours is not final yet.
    """

    now: pd.Timestamp = SESSIONS[30] + pd.Timedelta(hours=21)
    events: list = field(default_factory=list)
    gone: set = field(default_factory=set)
    asked: list = field(default_factory=list)

    def adjusted(self, ticker):
        random = np.random.default_rng(sum(map(ord, ticker)))
        raw = 50.0 * np.cumprod(1.0 + 0.01 * random.standard_normal(len(SESSIONS)))
        rows = pd.DataFrame({"close": raw, "open": raw * 0.99, "dividend": 0.0, "split": 0.0}, SESSIONS)
        for day, kind, value in self.events:
            if day <= self.now:
                past = rows.index < day
                rows.loc[past, ["close", "open"]] /= value if kind == "split" else 1.0 / (1.0 - value / 50.0)
                rows.loc[day, kind] = value
        young = rows.index + pd.Timedelta(hours=36) > self.now
        rows.loc[young, "close"] *= 1.001
        return rows[rows.index <= self.now]

    def fetch(self, tickers, first, last):
        self.asked.append((tuple(tickers), first, last))
        found = {t: self.adjusted(t).loc[first:last] for t in tickers if t not in self.gone}
        columns = ["ticker", "date", "close", "open", "dividend", "split"]
        if not any(map(len, found.values())):
            return pd.DataFrame(columns=columns)
        return pd.concat(found, names=["ticker", "date"]).reset_index()[columns]

    @property
    def vendor(self):
        return Vendor("Exchange", "adjusted", "client 1", self.fetch)


@pytest.fixture
def exchange(monkeypatch):
    made = Exchange()
    monkeypatch.setattr("allocation.data.cache.utc_now", lambda: made.now)
    return made


def load(exchange, folder, tickers, first, last):
    fetch_missing(folder, tickers, (first, last), exchange.vendor)
    return wide(folder, tickers, first, last)


def wide(folder, tickers, first, last, as_of=None):
    return bars_from_long(kept_prices(folder, tickers, (first, last), as_of)).close


def truth(exchange, tickers, first, last):
    return pd.DataFrame({t: exchange.adjusted(t)["close"] for t in tickers}).loc[first:last]


STEPS = st.lists(
    st.tuples(
        st.integers(0, 6),  # sessions that pass before
        st.sets(st.sampled_from(["AAA", "BBB", "CCC"]), min_size=1),
        st.integers(0, 25),  # the first session asked for
        st.sampled_from([None, None, None, ("split", 2.0), ("split", 0.1), ("dividend", 0.4)]),
    ),
    min_size=2,
    max_size=5,
)


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_the_cache_says_what_the_vendor_says_and_remembers_what_it_said(exchange, tmp_path_factory, steps):
    folder, place, said = tmp_path_factory.mktemp("kept"), 30, []
    exchange.events.clear()
    for passed, tickers, start, happened in steps:
        before, place = place, min(place + passed, len(SESSIONS) - 1)
        exchange.now = SESSIONS[place] + pd.Timedelta(hours=21, seconds=len(said))
        if happened and place > before:
            exchange.events.append((SESSIONS[place], *happened))
        asked = (sorted(tickers), SESSIONS[start], SESSIONS[place])
        frame = load(exchange, folder, *asked)
        pd.testing.assert_frame_equal(frame, truth(exchange, *asked), check_freq=False, check_names=False, rtol=SAME)
        said.append((exchange.now, asked, frame))
    for moment, asked, frame in said:
        again = wide(folder, *asked, as_of=moment.to_pydatetime())
        pd.testing.assert_frame_equal(again, frame, check_exact=True)
        assert frame_digest(again) == frame_digest(frame)


def test_only_missing_days_are_asked_for_and_a_few_to_compare(exchange, tmp_path):
    load(exchange, tmp_path, ["AAA", "BBB"], SESSIONS[0], SESSIONS[30])
    for place in range(31, 38):
        exchange.now = SESSIONS[place] + pd.Timedelta(hours=21)
        load(exchange, tmp_path, ["AAA", "BBB"], SESSIONS[0], SESSIONS[place])
    assert [tickers for tickers, _, _ in exchange.asked] == [("AAA", "BBB")] * 8
    assert all(last - first <= OVERLAP + pd.Timedelta(days=5) for _, first, last in exchange.asked[1:])
    with sqlite3.connect(tmp_path / "prices.sqlite") as kept:
        (rows,) = kept.execute("SELECT count(*) FROM prices").fetchone()
    assert rows == 2 * (38 + 7)  # each session once, and once more as its close became final


def test_what_is_kept_and_final_is_not_asked_for(exchange, tmp_path):
    for _ in range(3):
        load(exchange, tmp_path, ["AAA"], SESSIONS[5], SESSIONS[20])
        load(exchange, tmp_path, ["AAA"], SESSIONS[8], SESSIONS[12])
    assert len(exchange.asked) == 1


def test_an_earlier_start_is_fetched_up_to_what_is_kept(exchange, tmp_path):
    load(exchange, tmp_path, ["AAA"], SESSIONS[25], SESSIONS[28])
    frame = load(exchange, tmp_path, ["AAA"], SESSIONS[0], SESSIONS[28])
    assert exchange.asked[-1] == (("AAA",), SESSIONS[0], SESSIONS[28])
    pd.testing.assert_frame_equal(frame, truth(exchange, ["AAA"], SESSIONS[0], SESSIONS[28]), check_freq=False,
                                  check_names=False, check_exact=True)  # fmt: skip


@pytest.mark.parametrize(("kind", "value"), [("split", 2.0), ("dividend", 0.4)])
def test_a_rewritten_history_is_told_of_recorded_and_versioned(exchange, tmp_path, caplog, kind, value):
    first = load(exchange, tmp_path, ["AAA", "BBB"], SESSIONS[0], SESSIONS[30])
    moment = exchange.now.to_pydatetime()
    exchange.events = [(SESSIONS[32], kind, value)]
    exchange.now = SESSIONS[33] + pd.Timedelta(hours=21)
    second = load(exchange, tmp_path, ["AAA"], SESSIONS[0], SESSIONS[33])
    assert f"Exchange rewrote 30 past prices of AAA ({kind} of {value:g} on {SESSIONS[32]:%Y-%m-%d})" in caplog.text
    assert (second["AAA"].iloc[:30] / first["AAA"].iloc[:30] < 0.999).all()
    pd.testing.assert_frame_equal(wide(tmp_path, ["AAA", "BBB"], SESSIONS[0], SESSIONS[30], moment), first)
    record = price_fetches(tmp_path)
    assert record["rewritten"].tolist() == [0, 0, 30]
    assert record["digest"].nunique() == 3
    assert set(record["vendor"] + record["policy"] + record["client"]) == {"Exchangeadjustedclient 1"}


def test_a_mended_price_is_told_of_as_one(exchange, tmp_path, caplog, monkeypatch):
    load(exchange, tmp_path, ["AAA"], SESSIONS[0], SESSIONS[30])
    plain = exchange.adjusted

    def mended(ticker):
        rows = plain(ticker)
        rows.loc[SESSIONS[25], "close"] *= 1.01
        return rows.drop(SESSIONS[26])

    monkeypatch.setattr(exchange, "adjusted", mended)
    exchange.now += pd.Timedelta(days=7)
    frame = load(exchange, tmp_path, ["AAA"], SESSIONS[0], SESSIONS[33])
    assert "rewrote 2 past prices of AAA (no split or dividend since says why: compare with" in caplog.text
    assert SESSIONS[26] not in frame.index
    assert frame.loc[SESSIONS[25], "AAA"] == mended("AAA").loc[SESSIONS[25], "close"]


def mend(exchange, monkeypatch, session, factor=1.01):
    """From now on the vendor has one close otherwise, and says nothing of it."""
    plain = exchange.adjusted

    def mended(ticker):
        rows = plain(ticker)
        rows.loc[session, "close"] *= factor
        return rows

    monkeypatch.setattr(exchange, "adjusted", mended)


def nightly(exchange, folder, tickers, places):
    """Load up to each session on its evening; yield the session."""
    for place in places:
        exchange.now = SESSIONS[place] + pd.Timedelta(hours=21)
        load(exchange, folder, tickers, SESSIONS[0], SESSIONS[place])
        yield SESSIONS[place]


def test_one_price_of_long_ago_that_was_mended_is_found_in_weeks(exchange, tmp_path, caplog, monkeypatch):
    """With one request a night, of which few are about all of the history."""
    list(nightly(exchange, tmp_path, ["AAA", "BBB"], range(30, 33)))
    mend(exchange, monkeypatch, SESSIONS[3])
    moment, before = exchange.now, wide(tmp_path, ["AAA"], SESSIONS[0], SESSIONS[32])
    night = next(n for n in nightly(exchange, tmp_path, ["AAA", "BBB"], range(33, 80)) if caplog.records)
    assert "Exchange rewrote 1 past prices of AAA (no split or dividend since says why: compare with" in caplog.text
    assert night == SESSIONS[30] + WHOLE  # which is less than WHOLE after it was mended
    assert wide(tmp_path, ["AAA"], *2 * [SESSIONS[3]]).squeeze() == exchange.adjusted("AAA").loc[SESSIONS[3], "close"]
    then = wide(tmp_path, ["AAA"], SESSIONS[0], SESSIONS[32], moment.to_pydatetime())
    pd.testing.assert_frame_equal(then, before, check_exact=True)
    caplog.clear()
    list(nightly(exchange, tmp_path, ["AAA", "BBB"], range(51, 71)))
    assert not caplog.records
    whole = [last for _, first, last in exchange.asked if first == SESSIONS[0]]
    assert whole == [SESSIONS[30], SESSIONS[50], SESSIONS[70]]
    assert [last for _, _, last in exchange.asked] == list(SESSIONS[30:71])  # one request a night


def test_all_that_is_kept_is_asked_for_not_only_what_is_wanted_today(exchange, tmp_path):
    load(exchange, tmp_path, ["AAA"], SESSIONS[0], SESSIONS[60])  # days to come, too
    exchange.now += WHOLE
    load(exchange, tmp_path, ["AAA"], SESSIONS[5], SESSIONS[52])
    assert exchange.asked[-1] == (("AAA",), SESSIONS[0], SESSIONS[60])


def test_a_history_that_was_asked_for_again_for_another_reason_is_whole(exchange, tmp_path):
    """The weeks begin anew with a split, or with an earlier start."""
    load(exchange, tmp_path, ["AAA"], SESSIONS[10], SESSIONS[30])
    exchange.now += WHOLE - ONE_DAY
    load(exchange, tmp_path, ["AAA"], SESSIONS[0], SESSIONS[40])
    exchange.now += ONE_DAY
    load(exchange, tmp_path, ["AAA"], SESSIONS[0], SESSIONS[60])
    assert [first == SESSIONS[0] for _, first, _ in exchange.asked] == [False, True, False]


def test_the_last_bits_of_single_precision_are_no_new_version(exchange, tmp_path, caplog, monkeypatch):
    load(exchange, tmp_path, ["AAA"], SESSIONS[0], SESSIONS[30])
    plain = exchange.adjusted
    monkeypatch.setattr(exchange, "adjusted", lambda ticker: plain(ticker) * (1.0 + 1e-7))
    exchange.now += pd.Timedelta(days=3)
    load(exchange, tmp_path, ["AAA"], SESSIONS[0], SESSIONS[32])
    assert price_fetches(tmp_path)["rewritten"].tolist() == [0, 0]
    assert not caplog.records


def test_a_ticker_that_is_gone_keeps_its_past_and_is_told_of(exchange, tmp_path, caplog):
    load(exchange, tmp_path, ["AAA", "BBB"], SESSIONS[0], SESSIONS[30])
    exchange.gone, exchange.now = {"BBB"}, SESSIONS[40] + pd.Timedelta(hours=21)
    frame = load(exchange, tmp_path, ["AAA", "BBB"], SESSIONS[0], SESSIONS[40])
    assert "Exchange gave nothing of BBB: what was kept before is used" in caplog.text
    assert frame["BBB"].last_valid_index() == SESSIONS[30]
    assert frame["AAA"].last_valid_index() == SESSIONS[40]


def test_an_asset_that_rested_for_months_is_still_compared(exchange, tmp_path, monkeypatch):
    """And found to have split when it trades again."""
    plain = exchange.adjusted
    rested = SESSIONS[21:80]
    monkeypatch.setattr(exchange, "adjusted", lambda ticker: plain(ticker).drop(rested, errors="ignore"))
    for place in (30, 60, 79, 85):
        exchange.now = SESSIONS[place] + pd.Timedelta(hours=21)
        if place == 85:
            exchange.events = [(SESSIONS[80], "split", 5.0)]
        frame = load(exchange, tmp_path, ["AAA"], SESSIONS[0], SESSIONS[place])
    expected = truth(exchange, ["AAA"], SESSIONS[0], SESSIONS[85])
    pd.testing.assert_frame_equal(frame, expected, check_freq=False, check_names=False, rtol=SAME)
    assert price_fetches(tmp_path)["rewritten"].tolist() == [0, 0, 0, 21]


def test_no_answer_at_all_or_none_of_an_unknown_ticker_is_an_error_that_keeps_nothing(exchange, tmp_path):
    exchange.gone = {"BBB"}
    with pytest.raises(SourceError, match="Exchange has no prices of BBB from 2021-01-04 to 2021-02-15: check the tic"):
        load(exchange, tmp_path / "new", ["AAA", "BBB"], SESSIONS[0], SESSIONS[30])
    assert not (tmp_path / "new").exists()
    load(exchange, tmp_path, ["AAA"], SESSIONS[0], SESSIONS[30])
    exchange.gone, exchange.now = {"AAA"}, SESSIONS[40]
    with pytest.raises(SourceError, match="Exchange has no prices of AAA"):
        load(exchange, tmp_path, ["AAA"], SESSIONS[0], SESSIONS[40])


def test_a_failure_in_the_middle_keeps_nothing_of_it(exchange, tmp_path, monkeypatch):
    load(exchange, tmp_path, ["AAA"], SESSIONS[0], SESSIONS[30])
    exchange.events = [(SESSIONS[32], "split", 2.0)]
    exchange.now = SESSIONS[33] + pd.Timedelta(hours=21)
    fetch, calls = exchange.fetch, []

    def breaks(*asked):
        calls.append(asked)
        if len(calls) == 2:  # the history, after the overlap showed that it was rewritten
            raise SourceError("no route")
        return fetch(*asked)

    monkeypatch.setattr(exchange, "fetch", breaks)
    before = price_fetches(tmp_path)
    with pytest.raises(SourceError, match="no route"):
        load(exchange, tmp_path, ["AAA"], SESSIONS[0], SESSIONS[33])
    pd.testing.assert_frame_equal(price_fetches(tmp_path), before)


def test_nothing_was_known_before_the_first_fetch(exchange, tmp_path):
    load(exchange, tmp_path, ["AAA"], SESSIONS[0], SESSIONS[30])
    with pytest.raises(SourceError, match=r"has no kept prices of AAA as of 2021-01-04 00:00 UTC"):
        wide(tmp_path, ["AAA"], SESSIONS[0], SESSIONS[30], SESSIONS[0].to_pydatetime())
    with pytest.raises(SourceError, match="keeps AAA from 2021-01-04, asked from 2021-01-01: ask for a later start"):
        wide(tmp_path, ["AAA"], pd.Timestamp("2021-01-01"), SESSIONS[30])
    with pytest.raises(SourceError, match="none: has no kept prices"):
        wide(tmp_path / "none", ["AAA"], SESSIONS[0], SESSIONS[30])
    with pytest.raises(SourceError, match="none: has no kept prices"):
        price_fetches(tmp_path / "none")


@pytest.fixture
def versions(exchange, tmp_path, monkeypatch):
    """The folder, and three versions of one close with the moments when they were fetched."""
    said = []
    for place in (30, 32, 34):
        if said:
            mend(exchange, monkeypatch, SESSIONS[28])
        exchange.now = SESSIONS[place] + pd.Timedelta(hours=21)
        frame = load(exchange, tmp_path, ["AAA"], SESSIONS[0], SESSIONS[place])
        said.append((exchange.now.to_pydatetime(), frame.loc[SESSIONS[28], "AAA"]))
    return tmp_path, said


def test_a_version_is_read_from_the_very_moment_it_was_fetched(versions):
    """And until the very moment of the next."""
    folder, said = versions
    moment = pd.Timedelta(microseconds=1).to_pytimedelta()

    def read(as_of):
        return wide(folder, ["AAA"], SESSIONS[0], SESSIONS[30], as_of).loc[SESSIONS[28], "AAA"]

    assert len({close for _, close in said}) == 3
    for (fetched, close), (following, _) in zip(said, [*said[1:], (said[-1][0] + ONE_DAY, None)], strict=True):
        assert read(fetched) == read(fetched + moment) == read(following - moment) == close
    assert read(None) == said[-1][1]
    with pytest.raises(SourceError, match="has no kept prices of AAA as of"):
        read(said[0][0] - moment)


def test_which_dates_were_known_is_as_of_the_moment_too(exchange, tmp_path):
    """An earlier start that was fetched later was not known before."""
    load(exchange, tmp_path, ["AAA"], SESSIONS[10], SESSIONS[30])
    first = exchange.now.to_pydatetime()
    exchange.now += ONE_DAY
    load(exchange, tmp_path, ["AAA"], SESSIONS[0], SESSIONS[30])
    with pytest.raises(SourceError, match="keeps as of .* AAA from 2021-01-18, asked from 2021-01-04"):
        wide(tmp_path, ["AAA"], SESSIONS[0], SESSIONS[30], first)
    assert len(wide(tmp_path, ["AAA"], SESSIONS[10], SESSIONS[30], first)) == 21
    assert len(wide(tmp_path, ["AAA"], SESSIONS[0], SESSIONS[30], exchange.now.to_pydatetime())) == 31


def test_a_cache_of_a_newer_version_is_left_alone(exchange, tmp_path):
    load(exchange, tmp_path, ["AAA"], SESSIONS[0], SESSIONS[30])
    with sqlite3.connect(tmp_path / "prices.sqlite") as kept:
        kept.execute("PRAGMA user_version = 9")
    with pytest.raises(SourceError, match="is of version 9, which a newer newsfolio wrote: upgrade newsfolio"):
        load(exchange, tmp_path, ["AAA"], SESSIONS[0], SESSIONS[30])


def test_a_ticker_is_text_and_nothing_else(exchange, tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    name = "'; DROP TABLE prices; --"
    frame = load(exchange, tmp_path, [name, "AAA"], SESSIONS[0], SESSIONS[30])
    assert list(frame.columns) == [name, "AAA"]
