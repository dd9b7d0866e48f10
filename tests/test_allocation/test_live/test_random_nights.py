"""Random nights: after each the ledger's holdings are the account's and the sum of its events, and no money is lost.

Two machines, on paper and at the server of fake_alpaca. Each night prices move, and before or during it anything may
happen: splits, new tickers, corrections, deposits and withdrawals, orders refused or filled in part, nights missed,
processes killed, two runs at once. An operator allows what a guard stops, where the guard had a reason to.
"""

import signal
import tempfile
from dataclasses import replace
from functools import wraps
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from fake_alpaca import KEYS, Exchange, serving
from hypothesis import HealthCheck, assume, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from live_support import CASH, EASY, NIGHT, SESSIONS, WHOLE, Desk, Tilted, ended, in_a_child, kill_at, market

from allocation import Bars
from allocation.live import (
    AlpacaBroker,
    Costs,
    GuardStopError,
    Inputs,
    Rules,
    Settings,
    close_position,
    deposit,
    open_account,
    open_ledger,
    rebalance,
    rename_asset,
    withdraw,
)
from allocation.live.ledger.events import event_holdings

CLOSE_TO = {"rel": 1e-10, "abs": 1e-10}
HELD = st.integers(0, 3)
COUNTS = dict.fromkeys(("nights", "kills", "twice", "missed", "stops", "deposits", "splits", "stated"), 0)


def between(**given):
    """A rule: what happens between two nights. At most two things do, so that most of what happens is nights."""

    def ruled(function):
        @wraps(function)
        def counted(self, **drawn):
            self.happened += 1
            return function(self, **drawn)

        return precondition(lambda self: self.happened < 2)(rule(**given)(counted))

    return ruled


class Nights(RuleBasedStateMachine):
    """What both machines share: the market, and the operator."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="nights-")
        self.ledger = str(Path(self.folder.name) / "book.sqlite")
        self.bars = market()
        self.place = 9
        self.reasons = set()
        self.names = self.happened = 0

    def teardown(self):
        self.folder.cleanup()

    @property
    def day(self):
        return SESSIONS[self.place]

    @property
    def closes(self):
        return self.bars.close.loc[self.day]

    @property
    def assets(self):
        return list(self.bars.close.columns)

    def rewritten(self, change):
        """The vendor's prices after a change to closes and opens alike."""
        self.bars = Bars(change(self.bars.close.copy()), change(self.bars.open.copy()))

    def act(self, does, *arguments):
        """What an operator does by hand, the hour after the night."""
        now = self.day.tz_localize("UTC") + NIGHT + pd.Timedelta(hours=1)
        with open_ledger(self.ledger) as ledger, pytest.MonkeyPatch.context() as patch:
            patch.setattr("allocation.live.brokers.account.utc_now", lambda: now)
            return does(ledger, *arguments)

    def moved(self, seed):
        """The next session's prices: within some percent of the last."""
        assume(self.place + 2 < len(SESSIONS))
        self.place += 1
        random = np.random.default_rng(seed)
        last = self.bars.close.ffill().iloc[self.place - 1]
        opens = last * np.exp(0.02 * random.standard_normal(len(last)))
        closes = opens * np.exp(0.03 * random.standard_normal(len(last)))
        for frame, row in ((self.bars.open, opens), (self.bars.close, closes)):
            frame.loc[self.day] = row
            frame.loc[frame.index > self.day] = np.nan

    def allowed_step(self):
        """One step; a guard that stops it must have had a reason, and is allowed."""
        allowed = frozenset()
        while True:
            try:
                return self.step(allowed)
            except GuardStopError as error:
                stop = error
            COUNTS["stops"] += 1
            assert set(stop.guards) <= self.reasons, str(stop)
            assert not set(stop.guards) <= allowed
            allowed |= set(stop.guards)

    def new_name(self):
        self.names += 1
        return f"NEW{self.names}"

    @rule(seed=st.integers(0, 10**6), kill=st.none() | st.integers(1, 160), twice=st.booleans(), again=st.booleans())
    def night(self, seed, kill, twice, again):
        self.moved(seed)
        self.opened()
        if kill is not None:
            COUNTS["kills"] += ended(in_a_child(lambda: self.killed_step(kill))) == -signal.SIGKILL
        if twice:
            COUNTS["twice"] += 1
            children = [in_a_child(lambda: self.allowed_step()) for _ in range(2)]
            assert [ended(child) for child in children] == [0, 0]
        report = self.allowed_step()
        if again:
            repeated = self.allowed_step()
            assert repeated.decided == "before"
            assert repeated.nav == pytest.approx(report.nav, **CLOSE_TO)
        self.reasons.clear()
        self.happened = 0
        COUNTS["nights"] += 1
        self.check(report)

    @rule(seed=st.integers(0, 10**6), kill=st.none() | st.integers(1, 160))
    def missed_night(self, seed, kill):
        """No run, or one that was killed and never repeated."""
        self.moved(seed)
        self.opened()
        if kill is not None:
            COUNTS["kills"] += ended(in_a_child(lambda: self.killed_step(kill))) == -signal.SIGKILL
        COUNTS["missed"] += 1

    def killed_step(self, count):
        kill_at(count)
        self.allowed_step()

    def holdings(self):
        """Cash and shares as the ledger's events have them."""
        with open_ledger(self.ledger) as ledger, ledger.transaction() as connection:
            cash, shares = event_holdings(connection)
        return cash, shares[shares.abs() > 1e-9].to_dict()

    def agree(self, cash, shares, report):
        """The account, its events and the report are of one mind; worth is counted here by a plain sum."""
        known, held = self.holdings()
        worth = cash + sum(count * self.closes.get(asset) for asset, count in shares.items())
        assert held == pytest.approx(shares, rel=1e-10, abs=1e-9)
        assert known == pytest.approx(cash, rel=1e-10, abs=1e-10 * worth)
        assert report.nav == pytest.approx(worth, rel=1e-10)
        with open_ledger(self.ledger) as ledger, ledger.transaction() as connection:
            ask = connection.exec_driver_sql
            sessions = [row[0] for row in ask("SELECT session FROM decisions")]
            orders = [tuple(row) for row in ask("SELECT session, asset, shares FROM orders")]
        assert len(sessions) == len(set(sessions))
        return orders


