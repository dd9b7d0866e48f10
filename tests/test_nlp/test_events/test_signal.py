"""Frames of events: counts of each session, and what is known at its close to fall due in the next ones."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp.errors import NewsError
from nlp.events.rules import EVENT_KINDS
from nlp.events.signal import event_signal
from nlp.signals.sessions import calendar_sessions

SESSIONS = calendar_sessions("XNYS", pd.Timestamp("2014-10-13"), pd.Timestamp("2014-10-31"))
BEFORE = calendar_sessions("XNYS", pd.Timestamp("2014-10-06"), pd.Timestamp("2014-11-07"))


def frame(rows):
    known, due = (pd.DatetimeIndex([row[place] for row in rows]) for place in (2, 3))
    return pd.DataFrame(
        {"asset": [row[0] for row in rows], "event": [row[1] for row in rows], "known": known, "due": due}
    )


def day(number):
    return pd.Timestamp(2014, 10, number)


def test_a_report_is_due_in_each_of_the_sessions_before_it_from_the_one_that_knows_it():
    events = frame([("A", "results-to-come", day(15), day(24)), ("B", "results", day(16), pd.NaT)])
    signal = event_signal(events, SESSIONS)
    assert signal.due["A"][signal.due["A"] > 0].index.day.tolist() == [17, 20, 21, 22, 23]
    assert signal.sessions_until["A"].dropna().tolist() == [5, 4, 3, 2, 1]
    assert signal.counts["results"].loc[day(16), "B"] == 1
    assert signal.counts["results-to-come"].loc[day(15), "A"] == 1
    assert sum(frame.to_numpy().sum() for frame in signal.counts.values()) == 2
    assert set(signal.counts) == set(EVENT_KINDS)


def test_what_is_known_late_is_due_late_and_what_is_due_at_once_is_not_ahead():
    events = frame([("A", "results-to-come", day(23), day(24)), ("A", "results-to-come", day(28), day(28))])
    signal = event_signal(events, SESSIONS)
    assert signal.due["A"][signal.due["A"] > 0].index.day.tolist() == [23]


def test_what_was_known_before_the_first_session_still_falls_due(caplog):
    events = frame([("A", "results-to-come", pd.Timestamp("2014-10-08"), day(15))])
    signal = event_signal(events, SESSIONS)
    assert signal.due["A"][signal.due["A"] > 0].index.day.tolist() == [13, 14]
    assert "1 of 1 events are known outside the sessions" in caplog.text


def test_the_nearest_of_several_counts_and_other_kinds_only_where_asked():
    events = frame([("A", "results-to-come", day(13), day(20)), ("A", "dividend", day(13), day(16))])
    assert event_signal(events, SESSIONS).sessions_until.loc[day(15), "A"] == 3
    both = event_signal(events, SESSIONS, due_kinds=("results-to-come", "dividend"))
    assert both.sessions_until.loc[day(15), "A"] == 1
    assert both.due.loc[day(15), "A"] == 2
    assert event_signal(events, SESSIONS, horizon=1).due["A"].sum() == 1


EVENT = st.tuples(
    st.sampled_from("ABC"),
    st.sampled_from(EVENT_KINDS),
    st.integers(0, len(BEFORE) - 1),
    st.one_of(st.none(), st.integers(0, 8)),
)


@given(rows=st.lists(EVENT, min_size=1, max_size=30), cut=st.integers(0, len(SESSIONS) - 1))
def test_what_is_known_after_a_close_changes_no_row_up_to_it_to_the_last_bit(rows, cut):
    dated = [
        (asset, kind, BEFORE[known], pd.NaT if ahead is None else BEFORE[min(known + ahead, len(BEFORE) - 1)])
        for asset, kind, known, ahead in rows
    ]
    every = [("A", "macro", BEFORE[0], pd.NaT), ("B", "macro", BEFORE[0], pd.NaT), ("C", "macro", BEFORE[0], pd.NaT)]
    now = SESSIONS[cut]
    whole = event_signal(frame(every + dated), SESSIONS)
    past = event_signal(frame(every + [row for row in dated if row[2] <= now]), SESSIONS)
    for one, other in [*zip(whole.counts.values(), past.counts.values(), strict=True), (whole.due, past.due)]:
        pd.testing.assert_frame_equal(one[:now], other[:now], check_exact=True)
    pd.testing.assert_frame_equal(whole.sessions_until[:now], past.sessions_until[:now], check_exact=True)


@given(rows=st.permutations([("A", "results", 1, 3), ("B", "results-to-come", 6, 2), ("B", "legal", 6, None)] * 2))
def test_the_order_of_the_rows_is_of_no_account(rows):
    def made(ordered):
        return event_signal(
            frame([(a, k, BEFORE[i], pd.NaT if n is None else BEFORE[i + n]) for a, k, i, n in ordered]), SESSIONS
        )

    one, other = made(rows), made(sorted(rows, key=str))
    pd.testing.assert_frame_equal(one.due, other.due)
    assert all(one.counts[kind].equals(other.counts[kind]) for kind in EVENT_KINDS)
    assert np.isfinite(one.due.to_numpy()).all()


def test_wrong_input_is_refused_in_one_line():
    events = frame([("A", "results", day(15), pd.NaT)])
    with pytest.raises(NewsError, match="'earnings' is no kind of event: use results, "):
        event_signal(events.assign(event="earnings"), SESSIONS)
    with pytest.raises(NewsError, match="horizon is 0"):
        event_signal(events, SESSIONS, horizon=0)
    with pytest.raises(NewsError, match="unsorted or repeated"):
        event_signal(events, SESSIONS[::-1])
    with pytest.raises(NewsError, match="has no column due"):
        event_signal(events.drop(columns="due"), SESSIONS)
