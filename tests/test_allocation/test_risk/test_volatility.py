"""The volatility forecast against simulated truth, and what it must never see."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from simulated_bars import BARS, TRUTH, simulated

from allocation import Bars, HarVolatility, RiskError
from allocation.risk.volatility import _fit_qlike


def cut(bars: Bars, end: int) -> Bars:
    parts = (bars.open, bars.volume, bars.high, bars.low)
    return Bars(bars.close.iloc[:end], *(None if part is None else part.iloc[:end] for part in parts))


def qlike(truth: pd.DataFrame, forecast: pd.DataFrame) -> float:
    ratio = (truth**2 / forecast**2).stack()
    return float((ratio - np.log(ratio) - 1).mean())


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


def test_forecasts_as_bars_come_in_are_those_of_the_whole_to_the_last_bit():
    model = HarVolatility(refit=10)
    path = model.path(BARS)
    for end in (131, 132, 145, 150, 144, 400, 699, 700):  # in order, and once back
        pd.testing.assert_series_equal(model(cut(BARS, end)), path.iloc[end - 1], check_exact=True)


def test_a_revised_price_is_not_taken_for_the_one_that_was_seen():
    model, low = HarVolatility(refit=10), BARS.low.copy()
    model(BARS)
    low.iloc[600, 1] *= 0.9
    revised = Bars(BARS.close, BARS.open, None, BARS.high, low)
    pd.testing.assert_series_equal(model(revised), HarVolatility(refit=10)(revised), check_exact=True)
    assert not model(revised).equals(model(BARS))


def test_an_asset_that_never_moves_has_no_forecast_and_spoils_no_other():
    parts = []
    for part in (BARS.open, BARS.high, BARS.low, BARS.close):
        still = part.copy()
        still["A1"] = 20.0
        parts.append(still)
    path = HarVolatility().path(Bars(parts[3], parts[0], None, parts[1], parts[2]))
    assert path["A1"].isna().all()
    assert path["A0"].iloc[170:].notna().all()


def test_a_halt_leaves_a_gap_and_forecasts_come_back():
    parts = []
    for part in (BARS.open, BARS.high, BARS.low, BARS.close):
        gap = part.copy()
        gap.loc[gap.index[400:430], "A1"] = np.nan
        parts.append(gap)
    path = HarVolatility().path(Bars(parts[3], parts[0], None, parts[1], parts[2]))
    assert path["A1"].iloc[400:430].isna().all()
    assert path["A1"].iloc[500:].notna().all()


def test_closes_alone_give_a_forecast_and_it_is_said(caplog):
    path = HarVolatility().path(Bars(BARS.close))
    assert caplog.text.count("no highs and lows are known") == 1
    assert path.iloc[200:].notna().all(axis=None)


def test_one_asset_alone_has_a_forecast():
    one = [part[["A0"]] for part in (BARS.open, BARS.high, BARS.low)]
    path = HarVolatility().path(Bars(BARS.close[["A0"]], one[0], None, one[1], one[2]))
    assert path.iloc[220:].notna().all(axis=None)


def test_fewer_than_sixty_sessions_have_no_forecast():
    assert HarVolatility().path(cut(BARS, 50)).isna().all(axis=None)
