"""kill -9 anywhere, then run again: what is there in the end is what an undisturbed run leaves."""

import os
import signal
import time

import numpy as np
import pandas as pd
import pytest
from live_support import SESSIONS, Desk, Tilted, ended, in_a_child, kill_at

DAYS = SESSIONS[10:13]
RECORD = ("decisions", "targets", "baskets", "orders", "order_events", "fills")


def undisturbed(desk):
    for day in DAYS:
        desk.step(day)
    return ending(desk)


def ending(desk):
    """What must be the same: the account, and what was decided, ordered and filled, without times and names."""
    account = desk.shares()
    orders = sorted((str(day), place, asset, shares) for _, day, place, asset, shares, _ in desk.rows("orders"))
    fills = sorted((shares, price, cost) for _, _, _, shares, price, cost in desk.rows("fills"))
    targets = sorted(tuple(map(str, row)) for row in desk.rows("targets"))
    return {"cash": account.cash, "shares": dict(account.shares), "orders": orders, "fills": fills, "targets": targets}


def finish(desk):
    """As a scheduler that tries again: the session of the last run once more, and those after it."""
    begun = max((str(row[1]) for row in desk.rows("runs")), default="")
    for day in DAYS:
        if f"{day:%Y-%m-%d}" >= begun:
            desk.step(day)
    return ending(desk)


def killed_at_boundaries(make, stride, offset=0):
    """Kill one process per `stride` boundaries over a run of three sessions; each ledger is finished and compared."""
    desk = make("calm1")
    expected, kills, count = undisturbed(desk), 0, 1 + offset
    while True:
        desk = make(f"b{count}")

        def work(desk=desk, count=count):
            kill_at(count)
            for day in DAYS:
                desk.step(day)

        status = ended(in_a_child(work))
        if status == 0:
            return kills
        assert status == -signal.SIGKILL
        kills += 1
        assert finish(desk) == expected
        count += stride


def killed_at_random(make, kills, seed):
    """Kill again and again on the way to one end, at instants drawn over the length of a step."""
    desk = make("calm2")
    started = time.monotonic()
    expected = undisturbed(desk)
    length = (time.monotonic() - started) / len(DAYS)
    draw, done, ledger = np.random.default_rng(seed), 0, 0
    while done < kills:
        ledger += 1
        desk = make(f"r{ledger}")
        for day in DAYS:
            while True:
                child = in_a_child(lambda desk=desk, day=day: desk.step(day))
                time.sleep(float(draw.uniform(0.0, 1.3 * length)))
                if done < kills:  # after the last kill every day is seen to its end
                    os.kill(child, signal.SIGKILL)
                status = ended(child)
                assert status in (0, -signal.SIGKILL)
                if status == 0:
                    break
                done += 1
        assert finish(desk) == expected
    return done


@pytest.fixture
def files(tmp_path):
    return lambda name: Desk(str(tmp_path / f"{name}.sqlite"), policy=Tilted())


@pytest.fixture
def databases(postgres):
    stamp = f"k{os.getpid()}x{time.monotonic_ns()}"
    return lambda name: Desk(postgres(f"{stamp}{name}"), policy=Tilted())


def test_a_few_boundaries_and_instants(files):
    assert killed_at_boundaries(files, stride=149) > 1
    assert killed_at_random(files, kills=2, seed=1) == 2


@pytest.mark.slow
def test_every_boundary_on_sqlite(files, announce):
    kills = killed_at_boundaries(files, stride=1)
    announce(f"{kills} kills")
    assert kills >= 300


@pytest.mark.slow
def test_random_instants_on_sqlite(files, tmp_path):
    assert killed_at_random(files, kills=60, seed=2) == 60
    assert not [path for path in tmp_path.iterdir() if path.suffix not in (".sqlite", ".lock", ".sqlite-journal")]


@pytest.mark.slow
def test_boundaries_and_instants_on_postgresql(databases, announce):
    kills = killed_at_boundaries(databases, stride=6)
    announce(f"{kills} kills")
    assert kills >= 40
    assert killed_at_random(databases, kills=20, seed=3) == 20


@pytest.mark.parametrize("runs", [2])
def test_schedulers_at_once_make_one_decision(url, runs):
    desk = Desk(url, policy=Tilted())
    for day in DAYS[:2]:
        children = [in_a_child(lambda day=day: desk.step(day)) for _ in range(runs)]
        assert [ended(child) for child in children] == [0] * runs
    assert len(desk.rows("decisions")) == 2
    names = [row[0] for row in desk.rows("orders")]
    assert len(names) == len(set(names)) >= 3
    assert [row[4] for row in desk.rows("runs")] == ["done"] * 2 * runs


def test_without_the_lock_the_database_itself_refuses_a_second_decision(url, monkeypatch):
    """The lock is a courtesy: the key of the decision is what cannot be there twice."""
    from allocation.live import LedgerError
    from allocation.live.ledger import journal

    desk = Desk(url)
    desk.step(DAYS[0])
    with desk.opened() as (ledger, _):
        with ledger.transaction() as connection:
            made = journal.read_decision(connection, DAYS[0])
        with pytest.raises(LedgerError, match=r"(?i)unique|duplicate"), ledger.transaction() as connection:
            journal.write_decision(connection, made, 1)


def test_a_ledger_made_of_random_steps_adds_up(url):
    """Cash and shares follow from the fills alone."""
    desk = Desk(url, policy=Tilted())
    undisturbed(desk)
    fills = pd.DataFrame(desk.rows("fills"), columns=["client", "number", "at", "shares", "price", "cost"])
    assert desk.shares().cash == pytest.approx(1e6 - (fills["shares"] * fills["price"] + fills["cost"]).sum(), abs=1e-6)
    assert np.allclose(fills["cost"], 0.001 * (fills["shares"] * fills["price"]).abs())
