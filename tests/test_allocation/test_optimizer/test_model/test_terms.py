"""Objective terms and constraints: what each means, on problems solved by hand."""

import textwrap

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation import LongOnly, MaxWeight, MeanVariance, MinCash, NetUtility, OptimizationError, RiskModel
from allocation.optimizer.model import terms

AB = ["AAA", "BBB"]
CASH = pd.Series(0.0, index=AB)
MU = pd.Series([1e-3, -5e-4], index=AB)
# Uncorrelated assets of 1 % and 2 % volatility; the one factor carries nothing.
RISK = RiskModel(pd.DataFrame(0.0, index=AB, columns=["none"]), pd.Series([1e-4, 4e-4], index=AB))


def weights(objective, constraints=(), mu=MU, held=CASH, **options):
    return MeanVariance(AB, objective, constraints).weights(mu, RISK, held, **options)


def assert_weights(found, aaa, bbb, atol=2e-6):
    np.testing.assert_allclose(found[AB], [aaa, bbb], rtol=0, atol=atol)


def test_markowitz_by_hand():
    """w = mu / (2 gamma sigma²): 1e-3 / (2 × 10 × 1e-4) = 0.5 and -5e-4 / (2 × 10 × 4e-4) = -1/16."""
    assert_weights(weights(NetUtility(risk_aversion=10, cost=0.0)), 0.5, -0.0625)
    assert_weights(weights(NetUtility(risk_aversion=10, cost=0.0), [LongOnly()]), 0.5, 0.0)


@settings(max_examples=25)
@given(
    mu=st.tuples(*[st.floats(-2e-3, 2e-3)] * 2),
    held=st.tuples(*[st.floats(-0.5, 0.5)] * 2),
    cost=st.floats(0, 2e-3),
    horizon=st.integers(1, 5),
    gamma=st.floats(2, 20),
)
def test_a_linear_cost_moves_each_weight_only_to_the_edge_of_its_no_trade_region(mu, held, cost, horizon, gamma):
    """|mu - 2 gamma sigma² held| <= cost / horizon: hold; otherwise stop where the marginal gain is the cost."""
    utility = NetUtility(gamma, cost, horizon)
    found = weights(utility, mu=pd.Series(mu, index=AB), held=pd.Series(held, index=AB))
    curvature, edge = 2 * gamma * RISK.specific.to_numpy(), cost / horizon
    gain = np.array(mu) - curvature * held
    trades = np.sign(gain) * np.maximum(np.abs(gain) - edge, 0.0) / curvature
    assert_weights(found, *(held + trades), atol=5e-4)  # test_optimizer.py asks for more


def test_inside_the_no_trade_region_what_is_held_is_kept_to_the_last_bit():
    held = pd.Series([0.47, -0.05], index=AB)
    assert weights(NetUtility(10, cost=0.001), held=held).equals(held)


def test_free_idle_cash_opens_positions_but_rotation_pays_twice():
    """From cash: the optimum without cost. All invested: a sale must gain 2 × cost to be worth it."""
    free = NetUtility(10, cost=0.001, idle_cash_is_free=True)
    assert_weights(weights(free, [LongOnly()]), 0.5, 0.0)
    even, held = pd.Series([1e-3, 4e-3], index=AB), pd.Series([0.48, 0.52], index=AB)
    full = [LongOnly(), lambda s: [s.cash == 0]]
    assert weights(free, full, even, held=held).equals(held)
    assert_weights(weights(NetUtility(10, 0.0), full, even), 0.5, 0.5)


def test_long_only_sells_shorts_and_pays_back_borrowed_cash():
    """A fortune expected from both, shorts and debts held: bounded by zero and by the budget of one."""
    found = weights(NetUtility(0.5, 0.0), [LongOnly()], MU.abs(), held=pd.Series([-0.5, 1.9], index=AB))
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(1.0, abs=1e-6)


def test_a_limit_binds_on_both_sides():
    assert_weights(weights(NetUtility(1, 0.0), [MaxWeight(0.3)]), 0.3, -0.3)


def test_cash_is_kept():
    found = weights(NetUtility(0.5, 0.0), [LongOnly(), MinCash(0.2)], MU.abs())
    assert found.sum() == pytest.approx(0.8, abs=1e-6)


def test_what_is_locked_leaves_less_budget():
    found = weights(NetUtility(0.5, 0.0), [LongOnly(), MinCash(0.1)], MU.abs(), untradable_weight=0.35)
    assert found.sum() == pytest.approx(0.55, abs=1e-6)
    assert_weights(weights(NetUtility(10, 0.0), untradable_weight=0.35), 0.5, -0.0625)


@pytest.mark.parametrize("limit", [0.0, -0.1, np.nan])
def test_a_limit_that_allows_nothing_is_refused(limit):
    with pytest.raises(OptimizationError, match=rf"MaxWeight\({limit:g}\) allows no position: pass a limit > 0"):
        MaxWeight(limit)


def test_a_utility_that_means_nothing_is_refused():
    for setting in ({"horizon": 0}, {"horizon": np.nan}, {"cost": np.inf}, {"risk_aversion": np.nan}):
        with pytest.raises(OptimizationError, match=f"{next(iter(setting))}.* is not meaningful"):
            NetUtility(**setting)


def test_a_cash_floor_that_is_no_number_is_refused():
    with pytest.raises(OptimizationError, match="MinCash"):
        weights(NetUtility(), [MinCash(np.nan)])


def test_the_example_of_the_docstring_works():
    """The very lines that the module shows, executed."""
    lines = [line for line in terms.__doc__.splitlines() if line.startswith("    ")]
    assert len(lines) == 2
    names = {"LongOnly": LongOnly, "MaxWeight": MaxWeight}
    exec(textwrap.dedent("\n".join(lines)), names)  # noqa: S102 - our own docstring
    assert_weights(weights(names["objective"], names["constraints"], MU * 9), 0.1, 0.0)
    found = weights(names["objective"], names["constraints"][:1] + names["constraints"][2:], MU * 9)
    assert_weights(found, 0.98, 0.0)


def test_symbols_give_trades_turnover_and_cash_to_a_lambda():
    held = pd.Series([0.2, 0.3], index=AB)
    budget = [lambda s: [s.turnover <= 0.1]]
    assert_weights(weights(NetUtility(10, 0.0), budget, held=held), 0.2, 0.2)
    buys = [lambda s: [s.trades <= 0.05, s.cash == 0.6]]
    found = weights(NetUtility(10, 0.0), buys, held=held)
    assert found["AAA"] == pytest.approx(0.25, abs=1e-6)
    assert found.sum() == pytest.approx(0.4, abs=1e-6)


def test_a_lambda_can_name_an_asset():
    at_most = [lambda s: [s.weights[s.assets.index("AAA")] <= 0.123]]
    assert_weights(weights(NetUtility(10, 0.0), at_most), 0.123, -0.0625)


def test_terms_are_values():
    assert NetUtility(5.0) == NetUtility()
    assert len({LongOnly(), LongOnly(), MaxWeight(0.1), MaxWeight(0.1), MaxWeight(0.2)}) == 3
