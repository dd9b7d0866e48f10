"""`newsfolio rebalance --check`: all that a step needs is opened and looked at, on any day, and nothing is written."""

import os
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import typer

from allocation.data.files.wide import read_frame
from allocation.data.jumps import find_jumps
from allocation.data.load import YAHOO, load_prices
from allocation.errors import SourceError
from allocation.frames import Bars, check_prices, check_signal, named, sessions_of
from allocation.live import clock, web
from allocation.live.brokers.alpaca import broker_named
from allocation.live.brokers.paper import PaperBroker
from allocation.live.errors import BrokerError, LedgerError
from allocation.live.ledger import journal
from allocation.live.ledger.database import open_ledger
from allocation.live.ledger.events import event_holdings
from allocation.live.ledger.last_run import is_another
from allocation.live.monitor.log import redacted
from allocation.live.step.context import WATCHED
from allocation.live.step.decide import SKEW
from allocation.live.step.guards import unreconciled
from allocation.policies.strategy_file import load_policy
from allocation.schedule import rebalance_dates
from newsfolio.shared.errors import NewsfolioError
from newsfolio.shared.text_table import printable

if TYPE_CHECKING:
    from allocation.live.cli.options import Output
    from allocation.live.cli.rebalance import Night

RECENT = pd.Timedelta(days=30)  # of prices that a vendor is asked for: nothing is kept, and nothing decided


@dataclass(frozen=True)
class CheckedLine:
    """One thing that was looked at: what was found, and whether that is a fault."""

    what: str
    found: str
    fault: bool

    def __str__(self) -> str:
        return f"{'FAULT' if self.fault else 'ok':<6}{self.what:<9}{self.found}"


def check_all(night: "Night", output: "Output") -> list[CheckedLine]:
    """Return a line for each thing that was looked at; a fault of one keeps none of the others from it."""
    looks: dict[str, Callable[[], str]] = {
        "settings": lambda: settings(night),
        "strategy": lambda: strategy(night),
        "ledger": lambda: ledger(night),
        "broker": lambda: broker(night),
        "prices": lambda: prices(night),
    }
    news, model, signal, hook, metrics = (
        night.news.news, night.news.model, night.sources.signal, output.on_failure, output.metrics,
    )  # fmt: skip
    if signal is not None:
        looks["signal"] = lambda: _extent(check_signal(read_frame(signal)))
    if news is not None:
        looks["news"] = lambda: night.reader.news(night.news)
    if model is not None:
        looks["model"] = lambda: night.reader.model(model)
    if hook is not None:
        looks["hook"] = lambda: on_failure(hook)
    if metrics is not None:
        looks["metrics"] = lambda: writable(metrics)
    found = []
    for what, look in looks.items():
        try:
            said, fault = look(), False
        except typer.BadParameter as error:
            said, fault = error.message, True
        except (NewsfolioError, OSError) as error:
            said, fault = str(error), True
        found.append(CheckedLine(what, " ".join(printable(redacted(said)).split()), fault))
    return found


def settings(night: "Night") -> str:
    """Look at limits, rules, schedule and date; say which session is next."""
    every, calendar = night.schedule.every, night.schedule.calendar
    night.settings()
    night.session()
    hours = clock.last_closed(clock.utc_now(), calendar)
    schedule = int(every) if every.isascii() and every.isdecimal() else every
    rebalance_dates(pd.DatetimeIndex([hours.session]), schedule, calendar)  # type: ignore[arg-type]
    return f"{every}, {calendar}: the last session is {hours.session:%Y-%m-%d}, the next {hours.next_session:%Y-%m-%d}"


def strategy(night: "Night") -> str:
    """Run the strategy file and its policy(); the policy itself is asked by a dry run."""
    load_policy(night.sources.strategy)
    return f"{night.sources.strategy}: policy() returned a policy"