class PaperNights(Nights):
    """On paper, at a cost. `cash` and `shares`: a second book, of what the test did and of fills alone."""

    def __init__(self):
        super().__init__()
        with open_ledger(self.ledger, create=True) as ledger:
            open_account(ledger, CASH)
        self.cash, self.shares, self.fills, self.splits = CASH, {}, 0, []
        self.desk = Desk(self.ledger, policy=Tilted(), settings=Settings(Rules(), EASY, costs=Costs.of(0.001)))

    @initialize(seed=st.integers(0, 10**6))
    def first(self, seed):
        self.night(seed, None, False, False)

    def opened(self):
        """Nothing happens at a broker on paper."""

    def step(self, allowed):
        """Where a correction may hide a split, the operator states all splits since the account was counted last."""
        self.desk.bars = Bars(self.bars.close.loc[: self.day], self.bars.open.loc[: self.day])
        limits = replace(EASY, priced=0.5, allowed=allowed)
        try:
            return self.desk.step(self.day, limits=limits)
        except GuardStopError as stop:
            if "--split" not in str(stop):
                raise
        COUNTS["stated"] += 1
        assert "revised-prices" in self.reasons
        with self.desk.opened() as (_, broker):
            counted = broker.book().session
        ratios = {}
        for day, asset, ratio in self.splits:
            if day >= counted:
                ratios[asset] = ratios.get(asset, 1.0) * ratio
        return self.desk.step(self.day, limits=replace(limits, splits=ratios))

    def check(self, report):
        rows = sorted(self.desk.rows("fills"), key=lambda row: (row[2], row[0]))
        asset_of = {row[0]: row[3] for row in self.desk.rows("orders")}
        for client, _, _, shares, price, cost in rows[self.fills :]:
            asset = asset_of[client]
            self.cash -= shares * price + cost
            self.shares[asset] = self.shares.get(asset, 0.0) + shares
        self.fills = len(rows)
        self.shares = {asset: count for asset, count in self.shares.items() if abs(count) > 1e-9}
        account = self.desk.shares()
        held = {asset: count for asset, count in account.shares.items() if abs(count) > 1e-9}
        assert held == pytest.approx(self.shares, rel=1e-10, abs=1e-9)
        assert account.cash == pytest.approx(self.cash, rel=1e-10, abs=1e-10 * report.nav)
        self.agree(self.cash, self.shares, report)
        assert self.cash > -1e-9 * report.nav

    @between(which=HELD, ratio=st.sampled_from([2.0, 3.0, 1.5, 0.1]))
    def split(self, which, ratio):
        asset = self.assets[which]
        COUNTS["splits"] += 1
        self.splits.append((self.day, asset, ratio))
        self.rewritten(lambda frame: frame.assign(**{asset: frame[asset] / ratio}))
        if asset in self.shares:
            self.shares[asset] *= ratio

    @between(which=HELD)
    def corrected(self, which):
        """One past close of a held asset was wrong."""
        self.bars.close.loc[self.day, self.assets[which]] *= 1.02
        self.reasons.add("revised-prices")

    @between(which=HELD)
    def renamed(self, which):
        old, new = self.assets[which], self.new_name()
        self.rewritten(lambda frame: frame.rename(columns={old: new}))
        self.act(rename_asset, old, new)
        self.splits = [(day, new if asset == old else asset, ratio) for day, asset, ratio in self.splits]
        if old in self.shares:
            self.shares[new] = self.shares.pop(old)

    @between(amount=st.floats(1.0, 1e5))
    def paid_in(self, amount):
        self.act(deposit, amount)
        COUNTS["deposits"] += 1
        self.cash += amount

    @between(part=st.floats(0.01, 1.0))
    def paid_out(self, part):
        amount = part * self.desk.shares().cash
        assume(amount > 0.0)
        self.act(withdraw, amount)
        self.cash -= amount

    @between(which=HELD, price=st.floats(0.0, 200.0))
    def merged(self, which, price):
        """A position ends at a price; another asset takes its column."""
        asset, new = self.assets[which], self.new_name()
        assume(asset in self.desk.shares().shares)
        self.cash += self.act(close_position, asset, price)
        self.shares.pop(asset, None)
        self.rewritten(lambda frame: frame.rename(columns={asset: new}))


