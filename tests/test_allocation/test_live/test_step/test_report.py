"""A step's report: for a person, for a program, and what it adds up to."""

import json

import pandas as pd
import pytest

from allocation.live import Costs, Order, OrderState, StepReport
from allocation.live.step.report import NoSession, Trade

BUY, SELL = Order("b", "BBB", 30.0, 10.0), Order("s", "AAA", -10.0, 20.0)
FILLED = OrderState("b", "filled", 30.0, 10.1, 0.3)
COSTS = Costs.of(0.001)


def report(**changes):
    facts = {
        "session": pd.Timestamp("2022-09-20"),
        "next_session": pd.Timestamp("2022-09-21"),
        "decided": "now",
        "targets": pd.Series({"AAA": 0.0, "BBB": float("nan")}),
        "weights": pd.Series({"AAA": 0.2, "BBB": 0.0}),
        "nav": 1000.0,
        "cash": 800.0,
        "orders": ((SELL, None), (BUY, FILLED)),
        "trades": (Trade.of(SELL, COSTS), Trade.of(BUY, COSTS)),
        "valued": "the close of 2022-09-20",
    }
    return StepReport(**facts | changes)


def test_it_counts_orders_turnover_and_cost():
    made = report()
    assert made.counts == {"filled": 1, "not sent": 1}
    assert made.turnover == pytest.approx(0.3)  # 300 bought, 200 sold
    assert made.cost == pytest.approx(0.5)
    assert report(trades=(), orders=()).turnover == 0.0


def test_a_person_reads_shares_money_price_cost_and_state():
    assert str(report(notes=("a\x1b[2J note",), unfilled=("AAA: rejected",))).splitlines() == [
        "2022-09-20 decided",
        "at the close of 2022-09-20: NAV 1,000.00, cash 800.00 (80.0%)",
        "  sell        10.0000 AAA              200.00 at 20.0000, cost 0.20: not sent",
        "  buy         30.0000 BBB              300.00 at 10.0000, cost 0.30: filled 30.0000 at 10.1000",
        "turnover 30.0% of NAV one way, cost 0.50",
        "note: a [2J note",
        "not filled: AAA: rejected",
        "next session 2022-09-21",
    ]


def test_a_decision_that_was_made_again_says_how_it_differs():
    again = report(decided="again", dry_run=True, changes=("AAA: 10.00% was decided, 0.00% now",))
    assert "had been decided, and was decided again (dry run: nothing is kept or sent)" in str(again)
    assert "differs: AAA: 10.00% was decided, 0.00% now" in str(again)
    assert "the same as what was decided" in str(report(decided="again"))


@pytest.mark.parametrize(("decided", "said"), [("before", "nothing to trade"), ("no", "is no rebalancing date")])
def test_without_orders_it_says_why(decided, said):
    assert said in str(report(decided=decided, orders=(), trades=()))


def test_a_program_reads_plain_values():
    found = json.loads(json.dumps(report().to_dict(), allow_nan=False))
    assert found["targets"] == {"AAA": 0.0, "BBB": None}
    assert found["weights"] == {"AAA": 0.2}
    assert found["trades"][0] == {"asset": "AAA", "shares": -10.0, "price": 20.0, "cost": 0.2, "value": 200.0}
    assert found["orders"][1]["status"] == "filled"
    assert json.loads(json.dumps(NoSession("closed").to_dict())) == {"session": None, "reason": "closed"}
