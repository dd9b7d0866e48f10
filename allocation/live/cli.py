"""`newsfolio rebalance` and `status`: one scheduled step, and what the ledger says."""

import hashlib
import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from allocation.errors import AllocationError, SourceError

if TYPE_CHECKING:
    import pandas as pd

    from allocation.live.brokers import Broker
    from allocation.live.ledger import Ledger
    from allocation.live.report import StepReport
    from allocation.live.step import Inputs, Settings
    from allocation.policy import Policy
    from allocation.prices import Bars

STOPPED = 3  # exit code: a guard holds the step

LedgerUrl = Annotated[str, typer.Option(help="The ledger: a file, or postgresql://user@host/name.")]
Json = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]
Calendar = Annotated[str, typer.Option(help="Exchange calendar, such as XNYS or XLON.")]


@dataclass(frozen=True)
class NewsSignal:
    """A signal made of news: sessions × assets, the newest headline (UTC), and what scored it."""

    signal: "pd.DataFrame"
    newest: "pd.Timestamp"
    model: str


@dataclass(frozen=True)
class Tools:
    """What other packages lend to the command. due: whether a session is a rebalancing date of a schedule."""

    load_policy: "Callable[[Path], Policy]"
    news_signal: "Callable[[Path, str | None, pd.DatetimeIndex, str], NewsSignal]"
    due: "Callable[[pd.Timestamp, pd.DatetimeIndex, str, str], bool]"


def register(app: typer.Typer, tools: Tools) -> None:
    """Add the commands to `app`."""

    def rebalance(
        strategy: Annotated[Path, typer.Argument(help="A Python file with a function policy().")],
        ledger: LedgerUrl,
        prices: Annotated[Path, typer.Option(help="Prices: long with date, ticker, close, open; or wide closes.")],
        news: Annotated[Path | None, typer.Option(help="Headlines: published, asset, text.")] = None,
        model: Annotated[str | None, typer.Option(help="Classifier that scores them, unless they have scores.")] = None,
        signal: Annotated[Path | None, typer.Option(help="A signal, in place of news.")] = None,
        date: Annotated[str | None, typer.Option(help="Session to decide for; by default the last closed.")] = None,
        every: Annotated[str, typer.Option(help="daily, weekly, monthly, or a number of sessions.")] = "daily",
        calendar: Calendar = "XNYS",
        broker: Annotated[str, typer.Option(help="paper, or alpaca (keys from the environment).")] = "paper",
        cash: Annotated[float, typer.Option(help="What a new paper account starts with.")] = 100_000.0,
        cost_bp: Annotated[float, typer.Option(help="Cost of trading, basis points of the traded value.")] = 10.0,
        lot: Annotated[float, typer.Option(help="Shares that trades are multiples of; 0: any fraction.")] = 0.0,
        minimum: Annotated[float, typer.Option(help="Least value of an order.")] = 0.0,
        reserve: Annotated[float, typer.Option(help="Fraction of NAV kept in cash when orders are sized.")] = 0.0,
        max_weight: Annotated[float, typer.Option(help="Guard: largest weight.")] = 0.5,
        max_turnover: Annotated[float, typer.Option(help="Guard: largest one-way turnover.")] = 0.5,
        min_coverage: Annotated[float, typer.Option(help="Guard: least share of assets with a signal.")] = 0.2,
        allow: Annotated[list[str] | None, typer.Option(help="Let a guard's finding through, by name.")] = None,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide and show; keep and send nothing.")] = False,
        wait: Annotated[float, typer.Option(help="Seconds to wait for another run.")] = 60.0,
        metrics: Annotated[Path | None, typer.Option(help="Where to write figures for Prometheus.")] = None,
        on_failure: Annotated[str | None, typer.Option(help="Command to run, with the reason as its end.")] = None,
        log: Annotated[str, typer.Option(help="quiet, text or json: what is said on stderr meanwhile.")] = "quiet",
        as_json: Json = False,
    ) -> None:
        """Do one scheduled step: decide once for the session's close, send the orders, reconcile. Safe to repeat.

        Exit code 3: a guard holds the step and nothing was sent.
        """

        call = _Call(
            strategy, prices, news, model, signal, date, every, calendar, broker, cash,
            {"cost_bp": cost_bp, "lot": lot, "minimum": minimum, "reserve": reserve},
            {"weight": max_weight, "turnover": max_turnover, "coverage": min_coverage},
            tuple(allow or ()),
        )  # fmt: skip
        with _failing(on_failure), _logged(log):
            typer.echo(call.text(tools, _Run(ledger, dry_run, wait, metrics), as_json=as_json))

    app.command()(rebalance)
    app.command()(status)


def status(ledger: LedgerUrl, calendar: Calendar = "XNYS", as_json: Json = False) -> None:
    """Say what the ledger knows: last run, holdings, NAV, next session, and anything wrong (then exit code 1)."""
    from allocation.live.ledger import read_ledger
    from allocation.live.status import status as look

    with read_ledger(ledger) as opened:
        found = look(opened, calendar)
    typer.echo(json.dumps(found.to_dict()) if as_json else str(found))
    if found.wrong:
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Run:
    """Where and how, which no decision depends on."""

    ledger: str
    dry_run: bool
    wait: float
    metrics: Path | None


