"""What weighs in a signal and what goes with it: novelty, relevance, sums, a fitted prior, cut-offs, companions."""

import logging
import math

import exchange_calendars
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp.errors import NewsError
from nlp.signals.daily import (
    DEFAULT_PRIOR_COUNT,
    FEWEST,
    FEWEST_LEVELS,
    LEAST,
    MOST,
    SURPRISE_WINDOW,
    daily_signal,
    news_signal,
)
from nlp.signals.novelty import weigh_headlines

CALENDAR = exchange_calendars.get_calendar("XNYS", start="2018-10-01", end="2020-03-31")
SESSIONS = pd.DatetimeIndex(CALENDAR.sessions_in_range("2018-10-31", "2019-12-31"))
HARD_DAYS = ("2018-11-04", "2019-03-10", "2019-11-03", "2018-11-23", "2018-12-24", "2019-07-03", "2019-11-29")
moment = st.builds(
    lambda day, minutes: pd.Timestamp(day, tz="UTC") + pd.Timedelta(minutes=minutes),
    st.sampled_from(HARD_DAYS), st.integers(-1440, 3 * 1440),
)  # fmt: skip
share = st.sampled_from([0.0, 0.1, 0.5, 1.0, np.nan])
row = st.tuples(
    moment,
    st.sampled_from(["AAA", "BBB"]),
    st.floats(-1, 1),
    st.booleans(),
    share,
    share,
    st.sampled_from(["Acme lifts its outlook", "Acme lifts outlook again", "Bolt cuts jobs"]),
)
rows = st.lists(row, max_size=40)
ENDS = [(pd.Timestamp(day, tz="UTC"), "AAA", 0.25, True, 1.0, 1.0, "end") for day in ("2018-11-01", "2019-12-30")]
SETTINGS = ({"prior_count": "fit"}, {"aggregation": "sum"}, {"cutoff": "close-15"}, {"cutoff": "open"}, {"max_age": 3})


def scored_from(drawn, ends=ENDS):
    columns = ["published", "asset", "score", "time_known", "novelty", "relevance", "text"]
    return pd.DataFrame([*ends, *drawn], columns=columns)


def same_bits(one, other):
    return one.shape == other.shape and one.to_numpy().tobytes() == other.to_numpy().tobytes()


def frames_of(found):
    return [found.level, found.count, found.dispersion, found.surprise]


@pytest.mark.parametrize("setting", SETTINGS)
@settings(max_examples=12)
@given(rows, rows, moment, st.randoms(use_true_random=False))
def test_news_moved_past_the_cutoff_changes_no_earlier_row(setting, drawn, other, now, random):
    """Around changes of the clock and early closes: whatever is published from `now` on is thrown about."""
    news = scored_from(drawn).drop(columns=["novelty", "relevance"])
    early = news["published"] < now
    moved = scored_from([each for each in other if each[0] >= now], ends=ENDS[1:]).drop(
        columns=["novelty", "relevance"]
    )
    changed = pd.concat([news[early], moved]).sample(frac=1, random_state=random.randrange(2**31))
    done = pd.DatetimeIndex(CALENDAR.closes[SESSIONS].array) <= now
    one, two = (news_signal(weigh_headlines(each), SESSIONS, **setting) for each in (news, changed))
    everyone = one.level.columns.union(two.level.columns)  # an asset may have news later only
    pairs = ((one.level, two.level), (one.dispersion, two.dispersion), (one.surprise, two.surprise))
    for before, after in pairs:
        assert before.reindex(columns=everyone)[done].equals(after.reindex(columns=everyone)[done])
    one_count, two_count = (each.count.reindex(columns=everyone, fill_value=0.0)[done] for each in (one, two))
    assert one_count.equals(two_count)


@pytest.mark.parametrize("setting", SETTINGS)
@settings(max_examples=8)
@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_bit(setting, drawn, random):
    scored = scored_from(drawn)
    shuffled = scored.iloc[random.sample(range(len(scored)), len(scored))]
    one, two = news_signal(scored, SESSIONS, **setting), news_signal(shuffled, SESSIONS, **setting)
    assert all(same_bits(*pair) for pair in zip(frames_of(one), frames_of(two), strict=True))


def test_sums_of_many_rows_are_the_exact_ones_in_every_order():
    """Thousands in one cell, of very different weights: plain sums would differ in the last bits."""
    random = np.random.default_rng(1)
    n = 5000
    scored = scored_from([], [ENDS[0]] * n).assign(
        score=random.uniform(-1, 1, n), novelty=random.random(n) ** 8, relevance=random.random(n)
    )
    weight = (scored["novelty"] * scored["relevance"]).tolist()
    total = math.fsum(w * s for w, s in zip(weight, scored["score"], strict=True))
    found = daily_signal(scored, SESSIONS, prior_count=1.0)
    assert found.iloc[1, 0] == pytest.approx(total / (1.0 + math.fsum(weight)), rel=1e-13)
    for order in (scored[::-1], scored.sort_values("score"), scored.sample(frac=1, random_state=1)):
        assert same_bits(daily_signal(order, SESSIONS, prior_count=1.0), found)


