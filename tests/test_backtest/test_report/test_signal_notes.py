"""What a backtest says of its signal: what it covers, and the texts that its classifier was trained on."""

import re

import pandas as pd
import pytest

from allocation.data.files.wide import read_frame, write_frame
from allocation.errors import FrameError
from allocation.frames import check_signal
from backtest.report.signal_notes import Coverage, coverage_of, matched_signal, training_note
from backtest.result.result import Result

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


# Coverage, and signals that do not meet the prices


def result(traded="ABCD", n_sessions=10):
    sessions = SESSIONS[:n_sessions]
    nav = pd.Series(1e6, sessions, name="nav")
    weights = pd.DataFrame(0.0, sessions, [*"ABCD"])
    trades = pd.DataFrame({"session": sessions[0], "asset": [*traded], "shares": 1.0, "price": 1.0, "cost": 0.0})
    return Result("mine", nav, weights, trades, weights.iloc[:1])


def grid(known):
    """A signal of 0.5 on these (row, asset) of ten sessions and four assets."""
    frame = pd.DataFrame(float("nan"), SESSIONS, [*"ABCD"])
    for row, asset in known:
        frame.loc[SESSIONS[row], asset] = 0.5
    return frame


def test_coverage_is_of_what_was_traded_and_when():
    signal = grid([(row, "A") for row in range(10)] + [(0, "C"), (9, "D")])
    found = coverage_of(signal, result("ABC", n_sessions=8))
    assert found == Coverage(share=9 / 24, assets=3, silent=("B",), sessions=8, speaking=8)
    assert str(found) == (
        "37.5% of 8 sessions × 3 traded assets have a signal; 2 of 3 assets and 8 of 8 sessions have any"
    )
    assert coverage_of(signal, result("")).assets == 4  # nothing was traded: all that could be


def test_a_signal_of_few_assets_or_sessions_is_warned_of_and_a_full_one_is_not():
    (few,) = coverage_of(grid([(row, "A") for row in range(10)]), result()).warnings
    assert few == "The signal covers 1 of 4 traded assets: B, C, D are traded without news."
    (short,) = coverage_of(grid([(0, asset) for asset in "ABCD"]), result()).warnings
    assert short.startswith("The signal has values in 1 of 10 sessions")
    assert not coverage_of(grid([(row, asset) for row in range(5, 10) for asset in "AB"]), result()).warnings


PRICES = pd.DataFrame(10.0, SESSIONS, [*"ABCD"])


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (grid([]), "signal has no value: all of its 40 cells are empty"),
        (grid([(0, "A")]).set_axis([*"WXYZ"], axis=1), "no asset in common: the signal has W, X, Y, Z, the prices"),
        (
            grid([(0, "A")]).set_axis(SESSIONS + pd.Timedelta(days=700)),
            "has values from 2022-12-05 to 2022-12-05, prices",
        ),
        (grid([(0, "A")]).set_axis([*"AXYZ"], axis=1).assign(A=float("nan"), X=1.0), "no value on the assets of"),
        (grid([(2, "A")]), "has no value from 2021-01-08, the first decision, to 2021-01-15"),
    ],
)
def test_a_signal_that_no_decision_can_see_is_refused(frame, message):
    with pytest.raises(FrameError, match=re.escape(message)):
        matched_signal(frame, PRICES, SESSIONS[4])


def test_rows_outside_the_prices_are_left_out_and_counted_once():
    long = grid([(4, "A"), (9, "B")])
    long.attrs["trained_on"] = "wire"
    found, notes = matched_signal(long, PRICES.iloc[:7], SESSIONS[4])
    pd.testing.assert_frame_equal(found, long.iloc[:7])
    assert found.attrs == {"trained_on": "wire"}
    assert notes == [
        "3 of 10 rows of the signal lie outside the prices, from 2021-01-04 to 2021-01-12, and are not used"
    ]
    assert matched_signal(long, PRICES, SESSIONS[4])[1] == []


def test_a_source_that_was_not_recorded_is_said_to_be_so():
    note = training_note(signal(trained_until="unknown", trained_on="unknown"), SESSIONS)
    assert note is not None
    assert "(texts whose source was not recorded) are not known" in note
    assert "unknown" not in note
