"""vectorbt is asked as it asks its own engine; its fills are counted whole, and an order that it cuts is an error."""

import numpy as np
import pandas as pd
import pytest

from allocation import FrameError
from allocation.execution.costs import CostBreakdown
from backtest.engine.simulate import _filled
from backtest.engine.trade_log import TradeLog
from backtest.engine.vectorbt_books import money_of

ASSETS = pd.Index(["A", "B", "C", "D"])
DAYS = pd.bdate_range("2021-01-04", periods=30)


def orders(seed, *, shorts=False):
    """Random orders in every second session; some assets not traded, and without a price where they are not."""
    random = np.random.default_rng(seed)
    rows = np.arange(1, 30, 2)
    wanted = random.uniform(-20.0 if shorts else 0.0, 50.0, (len(rows), 4))
    traded = np.diff(wanted, axis=0, prepend=0.0)
    traded[random.random(traded.shape) < 0.2] = 0.0
    held = traded.cumsum(axis=0)
    prices = random.uniform(5.0, 100.0, traded.shape)
    prices[(traded == 0.0) & (random.random(traded.shape) < 0.5)] = np.nan
    cost = np.where(traded == 0.0, 0.0, random.uniform(0.0, 3.0, traded.shape))
    spent = (np.nan_to_num(traded * prices) + cost).sum(axis=1)
    nothing = np.zeros_like(cost)
    return TradeLog(
        rows, traded, held, prices, cost, CostBreakdown(cost, nothing, nothing), spent, nothing, 0, 0, 0, False
    )


def through_vectorbt(plan, cash):
    import vectorbt

    return vectorbt.Portfolio.from_orders(
        close=pd.DataFrame(np.ones_like(plan.traded), DAYS[plan.rows], ASSETS),
        size=np.where(plan.traded == 0.0, np.nan, plan.traded), size_type="amount", price=plan.prices, fees=0.0,
        fixed_fees=plan.cost, init_cash=cash, group_by=True, cash_sharing=True,
        call_seq=np.argsort(plan.traded > 0.0, axis=1, kind="stable"), freq="1D", engine="rust",
    ).order_records  # fmt: skip


@pytest.mark.parametrize("cash", [1e6, 3000.0])  # the second is too little: what is cut must be cut alike
@pytest.mark.parametrize("shorts", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_the_fills_are_those_of_vectorbt_itself(seed, shorts, cash):
    plan = orders(seed, shorts=shorts)
    ours, theirs = _filled(plan, cash), through_vectorbt(plan, cash)
    assert len(ours) > 20
    for name in ("idx", "col", "size", "price", "fees", "side"):
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


@pytest.mark.parametrize("at_once", [1, 7, 10_000])
@pytest.mark.parametrize("seed", range(3))
def test_the_money_of_each_session_is_that_of_its_orders(seed, at_once, monkeypatch):
    monkeypatch.setattr("backtest.engine.vectorbt_books.AT_ONCE", at_once)
    plan = orders(seed, shorts=True)
    np.testing.assert_allclose(money_of(_filled(plan, 1e6), plan, DAYS, ASSETS), plan.spent, rtol=1e-12, atol=1e-9)


def test_a_cut_order_is_named():
    plan = orders(1)
    with pytest.raises(
        FrameError, match=r"vectorbt left [\d.]+ of [\d.]+ shares unfilled of [A-D] at 2021-01-\d\d: le"
    ):
        money_of(_filled(plan, 3000.0), plan, DAYS, ASSETS)