def test_a_weight_too_small_to_be_summed_is_no_weight(caplog):
    scored = scored_from([(ENDS[0][0], "BBB", 1.0, True, 1e-9, 1e-9, "x")])
    with caplog.at_level(logging.WARNING):
        assert daily_signal(scored, SESSIONS)["BBB"].isna().all()
    assert "1 of 3 headlines have weight 0" in caplog.text


@settings(max_examples=15)
@given(rows)
def test_a_headline_of_half_weight_twice_is_one_headline(drawn):
    plain = scored_from(drawn).drop(columns=["novelty", "relevance"])
    halves = pd.concat([plain.assign(novelty=0.5), plain.assign(relevance=0.5)])
    np.testing.assert_allclose(daily_signal(halves, SESSIONS), daily_signal(plain, SESSIONS), atol=1e-12)


@settings(max_examples=15)
@given(rows)
def test_missing_weights_count_as_one_and_the_product_counts(drawn):
    scored = scored_from(drawn)
    product = scored["novelty"].fillna(1.0) * scored["relevance"].fillna(1.0)
    one = daily_signal(scored.drop(columns="relevance").assign(novelty=product), SESSIONS)
    assert same_bits(one, daily_signal(scored, SESSIONS))


def test_rows_without_weight_are_no_news_and_are_counted(caplog):
    scored = scored_from([(ENDS[0][0], "BBB", 1.0, True, 0.0, 1.0, "x")])
    with caplog.at_level(logging.WARNING):
        assert daily_signal(scored, SESSIONS)["BBB"].isna().all()
    assert "1 of 3 headlines have weight 0 (novelty or relevance 0) and are not used" in caplog.text


@pytest.mark.parametrize("name", ["novelty", "relevance"])
@pytest.mark.parametrize("value", [-0.1, 1.1, np.inf])
def test_a_weight_that_is_no_share_is_named(name, value):
    with pytest.raises(NewsError, match=rf"row 2: {name} .* lies outside \[0, 1\] \(1 such rows\)"):
        daily_signal(scored_from([]).assign(**{name: [1.0, value]}), SESSIONS)


def test_a_sum_grows_with_agreement_where_a_mean_does_not():
    def signal(n, how):
        return daily_signal(scored_from([], [ENDS[0]] * n), SESSIONS, aggregation=how, prior_count=1.0).iloc[1, 0]

    assert signal(1, "sum") == 0.25 / 1.25
    assert signal(40, "sum") == 10.0 / 11.0
    assert signal(40, "mean") == 10.0 / 41.0


def many(random, n=3000, tone=0.4, noise=0.3):
    """Headlines whose cell has a tone and whose scores stray from it: k = noise² / tone²."""
    day = random.integers(0, 200, n)
    asset = random.integers(0, 8, n)
    means = tone * random.standard_normal((200, 8))
    score = means[day, asset] + noise * random.standard_normal(n)
    published = SESSIONS[day].tz_localize("UTC") + pd.Timedelta(hours=15)
    return pd.DataFrame({"published": published, "asset": asset.astype(str), "score": score.clip(-1, 1)})


@pytest.mark.parametrize(("tone", "noise"), [(0.2, 0.2), (0.3, 0.15), (0.1, 0.25)])
def test_a_fitted_prior_is_the_ratio_of_the_variances(tone, noise):
    found = news_signal(many(np.random.default_rng(1), 6000, tone, noise), SESSIONS, prior_count="fit")
    assert found.prior_count.iloc[-1] == pytest.approx(noise**2 / tone**2, rel=0.2)


def test_a_fitted_prior_shrinks_best():
    """Among given strengths none comes closer to the true tone of a cell than about the fitted one."""
    random = np.random.default_rng(3)
    day = np.arange(200).repeat(8 * 3)
    asset = np.tile(np.arange(8).repeat(3), 200)
    means = 0.2 * random.standard_normal((200, 8))
    score = (means[day, asset] + 0.3 * random.standard_normal(len(day))).clip(-1, 1)
    scored = pd.DataFrame(
        {
            "published": SESSIONS[day].tz_localize("UTC") + pd.Timedelta(hours=15),
            "asset": asset.astype(str),
            "score": score,
        }
    )

    def miss(strength):
        found = daily_signal(scored, SESSIONS[:200], halflife=1e-3, prior_count=strength)
        return float(((found.to_numpy()[50:] - means[50:]) ** 2).mean())

    assert miss("fit") < min(miss(given) for given in (0.5, 1.0, 5.0, 10.0))
    assert miss("fit") < 1.02 * miss(0.3**2 / 0.2**2)


