"""What user code was given is never read again as truth."""

import pandas as pd
import pytest
from live_support import SESSIONS, Desk

from allocation.live import Costs, GuardStopError, Limits, Rules, Settings
from allocation.live.ledger.journal import read_decision

DAYS = SESSIONS[10:13]
TARGETS = pd.Series({"AAA": 1.0, "BBB": 0.0, "CCC": 0.0, "DDD": 0.0})


def edits_what_it_was_given(view):
    view.held[:] = TARGETS
    return view.held


def test_a_policy_that_edits_its_view_blinds_no_guard_and_changes_no_record(tmp_path):
    desk = Desk(str(tmp_path / "book.sqlite"))
    desk.step(DAYS[0])
    desk.policy = edits_what_it_was_given
    desk.settings = Settings(Rules(), Limits(weight=1.0), costs=Costs.of(0.001))
    with pytest.raises(GuardStopError, match=r"\[turnover\] 7[45]% of NAV would be traded one way"):
        desk.step(DAYS[1])
    report = desk.step(DAYS[1], limits=Limits(weight=1.0, allowed=frozenset({"turnover"})))
    with desk.opened() as (ledger, _), ledger.transaction() as connection:
        held = read_decision(connection, DAYS[1]).held
    pd.testing.assert_series_equal(held, report.weights, check_names=False, rtol=1e-12)
    assert held.max() < 0.3
