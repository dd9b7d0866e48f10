"""Several signals at once: nothing later counts, planted worth is found, repeats share it, no skill is exactly 0."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import random_prices, random_signal

from allocation import EqualWeight, FrameError, Grinold, LedoitWolf, MissingPriceError, SentimentPolicy, View
from allocation.errors import AllocationError
from allocation.forecast.grinold import score_decay, standardised_score
from allocation.forecast.newey_west import newey_west_variance
from allocation.forecast.ridge import CrossSectionalRidge
from backtest import walk_forward

ASSETS = [f"A{n:02d}" for n in range(20)]
FREE = 1e3  # a prior so wide that it shrinks next to nothing
SEEDS = st.integers(0, 10_000)


def market(seed, worth=(0.1, 0.05), alike=0.5, n_sessions=800, assets=ASSETS):
    """Two signals, correlated by `alike`, that are worth so much of a standard deviation two sessions later."""
    random = np.random.default_rng(seed)
    shape = (n_sessions, len(assets))
    one, rest = random.standard_normal(shape), random.standard_normal(shape)
    scores = (one, alike * one + np.sqrt(1 - alike**2) * rest)
    returns = random.standard_normal(shape)
    for value, score in zip(worth, scores, strict=True):
        returns[2:] += value * score[:-2]
    index = pd.bdate_range("2020-01-01", periods=n_sessions, name="date")
    prices = pd.DataFrame(50 * np.cumprod(1 + 0.01 * returns, axis=0), index, list(assets))
    frames = (pd.DataFrame((0.2 * score).clip(-1, 1), index, list(assets)) for score in scores)
    return prices, *frames


def view_at(prices, signal, place=-1):
    now = prices.index[place]
    return View(now, prices.loc[:now], signal.loc[:now], pd.Series(0.0, index=prices.columns))


def slow(view, frames, horizon, prior_sd, decays=(1.0, 1.0)):
    """The docstring's normal equations for signals that are all worth something, one row at a time.

    A row is one return, of session step after the fill: each score explains it by what is left of it then.
    """
    left = [[decay**step for step in range(horizon)] for decay in decays]
    roots = [sum(weight**2 for weight in weights) ** 0.5 for weights in left]
    prices = view.prices.to_numpy()
    returns = prices[1:] / prices[:-1] - 1
    residual = returns - np.nanmean(returns, axis=1, keepdims=True)
    spread = np.nanstd(residual, axis=0)
    scores = []
    for frame in frames:
        values = frame.loc[: view.now].to_numpy()
        centred = values - np.nanmean(values, axis=1, keepdims=True)
        scores.append(np.nan_to_num(centred / np.sqrt(np.nanmean(centred**2)))[1:])
    x_rows, y_rows, when = [], [], []
    for s in range(len(residual) - horizon - 1):
        for a in range(prices.shape[1]):
            for step in range(horizon):
                x_rows.append(
                    [score[s, a] * w[step] / root for score, w, root in zip(scores, left, roots, strict=True)]
                )
                y_rows.append(residual[s + 2 + step, a] / spread[a])
                when.append(s)
    x, y = np.array(x_rows), np.array(y_rows)
    n = len(y) / horizon  # scores: each meets `horizon` returns
    gram = x.T @ x / n
    noise = 0.0
    for j in range(x.shape[1]):
        daily = np.bincount(when, weights=x[:, j] * y) / prices.shape[1]
        noise += newey_west_variance(daily, horizon - 1)
    penalty = noise / np.trace(gram) / prior_sd**2
    b = np.linalg.solve(gram + penalty * np.eye(len(gram)), x.T @ y / n)
    parts = zip(b, scores, left, roots, strict=True)
    return b, spread * sum(c * score[-1] / root * np.mean(w) for c, score, w, root in parts)


@pytest.mark.parametrize("horizon", [1, 3])
@pytest.mark.parametrize("prior_sd", [0.03, 0.3])
def test_it_is_the_ridge_of_its_docstring(horizon, prior_sd):
    prices, one, other = market(1, worth=(0.2, 0.2), n_sessions=200)
    ridge = CrossSectionalRidge({"tweets": other}, horizon, window=500, prior_sd=prior_sd)
    view = view_at(prices, one)
    b, alpha = slow(view, (one, other), horizon, prior_sd)
    assert (b > 0).all()
    np.testing.assert_allclose(ridge.coefficients(view), b, rtol=1e-9)
    np.testing.assert_allclose(ridge(view), alpha, rtol=1e-9, atol=1e-15)


def lasting(seed, keep, n_sessions=200):
    """A market whose first signal fades by `keep` a session and whose second is new each session."""
    prices, one, other = market(seed, worth=(0.0, 0.2), alike=0.0, n_sessions=n_sessions)
    slow_one = (2.0 * one.ewm(alpha=1 - keep, adjust=False).mean()).clip(-1, 1)
    returns = prices.pct_change().fillna(0.0) + 0.01 * slow_one.shift(2).fillna(0.0)
    return 50 * (1 + returns).cumprod(), slow_one, other


@pytest.mark.parametrize("decay", [0.0, 0.4, "fit"])
def test_with_decay_it_is_the_ridge_of_each_return_on_what_is_left_of_each_score(decay):
    prices, one, other = lasting(1, keep=0.8)
    view = view_at(prices, one)
    decays = [score_decay(standardised_score(each)) if decay == "fit" else decay for each in (one, other)]
    assert decay != "fit" or decays[0] > 0.7 > 0.2 > decays[1]
    b, alpha = slow(view, (one, other), 4, 0.3, decays)
    ridge = CrossSectionalRidge({"tweets": other}, 4, window=500, prior_sd=0.3, decay=decay)
    assert (b > 0).all()
    np.testing.assert_allclose(ridge.coefficients(view), b, rtol=1e-9)
    np.testing.assert_allclose(ridge(view), alpha, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("decay", [0.0, 0.5, "fit"])
def test_one_signal_that_fades_is_grinold_s_too(decay):
    prices, one, _ = lasting(2, keep=0.8, n_sessions=600)
    view = view_at(prices, one)
    np.testing.assert_allclose(CrossSectionalRidge(decay=decay)(view), Grinold(decay=decay)(view), rtol=0.04)
    assert Grinold(decay=decay)(view).abs().max() > 0


def test_what_is_over_after_a_session_is_looked_for_there():
    """A signal that is new each session moves one return of ten: among ten the coefficient is a third."""
    prices, _, other = lasting(3, keep=0.8, n_sessions=1500)
    view = view_at(prices, other)
    plain, faded = (CrossSectionalRidge(horizon=10, window=2000, prior_sd=FREE, decay=d) for d in (1.0, "fit"))
    assert faded.coefficients(view).iloc[0] == pytest.approx(10**0.5 * plain.coefficients(view).iloc[0], rel=0.25)
    # Both forecast the mean over ten sessions, of which one moves.
    np.testing.assert_allclose(faded(view), plain(view), rtol=0.3)


def test_two_planted_signals_are_recovered_though_they_are_alike():
    """Each alone would be credited with half of the other's worth."""
    found = [
        CrossSectionalRidge({"tweets": other}, 1, 2000, FREE).coefficients(view_at(prices, one)).tolist()
        for prices, one, other in (market(seed, n_sessions=1500) for seed in range(8))
    ]
    error = 1.15 / np.sqrt(1500 * 20 * 8)  # of a coefficient, with scores correlated by a half
    np.testing.assert_allclose(np.mean(found, axis=0), [0.1, 0.05], atol=4 * error)
    assert 4 * error < 0.012