class BrokerNights(Nights):
    """At a broker, which fills, refuses and loses orders between two nights. Its own account is the second book."""

    def __init__(self):
        super().__init__()
        self.exchange = Exchange(cash=CASH)
        self.served = serving(self.exchange)
        self.broker = AlpacaBroker(*KEYS, self.served.__enter__(), timeout=5.0, pause=0.01)
        with open_ledger(self.ledger, create=True) as ledger:
            open_account(ledger, broker="alpaca", at_broker=self.broker.account())
        self.take, self.refused, self.poison, self.share = self.exchange.submit, None, None, 1.0
        self.debt = 0.0  # as far as something explains it
        self.exchange.submit = self.submit

    def teardown(self):
        self.served.__exit__(None, None, None)
        super().teardown()

    @initialize(seed=st.integers(0, 10**6), margin=st.booleans())
    def first(self, seed, margin):
        """On margin, what sells are to bring is spent at the same open; a cash account waits until they have filled."""
        self.exchange.power = 1e7 if margin else None
        self.night(seed, None, False, False)

    def submit(self, body):
        if body["symbol"] == self.poison:
            return 400, {"message": "bad"}
        if body["symbol"] == self.refused:
            return 403, {"code": 40310000, "message": "not today"}
        return self.take(body)

    def opened(self):
        """Orders fill at the session's open, all or in part; what is left of them expires at its close."""
        self.exchange.prices = self.bars.open.loc[self.day].to_dict()
        self.exchange.fill(self.share)
        for order in self.exchange.orders.values():
            if order["status"] in ("accepted", "partially_filled"):
                order["status"] = "expired"
        self.share = 1.0
        self.exchange.prices = self.closes.to_dict()
        held = sum(count * self.closes[asset] for asset, count in self.exchange.positions.items())
        worth = self.exchange.cash + held
        if self.exchange.cash >= 0.0:
            self.debt = 0.0
        elif -self.exchange.cash < self.debt + 0.1 * worth:  # they opened at other prices than they were sized with
            self.debt = max(self.debt, -self.exchange.cash)
            self.reasons.add("account")
        self.exchange.now = (self.day.tz_localize("UTC") + NIGHT).isoformat()

    def step(self, allowed):
        now = self.day.tz_localize("UTC") + NIGHT
        bars = Bars(self.bars.close.loc[: self.day], self.bars.open.loc[: self.day])
        chosen = Settings(WHOLE, replace(EASY, allowed=allowed), costs=Costs.of(0.0005))
        with open_ledger(self.ledger) as ledger:
            return rebalance(Tilted(), Inputs(bars), self.day, ledger, self.broker, chosen, now=now)

    def check(self, report):
        orders = self.agree(self.exchange.cash, self.exchange.positions, report)
        sent = [(order["symbol"], order["client_order_id"]) for order in self.exchange.orders.values()]
        assert len(sent) == len(set(sent)) <= len(orders)
        wanted = {asset: shares for session, asset, shares in orders if str(session)[:10] == f"{self.day:%Y-%m-%d}"}
        working = [order for order in self.exchange.orders.values() if order["status"] == "accepted"]
        bought = {order["symbol"]: float(order["qty"]) * (1 if order["side"] == "buy" else -1) for order in working}
        assert bought.items() <= wanted.items()
        assert len(bought) == len(working)
        paid = [shares * self.closes[asset] for asset, shares in bought.items()]
        cash = max(self.exchange.cash, 0.0)
        assert sum(paid) < cash * (1.0 + 1e-9) + 1e-6, "no debt if everything fills at the closes"
        if self.exchange.power is None:
            assert sum(value for value in paid if value > 0.0) < cash * (1.0 + 1e-9) + 1e-6, "nor if no sell does"
        self.refused = self.poison = None

    @between(which=HELD)
    def refuses(self, which):
        self.refused = self.assets[which]

    @between(which=HELD)
    def does_not_understand(self, which):
        self.poison = self.assets[which]

    @between(share=st.sampled_from([0.0, 0.25, 0.5]))
    def fills_in_part(self, share):
        self.share = share

    @between(which=HELD, ratio=st.sampled_from([2.0, 0.5]))
    def split(self, which, ratio):
        asset = self.assets[which]
        COUNTS["splits"] += 1
        self.rewritten(lambda frame: frame.assign(**{asset: frame[asset] / ratio}))
        if self.exchange.positions.get(asset):
            self.exchange.positions[asset] *= ratio
            self.reasons.add("reconcile")
        for order in self.exchange.orders.values():
            if order["symbol"] == asset and order["status"] == "accepted":
                order["status"] = "canceled"
                if order["side"] == "sell" and self.exchange.power is not None:
                    self.debt += float(order["qty"]) * self.closes[asset] * ratio  # what buys at the same open lack

    @between(which=HELD)
    def renamed(self, which):
        """The broker renames orders that work, too."""
        old, new = self.assets[which], self.new_name()
        self.rewritten(lambda frame: frame.rename(columns={old: new}))
        self.act(rename_asset, old, new)
        if old in self.exchange.positions:
            self.exchange.positions[new] = self.exchange.positions.pop(old)
        for order in self.exchange.orders.values():
            if order["symbol"] == old:
                order["symbol"] = new

    @between(amount=st.floats(1.0, 1e5))
    def paid_in(self, amount):
        self.act(deposit, amount)
        COUNTS["deposits"] += 1
        self.exchange.cash += amount

    @between(part=st.floats(0.01, 0.5))
    def paid_out(self, part):
        assume(self.exchange.cash > 0.0)
        amount = part * self.exchange.cash
        self.debt += amount  # orders that were sized with it may leave the account in debt
        self.act(withdraw, amount)
        self.exchange.cash -= amount


HOW = settings(
    deadline=None, derandomize=True, database=None, print_blob=False, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("machine", [PaperNights, BrokerNights])
def test_a_few_random_nights(machine):
    run_state_machine_as_test(machine, settings=settings(HOW, max_examples=3, stateful_step_count=8))


@pytest.mark.slow
@pytest.mark.parametrize("machine", [PaperNights, BrokerNights])
def test_random_nights(machine, announce):
    for name in COUNTS:
        COUNTS[name] = 0
    run_state_machine_as_test(machine, settings=settings(HOW, max_examples=60, stateful_step_count=20))
    announce(f"{machine.__name__}: {COUNTS}")
    assert COUNTS["nights"] >= 200
    assert min(COUNTS["kills"], COUNTS["twice"]) >= 20
    assert COUNTS["missed"] >= 10
