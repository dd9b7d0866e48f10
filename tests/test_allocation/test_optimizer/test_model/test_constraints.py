"""Each rule holds to 1e-6 at the optimum and binds where it should; wrong input is named."""
# ruff: noqa: ARG005 - the entries of a table share one signature

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_allocation.problems import problem

from allocation import (
    Box,
    ExpectedReturn,
    FactorBounds,
    GroupBounds,
    LongOnly,
    MaxLeverage,
    MaxTrackingError,
    MaxTrade,
    MaxTurnover,
    MaxVolatility,
    MaxWeight,
    MeanVariance,
    MinCash,
    MinReturn,
    Named,
    NetExposure,
    NoTrade,
    OptimizationError,
    Soft,
    Variance,
)

ASSETS = problem(0).assets
GROUPS = {asset: "odd" if i % 2 else "even" for i, asset in enumerate(ASSETS)}
EQUAL = dict.fromkeys(ASSETS, 1 / 8)
SHARE = pd.Series(EQUAL)
BETA = pd.Series(np.linspace(0.5, 1.5, 8), ASSETS)
VOLUME = pd.Series(np.linspace(0.01, 0.4, 8), ASSETS)
GIVEN = {
    "beta": BETA,
    "volume": VOLUME,
    "least": pd.Series(-0.05, ASSETS),
    "benchmark": pd.Series(EQUAL),
    "target": 2e-4,
}


def risk_of(case, w):
    return float(np.sqrt(w @ case.sigma @ w))


# Each rule, and by how much weights break it (at most 0 where they obey), written anew in numpy.
BROKEN = {
    "long only": (LongOnly(), lambda c, w: max(-w.min(), w.sum() - 1)),
    "largest": (MaxWeight(0.2), lambda c, w: np.abs(w).max() - 0.2),
    "box": (Box(-0.1, 0.3), lambda c, w: max(w.max() - 0.3, -0.1 - w.min())),
    "box by table": (
        Box("least", {**EQUAL, "A03": 0.01}),
        lambda c, w: max((w - 0.125).max(), w["A03"] - 0.01, -0.05 - w.min()),
    ),
    "cash": (MinCash(0.4), lambda c, w: w.sum() - 0.6),
    "net": (NetExposure(0.1, 0.3), lambda c, w: max(w.sum() - 0.3, 0.1 - w.sum())),
    "fully invested": (NetExposure(1.0, 1.0), lambda c, w: abs(w.sum() - 1)),
    "leverage": (MaxLeverage(1.3), lambda c, w: np.abs(w).sum() - 1.3),
    "groups": (
        GroupBounds(GROUPS, {"odd": 0.1}, {"even": 0.2}),
        lambda c, w: max(w[1::2].sum() - 0.1, 0.2 - w[::2].sum()),
    ),
    "neutral": (FactorBounds("beta"), lambda c, w: abs(BETA @ w)),
    "beta": (FactorBounds(dict(BETA), 0.2, 0.4), lambda c, w: max(BETA @ w - 0.4, 0.2 - BETA @ w)),
    "turnover": (MaxTurnover(0.25), lambda c, w: np.abs(w - c.held).sum() - 0.25),
    "volume": (MaxTrade(0.5, "volume"), lambda c, w: (np.abs(w - c.held) - 0.5 * VOLUME).max()),
    "no trade": (NoTrade(("A01", "A05")), lambda c, w: np.abs(w - c.held)[["A01", "A05"]].max()),
    "volatility": (MaxVolatility(0.004), lambda c, w: risk_of(c, w) - 0.004),
    "tracking": (MaxTrackingError(0.003, EQUAL), lambda c, w: risk_of(c, w - 1 / 8) - 0.003),
    "tracking by name": (MaxTrackingError(0.003, "benchmark"), lambda c, w: risk_of(c, w - 1 / 8) - 0.003),
    "return": (MinReturn("target"), lambda c, w: 2e-4 - c.mu @ w),
    "named": (Named("house limit", MaxWeight(0.15)), lambda c, w: np.abs(w).max() - 0.15),
}  # fmt: skip
OBJECTIVE = (ExpectedReturn(), Variance(0.5))


