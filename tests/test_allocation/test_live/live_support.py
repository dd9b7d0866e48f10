"""Small markets and one step of a paper portfolio, for tests of allocation.live."""

import os
import signal
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from sqlalchemy import event
from sqlalchemy.engine import Engine

from allocation import Bars, EqualWeight
from allocation.live import (
    AlpacaBroker,
    Costs,
    Inputs,
    Limits,
    PaperBroker,
    Rules,
    Settings,
    open_account,
    open_ledger,
    rebalance,
)
from allocation.live.ledger.events import is_opened

ASSETS = ("AAA", "BBB", "CCC", "DDD")
SESSIONS = pd.bdate_range("2022-09-06", periods=55, name="date")  # without a holiday of XNYS
CASH = 1_000_000.0
NIGHT = pd.Timedelta(hours=22)  # two hours after the close of these sessions, in UTC
WHOLE = Rules(lot=1.0, minimum=1.0, reserve=0.02)
EASY = Limits(weight=1.0, turnover=2.0, coverage=0.0, price_jump=9.0)


def market(seed=1, sessions=SESSIONS, assets=ASSETS):
    """Random-walk closes, and opens near the close before."""
    random = np.random.default_rng(seed)
    closes = 50.0 * np.cumprod(1.0 + 0.01 * random.standard_normal((len(sessions), len(assets))), axis=0)
    before = np.vstack([closes[:1], closes[:-1]])
    opens = before * (1.0 + 0.004 * random.standard_normal(closes.shape))
    return Bars(*(pd.DataFrame(values, sessions, list(assets)) for values in (closes, opens)))


@dataclass
class Tilted:
    """A policy whose targets differ from session to session, sum to less than 1, and at times hold an asset."""

    total: float = 0.98

    def __call__(self, view):
        random = np.random.default_rng(int(view.now.day) * 100 + int(view.now.month))
        weights = pd.Series(random.dirichlet(np.ones(len(view.held))) * self.total, view.held.index)
        if view.now.day % 5 == 0:
            weights.iloc[0] = np.nan
            weights *= (self.total - view.held.iloc[0]) / weights.sum()
        return weights


@dataclass
class Desk:
    """Runs steps of one paper portfolio, each as a fresh process would: everything opened anew."""

    url: str
    bars: Bars = field(default_factory=market)
    policy: object = field(default_factory=EqualWeight)
    settings: Settings = field(default_factory=lambda: Settings(Rules(), EASY))
    inputs: Inputs | None = None

    def __post_init__(self):
        ensure_account(self.url)

    @contextmanager
    def opened(self, **options):
        with open_ledger(self.url, **options) as ledger:
            yield ledger, PaperBroker(ledger, self.settings.costs)

    def step(self, session, *, now=None, dry_run=False, wait=60.0, **changes):
        inputs = self.inputs or Inputs(self.bars)
        settings = replace(self.settings, **changes)
        now = session.tz_localize("UTC") + NIGHT if now is None else now
        with self.opened(dry_run=dry_run, wait=wait) as (ledger, broker):
            return rebalance(self.policy, inputs, session, ledger, broker, settings, now=now)

    def rows(self, table):
        """All rows of a table, as tuples."""
        with open_ledger(self.url) as ledger, ledger.transaction() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {table}")]  # noqa: S608

    def shares(self):
        with self.opened() as (_, broker):
            return broker.account()


def ensure_account(url, at_broker=None):
    """Open an account in a ledger, unless there is one."""
    with open_ledger(url, create=True) as ledger:
        with ledger.transaction() as connection:
            there = is_opened(connection)
        if not there:
            open_account(ledger, CASH, broker="alpaca" if at_broker else "paper", at_broker=at_broker)


def open_account_at_broker(path):
    """Open an account in a new ledger, as the broker of the environment states it."""
    with open_ledger(path, create=True) as ledger:
        open_account(ledger, broker="alpaca", at_broker=AlpacaBroker.from_environment().account())


def alpaca_step(broker, exchange, path, day, policy=None, limits=EASY, now=None, rules=WHOLE):
    """One step at the server of fake_alpaca, in a ledger whose account is opened first."""
    now = day.tz_localize("UTC") + pd.Timedelta(hours=22) if now is None else now
    exchange.now = exchange.now or now.isoformat()
    ensure_account(str(path), broker.account())
    settings = Settings(rules, limits, costs=Costs.of(0.0005))
    with open_ledger(str(path)) as ledger:
        report = rebalance(policy or Tilted(), Inputs(market()), day, ledger, broker, settings, now=now)
    exchange.now = None
    return report


def in_a_child(work):
    """Run `work` in a forked process of its own; return its exit status, negative if it was killed."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001 - a forked child must never go on as a second pytest
            os._exit(1)
        os._exit(0)
    return child


def ended(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_at(count):
    """Kill this process at the count-th moment: before a statement, before a commit, or when called.

    What comes after a statement or a commit is the moment before the next: these are all the states there are.
    """
    seen = [0]

    def passed(*_):
        seen[0] += 1
        if seen[0] == count:
            os.kill(os.getpid(), signal.SIGKILL)

    for moment in ("before_cursor_execute", "commit"):
        event.listen(Engine, moment, passed)
    return passed