def test_before_headlines_could_disagree_the_prior_is_the_default():
    scored = many(np.random.default_rng(1), 40)
    strength = news_signal(scored, SESSIONS, prior_count="fit").prior_count
    assert (strength == DEFAULT_PRIOR_COUNT).all()
    assert FEWEST >= 10


def test_tones_alike_are_not_shrunk_and_tones_of_noise_are_shrunk_away():
    same = news_signal(many(np.random.default_rng(1), noise=0.0), SESSIONS, prior_count="fit")
    none = news_signal(many(np.random.default_rng(1), tone=0.0), SESSIONS, prior_count="fit")
    assert same.prior_count.iloc[-1] == LEAST
    assert none.prior_count.iloc[-1] > 10 or none.prior_count.iloc[-1] == MOST


@settings(max_examples=15)
@given(rows, st.floats(0.5, 10))
def test_dispersion_is_the_weighted_standard_deviation_of_what_is_remembered(drawn, halflife):
    scored = scored_from(drawn).query("time_known").assign(novelty=1.0, relevance=1.0)
    found = news_signal(scored, SESSIONS, halflife=halflife)
    closes = pd.DatetimeIndex(CALENDAR.closes[SESSIONS].array)
    known = closes.searchsorted(pd.DatetimeIndex(scored["published"]), side="right")
    for asset in found.level.columns:
        mine = (scored["asset"] == asset).to_numpy()
        for today in found.level.index.get_indexer(found.level[asset].dropna().index)[::7]:
            past = mine & (known <= today)
            weight = 0.5 ** ((today - known[past]) / halflife)
            scores = scored["score"].to_numpy()[past]
            spread = np.sqrt(np.average((scores - np.average(scores, weights=weight)) ** 2, weights=weight))
            assert found.dispersion[asset].iloc[today] == pytest.approx(spread, abs=1e-7)


def test_count_coverage_and_surprise_are_what_they_say():
    found = news_signal(many(np.random.default_rng(1)), SESSIONS)
    assert found.count.to_numpy().sum() == 3000
    assert found.coverage.equals(found.level.notna().mean(axis=1).rename("coverage"))
    today = 150
    level = found.level["3"]
    assert found.surprise["3"].iloc[today] == pytest.approx(
        level.iloc[today] - level[today - SURPRISE_WINDOW : today].mean()
    )
    assert found.surprise["3"].notna().sum() <= level.notna().sum() - FEWEST_LEVELS
    assert found.level.equals(daily_signal(many(np.random.default_rng(1)), SESSIONS))


def test_it_prints_itself():
    text = str(news_signal(many(np.random.default_rng(1)), SESSIONS))
    assert "293 sessions × 8 assets, 2018-10-31 to 2019-12-31" in text
    assert "3,000 headlines" in text
    assert "shrunk by 2.00 neutral headlines" in text


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"aggregation": "median"}, "aggregation is 'median': use 'mean' or 'sum'"),
        ({"prior_count": "guess"}, "prior_count is 'guess': give a number > 0 or 'fit'"),
        ({"cutoff": "noon"}, "cut-off 'noon' is not known"),
        ({"halflife": float("inf")}, "halflife is inf: it must be > 0 and finite"),
    ],
)
def test_settings_that_make_no_sense_are_named(setting, message):
    for make in (daily_signal, news_signal):
        with pytest.raises(NewsError, match=message):
            make(scored_from([]), SESSIONS, **setting)


def test_a_cutoff_before_the_close_makes_late_news_wait():
    late = scored_from([], [(pd.Timestamp("2018-11-23 17:50", tz="UTC"), "AAA", 1.0, True, 1.0, 1.0, "x")])
    closed = daily_signal(late, SESSIONS)  # an early close at 13:00 in New York, 18:00 UTC
    waited = daily_signal(late, SESSIONS, cutoff="close-15")
    assert closed["AAA"].first_valid_index() == pd.Timestamp("2018-11-23")
    assert waited["AAA"].first_valid_index() == pd.Timestamp("2018-11-26")


def test_a_prior_is_fitted_on_no_later_news():
    scored = many(np.random.default_rng(1))
    cut = SESSIONS[100]
    late = scored["published"] >= CALENDAR.closes[cut]
    changed = scored.assign(score=scored["score"].where(~late, -0.9))
    one, two = (news_signal(each, SESSIONS, prior_count="fit") for each in (scored, changed))
    assert one.prior_count[:cut].nunique() > 50
    assert one.prior_count[:cut].equals(two.prior_count[:cut])
    assert one.level[:cut].equals(two.level[:cut])
    assert not one.prior_count.equals(two.prior_count)
