"""An account on paper fills as a backtest does, at every cost of trading; what it cannot charge is refused."""

import numpy as np
import pandas as pd
import pytest
from live_support import CASH, EASY, SESSIONS, Desk, Tilted, market

from allocation import AllocationError, Bars, EqualWeight
from allocation.execution.sizing import OrderList
from allocation.live import Costs, PaperBroker, Rules, Settings, open_ledger
from allocation.live.brokers.paper import corrected_prices
from allocation.live.ledger import journal
from backtest import Impact, run

DAYS = SESSIONS[30:40]
NOW = pd.Timestamp("2022-10-20 22:00").to_pydatetime()


@pytest.mark.parametrize("rules", [Rules(), Rules(minimum=2_000.0, reserve=0.01)], ids=["plain", "minimum, reserve"])
@pytest.mark.parametrize("policy", [EqualWeight(), Tilted(1.0)], ids=["equal weight", "tilted"])
def test_every_cost_and_rule_is_the_backtests(tmp_path, policy, rules):
    """Fully invested, at minimum commissions that exceed what many a sale brings."""
    costs = Costs(commission=0.0002, half_spread=0.0004, per_share=0.01, minimum=1_500.0)
    desk = Desk(str(tmp_path / "book.sqlite"), policy=policy, settings=Settings(rules, EASY, costs=costs))
    known = desk.bars.close.index <= DAYS[-1]
    bars = Bars(desk.bars.close[known], desk.bars.open[known])
    expected = run(policy, bars, None, DAYS, costs=costs, rules=rules)
    trades = expected.trades
    if isinstance(policy, EqualWeight) and not rules.minimum:
        assert ((trades["shares"] < 0) & (trades["cost"] > -trades["shares"] * trades["price"])).any()
    for day in DAYS:
        report = desk.step(day)
        weights = report.weights.reindex(desk.bars.close.columns, fill_value=0.0)
        np.testing.assert_allclose(weights, expected.weights.loc[day], atol=1e-10)
        assert report.nav / CASH == pytest.approx(expected.nav.loc[day] / expected.nav.iloc[0], rel=1e-10)


@pytest.fixture
def held(tmp_path):
    """An account that holds all four assets, and one more decision."""
    made = Desk(str(tmp_path / "book.sqlite"), settings=Settings(Rules(), EASY, costs=Costs.of(0.001)))
    for day in DAYS[:3]:
        made.step(day)
    return made


def at_paper(desk, does):
    with desk.opened() as (_, broker):
        return does(broker)


def test_a_split_or_dividend_is_counted_once_whichever_way_it_goes(held):
    shares = held.shares().shares
    for asset, ratio in (("AAA", 3.0), ("BBB", 0.1)):
        for frame in (held.bars.close, held.bars.open):
            frame[asset] /= ratio
    closes = held.bars.close.loc[: DAYS[2]]
    factors = at_paper(held, lambda broker: broker.mark(closes, {}, NOW))
    assert factors.to_dict() == pytest.approx({"AAA": 3.0, "BBB": 0.1})
    assert at_paper(held, lambda broker: broker.mark(closes, {}, NOW)).empty
    after = held.shares().shares
    assert after == pytest.approx(shares | {"AAA": 3.0 * shares["AAA"], "BBB": 0.1 * shares["BBB"]})


def test_a_correction_is_no_split(held):
    shares = held.shares().shares
    held.bars.close.loc[DAYS[2], "AAA"] *= 1.02
    closes = held.bars.close.loc[: DAYS[2]]
    corrected = at_paper(held, lambda broker: corrected_prices(broker.book(), closes))
    assert corrected["unclear"].to_dict() == {"AAA": False}
    assert at_paper(held, lambda broker: broker.mark(closes, {"AAA": 1.0}, NOW)).empty
    assert held.shares().shares == shares


def test_an_asset_that_does_not_trade_expires_and_what_the_cash_does_not_pay_for_is_rejected(held):
    """One order of its own, sized at prices that the open then doubles."""
    closes = held.bars.close.loc[: DAYS[3]]
    opens = held.bars.open.loc[DAYS[3]].copy()
    cash = held.shares().cash
    size = OrderList(
        pd.Series({"AAA": 5.0, "BBB": 1e6, "CCC": -1.0}), pd.Series(1.0, ["AAA", "BBB", "CCC"]), 0.0, 0.0, 0.0, {}
    )
    opens["AAA"] = np.nan
    with held.opened() as (ledger, broker):
        with ledger.transaction() as connection:
            for order in journal.write_basket(connection, DAYS[2], size, "mine", NOW):
                journal.write_state(connection, broker.submit(order), NOW)
        states = {order.asset: state for order, state in broker.open_session(opens, closes, NOW)}
        assert broker.open_session(opens, closes, NOW) == []
    assert {asset: state.status for asset, state in states.items()} == {
        "AAA": "expired", "BBB": "rejected", "CCC": "filled",
    }  # fmt: skip
    assert "costs " in states["BBB"].reason
    assert held.shares().cash == pytest.approx(cash + opens["CCC"] * (1.0 - 0.001))


@pytest.mark.parametrize("costs", [Costs(borrow=0.02), Costs(impact=Impact(market().close))])
def test_costs_that_it_would_not_charge_are_refused(tmp_path, costs):
    Desk(str(tmp_path / "book.sqlite"))
    with open_ledger(str(tmp_path / "book.sqlite")) as ledger:
        with pytest.raises(AllocationError, match="charges commissions and spread only: leave impact, borrow"):
            PaperBroker(ledger, costs)
        with pytest.raises(AllocationError, match="costs is 10: give a fraction of the traded value"):
            PaperBroker(ledger, 10)
