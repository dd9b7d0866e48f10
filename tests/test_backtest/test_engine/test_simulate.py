"""What simulate() refuses, counts and notes; its arithmetic is proved in test_contracts/test_ledger.py."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import random_prices

from allocation import AllocationError, FrameError, MissingPriceError
from allocation.execution.costs import FREE
from backtest import Costs, Delisting, Events, Impact, Rules, simulate, vwap_proxy

PRICES = random_prices(1, 40)
DAYS = PRICES.index


def targets(rows, prices=PRICES):
    """A frame of targets from {row number: weights in order of the columns}."""
    return pd.DataFrame(list(rows.values()), prices.index[list(rows)], prices.columns, dtype=float)


QUARTERS = targets({0: [0.25] * 4})


def without(asset, rows, prices=PRICES):
    prices = prices.copy()
    prices.loc[prices.index[rows], asset] = np.nan
    return prices


def test_the_first_row_is_the_first_decision_all_in_cash():
    result = simulate(PRICES, targets({7: [0.25] * 4, 20: [0.1] * 4}), cash=500.0)
    assert result.nav.index.equals(DAYS[7:])
    assert result.nav.iloc[0] == 500.0
    assert (result.weights.iloc[0] == 0.0).all()
    assert result.trades["session"].min() == DAYS[8]
    assert list(result.targets.index) == [DAYS[7], DAYS[20]]
    assert result.notes == ()


def test_rows_of_nothing_but_holds_before_the_first_target_do_not_begin_the_result():
    weights = targets({2: [np.nan] * 4, 5: [0.25] * 4, 9: [np.nan] * 4})
    result = simulate(PRICES, weights)
    assert result.nav.index[0] == DAYS[5]
    assert list(result.targets.index) == [DAYS[5]]


def test_a_day_by_hand():
    prices = pd.DataFrame({"A": [100.0, 100.0, 110.0], "B": [50.0, 50.0, 45.0]}, DAYS[:3])
    result = simulate(prices, targets({0: [0.5, 0.25]}, prices), Costs(0.005, 0.005), cash=1007.5)
    assert result.nav.tolist() == pytest.approx([1007.5, 1000.0, 1025.0])
    assert result.trades["shares"].tolist() == pytest.approx([5.0, 5.0])
    assert result.trades["cost"].tolist() == pytest.approx([5.0, 2.5])
    assert result.weights.iloc[2].tolist() == pytest.approx([550 / 1025, 225 / 1025])


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), at_open=st.booleans())
def test_trades_sum_to_costs_positions_and_cash(seed, at_open):
    random = np.random.default_rng(seed)
    prices = random_prices(seed, 30)
    opens = prices.shift(1).bfill() * 1.002 if at_open else None
    weights = (prices * 0 + random.dirichlet(np.ones(5), 30)[:, :4]).iloc[::3]
    result = simulate(prices, weights, Costs(0.002, 0.001), opens=opens)
    trades = result.trades
    value = trades["shares"] * trades["price"]
    np.testing.assert_allclose(trades["cost"], 0.003 * value.abs(), rtol=1e-9)
    assert result.costs.sum() == pytest.approx(trades["cost"].sum(), rel=1e-12)
    cash = 1e6 - (value + trades["cost"]).groupby(trades["session"]).sum().reindex(prices.index, fill_value=0).cumsum()
    shares = trades.pivot_table(index="session", columns="asset", values="shares", aggfunc="sum", fill_value=0.0)
    held = shares.reindex(index=prices.index, columns=prices.columns, fill_value=0.0).cumsum() * prices
    np.testing.assert_allclose(result.nav, cash + held.sum(axis=1), rtol=1e-11)
    np.testing.assert_allclose(result.weights, held.div(result.nav, axis=0), atol=1e-11)
    fills = prices if opens is None else opens
    assert all(fills.at[row.session, row.asset] == pytest.approx(row.price) for row in trades.itertuples())
    assert trades.equals(trades.sort_values(["session", "asset"], ignore_index=True))


def test_assets_that_are_not_decided_on_change_nothing():
    alone = simulate(PRICES[["BBB"]], QUARTERS[["BBB"]])
    beside = simulate(PRICES, QUARTERS[["BBB"]])
    np.testing.assert_allclose(alone.nav, beside.nav, rtol=1e-14)
    assert (beside.weights[["AAA", "CCC", "DDD"]] == 0.0).all(axis=None)


def test_a_missing_price_keeps_the_last_value():
    gap = without("BBB", [5, 6, 7])
    full, gapped = simulate(PRICES, QUARTERS), simulate(gap, QUARTERS)
    np.testing.assert_allclose(full.nav.drop(DAYS[5:8]), gapped.nav.drop(DAYS[5:8]), rtol=1e-14)
    frozen = simulate(gap.ffill(), QUARTERS)
    np.testing.assert_allclose(gapped.nav, frozen.nav, rtol=1e-14)


def test_targets_without_a_price_in_the_fill_session_are_counted():
    gap = without("BBB", [1, 11])
    weights = targets({0: [0.2] * 4, 5: [0.2] * 4, 10: [0.1] * 4, 20: [0.1] * 4})
    result = simulate(gap, weights)
    assert result.notes == ("2 targets not filled: the asset had no price in the fill session",)
    assert list(result.trades.query("asset == 'BBB'")["session"]) == [DAYS[6], DAYS[21]]


def test_an_open_that_is_missing_is_not_filled_at_the_close():
    opens = without("AAA", [1])
    result = simulate(PRICES, QUARTERS, opens=opens)
    assert result.notes == ("1 targets not filled: the asset had no price in the fill session",)
    assert (result.weights["AAA"] == 0.0).all()


def test_nothing_wanted_and_nothing_held_is_not_worth_a_note():
    unlisted = without("BBB", list(range(10)))
    assert simulate(unlisted, targets({2: [0.3, 0.0, 0.3, 0.3]})).notes == ()


def test_scaled_rows_are_counted():
    gap = without("AAA", [11])
    weights = targets({0: [0.7, 0.1, 0.1, 0.1], 10: [0.1, 0.3, 0.3, 0.3], 20: [0.1] * 4})
    result = simulate(gap, weights, FREE)
    assert "1 rows of targets scaled down: value in held assets left too little cash" in result.notes
    after = result.weights.loc[DAYS[11]]
    assert after["AAA"] > 0.6
    assert after.sum() == pytest.approx(1.0, abs=1e-12)
    assert after["BBB"] == pytest.approx(after["CCC"]) == pytest.approx(after["DDD"])


def test_a_decision_on_the_last_session_is_noted():
    result = simulate(PRICES, targets({0: [0.25] * 4, 39: [0.1] * 4}))
    assert result.notes == (f"the decision of {DAYS[39].date()} has no session after it to be filled in",)
    assert simulate(PRICES, QUARTERS).nav.equals(result.nav)


def test_one_decision_on_the_last_session_is_one_row_of_cash():
    result = simulate(PRICES, targets({39: [0.25] * 4}))
    assert result.nav.tolist() == [1e6]
    assert result.trades.empty
    assert "no session after it" in str(result)


def test_targets_of_nothing_are_all_cash():
    result = simulate(PRICES, targets({0: [0.0] * 4}))
    assert (result.nav == 1e6).all()
    assert result.trades.empty
    assert (result.turnover == 0.0).all()


def test_shorts_gain_when_prices_fall_and_borrow_nothing():
    prices = pd.DataFrame({"A": [100.0, 100.0, 80.0], "B": [50.0, 50.0, 55.0]}, DAYS[:3])
    result = simulate(prices, targets({0: [-0.5, 0.5]}, prices), FREE, cash=1000.0)
    assert result.nav.tolist() == pytest.approx([1000.0, 1000.0, 1150.0])
    assert result.weights.iloc[2].tolist() == pytest.approx([-400 / 1150, 550 / 1150])
    assert result.trades["shares"].tolist() == pytest.approx([-5.0, 10.0])


def test_more_than_one_in_longs_is_fine_beside_shorts():
    result = simulate(PRICES, targets({0: [1.2, -0.4, 0.2, -0.1]}), FREE)
    assert result.weights.iloc[1].tolist() == pytest.approx([1.2, -0.4, 0.2, -0.1])


def test_a_name_and_the_default_costs():
    result = simulate(PRICES, QUARTERS, name="quarters")
    assert result.name == "quarters"
    assert result.costs.sum() == pytest.approx(0.001 * 1e6 / 1.001)


@pytest.mark.parametrize(
    ("weights", "kind", "message"),
    [
        (
            QUARTERS.rename(columns={"BBB": "ZZZ"}),
            MissingPriceError,
            "weights has ZZZ without a price column: add prices",
        ),
        (
            QUARTERS.set_axis(pd.DatetimeIndex(["2021-01-09"])),
            MissingPriceError,
            "weights has a row on 2021-01-09 where prices has none: decide on sessions",
        ),
        (QUARTERS + 0.01, FrameError, r"weights sum to 1\.04 at 2021-01-04: more than 1 would borrow cash.* scale the"),
        (QUARTERS + np.inf, FrameError, "weights: inf for AAA at 2021-01-04 is not a weight"),
        (QUARTERS.astype(object).replace(0.25, "a quarter"), FrameError, "weights holds text, not numbers, in AAA"),
        (QUARTERS.iloc[:0], FrameError, r"weights is empty \(0 sessions × 4 assets\)"),
        (QUARTERS["AAA"], FrameError, "weights is a Series: pass a DataFrame"),
    ],
)
def test_weights_that_cannot_be_filled_are_named(weights, kind, message):
    with pytest.raises(kind, match=message):
        simulate(PRICES, weights)


@pytest.mark.parametrize("value", [0.0, -5.0])
def test_prices_that_are_none_are_named(value):
    wrong = PRICES.copy()
    wrong.iloc[3, 2] = value
    with pytest.raises(FrameError, match=rf"prices: {value:g} for CCC at 2021-01-07 is not a price"):
        simulate(wrong, QUARTERS)


def test_opens_must_cover_the_prices():
    with pytest.raises(FrameError, match="opens lacks 1 assets of prices, such as DDD: give both or none"):
        simulate(PRICES, QUARTERS, opens=PRICES.drop(columns="DDD"))


def test_dust_above_one_is_let_pass():
    assert simulate(PRICES, QUARTERS * (1 + 5e-7)).weights.iloc[1].sum() == pytest.approx(1.0, abs=1e-6)


@settings(max_examples=20)
@given(seed=st.integers(0, 1000))
def test_a_position_sold_before_its_prices_end_is_no_stranger(seed):
    random = np.random.default_rng(seed)
    prices = without("AAA", list(range(30, 40)), random_prices(seed, 40))
    weights = (prices * 0 + random.dirichlet(np.ones(5), 40)[:, :4]).iloc[:27:3]
    weights.iloc[-1, 0] = 0.0
    assert simulate(prices, weights).weights["AAA"].iloc[-1] == pytest.approx(0.0, abs=1e-12)


def test_a_position_sold_before_its_prices_end_is_no_stranger_in_a_large_account():
    for seed in range(20):
        random = np.random.default_rng(seed)
        prices = without("AAA", list(range(30, 40)), random_prices(seed, 40))
        weights = (prices * 0 + random.dirichlet(np.ones(5), 40)[:, :4]).iloc[:27:3]
        weights.iloc[-1, 0] = 0.0
        simulate(prices, weights, cash=1e10)


def test_an_asset_that_has_an_open_before_its_first_close():
    """Not filled and noted, or worth what was paid: not a quarter of the NAV lost for a session, and back the next."""
    prices = without("AAA", list(range(11)))
    opens = PRICES.shift(1).bfill()
    result = simulate(prices, targets({9: [0.25] * 4}), FREE, opens=opens)
    assert result.nav.iloc[1] > 0.95e6


@pytest.mark.parametrize("cash", [0.0, -1.0, float("nan"), float("inf")])
def test_cash_that_buys_nothing_is_refused(cash):
    with pytest.raises(AllocationError, match="cash is"):
        simulate(PRICES, QUARTERS, cash=cash)


def test_a_ruined_portfolio_is_refused():
    """A short that rises twentyfold: NAV below zero has no weights, no returns and no Sharpe ratio."""
    prices = PRICES.copy()
    prices.loc[DAYS[20] :, "AAA"] *= 20.0
    with pytest.raises(AllocationError, match="the portfolio is worth -.* at 2021-02-01: losses on shorts exceed"):
        simulate(prices, targets({0: [-0.5, 0.0, 0.0, 0.0]}))


def test_leverage_is_reached_and_paid_for():
    """Twice the capital in one asset that stands still for a year: the loan costs 5 % of the other half."""
    days = pd.DatetimeIndex(["2021-01-04", "2021-01-05", "2022-01-05"])
    prices = pd.DataFrame({"A": [10.0, 10.0, 10.0]}, days)
    weights = pd.DataFrame({"A": [2.0]}, days[:1])
    result = simulate(prices, weights, Costs(0, 0, loan=0.05), cash=1000.0, rules=Rules(leverage=2.0))
    assert result.weights["A"].tolist() == pytest.approx([0.0, 2.0, 2000 / 950])
    assert result.nav.tolist() == pytest.approx([1000.0, 1000.0, 950.0])
    with pytest.raises(FrameError, match="more than 1.5 would borrow"):
        simulate(prices, weights, FREE, rules=Rules(leverage=1.5))


def test_whole_lots_leave_the_rest_in_cash():
    prices = pd.DataFrame({"A": [30.0] * 3}, DAYS[:3])
    for lot, shares in ((0.0, 33 + 1 / 3), (1.0, 33.0), (10.0, 30.0)):
        result = simulate(prices, targets({0: [1.0]}, prices), FREE, cash=1000.0, rules=Rules(lot=lot))
        assert result.trades["shares"].tolist() == pytest.approx([shares])
        assert (1 - result.weights.iloc[-1, 0]) * 1000 == pytest.approx(1000 - 30 * shares)


def test_cash_earns_its_yield_and_dividends_are_paid():
    days = pd.DatetimeIndex(["2021-01-04", "2021-01-05", "2022-01-05"])
    prices = pd.DataFrame({"A": [10.0, 10.0, 10.0]}, days)
    dividends = pd.DataFrame({"A": [9.0, 9.0, 0.5]}, days)  # the first two were for those who held before
    result = simulate(
        prices,
        pd.DataFrame({"A": [0.5]}, days[:1]),
        Costs(0, 0, cash_yield=0.04),
        cash=1000.0,
        events=Events(dividends),
    )
    nav = 1000 * (1 + 0.04 / 365)
    assert result.flows.loc[days[2]].tolist() == pytest.approx([nav / 2 * 0.04, 0.0, 0.0, nav / 20 * 0.5])
    assert result.flows.loc[days[1], "interest"] == pytest.approx(1000 * 0.04 / 365)


@pytest.mark.parametrize("value", [-1.0, -0.4, 0.0, 0.3])
def test_a_delisted_position_is_paid_out_once(value):
    prices = without("AAA", list(range(20, 40)))
    result = simulate(prices, targets({0: [0.25] * 4}), FREE, events=Events(delistings={"AAA": value}))
    assert (result.weights["AAA"].iloc[20:] == 0.0).all()
    assert (result.weights["AAA"].iloc[1:20] > 0.2).all()
    rest = simulate(prices.drop(columns="AAA"), targets({0: [0.25] * 3}, prices.drop(columns="AAA")), FREE).nav
    shares = 0.25e6 / prices["AAA"].iloc[1]
    received = shares * prices["AAA"].iloc[19] * (1 + value)
    np.testing.assert_allclose(result.nav.iloc[20:], rest.iloc[20:] - 0.25e6 + received, rtol=1e-12)
    assert result.notes == (
        "1 positions closed at their delisting",
        f"delisting of AAA: no date was stated, that of its last price, {DAYS[19].date()}, is taken",
    )
    dated = simulate(
        prices, targets({0: [0.25] * 4}), FREE, events=Events(delistings={"AAA": Delisting(DAYS[19], value)})
    )
    assert dated.nav.equals(result.nav)
    assert dated.notes == ("1 positions closed at their delisting",)
    last = result.trades.iloc[-1]
    assert (last["asset"], last["cost"]) == ("AAA", 0.0)
    assert last["price"] == pytest.approx(prices["AAA"].iloc[19] * (1 + value))


def test_a_stated_delisting_holds_whatever_prices_follow():
    """Prices after it neither move what was received nor are traded at; a gap before it closes nothing."""
    events = Events(delistings={"AAA": Delisting(pd.Timestamp("2021-01-30"), -0.5)})
    weights = targets({0: [0.25] * 4, 25: [0.25] * 4})
    quoted = without("AAA", [10, 11])  # 2021-01-30 is a Saturday: the Monday after is row 20
    result = simulate(quoted, weights, FREE, events=events)
    assert result.weights["AAA"].iloc[11] > 0.2
    assert (result.weights["AAA"].iloc[20:] == 0.0).all()
    assert "AAA has prices after its delisting on 2021-01-30: no order is filled at them" in result.notes
    assert "1 targets not filled: the asset had no price in the fill session" in result.notes
    ended = simulate(quoted.where((quoted.index < DAYS[20])[:, None] | (quoted.columns != "AAA")), weights, FREE,
                     events=events)  # fmt: skip
    assert result.nav.equals(ended.nav)


def test_a_late_listing_is_bought_when_it_trades():
    prices = without("BBB", list(range(15)))
    weights = targets({10: [0.25, 0.0, 0.25, 0.25], 20: [0.25] * 4})
    result = simulate(prices, weights, FREE)
    assert (result.weights["BBB"].iloc[:11] == 0.0).all()
    assert result.weights.loc[DAYS[21], "BBB"] == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Costs(borrow=3.0), "borrow is 3: give a yearly fraction"),
        (lambda: Costs(minimum=-1.0), "minimum is -1: give an amount of money"),
        (lambda: Rules(lot=-1.0), "lot is -1"),
        (lambda: Rules(leverage=0.5), "leverage is 0.5"),
        (lambda: Events(delistings={"AAA": Delisting(DAYS[3], -30)}), "delistings: -30 for AAA is no return"),
        (lambda: Events(delistings={"AAA": Delisting(pd.NaT, 0.0)}), "AAA has no date: give the last day on which it"),
        (lambda: Events(delistings={"AAA": -1.5}), "delistings: -1.5 for AAA is no return"),
        (lambda: simulate(PRICES, QUARTERS, events=Events(delistings={"ZZZ": 0.0})), "delistings names ZZZ without"),
        (lambda: simulate(PRICES, QUARTERS, events=Events(-PRICES)), "dividends: a negative amount"),
        (lambda: simulate(PRICES[["BBB"]], QUARTERS[["BBB"]], events=Events(PRICES)), "dividends has AAA, CCC, DDD wi"),
        (lambda: simulate(PRICES, QUARTERS, Costs(impact=Impact(PRICES * 1e6))), "2021-01-05 in AAA, BBB, CCC, DDD"),
        (lambda: simulate(PRICES, QUARTERS, Costs(impact=Impact(PRICES[["AAA"]]))), "daily_value lacks BBB, CCC, DDD"),
        (lambda: Impact(PRICES, 50.0), "impact: coefficient is 50"),
    ],
)  # fmt: skip
def test_costs_rules_and_events_without_a_meaning_are_refused(make, message):
    with pytest.raises(AllocationError, match=message):
        make()


def test_the_typical_price_fills_between_low_and_high():
    high, low = PRICES * 1.02, PRICES * 0.97
    proxy = vwap_proxy(high, low, PRICES)
    np.testing.assert_allclose(proxy, PRICES * (2.99 / 3), rtol=1e-12)
    result = simulate(PRICES, QUARTERS, FREE, opens=proxy)
    assert result.trades["price"].tolist() == pytest.approx(proxy.iloc[1].tolist())
    with pytest.raises(FrameError, match="close of AAA at 2021-01-06 lies outside its low and high"):
        vwap_proxy(pd.concat([high.iloc[:2], low.iloc[2:]]), low, PRICES)
    with pytest.raises(FrameError, match="low and close differ in sessions or assets"):
        vwap_proxy(high, low.iloc[1:], PRICES)


def test_an_order_whose_impact_is_unknown_is_named_with_its_session():
    """Nothing was traded in BBB for a month; the order in it that is zero needs no impact."""
    value = PRICES * 1e6
    value.loc[DAYS[4] : DAYS[30], "BBB"] = np.nan
    costs = Costs(impact=Impact(value))
    weights = targets({10: [0.2, 0.0, 0.2, 0.2], 29: [0.1, 0.3, 0.1, 0.1]})
    assert simulate(PRICES, weights.iloc[:1], costs).trades["impact"].gt(0).all()
    with pytest.raises(FrameError, match=rf"orders of {DAYS[30].date()} in BBB is unknown: in the 21 sessions before"):
        simulate(PRICES, weights, costs)


def test_monthly_prices_are_annualised_as_months_and_it_is_said():
    months = pd.date_range("2015-01-31", periods=61, freq="BME")
    prices = pd.DataFrame({"AAA": 100 * 1.01 ** np.arange(61), "BBB": 100 * 1.01 ** np.arange(61)}, index=months)
    weights = pd.DataFrame(0.5, months[:1], prices.columns)
    result = simulate(prices, weights, Costs(0.0, 0.0), calendar="XNYS")
    assert result.sessions_per_year == 12
    assert result.figures()["annual_return"] == pytest.approx(1.01 ** (12 * 59 / 60) - 1)  # filled a row later
    assert any("12 rows a year" in note for note in result.notes)
    daily = simulate(
        prices.set_axis(pd.bdate_range("2015-01-01", periods=61)), weights.set_axis([pd.Timestamp("2015-01-01")])
    )
    assert daily.sessions_per_year == 252
    assert not any("rows a year" in note for note in daily.notes)


@pytest.mark.parametrize(("least", "said"), [(20_000.0, True), (1.0, False)])
def test_orders_below_the_minimum_are_counted_where_there_are_any(least, said):
    weights = PRICES * 0.0 + 0.2
    weights.iloc[20:] += 0.01  # some ten thousand in each asset
    notes = simulate(PRICES, weights.iloc[10::10], rules=Rules(minimum=least)).notes
    assert any("orders not sent: worth less than the least value of an order" in note for note in notes) == said
