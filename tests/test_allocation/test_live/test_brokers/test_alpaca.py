"""Alpaca's client and a whole step with it, against a server on loopback that follows its documentation."""

import logging

import pandas as pd
import pytest
from fake_alpaca import KEYS, Exchange, serving
from live_support import SESSIONS, market
from live_support import alpaca_step as step

from allocation.live import (
    AlpacaBroker,
    BrokerError,
    GuardStopError,
    Limits,
    Order,
)

DAYS = SESSIONS[10:14]
BARS = market()


@pytest.fixture
def exchange():
    return Exchange(prices=BARS.close.loc[DAYS[0]].to_dict())


@pytest.fixture
def broker(exchange):
    with serving(exchange) as url:
        yield AlpacaBroker(*KEYS, url, timeout=2.0, pause=0.01)


BUY = Order("nf-1", "AAA", 2.5, 50.0)


def test_an_order_is_sent_once_whatever_happens_to_the_answer(broker, exchange):
    exchange.trouble = [None]  # taken, and the line is cut before the answer
    state = broker.submit(BUY)
    assert (state.status, len(exchange.orders)) == ("accepted", 1)
    assert broker.submit(BUY) == state
    assert exchange.orders["nf-1"]["qty"] == "2.5"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_request_that_is_put_off_is_repeated(broker, exchange, status):
    exchange.trouble = [(status, {"Retry-After": "0"}, "{}"), (status, {}, "<html>busy</html>")]
    assert broker.account().cash == 100_000.0


def test_a_server_that_never_answers_is_told_of(broker, exchange):
    exchange.trouble = [(500, {}, "")] * 9
    with pytest.raises(BrokerError, match="Alpaca did not answer GET /v2/account in 4 tries: HTTP 500"):
        broker.account()


def test_an_answer_that_is_no_json_is_told_of(broker, exchange):
    exchange.trouble = [(200, {}, "<html>maintenance</html>")] * 4
    with pytest.raises(BrokerError, match="in 4 tries: JSONDecodeError"):
        broker.account()


def test_wrong_keys_are_told_of_without_them(exchange):
    with serving(exchange) as url, pytest.raises(BrokerError, match=r"refuses the keys \(401\)") as told:
        AlpacaBroker("PKWRONG", "wrong-secret", url).account()
    assert "wrong-secret" not in str(told.value)
    assert "wrong-secret" not in repr(AlpacaBroker("PKWRONG", "wrong-secret", url))


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (Order("nf-2", "ZZZ", 1.0, 9.0), 'asset "ZZZ" not found'),
        (Order("nf-3", "AAA", 1e9, 9.0), "insufficient buying power"),
    ],
)
def test_a_refused_order_is_rejected_with_the_brokers_reason(broker, order, reason):
    state = broker.submit(order)
    assert (state.status, state.reason, state.ended) == ("rejected", reason, True)


def test_partial_fills_add_up(broker, exchange):
    broker.submit(BUY)
    exchange.fill(0.4)
    part = broker.state("nf-1")
    assert (part.status, part.filled) == ("partial", pytest.approx(1.0))
    exchange.prices["AAA"] *= 1.1
    exchange.fill()
    whole = broker.state("nf-1")
    assert (whole.status, whole.filled) == ("filled", pytest.approx(2.5))
    first = BARS.close.loc[DAYS[0], "AAA"]
    assert whole.price == pytest.approx((first + 1.5 * 1.1 * first) / 2.5)


def test_an_order_that_was_never_sent_is_not_known(broker):
    assert broker.state("nf-9") is None


def test_what_cannot_be_traded_says_why(broker, exchange):
    exchange.halted = {"BBB"}
    assert {asset: terms.refusal for asset, terms in broker.terms(["AAA", "BBB", "ZZZ"]).items()} == {
        "AAA": None, "BBB": "is halted or not traded at Alpaca", "ZZZ": "Alpaca does not know it",
    }  # fmt: skip


def test_keys_come_from_the_environment_and_go_to_https_only(monkeypatch):
    monkeypatch.delenv("APCA_API_KEY_ID", raising=False)
    monkeypatch.setenv("APCA_API_SECRET_KEY", KEYS[1])
    with pytest.raises(BrokerError, match="APCA_API_KEY_ID not set: export the keys"):
        AlpacaBroker.from_environment()
    monkeypatch.setenv("APCA_API_KEY_ID", KEYS[0])
    assert AlpacaBroker.from_environment().url == "https://paper-api.alpaca.markets"
    monkeypatch.setenv("APCA_API_BASE_URL", "http://example.org")
    with pytest.raises(BrokerError, match="is not an https address"):
        AlpacaBroker.from_environment()


# Whole steps


def test_steps_trade_whole_shares_and_end_where_the_targets_are(broker, exchange, tmp_path):
    path, exchange.power = tmp_path / "a.sqlite", 1e6  # a margin account: buys need not wait for sells
    for day in DAYS:
        exchange.prices = BARS.close.loc[day].to_dict()
        report = step(broker, exchange, path, day)
        assert report.counts == {"accepted": len(report.orders)}
        exchange.fill()
    assert exchange.cash >= 0.0
    weights = pd.Series(exchange.positions) * pd.Series(exchange.prices)
    nav = exchange.cash + weights.sum()
    assert (weights / nav - report.targets.reindex(weights.index)).abs().max() < 0.02


