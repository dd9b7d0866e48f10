"""News in a volatility forecast: a planted effect is found, noise is not, and nothing is known before its time."""

import numpy as np
import pandas as pd
import pytest
from simulated_bars import simulated

from allocation import Bars, HarVolatility, NewsVolatility, RiskError, ScaledRisk

N, ASSETS = 1300, 6
BASE = HarVolatility(horizon=1)


def planted(seed: int, effect: float) -> tuple[Bars, pd.DataFrame]:
    """Bars whose next session is exp(effect / 2) times as volatile after news of today."""
    random = np.random.default_rng(seed)
    bars, _ = simulated(seed, N, ASSETS, persistence=0.9)
    news = pd.DataFrame(random.random((N, ASSETS)) < 0.1, bars.close.index, bars.close.columns).astype(float)
    stretch = np.exp(0.5 * effect * news.shift(1).fillna(0.0))
    before = bars.close.shift(1).fillna(bars.open)
    moved = {"open": np.log(bars.open / before), "high": np.log(bars.high / before), "low": np.log(bars.low / before)}
    returns = np.log(bars.close / before) * stretch
    close = 50.0 * np.exp(returns.cumsum())
    base = close.shift(1).fillna(50.0)
    parts = {name: base * np.exp(value * stretch) for name, value in moved.items()}
    return Bars(close, parts["open"], None, parts["high"], parts["low"]), news


BARS, NEWS = planted(1, 0.8)


def test_a_planted_effect_is_found_and_its_forecast_is_better():
    model = NewsVolatility(BASE, {"news": NEWS})
    last = model.coefficients(BARS)["news"].iloc[-1]
    assert last / NEWS.iloc[-1000:].stack().std() == pytest.approx(0.8, abs=0.25)
    surprise = BASE.surprise(BARS)[900:-1]
    scaled = surprise * ((BASE.path(BARS) / model.path(BARS)) ** 2).to_numpy()[900:-1]
    qlike = [float(np.nanmean(ratio - np.log(ratio) - 1.0)) for ratio in (surprise, scaled)]
    assert qlike[1] < 0.97 * qlike[0]


def test_news_without_an_effect_leaves_the_forecast_as_it_is_to_the_last_bit():
    noise = pd.DataFrame(np.random.default_rng(4).standard_normal((N, ASSETS)), NEWS.index, NEWS.columns)
    model = NewsVolatility(BASE, {"noise": noise})
    share = (model.coefficients(BARS)["noise"] != 0.0).mean()
    assert share < 0.35  # |t| >= 2 by chance now and then
    never = NewsVolatility(BASE, {"constant": noise * 0.0 + 1.0, "absent": noise * np.nan})
    pd.testing.assert_frame_equal(never.path(BARS), BASE.path(BARS), check_exact=True)
    pd.testing.assert_frame_equal(NewsVolatility(BASE).path(BARS), BASE.path(BARS), check_exact=True)


@pytest.mark.parametrize("end", [700, 1111])
def test_no_forecast_depends_on_later_news_or_prices_to_the_last_bit(end):
    cut = Bars(*(None if part is None else part.iloc[:end] for part in vars(BARS).values()))
    other = NEWS.copy()
    other.iloc[end:] = 7.0
    full = NewsVolatility(BASE, {"news": NEWS}).path(BARS).iloc[:end]
    part = NewsVolatility(BASE, {"news": other}).path(cut)
    pd.testing.assert_frame_equal(full, part, check_exact=True, check_freq=False)


def test_the_order_of_columns_changes_nothing():
    order = NEWS.columns[::-1]
    found = NewsVolatility(BASE, {"news": NEWS[order]}).path(BARS)
    pd.testing.assert_frame_equal(found, NewsVolatility(BASE, {"news": NEWS}).path(BARS), check_exact=True)


def test_what_adds_to_the_forecast_is_said_by_feature():
    model = NewsVolatility(BASE, {"news": NEWS, "nothing": NEWS * np.nan})
    added = model.contributions(BARS)
    assert set(added) == {"news"}
    ratio = np.log(model.path(BARS) / BASE.path(BARS))
    np.testing.assert_allclose(ratio.iloc[300:], 0.5 * added["news"].iloc[300:], atol=1e-12)
    pd.testing.assert_series_equal(model(BARS), model.path(BARS).iloc[-1])


def test_rows_that_are_no_sessions_of_the_prices_and_a_prior_of_nothing_are_refused():
    extra = NEWS.copy()
    extra.index = extra.index[:-1].append(pd.DatetimeIndex([NEWS.index[-2] + pd.Timedelta(hours=5)]))
    with pytest.raises(RiskError, match="feature news has rows on .* where prices have none"):
        NewsVolatility(BASE, {"news": extra.sort_index()}).path(BARS)
    with pytest.raises(RiskError, match="prior_sd is 0"):
        NewsVolatility(BASE, prior_sd=0)


def test_it_scales_a_risk_model_whose_digest_covers_its_past_alone():
    later = NEWS.copy()
    later.iloc[-5:] = 3.0
    one, other = (ScaledRisk(NewsVolatility(BASE, {"news": frame})) for frame in (NEWS, later))
    before, now = NEWS.index[-10], NEWS.index[-1]
    assert one.inputs_digest(before) == other.inputs_digest(before) != ""
    assert one.inputs_digest(now) != other.inputs_digest(now)
    risk = one.from_bars(BARS, BARS.close.columns)
    np.testing.assert_allclose(risk.volatility(), NewsVolatility(BASE, {"news": NEWS})(BARS), rtol=1e-9)
