"""What a backtest says of the texts that its classifier was trained on."""

import pandas as pd
import pytest

from allocation.data.files.wide import read_frame, write_frame
from allocation.frames import check_signal
from backtest.report.training_overlap import training_note

SESSIONS = pd.bdate_range("2021-01-04", periods=10, name="date")


def signal(**attrs):
    frame = pd.DataFrame({"AAA": [0.1] * 10}, SESSIONS)
    frame.attrs.update(attrs)
    return frame


def test_a_signal_that_says_nothing_brings_no_note():
    assert training_note(signal(), SESSIONS) is None
    assert training_note(signal(trained_on="some"), SESSIONS) is None


@pytest.mark.parametrize(
    ("until", "known"), [("2021-01-04", 1), ("2021-01-09", 5), ("2021-01-14", 9), ("2030-01-01", 10)]
)
def test_sessions_that_are_not_after_the_texts_are_counted(until, known):
    """The session of the last text counts: a classifier that read that day's news may know how it ended."""
    note = training_note(signal(trained_until=until, trained_on="wire, tweets"), SESSIONS)
    assert note is not None
    assert f"texts up to {until} (wire, tweets): {known} of 10 sessions of this backtest are not after it" in note
    assert "hindsight" in note


def test_sessions_that_are_all_later_are_said_to_be():
    note = training_note(signal(trained_until="2021-01-03", trained_on="wire"), SESSIONS)
    assert note == "all 10 sessions are after the texts that the classifier was trained on (wire, 2021-01-03)"


@pytest.mark.parametrize("until", ["unknown", "", "<b>soon</b>", "2021-13-45"])
def test_unknown_dates_are_said_to_be_unknown(until):
    note = training_note(signal(trained_until=until, trained_on="wire\nnews"), SESSIONS)
    assert note is not None
    assert "(wire news) are not known: it may have learnt from the 10 sessions" in note
    assert until == "" or until == "unknown" or until not in note


@pytest.mark.parametrize("index", ["dates in the index", "dates in a column", "plain dates"])
def test_parquet_keeps_what_a_signal_says_of_itself(index, tmp_path):
    frame = signal(trained_until="2021-01-05", trained_on="wire")
    if index == "dates in the index":
        write_frame(frame, tmp_path / "signal.parquet")
    elif index == "dates in a column":
        frame.reset_index().to_parquet(tmp_path / "signal.parquet")
    else:
        frame.set_axis(frame.index.date).to_parquet(tmp_path / "signal.parquet")
    read = read_frame(tmp_path / "signal.parquet")
    assert check_signal(read).attrs == read.attrs == {"trained_until": "2021-01-05", "trained_on": "wire"}
    assert read.index.equals(SESSIONS)