@settings(max_examples=12)
@given(seed=SEEDS, cut=st.integers(60, 118), future=SEEDS)
def test_what_the_frames_hold_after_now_changes_no_bit(seed, cut, future):
    prices = random_prices(seed)
    one, other = random_signal(seed, prices), random_signal(seed + 1, prices)
    changed = other.copy()
    changed.iloc[cut + 1 :] = random_signal(future, prices, covered=0.9).iloc[cut + 1 :]
    view = view_at(prices, one, cut)
    frames = (other, changed, other.iloc[: cut + 1])
    alphas = [CrossSectionalRidge({"tweets": frame}, prior_sd=1.0)(view) for frame in frames]
    assert alphas[0].to_numpy().tobytes() == alphas[1].to_numpy().tobytes() == alphas[2].to_numpy().tobytes()
    digests = {CrossSectionalRidge({"tweets": frame}).inputs_digest(view.now) for frame in frames}
    assert len(digests) == 1


def test_what_the_frames_hold_up_to_now_counts_and_shows_in_the_digest():
    prices, one, other = market(1, n_sessions=120)
    changed = other.copy()
    changed.iloc[90] *= -1
    before, after = (CrossSectionalRidge({"tweets": frame}) for frame in (other, changed))
    assert not before(view_at(prices, one, 100)).equals(after(view_at(prices, one, 100)))
    assert before.inputs_digest(prices.index[100]) != after.inputs_digest(prices.index[100])
    assert before.inputs_digest(prices.index[89]) == after.inputs_digest(prices.index[89])
    third = CrossSectionalRidge({"other": other})
    assert before.inputs_digest(prices.index[100]) != third.inputs_digest(prices.index[100])


