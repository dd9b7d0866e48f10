"""kill -9 anywhere while orders go to Alpaca (a server on loopback): nothing is lost, and nothing is bought twice.

Boundaries are those of the ledger and those of the wire: before a request, and after the server has done its work
and before the answer is read.
"""

import os
import signal
import time
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from fake_alpaca import KEYS, Exchange, serving
from live_support import EASY, NIGHT, SESSIONS, Tilted, ended, ensure_account, in_a_child, kill_at, market

from allocation.live import AlpacaBroker, Costs, Inputs, Rules, Settings, open_ledger, rebalance, web

NIGHTS = SESSIONS[10:12]
BARS = market()


@dataclass
class Account:
    """An account at an exchange that fills between two nights, and its ledger; every step is a process of its own."""

    exchange: Exchange
    url: str
    ledger: str

    def step(self, day):
        settings = Settings(Rules(lot=1.0, minimum=1.0, reserve=0.02), EASY, costs=Costs.of(0.0005))
        broker = AlpacaBroker(*KEYS, self.url, timeout=5.0, pause=0.01)
        with open_ledger(self.ledger) as ledger:
            now = day.tz_localize("UTC") + NIGHT
            return rebalance(Tilted(), Inputs(BARS), day, ledger, broker, settings, now=now)

    def evening(self, day):
        self.exchange.prices = BARS.close.loc[day].to_dict()
        self.exchange.now = (day.tz_localize("UTC") + NIGHT).isoformat()

    def night(self, day):
        """A night without trouble."""
        self.evening(day)
        assert ended(in_a_child(lambda: self.step(day))) == 0
        self.exchange.fill()

    def killed_at(self, day, count):
        """Begin a night and be killed at its count-th boundary; return whether there is one."""
        self.evening(day)

        def work():
            passed, ask = kill_at(count), web.send

            def send(*arguments):
                passed()
                answer = ask(*arguments)
                passed()
                return answer

            web.send = send  # the child's own
            self.step(day)

        status = ended(in_a_child(work))
        assert status in (0, -signal.SIGKILL)
        return status != 0

    def ending(self):
        """What must be the same: what is held, and every order once, however often it was sent."""
        facts = ("symbol", "side", "qty", "filled_qty", "status")
        orders = sorted(tuple(order[fact] for fact in facts) for order in self.exchange.orders.values())
        return {"cash": self.exchange.cash, "shares": dict(self.exchange.positions), "orders": orders}

    def holdings(self):
        """Shares by asset as the ledger's last valuation has them."""
        with open_ledger(self.ledger) as ledger, ledger.transaction() as connection:
            rows = connection.exec_driver_sql(
                "SELECT asset, shares FROM holdings WHERE session = (SELECT MAX(session) FROM valuations)"
            )
            return dict(map(tuple, rows))


@pytest.fixture
def open_account(tmp_path):
    """Make accounts, each with its own server; all are served until the test ends."""
    served = []

    def make(name):
        exchange = Exchange(power=1e6)  # a margin account: buys need not wait for sells
        serving_it = serving(exchange)
        served.append(serving_it)
        account = Account(exchange, serving_it.__enter__(), str(tmp_path / f"{name}.sqlite"))
        ensure_account(account.ledger, AlpacaBroker(*KEYS, account.url).account())
        return account

    yield make
    for serving_it in served:
        serving_it.__exit__(None, None, None)


def undisturbed(account):
    for day in NIGHTS:
        account.night(day)
    return account.ending()


def killed_at_boundaries(open_account, place, stride, offset=0):
    """One account per boundary of a night: killed there, then run again, and all the nights that follow."""
    expected, kills, count = undisturbed(open_account("calm1")), 0, 1 + offset
    while True:
        account = open_account(f"b{count}")
        for day in NIGHTS[:place]:
            account.night(day)
        if not account.killed_at(NIGHTS[place], count):
            return kills
        for day in NIGHTS[place:]:
            account.night(day)
        assert account.ending() == expected
        kills, count = kills + 1, count + stride


def killed_at_random(open_account, kills, seed):
    """Kill again and again on the way through the nights, at instants drawn over the length of a step."""
    started = time.monotonic()
    expected = undisturbed(open_account("calm2"))
    length = (time.monotonic() - started) / len(NIGHTS)
    draw, done, made = np.random.default_rng(seed), 0, 0
    while done < kills:
        made += 1
        account = open_account(f"r{made}")
        for day in NIGHTS:
            account.evening(day)
            while done < kills:
                child = in_a_child(lambda account=account, day=day: account.step(day))
                time.sleep(float(draw.uniform(0.0, 1.3 * length)))
                os.kill(child, signal.SIGKILL)
                if ended(child) == 0:
                    break
                done += 1
            account.night(day)
        assert account.ending() == expected
    return done


def test_a_few_boundaries_and_instants(open_account):
    assert killed_at_boundaries(open_account, place=1, stride=120, offset=100) >= 1
    assert killed_at_random(open_account, kills=1, seed=1) == 1


@pytest.mark.slow
@pytest.mark.parametrize("place", [0, 1])
def test_every_boundary(open_account, place, announce):
    kills = killed_at_boundaries(open_account, place, stride=1)
    announce(f"{kills} kills")
    assert kills >= 60


@pytest.mark.slow
def test_random_instants(open_account):
    assert killed_at_random(open_account, kills=60, seed=2) == 60


@pytest.mark.parametrize("count", [90])
def test_a_night_that_was_never_finished_is_followed_by_a_good_one(open_account, count):
    """What was sent is filled, what was not is over; the next night counts the shares and decides anew."""
    account = open_account("b")
    assert account.killed_at(NIGHTS[0], count)
    account.exchange.fill()
    account.night(NIGHTS[1])
    account.night(SESSIONS[12])
    prices = pd.Series(BARS.close.loc[SESSIONS[12]])
    assert account.exchange.cash >= 0.0
    assert all(order["status"] == "filled" for order in account.exchange.orders.values())
    report = account.step(SESSIONS[12])
    weights = pd.Series(account.exchange.positions) * prices
    nav = account.exchange.cash + weights.sum()
    assert (weights / nav - report.targets.reindex(weights.index)).abs().max() < 0.02
    assert account.holdings() == pytest.approx(account.exchange.positions)