@pytest.mark.parametrize("name", BROKEN)
def test_a_rule_holds_at_the_optimum_and_costs_something_to_somebody(name):
    """Without it some optimum breaks it: the rule is not idle."""
    rule, broken = BROKEN[name]
    with_rule, without = MeanVariance(ASSETS, OBJECTIVE, [rule]), MeanVariance(ASSETS, OBJECTIVE)
    cases = [problem(seed) for seed in range(4)]
    for case in cases:
        assert broken(case, with_rule.weights(case.mu, case.risk, case.held, parameters=GIVEN)) <= 1e-6
    free = [broken(case, without.weights(case.mu, case.risk, case.held)) for case in cases]
    assert max(free) > 1e-3 or name == "return"
    assert with_rule.is_dpp(3)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 5000),
    chosen=st.sets(st.sampled_from(sorted(set(BROKEN) - {"neutral", "fully invested"})), min_size=2, max_size=5),
)
def test_rules_hold_together(seed, chosen):
    case = problem(seed)
    rules = [BROKEN[name][0] for name in sorted(chosen)]
    try:
        found = MeanVariance(ASSETS, OBJECTIVE, rules).weights(case.mu, case.risk, case.held, parameters=GIVEN)
    except OptimizationError as error:
        assert "contradict" in str(error)  # noqa: PT017 - some mixes do, and must say so
        return
    for name in chosen:
        assert BROKEN[name][1](case, found) <= 1e-6, name


def test_a_soft_rule_gives_way_where_its_price_is_too_low_and_no_further_than_it_pays():
    """w = mu / (2 gamma sigma²) = 0.5 alone; breaking 0.3 costs the marginal utility lost there at price p."""
    case = problem(1, 1, 1)
    case.risk.factors[:], case.risk.specific[:], case.mu[:] = 0.0, 1e-4, 1e-3
    objective = (ExpectedReturn(), Variance(10.0))

    def weight(price):
        rules = [Soft(MaxWeight(0.3), price)]
        return MeanVariance(case.assets, objective, rules).weights(case.mu, case.risk, case.held).iloc[0]

    assert weight(1.0) == pytest.approx(0.3, abs=1e-9)
    assert weight(2e-4) == pytest.approx(0.4, abs=1e-9)  # 1e-3 - 2e-3 w = 2e-4
    assert weight(1e-12) == pytest.approx(0.5, abs=1e-6)


def test_equalities_and_cones_can_be_soft_too():
    case = problem(2)
    hard = MeanVariance(ASSETS, OBJECTIVE, [NetExposure(1.0, 1.0), MaxVolatility(0.01)])
    soft = MeanVariance(ASSETS, OBJECTIVE, [Soft(NetExposure(1.0, 1.0), 5.0), Soft(MaxVolatility(0.01), 5.0)])
    inputs = case.mu, case.risk, case.held
    np.testing.assert_allclose(soft.weights(*inputs), hard.weights(*inputs), atol=1e-6)