def ledger(night: "Night") -> str:
    """Open the ledger as a run does, its lock included, and undo it all."""
    with open_ledger(night.target.ledger, wait=night.target.wait, dry_run=True) as opened:
        with opened.transaction() as connection:
            journal.portfolio_name(connection, night.trading.broker)
            decision, run = journal.last_decision(connection), journal.last_run(connection)
        for reason in is_another(opened):
            raise LedgerError(f"{reason}: look into it, then run once with --allow ledger")
        last = "no run yet" if run is None else f"last run {run.session}: {run.outcome or 'not ended'}"
        decided = "nothing decided yet" if decision is None else f"last decision {decision.session:%Y-%m-%d}"
        return f"{opened.where}: {last}, {decided}"


def broker(night: "Night") -> str:
    """Ask for the account, and compare its shares with the ledger's and its clock with ours."""
    connected = broker_named(night.trading.broker)
    with open_ledger(night.target.ledger, wait=night.target.wait, dry_run=True) as opened:
        asked = connected or PaperBroker(opened, night.settings().costs)
        account, theirs, ours = asked.account(), asked.clock(), clock.utc_now()
        with opened.transaction() as connection:
            waiting = journal.unended_orders(connection)
            expected = event_holdings(connection)[1]
    if theirs is not None and abs(theirs - ours) > SKEW:
        raise BrokerError(
            f"its clock says {theirs:%Y-%m-%d %H:%M:%S} UTC, ours {ours:%Y-%m-%d %H:%M:%S}: set this machine's"
        )
    if not waiting:  # else the next run asks what became of them
        for _, reason in unreconciled(expected, account):
            raise BrokerError(f"its shares are not the ledger's: {reason}: see [reconcile] in RUNBOOK.md")
    pending = f", {len(waiting)} orders of ours have not ended" if waiting else ""
    return f"{asked.name}: cash {account.cash:,.2f}, {len(account.shares)} positions{pending}"


def prices(night: "Night") -> str:
    """Load the prices, from a vendor the last weeks only.

    They must reach the session to decide for, which is the last one unless a date is given, have all that is held, and
    be free of jumps.
    """
    session = clock.last_closed(clock.utc_now(), night.schedule.calendar).session
    session = session if night.schedule.date is None else min(session, night.session()[0])
    if night.sources.prices.startswith(YAHOO) and night.sources.since is not None:
        bars = load_prices(night.sources.prices, start=session - RECENT, end=session)  # without the cache: not written
    else:
        bars = night.bars(session)
    close = check_prices(bars.close)
    known = close.loc[:session]
    unpriced = [name for name in _held(night) if name not in known or known[name].isna().all()]
    if unpriced:
        raise SourceError(
            f"the account holds {named(unpriced)}, which prices lack: add prices, or `newsfolio account rename` or "
            "`close` it"
        )
    real = night.settings().limits.real_jumps
    jumps = [jump for jump in find_jumps(Bars(close.tail(WATCHED), bars.open)) if jump.asset not in real]
    if jumps:
        raise SourceError(f"not adjusted for a split, or in other units: {named(jumps)}")
    if session not in close.index:
        raise SourceError(f"{_extent(close)}: the session of {session:%Y-%m-%d} has closed and is missing")
    return _extent(close)


def _held(night: "Night") -> list[str]:
    """Assets of the account; none where the ledger cannot be opened, which its own line says."""
    try:
        with (
            open_ledger(night.target.ledger, wait=night.target.wait, dry_run=True) as opened,
            opened.transaction() as connection,
        ):
            shares = event_holdings(connection)[1]
    except LedgerError:
        return []
    return [str(asset) for asset in shares.index[shares.abs() > 0]]


def on_failure(hook: str) -> str:
    """Look whether the hook's program is there, or its address safe; nobody is notified."""
    if hook.startswith(("https://", "http://")):
        if not web.is_safe(hook):
            raise SourceError("the address is not https")
        return "an https address; it was not asked"
    program = (shlex.split(hook) or [""])[0]
    if shutil.which(program) is None:
        raise SourceError(f"{program}: no such program")
    return f"{program} is there; it was not run"


def writable(path: Path) -> str:
    """Look whether the file of metrics could be written."""
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise SourceError(f"{path}: cannot be written")
    return f"{path} can be written"


def _extent(frame: pd.DataFrame) -> str:
    sessions = sessions_of(frame)
    return f"{frame.shape[1]} assets, {len(sessions):,} sessions from {sessions[0]:%Y-%m-%d} to {sessions[-1]:%Y-%m-%d}"
