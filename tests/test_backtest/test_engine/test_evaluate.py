"""run(): the walk and the simulation, with the same fills and costs in both."""

import numpy as np
import pytest
from support import random_prices, random_signal

from allocation import AllocationError, Bars, EqualWeight, FrameError, Hold
from backtest import Costs, rebalance_dates, run, simulate, walk_forward

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


def test_a_frame_a_schedule_and_a_number_are_what_they_plainly_mean():
    """Closes for Bars, "weekly" for its dates, 0.001 for costs of 10 bp; simulate and walk_forward alike."""
    prices = PRICES.iloc[:10]  # up to the first holiday, which random prices know nothing of
    weekly = rebalance_dates(prices.index, "weekly")
    assert len(weekly) == 2
    expected = run(EqualWeight(), Bars(prices), None, weekly, costs=Costs())
    assert run(EqualWeight(), prices, None, "weekly", costs=0.001).nav.equals(expected.nav)
    targets = walk_forward(EqualWeight(), prices, None, "weekly", costs=0.001)
    assert targets.equals(walk_forward(EqualWeight(), prices, None, weekly, costs=Costs()))
    assert simulate(prices, targets, 0.001).nav.equals(expected.nav)
    assert walk_forward(EqualWeight(), PRICES, None, 10).index.equals(PRICES.index[::10])


@pytest.mark.parametrize(("given", "message"), [
    ({"costs": 10}, "costs is 10: give a fraction of the traded value in [0, 0.1], 0.001 for 10 bp"),
    ({"costs": "10bp"}, "costs is a str: give Costs(...), or a fraction"),
    ({"dates": "fortnightly"}, "schedule 'fortnightly' is not known: use daily, weekly, monthly"),
    ({"dates": 0}, "schedule 0 is not known"),
    ({"dates": True}, "dates is True: give sessions of the prices, or daily, weekly"),
    ({"bars": PRICES["AAA"]}, "bars is a Series: give Bars(close, open), or a frame of closes"),
])  # fmt: skip
def test_what_has_no_plain_meaning_is_refused_by_name(given, message):
    asked = {"bars": PRICES, "dates": DATES, "costs": None, **given}
    with pytest.raises(AllocationError) as caught:
        run(EqualWeight(), asked["bars"], None, asked["dates"], costs=asked["costs"])
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
