"""An account is opened on purpose; deposits, new tickers and ended positions are events that holdings follow from."""

import numpy as np
import pandas as pd
import pytest
from fake_alpaca import KEYS, Exchange, serving
from live_support import CASH, SESSIONS, Desk, alpaca_step, market

from allocation import AllocationError, Bars
from allocation.live import (
    AlpacaBroker,
    LedgerError,
    close_position,
    deposit,
    open_account,
    open_ledger,
    rename_asset,
    withdraw,
)
from allocation.live.ledger.events import event_holdings

DAYS = SESSIONS[10:16]


@pytest.fixture
def desk(tmp_path):
    made = Desk(str(tmp_path / "book.sqlite"))
    for day in DAYS[:2]:
        made.step(day)
    return made


def held_by_events(desk):
    """Cash and shares as the events have them, which must be those of the account."""
    with desk.opened() as (ledger, broker):
        account = broker.account()
        with ledger.transaction() as connection:
            cash, shares = event_holdings(connection)
    assert cash == pytest.approx(account.cash, abs=1e-6)
    assert shares[shares.abs() > 1e-9].to_dict() == pytest.approx(dict(account.shares))
    return cash, shares


def act(desk, does, *arguments):
    with open_ledger(desk.url) as ledger:
        return does(ledger, *arguments)


def renamed(desk, old, new):
    desk.bars = Bars(*(frame.rename(columns={old: new}) for frame in (desk.bars.close, desk.bars.open)))


def test_an_account_is_opened_once(desk):
    with pytest.raises(LedgerError, match="an account at paper is open in this ledger since"):
        act(desk, open_account, 5.0)
    assert held_by_events(desk)[0] < CASH


@pytest.mark.parametrize("cash", [0.0, -5.0, float("nan"), float("inf")])
def test_an_account_starts_with_money(tmp_path, cash):
    url = str(tmp_path / "new.sqlite")
    with open_ledger(url, create=True) as ledger, pytest.raises(AllocationError, match="is no amount of money"):
        open_account(ledger, cash)


def test_money_that_is_paid_in_or_out_is_in_the_next_valuation(desk, tmp_path):
    plain = Desk(str(tmp_path / "plain.sqlite"))
    for day in DAYS[:2]:
        plain.step(day)
    act(desk, deposit, 5000.0)
    expected = plain.step(DAYS[2], due=False).nav + 5000.0
    assert desk.step(DAYS[2], due=False).nav == pytest.approx(expected, rel=1e-3)  # the orders are sized with it
    held_by_events(desk)
    with pytest.raises(AllocationError, match="cannot be withdrawn: the cash is"):
        act(desk, withdraw, 1e9)
    act(desk, withdraw, held_by_events(desk)[0] * 0.5)
    held_by_events(desk)
    assert [row[2] for row in desk.rows("account_events")][-2:] == ["deposit", "withdraw"]


def test_a_new_ticker_goes_on_with_what_was_held_and_decided(desk, tmp_path):
    plain = Desk(str(tmp_path / "plain.sqlite"))
    for day in DAYS[:2]:
        plain.step(day)
    renamed(desk, "BBB", "NEW")
    with pytest.raises(ValueError, match="prices lack the asset BBB, .*`newsfolio account rename`"):
        desk.step(DAYS[2])
    assert act(desk, rename_asset, "BBB", "NEW") == plain.shares().shares["BBB"]
    for day in DAYS[2:5]:
        expected, report = plain.step(day), desk.step(day)
        assert report.nav == pytest.approx(expected.nav, rel=1e-12)
        np.testing.assert_allclose(
            report.weights.rename({"NEW": "BBB"}).sort_index(), expected.weights.sort_index(), rtol=1e-9
        )
        held_by_events(desk)


def test_two_positions_do_not_come_to_go_by_one_name(desk):
    before = held_by_events(desk)
    with pytest.raises(AllocationError, match=r"BBB is held already \(.* shares\), and two .* account close AAA"):
        act(desk, rename_asset, "AAA", "BBB")
    cash, shares = held_by_events(desk)
    assert cash == before[0]
    pd.testing.assert_series_equal(shares, before[1])


def test_what_fills_after_a_rename_counts_under_the_new_name(tmp_path, monkeypatch):
    """At a broker an order may wait for the open while its asset is renamed."""
    bars = market()
    exchange = Exchange(prices=bars.close.loc[DAYS[0]].to_dict(), power=1e7)
    monkeypatch.setattr("allocation.live.brokers.account.utc_now", lambda: pd.Timestamp("2022-09-20 23:00", tz="UTC"))
    with serving(exchange) as url:
        broker, path = AlpacaBroker(*KEYS, url, pause=0.01), str(tmp_path / "a.sqlite")
        alpaca_step(broker, exchange, path, DAYS[0])
        with open_ledger(path) as ledger:
            assert rename_asset(ledger, "BBB", "NEW") == 0.0
        exchange.fill()
        exchange.positions["NEW"] = exchange.positions.pop("BBB")
        close, opens = (frame.rename(columns={"BBB": "NEW"}) for frame in (bars.close, bars.open))
        exchange.prices = close.loc[DAYS[1]].to_dict()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("live_support.market", lambda: Bars(close, opens))
            assert alpaca_step(broker, exchange, path, DAYS[1]).allowed == ()  # nothing for [reconcile]
        with open_ledger(path) as ledger, ledger.transaction() as connection:
            held = event_holdings(connection)[1]
    assert held[held != 0.0].to_dict() == pytest.approx(exchange.positions)


def test_a_position_that_ended_is_closed_at_a_price(desk):
    shares = desk.shares().shares["BBB"]
    cash = held_by_events(desk)[0]
    desk.bars = Bars(*(frame.drop(columns="BBB") for frame in (desk.bars.close, desk.bars.open)))
    assert act(desk, close_position, "BBB", 40.0) == pytest.approx(40.0 * shares)
    assert held_by_events(desk)[0] == pytest.approx(cash + 40.0 * shares)
    report = desk.step(DAYS[2])
    assert "BBB" not in report.weights
    held_by_events(desk)
    with pytest.raises(AllocationError, match="BBB is not held: see `newsfolio status`"):
        act(desk, close_position, "BBB", 40.0)


def test_splits_are_events_too(desk):
    shares = desk.shares().shares["BBB"]
    for frame in (desk.bars.close, desk.bars.open):
        frame["BBB"] *= 0.5
    desk.step(DAYS[2], due=False)
    assert [(row[2], row[3]) for row in desk.rows("account_events")][-1] == ("split", "BBB")
    assert pd.DataFrame(desk.rows("account_events")).iloc[-1, 4] == pytest.approx(shares)
    held_by_events(desk)
