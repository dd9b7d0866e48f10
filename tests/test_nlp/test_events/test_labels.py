"""The rules beside headlines labelled one by one; the labels are here, the texts are not part of the project.

labels.csv: file and row of the headline, the first digits of the SHA-256 of its text, part (1 to 7: when it was drawn),
random (drawn from all headlines rather than from those in which a rule found something), kinds, and the session of
what is due. A headline shows a kind where it is about it, in the future, present or past; a due session is that of
`due_session`.
"""

import hashlib
from pathlib import Path

import pandas as pd
import pytest

from nlp.events.find import find_events
from nlp.events.rules import EVENT_KINDS

LABELS = Path(__file__).with_name("labels.csv")
PUBLISHED = ("published", "created_at", "date")
ASSETS = ("asset", "ticker")


def labelled(folder):
    """The labels with the texts and times of the headlines."""
    labels = pd.read_csv(LABELS, keep_default_na=False, parse_dates=["due"], dtype={"digest": str})
    parts = []
    for file, rows in labels.groupby("file"):
        news = pd.read_parquet(folder / f"{file}.parquet").iloc[rows["row"]]
        time = next(news[name] for name in PUBLISHED if name in news)
        known = news["time_known"].to_numpy() if "time_known" in news else time.dt.tz is not None
        published = time if time.dt.tz is not None else time.dt.tz_localize("UTC")
        asset = next((news[name].to_numpy() for name in ASSETS if name in news), "market")
        columns = {"published": published.to_numpy(), "asset": asset, "text": news["text"].to_numpy()}
        parts.append(rows.assign(**columns, time_known=known))
    joined = pd.concat(parts, ignore_index=True)
    joined["published"] = pd.to_datetime(joined["published"], utc=True)
    digests = [hashlib.sha256(text.encode()).hexdigest()[:8] for text in joined["text"]]
    assert (joined["digest"] == digests).all(), "these are not the files that were labelled"
    return joined


@pytest.fixture(scope="module")
def judged(real_data):
    """The labelled headlines, and what the rules find in them."""
    rows = labelled(real_data)
    return rows, find_events(rows)


def test_there_are_labels_of_every_kind():
    labels = pd.read_csv(LABELS, keep_default_na=False)
    kinds = labels["kinds"].str.split().explode().value_counts()
    assert len(labels) > 1_500
    assert set(kinds.drop(labels="", errors="ignore").index) == set(EVENT_KINDS)
    assert kinds[list(EVENT_KINDS)].min() >= 50
    assert not labels.duplicated(["file", "row"]).any()


@pytest.mark.parametrize("kind", EVENT_KINDS)
def test_nine_of_ten_events_are_what_the_rule_says(judged, kind):
    rows, found = judged
    right = [kind in rows["kinds"][row].split() for row in found.index[found["event"] == kind]]
    assert len(right) >= 50
    assert sum(right) / len(right) >= (0.95 if kind == "results-to-come" else 0.90)


def test_nine_of_ten_due_sessions_are_right(judged):
    rows, found = judged
    due = found.groupby(level=0)["due"].min().dropna()
    assert len(due) > 150
    assert (due == rows["due"].reindex(due.index)).mean() >= 0.90


def test_three_quarters_of_what_random_headlines_report_is_found(judged):
    rows, found = judged
    shown = {(row, kind) for row in rows.index[rows["random"]] for kind in rows["kinds"][row].split()}
    assert len(shown) > 80
    assert len(shown & set(zip(found.index, found["event"], strict=True))) / len(shown) >= 0.75
