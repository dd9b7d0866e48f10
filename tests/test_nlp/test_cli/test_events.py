"""`newsfolio events` reads news as `score` does, writes one row per event and counts them."""

import json

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from nlp.cli.events import events
from nlp.errors import NewsError
from nlp.events.find import find_events
from nlp.texts.headlines import read_headlines

ROWS = [
    ("2014-10-14T14:00:00Z", "ACME", "Acme to report third-quarter results on Thursday"),
    ("2014-10-16T20:30:00Z", "ACME", "Acme profit rises, raises dividend"),
    ("2015-01-05T12:00:00Z", "ACME", "Acme plants trees"),
    ("2015-01-05T12:00:00Z", "ACME", "Acme plants trees"),  # a repeat
    ("2015-01-06T12:00:00Z", "WID", ""),
]


@pytest.fixture
def news(tmp_path):
    pd.DataFrame(ROWS, columns=["created_at", "ticker", "title"]).to_csv(tmp_path / "news.csv", index=False)
    return tmp_path


def ran(folder, *options, out="events.parquet"):
    app = typer.Typer()
    app.command()(events)
    result = CliRunner().invoke(app, [str(folder / "news.csv"), "--out", str(folder / out), *options])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


def test_events_are_those_of_find_events(news):
    text = ran(news)
    expected = find_events(read_headlines(news / "news.csv")).reset_index()
    pd.testing.assert_frame_equal(pd.read_parquet(news / "events.parquet"), expected, check_dtype=False)
    assert "3 of 5 rows kept" in text
    assert "2 of 3 headlines report an event, 1 none that a rule knows; 3 events written to" in text
    assert ["dividend", "1", "0", "1"] in [line.split() for line in text.splitlines()]
    assert ["results-to-come", "1", "1", "1"] in [line.split() for line in text.splitlines()]


def test_figures_as_json(news):
    figures = json.loads(ran(news, "--json", "--columns", "published=created_at,asset=ticker,text=title"))
    assert figures["headlines"] == 3
    assert figures["without_event"] == 1
    assert figures["kinds"]["results"] == {"events": 1, "due": 0, "years": {"2014": 1}}
    assert figures["kinds"]["merger"]["events"] == 0


@pytest.mark.parametrize("out", ["events.csv", "events.jsonl"])
def test_events_are_written_by_file_ending(news, out):
    ran(news, out=out)
    assert "2014-10-16" in (news / out).read_text()


def test_news_without_any_event_makes_an_empty_table(news):
    pd.DataFrame(ROWS[2:3], columns=["published", "asset", "text"]).to_csv(news / "news.csv", index=False)
    assert "0 of 1 headlines report an event" in ran(news)
    assert len(pd.read_parquet(news / "events.parquet")) == 0


def test_bad_input_is_one_line_and_writes_nothing(news):
    with pytest.raises(NewsError, match="calendar 'XXXX' is not known"):
        ran(news, "--calendar", "XXXX")
    pd.DataFrame([("32 October", "A", "x")], columns=["date", "ticker", "title"]).to_csv(news / "news.csv", index=False)
    with pytest.raises(NewsError, match="row 1: published '32 October' is not a time"):
        ran(news)
    pd.DataFrame([("", "A", "x")], columns=["date", "ticker", "title"]).to_csv(news / "news.csv", index=False)
    with pytest.raises(NewsError, match="row 1: published"):
        ran(news)
    assert not (news / "events.parquet").exists()
