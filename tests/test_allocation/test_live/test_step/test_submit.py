"""Orders that are refused, expire, fill in part or are sent late: no success, and never sent twice."""

import pandas as pd
import pytest
from fake_alpaca import KEYS, Exchange, serving
from live_support import EASY, SESSIONS, alpaca_step, market

from allocation import EqualWeight
from allocation.live import AlpacaBroker, GuardStopError, Limits, open_ledger, status
from allocation.live.ledger import journal

DAY, NEXT = SESSIONS[10], SESSIONS[11]
BARS = market()


@pytest.fixture
def exchange():
    return Exchange(prices=BARS.close.loc[DAY].to_dict(), power=1e6)


@pytest.fixture
def broker(exchange):
    with serving(exchange) as url:
        yield AlpacaBroker(*KEYS, url, timeout=2.0, pause=0.01)


@pytest.fixture
def night(broker, exchange, tmp_path):
    """One night of equal weights; each is a process of its own."""

    def run(day=DAY, **changes):
        exchange.prices = BARS.close.loc[day].to_dict()
        policy = changes.pop("policy", EqualWeight())
        return alpaca_step(broker, exchange, tmp_path / "a.sqlite", day, policy, **changes)

    return run


def last_run(tmp_path):
    with open_ledger(str(tmp_path / "a.sqlite")) as ledger, ledger.transaction() as connection:
        return journal.last_run(connection)


def test_orders_that_are_all_rejected_are_no_success(night, exchange, tmp_path):
    exchange.power = 0.0
    exchange.buying_power = lambda: 0.0
    sent = exchange.answer
    exchange.answer = lambda method, url, body: (  # the account says that there is money, the orders that there is none
        (200, {"cash": "100000.0", "buying_power": "1e6"}) if url == "/v2/account" else sent(method, url, body)
    )
    report = night()
    assert report.counts == {"rejected": 4}
    assert len(report.unfilled) == 4
    assert "AAA: rejected, 0 of " in "".join(report.unfilled)
    assert "insufficient buying power" in report.unfilled[0]
    run = last_run(tmp_path)
    assert (run.outcome, run.reason.startswith("4 orders did not fill as decided: ")) == ("unfilled", True)
    with open_ledger(str(tmp_path / "a.sqlite")) as ledger:
        found = status(ledger, now=pd.Timestamp("2022-09-20 22:30", tz="UTC"))
    assert "the last run ended with unfilled orders" in found.wrong[0]
    assert found.targets["AAA"] == pytest.approx(0.25)
    assert "AAA" in str(found)


def test_a_dead_order_is_sent_again_under_a_new_name_and_a_living_one_is_not(night, exchange):
    report = night()
    dead, living = sorted(exchange.orders)[:2]
    exchange.fill(0.5)
    exchange.orders[dead]["status"] = "canceled"
    again = night()
    assert [reason.split(":")[0] for reason in again.unfilled] == [exchange.orders[dead]["symbol"]]
    added = set(exchange.orders) - {order.client_id for order, _ in report.orders}
    assert added == {f"{dead}-2"}
    left = float(exchange.orders[dead]["qty"]) - float(exchange.orders[dead]["filled_qty"])
    assert float(exchange.orders[f"{dead}-2"]["qty"]) == pytest.approx(left)
    assert exchange.orders[living]["status"] == "partially_filled"
    assert night().unfilled == ()
    assert len(exchange.orders) == 5


def test_an_order_that_expired_is_told_of_by_the_next_night(night, exchange, tmp_path):
    night()
    first = sorted(exchange.orders)[0]
    exchange.orders[first]["status"] = "expired"
    exchange.fill()
    report = night(NEXT)
    assert [reason.split(",")[0] for reason in report.unfilled] == [f"{exchange.orders[first]['symbol']}: expired"]
    assert last_run(tmp_path).outcome == "unfilled"


def test_a_poison_order_keeps_no_other_from_being_sent(night, exchange):
    take = exchange.submit
    exchange.submit = lambda body: (400, {"message": "bad"}) if body["symbol"] == "AAA" else take(body)
    for _ in range(2):
        report = night()
        assert report.unfilled == ("AAA: not sent: Alpaca: POST /v2/orders: HTTP 400: bad",)
        assert sorted(order["symbol"] for order in exchange.orders.values()) == ["BBB", "CCC", "DDD"]
    exchange.submit = take
    assert night().unfilled == ()
    assert len(exchange.orders) == 4


