"""Signals to expected returns: by hand, against slow loops, and on planted relations."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import random_prices, random_signal

from allocation import (
    Grinold,
    InvestorView,
    LedoitWolf,
    MeanVariance,
    NetUtility,
    NoView,
    RiskModel,
    View,
    black_litterman,
    equilibrium_return,
)
from allocation.errors import AllocationError
from allocation.forecast.black_litterman import BlackLitterman, spread_scores
from allocation.forecast.grinold import (
    decay_weights,
    past_information_coefficient,
    residual_returns,
    score_decay,
    standardised_score,
)

SEEDS = st.integers(0, 10_000)
FREE = 1e6  # a prior so wide that it shrinks nothing


def view_of(prices, signal):
    return View(prices.index[-1], prices, signal, pd.Series(0.0, index=prices.columns))


def noise(seed, n_sessions=3000, n_assets=20):
    values = np.random.default_rng(seed).standard_normal((n_sessions, n_assets))
    return pd.DataFrame(values, index=pd.bdate_range("2000-01-03", periods=n_sessions))


def planted(residual, ic, first, last):
    """A score whose correlation with the mean residual of sessions s+first ... s+last is `ic`."""
    later = sum(residual.shift(-step) for step in range(first, last + 1)) / np.sqrt(last - first + 1)
    return (ic * later + np.sqrt(1 - ic**2) * noise(99, *residual.shape)).fillna(0.0)


def slow_ic(score, residual, horizon, prior_sd, decay=1.0):
    """The same estimate, one product at a time."""
    root = sum(decay ** (2 * k) for k in range(horizon)) ** 0.5
    score, residual = score.to_numpy(), residual.to_numpy()
    spread = np.nanstd(residual, axis=0)
    products = []
    for s in range(len(score) - horizon - 1):
        products.append([])
        for a in range(score.shape[1]):
            earned = sum(decay**k * residual[s + 2 + k, a] / spread[a] for k in range(horizon)) / root
            if np.isfinite(score[s, a] * earned):
                products[-1].append(score[s, a] * earned)
    count = sum(map(len, products))
    mean = sum(map(sum, products)) / count
    daily = np.array([sum(row) * len(products) / count for row in products]) - mean
    n = len(daily)
    variance = sum(
        (1 - abs(i - j) / horizon) * daily[i] * daily[j]
        for i in range(n) for j in range(max(0, i - horizon + 1), min(n, i + horizon))
    ) / n**2  # fmt: skip
    return max(0.0, mean * prior_sd**2 / (prior_sd**2 + variance))


def test_a_score_by_hand():
    """Row means 0.2 and -0.1; what is left: ±0.4, ±0.1; root mean square sqrt((0.16 + 0.01) / 2)."""
    signal = pd.DataFrame({"A": [0.6, np.nan], "B": [-0.2, 0.0], "C": [np.nan, -0.2]})
    root = np.sqrt(0.085)
    expected = pd.DataFrame({"A": [0.4, np.nan], "B": [-0.4, 0.1], "C": [np.nan, -0.1]}) / root
    pd.testing.assert_frame_equal(standardised_score(signal), expected)


@given(seed=SEEDS, scale=st.floats(0.01, 1.0), level=st.floats(-0.5, 0.5))
def test_a_score_has_no_unit_and_no_level(seed, scale, level):
    signal = random_signal(seed, random_prices(seed, 30))
    score = standardised_score(signal)
    assert score.isna().equals(signal.isna())
    assert np.nanmean(score.to_numpy() ** 2) == pytest.approx(1.0)
    np.testing.assert_allclose(score.mean(axis=1).dropna(), 0.0, atol=1e-12)
    np.testing.assert_allclose(standardised_score(scale * signal + level), score, atol=1e-9)


@pytest.mark.parametrize("value", [np.nan, 0.0, 0.5])
def test_a_signal_without_differences_scores_zero(value):
    signal = pd.DataFrame(value, index=range(3), columns=list("ABC"))
    pd.testing.assert_frame_equal(standardised_score(signal), signal * 0.0)


def test_rounding_is_not_blown_up_to_a_score():
    assert (standardised_score(pd.DataFrame(0.1, index=range(3), columns=list("ABC"))) == 0).all(axis=None)


@given(seed=SEEDS)
def test_residual_returns_sum_to_zero_each_session(seed):
    prices = random_prices(seed).mask(np.random.default_rng(seed).random((120, 4)) < 0.1)
    residual = residual_returns(prices)
    assert residual.index.equals(prices.index[1:])
    np.testing.assert_allclose(residual.sum(axis=1), 0.0, atol=1e-15)


def test_residual_returns_by_hand():
    """Returns 10 %, -10 %, none: the mean is over the two that traded."""
    prices = pd.DataFrame({"A": [100.0, 110.0], "B": [100.0, 90.0], "C": [np.nan, 5.0]})
    np.testing.assert_allclose(residual_returns(prices).to_numpy(), [[0.1, -0.1, np.nan]])


@settings(max_examples=40)
@given(
    seed=SEEDS,
    horizon=st.integers(1, 6),
    prior_sd=st.sampled_from([0.03, 0.3, FREE]),
    lead=st.sampled_from([0.0, 0.5]),
    decay=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_the_coefficient_equals_slow_loops(seed, horizon, prior_sd, lead, decay):
    residual = residual_returns(random_prices(seed, 60)).mask(np.random.default_rng(seed).random((59, 4)) < 0.05)
    score = standardised_score(random_signal(seed, residual)) + lead * 100 * residual.shift(-2)
    found = past_information_coefficient(score, residual, horizon=horizon, prior_sd=prior_sd, decay=decay)
    assert found == pytest.approx(slow_ic(score, residual, horizon, prior_sd, decay), rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("horizon", [1, 5])
def test_a_planted_relation_is_recovered_and_its_opposite_is_worth_nothing(horizon):
    residual = noise(1)
    score = planted(residual, 0.1, first=2, last=1 + horizon)
    found = past_information_coefficient(score, residual, horizon=horizon, prior_sd=FREE)
    assert found == pytest.approx(0.1, abs=3 * 2 / np.sqrt(residual.size))
    assert past_information_coefficient(-score, residual, horizon=horizon, prior_sd=FREE) == 0.0


@pytest.mark.parametrize("horizon", [1, 5])
@pytest.mark.parametrize("lag", [0, 1])
def test_what_happened_before_the_fill_is_not_counted(horizon, lag):
    """A close-to-close study at lag 1 would find all of it, and none of it can be earned."""
    residual = noise(2)
    score = planted(residual, 0.9, first=lag, last=lag)
    found = past_information_coefficient(score, residual, horizon=horizon, prior_sd=FREE)
    assert found < 3 * 2 / np.sqrt(residual.size)


@given(seed=SEEDS, horizon=st.integers(1, 6), prior=st.floats(0.01, 1))
def test_the_last_scores_cannot_count_yet(seed, horizon, prior):
    """Their returns are not complete: horizon + 1 sessions, to the last bit."""
    residual = residual_returns(random_prices(seed, 40))
    score = residual.shift(-2) * 100
    changed = score.copy()
    changed.iloc[-horizon - 1 :] = 7.0

    def ic(values):
        return past_information_coefficient(values, residual, horizon=horizon, prior_sd=prior)

    assert ic(score) == ic(changed)
    changed.iloc[-horizon - 2] = 7.0
    assert ic(score) == 0.0 or ic(score) != ic(changed)


@given(seed=SEEDS, small=st.floats(0.001, 0.1), factor=st.floats(1.1, 10))
def test_a_tighter_prior_shrinks_more(seed, small, factor):
    residual = residual_returns(random_prices(seed, 40))
    score = residual.shift(-2) * 100 + standardised_score(random_signal(seed, residual, covered=1.0))
    tight, loose, free = (
        past_information_coefficient(score, residual, horizon=2, prior_sd=sd) for sd in (small, small * factor, FREE)
    )
    assert 0.0 <= tight <= loose <= free


@pytest.mark.parametrize("n_sessions", [1, 2, 4, 6, 7])
def test_too_little_history_has_no_coefficient(n_sessions):
    residual = noise(3, n_sessions, 4)
    assert past_information_coefficient(residual, residual, horizon=5, prior_sd=FREE) == 0.0


def test_an_infinite_prior_shrinks_nothing():
    residual = noise(1, 300, 4)
    score = planted(residual, 0.5, 2, 2)
    wide, infinite = (past_information_coefficient(score, residual, horizon=1, prior_sd=sd) for sd in (FREE, np.inf))
    assert infinite == pytest.approx(wide)


@pytest.mark.parametrize(
    "setting", [{"horizon": 0}, {"horizon": -1}, {"window": 0}, {"prior_sd": np.nan}, {"prior_sd": -1.0}]
)
def test_a_setting_that_means_nothing_is_refused(setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        Grinold(**setting)(planted_view())


def planted_view(seed=4, sign=1.0, n_sessions=300):
    """Prices whose returns two sessions later follow the signal (or its opposite)."""
    random = np.random.default_rng(seed)
    signal = random.uniform(-1, 1, (n_sessions, 6))
    returns = 0.01 * random.standard_normal((n_sessions, 6))
    returns[2:] += sign * 0.004 * signal[:-2]
    index, columns = pd.bdate_range("2021-01-04", periods=n_sessions), list("ABCDEF")
    prices = pd.DataFrame(50 * np.cumprod(1 + returns, axis=0), index=index, columns=columns)
    return view_of(prices, pd.DataFrame(signal, index=index, columns=columns).mask(random.random(returns.shape) < 0.3))


@pytest.mark.parametrize("horizon", [1, 5])
def test_grinold_is_coefficient_times_volatility_times_score(horizon):
    view = planted_view()
    alpha = Grinold(horizon=horizon, window=120)(view)
    returns = view.prices.to_numpy()[1:] / view.prices.to_numpy()[:-1] - 1
    residual = pd.DataFrame(returns - returns.mean(axis=1, keepdims=True)).iloc[-120:]
    centred = view.signal.to_numpy()[-120:]
    centred = centred - np.nanmean(centred, axis=1, keepdims=True)
    score = centred / np.sqrt(np.nanmean(centred**2))
    ic = slow_ic(pd.DataFrame(score), residual, horizon, 0.03)
    assert ic > 0.01
    expected = np.nan_to_num(ic * residual.to_numpy().std(axis=0) / np.sqrt(horizon) * score[-1])
    np.testing.assert_allclose(alpha.to_numpy(), expected, rtol=1e-9, atol=1e-18)
    assert list(alpha.index) == list(view.prices.columns)


def test_an_asset_without_news_today_has_forecast_zero():
    view = planted_view()
    silent = view.signal.iloc[-1].isna()
    alpha = Grinold()(view)
    assert silent.any()
    assert (alpha[silent] == 0.0).all()
    assert (alpha[~silent] != 0.0).all()


def test_a_signal_that_pointed_the_wrong_way_forecasts_exactly_zero():
    assert (Grinold()(planted_view(sign=-1.0)) == 0.0).all()


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_a_silent_signal_forecasts_exactly_zero(value):
    view = planted_view()
    assert (Grinold()(view_of(view.prices, view.signal * 0.0 + value)) == 0.0).all()


def test_the_unit_of_the_signal_does_not_matter_and_neither_does_what_lies_before_the_window():
    view = planted_view()
    alpha = Grinold(window=100)(view)
    np.testing.assert_allclose(Grinold(window=100)(view_of(view.prices, view.signal / 3)), alpha, rtol=1e-12)
    recent = view_of(view.prices.iloc[-101:], view.signal.iloc[-101:])
    assert Grinold(window=100)(recent).equals(alpha)


def test_an_asset_without_prices_has_forecast_zero():
    view = planted_view()
    assert Grinold()(view_of(view.prices.assign(C=np.nan), view.signal))["C"] == 0.0


# Decay


def fading_view(seed, keep, worth=0.2, n_sessions=1500, n_assets=20):
    """A score that keeps so much of itself each session, and returns that go with the score of two sessions before."""
    random = np.random.default_rng(seed)
    fresh = random.standard_normal((n_sessions, n_assets)) * np.sqrt(1 - keep**2)
    score = np.zeros_like(fresh)
    for t in range(n_sessions):
        score[t] = (keep * score[t - 1] if t else 0.0) + fresh[t]
    returns = random.standard_normal(score.shape)
    returns[2:] += worth * score[:-2]
    index = pd.bdate_range("2010-01-04", periods=n_sessions)
    columns = [f"A{n:02d}" for n in range(n_assets)]
    prices = pd.DataFrame(50 * np.cumprod(1 + 0.001 * returns, axis=0), index=index, columns=columns)
    return view_of(prices, pd.DataFrame((0.2 * score).clip(-1, 1), index=index, columns=columns))


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.9])
def test_the_forecast_is_the_mean_of_what_is_left_over_the_horizon(keep):
    """Worth 0.2 standard deviations in the first session, 0.2 keep in the second, ...: the mean over five of them."""
    view = fading_view(1, keep)
    found = Grinold(horizon=5, window=2000, prior_sd=FREE, decay="fit")(view)
    score = standardised_score(view.signal).iloc[-1]
    noise = 0.001 * np.sqrt(19 / 20)
    expected = 0.2 * noise * np.mean(keep ** np.arange(5)) * score
    slope = (found * expected).sum() / (expected**2).sum()
    assert slope == pytest.approx(1.0, abs=0.12)
    assert np.corrcoef(found, expected)[0, 1] > 0.99


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.9, 0.99])
def test_the_decay_of_a_score_is_found(keep):
    assert score_decay(standardised_score(fading_view(2, keep).signal)) == pytest.approx(keep, abs=0.02)


def test_the_decay_of_a_score_by_hand():
    """Products 0.5 and 0 x 1 (gone counts as 0), squares 1 + 0.25 + 0 + 1."""
    score = pd.DataFrame({"A": [1.0, 0.5, np.nan], "B": [np.nan, 1.0, np.nan]})
    assert score_decay(score) == pytest.approx(0.5 / 2.25)
    assert score_decay(score * np.nan) == 0.0
    assert score_decay(pd.DataFrame({"A": [1.0, -1.0, 1.0]})) == 0.0
    assert score_decay(pd.DataFrame({"A": [0.1, 1.0, 5.0]})) == 1.0


def test_weights_fade_and_a_full_decay_is_none():
    assert decay_weights(0.5, 4).tolist() == [1.0, 0.5, 0.25, 0.125]
    assert decay_weights(0.0, 3).tolist() == [1.0, 0.0, 0.0]
    assert (decay_weights(1.0, 5) == 1.0).all()


@pytest.mark.parametrize("horizon", [1, 5, 7])
def test_without_decay_not_a_bit_differs_from_the_plain_formula(horizon):
    view = planted_view()
    model = Grinold(horizon=horizon)
    read = model.read(view)
    plain = (read.coefficient * read.volatility / np.sqrt(horizon) * read.score).fillna(0.0)
    assert model(view).to_numpy().tobytes() == plain.to_numpy().tobytes()


@pytest.mark.parametrize("decay", ["fast", -0.1, 1.1, np.nan, None])
def test_a_decay_that_is_none_is_refused(decay):
    with pytest.raises(AllocationError, match="decay is .*: pass a number from 0 to 1, or 'fit'"):
        Grinold(decay=decay)


# Black and Litterman


def random_covariance(seed, n_assets=5):
    loadings = np.random.default_rng(seed).standard_normal((n_assets, 3)) * 0.01
    assets = [f"A{i}" for i in range(n_assets)]
    matrix = loadings @ loadings.T + np.diag(np.linspace(1e-4, 3e-4, n_assets))
    return pd.DataFrame(matrix, assets, assets)


@settings(max_examples=25)
@given(seed=SEEDS, ic=st.floats(0.01, 0.9), silent=st.integers(0, 4))
def test_scores_are_views_on_each_asset(seed, ic, silent):
    """The same numbers from the general formula: one view for each score, s sd / IC of sd sqrt(1/IC^2 - 1)."""
    covariance = random_covariance(seed)
    score = pd.Series(np.random.default_rng(seed).standard_normal(5), index=covariance.index)
    score.iloc[:silent] = np.nan
    sds = pd.Series(np.sqrt(np.diag(covariance)), index=covariance.index)
    equilibrium = pd.Series(0.001, index=covariance.index)
    views = [
        InvestorView({asset: 1.0}, 0.001 + score[asset] * sds[asset] / ic, sds[asset] * np.sqrt(1 / ic**2 - 1))
        for asset in score.dropna().index
    ]
    factors = pd.DataFrame(np.linalg.cholesky(covariance.to_numpy()), index=covariance.index)
    risk = RiskModel(factors, pd.Series(0.0, index=covariance.index))
    expected = black_litterman(equilibrium, risk, views) - equilibrium
    np.testing.assert_allclose(spread_scores(ic, covariance, score), expected, rtol=1e-7, atol=1e-12)


def test_assets_that_move_alone_get_grinolds_alpha():
    variances = np.linspace(1e-4, 4e-4, 5)
    covariance = pd.DataFrame(np.diag(variances), list("ABCDE"), list("ABCDE"))
    score = pd.Series([1.0, -2.0, np.nan, 0.5, 0.0], index=list("ABCDE"))
    found = spread_scores(0.1, covariance, score)
    np.testing.assert_allclose(found, 0.1 * np.sqrt(variances) * score.fillna(0.0), rtol=1e-12, atol=1e-18)


def test_news_of_one_asset_speaks_of_those_that_move_with_it():
    """B moves with A and has no news; C moves alone."""
    covariance = pd.DataFrame([[1.0, 0.8, 0.0], [0.8, 1.0, 0.0], [0.0, 0.0, 1.0]], list("ABC"), list("ABC")) * 1e-4
    found = spread_scores(0.1, covariance, pd.Series([1.0, np.nan, np.nan], index=list("ABC")))
    np.testing.assert_allclose(found, [0.001, 0.0008, 0.0], rtol=1e-9, atol=1e-18)


def test_the_posterior_is_what_is_earned_on_average():
    """Returns and scores drawn from the model: of those with about the same posterior, the mean return is that."""
    covariance, ic = random_covariance(1), 0.4
    random = np.random.default_rng(1)
    returns = random.multivariate_normal(np.zeros(5), covariance, 1200)
    sds = np.sqrt(np.diag(covariance))
    scores = ic * returns / sds + np.sqrt(1 - ic**2) * random.standard_normal(returns.shape)
    posterior = np.array([spread_scores(ic, covariance, pd.Series(row, covariance.index)) for row in scores])
    slope = (posterior * returns).sum() / (posterior**2).sum()
    assert slope == pytest.approx(1.0, abs=0.08)
    apart = ic * sds * scores
    assert ((returns - posterior) ** 2).sum() < ((returns - apart) ** 2).sum()


def test_it_is_exactly_zero_without_skill_and_small_for_assets_it_cannot_know():
    assert (BlackLitterman(min_history=30)(planted_view(sign=-1.0)) == 0.0).all()
    view = planted_view()
    late = view.prices.assign(C=np.nan)
    found = BlackLitterman()(view_of(late, view.signal))
    assert found["C"] == 0.0
    assert (found.drop("C") != 0.0).any()
    assert (BlackLitterman()(view_of(view.prices, view.signal * np.nan)) == 0.0).all()


def test_an_asset_that_trades_alone_has_no_residual_return_to_forecast():
    view = planted_view()
    alone = view.prices.copy()
    alone.iloc[-1, 1:] = np.nan
    assert (BlackLitterman()(view_of(alone, view.signal)) == 0.0).all()


def test_it_is_the_spread_of_the_scores_with_residual_covariance_and_the_models_horizon():
    view = planted_view()
    model = Grinold(horizon=3, decay=0.5)
    read = model.read(view)
    risk = LedoitWolf()
    full = risk(view.prices.iloc[-253:]).covariance().to_numpy()
    centre = np.eye(6) - 1 / 6
    covariance = pd.DataFrame(centre @ full @ centre, view.prices.columns, view.prices.columns)
    scale = np.mean([1, 0.5, 0.25]) / np.sqrt(1 + 0.25 + 0.0625)
    expected = scale * spread_scores(read.coefficient, covariance, read.score)
    np.testing.assert_allclose(BlackLitterman(model)(view), expected, rtol=1e-9, atol=1e-18)


def test_no_view_is_zero_for_every_asset():
    prices = random_prices(1)
    pd.testing.assert_series_equal(NoView()(view_of(prices, prices * np.nan)), pd.Series(0.0, index=prices.columns))


@settings(max_examples=15)
@given(seed=SEEDS, n_assets=st.integers(1, 6), risk_aversion=st.floats(1, 20))
def test_the_equilibrium_return_makes_the_reference_optimal(seed, n_assets, risk_aversion):
    random = np.random.default_rng(seed)
    assets = [f"A{i}" for i in range(n_assets)]
    risk = RiskModel(
        pd.DataFrame(0.01 * random.standard_normal((n_assets, 3)), index=assets),
        pd.Series(random.uniform(5e-5, 4e-4, n_assets), index=assets),
    )
    reference = pd.Series(random.uniform(-0.5, 1.0, n_assets), index=assets)
    expected = equilibrium_return(risk, reference[::-1], risk_aversion)
    np.testing.assert_allclose(expected, 2 * risk_aversion * risk.covariance() @ reference, rtol=1e-12)
    found = MeanVariance(assets, NetUtility(risk_aversion, cost=0.0)).weights(expected, risk, reference * 0.0)
    np.testing.assert_allclose(found, reference, atol=1e-6)
