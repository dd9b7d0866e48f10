"""What is held follows from events once, whenever fills come; opens are checked before orders fill at them."""

import pandas as pd
import pytest
from fake_alpaca import KEYS, Exchange, serving
from live_support import SESSIONS, Desk, alpaca_step, market

from allocation.live import AlpacaBroker, Costs, GuardStopError, Limits, Rules, Settings, open_ledger
from allocation.live.ledger.events import event_holdings

DAYS = SESSIONS[10:16]
BARS = market()


def test_fills_before_a_valuation_are_counted_once(tmp_path):
    """Buys that waited for the money of sells are sent in the morning, and fill before the account is looked at."""
    exchange = Exchange(prices=BARS.close.loc[DAYS[0]].to_dict(), power=30_000.0)
    with serving(exchange) as url:
        broker, path = AlpacaBroker(*KEYS, url, pause=0.01), tmp_path / "a.sqlite"
        assert "not sent" in alpaca_step(broker, exchange, path, DAYS[0]).counts
        exchange.fill()
        take = exchange.submit

        def fills_at_once(body):
            answer = dict(take(body)[1])
            exchange.fill()
            return 200, answer  # as it was before the fill

        exchange.submit, exchange.power = fills_at_once, 1e6
        allowed = Limits(1.0, 2.0, 0.0, price_jump=9.0, allowed=frozenset({"late"}))
        alpaca_step(broker, exchange, path, DAYS[0], limits=allowed, now=pd.Timestamp("2022-09-21T14:00Z"))
        exchange.submit, exchange.prices = take, BARS.close.loc[DAYS[1]].to_dict()
        assert alpaca_step(broker, exchange, path, DAYS[1]).decided == "now"
        with open_ledger(str(path)) as ledger, ledger.transaction() as connection:
            held = event_holdings(connection)[1]
    assert held[held != 0.0].to_dict() == pytest.approx(exchange.positions)


def test_fills_between_the_two_questions_are_no_difference(tmp_path):
    """The orders fill after their states were asked for, and before the account is."""
    exchange = Exchange(prices=BARS.close.loc[DAYS[0]].to_dict(), power=1e6)
    with serving(exchange) as url:
        broker, path = AlpacaBroker(*KEYS, url, pause=0.01), tmp_path / "a.sqlite"
        alpaca_step(broker, exchange, path, DAYS[0])
        exchange.prices = BARS.close.loc[DAYS[1]].to_dict()
        answer = exchange.answer

        def fills_before_the_account(method, url, body):
            if url == "/v2/account":
                exchange.fill()
            return answer(method, url, body)

        exchange.answer = fills_before_the_account
        assert alpaca_step(broker, exchange, path, DAYS[1]).decided == "now"


def test_an_allowed_difference_becomes_an_event(tmp_path):
    exchange = Exchange(prices=BARS.close.loc[DAYS[0]].to_dict(), power=1e6)
    with serving(exchange) as url:
        broker, path = AlpacaBroker(*KEYS, url, pause=0.01), tmp_path / "a.sqlite"
        alpaca_step(broker, exchange, path, DAYS[0])
        exchange.fill()
        exchange.positions["BBB"] *= 2.0
        exchange.prices = BARS.close.loc[DAYS[1]].to_dict()
        allowed = Limits(1.0, 2.0, 0.0, price_jump=9.0, allowed=frozenset({"reconcile"}))
        report = alpaca_step(broker, exchange, path, DAYS[1], limits=allowed)
        assert [name for name, _ in report.allowed] == ["reconcile"]
        exchange.fill()
        exchange.prices = BARS.close.loc[DAYS[2]].to_dict()
        assert alpaca_step(broker, exchange, path, DAYS[2]).allowed == ()


def test_an_open_that_jumps_stops_before_orders_fill_at_it(tmp_path):
    desk = Desk(str(tmp_path / "book.sqlite"))
    desk.step(DAYS[0])
    desk.settings = Settings(Rules(), Limits(1.0, 2.0, 0.0), costs=Costs.of(0.001))
    desk.bars.open.loc[DAYS[1], "BBB"] *= 9.0
    with pytest.raises(GuardStopError, match=r"\[price-jump\] BBB opened [78]\d\d% off the close before"):
        desk.step(DAYS[1])
    assert desk.rows("orders") == desk.rows("fills") == []
    allowed = Limits(1.0, 2.0, 0.0, allowed=frozenset({"price-jump"}))
    report = desk.step(DAYS[1], limits=allowed)
    assert report.allowed[0][0] == "price-jump"


def test_a_close_of_a_session_that_was_skipped_is_checked(tmp_path):
    desk = Desk(str(tmp_path / "book.sqlite"))
    desk.step(DAYS[0])
    desk.settings = Settings(Rules(), Limits(1.0, 2.0, 0.0), costs=Costs.of(0.001))
    desk.bars.close.loc[DAYS[2], "BBB"] *= 9.0
    with pytest.raises(GuardStopError, match=r"\[price-jump\] BBB moved \d+% at 2022-09-2[23], BBB moved"):
        desk.step(DAYS[4])


def test_a_step_that_stops_has_not_moved_the_account(tmp_path):
    """A mistyped date leaves every earlier session possible."""
    desk = Desk(str(tmp_path / "book.sqlite"))
    desk.step(DAYS[0]), desk.step(DAYS[1])
    before = {table: desk.rows(table) for table in ("books", "positions", "fills", "orders", "valuations")}
    with pytest.raises(GuardStopError, match=r"\[clock\]"):
        desk.step(DAYS[5], now=DAYS[1].tz_localize("UTC") + pd.Timedelta(hours=23))
    assert {table: desk.rows(table) for table in before} == before
    plain = Desk(str(tmp_path / "plain.sqlite"))
    for day in DAYS[:2]:
        plain.step(day)
    assert desk.step(DAYS[2]).nav == plain.step(DAYS[2]).nav