@settings(max_examples=6)
@given(seed=SEEDS, order=st.permutations(ASSETS[:6]))
def test_the_order_of_columns_and_of_names_changes_no_weight(seed, order):
    prices, one, other = market(seed, n_sessions=130, assets=ASSETS[:6])
    dates = prices.index[100::10]

    def weights(prices, one, signals):
        policy = SentimentPolicy(forecast=CrossSectionalRidge(signals), risk=LedoitWolf(window=90), min_history=60)
        return walk_forward(policy, prices, one, dates)

    plain = weights(prices, one, {"tweets": other, "calls": -one})
    turned = weights(prices[order], one[order[::-1]], {"calls": -one[order], "tweets": other[order]})
    assert plain.to_numpy().tobytes() == turned[plain.columns].to_numpy().tobytes()


@given(seed=SEEDS)
@settings(max_examples=15)
def test_signals_that_went_with_nothing_are_worth_exactly_nothing(seed):
    prices, one, other = market(seed, worth=(-0.3, -0.3), n_sessions=150)
    ridge = CrossSectionalRidge({"tweets": other})
    assert (ridge(view_at(prices, one)) == 0.0).all()
    assert (ridge.coefficients(view_at(prices, one)) == 0.0).all()


@pytest.mark.parametrize("value", [np.nan, 0.0, 0.5])
def test_silent_signals_forecast_exactly_zero(value):
    prices, one, _ = market(1, n_sessions=150)
    silent = one * 0.0 + value
    assert (CrossSectionalRidge({"tweets": silent})(view_at(prices, silent)) == 0.0).all()


def test_a_signal_that_pointed_the_wrong_way_is_worth_nothing_beside_one_that_did_not():
    prices, one, other = market(2, worth=(0.3, -0.3), alike=0.0)
    found = CrossSectionalRidge({"tweets": other}).coefficients(view_at(prices, one))
    assert found["tweets"] == 0.0
    assert found["signal"] > 0.05


@settings(max_examples=15)
@given(seed=SEEDS, apart=st.sampled_from([0.0, 1e-12, 1e-9, 1e-6]))
def test_a_pair_that_is_the_same_shares_the_worth_of_one(seed, apart):
    prices, one, _ = market(seed, worth=(0.2, 0.0))
    twin = (one + apart * np.random.default_rng(seed).standard_normal(one.shape)).clip(-1, 1)
    view = view_at(prices, one)
    alone, pair = CrossSectionalRidge(), CrossSectionalRidge({"twin": twin})
    both = pair.coefficients(view)
    assert both["signal"] == pytest.approx(both["twin"], rel=1e-3)
    # The prior allows two signals more than one: a little less is shrunk away.
    assert alone.coefficients(view)["signal"] <= both.sum() * (1 + 1e-9)
    assert both.sum() < 1.3 * alone.coefficients(view)["signal"]
    correlation = np.corrcoef(alone(view), pair(view))[0, 1]
    assert correlation == pytest.approx(1.0, abs=1e-4)


def test_one_signal_is_grinold_but_for_the_sessions_that_scale_its_score():
    prices, one, _ = market(3, worth=(0.1, 0.0))
    view = view_at(prices, one)
    np.testing.assert_allclose(CrossSectionalRidge()(view), Grinold()(view), rtol=0.03)
    assert Grinold()(view).abs().max() > 0


def test_a_tighter_prior_shrinks_more():
    prices, one, other = market(1)
    view = view_at(prices, one)
    sizes = [
        np.linalg.norm(CrossSectionalRidge({"tweets": other}, prior_sd=sd).coefficients(view))
        for sd in (0.003, 0.03, 0.3, FREE)
    ]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1] / 5


