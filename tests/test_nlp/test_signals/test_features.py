"""Features of risk: by hand, causal, and 0 where nothing is due."""

import numpy as np
import pandas as pd
import pytest

from nlp import NewsError, calendar_sessions, find_events
from nlp.signals.features import due_feature, news_features, read_due_events

SESSIONS = calendar_sessions("XNYS", pd.Timestamp("2021-01-04"), pd.Timestamp("2021-06-30"))
ASSETS = ("AAA", "BBB")


def headlines(seed=0, n=600):
    random = np.random.default_rng(seed)
    days = SESSIONS[random.integers(0, len(SESSIONS), n)]
    return pd.DataFrame(
        {
            "published": (days + pd.to_timedelta(random.integers(15 * 60, 19 * 60, n), unit="min")).tz_localize("UTC"),
            "asset": random.choice(["AAA", "BBB", "CCC"], n),
            "score": random.uniform(-1, 1, n),
        }
    )


NEWS = headlines()


def test_the_unusual_count_is_its_formula():
    found = news_features(NEWS, SESSIONS, ASSETS)["unusual count"]
    day = NEWS["published"].dt.tz_convert("America/New_York").dt.tz_localize(None).dt.normalize()
    counts = NEWS.assign(day=day)[NEWS["asset"] == "AAA"].groupby("day").size().reindex(SESSIONS, fill_value=0)
    logs = np.log1p(counts)
    expected = logs - logs.rolling(60, min_periods=20).mean().shift(1)
    np.testing.assert_allclose(found["AAA"].iloc[30:], expected.iloc[30:], atol=1e-12)


def test_positive_news_is_not_negative_and_the_market_is_one_figure():
    good = NEWS.assign(score=NEWS["score"].abs())
    found = news_features(good, SESSIONS, ASSETS)
    assert (found["unusually negative"].dropna() == 0.0).all(axis=None)
    market = found["unusual count, market"]
    assert market["AAA"].equals(market["BBB"].rename("AAA"))


def test_without_scores_there_is_no_tone():
    assert set(news_features(NEWS.drop(columns="score"), SESSIONS, ASSETS)) == {
        "unusual count", "unusual count, market"
    }  # fmt: skip


@pytest.mark.parametrize("end", [40, 77, 100])
def test_no_row_depends_on_later_headlines_to_the_last_bit(end):
    close = (SESSIONS[end - 1] + pd.Timedelta(hours=16)).tz_localize("America/New_York")
    known = NEWS[NEWS["published"] < close]
    later = headlines(9)
    changed = pd.concat([known, later[later["published"] >= close]])
    full, part = (news_features(rows, SESSIONS, ASSETS) for rows in (NEWS, changed))
    for name, frame in full.items():
        assert frame.iloc[:end].to_numpy().tobytes() == part[name].iloc[:end].to_numpy().tobytes()


def test_where_news_has_not_begun_or_has_ended_nothing_is_known():
    middle = NEWS[NEWS["published"].dt.tz_localize(None).between(SESSIONS[30], SESSIONS[80])]
    for frame in news_features(middle, SESSIONS, ASSETS).values():
        assert frame.iloc[:50].isna().all(axis=None)
        assert frame.iloc[90:].isna().all(axis=None)
        assert frame.iloc[60:80].notna().all(axis=None)


def test_headlines_of_other_assets_or_times_are_refused():
    with pytest.raises(NewsError, match="none of 600 headlines is on an asset"):
        news_features(NEWS, SESSIONS, ["XYZ"])


def test_what_is_due_is_known_from_the_close_after_its_announcement_until_the_session_before():
    events = pd.DataFrame(
        {
            "asset": ["AAA", "BBB", "AAA", "CCC"],
            "known": ["2021-02-01 15:00", "2021-02-09", "2021-06-01 12:00", "2021-02-01"],
            "due": ["2021-02-12", "2021-02-10", "2021-07-05", "2021-02-12"],
        }
    )
    found = due_feature(events, SESSIONS, ASSETS, 5)
    days = [f"{day:%m-%d}" for day in found.index[found["AAA"] == 1.0]]
    assert days == [
        "02-05",
        "02-08",
        "02-09",
        "02-10",
        "02-11",
        "06-28",
        "06-29",
        "06-30",
    ]  # weekdays after the last session
    assert found["BBB"].sum() == 0.0  # a date alone is known at the session after, when it is no longer due


def test_an_announcement_that_comes_late_is_not_known_early():
    events = pd.DataFrame({"asset": ["AAA"], "known": ["2021-02-10 22:00"], "due": ["2021-02-12"]})
    found = due_feature(events, SESSIONS, ASSETS, 5)["AAA"]
    assert [f"{day:%m-%d}" for day in found.index[found == 1.0]] == ["02-11"]


def test_a_file_of_events_needs_its_columns_and_times(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text("asset,due\nAAA,2021-02-12\n")
    with pytest.raises(NewsError, match="known"):
        read_due_events(path)
    path.write_text("asset,known,due\nAAA,2021-02-01,\n")
    with pytest.raises(NewsError, match="none of 1 events is due at a date"):
        read_due_events(path)
    for line, message in (
        ("AAA,soon,2021-02-12", "events.csv: row 1: known: 'soon' is no time in UTC"),
        ("AAA,,2021-02-12", "events.csv: row 1: known: nothing is no time in UTC"),
        ("AAA,2021-02-01,03/04/2021", "events.csv: row 1: due: '03/04/2021' is no date: write YYYY-MM-DD"),
        ("AAA,2022-02-12T10:00:00Z,2021-02-12", "row 1: known: '2022-02-12T10:00:00Z' is after the event was due"),
    ):
        path.write_text(f"asset,known,due\n{line}\n")
        with pytest.raises(NewsError, match=message):
            read_due_events(path)


def test_events_that_were_found_in_headlines_are_known_when_these_were_published(tmp_path):
    news = pd.DataFrame(
        {
            "published": pd.to_datetime(["2021-02-08 15:00", "2021-02-08 15:00"], utc=True),
            "asset": ["AAA", "BBB"],
            "text": ["AAA to report quarterly results on Friday", "BBB shares rise"],
            "time_known": [True, True],
        }
    )
    path = tmp_path / "events.parquet"
    find_events(news).to_parquet(path)
    found = due_feature(read_due_events(path), SESSIONS, ASSETS, 5)
    assert [f"{day:%m-%d}" for day in found.index[found["AAA"] == 1.0]] == ["02-08", "02-09", "02-10", "02-11"]
    assert found["BBB"].sum() == 0.0
