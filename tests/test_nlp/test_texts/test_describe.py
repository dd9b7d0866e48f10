"""The description of a file of news, against counts by hand."""

import json

import pandas as pd
import pytest

from nlp.errors import NewsError
from nlp.texts.describe import describe_news


def news(times):
    published = pd.to_datetime(times).tz_localize("America/New_York").tz_convert("UTC")
    return pd.DataFrame({"created_at": published, "ticker": "A", "text": [f"t{n}" for n in range(len(times))]})


def test_hours_are_those_of_the_exchange_in_summer_and_winter():
    found = describe_news(news(["2023-01-05 15:30", "2023-07-05 15:59", "2023-07-06 16:30", "2023-07-08 15:30"]))
    assert [found.hours[hour] for hour in (14, 15, 16)] == [0, 3, 1]
    assert sum(found.hours) == 4
    assert (found.before_close, found.after_close) == (0.5, 0.25)  # 2023-07-08 is a Saturday
    assert found.zone == "America/New_York"


def test_it_prints_itself_and_is_plain_in_json():
    found = describe_news(news(["2023-01-05 15:30", "2023-01-05 15:45", "2023-01-05 03:10"]))
    text = str(found)
    assert "3 of 3 rows kept, 1 assets, 2023-01-05 to 2023-01-05" in text
    assert "15          2  ########" in text
    assert "in the hour before a close 66.7%" in text
    assert json.loads(json.dumps(found.to_dict()))["hours"][3] == 1


def test_dates_have_no_hours():
    found = describe_news(pd.DataFrame({"date": ["2023-01-05"] * 2, "ticker": "A", "text": ["a", "b\nc"]}))
    assert sum(found.hours) == 0
    assert found.report.date_only == 2
    assert found.report.multiline == 1
    assert "no row has a time of day" in str(found)


def test_an_unknown_calendar_is_named():
    with pytest.raises(NewsError, match="calendar 'MARS' is not known"):
        describe_news(news(["2023-01-05 15:30"]), calendar="MARS")