@dataclass(frozen=True)
class _Call:
    """What was asked for on the command line."""

    strategy: Path
    prices: Path
    news: Path | None
    model: str | None
    signal: Path | None
    date: str | None
    every: str
    calendar: str
    broker: str
    cash: float
    trading: dict[str, float]
    limits: dict[str, float]
    allow: tuple[str, ...]

    def text(self, tools: Tools, run: _Run, *, as_json: bool) -> str:
        """Do the step and return what to print."""
        if self.news is not None and self.signal is not None:
            raise typer.BadParameter("--news and --signal exclude each other")
        session, nothing = self._session()
        if nothing:
            return json.dumps({"session": None, "reason": nothing}) if as_json else nothing
        settings, inputs = self._settings(), self._inputs(tools, session)
        due = tools.due(session, _sessions(inputs.bars, session), self.every, self.calendar)
        report = self._step(tools, run, inputs, session, replace(settings, due=due))
        return json.dumps(report.to_dict()) if as_json else str(report)

    def _session(self) -> "tuple[pd.Timestamp, str]":
        """The session to decide for, and why there is none."""
        import pandas as pd

        from allocation.live.clock import is_session, last_closed
        from allocation.prices import day_of

        if self.date is None:
            return last_closed(pd.Timestamp.now("UTC"), self.calendar).session, ""
        day = day_of(self.date, "date")
        closed = f"{day:%Y-%m-%d} is not a session of {self.calendar}: nothing to do"
        return day, "" if is_session(day, self.calendar) else closed

    def _settings(self) -> "Settings":
        from allocation.live.guards import Limits
        from allocation.live.orders import Rules
        from allocation.live.step import Settings

        trading, limits = self.trading, self.limits
        rules = Rules(trading["cost_bp"] / 1e4, trading["lot"], trading["minimum"], trading["reserve"])
        allowed = frozenset(self.allow)
        return Settings(
            rules, Limits(limits["weight"], limits["turnover"], limits["coverage"], allowed=allowed), self.calendar
        )

    def _inputs(self, tools: Tools, session: "pd.Timestamp") -> "Inputs":
        from allocation.files import read_frame
        from allocation.live.step import Inputs
        from allocation.prices import load_prices

        if not self.strategy.is_file():
            raise SourceError(f"{self.strategy}: no such file")
        bars = load_prices(self.prices)
        strategy = hashlib.sha256(self.strategy.read_bytes()).hexdigest()
        asked = json.dumps([self.every, self.calendar, self.broker, self.trading], sort_keys=True)
        config = hashlib.sha256(asked.encode()).hexdigest()
        if self.news is None:
            values = read_frame(self.signal) if self.signal else None
            return Inputs(bars, values, None, strategy, "a signal file" if self.signal else "no signal", config)
        made = tools.news_signal(self.news, self.model, _sessions(bars, session), self.calendar)
        return Inputs(bars, made.signal, made.newest, strategy, made.model, config)

    def _step(
        self, tools: Tools, run: _Run, inputs: "Inputs", session: "pd.Timestamp", settings: "Settings"
    ) -> "StepReport":
        from allocation.live.ledger import open_ledger
        from allocation.live.metrics import write_metrics
        from allocation.live.rebalance import rebalance

        policy = tools.load_policy(self.strategy)
        with open_ledger(run.ledger, wait=run.wait, dry_run=run.dry_run) as ledger:
            try:
                return rebalance(policy, inputs, session, ledger, self._broker(ledger, settings), settings)
            finally:
                if run.metrics is not None:
                    write_metrics(ledger, run.metrics)

    def _broker(self, ledger: "Ledger", settings: "Settings") -> "Broker":
        from allocation.live.alpaca import AlpacaBroker
        from allocation.live.paper import PaperBroker

        if self.broker == "alpaca":
            return AlpacaBroker.from_environment()
        if self.broker != "paper":
            raise AllocationError(f"broker {self.broker!r} is not known: use paper or alpaca")
        return PaperBroker(ledger, settings.rules.rate, self.cash)


def _sessions(bars: "Bars", session: "pd.Timestamp") -> "pd.DatetimeIndex":
    from allocation.frames import sessions_of

    sessions = sessions_of(bars.close)
    return sessions[sessions <= session]


@contextmanager
def _failing(command: str | None) -> Iterator[None]:
    """Tell `command` why a step did not get to its end; a guard's stop is exit code 3."""
    from allocation.live.errors import Stopped
    from allocation.live.events import redacted

    try:
        yield
    except (ValueError, OSError) as error:  # all errors of the three packages are ValueErrors
        reason = redacted(" ".join(str(error).split()))
        _notify(command, reason)
        if isinstance(error, Stopped):
            typer.echo(reason, err=True)
            raise typer.Exit(STOPPED) from error
        raise


def _notify(command: str | None, reason: str) -> None:
    """The command is the user's own; a failing one must not hide the reason it was to tell."""
    if command is None:
        return
    try:
        subprocess.run([*shlex.split(command), reason], check=True, timeout=60, capture_output=True)  # noqa: S603
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        typer.echo(f"note: {command!r} could not be told: {type(error).__name__}", err=True)


@contextmanager
def _logged(how: str) -> Iterator[None]:
    from allocation.live.events import told_to

    if how not in ("quiet", "text", "json"):
        raise typer.BadParameter(f"--log is {how!r}: use quiet, text or json")
    if how == "quiet":
        yield
        return
    with told_to(sys.stderr, as_json=how == "json"):
        yield