def test_an_asset_known_to_one_signal_only_is_forecast_by_that_one():
    prices, one, other = market(4)
    one, other = one.copy(), other.copy()
    one.iloc[-1, 0], other.iloc[-1, 1] = np.nan, np.nan
    one.iloc[-1, 2], other.iloc[-1, 2] = np.nan, np.nan
    view, ridge = view_at(prices, one), CrossSectionalRidge({"tweets": other})
    alpha, worth = ridge(view), ridge.coefficients(view)
    assert alpha.iloc[2] == 0.0
    assert (worth > 0).all()
    for asset, (name, frame) in enumerate({"tweets": other, "signal": one}.items()):
        score = (frame.iloc[-1] - frame.iloc[-1].mean()).iloc[asset]
        assert np.sign(alpha.iloc[asset]) == np.sign(score), name


def test_a_walk_sees_what_a_night_sees_whose_frames_end_there():
    """Live, each night's frames end at that session; the backtest holds them whole."""
    prices, one, other = market(5, n_sessions=130, assets=ASSETS[:6])
    dates = prices.index[100::10]

    def policy(frame):
        return SentimentPolicy(forecast=CrossSectionalRidge({"tweets": frame}), risk=LedoitWolf(window=90))

    walked = walk_forward(policy(other), prices, one, dates)
    seen = []

    def nightly(view):
        seen.append(view.now)
        return policy(other.loc[: view.now])(view)

    again = walk_forward(nightly, prices, one, dates)
    assert walked.to_numpy().tobytes() == again.to_numpy().tobytes()
    assert len(seen) == 3
    assert not walked.equals(walk_forward(EqualWeight(), prices, one, dates))


def test_a_later_change_of_the_frame_given_does_not_reach_the_forecast():
    prices, one, other = market(1, n_sessions=120)
    ridge = CrossSectionalRidge({"tweets": other})
    before = ridge(view_at(prices, one))
    other.iloc[:] = 0.0
    assert ridge(view_at(prices, one)).equals(before)


@pytest.mark.parametrize("n_sessions", [1, 2, 5, 7, 8])
def test_too_little_history_is_worth_nothing(n_sessions):
    prices, one, other = (frame.iloc[:n_sessions] for frame in market(1, n_sessions=20))
    assert (CrossSectionalRidge({"tweets": other})(view_at(prices, one)) == 0.0).all()


@pytest.mark.parametrize("setting", [{"horizon": 0}, {"window": 7}, {"prior_sd": 0.0}, {"prior_sd": np.inf}])
def test_a_setting_that_means_nothing_is_refused(setting):
    with pytest.raises(AllocationError, match="never forecasts anything: pass horizon >= 1"):
        CrossSectionalRidge(**setting)


@pytest.mark.parametrize("decay", ["fast", -0.1, 1.1, np.nan, None])
def test_a_decay_that_is_none_is_refused(decay):
    with pytest.raises(AllocationError, match="decay is .*: pass a number from 0 to 1, or 'fit'"):
        CrossSectionalRidge(decay=decay)


def test_frames_that_do_not_fit_are_named():
    prices, one, other = market(1, n_sessions=60)
    with pytest.raises(AllocationError, match="a further signal is named 'signal'"):
        CrossSectionalRidge({"signal": other})
    with pytest.raises(FrameError, match=r"signal 'tweets': .* lies outside \[-1, 1\]"):
        CrossSectionalRidge({"tweets": 9 * other})
    view = view_at(prices, one)
    stale = r"signal 'tweets' has no row of 2020-03-24: its last row is of 2020-03-23: bring it up to date"
    with pytest.raises(FrameError, match=stale):
        CrossSectionalRidge({"tweets": other.iloc[:-1]})(view)
    with pytest.raises(FrameError, match="no row of 2020-01-10: it begins on 2020-03-24"):
        CrossSectionalRidge({"tweets": other.iloc[[-1]]})(view_at(prices, one, 7))
    with pytest.raises(MissingPriceError, match="signal 'tweets' has ZZ without a price column"):
        CrossSectionalRidge({"tweets": other.assign(ZZ=0.1)})(view)
    with pytest.raises(FrameError, match="signal 'tweets' has rows on 2020-02-03 where prices has none"):
        CrossSectionalRidge({"tweets": other})(view_at(prices.drop(pd.Timestamp("2020-02-03")), one))
