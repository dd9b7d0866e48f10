"""Scored headlines -> signal, against a plain loop over sessions."""

import logging
import math

import exchange_calendars
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nlp.errors import NewsError
from nlp.signals.daily import daily_signal

CALENDAR = exchange_calendars.get_calendar("XNYS", start="2020-12-01", end="2021-06-30")
SESSIONS = pd.DatetimeIndex(CALENDAR.sessions_in_range("2021-01-04", "2021-03-31"))
CLOSES = pd.DatetimeIndex(CALENDAR.closes[SESSIONS].array)
FIRST, LAST = pd.Timestamp("2021-01-04", tz="UTC"), pd.Timestamp("2021-03-31", tz="UTC")
SPAN = int((LAST - FIRST) / pd.Timedelta(minutes=1))

headline = st.tuples(
    st.integers(0, SPAN).map(lambda minutes: FIRST + pd.Timedelta(minutes=minutes))
    | st.sampled_from(list(CLOSES[:-1])),
    st.sampled_from(["AAA", "BBB", "CCC"]),
    st.floats(-1, 1) | st.sampled_from([-1.0, -0.0, 0.0, 1.0]),
    st.booleans(),
)
ENDS = [
    (FIRST, "AAA", 0.25, True),
    (LAST, "AAA", -0.5, True),
]  # the same span each time: one calendar serves all
many = st.lists(headline, max_size=60)


def scored_from(rows, ends=ENDS):
    return pd.DataFrame([*ends, *rows], columns=["published", "asset", "score", "time_known"])


CLOSED = [
    (close.value, session.value) for close, session in zip(CLOSES.as_unit("ns"), SESSIONS.as_unit("ns"), strict=True)
]
DAY = pd.Timedelta(days=1).value


def known_on(published, time_known):
    """Position of the first session that closes after the news, or follows its date, one after the other."""
    instant = published.as_unit("ns").value
    for position, (close, session) in enumerate(CLOSED):
        if close > instant if time_known else session > instant // DAY * DAY:
            return position
    return None


def reference(scored, halflife, prior_count, max_age):
    """The docstring's formula, term by term."""
    rows = [
        (known_on(p, k), s, a) for p, s, a, k in zip(*(scored[c] for c in scored.columns[[0, 2, 1, 3]]), strict=True)
    ]
    signal = {}
    for asset in sorted({a for _, _, a in rows}):
        signal[asset] = [math.nan] * len(SESSIONS)
        for today in range(len(SESSIONS)):
            past = [(where, score) for where, score, a in rows if a == asset and where is not None and where <= today]
            if past and today - max(where for where, _ in past) < max_age:
                decay = [0.5 ** ((today - where) / halflife) for where, _ in past]
                mass = sum(d * score for d, (_, score) in zip(decay, past, strict=True))
                signal[asset][today] = mass / (prior_count + sum(decay))
    return pd.DataFrame(signal, index=SESSIONS)


def same_bits(left, right):
    return left.shape == right.shape and left.to_numpy().tobytes() == right.to_numpy().tobytes()


@settings(max_examples=25)
@given(many, st.floats(0.3, 30), st.floats(0.01, 20), st.integers(1, 30))
def test_equals_the_formula_summed_term_by_term(rows, halflife, prior_count, max_age):
    scored = scored_from(rows)
    signal = daily_signal(scored, SESSIONS, halflife=halflife, prior_count=prior_count, max_age=max_age)
    expected = reference(scored, halflife, prior_count, max_age)
    pd.testing.assert_frame_equal(signal, expected, rtol=0, atol=1e-12, check_names=False, check_freq=False)


