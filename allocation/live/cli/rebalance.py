"""What one night is made of, and the step that follows from it."""

import hashlib
import json
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import typer

from allocation.data.files.wide import read_frame
from allocation.data.load import YAHOO, day_of, load_prices
from allocation.errors import AllocationError, SourceError
from allocation.execution.book import Rules
from allocation.execution.costs import Costs
from allocation.frames import Bars, named, sessions_of
from allocation.live import clock
from allocation.live.brokers.alpaca import broker_named
from allocation.live.brokers.paper import PaperBroker
from allocation.live.errors import GuardStopError, LedgerError
from allocation.live.ledger.database import open_ledger, read_ledger
from allocation.live.ledger.journal import account_opened, last_decision, last_valuation
from allocation.live.ledger.last_run import is_another, remember
from allocation.live.monitor.failures import measured, record_failure
from allocation.live.step.context import Inputs, Settings
from allocation.live.step.guards import Limits
from allocation.live.step.rebalance import rebalance
from allocation.live.step.report import NoSession, StepReport
from allocation.policies.strategy_file import load_policy
from allocation.schedule import is_due

if TYPE_CHECKING:
    from allocation.live.cli import options as opt
    from allocation.live.cli.hooks import NewsReader


@dataclass(frozen=True)
class Night:
    """One night as the command line has it; reader: what makes a signal of news."""

    sources: "opt.Sources"
    news: "opt.NewsFile"
    schedule: "opt.Schedule"
    trading: "opt.Trading"
    guards: "opt.Guards"
    target: "opt.Target"
    reader: "NewsReader"

    def run(self, metrics: Path | None) -> StepReport | NoSession:
        """Do the step; metrics: where its figures go, None in a dry run, which leaves nothing behind."""
        target, calendar, every = self.target, self.schedule.calendar, self.schedule.every
        settings = self.settings()
        session, nothing = self.session()
        if nothing:
            return NoSession(nothing)
        with nullcontext() if target.dry_run else record_failure(target.ledger, session, target.wait):
            connected = broker_named(self.trading.broker)
            policy = load_policy(self.sources.strategy)
            inputs = self.inputs(session)
        ledger = open_ledger(target.ledger, wait=target.wait, dry_run=target.dry_run)
        with ledger as opened, measured(opened, metrics):
            another = [("ledger", reason) for reason in is_another(opened)]
            if another and "ledger" not in settings.limits.allowed:
                raise GuardStopError(tuple(another))
            with opened.transaction() as connection:
                last, (_, created) = last_decision(connection), account_opened(connection)
            since = last.session if last else pd.Timestamp(created).normalize()
            due = is_due(session, _sessions(inputs.bars, session), every, calendar, since=since)
            broker = connected or PaperBroker(opened, settings.costs)
            with remember(opened):
                report = rebalance(policy, inputs, session, opened, broker, replace(settings, due=due))
            return replace(report, allowed=(*another, *report.allowed))

    def settings(self) -> Settings:
        """How the step trades and where guards stop it, checked.

        Raises:
            AllocationError: a number is out of its range, or a name not known. BadParameter: two sources of one signal.
        """
        if self.news.news is not None and self.sources.signal is not None:
            raise typer.BadParameter("--news and --signal exclude each other")
        trading, guards = self.trading, self.guards
        limits = Limits(
            weight=guards.max_weight,
            turnover=guards.max_turnover,
            coverage=guards.min_coverage,
            allowed=frozenset(guards.allow or ()),
            real_jumps=frozenset(guards.allow_jump or ()),
            splits=dict(_split(text) for text in guards.split or ()),
        )
        rules = Rules(lot=trading.lot, minimum=trading.minimum, reserve=trading.reserve)
        return Settings(rules, limits, self.schedule.calendar, costs=Costs.of(trading.cost_bp / 1e4))

    def session(self) -> tuple[pd.Timestamp, str]:
        """Return the session to decide for, and why there is nothing to do, if so.

        On a day that is no session, the last one has been decided already as a rule; where the ledger says that it
        was missed, it is decided now. A dry run may decide anew, and always does.
        """
        now, date, calendar = clock.utc_now(), self.schedule.date, self.schedule.calendar
        last = clock.last_closed(now, calendar).session
        day = clock.local_date(now, calendar) if date is None else day_of(date, "date")
        if clock.is_session(day, calendar):
            return last if date is None else day, ""
        if date is None and self.target.dry_run:
            return last, ""
        if date is None:
            try:
                with read_ledger(self.target.ledger) as opened, opened.transaction() as connection:
                    valuation = last_valuation(connection)
            except LedgerError:
                valuation = None  # it says so when it is used
            if valuation is not None and valuation.session < last:
                return last, ""
        return day, f"{day:%Y-%m-%d} is not a session of {calendar}: nothing to do"

    def inputs(self, session: pd.Timestamp) -> Inputs:
        """Load all data up to a session."""
        bars, signal, calendar = self.bars(session), self.sources.signal, self.schedule.calendar
        strategy = hashlib.sha256(self.sources.strategy.read_bytes()).hexdigest()
        if self.news.news is None:
            values = read_frame(signal) if signal else None
            return Inputs(bars, values, None, strategy, "a signal file" if signal else "no signal", self.digest())
        made = self.reader.signal(self.news, _sessions(bars, session), calendar)
        return Inputs(bars, made.signal, made.newest, strategy, made.model, self.digest())

    def bars(self, session: pd.Timestamp) -> Bars:
        """Load the prices.

        Raises:
            SourceError: they cannot be had, or lack an asset whose jumps are allowed.
        """
        sources = self.sources
        if not sources.prices.startswith(YAHOO):
            bars = load_prices(sources.prices)
        elif sources.since is None:
            raise SourceError("prices from Yahoo Finance need the first date: pass --since")
        else:
            bars = load_prices(sources.prices, start=sources.since, end=session, cache=sources.price_cache)
        columns, limits = set(map(str, bars.close.columns)), self.settings().limits
        for names, what in ((limits.real_jumps, "jump could be allowed"), (limits.splits, "split could be followed")):
            if unknown := sorted(set(names) - columns):
                raise SourceError(f"prices have no {named(unknown)} whose {what}: check the name")
        return bars

    def digest(self) -> str:
        """SHA-256 of the settings that a decision depends on; those that came later count where they are used."""
        trading, schedule, news = self.trading, self.schedule, self.news
        rules = {
            "cost_bp": trading.cost_bp,
            "lot": trading.lot,
            "minimum": trading.minimum,
            "reserve": trading.reserve,
        }
        reading = {"timezone": news.timezone, "midnight": news.midnight, "columns": news.columns}
        used = {name: value for name, value in reading.items() if value not in (None, "", "auto")}
        settings = [schedule.every, schedule.calendar, trading.broker, rules, *([used] if used else [])]
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _split(text: str) -> tuple[str, float]:
    asset, _, ratio = text.rpartition("=")
    try:
        return asset, float(ratio)
    except ValueError:
        raise AllocationError(f"--split {text}: write TICKER=RATIO, such as AAA=2 where one share became two") from None


def _sessions(bars: Bars, session: pd.Timestamp) -> pd.DatetimeIndex:
    sessions = sessions_of(bars.close)
    return sessions[sessions <= session]