def test_a_sell_that_is_refused_makes_no_debt(night, exchange):
    """A margin account has buying power for the buys that the sell should have paid for; they wait all the same."""
    night()
    exchange.fill()
    kept, take = exchange.cash, exchange.submit
    exchange.submit = lambda body: (403, {"message": "no"}) if body["side"] == "sell" else take(body)

    def halves(view):
        return pd.Series({"AAA": 0.0, "BBB": 0.0, "CCC": 0.49, "DDD": 0.49})

    report = night(NEXT, policy=halves)
    assert report.counts == {"not sent": 2, "rejected": 2}
    exchange.fill()
    assert exchange.cash == kept >= 0.0
    exchange.submit = take
    assert night(NEXT, policy=halves).counts == {"accepted": 4, "rejected": 2}


@pytest.mark.parametrize("margin", [True, False])
def test_a_sell_that_is_cancelled_before_the_open_is_owed_on_margin_and_by_no_cash_account(night, exchange, margin):
    """As after a split. On margin the buys of the same open fill, and the next night stops; else they have waited."""
    exchange.power = 1e6 if margin else None
    night()
    exchange.fill()

    def halves(view):
        return pd.Series({"AAA": 0.0, "BBB": 0.0, "CCC": 0.49, "DDD": 0.49})

    kept = exchange.cash
    assert night(NEXT, policy=halves).counts == ({"accepted": 4} if margin else {"accepted": 2, "not sent": 2})
    for order in exchange.orders.values():
        if order["side"] == "sell":
            order["status"] = "canceled"
    exchange.fill()
    if margin:
        with pytest.raises(GuardStopError, match=r"\[account\] the account's cash is -[45]\d,\d{3}"):
            night(SESSIONS[12])
    else:
        assert exchange.cash == kept
        night(SESSIONS[12])


def test_an_order_whose_state_cannot_be_read_keeps_no_other_from_being_followed(night, exchange):
    night()
    exchange.fill()
    poison = next(name for name, order in exchange.orders.items() if order["symbol"] == "AAA")
    answer = exchange.answer
    exchange.answer = lambda method, url, body: (
        (400, {"message": "bad"}) if "by_client" in url and poison in url else answer(method, url, body)
    )
    with pytest.raises(GuardStopError, match=r"\[reconcile\] AAA: the broker has"):
        night(NEXT)
    exchange.answer = answer
    assert night(NEXT).unfilled == ()


def test_a_decision_that_was_not_sent_is_not_sent_days_later(night, exchange):
    exchange.power = 1.0
    assert night().counts == {"not sent": 4}
    exchange.power = 1e6
    later = pd.Timestamp("2022-09-23T15:00Z")
    exchange.prices["AAA"] *= 1.3
    with pytest.raises(GuardStopError, match=r"\[late\] 2022-09-21, for which the orders were sized, opened at 13:30"):
        night(now=later)
    assert not exchange.orders
    allowed = Limits(1.0, 2.0, 0.0, price_jump=9.0, allowed=frozenset({"late"}))
    report = night(now=later, limits=allowed)
    assert report.counts == {"accepted": 4}
    assert report.valued == "2022-09-23 15:00 UTC"


def test_what_trades_in_whole_shares_or_not_short_is_asked_before_sizing(night, exchange, broker, tmp_path):
    exchange.long_only.add("AAA")

    def short(view):
        return pd.Series({"AAA": -0.1, "BBB": 0.3, "CCC": 0.3, "DDD": 0.3})

    with pytest.raises(GuardStopError, match=r"\[untradable\] AAA: cannot be sold short, and its target is -10.0%"):
        alpaca_step(broker, exchange, tmp_path / "s.sqlite", DAY, short)
    exchange.whole.add("BBB")
    from allocation.live import Rules

    with pytest.raises(GuardStopError, match=r"\[untradable\] BBB: trades in whole shares only: use --lot 1"):
        alpaca_step(broker, exchange, tmp_path / "t.sqlite", DAY, EqualWeight(), rules=Rules())
    assert not exchange.orders


def test_a_price_that_the_broker_does_not_know_stops_the_step(night, exchange, broker, tmp_path):
    night()
    exchange.fill()
    exchange.prices = BARS.close.loc[NEXT].to_dict() | {"AAA": 1.3 * float(BARS.close.loc[NEXT, "AAA"])}
    with pytest.raises(GuardStopError, match=r"\[price-differs\] AAA: the broker has .*, the close is"):
        alpaca_step(broker, exchange, tmp_path / "a.sqlite", NEXT, EqualWeight(), limits=EASY)