@settings(max_examples=25)
@given(many, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_change_a_bit(rows, random):
    scored = scored_from(rows)
    shuffled = scored.iloc[random.sample(range(len(scored)), len(scored))]
    assert same_bits(daily_signal(scored, SESSIONS), daily_signal(shuffled, SESSIONS))


@settings(max_examples=25)
@given(many, st.floats(1e-3, 1e3), st.floats(1e-9, 1e3))
def test_stays_between_minus_one_and_one(rows, halflife, prior_count):
    signal = daily_signal(scored_from(rows), SESSIONS, halflife=halflife, prior_count=prior_count)
    assert signal.abs().max().max() <= 1.0


@settings(max_examples=25)
@given(many, many, st.integers(0, len(SESSIONS) - 1), st.randoms(use_true_random=False))
def test_nothing_published_from_the_close_on_moves_a_row_up_to_it(rows, other, today, random):
    before = scored_from(rows)
    late = before["published"] >= CLOSES[today]
    after = scored_from([row for row in other if row[0] >= CLOSES[today]], ends=[])
    kept = before[~late | (before["published"] == LAST)]
    changed = pd.concat([kept, after]).sample(frac=1, random_state=random.randrange(2**31))
    assume(len(changed) > 0)
    one = daily_signal(before, SESSIONS).iloc[: today + 1]
    two = daily_signal(changed, SESSIONS).iloc[: today + 1]
    everyone = one.columns.union(two.columns)
    assert same_bits(one.reindex(columns=everyone), two.reindex(columns=everyone))


@settings(max_examples=25)
@given(many, st.integers(1, len(SESSIONS)))
def test_asking_for_fewer_sessions_gives_the_first_rows(rows, count):
    scored = scored_from(rows)
    assert same_bits(daily_signal(scored, SESSIONS[:count]), daily_signal(scored, SESSIONS).iloc[:count])


@settings(max_examples=25)
@given(many, st.integers(1, 40))
def test_no_value_before_the_first_news_and_from_max_age_on(rows, max_age):
    scored = scored_from(rows)
    signal = daily_signal(scored, SESSIONS, max_age=max_age)
    scored["known"] = [known_on(p, k) for p, k in zip(scored["published"], scored["time_known"], strict=True)]
    for asset, news in scored.dropna(subset="known").groupby("asset"):
        spoken = {int(k) + step for k in news["known"] for step in range(max_age)}
        assert set(np.flatnonzero(signal[asset].notna())) == {row for row in spoken if row < len(SESSIONS)}


def test_a_hand_computed_example():
    rows = [
        (pd.Timestamp("2021-01-04 15:00", tz="UTC"), "AAA", 1.0),
        (pd.Timestamp("2021-01-04 21:00", tz="UTC"), "AAA", -1.0),  # at the close: counts on the 5th
        (pd.Timestamp("2021-01-08 22:00", tz="UTC"), "BBB", 0.5),  # a Friday after the close
    ]
    scored = pd.DataFrame(rows, columns=["published", "asset", "score"])
    signal = daily_signal(scored, SESSIONS, halflife=1.0, prior_count=1.0, max_age=2)
    assert signal["AAA"].head(4).tolist()[:3] == [1 / 2, (0.5 - 1) / (1 + 1.5), (0.25 - 0.5) / (1 + 0.75)]
    assert signal["AAA"].iloc[3:].isna().all()
    assert signal["BBB"].first_valid_index() == pd.Timestamp("2021-01-11")
    assert signal["BBB"].dropna().tolist() == [0.5 / 2, 0.25 / 1.5]


def test_labels_are_the_sessions_named_date_and_the_sorted_assets():
    scored = scored_from([(LAST, "ZZZ", 0.1, True), (FIRST, "ABC", 0.1, True)])
    signal = daily_signal(scored, SESSIONS)
    assert signal.columns.tolist() == ["AAA", "ABC", "ZZZ"]
    assert signal.index.equals(SESSIONS.rename("date"))
    assert signal.index.name == "date"


def test_the_inputs_are_left_alone():
    scored, sessions = scored_from([]), SESSIONS.copy()
    before = scored.copy()
    daily_signal(scored, sessions)
    pd.testing.assert_frame_equal(scored, before)
    assert sessions.equals(SESSIONS)


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_the_resolution_of_sessions_does_not_matter(unit):
    assert same_bits(daily_signal(scored_from([]), SESSIONS.as_unit(unit)), daily_signal(scored_from([]), SESSIONS))


def test_news_outside_the_sessions_is_counted_in_the_log(caplog):
    inside = (pd.Timestamp("2021-01-12 15:00", tz="UTC"), "AAA", 0.1, True)
    with caplog.at_level(logging.WARNING):
        daily_signal(scored_from([inside]), SESSIONS[5:10])
    assert "2 of 3 headlines are known only outside the sessions 2021-01-11 to 2021-01-15" in caplog.text


def test_news_outside_the_sessions_only_gives_no_signal():
    signal = daily_signal(scored_from([]), SESSIONS[5:10])
    assert signal.shape == (5, 1)
    assert signal.isna().all(axis=None)


def test_news_inside_the_sessions_leaves_the_log_empty(caplog):
    with caplog.at_level(logging.WARNING):
        daily_signal(scored_from([]), SESSIONS)
    assert not caplog.records


def test_joined_scores_of_two_classifiers_are_said_to_tell_nothing(caplog):
    """pandas drops attrs that differ: in silence, a backtest would not warn of hindsight."""
    scored = scored_from([])
    scored.attrs["trained_until"] = "2020-01-01"
    later = scored.copy()
    later.attrs["trained_until"] = "2021-02-01"
    with caplog.at_level(logging.INFO):
        assert daily_signal(scored, SESSIONS).attrs == scored.attrs
    assert not caplog.records
    with caplog.at_level(logging.INFO):
        assert daily_signal(pd.concat([scored, later]), SESSIONS).attrs == {}
    assert "do not say which texts taught their classifier" in caplog.text


def test_another_calendar_decides_when_news_is_known():
    saturday = pd.DataFrame(
        {"published": [pd.Timestamp("2021-01-09 12:00", tz="UTC")], "asset": ["BTC"], "score": [1.0]}
    )
    days = pd.date_range("2021-01-04", "2021-01-15")
    assert daily_signal(saturday, days, calendar="24/7")["BTC"].first_valid_index() == pd.Timestamp("2021-01-09")


def test_a_session_left_out_on_which_news_is_known_is_named():
    with pytest.raises(NewsError, match=r"sessions lack 2021-01-08, a session of XNYS \(1 such\): pass every one"):
        daily_signal(scored_from([(pd.Timestamp("2021-01-08 12:00", tz="UTC"), "AAA", 0.1, True)]), SESSIONS.delete(4))


def test_a_session_left_out_without_news_is_refused_too():
    with pytest.raises(NewsError, match="2021-01-08"):
        daily_signal(scored_from([]), SESSIONS.delete(4))


def test_days_on_which_the_exchange_is_closed_are_refused():
    with pytest.raises(NewsError, match="2021-01-09 .*is no session of XNYS"):
        daily_signal(scored_from([]), pd.date_range("2021-01-04", "2021-03-31"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": [0.1, 1.5]}, r"score 1.5 lies outside \[-1, 1\] \(1 such rows\)"),
        ({"score": [-2.0, 1.5]}, r"row 1: score -2.0 lies outside \[-1, 1\] \(2 such rows\)"),
        ({"score": [np.nan, None]}, "none of 2 headlines has a score: score them first"),
        ({"score": [0.1, np.inf]}, r"score inf lies outside"),
        ({"published": pd.DatetimeIndex(["2021-01-04", "2021-01-05"])}, "carry a time zone"),
    ],
)
def test_bad_rows_are_named(change, message):
    with pytest.raises(NewsError, match=message):
        daily_signal(scored_from([]).assign(**change), SESSIONS)


@pytest.mark.parametrize("nothing", [np.nan, None])
def test_a_headline_without_a_score_is_left_out_and_counted(nothing, caplog):
    scored = scored_from([(FIRST, "AAA", nothing, True)])
    with caplog.at_level("WARNING"):
        signal = daily_signal(scored, SESSIONS)
    assert f"1 of {len(scored)} headlines have no score and are not used" in caplog.text
    assert same_bits(signal, daily_signal(scored_from([]), SESSIONS))


def test_a_bad_score_is_named_with_its_row():
    with pytest.raises(NewsError, match=r"row 2: score 1.5 lies outside .*: give p\(positive\) - p\(negative\)"):
        daily_signal(scored_from([]).assign(score=[0.1, 1.5]), SESSIONS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"asset": ["AAA", None]}, "row 2: asset (None|nan) is not text"),
        ({"asset": ["AAA", 3]}, "row 2: asset 3 is not text"),
        ({"score": ["good", "bad"]}, "row 1: score good lies outside"),
    ],
)
def test_assets_and_scores_of_the_wrong_kind_are_named(change, message):
    with pytest.raises(NewsError, match=message):
        daily_signal(scored_from([]).assign(**change), SESSIONS)


