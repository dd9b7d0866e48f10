"""An account on paper fills as a backtest does, at every cost of trading; what it cannot charge is refused."""

import numpy as np
import pytest
from live_support import CASH, EASY, SESSIONS, Desk, Tilted, market

from allocation import AllocationError, Bars, EqualWeight
from allocation.live import Costs, PaperBroker, Rules, Settings, open_ledger
from backtest import Impact, run

DAYS = SESSIONS[30:40]


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


@pytest.mark.parametrize("costs", [Costs(borrow=0.02), Costs(impact=Impact(market().close))])
def test_costs_that_it_would_not_charge_are_refused(tmp_path, costs):
    Desk(str(tmp_path / "book.sqlite"))
    with open_ledger(str(tmp_path / "book.sqlite")) as ledger:
        with pytest.raises(AllocationError, match="charges commissions and spread only: leave impact, borrow"):
            PaperBroker(ledger, costs)
        with pytest.raises(AllocationError, match="costs is 10: give a fraction of the traded value"):
            PaperBroker(ledger, 10)
