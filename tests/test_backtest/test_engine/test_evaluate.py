"""run(): the walk and the simulation, with the same fills and costs in both."""

import numpy as np
import pytest
from support import random_prices, random_signal

from allocation import AllocationError, Bars, EqualWeight, FrameError, Hold
from backtest import Costs, run, simulate, walk_forward

PRICES = random_prices(1)
OPENS = PRICES.shift(1).bfill() * 1.003
SIGNAL = random_signal(1, PRICES)
DATES = PRICES.index[9::10]


def follow(view):
    """Weights by the sign of the latest signal, and of what is held."""
    return view.signal.iloc[-1].clip(lower=0) / 5 + 0.1 * view.held


@pytest.mark.parametrize("opens", [None, OPENS], ids=["close", "open"])
@pytest.mark.parametrize("costs", [None, Costs(0.004, 0.002)], ids=["default costs", "high costs"])
def test_it_is_the_walk_then_the_simulation(opens, costs):
    result = run(follow, Bars(PRICES, opens), SIGNAL, DATES, costs=costs, name="follow")
    weights = walk_forward(follow, PRICES, SIGNAL, DATES, opens=opens, costs=costs or Costs())
    expected = simulate(PRICES, weights, costs or Costs(), opens=opens, name="follow")
    assert result.name == "follow"
    assert result.nav.equals(expected.nav)
    assert result.trades.equals(expected.trades)
    assert result.targets.equals(weights.dropna(how="all"))
    assert result.notes == expected.notes


@pytest.mark.parametrize("opens", [None, OPENS], ids=["close", "open"])
def test_the_policy_is_told_the_weights_that_the_result_reports(opens):
    held = {}

    def policy(view):
        held[view.now] = view.held
        return follow(view)

    result = run(policy, Bars(PRICES, opens), SIGNAL, DATES, costs=Costs(0.01, 0.01))
    assert len(held) == len(DATES)
    for day, weights in held.items():
        np.testing.assert_allclose(weights, result.weights.loc[day], atol=1e-12)


def test_opens_and_costs_matter():
    plain = run(EqualWeight(), Bars(PRICES), None, DATES)
    assert run(EqualWeight(), Bars(PRICES, OPENS), None, DATES).total_return < plain.total_return  # bought 0.3 % dearer
    assert run(EqualWeight(), Bars(PRICES), None, DATES, costs=Costs(0.01, 0.01)).total_return < plain.total_return
    assert plain.costs.sum() > 0


def test_buy_and_hold_is_the_mean_of_the_assets():
    result = run(Hold(), Bars(PRICES), None, DATES[:1], costs=Costs(0.0, 0.0))
    bought = PRICES.loc[PRICES.index[10]]
    np.testing.assert_allclose(result.nav.iloc[1:] / 1e6, (PRICES.iloc[10:] / bought).mean(axis=1), rtol=1e-12)


def test_leverage_is_refused_after_the_walk():
    with pytest.raises(FrameError, match="weights sum to 2 at 2021-01-15: more than 1 would borrow cash"):
        run(lambda view: view.held * 0 + 0.5, Bars(PRICES), None, DATES)


def test_errors_of_the_policy_carry_its_date():
    def policy(view):
        raise AllocationError("no idea")

    with pytest.raises(AllocationError, match="^2021-01-15: no idea"):
        run(policy, Bars(PRICES), None, DATES)


def test_progress_stays_quiet_off_a_terminal(capfd):
    run(EqualWeight(), Bars(PRICES), None, DATES, progress=True)
    assert capfd.readouterr() == ("", "")
