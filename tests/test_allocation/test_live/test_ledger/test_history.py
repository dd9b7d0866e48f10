"""The record as tables: what was decided, ordered and filled adds up to what is held, and no cell is a formula."""

import pandas as pd
import pytest
from live_support import CASH, SESSIONS, Desk

from allocation import AllocationError
from allocation.live import open_ledger
from allocation.live.ledger.history import QUERIES, history, safe_cells

DAYS = SESSIONS[10:13]


def test_the_record_adds_up_to_what_is_held(tmp_path):
    desk = Desk(str(tmp_path / "book.sqlite"))
    reports = [desk.step(day) for day in DAYS]
    with open_ledger(desk.url) as ledger:
        found = {what: history(ledger, what) for what in QUERIES}
        with pytest.raises(AllocationError, match="there is no history of 'news': use nav, decisions, orders"):
            history(ledger, "news")
    assert found["nav"]["nav"].tolist() == [report.nav for report in reports]
    assert found["events"][["kind", "cash"]].to_numpy().tolist() == [["open", CASH]]
    fills = found["fills"]
    assert fills.groupby("asset")["shares"].sum().to_dict() == pytest.approx(dict(desk.shares().shares))
    assert len(found["decisions"]) == 12
    assert set(fills["client_id"]) == set(found["orders"]["client_id"])


def test_no_cell_is_a_formula():
    table = pd.DataFrame({"asset": ["=1+1", "@x", "AAA"], "shares": [-1.0, 2.0, 3.0]})
    assert safe_cells(table)["asset"].tolist() == ["'=1+1", "'@x", "AAA"]
    assert safe_cells(table)["shares"].tolist() == [-1.0, 2.0, 3.0]
