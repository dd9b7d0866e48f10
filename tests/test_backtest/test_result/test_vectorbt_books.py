"""vectorbt is asked as it asks its own engine; its fills are counted whole; its Portfolio is the Result's."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import random_prices

from allocation import FrameError
from backtest import Costs, Events, Rules, load_result, save_result, simulate
from backtest.result.vectorbt_books import Orders, fill_orders, money_spent

ASSETS = pd.Index(["A", "B", "C", "D"])
DAYS = pd.bdate_range("2021-01-04", periods=30)


def orders(seed, *, shorts=False):
    """Random orders in every second session; some assets not traded, and without a price where they are not."""
    random = np.random.default_rng(seed)
    rows = np.arange(1, 30, 2)
    wanted = random.uniform(-20.0 if shorts else 0.0, 50.0, (len(rows), 4))
    traded = np.diff(wanted, axis=0, prepend=0.0)
    traded[random.random(traded.shape) < 0.2] = 0.0
    prices = random.uniform(5.0, 100.0, traded.shape)
    prices[(traded == 0.0) & (random.random(traded.shape) < 0.5)] = np.nan
    cost = np.where(traded == 0.0, 0.0, random.uniform(0.0, 3.0, traded.shape))
    return Orders(traded, prices, cost, DAYS[rows], ASSETS)


def through_vectorbt(plan, cash):
    import vectorbt

    return vectorbt.Portfolio.from_orders(
        close=pd.DataFrame(np.ones_like(plan.traded), plan.sessions, ASSETS),
        size=np.where(plan.traded == 0.0, np.nan, plan.traded), size_type="amount", price=plan.prices, fees=0.0,
        fixed_fees=plan.cost, init_cash=cash, group_by=True, cash_sharing=True,
        call_seq=np.argsort(plan.traded > 0.0, axis=1, kind="stable"), freq="1D", engine="rust",
    ).order_records  # fmt: skip


@pytest.mark.parametrize("cash", [1e6, 3000.0])  # the second is too little: what is cut must be cut alike
@pytest.mark.parametrize("shorts", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_the_fills_are_those_of_vectorbt_itself(seed, shorts, cash):
    plan = orders(seed, shorts=shorts)
    ours, theirs = fill_orders(plan, cash), through_vectorbt(plan, cash)
    assert len(ours) > 20
    for name in ("idx", "col", "size", "price", "fees", "side"):
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


@pytest.mark.parametrize("at_once", [1, 7, 10_000])
@pytest.mark.parametrize("seed", range(3))
def test_the_money_of_each_session_is_that_of_its_orders(seed, at_once, monkeypatch):
    monkeypatch.setattr("backtest.result.vectorbt_books.AT_ONCE", at_once)
    plan = orders(seed, shorts=True)
    spent = (np.nan_to_num(plan.traded * plan.prices) + plan.cost).sum(axis=1)
    np.testing.assert_allclose(money_spent(fill_orders(plan, 1e6), plan), spent, rtol=1e-12, atol=1e-9)


def test_a_cut_order_is_named():
    plan = orders(1)
    with pytest.raises(
        FrameError, match=r"vectorbt left [\d.]+ of [\d.]+ shares unfilled of [A-D] at 2021-01-\d\d: le"
    ):
        money_spent(fill_orders(plan, 3000.0), plan)


def test_a_sale_whose_fee_exceeds_its_proceeds_is_filled_and_paid():
    """One share at 2 is sold for a fee of 5: vectorbt alone refuses; the cash falls by 3."""
    plan = Orders(np.array([[10.0], [-1.0]]), np.array([[2.0], [2.0]]), np.array([[5.0], [5.0]]), DAYS[:2], ASSETS[:1])
    assert len(through_vectorbt_one(plan)) == 1
    fills = fill_orders(plan, 100.0)
    assert fills["fees"].tolist() == [5.0, 5.0]
    assert money_spent(fills, plan).tolist() == pytest.approx([25.0, 3.0])


def through_vectorbt_one(plan):
    import vectorbt

    return vectorbt.Portfolio.from_orders(
        close=pd.DataFrame(plan.prices, plan.sessions, ASSETS[:1]), size=plan.traded, size_type="amount", fees=0.0,
        fixed_fees=plan.cost, init_cash=100.0, freq="1D", engine="rust",
    ).order_records  # fmt: skip


def random_book(seed, *, flows, shorts, costs=None):
    """A book with gaps in prices, opens, minimum commissions, a delisting, and where asked flows, shorts and a loan."""
    random = np.random.default_rng(seed)
    prices = random_prices(seed, 50)
    opens = prices.shift(1).bfill() * (1 + 0.01 * random.standard_normal(prices.shape))
    prices.iloc[5:8, 1] = np.nan
    prices.iloc[40:, 3] = np.nan
    targets = random.dirichlet(np.ones(4), 50) * (1.5 if shorts else 1.0)
    targets *= random.choice([-1.0, 1.0], (50, 4)) if shorts else 1.0
    weights = (prices * 0 + 1).fillna(1) * targets
    holding = {"borrow": 0.02, "cash_yield": 0.03, "loan": 0.05} if flows else {}
    dividends = prices * 0 + 0.01 if flows else None
    return simulate(
        prices, weights.iloc[3:48:3], costs or Costs(minimum=float(random.choice([0.0, 7.0])), **holding), opens=opens,
        rules=Rules(leverage=1.5), events=Events(dividends, {"DDD": -0.3}),
    )  # fmt: skip


def same_books(result, *, flows):
    books = result.portfolio
    cash = result.nav.iloc[0]
    np.testing.assert_allclose(books.value(), result.nav, rtol=1e-10)
    np.testing.assert_allclose(books.returns().iloc[1:], result.returns, rtol=1e-10, atol=1e-14)
    assert books.orders.fees.sum() == pytest.approx(result.costs.sum(), rel=1e-10)
    assert books.stats()["Total Fees Paid"] == pytest.approx(result.costs.sum(), rel=1e-10)
    assert books.orders.count() == len(result.trades) + flows
    assert books.total_profit() == pytest.approx(result.nav.iloc[-1] - cash, rel=1e-8, abs=1e-8 * cash)
    assert books.max_drawdown() == pytest.approx(result.max_drawdown, rel=1e-10)
    year = result.sessions_per_year
    returns = books.returns()
    assert books.sharpe_ratio() == pytest.approx(returns.mean() / returns.std() * year**0.5, rel=1e-9)
    assert books.stats()["Sharpe Ratio"] == pytest.approx(books.sharpe_ratio(), rel=1e-12)


@settings(max_examples=12)
@given(seed=st.integers(0, 10**6), flows=st.booleans(), shorts=st.booleans())
def test_the_portfolio_of_vectorbt_is_the_result(seed, flows, shorts):
    same_books(random_book(seed, flows=flows, shorts=shorts), flows=flows)


@pytest.mark.filterwarnings("ignore:The inplace keyword:pandas.errors.Pandas4Warning")  # vectorbt 1.2 itself
def test_a_user_of_vectorbt_goes_on_with_it(tmp_path):
    import vectorbt

    result = random_book(1, flows=False, shorts=False)
    books = result.portfolio
    assert books is result.portfolio
    assert isinstance(books, vectorbt.Portfolio)
    trades = books.trades.records_readable
    assert set(trades["Column"]) <= set(result.weights.columns)
    assert books.drawdowns.max_drawdown() == pytest.approx(result.max_drawdown, rel=1e-10)
    assert len(books.plot().data) > 3
    assert books.copy().sharpe_ratio() == books.sharpe_ratio()
    stored = load_result(save_result(result, tmp_path / "result"))
    pd.testing.assert_series_equal(stored.portfolio.value(), books.value(), check_freq=False)


def test_a_result_without_closes_names_the_remedy():
    from dataclasses import replace

    with pytest.raises(FrameError, match="portfolio: holds no closes to value positions with: run it again"):
        _ = replace(random_book(1, flows=False, shorts=False), closes=None).portfolio


def test_long_only_and_free_of_flows_it_is_what_from_orders_gives():
    """The same orders asked of Portfolio.from_orders: the same records, value and statistics."""
    import vectorbt

    result = random_book(3, flows=False, shorts=False, costs=Costs(0.001, 0.0))
    size = result.trades.pivot_table(index="session", columns="asset", values="shares")
    price = result.trades.pivot_table(index="session", columns="asset", values="price")
    cost = result.trades.pivot_table(index="session", columns="asset", values="cost")
    lay = {"index": result.closes.index, "columns": result.closes.columns}
    theirs = vectorbt.Portfolio.from_orders(
        close=result.closes, size=size.reindex(**lay), price=price.reindex(**lay), size_type="amount",
        fixed_fees=cost.reindex(**lay).fillna(0.0), fees=0.0, init_cash=1e6, group_by=True, cash_sharing=True,
        call_seq=np.argsort(size.reindex(**lay).fillna(0.0).to_numpy() > 0.0, axis=1, kind="stable"), freq="1D",
        engine="rust",
    )  # fmt: skip
    np.testing.assert_allclose(result.portfolio.value(), theirs.value(), rtol=1e-9)
    assert result.portfolio.orders.count() == theirs.orders.count()
