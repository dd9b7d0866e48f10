"""Rules and risk as people first write them: taken where the meaning is plain, else refused with value and unit."""

import numpy as np
import pandas as pd
import pytest
from support import random_prices

from allocation import (
    AllocationError,
    EqualWeight,
    Grinold,
    LedoitWolf,
    LongOnly,
    MaxLeverage,
    MaxTrackingError,
    MaxTurnover,
    MaxVolatility,
    MaxWeight,
    MeanVariance,
    MinCash,
    NetUtility,
    RiskModel,
    SentimentPolicy,
)
from allocation.optimizer.reference_portfolios import max_sharpe, minimum_variance, risk_parity

PRICES = random_prices(1, 200)
RISK = LedoitWolf()(PRICES)
MU = pd.Series([1e-3, 5e-4, 2e-4, 1e-4], PRICES.columns)
NOTHING = MU * 0

REFUSED = {
    "a weight in percent": (lambda: MaxWeight(20), "MaxWeight is 20, 2000% of NAV: pass a fraction, 0.2 for 20 %"),
    "a weight as text": (lambda: MaxWeight("20%"), "MaxWeight is '20%': pass a number such as 0.2"),
    "a weight that is true": (lambda: MaxWeight(True), "MaxWeight is True: pass a number"),
    "no weight": (lambda: MaxWeight(None), "MaxWeight is None: pass a number"),
    "cash in percent": (lambda: MinCash(5), "MinCash is 5, 500% of NAV: pass a fraction, 0.05 for 5 %"),
    "leverage in percent": (lambda: MaxLeverage(130), "leverage is 130, 13000% of NAV: pass a fraction, 1.3 for 130 %"),
    "turnover in percent": (lambda: MaxTurnover(50), "turnover is 50, 5000% of NAV: pass a fraction, 0.5 for 50 %"),
    "volatility a year": (
        lambda: SentimentPolicy(constraints=(LongOnly(), MaxVolatility(0.15))),
        "MaxVolatility: 0.15 per session is 238% a year: for 15% a year pass 0.15 / 252 .. 0.5, 0.0094",
    ),
    "volatility a year in percent": (
        lambda: SentimentPolicy(constraints=MaxVolatility(15)), "15 per session .* for 15% a year pass 0.15 / 252"
    ),
    "volatility as text": (lambda: MaxVolatility("15%"), "volatility is '15%': pass a number"),
    "a tracking error a year": (
        lambda: SentimentPolicy(constraints=MaxTrackingError(5, {"AAA": 1.0})), "for 5% a year pass 0.05"
    ),
    "a class": (lambda: solved([LongOnly]), r"constraints: LongOnly is a class: write LongOnly\(\.\.\.\)"),
    "a class alone": (lambda: solved(MaxWeight), r"constraints: MaxWeight is a class: write MaxWeight\("),
    "text": (lambda: solved(("long only",)), r"constraints: 'long only' is no rule: pass callables such as LongOnly\("),
    "text alone": (lambda: solved("long only"), "constraints: 'long only' is no rule"),
    "nothing": (lambda: solved(None), "constraints: None is no rule"),
    "a class as objective": (lambda: MeanVariance(["A"], NetUtility), "objective: NetUtility is a class"),
    "a number as objective": (lambda: MeanVariance(["A"], 5), r"objective: 5 is no rule: pass .* as NetUtility\("),
    "a class in a policy": (lambda: SentimentPolicy(constraints=(LongOnly,)), "constraints: LongOnly is a class"),
    "a term in a policy": (lambda: SentimentPolicy(terms=(0.001,)), "terms: 0.001 is no rule"),
    "a class of forecast": (lambda: SentimentPolicy(forecast=Grinold), r"forecast is the class Grinold: .* Grinold\("),
    "a frame as estimator": (
        lambda: SentimentPolicy(risk=RISK.covariance()), r"risk is a DataFrame: pass a callable such as LedoitWolf\("
    ),
    "an array": (lambda: solved(LongOnly(), RISK.covariance().to_numpy()), "risk is a ndarray: pass a RiskModel"),
    "other columns": (lambda: solved(LongOnly(), RISK.covariance().iloc[:, :2]), "other rows than columns"),
    "not symmetric": (lambda: RiskModel.from_covariance(frame([[1, 0.5], [0.1, 1]])), "is not symmetric"),
    "not positive": (lambda: RiskModel.from_covariance(frame([[1, 2], [2, 1]])), "has the eigenvalue -1: pass"),
    "gaps": (lambda: RiskModel.from_covariance(frame([[1, np.nan], [np.nan, 1]])), "covariance of A, B is NaN"),
}  # fmt: skip


def frame(values):
    return pd.DataFrame(values, list("AB"), list("AB"), dtype=float)


def solved(constraints, risk=RISK):
    return MeanVariance(list(PRICES.columns), NetUtility(cost=0.0), constraints).weights(MU, risk, NOTHING)


@pytest.mark.parametrize(("call", "complaint"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_meant_otherwise_is_refused_in_one_line(call, complaint):
    with pytest.raises(AllocationError, match=complaint) as raised:
        call()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("rule", [MaxWeight(1.5), MaxWeight(np.inf), MaxVolatility(0.03), MaxTurnover(2), MinCash(1)])
def test_what_is_meant_as_it_stands_is_taken(rule):
    assert callable(rule)


def test_one_rule_alone_is_a_tuple_of_one():
    pd.testing.assert_series_equal(solved(MaxWeight(0.2)), solved((MaxWeight(0.2),)))
    assert SentimentPolicy(constraints=LongOnly()).constraints == (LongOnly(),)
    assert SentimentPolicy(constraints=[LongOnly()]) == SentimentPolicy(constraints=(LongOnly(),))


@pytest.mark.parametrize("call", [
    lambda risk: solved((LongOnly(), MaxWeight(0.4)), risk), minimum_variance, risk_parity,
    lambda risk: max_sharpe(MU, risk),
])  # fmt: skip
def test_a_covariance_stands_for_its_model(call):
    shuffled = RISK.covariance().iloc[[2, 0, 3, 1], [1, 3, 0, 2]]
    pd.testing.assert_series_equal(call(shuffled).sort_index(), call(RISK).sort_index(), atol=1e-5)


def test_a_model_of_a_covariance_has_that_covariance():
    matrix = RISK.covariance()
    model = RiskModel.from_covariance(matrix)
    pd.testing.assert_frame_equal(model.covariance(), matrix, check_exact=False, rtol=1e-10)
    assert RiskModel.from_covariance(model) is model
    assert callable(EqualWeight())
