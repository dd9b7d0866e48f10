"""Correlations of one model with volatilities of another."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from simulated_bars import BARS
from support import random_prices

from allocation import Bars, HarVolatility, LedoitWolf, RiskError, Sample, ScaledRisk, SentimentPolicy, View
from allocation.risk.scaled import risk_of
from backtest import Rolling, run

PRICES = random_prices(3)
VOLATILITY = pd.DataFrame(
    np.random.default_rng(1).uniform(0.005, 0.03, PRICES.shape), index=PRICES.index, columns=PRICES.columns
)


def test_correlations_stay_and_volatilities_are_the_forecast_s():
    base, scaled = LedoitWolf()(PRICES), ScaledRisk(VOLATILITY)(PRICES)
    forecast = VOLATILITY.iloc[-1]
    assert_allclose(scaled.volatility(), forecast, rtol=1e-12)
    correlation = base.covariance() / np.outer(base.volatility(), base.volatility())
    assert_allclose(scaled.covariance(), correlation * np.outer(forecast, forecast), rtol=1e-10)


def test_only_the_row_of_the_last_price_is_read():
    end = len(PRICES) - 20
    changed = VOLATILITY.copy()
    changed.iloc[end:] *= 7.0
    changed.iloc[: end - 1] *= 3.0
    one, other = (ScaledRisk(each)(PRICES.iloc[:end]) for each in (VOLATILITY, changed))
    pd.testing.assert_frame_equal(one.covariance(), other.covariance(), check_exact=True)


def test_an_asset_without_a_forecast_keeps_its_own_volatility():
    gap = VOLATILITY.copy()
    gap.iloc[-1, 0] = np.nan
    scaled = ScaledRisk(gap.iloc[:, :-1], Sample())(PRICES)
    own = Sample()(PRICES).volatility()
    for asset in (PRICES.columns[0], PRICES.columns[-1]):
        assert scaled.volatility()[asset] == pytest.approx(own[asset])


def test_the_order_of_columns_changes_nothing():
    shuffled = VOLATILITY[VOLATILITY.columns[::-1]]
    found, expected = (ScaledRisk(each)(PRICES).covariance() for each in (shuffled, VOLATILITY))
    pd.testing.assert_frame_equal(found, expected)


def test_a_session_without_forecasts_and_a_volatility_of_zero_are_refused():
    day = PRICES.index[-1].date()
    with pytest.raises(RiskError, match=f"no volatility was forecast at {day}"):
        ScaledRisk(VOLATILITY.iloc[:-1])(PRICES)
    zero = VOLATILITY.copy()
    zero.iloc[-1, 1] = 0.0
    with pytest.raises(RiskError, match=f"the volatility of {PRICES.columns[1]} at {day} is not above 0"):
        ScaledRisk(zero)(PRICES)


def test_a_policy_takes_it_and_its_digest_covers_the_past_alone():
    policy = SentimentPolicy(risk=ScaledRisk(VOLATILITY))
    now = PRICES.index[-1]
    view = View(now, PRICES, pd.DataFrame(np.nan, PRICES.index, PRICES.columns), pd.Series(0.0, PRICES.columns))
    assert policy(view).sum() <= 1 + 1e-6
    before = PRICES.index[-10]
    later = VOLATILITY.copy()
    later.iloc[-5:] *= 2.0
    other = SentimentPolicy(risk=ScaledRisk(later))
    assert policy.inputs_digest(before) == other.inputs_digest(before) != ""
    assert policy.inputs_digest(now) != other.inputs_digest(now)


def test_a_forecaster_reads_the_bars_of_the_view_and_of_all_its_assets():
    bars = BARS
    risk = ScaledRisk()
    some = pd.Index(["A1", "A3"])
    assert_allclose(risk.from_bars(bars, some).volatility(), HarVolatility()(bars)[some], rtol=1e-12)
    assert_allclose(risk(bars.close).volatility(), HarVolatility()(Bars(bars.close)), rtol=1e-12)
    assert risk.inputs_digest(bars.close.index[-1]) == ""


def test_in_a_walk_the_policy_s_risk_is_the_forecast_of_all_bars_so_far():
    seen = {}

    def policy(view):
        seen[view.now] = risk_of(ScaledRisk(), view.bars, view.prices.columns).volatility()
        return view.held * np.nan

    dates = BARS.close.index[300::40]
    run(policy, BARS, None, dates)
    path = HarVolatility().path(BARS)
    for now in dates:
        assert_allclose(seen[now], path.loc[now], rtol=1e-9)  # in a walk matrices are multiplied by one thread


def test_a_view_whose_prices_were_cut_shows_no_more_of_its_bars():
    shown = []
    run(Rolling(lambda view: shown.append(view.bars) or view.held * np.nan, 70), BARS, None, BARS.close.index[300::99])
    for bars in shown:
        for part in (bars.open, bars.high, bars.low):
            assert part.index.equals(bars.close.index)
            assert len(part) == 70
