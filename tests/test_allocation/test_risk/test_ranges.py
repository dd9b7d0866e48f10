"""Range variances by their formulas, and what takes the place of what is not known."""

import logging

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from simulated_bars import BARS, TRUTH

from allocation import Bars, RiskError, range_variance


@pytest.mark.parametrize(
    ("estimator", "inside"),
    [
        ("garman-klass", lambda o, h, lo, c: 0.5 * (h - lo) ** 2 - (2 * np.log(2) - 1) * (c - o) ** 2),
        ("rogers-satchell", lambda o, h, lo, c: (h - c) * (h - o) + (lo - c) * (lo - o)),
        ("parkinson", lambda _, h, lo, __: (h - lo) ** 2 / (4 * np.log(2))),
    ],
)
def test_a_range_variance_is_its_formula_plus_the_squared_gap(estimator, inside):
    o, h, lo, c = (np.log(each.to_numpy()) for each in (BARS.open, BARS.high, BARS.low, BARS.close))
    expected = (o[1:] - c[:-1]) ** 2 + inside(o, h, lo, c)[1:]
    found = range_variance(BARS, estimator)
    assert found.iloc[0].isna().all()
    assert_allclose(found.to_numpy()[1:], expected, rtol=1e-12)


@pytest.mark.parametrize("estimator", ["garman-klass", "rogers-satchell", "parkinson"])
def test_range_variances_are_unbiased_but_for_what_five_minutes_miss(estimator):
    ratio = range_variance(BARS, estimator).iloc[1:].mean() / (TRUTH**2).iloc[1:].mean()
    assert ratio.between(0.75, 1.05).all()


def test_a_high_below_the_close_is_taken_to_be_the_close():
    wrong = Bars(BARS.close, BARS.open, None, BARS.high * 0.5, BARS.low * 2.0)
    found = range_variance(wrong)
    assert (found.iloc[1:] >= 0).all(axis=None)
    edge = np.log(BARS.close / BARS.open) ** 2
    assert_allclose(found.iloc[1:], ((1.5 - 2 * np.log(2)) * edge).iloc[1:] + _gap(BARS).iloc[1:], rtol=1e-9)


def _gap(bars: Bars) -> pd.DataFrame:
    return np.log(bars.open / bars.close.shift(1)) ** 2


def test_closes_alone_give_squared_returns_and_it_is_said(caplog):
    with caplog.at_level(logging.WARNING):
        found = range_variance(Bars(BARS.close))
    assert "no highs and lows are known" in caplog.text
    assert_allclose(found.iloc[1:], (np.log(BARS.close).diff() ** 2).iloc[1:])


def test_a_session_without_a_range_falls_back_to_its_return():
    high = BARS.high.copy()
    high.iloc[50, 1] = np.nan
    found = range_variance(Bars(BARS.close, BARS.open, None, high, BARS.low))
    assert found.iloc[50, 1] == pytest.approx(np.log(BARS.close.iloc[50, 1] / BARS.close.iloc[49, 1]) ** 2)
    assert found.iloc[50, 0] == range_variance(BARS).iloc[50, 0]


def test_without_opens_the_session_opens_where_its_range_is_nearest_to_the_close_before(caplog):
    with caplog.at_level(logging.WARNING):
        found = range_variance(Bars(BARS.close, None, None, BARS.high, BARS.low))
    assert "no opens are known" in caplog.text
    opened = BARS.close.shift(1).clip(BARS.low, BARS.high)
    expected = range_variance(Bars(BARS.close, opened, None, BARS.high, BARS.low))
    assert_allclose(found.iloc[1:], expected.iloc[1:], rtol=1e-12)
    assert (found.iloc[1:].mean() / (TRUTH**2).iloc[1:].mean()).between(0.7, 1.1).all()


def test_an_unknown_estimator_is_named():
    with pytest.raises(RiskError, match="estimator 'close' is not known: use garman-klass"):
        range_variance(BARS, "close")
