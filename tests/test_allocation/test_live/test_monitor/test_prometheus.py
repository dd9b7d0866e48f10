"""Figures for a monitor: in Prometheus' text format, and a failure leaves the other figures as they were."""

import os
import re

import pandas as pd
import pytest
from live_support import SESSIONS, Desk, ensure_account

from allocation.live import open_ledger, write_metrics
from allocation.live.monitor.prometheus import HELP, write_failure

DAY = SESSIONS[10]


def figures(path):
    lines = [line.split() for line in path.read_text().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


@pytest.fixture
def desk(tmp_path):
    return Desk(str(tmp_path / "book.sqlite"))


def written(desk, tmp_path):
    with open_ledger(desk.url) as ledger:
        return write_metrics(ledger, tmp_path / "m.prom")


def test_after_a_night_every_figure_is_there_and_explained(desk, tmp_path):
    desk.step(DAY)
    path = written(desk, tmp_path)
    found = figures(path)
    assert set(found) == set(HELP)
    assert (found["newsfolio_nav"], found["newsfolio_last_run_success"]) == (1e6, 1.0)
    assert found["newsfolio_last_decision_timestamp_seconds"] == pd.Timestamp("2022-09-20 22:00Z").timestamp()
    lines = path.read_text().splitlines()
    assert all(re.fullmatch(r"# (HELP|TYPE) newsfolio_\w+ .+|newsfolio_\w+ [0-9.e+-]+", line) for line in lines)
    assert sum(line.startswith("# HELP") for line in lines) == sum(line.endswith(" gauge") for line in lines)


def test_what_is_not_known_yet_is_left_out(tmp_path):
    url = str(tmp_path / "new.sqlite")
    ensure_account(url)
    with open_ledger(url) as ledger:
        path = write_metrics(ledger, tmp_path / "m.prom")
    assert figures(path) == {"newsfolio_orders_unended": 0.0}


def test_a_failure_keeps_the_other_figures(desk, tmp_path):
    desk.step(DAY)
    path = written(desk, tmp_path)
    before = figures(path)
    write_failure(path, pd.Timestamp("2022-09-22T21:00Z"))
    failed = {"newsfolio_last_run_success": 0.0, "newsfolio_last_run_timestamp_seconds": 1663880400.0}
    assert figures(path) == before | failed
    assert set(figures(write_failure(tmp_path / "new.prom", pd.Timestamp("2022-09-22T21:00Z")))) == set(failed)


def test_the_file_keeps_the_umask_and_leaves_nothing_beside(desk, tmp_path):
    desk.step(DAY)
    before = os.umask(0o077)
    try:
        path = written(desk, tmp_path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert not [each for each in tmp_path.iterdir() if "unfinished" in each.name]
