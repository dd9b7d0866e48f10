"""No weight depends on the unit of returns: scaled data are the same program in other units."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from test_allocation.problems import problem

from allocation import (
    CVaR,
    ExpectedReturn,
    LongOnly,
    MaxLeverage,
    MaxTrackingError,
    MaxTurnover,
    MaxVolatility,
    MaxWeight,
    MeanVariance,
    MinCash,
    NetExposure,
    RiskModel,
    Variance,
    WorstCaseReturn,
)
from allocation.optimizer.solvers import cascade as solvers

RULES = (LongOnly(), NetExposure(0.0, 1.0))


def cases(case, unit):
    """Programs whose optimum stays where it is when all returns are multiplied by `unit`."""
    scenarios = pd.DataFrame(np.random.default_rng(0).standard_normal((40, 8)) * 0.01, columns=case.assets)
    equal = dict.fromkeys(case.assets, 1 / 8)
    return {
        "variance": ((ExpectedReturn(), Variance(5.0 / unit)), RULES),
        "turnover": ((ExpectedReturn(), Variance(5.0 / unit)), (*RULES, MaxTurnover(0.3))),
        "volatility": ((ExpectedReturn(),), (*RULES, MaxVolatility(0.006 * unit))),
        "tracking error": ((ExpectedReturn(),), (*RULES, MaxTrackingError(0.004 * unit, equal))),
        "uncertain": ((ExpectedReturn(), Variance(5.0 / unit), WorstCaseReturn(2e-4 * unit, jointly=True)), RULES),
        "tail": ((ExpectedReturn(), CVaR(scenarios * unit, 0.9, 0.1)), (*RULES, MaxVolatility(0.006 * unit))),
    }


@pytest.mark.parametrize("unit", [1e-8, 1e-4, 1e4])
@pytest.mark.parametrize("name", cases(problem(0), 1.0))
def test_weights_do_not_depend_on_the_unit_of_returns(name, unit):
    for seed in range(3):
        case = problem(seed)
        usual = MeanVariance(case.assets, *cases(case, 1.0)[name]).weights(case.mu, case.risk, case.held)
        risk = RiskModel(case.risk.factors * unit, case.risk.specific * unit**2)
        found = MeanVariance(case.assets, *cases(case, unit)[name]).weights(case.mu * unit, risk, case.held)
        np.testing.assert_allclose(found, usual, atol=5e-6)


def test_scaled_data_are_the_same_program():
    """A point and its multipliers in both units: one objective, slacks and gradients that differ by the scales."""
    case, random = problem(3), np.random.default_rng(0)
    outer = MeanVariance(case.assets, *cases(case, 1e-4)["tail"])
    program = outer._program(3)
    data = program.cone_program.apply(outer.numbers(case.mu * 1e-4, case.risk, case.held, 0.0))
    scaled = program.forms.scaling.apply(data)
    x, z = random.standard_normal(len(data.q)), random.standard_normal(len(data.b))
    full_x, full_z = scaled.restore(x, z)
    mine, theirs = scaled.data, data
    np.testing.assert_allclose(mine.b - mine.a @ x, scaled.row * (theirs.b - theirs.a @ full_x), rtol=1e-12)
    slope = theirs.p @ full_x + theirs.q + theirs.a.transposed_times(full_z)
    expected = scaled.objective * scaled.column * slope
    np.testing.assert_allclose(mine.p @ x + mine.q + mine.a.transposed_times(z), expected, atol=1e-12)
    for scale in (scaled.row, scaled.column, np.array([scaled.objective])):
        np.testing.assert_array_equal(np.frexp(scale)[0], 0.5)  # powers of two
    starts = data.n_zero + data.n_nonnegative + np.cumsum([0, *data.second_order])
    for start, stop in pairwise(starts):
        assert len(set(scaled.row[start:stop])) == 1  # the cone stays the same


def test_a_point_outside_a_second_order_cone_is_no_optimum():
    case = problem(1)
    program = MeanVariance(case.assets, ExpectedReturn(), (*RULES, MaxVolatility(0.006)))
    inner = program._program(3)
    data = inner.cone_program.apply(program.numbers(case.mu, case.risk, case.held, 0.0))
    found = solvers._clarabel(inner.forms, data)
    assert found.residuals.worst < 1e-7
    x = found.x.copy()
    x[inner.weights_at] *= 1.01
    assert solvers.residuals(data, x, found.z).primal > 1e-6


@pytest.mark.parametrize("unit", [1e-8, 1e-4, 1.0, 1e6])
@pytest.mark.parametrize("names", [["A"], ["A", "B", "C"]])
@pytest.mark.parametrize("rule", [MaxTurnover(0.2), MaxWeight(0.1), MinCash(0.7), MaxLeverage(0.3)], ids=repr)
def test_where_nothing_has_risk_what_earns_most_is_bought_up_to_the_limit(names, rule, unit):
    """The squares of a variance that is zero must not hide the returns, whatever the risk aversion."""
    mu = unit * pd.Series(np.linspace(1e-3, 3e-4, len(names)), names)
    risk = RiskModel(pd.DataFrame(np.zeros((len(names), 2)), names), 0.0 * mu)
    found = MeanVariance(names, (ExpectedReturn(), Variance(5.0 / unit)), (LongOnly(), rule)).weights(
        mu, risk, 0.0 * mu
    )
    best = {"MaxTurnover": 0.2, "MaxWeight": 0.1, "MinCash": 0.3, "MaxLeverage": 0.3}[type(rule).__name__]
    assert found["A"] == pytest.approx(best, abs=1e-6)
    assert found.drop("A").to_list() == pytest.approx([best if isinstance(rule, MaxWeight) else 0.0] * (len(names) - 1))
