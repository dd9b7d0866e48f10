"""`newsfolio rebalance` and `status`: one scheduled step, and what the ledger says."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from allocation.live.cli import options as opt
from allocation.live.cli.account import account

if TYPE_CHECKING:
    from allocation.live.cli.hooks import ReadNewsSignal


def register(app: typer.Typer, read_news: "ReadNewsSignal") -> None:
    """Add the commands to `app`."""
    app.command()(_Command(read_news).rebalance)
    app.command()(status)
    app.command()(history)
    app.add_typer(account)


@dataclass(frozen=True)
class _Command:
    """The command with what other packages lend to it. Each parameter is an option, described in `options`."""

    read_news: "ReadNewsSignal"

    def rebalance(  # the parser needs one parameter per option; below they are records
        self,
        strategy: opt.Strategy,
        ledger: opt.LedgerUrl,
        prices: opt.Prices,
        _settings: opt.SettingsFile = None,
        since: opt.Since = None,
        price_cache: opt.PriceCache = None,
        news: opt.News = None,
        model: opt.Model = None,
        signal: opt.Signal = None,
        date: opt.Date = None,
        every: opt.Every = "daily",
        calendar: opt.Calendar = "XNYS",
        broker: opt.BrokerName = "paper",
        cost_bp: opt.CostBp = 10.0,
        lot: opt.Lot = 0.0,
        minimum: opt.Minimum = 0.0,
        reserve: opt.Reserve = 0.0,
        max_weight: opt.MaxWeight = 0.5,
        max_turnover: opt.MaxTurnover = 0.5,
        min_coverage: opt.MinCoverage = 0.2,
        allow: opt.Allow = None,
        dry_run: opt.DryRun = False,
        wait: opt.Wait = 60.0,
        metrics: opt.Metrics = None,
        on_failure: opt.OnFailure = None,
        log: opt.Log = "quiet",
        as_json: opt.Json = False,
    ) -> None:
        """Do one scheduled step: decide once for the session's close, send the orders, reconcile. Safe to repeat.

        Exit code 3: a guard holds the step and nothing was sent, or orders did not fill as decided.
        """
        from allocation.live.cli.rebalance import Night, Schedule, Sources, Target, Trading
        from allocation.live.errors import UnfilledOrdersError
        from allocation.live.monitor.failures import report_failure
        from allocation.live.step.guards import Limits

        metrics = None if dry_run else metrics
        with report_failure(on_failure, metrics), _logged(log):
            night = Night(
                sources=Sources(strategy, prices, since, price_cache, news, model, signal),
                schedule=Schedule(date, every, calendar),
                trading=Trading(broker, cost_bp, lot, minimum, reserve),
                limits=Limits(max_weight, max_turnover, min_coverage, allowed=frozenset(allow or ())),
                target=Target(ledger, dry_run, wait, metrics),
            )
            report = night.run(self.read_news)
            typer.echo(json.dumps(report.to_dict()) if as_json else str(report))
            if report.unfilled:
                raise UnfilledOrdersError(report.unfilled)


def status(
    ledger: opt.LedgerUrl,
    _settings: opt.SettingsFile = None,
    calendar: opt.Calendar = "XNYS",
    every: opt.Every = "daily",
    as_json: opt.Json = False,
) -> None:
    """Say what the ledger knows: last run, holdings, NAV, next session, and anything wrong (then exit code 1)."""
    from allocation.live.ledger.database import read_ledger
    from allocation.live.ledger.status import status as look

    with read_ledger(ledger) as opened:
        found = look(opened, calendar, every=every)
    typer.echo(json.dumps(found.to_dict()) if as_json else str(found))
    if found.wrong:
        raise typer.Exit(1)


def history(
    what: opt.Record,
    ledger: opt.LedgerUrl,
    _settings: opt.SettingsFile = None,
    as_json: opt.Json = False,
) -> None:
    """Print what the ledger has recorded, as CSV or JSON."""
    from allocation.live.ledger.database import read_ledger
    from allocation.live.ledger.history import history as look
    from allocation.live.ledger.history import spreadsheet_safe

    with read_ledger(ledger) as opened:
        table = look(opened, what)
    as_text = (
        table.to_json(orient="records", date_format="iso") if as_json else spreadsheet_safe(table).to_csv(index=False)
    )
    typer.echo(as_text.rstrip("\n"))


@contextmanager
def _logged(how: str) -> Iterator[None]:
    from allocation.live.monitor.log import event_stream

    if how not in ("quiet", "text", "json"):
        raise typer.BadParameter(f"--log is {how!r}: use quiet, text or json")
    if how == "quiet":
        yield
        return
    with event_stream(sys.stderr, as_json=how == "json"):
        yield
