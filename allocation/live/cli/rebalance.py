"""What was asked for on the command line, and the step that follows from it."""

import hashlib
import json
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import typer

from allocation.data.files.wide import read_frame
from allocation.data.load import YAHOO, Bars, day_of, load_prices
from allocation.errors import AllocationError, SourceError
from allocation.execution.sizing import Rules
from allocation.frames import sessions_of
from allocation.live import clock
from allocation.live.broker import Broker
from allocation.live.brokers.alpaca import AlpacaBroker
from allocation.live.brokers.paper import PaperBroker, check_cash
from allocation.live.cli.hooks import ReadNewsSignal
from allocation.live.errors import LedgerError
from allocation.live.ledger.database import open_ledger, read_ledger
from allocation.live.ledger.journal import last_valuation
from allocation.live.monitor.failures import measured, record_failure
from allocation.live.step.context import Inputs, Settings
from allocation.live.step.guards import Limits
from allocation.live.step.rebalance import rebalance
from allocation.live.step.report import StepReport
from allocation.policies.strategy_file import load_policy
from allocation.schedule import is_due
from allocation.view import Policy


@dataclass(frozen=True)
class Sources:
    """Where data come from. prices: a file, `URL#TABLE`, or `yahoo:TICKER,TICKER`, which asks from `since` on."""

    prices: str
    since: str | None = None
    price_cache: Path | None = None
    news: Path | None = None
    model: str | None = None
    signal: Path | None = None

    def bars(self, session: pd.Timestamp) -> Bars:
        """Load prices up to a session."""
        if not self.prices.startswith(YAHOO):
            return load_prices(self.prices)
        if self.since is None:
            raise SourceError("prices from Yahoo Finance need the first date: pass --since")
        return load_prices(self.prices, start=self.since, end=session, cache=self.price_cache)


@dataclass(frozen=True)
class Run:
    """Where and how, which no decision depends on. metrics: None in a dry run, which leaves nothing behind."""

    ledger: str
    dry_run: bool
    wait: float
    metrics: Path | None
    as_json: bool

    def failures_recorded(self, session: pd.Timestamp) -> AbstractContextManager[None]:
        """A failure inside is written into the ledger."""
        return nullcontext() if self.dry_run else record_failure(self.ledger, session, self.wait)


@dataclass(frozen=True)
class Ready:
    """What a step is made of before the ledger is opened. broker: None for one on paper, which lives in the ledger."""

    policy: Policy
    inputs: Inputs
    settings: Settings
    broker: Broker | None


@dataclass(frozen=True)
class Call:
    """What decides: the strategy, its data, when, where, and under which rules and limits."""

    strategy: Path
    sources: Sources
    date: str | None
    every: str
    calendar: str
    broker: str
    cash: float
    rules: dict[str, float]
    limits: dict[str, float]
    allow: tuple[str, ...]

    def text(self, read_news: ReadNewsSignal, run: Run) -> str:
        """Do the step and return what to print."""
        if self.sources.news is not None and self.sources.signal is not None:
            raise typer.BadParameter("--news and --signal exclude each other")
        session, nothing = self._session(run.ledger)
        if nothing:
            return json.dumps({"session": None, "reason": nothing}) if run.as_json else nothing
        with run.failures_recorded(session):
            ready = self._ready(read_news, session)
        report = self._step(run, ready, session)
        return json.dumps(report.to_dict()) if run.as_json else str(report)

    def _session(self, ledger: str) -> tuple[pd.Timestamp, str]:
        """The session to decide for, and why there is none.

        Without a date it is the last one that closed. On a day that is no session it has been decided already, as
        a rule; where the ledger says that it was missed, it is made good.
        """
        now = clock.utc_now()
        last = clock.last_closed(now, self.calendar).session
        day = clock.local_date(now, self.calendar) if self.date is None else day_of(self.date, "date")
        if clock.is_session(day, self.calendar):
            return last if self.date is None else day, ""
        if self.date is None and _is_behind(ledger, last):
            return last, ""
        return day, f"{day:%Y-%m-%d} is not a session of {self.calendar}: nothing to do"

    def _ready(self, read_news: ReadNewsSignal, session: pd.Timestamp) -> Ready:
        settings, broker = self._settings(), self._broker()
        policy, inputs = load_policy(self.strategy), self._inputs(read_news, session)
        due = is_due(session, _sessions(inputs.bars, session), self.every, self.calendar)
        return Ready(policy, inputs, replace(settings, due=due), broker)

    def _settings(self) -> Settings:
        rate = self.rules["cost_bp"] / 1e4
        rules = Rules(rate, self.rules["lot"], self.rules["minimum"], self.rules["reserve"])
        limits = Limits(
            self.limits["weight"], self.limits["turnover"], self.limits["coverage"], allowed=frozenset(self.allow)
        )
        return Settings(rules, limits, self.calendar)

    def _inputs(self, read_news: ReadNewsSignal, session: pd.Timestamp) -> Inputs:
        bars, sources = self.sources.bars(session), self.sources
        strategy = hashlib.sha256(self.strategy.read_bytes()).hexdigest()
        asked = json.dumps([self.every, self.calendar, self.broker, self.rules], sort_keys=True)
        config = hashlib.sha256(asked.encode()).hexdigest()
        if sources.news is None:
            values = read_frame(sources.signal) if sources.signal else None
            return Inputs(bars, values, None, strategy, "a signal file" if sources.signal else "no signal", config)
        made = read_news(sources.news, sources.model, _sessions(bars, session), self.calendar)
        return Inputs(bars, made.signal, made.newest, strategy, made.model, config)

    def _broker(self) -> Broker | None:
        if self.broker == "alpaca":
            return AlpacaBroker.from_environment()
        if self.broker != "paper":
            raise AllocationError(f"broker {self.broker!r} is not known: use paper or alpaca")
        check_cash(self.cash)
        return None

    def _step(self, run: Run, ready: Ready, session: pd.Timestamp) -> StepReport:
        settings = ready.settings
        with open_ledger(run.ledger, wait=run.wait, dry_run=run.dry_run) as ledger, measured(ledger, run.metrics):
            broker = ready.broker or PaperBroker(ledger, settings.rules.rate, self.cash)
            return rebalance(ready.policy, ready.inputs, session, ledger, broker, settings)


def _sessions(bars: Bars, session: pd.Timestamp) -> pd.DatetimeIndex:
    sessions = sessions_of(bars.close)
    return sessions[sessions <= session]


def _is_behind(ledger: str, session: pd.Timestamp) -> bool:
    """Whether the ledger has been kept, and not up to a session; one that cannot be read says so when it is used."""
    try:
        with read_ledger(ledger) as opened, opened.transaction() as connection:
            valuation = last_valuation(connection)
    except LedgerError:
        return False
    return valuation is not None and valuation.session < session
