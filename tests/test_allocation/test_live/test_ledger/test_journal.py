"""What the ledger remembers is what was written, once: decisions, orders, their states and fills, valuations."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live_support import SESSIONS, ensure_account

from allocation.execution.sizing import OrderList
from allocation.live import LedgerError, OrderState, open_ledger
from allocation.live.ledger import journal
from allocation.live.ledger.journal import Decision, Provenance, Valuation

DAY, NEXT = SESSIONS[10], SESSIONS[11]
NOW = pd.Timestamp("2022-09-20 22:00").to_pydatetime()
ASSETS = ["AAA", "BBB", "CCC"]
MADE = Provenance("p", "s", "t", "m", "c")


@pytest.fixture
def ledger(url):
    ensure_account(url)
    with open_ledger(url) as opened:
        yield opened


def decision(session=DAY):
    targets, held, closes = (
        pd.Series(values, ASSETS) for values in ([0.5, np.nan, 0.0], [0.1, 0.2, 0.3], [10.0, np.nan, 30.0])
    )
    return Decision(session, targets, held, closes, MADE, journal.CLOSE, NOW)


def basket():
    shares = pd.Series({"CCC": -3.0, "AAA": 5.0})
    return OrderList(shares, pd.Series({"CCC": 30.0, "AAA": 10.0}), 0.0, 0.0, 0.0, {})


def decided(connection, session=DAY):
    run = journal.start_run(connection, session, NOW)
    journal.write_decision(connection, decision(session), run)
    return journal.write_basket(connection, session, basket(), "portfolio", NOW)


def test_a_decision_is_read_as_it_was_written(ledger):
    with ledger.transaction() as connection:
        assert journal.read_decision(connection, DAY) is None
        decided(connection), decided(connection, NEXT)
        found = journal.read_decision(connection, DAY)
        assert journal.last_decision(connection).session == NEXT
        assert journal.last_decision(connection, before=NEXT).session == DAY
        assert journal.last_decision(connection, before=DAY) is None
    wanted = decision()
    for name in ("targets", "held", "closes"):
        pd.testing.assert_series_equal(getattr(found, name), getattr(wanted, name), check_names=False, check_exact=True)
    assert (found.provenance, found.basket, found.decided) == (MADE, journal.CLOSE, NOW)


def test_orders_keep_their_names_and_their_order(ledger):
    with ledger.transaction() as connection:
        assert journal.read_basket(connection, DAY) is None
        made = decided(connection)
        assert journal.read_basket(connection, DAY) == made == journal.unended_orders(connection)
        assert [order.asset for order in made] == ["CCC", "AAA"]
        again = journal.write_retry(connection, DAY, made[1], 2.0)
        third = journal.write_retry(connection, DAY, again, 1.0)
    assert (again.client_id, third.client_id) == (f"{made[1].client_id}-2", f"{made[1].client_id}-3")


def test_what_is_known_is_not_written_again_and_what_ended_does_not_change(ledger):
    with ledger.transaction() as connection:
        name = decided(connection)[1].client_id
        part = OrderState(name, "partial", 2.0, 10.0)
        assert journal.read_state(connection, name) is None
        assert [journal.write_state(connection, part, NOW) for _ in range(2)] == [True, False]
        assert journal.read_state(connection, name) == part
        assert journal.write_state(connection, OrderState(name, "cancelled", 2.0, 10.0, reason="gone"), NOW)
        assert not journal.write_state(connection, OrderState(name, "filled", 5.0, 10.0), NOW)
        assert [order.asset for order in journal.unended_orders(connection)] == ["CCC"]


@settings(max_examples=30, deadline=None)
@given(parts=st.lists(st.tuples(st.floats(0.01, 10.0), st.floats(1.0, 100.0)), min_size=1, max_size=5))
def test_fills_add_up_to_what_the_broker_states(tmp_path_factory, parts):
    """It states the shares so far and their average price; each fill is what came since."""
    url = str(tmp_path_factory.mktemp("fills") / "book.sqlite")
    ensure_account(url)
    with open_ledger(url) as ledger, ledger.transaction() as connection:
        name = decided(connection)[1].client_id
        for count in range(1, len(parts) + 1):
            shares = sum(part for part, _ in parts[:count])
            paid = sum(part * price for part, price in parts[:count])
            journal.write_state(connection, OrderState(name, "partial", shares, paid / shares, 0.1 * count), NOW)
        rows = connection.exec_driver_sql("SELECT shares, price, cost FROM fills ORDER BY number").all()
    np.testing.assert_allclose([row[:2] for row in rows], parts, rtol=1e-6)
    assert sum(row[0] * row[1] for row in rows) == pytest.approx(sum(s * p for s, p in parts), rel=1e-12)
    assert sum(row[2] for row in rows) == pytest.approx(0.1 * len(parts))


def test_a_later_valuation_of_a_session_takes_the_place_of_an_earlier(ledger):
    with ledger.transaction() as connection:
        assert journal.last_valuation(connection) is None
        for nav, assets in ((3.0, ["AAA", "BBB"]), (5.0, ["AAA"])):
            ones = pd.Series(1.0, assets)
            journal.write_valuation(connection, Valuation(DAY, ones, ones, nav - len(assets), nav), NOW)
        found = journal.last_valuation(connection)
        assert (found.session, found.nav, found.cash, list(found.shares.index)) == (DAY, 5.0, 4.0, ["AAA"])
        assert journal.last_valuation(connection, NEXT) is None
        journal.refuse_to_go_back(connection, DAY)
        with pytest.raises(LedgerError, match="the ledger is at 2022-09-20: a step for 2022-09-19 comes too late"):
            journal.refuse_to_go_back(connection, SESSIONS[9])


def test_a_run_that_was_not_finished_has_no_outcome(ledger):
    with ledger.transaction() as connection:
        first = journal.start_run(connection, DAY, NOW)
        journal.finish_run(connection, first, "done", None, NOW)
        assert journal.last_run(connection).outcome == "done"
        assert journal.start_run(connection, DAY, NOW) == first + 1
        assert journal.last_run(connection).outcome is None
    assert journal.seconds(NOW) == 1663711200.0
