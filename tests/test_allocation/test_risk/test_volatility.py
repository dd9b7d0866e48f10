"""Range variances by their formulas; the volatility forecast against simulated truth, and what it must never see."""

import logging

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from allocation import Bars, HarVolatility, RiskError, range_variance
from allocation.risk.volatility import _fit_qlike

STEPS = 78  # of five minutes in a session


def simulated(seed: int, n_sessions=700, n_assets=4, *, persistence=0.97) -> tuple[Bars, pd.DataFrame]:
    """Bars of random walks within sessions, and the true volatility of each session's return."""
    random = np.random.default_rng(seed)
    log_variance = np.zeros((n_sessions, n_assets))
    for t in range(1, n_sessions):
        log_variance[t] = persistence * log_variance[t - 1] + 0.25 * random.standard_normal(n_assets)
    volatility = 0.01 * np.exp(log_variance / 2)
    steps = random.standard_normal((n_sessions, STEPS, n_assets)) * volatility[:, None] / np.sqrt(STEPS)
    inside = steps.cumsum(axis=1)
    start = np.log(50.0) + np.vstack([np.zeros(n_assets), inside[:-1, -1]]).cumsum(axis=0)
    paths = np.exp(start[:, None] + np.concatenate([np.zeros((n_sessions, 1, n_assets)), inside], axis=1))
    index, assets = pd.bdate_range("2015-01-01", periods=n_sessions), [f"A{i}" for i in range(n_assets)]
    opened, high, low, close = (
        pd.DataFrame(values, index, assets) for values in (paths[:, 0], paths.max(1), paths.min(1), paths[:, -1])
    )
    return Bars(close, opened, None, high, low), pd.DataFrame(volatility, index, assets)


BARS, TRUTH = simulated(1)


def cut(bars: Bars, end: int) -> Bars:
    parts = (bars.open, bars.volume, bars.high, bars.low)
    return Bars(bars.close.iloc[:end], *(None if part is None else part.iloc[:end] for part in parts))


def qlike(truth: pd.DataFrame, forecast: pd.DataFrame) -> float:
    ratio = (truth**2 / forecast**2).stack()
    return float((ratio - np.log(ratio) - 1).mean())


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


def test_forecasts_beat_the_exponential_average_where_volatility_changes():
    path = HarVolatility().path(BARS)
    squares = np.log(BARS.close).diff() ** 2
    average = np.sqrt(squares.ewm(halflife=60, min_periods=60).mean())
    ahead = np.sqrt((TRUTH**2)[::-1].rolling(5).mean()[::-1].shift(-1)).iloc[300:-5]
    assert qlike(ahead, path.iloc[300:-5]) < 0.6 * qlike(ahead, average.iloc[300:-5])


def test_where_volatility_is_constant_the_forecast_is_that_constant():
    bars, truth = simulated(2, persistence=0.0)
    path = HarVolatility().path(bars).iloc[300:]
    assert path.mean().to_numpy() == pytest.approx(np.sqrt((truth**2).mean()).to_numpy(), rel=0.06)
    assert (path.std() / path.mean() < 0.1).all()


@pytest.mark.parametrize("end", [200, 333, 512])
def test_no_forecast_depends_on_a_later_row_to_the_last_bit(end):
    model = HarVolatility(refit=10)
    full, part = model.path(BARS), model.path(cut(BARS, end))
    pd.testing.assert_frame_equal(full.iloc[:end], part, check_exact=True, check_freq=False)
    pd.testing.assert_series_equal(model(cut(BARS, end)), part.iloc[-1], check_exact=True)


def test_the_order_of_columns_changes_nothing():
    order = ["A2", "A0", "A3", "A1"]
    parts = (BARS.open, BARS.high, BARS.low)
    opened, high, low = (part[order] for part in parts)
    found = HarVolatility().path(Bars(BARS.close[order], opened, None, high, low))
    assert_allclose(found[BARS.close.columns].to_numpy(), HarVolatility().path(BARS).to_numpy(), rtol=1e-8)


def test_one_bad_tick_moves_no_forecast_of_later_months():
    low = BARS.low.copy()
    low.iloc[350, 0] = 0.01
    path, clean = (HarVolatility().path(bars) for bars in (Bars(BARS.close, BARS.open, None, BARS.high, low), BARS))
    assert (path / clean).iloc[450:].stack().between(0.8, 1.25).all()
    assert (path / clean).iloc[350:].stack().between(0.5, 5.0).all()


def test_history_that_is_too_short_has_no_forecast_and_a_listing_gets_one_later():
    close = BARS.close.copy()
    close.iloc[:300, 2] = np.nan
    path = HarVolatility().path(Bars(close, BARS.open, None, BARS.high, BARS.low))
    assert path.iloc[:120].isna().all(axis=None)
    assert path["A2"].iloc[:355].isna().all()
    assert path["A2"].iloc[420:].notna().all()
    assert path["A0"].iloc[170:].notna().all()


def test_coefficients_minimise_qlike():
    random = np.random.default_rng(3)
    features = np.dstack([np.ones((400, 2)), random.standard_normal((400, 2, 3))])
    target = np.exp(features @ np.array([0.3, 0.5, -0.2, 0.0])) * random.gamma(4.0, 0.25, (400, 2))
    b = _fit_qlike(features, target)
    x, y = features.reshape(-1, 4), target.reshape(-1)
    gradient = x.T @ (1 - y * np.exp(-(x @ b))) / len(y) + np.array([0, 0.01, 0.01, 0.01]) * b
    assert np.abs(gradient).max() < 1e-6
    assert b == pytest.approx([0.3, 0.5, -0.2, 0.0], abs=0.06)


@pytest.mark.parametrize("wrong", [{"horizon": 0}, {"refit": 0}, {"level": 10}, {"window": 5}])
def test_settings_that_fit_nothing_are_refused(wrong):
    with pytest.raises(RiskError, match="fits nothing"):
        HarVolatility(**wrong)


def test_an_unknown_estimator_is_named():
    with pytest.raises(RiskError, match="estimator 'close' is not known: use garman-klass"):
        range_variance(BARS, "close")
