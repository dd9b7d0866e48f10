"""The simulated market: reproducible, and its headlines say what its tone says."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from allocation import AllocationError
from allocation.frames import check_prices
from backtest import MarketConfig, simulate_market
from nlp import assign_session, read_headlines

CONFIG = MarketConfig()
TONES = {"negative": -1.0, "neutral": 0.0, "positive": 1.0}


@pytest.fixture(scope="module")
def market():
    return simulate_market()


def frames(market):
    return market.prices, market.opens, market.headlines, market.tone, market.idiosyncratic, market.closes


def test_the_same_config_gives_the_same_market_to_the_last_bit(market):
    assert market.config == CONFIG
    for one, other in zip(frames(market), frames(simulate_market(MarketConfig())), strict=True):
        assert one.equals(other)


def test_another_seed_gives_another_market(market):
    other = simulate_market(replace(CONFIG, seed=8))
    assert not other.prices.equals(market.prices)
    assert list(other.headlines["text"]) != list(market.headlines["text"])
    assert not other.tone.equals(market.tone)


def test_prices_and_opens_are_prices_of_every_session(market):
    for prices in (market.prices, market.opens):
        pd.testing.assert_frame_equal(check_prices(prices), prices)
        assert prices.notna().all(axis=None)
        assert (prices > 0).all(axis=None)
    gap = np.log(market.opens / market.prices.shift(1)).iloc[1:]
    assert gap.abs().max().max() < 0.2


def test_sectors_and_frames_name_the_same_assets(market):
    assert list(market.sectors.index) == list(market.prices.columns) == list(market.tone.columns)
    assert list(market.opens.columns) == list(market.idiosyncratic.columns) == sorted(market.prices.columns)
    assert set(market.headlines["asset"]) == set(market.prices.columns)
    assert market.sectors.nunique() == 6


def known_sessions(market):
    return assign_session(market.headlines["published"])


@pytest.mark.parametrize("changes", [{}, {"seed": 3, "half_life": 1.0}, {"seed": 4, "headlines_per_session": 3.0}])
def test_the_tone_is_rebuilt_from_the_headlines_by_the_session_each_is_known_in(changes):
    """Headlines -> assign_session -> decayed sums: the tone, up to its scale."""
    market = simulate_market(replace(CONFIG, end="2022-06-30", **changes))
    value = market.headlines["tone"].map(TONES)
    fresh = value.groupby([known_sessions(market), market.headlines["asset"].to_numpy()]).sum().unstack()
    fresh = fresh.reindex(index=market.tone.index, columns=market.tone.columns).fillna(0.0)
    keep = 0.5 ** (1.0 / market.config.half_life)
    weights = keep ** np.subtract.outer(np.arange(len(fresh)), np.arange(len(fresh)))
    tone = np.tril(weights) @ fresh.to_numpy()
    np.testing.assert_allclose(market.tone, tone / tone.std(), atol=1e-12)


def test_every_headline_is_published_between_the_closes_around_its_session(market):
    session = known_sessions(market)
    assert session.isin(market.prices.index).all()
    published = market.headlines["published"]
    assert str(published.dtype) == "datetime64[ns, UTC]"
    assert (published.to_numpy() < market.closes.loc[session].to_numpy()).all()
    before = market.closes.shift(1).loc[session].to_numpy()
    later = session > market.prices.index[0]
    assert (published.to_numpy()[later] >= before[later]).all()
    assert published.is_monotonic_increasing


def test_closes_are_the_exchanges(market):
    assert market.closes.index.equals(market.prices.index)
    local = market.closes.dt.tz_convert("America/New_York")
    assert (local.dt.normalize().dt.tz_localize(None) == market.closes.index).all()
    assert local.loc["2021-11-26"].hour == 13  # the day after Thanksgiving
    assert (local.dt.hour == 16).mean() > 0.98


def test_news_comes_at_all_hours_but_mostly_off_the_market(market):
    hour = market.headlines["published"].dt.tz_convert("America/New_York").dt.hour
    assert hour.nunique() > 20
    assert hour.between(0, 3).mean() < 0.05


def test_headlines_are_written_out_and_readable(market):
    text = market.headlines["text"]
    assert not text.str.contains(r"[{}]").any()
    assert (text.str.strip() == text).all()
    assert (text.str.len() > 15).all()
    assert text.nunique() > 0.7 * len(text)
    assert set(market.headlines["tone"]) == set(TONES)
    assert len(read_headlines(market.headlines)) == len(market.headlines)


def test_headlines_name_their_own_company_and_no_other(market):
    from backtest.simulated_market import COMPANIES

    names = {ticker: name for group in COMPANIES.values() for ticker, name in group.items()}
    for ticker, texts in market.headlines.groupby("asset")["text"]:
        assert texts.str.contains(names[ticker], regex=False).all()
        others = "|".join(name for other, name in names.items() if other != ticker)
        assert not texts.str.contains(others).any()


def test_the_number_of_headlines_is_what_was_asked_for(market):
    cells = market.prices.size
    assert len(market.headlines) == pytest.approx(CONFIG.headlines_per_session * cells, abs=4 * cells**0.5)


def test_tone_has_unit_variance_and_fades(market):
    assert market.tone.to_numpy().std() == pytest.approx(1.0, abs=1e-12)
    keep = 0.5 ** (1 / CONFIG.half_life)
    following = (market.tone * market.tone.shift(1)).stack().mean()
    assert following == pytest.approx(keep, abs=0.05)


def test_returns_have_fat_tails_and_the_volatility_asked_for(market):
    own = market.idiosyncratic
    standard = own / own.std()
    assert standard.stack().kurt() > 2.0
    assert (standard.abs() > 4).to_numpy().mean() > 5 * 6.3e-5  # five times as often as the normal
    assert own.std().between(0.6 * CONFIG.idiosyncratic_volatility, 1.4 * CONFIG.idiosyncratic_volatility).all()
    assert market.prices.pct_change().std().between(0.012, 0.03).all()


def test_prices_are_made_of_the_companys_own_part_and_a_common_one(market):
    common = market.prices.pct_change().iloc[1:] - market.idiosyncratic.iloc[1:]
    assert common.corr().to_numpy()[np.triu_indices(12, 1)].min() > 0.5
    between = np.corrcoef(market.idiosyncratic, rowvar=False)[np.triu_indices(12, 1)]
    assert np.abs(between).mean() < 0.1


def test_one_session_is_a_market_too():
    market = simulate_market(replace(CONFIG, start="2021-01-04", end="2021-01-04", headlines_per_session=3.0))
    assert market.prices.shape == (1, 12)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    "changes",
    [
        {"information_coefficient": 0.9, "same_session": 0.9},  # ic² + same² > 1: every price NaN
        {"degrees_of_freedom": 2.0},
        {"half_life": 0.0},
        {"half_life": -1.0},  # tone grows without bound
        {"headlines_per_session": 0.0},  # 0 / 0: every price NaN
        {"headlines_per_session": -1.0},
        {"idiosyncratic_volatility": -1.0},
        {"start": "2022-01-03", "end": "2021-01-04"},
    ],
    ids=str,
)
def test_a_config_that_makes_no_market_is_refused(changes):
    with pytest.raises(AllocationError):
        simulate_market(replace(CONFIG, **changes))
