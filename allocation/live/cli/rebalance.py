"""What one night is made of, as records, and the step that follows from them."""

import hashlib
import json
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import typer

from allocation.data.files.wide import read_frame
from allocation.data.load import YAHOO, day_of, load_prices
from allocation.errors import SourceError
from allocation.execution.book import Rules
from allocation.execution.costs import Costs
from allocation.frames import Bars, sessions_of
from allocation.live import clock
from allocation.live.brokers.alpaca import broker_named
from allocation.live.brokers.paper import PaperBroker
from allocation.live.errors import LedgerError
from allocation.live.ledger.database import Ledger, open_ledger, read_ledger
from allocation.live.ledger.journal import account_opened, last_decision, last_valuation
from allocation.live.monitor.failures import measured, record_failure
from allocation.live.step.context import Inputs, Settings
from allocation.live.step.guards import Limits
from allocation.live.step.rebalance import rebalance
from allocation.live.step.report import NoSession, StepReport
from allocation.policies.strategy_file import load_policy
from allocation.schedule import is_due

if TYPE_CHECKING:
    from allocation.live.cli.hooks import ReadNewsSignal


@dataclass(frozen=True)
class Sources:
    """The strategy and its data. prices: a file, `URL#TABLE`, or `yahoo:TICKER,TICKER`, asked from `since` on."""

    strategy: Path
    prices: str
    since: str | None = None
    price_cache: Path | None = None
    news: Path | None = None
    model: str | None = None
    signal: Path | None = None

    def check(self) -> None:
        """Refuse two sources of one signal."""
        if self.news is not None and self.signal is not None:
            raise typer.BadParameter("--news and --signal exclude each other")

    def inputs(self, session: pd.Timestamp, calendar: str, config: str, read_news: "ReadNewsSignal") -> Inputs:
        """Load all data up to a session; config: digest of the settings that the decision depends on."""
        bars = self._bars(session)
        strategy = hashlib.sha256(self.strategy.read_bytes()).hexdigest()
        if self.news is None:
            values = read_frame(self.signal) if self.signal else None
            return Inputs(bars, values, None, strategy, "a signal file" if self.signal else "no signal", config)
        made = read_news(self.news, self.model, _sessions(bars, session), calendar)
        return Inputs(bars, made.signal, made.newest, strategy, made.model, config)

    def _bars(self, session: pd.Timestamp) -> Bars:
        if not self.prices.startswith(YAHOO):
            return load_prices(self.prices)
        if self.since is None:
            raise SourceError("prices from Yahoo Finance need the first date: pass --since")
        return load_prices(self.prices, start=self.since, end=session, cache=self.price_cache)


@dataclass(frozen=True)
class Schedule:
    """When a step is due. date: the session to decide for, by default the last one that closed."""

    date: str | None
    every: str
    calendar: str

    def session(self, ledger: str) -> tuple[pd.Timestamp, str]:
        """Return the session to decide for, and why there is nothing to do, if so.

        On a day that is no session, the last one has been decided already as a rule; where the ledger says that it
        was missed, it is decided now.
        """
        now = clock.utc_now()
        last = clock.last_closed(now, self.calendar).session
        day = clock.local_date(now, self.calendar) if self.date is None else day_of(self.date, "date")
        if clock.is_session(day, self.calendar):
            return last if self.date is None else day, ""
        if self.date is None and _is_behind(ledger, last):
            return last, ""
        return day, f"{day:%Y-%m-%d} is not a session of {self.calendar}: nothing to do"


@dataclass(frozen=True)
class Trading:
    """Where orders go and what they may be."""

    broker: str
    cost_bp: float
    lot: float
    minimum: float
    reserve: float

    @property
    def rules(self) -> Rules:
        """The same, as sizing takes them."""
        return Rules(lot=self.lot, minimum=self.minimum, reserve=self.reserve)

    def digest(self, schedule: Schedule) -> str:
        """SHA-256 of the settings that a decision depends on."""
        rules = {"cost_bp": self.cost_bp, "lot": self.lot, "minimum": self.minimum, "reserve": self.reserve}
        settings = json.dumps([schedule.every, schedule.calendar, self.broker, rules], sort_keys=True)
        return hashlib.sha256(settings.encode()).hexdigest()


@dataclass(frozen=True)
class Target:
    """The ledger, and what is left behind. metrics: None in a dry run, which leaves nothing behind."""

    ledger: str
    dry_run: bool
    wait: float
    metrics: Path | None

    def failures_recorded(self, session: pd.Timestamp) -> AbstractContextManager[None]:
        """A failure inside is written into the ledger."""
        return nullcontext() if self.dry_run else record_failure(self.ledger, session, self.wait)


@dataclass(frozen=True)
class Night:
    """One night: the data, the time, the rules and limits, and the ledger."""

    sources: Sources
    schedule: Schedule
    trading: Trading
    limits: Limits
    target: Target

    def run(self, read_news: "ReadNewsSignal") -> StepReport | NoSession:
        """Do the step."""
        self.sources.check()
        target, calendar = self.target, self.schedule.calendar
        session, nothing = self.schedule.session(target.ledger)
        if nothing:
            return NoSession(nothing)
        with target.failures_recorded(session):
            rules, costs = self.trading.rules, Costs.of(self.trading.cost_bp / 1e4)
            connected = broker_named(self.trading.broker)
            policy = load_policy(self.sources.strategy)
            inputs = self.sources.inputs(session, calendar, self.trading.digest(self.schedule), read_news)
            settings = Settings(rules, self.limits, calendar, costs=costs)
        ledger = open_ledger(target.ledger, wait=target.wait, dry_run=target.dry_run)
        with ledger as opened, measured(opened, target.metrics):
            broker = connected or PaperBroker(opened, costs)
            since, sessions = _last_decided(opened), _sessions(inputs.bars, session)
            due = is_due(session, sessions, self.schedule.every, calendar, since=since)
            return rebalance(policy, inputs, session, opened, broker, replace(settings, due=due))


def _sessions(bars: Bars, session: pd.Timestamp) -> pd.DatetimeIndex:
    sessions = sessions_of(bars.close)
    return sessions[sessions <= session]


def _last_decided(ledger: Ledger) -> pd.Timestamp:
    """The session of the last decision; before the first, the day on which the account was opened."""
    with ledger.transaction() as connection:
        last = last_decision(connection)
        return last.session if last else pd.Timestamp(account_opened(connection)[1]).normalize()


def _is_behind(ledger: str, session: pd.Timestamp) -> bool:
    """Whether the ledger has been kept, and not up to a session; one that cannot be read says so when it is used."""
    try:
        with read_ledger(ledger) as opened, opened.transaction() as connection:
            valuation = last_valuation(connection)
    except LedgerError:
        return False
    return valuation is not None and valuation.session < session
