"""What a ledger says: pending orders are no fault, a weekly date that was missed is one, and is decided late."""

import pandas as pd
import pytest
from fake_alpaca import KEYS, Exchange, serving
from live_support import SESSIONS, Desk, alpaca_step, market

from allocation.live import AlpacaBroker, open_ledger, status
from allocation.schedule import is_due

BARS = market()
DAYS = SESSIONS[10:20]  # 2022-09-20, a Tuesday, and what follows


def at(day, hours=22):
    return day.tz_localize("UTC") + pd.Timedelta(hours=hours)


@pytest.fixture
def broker():
    exchange = Exchange(prices=BARS.close.loc[DAYS[0]].to_dict(), power=1e6)
    with serving(exchange) as url:
        yield AlpacaBroker(*KEYS, url, pause=0.01), exchange


def test_orders_that_wait_for_the_open_are_pending_and_nothing_is_wrong(broker, tmp_path):
    alpaca_step(*broker, tmp_path / "a.sqlite", DAYS[0])
    with open_ledger(str(tmp_path / "a.sqlite")) as ledger:
        found = status(ledger, now=at(DAYS[0], 23))
        assert found.wrong == ()
        assert len(found.pending) == 3
        assert "accepted, 0.0000 filled, as known at 2022-09-20 22:00 UTC" in str(found)
        assert found.to_dict()["pending"][0]["status"] == "accepted"
        later = status(ledger, now=at(DAYS[1], 23)).wrong
    assert "3 orders have not ended, though 2022-09-21 has closed" in later


def test_an_account_that_was_opened_after_the_last_close_has_missed_nothing(tmp_path, monkeypatch):
    sunday = pd.Timestamp("2022-09-25 12:00", tz="UTC")
    monkeypatch.setattr("allocation.live.brokers.account.utc_now", lambda: sunday)
    url = Desk(str(tmp_path / "book.sqlite")).url
    with open_ledger(url) as ledger:
        assert status(ledger, now=sunday).wrong == ()
        assert "no run has finished for 2022-09-26" in status(ledger, now=at(pd.Timestamp("2022-09-26"))).wrong[0]


def test_a_weekly_date_that_was_missed_is_said(tmp_path):
    desk = Desk(str(tmp_path / "book.sqlite"))
    desk.step(DAYS[0])
    monday = pd.Timestamp("2022-09-26")
    desk.step(monday, due=False)
    with open_ledger(desk.url) as ledger:
        assert status(ledger, now=at(monday, 23)).wrong == ()
        wrong = status(ledger, now=at(monday, 23), every="weekly").wrong
    assert wrong == ("no decision for 2022-09-23, a rebalancing date: the next run decides late",)


@pytest.mark.parametrize(
    ("session", "since", "every", "due"),
    [
        ("2022-09-26", "2022-09-16", "weekly", True),  # Friday the 23rd was missed
        ("2022-09-26", "2022-09-23", "weekly", False),
        ("2022-09-23", "2022-09-16", "weekly", True),
        ("2022-10-03", "2022-08-31", "monthly", True),
        ("2022-10-03", "2022-09-30", "monthly", False),
        ("2022-09-26", None, "weekly", False),
    ],
)
def test_a_date_that_was_missed_is_due(session, since, every, due):
    sessions = SESSIONS[session >= SESSIONS]
    asked = None if since is None else pd.Timestamp(since)
    assert is_due(pd.Timestamp(session), sessions, every, since=asked) == due