@pytest.mark.parametrize(
    ("build", "complaint"),
    [
        (lambda: Box({**EQUAL, "A03": np.nan}), "least weight of A03 is nan: pass a finite number"),
        (lambda: Box(0.0, {**EQUAL, "A02": np.inf}), "most weight of A02 is inf"),
        (lambda: Box(0.3, 0.2), "the bounds of A00 cross: at least 0.3 and at most 0.2"),
        (lambda: Box(0.0, {**EQUAL, "A04": -0.1}), "the bounds of A04 cross: at least 0 and at most -0.1"),
        (lambda: Box(0.0, {"A00": 0.1}), "most weight of A01, A02, A03, A04, A05 and 2 more is missing"),
        (lambda: Box(0.0, {**EQUAL, "AAPL": 0.1}), "most weight names AAPL without a price column"),
        (lambda: MaxTrade(0.1, {**EQUAL, "A02": -1.0}), "volume of A02 is -1: it must not be negative"),
        (lambda: GroupBounds({**GROUPS, "AAPL": "odd"}, {"odd": 0.1}), "the group odd has AAPL without a price column"),
        (lambda: GroupBounds(GROUPS, {"tech": 0.1}), "no asset belongs to the group tech: correct its name"),
        (lambda: GroupBounds(GROUPS, {"odd": 0.1}, {"odd": 0.2}), "bounds of group odd cross: at least 0.2 and at"),
        (lambda: GroupBounds({"A00": "odd"}, {"odd": 0.1}), "A01, A02, A03, A04, A05 and 2 more belongs to no group"),
        (lambda: NetExposure(1.0, 0.5), "bounds of net exposure cross"),
        (lambda: FactorBounds("beta", 1.0, 0.5), "bounds of factor exposure cross"),
        (lambda: NoTrade(("MSFT",)), "the no-trade list has MSFT without a price column"),
        (lambda: MaxTrackingError(0.1, {"A00": 0.5}), "the benchmark's weights sum to 0.5: they must sum to 1"),
        (lambda: MaxTrackingError(0.1, {"A00": np.nan}), "benchmark weight of A00 is nan"),
        (lambda: MaxTurnover(-1.0), "the limit of turnover is -1.0"),
        (lambda: MaxVolatility(np.nan), "the limit of volatility is nan"),
        (lambda: Soft(LongOnly(), 0.0), "price of violating a rule is 0.0"),
        (lambda: MinReturn(np.inf), "least return is inf"),
        (lambda: FactorBounds("held"), "'held' is the program's own name: rename these numbers"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(build, complaint):
    case = problem(1)
    with pytest.raises(OptimizationError, match=complaint):
        MeanVariance(ASSETS, OBJECTIVE, [build()]).weights(case.mu, case.risk, case.held, parameters=GIVEN)


def test_numbers_that_were_promised_but_not_given_are_named():
    case = problem(1)
    program = MeanVariance(ASSETS, OBJECTIVE, [FactorBounds("beta")])
    with pytest.raises(OptimizationError, match="a term or rule needs 'beta': pass it in `parameters`"):
        program.weights(case.mu, case.risk, case.held)
    with pytest.raises(OptimizationError, match=r"beta of A03 \(missing\) is not a finite number"):
        program.weights(case.mu, case.risk, case.held, parameters={"beta": BETA.drop("A03")})
    with pytest.raises(OptimizationError, match="target is nan"):
        MeanVariance(ASSETS, OBJECTIVE, [MinReturn("target")]).weights(
            *case_inputs(case), parameters={"target": np.nan}
        )


@pytest.mark.parametrize(
    ("rules", "changed", "complaint"),
    [
        ([Box("low", "high")], {"low": 0.2, "high": 0.1}, "the bounds of A00 cross: at least 0.2 and at most 0.1"),
        ([Box(0.15, "high")], {"high": SHARE}, "the bounds of A00 cross: at least 0.15 and at most 0.125"),
        ([Box("low", {**EQUAL, "A05": 0.1})], {"low": 0.11}, "the bounds of A05 cross: at least 0.11 and at most 0.1"),
        ([MaxTrade(0.1, "low")], {"low": SHARE.where(SHARE.index != "A06", -2.0)}, "low of A06 is -2: it must not be"),
        ([MinReturn("low")], {"low": SHARE}, "low is a table of 8 numbers: pass one for the portfolio"),
        ([MinReturn("low"), Box("low", 1.0)], {"low": 0.0}, "'low' is used per asset and for the portfolio"),
        ([MinReturn("held")], {}, "'held' is the program's own"),
    ],
)  # fmt: skip
def test_numbers_given_by_name_are_checked_as_tables_are(rules, changed, complaint):
    with pytest.raises(OptimizationError, match=complaint):
        MeanVariance(ASSETS, OBJECTIVE, rules).weights(*case_inputs(problem(1)), parameters=changed)


def test_one_number_given_by_name_serves_for_all_assets():
    """And the same program takes a table the next time."""
    case, program = problem(1), MeanVariance(ASSETS, OBJECTIVE, [LongOnly(), Box("low", "high")])
    plain = MeanVariance(ASSETS, OBJECTIVE, [LongOnly(), Box(0.02, 0.2)]).weights(*case_inputs(case))
    for high in (0.2, SHARE * 0 + 0.2):
        found = program.weights(*case_inputs(case), parameters={"low": 0.02, "high": high})
        np.testing.assert_allclose(found, plain, atol=1e-9)


def case_inputs(case):
    return case.mu, case.risk, case.held


def test_a_ticker_that_is_merely_not_traded_now_is_no_mistake():
    case = problem(1)
    table = {**EQUAL, "HALTED": 0.2}
    program = MeanVariance(ASSETS, OBJECTIVE, [Box(0.0, table), NoTrade(("HALTED",))], universe=[*ASSETS, "HALTED"])
    assert (program.weights(*case_inputs(case)) <= 0.125 + 1e-9).all()
