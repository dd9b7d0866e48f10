"""fill(): value is conserved, targets are reached after costs, and cash is never borrowed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation import AllocationError
from allocation.execution.book import Book, Rules
from allocation.execution.costs import FREE, Costs
from allocation.execution.fill import fill

N = 5
SEEDS, RATES = st.integers(0, 10**6), st.sampled_from([0.0, 0.0005, 0.01, 0.1])


def half(rate):
    return Costs(commission=rate / 4, half_spread=3 * rate / 4)


def drawn(seed, *, gross=1.0, cash_share=0.2):
    """A book worth 1000 and more, prices, and targets that sum to `gross` or less."""
    random = np.random.default_rng(seed)
    prices = random.uniform(0.5, 300.0, N)
    shares = random.dirichlet(np.ones(N)) * 1000.0 / prices * (random.random(N) < 0.8)
    book = Book(shares, 1000.0 * random.uniform(0, cash_share) + 1.0)
    return random, book, gross * random.dirichlet(np.ones(N + 1))[:N], prices


@given(seed=SEEDS, rate=RATES, shorts=st.booleans())
def test_value_is_conserved(seed, rate, shorts):
    random, book, targets, prices = drawn(seed)
    if shorts:
        targets = targets * random.choice([-1.0, 1.0], N)
    targets[random.random(N) < 0.2] = np.nan
    fills = np.where(random.random(N) < 0.2, np.nan, prices)
    done = fill(book, targets, fills, prices, half(rate))
    assert done.book.nav(prices) + done.cost == pytest.approx(book.nav(prices), rel=1e-12)
    assert done.cost == pytest.approx(rate * np.abs(done.traded * prices).sum(), rel=1e-9, abs=1e-9)
    np.testing.assert_allclose(done.book.shares, book.shares + done.traded, rtol=1e-12)
    still = np.isnan(targets) | np.isnan(fills)
    assert not done.traded[still].any()
    assert (done.untraded == (np.isfinite(targets) & np.isnan(fills))).all()


@given(seed=SEEDS, rate=RATES, full=st.booleans())
def test_targets_of_the_nav_after_costs_are_reached(seed, rate, full):
    _, book, targets, prices = drawn(seed)
    targets = targets / targets.sum() if full else targets
    done = fill(book, targets, prices, prices, half(rate))
    np.testing.assert_allclose(done.book.weights(prices), targets, atol=1e-12)
    assert done.book.cash >= -1e-9
    assert done.scale == pytest.approx(1.0, abs=1e-12)
    assert not done.untraded.any()


@given(seed=SEEDS, rate=RATES, locked=st.integers(0, N))
def test_locked_value_comes_first_and_cash_is_never_borrowed(seed, rate, locked):
    """All targets of assets that trade are cut by one factor, just enough."""
    random, book, targets, prices = drawn(seed, cash_share=0.05)
    targets = targets / targets.sum()
    fills = prices.copy()
    fills[random.permutation(N)[:locked]] = np.nan
    done = fill(book, targets, fills, prices, half(rate))
    trades = np.isfinite(fills)
    assert done.book.cash >= -1e-9
    np.testing.assert_allclose(done.book.weights(prices)[trades], done.scale * targets[trades], atol=1e-12)
    held = book.values(prices)[~trades].sum() / done.book.nav(prices)
    if trades.any() and targets[trades].sum() + held > 1.0 + 1e-9:
        assert done.scale == pytest.approx((1.0 - held) / targets[trades].sum(), rel=1e-9)
        assert abs(done.book.cash) < 1e-9
    else:
        assert done.scale == pytest.approx(1.0, abs=1e-9)


def test_a_scaled_fill_by_hand():
    """60 locked of 100: targets of 80 % in the others leave 40 for them; half each, free of costs."""
    book = Book(np.array([60.0, 0.0, 10.0]), 30.0)
    ones = np.ones(3)
    done = fill(book, np.array([0.2, 0.4, 0.4]), np.array([np.nan, 1.0, 1.0]), ones, FREE)
    assert done.scale == pytest.approx(0.5)
    assert done.book.shares.tolist() == pytest.approx([60.0, 20.0, 20.0])
    assert done.book.cash == pytest.approx(0.0, abs=1e-12)
    assert done.untraded.tolist() == [True, False, False]


@given(seed=SEEDS, rate=RATES)
def test_zero_targets_sell_everything(seed, rate):
    _, book, _, prices = drawn(seed)
    done = fill(book, np.zeros(N), prices, prices, half(rate))
    assert (done.book.shares == 0.0).all()
    assert done.book.cash == pytest.approx(book.cash + (1 - rate) * (book.shares * prices).sum(), rel=1e-12)


@given(seed=SEEDS)
def test_free_trades_cost_nothing(seed):
    _, book, targets, prices = drawn(seed)
    done = fill(book, targets, prices, prices, FREE)
    assert done.cost == 0.0
    assert done.book.nav(prices) == pytest.approx(book.nav(prices), rel=1e-14)


@given(seed=SEEDS, rate=RATES)
def test_what_is_held_already_is_not_traded(seed, rate):
    _, book, _, prices = drawn(seed)
    done = fill(book, book.weights(prices), prices, prices, half(rate))
    assert np.abs(done.traded * prices).sum() < 1e-9
    assert done.cost < 1e-9


@given(seed=SEEDS)
def test_a_trade_that_is_rounding_pays_no_minimum(seed):
    _, book, _, prices = drawn(seed)
    done = fill(book, book.weights(prices), prices, prices, Costs(0.0, 0.0, minimum=5.0))
    assert (done.traded == 0.0).all()
    assert done.cost == 0.0


def test_no_targets_trade_nothing():
    _, book, _, prices = drawn(1)
    done = fill(book, np.full(N, np.nan), prices, prices, Costs())
    assert (done.traded == 0.0).all()
    assert done.cost == 0.0
    assert done.book.cash == book.cash


def test_a_buy_by_hand():
    """1 % on all of it: 101 buys 100 worth."""
    done = fill(Book(np.zeros(1), 101.0), np.ones(1), np.array([4.0]), np.array([4.0]), Costs(0.005, 0.005))
    assert done.book.shares.tolist() == pytest.approx([25.0])
    assert done.cost == pytest.approx(1.0)
    assert done.book.cash == pytest.approx(0.0, abs=1e-12)


def test_an_asset_without_any_price_yet_is_worth_nothing():
    book = Book(np.array([0.0, 2.0]), 5.0)
    marks = np.array([np.nan, 10.0])
    assert book.nav(marks) == 25.0
    assert book.weights(marks).tolist() == [0.0, 0.8]


@pytest.mark.parametrize("value", [-1e-9, 0.5, 3.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["commission", "half_spread"])
def test_absurd_costs_are_refused(name, value):
    with pytest.raises(AllocationError, match=rf"costs: {name} is {value:g}: give a fraction in \[0, 0.1\], 0.001"):
        Costs(**{name: value})


@pytest.mark.parametrize(("costs", "message"), [
    (10, "costs is 10: give a fraction of the traded value in"), (-0.1, "costs is -0.1"), (True, "costs is a bool"),
    ("10bp", "costs is a str: give Costs"), (float("nan"), "costs is nan"),
])  # fmt: skip
def test_a_number_that_is_no_fraction_is_refused_as_costs(costs, message):
    with pytest.raises(AllocationError, match=message):
        Costs.of(costs)


def test_a_number_is_a_fraction_of_the_traded_value():
    assert Costs.of(0.001) == Costs() == Costs.of(None)
    assert Costs.of(Costs(0.02, 0.0)) == Costs(0.02, 0.0)


@given(seed=SEEDS, minimum=st.sampled_from([20.0, 150.0]))
def test_orders_below_the_minimum_are_left_out_and_named(seed, minimum):
    _, book, targets, prices = drawn(seed)
    done = fill(book, targets / targets.sum(), prices, prices, half(0.001), rules=Rules(minimum=minimum))
    orders = np.abs(done.traded * prices)
    assert ((orders == 0.0) | (orders >= minimum)).all()
    assert not orders[done.small].any()
    assert done.book.cash >= -1e-9
    assert done.book.nav(prices) + done.cost == pytest.approx(book.nav(prices), rel=1e-12)


@given(seed=SEEDS)
def test_a_reserve_stays_in_cash(seed):
    _, book, targets, prices = drawn(seed)
    done = fill(book, targets / targets.sum(), prices, prices, half(0.001), rules=Rules(reserve=0.05))
    assert done.book.cash / done.book.nav(prices) == pytest.approx(0.05)


def test_the_rate_is_the_sum():
    assert Costs(0.001, 0.002).rate == pytest.approx(0.003)
    assert Costs().rate == 0.001


def test_costs_above_nav_are_refused():
    book = Book(np.array([-10.0]), 10.5)
    with pytest.raises(AllocationError, match="trading costs of 2.00 exceed NAV 0.50"):
        fill(book, np.zeros(1), np.ones(1), np.ones(1), Costs(0.1, 0.1))


def test_an_account_without_any_money_left_does_not_trade():
    with pytest.raises(AllocationError, match="the account is worth -5.00 before it trades: losses exceed all capital"):
        fill(Book(np.array([-10.0]), 5.0), np.zeros(1), np.ones(1), np.ones(1), FREE)


@pytest.mark.parametrize("rate", [0.1, 0.2])
def test_targets_are_reached_at_every_rate_that_costs_allow(rate):
    done = fill(Book(np.zeros(1), 1.0), np.ones(1), np.ones(1), np.ones(1), Costs(rate / 2, rate / 2))
    assert done.book.shares[0] == pytest.approx(1.0 / (1.0 + rate), rel=1e-9)
    assert done.book.cash >= -1e-9


def test_a_lot_is_not_lost_to_rounding():
    """0.29 × 100 / 0.29 is 99.99999999999999 in floating point: a hundred shares."""
    price = np.array([0.29])
    done = fill(Book(np.zeros(1), 100.0), np.array([0.29]), price, price, FREE, rules=Rules(lot=1.0))
    assert done.book.shares.tolist() == [100.0]


@given(seed=SEEDS, rate=RATES, lot=st.sampled_from([1.0, 10.0]))
def test_whole_lots_never_borrow(seed, rate, lot):
    random, book, targets, prices = drawn(seed)
    targets = targets / targets.sum() * random.choice([1.0, -1.0], N, p=[0.8, 0.2])
    book = Book(np.floor(book.shares / lot) * lot, book.cash)
    done = fill(book, targets, prices, prices, half(rate), rules=Rules(lot=lot))
    assert done.book.cash >= -1e-9
    np.testing.assert_allclose(done.book.shares / lot, np.round(done.book.shares / lot), atol=1e-9)
    assert done.book.nav(prices) + done.cost == pytest.approx(book.nav(prices), rel=1e-12)
