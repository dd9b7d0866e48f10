"""Rules that contradict each other: the smallest set is named, by how much each must give, and the ladder."""

import logging

import pytest
from test_allocation.problems import problem

from allocation import (
    GroupBounds,
    LongOnly,
    MaxTurnover,
    MaxWeight,
    MeanVariance,
    MinCash,
    Named,
    NetExposure,
    NetUtility,
    OptimizationError,
    RelaxationOrder,
)
from allocation.optimizer.infeasibility import find_conflict

CASE = problem(1)
GROUPS = {asset: "odd" if i % 2 else "even" for i, asset in enumerate(CASE.assets)}


def conflict(rules, case=CASE):
    program = MeanVariance(case.assets, NetUtility(), rules)
    return find_conflict(program._program(3), program.numbers(case.mu, case.risk, case.held, 0.0))


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([LongOnly(), MaxWeight(0.5), MinCash(1.5)], {"LongOnly()": 0.5, "MinCash(fraction=1.5)": 0.5}),
        (
            [LongOnly(), MaxWeight(0.3), MinCash(0.5), NetExposure(0.7, 1.0)],
            {"MinCash(fraction=0.5)": 0.2, "NetExposure(least=0.7, most=1.0)": 0.2},
        ),
        (
            [MaxWeight(0.1), NetExposure(0.9, 1.0), MinCash(0.0)],
            {"MaxWeight(limit=0.1)": 0.1, "NetExposure(least=0.9, most=1.0)": 0.1},
        ),
        (
            [LongOnly(), GroupBounds(GROUPS, {"odd": 0.3, "even": 0.3}), NetExposure(1.0, 1.0), MaxTurnover(2.0)],
            {"GroupBounds(": 0.4, "NetExposure(least=1.0, most=1.0)": 0.4},
        ),
        ([LongOnly(), Named("impossible", lambda s: [s.cash >= 0.2, s.cash <= 0.1])], {"impossible": 0.1}),
    ],
)
def test_the_smallest_set_and_what_each_must_give(rules, expected):
    found = conflict(rules).needed
    assert len(found) == len(expected)
    for start, amount in expected.items():
        (name,) = [name for name in found if name.startswith(start)]
        assert found[name] == pytest.approx(amount, abs=1e-6)


def test_each_of_the_set_helps_by_giving_what_is_said():
    """What was found is checked: with the rule loosened by a little more there is an optimum, by less there is none."""
    for least, fine in ((0.8 + 1e-4, False), (0.8 - 1e-4, True)):
        found = conflict([MaxWeight(0.1), NetExposure(least, 1.0)])
        assert (found is None) == fine


def test_rules_that_can_be_obeyed_have_no_conflict():
    assert conflict([LongOnly(), MaxWeight(0.3)]) is None


def test_a_large_conflict_is_narrowed_down():
    """Four halves of one portfolio: none of the five rules can be left out."""
    rules = [Named(f"pair {i}", lambda s, i=i: [s.weights[2 * i] + s.weights[2 * i + 1] >= 0.3]) for i in range(4)]
    found = conflict([*rules, MaxWeight(0.9), NetExposure(0.0, 1.0), MinCash(-9.0)]).needed
    assert set(found) == {"pair 0", "pair 1", "pair 2", "pair 3", "NetExposure(least=0.0, most=1.0)"}
    assert all(amount == pytest.approx(0.2, abs=1e-6) for amount in found.values())


def test_the_error_says_it_all():
    program = MeanVariance(CASE.assets, NetUtility(), [LongOnly(), MinCash(0.5), NetExposure(0.7, 1.0)])
    with pytest.raises(OptimizationError) as caught:
        program.weights(CASE.mu, CASE.risk, CASE.held)
    assert str(caught.value) == (
        "no optimal weights (CLARABEL infeasible): the constraints contradict each other: MinCash(fraction=0.5) (would "
        "have to be relaxed by 0.2) and NetExposure(least=0.7, most=1.0) (would have to be relaxed by 0.2): loosen one"
    )


def laddered(ladder, rules=None):
    rules = rules or [LongOnly(), MinCash(0.5), NetExposure(0.7, 1.0), MaxTurnover(0.01)]
    return MeanVariance(CASE.assets, NetUtility(), rules, relaxation_order=ladder).decide(CASE.mu, CASE.risk, CASE.held)


def test_the_ladder_gives_way_in_order_and_by_as_little_as_needed(caplog):
    """All is invested; a turnover of 1 % cannot make 30 % cash, so two rules must give way before the third."""
    rules = [LongOnly(), MinCash(0.3), MaxTurnover(0.01)]
    with caplog.at_level(logging.WARNING):
        decision = laddered(RelaxationOrder((MaxTurnover(0.01), MinCash(0.3))), rules)
    assert decision.status == "relaxed"
    assert decision.relaxed == ("MaxTurnover(limit=0.01)",)
    assert decision.turnover == pytest.approx(0.3, abs=1e-6)
    assert decision.weights.sum() == pytest.approx(0.7, abs=1e-6)
    assert "contradict" in decision.reason
    assert "relaxed MaxTurnover(limit=0.01)" in caplog.text


def test_then_hold(caplog):
    with caplog.at_level(logging.WARNING):
        decision = laddered(RelaxationOrder((MaxTurnover(0.01),)))
    assert decision.status == "held"
    assert decision.weights.equals(CASE.held)
    assert "what is held is kept" in caplog.text
    with pytest.raises(OptimizationError, match="nothing was optimised, the weights are held"):
        decision.explain("A00")


def test_or_fail_where_holding_is_not_chosen():
    with pytest.raises(OptimizationError, match="relaxing MaxTurnover.* did not help"):
        laddered(RelaxationOrder((MaxTurnover(0.01),), hold=False))


def test_nothing_gives_way_where_nothing_must():
    decision = laddered(RelaxationOrder((LongOnly(),)), [LongOnly(), MinCash(0.0)])
    assert (decision.status, decision.relaxed, decision.reason) == ("optimal", (), "")


def test_a_ladder_of_unknown_rules_is_refused():
    with pytest.raises(OptimizationError, match="the relaxation order has MaxWeight.*none of the rules"):
        laddered(RelaxationOrder((MaxWeight(0.1),)))


def test_an_unbounded_program_names_what_grows():
    rules = [lambda s: [s.weights[1:] <= 1.0, s.weights >= 0]]
    program = MeanVariance(CASE.assets, lambda s: s.expected_return, rules)
    with pytest.raises(OptimizationError, match="unbounded.*add a risk term or bounds; unbounded in A00"):
        program.weights(CASE.mu.abs(), CASE.risk, CASE.held)
