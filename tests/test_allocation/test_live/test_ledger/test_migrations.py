"""A ledger of before account events, which has traded, is brought up to date: holdings and NAV are what they were."""

from dataclasses import replace

import pandas as pd
import pytest
from fake_alpaca import KEYS, Exchange, serving
from live_support import EASY, NIGHT, SESSIONS, Desk, Tilted, alpaca_step, market

from allocation.live import AlpacaBroker, Costs, GuardStopError, Rules, Settings, open_ledger, read_ledger
from allocation.live.errors import LedgerError
from allocation.live.ledger.events import event_holdings

DAYS = SESSIONS[10:20]
BARS = market()


def as_version_2(url):
    """Take away what version 3 added: the ledger as the version before wrote it."""
    with open_ledger(url) as ledger, ledger.transaction() as connection:
        connection.exec_driver_sql("DROP TABLE account_events")
        connection.exec_driver_sql("UPDATE newsfolio_version SET version_num = '0002'")
    with pytest.raises(LedgerError, match="is of version 0002, not 0003"), read_ledger(url):
        pass


def by_events(url):
    with open_ledger(url) as ledger, ledger.transaction() as connection:
        cash, shares = event_holdings(connection)
    return cash, shares[shares.abs() > 1e-9].to_dict()


def halved(frame, asset):
    frame[asset] *= 0.5


@pytest.fixture
def twin(tmp_path):
    return Desk(str(tmp_path / "twin.sqlite"), policy=Tilted(), settings=Settings(Rules(), EASY, costs=Costs.of(0.001)))


def test_a_paper_account_that_has_traded(url, twin):
    """With a split, and with a decision that waits for the next open."""
    desk = Desk(url, policy=Tilted(), settings=twin.settings)
    for day in DAYS[:4]:
        desk.step(day), twin.step(day)
    for each in (desk, twin):
        halved(each.bars.close, "BBB"), halved(each.bars.open, "BBB")
        each.step(DAYS[4])
    assert len(desk.rows("fills")) > 10
    as_version_2(url)
    account = twin.shares()
    cash, shares = by_events(url)
    assert shares == pytest.approx(dict(account.shares), rel=1e-10)
    assert cash == pytest.approx(account.cash, rel=1e-10, abs=1e-4)
    for day in DAYS[5:8]:
        expected, report = twin.step(day), desk.step(day)
        assert report.nav == pytest.approx(expected.nav, rel=1e-12)
        pd.testing.assert_series_equal(report.weights, expected.weights, rtol=1e-10)
        assert by_events(url)[1] == pytest.approx(dict(twin.shares().shares), rel=1e-9)


def test_an_account_at_a_broker_that_has_traded(url):
    """With orders that filled in part, one that was refused, and fills that nobody has asked about yet."""
    exchange = Exchange(prices=BARS.close.loc[DAYS[0]].to_dict(), power=1e7, cash=50_000.0, positions={"AAA": 100.0})
    with serving(exchange) as server:
        broker = AlpacaBroker(*KEYS, server, pause=0.01)
        take, nights = exchange.submit, []
        for place, day in enumerate(DAYS[:4]):
            exchange.prices = BARS.close.loc[day].to_dict()
            refused = "CCC" if place == 1 else ""
            exchange.submit = lambda body, refused=refused: (
                (403, {"message": "no"}) if body["symbol"] == refused else take(body)
            )
            nights.append(alpaca_step(broker, exchange, url, day, limits=EASY).nav)
            exchange.fill(0.5 if place == 2 else 1.0)
            for order in exchange.orders.values():
                if order["status"] == "partially_filled":
                    order["status"] = "canceled"
        as_version_2(url)
        cash, shares = by_events(url)
        with open_ledger(url) as ledger, ledger.transaction() as connection:
            held = connection.exec_driver_sql(
                "SELECT asset, shares FROM holdings WHERE session = (SELECT MAX(session) FROM valuations)"
            )
            assert shares == pytest.approx(dict(map(tuple, held)))
        exchange.prices = BARS.close.loc[DAYS[4]].to_dict()
        before = exchange.cash + sum(count * exchange.prices[asset] for asset, count in exchange.positions.items())
        report = alpaca_step(broker, exchange, url, DAYS[4], now=DAYS[4].tz_localize("UTC") + NIGHT)
        assert report.allowed == ()  # [reconcile] had nothing to find
        assert report.nav == pytest.approx(before, rel=1e-12)
        cash, shares = by_events(url)
        assert shares == pytest.approx(exchange.positions)
        assert cash == pytest.approx(exchange.cash, abs=1e-6)


def test_an_account_at_a_broker_that_was_never_valued_is_opened_by_hand(url):
    """What filled before it was opened is in the opening balance too: [reconcile] holds that, and never in silence."""
    exchange = Exchange(prices=BARS.close.loc[DAYS[0]].to_dict(), power=1e7)
    with serving(exchange) as server:
        broker = AlpacaBroker(*KEYS, server, pause=0.01)
        alpaca_step(broker, exchange, url, DAYS[0])
        with open_ledger(url) as ledger, ledger.transaction() as connection:
            for table in ("holdings", "valuations"):
                connection.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608
        as_version_2(url)
        assert by_events(url) == (0.0, {})
        exchange.fill()
        exchange.prices = BARS.close.loc[DAYS[1]].to_dict()
        with pytest.raises(GuardStopError, match=r"\[reconcile\] "):
            alpaca_step(broker, exchange, url, DAYS[1])  # which opens the account first
        alpaca_step(broker, exchange, url, DAYS[1], limits=replace(EASY, allowed=frozenset({"reconcile"})))
        assert by_events(url)[1] == pytest.approx(exchange.positions)
