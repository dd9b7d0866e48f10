"""What a policy is shown and asked; causality itself is proved in test_contracts."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import random_prices, random_signal

from allocation import (
    AllocationError,
    EqualWeight,
    FrameError,
    Hold,
    MissingPriceError,
    OptimizationError,
    PolicyError,
    RiskError,
)
from backtest import Costs, simulate, walk_forward

PRICES = random_prices(1)
DATES = PRICES.index[10::10]


def walk(policy, dates=DATES, **options):
    return walk_forward(policy, PRICES, None, dates, **options)


def returns(value):
    """A policy that answers `value`, or what it makes of the view."""
    return lambda view: value(view) if callable(value) else value


def told(table):
    """A policy that reads its targets from a table, and notes what it was shown to hold."""
    held = {}

    def policy(view):
        held[view.now] = view.held.copy()
        return table.loc[view.now]

    return policy, held


def small(rows, assets=("A", "B")):
    return pd.DataFrame(rows, pd.bdate_range("2021-01-04", periods=len(rows)), list(assets), dtype=float)


def test_held_weights_by_hand_filled_at_the_open():
    closes, opens = small([[100, 50], [110, 40], [121, 40]]), small([[1, 1], [100, 50], [110, 40]])
    policy, held = told(small([[0.5, 0.25], [0.2, np.nan], [0, 0]]))
    walk_forward(policy, closes, None, closes.index, opens=opens, costs=Costs(0.004, 0.006))
    bought, again, after = (held[day].tolist() for day in closes.index)
    assert bought == [0.0, 0.0]
    # Half at 100 is now 55, a quarter at 50 is now 20, a quarter is cash: of NAV after costs, again 100.
    assert again == pytest.approx([0.55, 0.20])
    # Sold down to 0.2 V at a cost of 1 %: V = 1 - 0.01 (0.55 - 0.2 V). B is held: 0.20. A then rises by 10 %.
    nav = 0.9945 / 0.998
    assert after == pytest.approx(list(np.array([0.22 * nav, 0.20]) / (1.02 * nav)), rel=1e-12)


def test_held_weights_by_hand_filled_at_the_close():
    closes = small([[100, 50], [110, 40], [121, 40]])
    policy, held = told(small([[0.5, 0.25], [0.2, np.nan], [0, 0]]))
    walk_forward(policy, closes, None, closes.index, costs=Costs(0.004, 0.006))
    assert held[closes.index[1]].tolist() == pytest.approx([0.5, 0.25])
    # A rises by 10 % to 0.55 and is sold at that close: V = 1.05 - 0.01 (0.55 - 0.2 V).
    assert held[closes.index[2]].tolist() == pytest.approx([0.2, 0.25 / (1.0445 / 0.998)], rel=1e-12)


def test_an_asset_that_has_an_open_before_its_first_close_does_not_blank_what_is_held():
    closes, opens = small([[100, np.nan]] * 3), small([[100, 50]] * 3)
    policy, held = told(small([[0.5, 0.25], [np.nan, np.nan], [0, 0]]))
    walk_forward(policy, closes, None, closes.index, opens=opens)
    assert held[closes.index[1]].notna().all()


def test_without_costs_nothing_is_lost():
    closes = small([[100, 50], [100, 50], [100, 50]])
    policy, held = told(small([[0.5, 0.25], [0.2, np.nan], [0, 0]]))
    walk_forward(policy, closes, None, closes.index)
    assert held[closes.index[2]].tolist() == pytest.approx([0.2, 0.25], rel=1e-14)


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), at_open=st.booleans(), rate=st.sampled_from([0.0, 0.002, 0.02]))
def test_held_weights_are_those_that_the_simulation_reaches(seed, at_open, rate):
    """The same fills in both: what a policy is told it holds is what the result says it held."""
    random = np.random.default_rng(seed)
    prices = random_prices(seed, 60)
    opens = prices.shift(1).bfill() * (1 + 0.01 * random.standard_normal(prices.shape)) if at_open else None
    targets = prices * 0 + random.dirichlet(np.ones(5), 60)[:, :4]
    targets = targets.mask(random.random(targets.shape) < 0.2).iloc[[0, *range(5, 60, 3)]]
    targets.iloc[0] = 0.25
    policy, held = told(targets)
    costs = Costs(rate / 2, rate / 2)
    weights = walk_forward(policy, prices, None, targets.index, opens=opens, costs=costs)
    reached = simulate(prices, weights, costs, opens=opens).weights
    for day, weight in held.items():
        np.testing.assert_allclose(weight, reached.loc[day], atol=1e-12)


def test_nan_targets_hold_the_shares():
    held = {}

    def policy(view):
        held[view.now] = view.held
        return Hold()(view)

    weights = walk(policy)
    assert weights.iloc[0].eq(0.25).all()
    assert weights.iloc[1:].isna().all(axis=None)
    grown = 0.25 * PRICES / PRICES.loc[PRICES.index[11]]  # filled in the session after the first decision
    for day in DATES[1:]:
        np.testing.assert_allclose(held[day], grown.loc[day] / grown.loc[day].sum(), rtol=1e-12)


@given(seed=st.integers(0, 1000), every=st.integers(1, 30), with_signal=st.booleans())
@settings(max_examples=20)
def test_a_view_is_all_rows_up_to_now_and_nothing_else(seed, every, with_signal):
    prices = random_prices(seed, 50)[["CCC", "AAA", "DDD", "BBB"]]
    signal = random_signal(seed, prices) if with_signal else None
    wanted = prices * np.nan if signal is None else signal
    seen = []

    def policy(view):
        pd.testing.assert_frame_equal(view.prices, prices.loc[: view.now], check_like=True, check_freq=False)
        pd.testing.assert_frame_equal(view.signal, wanted.loc[: view.now], check_like=True, check_freq=False)
        assert list(view.held.index) == list(view.prices.columns) == list(view.signal.columns)
        seen.append(view.now)
        return pd.Series(0.1, view.prices.columns)

    weights = walk_forward(policy, prices, signal, prices.index[::every])
    assert seen == list(weights.index) == list(prices.index[::every])


def test_a_signal_of_fewer_assets_and_more_sessions_is_laid_on_the_prices():
    signal = random_signal(1, random_prices(1, 130))[["BBB"]]

    def policy(view):
        assert view.signal[["AAA", "CCC", "DDD"]].isna().all(axis=None)
        pd.testing.assert_series_equal(view.signal["BBB"], signal["BBB"].loc[: view.now], check_freq=False)
        return EqualWeight()(view)

    walk_forward(policy, PRICES, signal, DATES)


def test_a_view_that_is_kept_still_shows_what_it_showed():
    """What holds: a kept view's frames and held weights never change, though the buffer that its prices are a
    slice of goes on being filled: through numpy's `.base` the past of later dates shows, never their future.
    """
    kept, copies = [], []

    def policy(view):
        kept.append(view)
        copies.append((view.prices.copy(), view.signal.copy(), view.held.copy()))
        base = kept[0].prices.to_numpy()
        while isinstance(base.base, np.ndarray):
            base = base.base
        rows = base if base.shape[1] == PRICES.shape[1] else base.T
        assert np.isfinite(rows).all(axis=1).sum() == len(view.prices)
        return EqualWeight()(view)

    walk_forward(policy, PRICES, random_signal(1, PRICES), DATES)
    for view, (prices, signal, held) in zip(kept, copies, strict=True):
        pd.testing.assert_frame_equal(view.prices, prices)
        pd.testing.assert_frame_equal(view.signal, signal)
        pd.testing.assert_series_equal(view.held, held)


def test_what_a_policy_does_to_its_held_weights_stays_with_it():
    def vandal(view):
        answer = EqualWeight()(view)
        view.held[:] = 99.0
        return answer

    held = {}

    def honest(view):
        held[view.now] = view.held
        return vandal(view) if view.now == DATES[0] else EqualWeight()(view)

    walk(honest)
    assert held[DATES[1]].sum() == pytest.approx(1.0)


def test_targets_are_matched_by_label():
    def backwards(view):
        return pd.Series({"DDD": 0.4, "CCC": 0.3, "BBB": 0.2, "AAA": 0.1})

    assert walk(backwards).iloc[0].to_dict() == {"AAA": 0.1, "BBB": 0.2, "CCC": 0.3, "DDD": 0.4}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([0.25] * 4, "the policy returned a list: return a Series of weights by asset"),
        (None, "the policy returned a NoneType: return a Series"),
        (np.full(4, 0.25), "the policy returned a ndarray: return a Series"),
        (lambda view: view.held.to_frame(), "the policy returned a DataFrame: return a Series"),
        (lambda view: view.held.drop("BBB"), "weights and the assets differ in BBB: return one weight per asset"),
        (lambda view: pd.concat([view.held, pd.Series({"ZZZ": 0.0})]), "differ in ZZZ: .* NaN to hold"),
        (pd.Series([0.25] * 4), "differ in 0, 1, 2, 3, AAA and 3 more"),
        (lambda view: view.held + np.inf, "infinite weight of AAA: return finite weights"),
        (lambda view: view.held.where(view.held.index != "CCC", -np.inf), "infinite weight of CCC"),
    ],
)
def test_an_answer_that_is_no_row_of_weights_is_named_with_its_date(answer, message):
    with pytest.raises(PolicyError, match=rf"^2021-01-18: .*{message}"):
        walk(returns(answer))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param(
            lambda view: pd.Series("much", view.held.index),
            "much",
        ),
        pytest.param(
            lambda view: pd.concat([view.held, view.held[:1]]),
            "duplicate weight for AAA",
        ),
        pytest.param(
            lambda view: view.held + 1j,
            "complex|number",
            marks=[
                pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning"),
            ],
        ),
    ],
)
def test_weights_that_are_no_numbers_are_named_with_their_date(answer, message):
    with pytest.raises(PolicyError, match=rf"^2021-01-18: .*{message}"):
        walk(returns(answer))


@pytest.mark.parametrize("kind", [AllocationError, RiskError, OptimizationError, MissingPriceError])
def test_an_error_of_ours_keeps_its_kind_and_gets_its_date(kind):
    def policy(view):
        if view.now < DATES[3]:
            return EqualWeight()(view)
        raise kind("three assets, no history")

    with pytest.raises(kind, match=rf"^{DATES[3].date()}: three assets, no history$") as caught:
        walk(policy)
    assert type(caught.value) is kind
    assert isinstance(caught.value.__cause__, kind)


@pytest.mark.parametrize("error", [KeyError("x"), ZeroDivisionError("by zero")])
def test_any_other_error_of_a_policy_passes_as_it_is(error):
    """A bug in the policy: its own traceback says more than a wrapping would."""

    def policy(view):
        raise error

    with pytest.raises(type(error)) as caught:
        walk(policy)
    assert caught.value is error


@pytest.mark.parametrize(
    ("dates", "message"),
    [
        (PRICES.index[:0], "no rebalancing date was given: see rebalance_dates"),
        (pd.DatetimeIndex(["2021-01-09"]), "no prices on rebalancing date 2021-01-09: use sessions of the prices"),
        (pd.DatetimeIndex(["2021-01-06", "2031-01-06"]), "no prices on rebalancing date 2031-01-06"),
        (PRICES.index[[5, 3]], "rebalancing dates are not increasing: sort them and keep each once"),
        (PRICES.index[[3, 3]], "rebalancing dates are not increasing"),
    ],
)
def test_wrong_dates_are_named(dates, message):
    with pytest.raises(FrameError, match=message):
        walk(EqualWeight(), dates)


@pytest.mark.parametrize(
    ("opens", "message"),
    [
        (PRICES.drop(columns="CCC"), "opens lacks 1 assets of prices, such as CCC: give both or none"),
        (PRICES.iloc[:-2], "opens lacks 2 sessions of prices, such as 2021-06-17"),
        (PRICES * -1, "opens: -.* for AAA at 2021-01-04 is not a price"),
    ],
)
def test_opens_that_do_not_match_are_named(opens, message):
    with pytest.raises(FrameError, match=message):
        walk(EqualWeight(), opens=opens)


def test_opens_may_hold_more_than_is_asked():
    more = random_prices(1, 130, ("AAA", "BBB", "CCC", "DDD", "EEE"))
    opens = more.shift(1).bfill()
    fewer = opens.loc[PRICES.index, PRICES.columns]
    assert walk(EqualWeight(), opens=opens).equals(walk(EqualWeight(), opens=fewer))


def test_a_signal_of_an_asset_without_prices_is_refused():
    signal = random_signal(1, PRICES).rename(columns={"BBB": "ZZZ"})
    with pytest.raises(
        MissingPriceError, match="signal has ZZZ without a price column: add the prices or drop the column"
    ):
        walk_forward(EqualWeight(), PRICES, signal, DATES)