@pytest.mark.parametrize("column", ["published", "asset", "score"])
def test_a_missing_column_is_named_with_those_that_are_there(column):
    with pytest.raises(NewsError, match=rf"scored headlines: has no column {column} \(it has .*\): rename or add it"):
        daily_signal(scored_from([]).drop(columns=column), SESSIONS)


@pytest.mark.parametrize("name", ["halflife", "prior_count", "max_age"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_parameters_that_make_no_sense_are_named(name, value):
    with pytest.raises(NewsError, match=rf"{name} is {value:g}: it must be > 0"):
        daily_signal(scored_from([]), SESSIONS, **{name: value})


@pytest.mark.parametrize("sessions", [SESSIONS[::-1], SESSIONS.repeat(2)])
def test_sessions_out_of_order_or_repeated_are_refused(sessions):
    with pytest.raises(NewsError, match="sessions are not increasing: sort them and keep each once"):
        daily_signal(scored_from([]), sessions)


def test_sessions_with_a_time_zone_are_refused():
    with pytest.raises(NewsError, match="time zone"):
        daily_signal(scored_from([]), SESSIONS.tz_localize("UTC"))


@pytest.mark.parametrize(("rows", "sessions"), [(2, 0), (0, 5)])
def test_nothing_to_work_on_is_refused_with_the_counts(rows, sessions):
    with pytest.raises(NewsError, match=f"no signal from {rows} headlines on {sessions} sessions"):
        daily_signal(scored_from([]).head(rows), SESSIONS[:sessions])