def test_a_step_repeated_sends_nothing_twice(broker, exchange, tmp_path):
    first = step(broker, exchange, tmp_path / "a.sqlite", DAYS[0])
    again = step(broker, exchange, tmp_path / "a.sqlite", DAYS[0])
    assert (again.decided, len(exchange.orders)) == ("before", len(first.orders))
    assert sum(method == "POST" for method, _ in exchange.asked) == len(first.orders)


def test_a_lost_connection_between_orders_is_made_good_by_the_next_run(broker, exchange, tmp_path):
    path, sent = tmp_path / "a.sqlite", exchange.submit

    def breaks(body):
        if len(exchange.orders) == 1:
            exchange.trouble = [(500, {}, "")] * 4
        return sent(body)

    exchange.submit = breaks
    cut = step(broker, exchange, path, DAYS[0])
    assert ["did not answer POST /v2/orders" in reason for reason in cut.unfilled] == [True]
    exchange.submit, exchange.trouble, exchange.now = sent, [], None
    report = step(broker, exchange, path, DAYS[0])
    assert report.decided == "before"
    assert sorted(exchange.orders) == sorted(order.client_id for order, _ in report.orders)
    assert len(exchange.orders) == 3


def test_buys_wait_where_there_is_no_money_for_them_yet(broker, exchange, tmp_path):
    path = tmp_path / "a.sqlite"
    exchange.power = 40_000.0
    report = step(broker, exchange, path, DAYS[0])
    assert 0 < report.counts["not sent"] < len(report.orders)
    exchange.fill()
    exchange.power = None
    again = step(broker, exchange, path, DAYS[0])
    assert again.counts.get("not sent", 0) == 0


STOPS = {
    "reconcile": lambda exchange: exchange.positions.update(AAA=7.0),
    "working": lambda exchange: exchange.orders.update(
        mine={"client_order_id": "mine", "status": "accepted", "side": "buy", "symbol": "AAA", "qty": "1",
              "filled_qty": "0", "filled_avg_price": None}),
    "clock": lambda exchange: setattr(exchange, "now", "2022-09-21T12:00:00-04:00"),
    "untradable": lambda exchange: exchange.halted.add("BBB"),
    "account": lambda exchange: setattr(exchange, "cash", -5.0),
}  # fmt: skip


@pytest.mark.parametrize("name", STOPS)
def test_what_is_odd_at_the_broker_stops_the_step(broker, exchange, tmp_path, name):
    path = tmp_path / "a.sqlite"
    step(broker, exchange, path, DAYS[0])
    exchange.fill()
    STOPS[name](exchange)
    sent = len(exchange.orders)
    with pytest.raises(GuardStopError) as stopped:
        step(broker, exchange, path, DAYS[1])
    assert name in stopped.value.guards
    assert len(exchange.orders) == sent


def test_too_late_is_said(broker, exchange, tmp_path):
    with pytest.raises(GuardStopError, match=r"\[late\] 2022-09-21 opened at 13:30 UTC"):
        step(broker, exchange, tmp_path / "a.sqlite", DAYS[0], now=pd.Timestamp("2022-09-21T14:00Z"))


def test_an_untradable_asset_can_be_left_out_by_name(broker, exchange, tmp_path):
    exchange.halted.add("BBB")
    report = step(broker, exchange, tmp_path / "a.sqlite", DAYS[0], limits=Limits(1.0, 2.0, 0.0, price_jump=9.0,
                  allowed=frozenset({"untradable"})))  # fmt: skip
    assert "BBB" not in [order.asset for order, _ in report.orders]
    assert "BBB is not traded: no price to trade at" in report.notes


def test_an_asset_in_the_account_without_prices_is_told_of(broker, exchange, tmp_path):
    exchange.positions["ZZZ"], exchange.prices["ZZZ"] = 3.0, 10.0
    with pytest.raises(ValueError, match="the account holds ZZZ, which prices lack"):
        step(broker, exchange, tmp_path / "a.sqlite", DAYS[0])
    assert not exchange.orders


def test_no_secret_is_ever_written_down(exchange, tmp_path, monkeypatch, caplog, capfd):
    """Not in the ledger, the log, the report, an error, or what is printed."""
    caplog.set_level(logging.DEBUG)
    with serving(exchange) as url:
        for name, value in zip(("APCA_API_KEY_ID", "APCA_API_SECRET_KEY"), KEYS, strict=True):
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("APCA_API_BASE_URL", url)
        broker = AlpacaBroker.from_environment()
        report = step(broker, exchange, tmp_path / "a.sqlite", DAYS[0])
        exchange.trouble = [(400, {}, '{"message": "bad ' + KEYS[1][:0] + '"}')]
        with pytest.raises(BrokerError) as told:
            broker.account()
    said = "".join(
        [caplog.text, *capfd.readouterr(), str(report), str(report.to_dict()), str(told.value), repr(broker)]
    )
    assert len(caplog.records) > 5
    for secret in KEYS:
        assert secret not in said
        assert secret.encode() not in (tmp_path / "a.sqlite").read_bytes()
