"""`newsfolio rebalance`, `status` and `history`: one scheduled step, and what the ledger says."""

import json
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from allocation.live.cli import options as opt
from allocation.live.cli.account import account
from newsfolio.shared.text_table import printable

if TYPE_CHECKING:
    from allocation.live.cli.hooks import NewsReader


def register(app: typer.Typer, reader: "NewsReader") -> None:
    """Add the commands to `app`; reader: what makes a signal of news."""
    records = (opt.Sources, opt.NewsFile, opt.Schedule, opt.Trading, opt.Guards, opt.Target, opt.Output)
    app.command()(opt.command_of(_Command(reader).rebalance, *records))
    app.command()(status)
    app.command()(history)
    app.add_typer(account)


@dataclass(frozen=True)
class _Command:
    """The command with what other packages lend to it."""

    reader: "NewsReader"

    def rebalance(
        self,
        sources: opt.Sources,
        news: opt.NewsFile,
        schedule: opt.Schedule,
        trading: opt.Trading,
        guards: opt.Guards,
        target: opt.Target,
        output: opt.Output,
    ) -> None:
        """Do one scheduled step: decide once for the session's close, send the orders, reconcile. Safe to repeat.

        Exit code 3: a guard holds the step and nothing was sent, or orders did not fill as decided.
        """
        from allocation.live.cli.check import check_all
        from allocation.live.cli.rebalance import Night
        from allocation.live.errors import UnfilledOrdersError
        from allocation.live.monitor.failures import report_failure
        from allocation.live.monitor.log import event_stream

        night = Night(sources, news, schedule, trading, guards, target, self.reader)
        if target.check:
            found = check_all(night, output)
            typer.echo(json.dumps([vars(line) for line in found]) if output.as_json else "\n".join(map(str, found)))
            raise typer.Exit(int(any(line.fault for line in found)))
        if output.log not in ("quiet", "text", "json"):
            raise typer.BadParameter(f"--log is {output.log!r}: use quiet, text or json")
        metrics = None if target.dry_run else output.metrics
        quiet = output.log == "quiet"
        with (
            report_failure(output.on_failure, metrics),
            nullcontext() if quiet else event_stream(sys.stderr, as_json=output.log == "json"),
        ):
            report = night.run(metrics)
            typer.echo(printable(json.dumps(report.to_dict())) if output.as_json else str(report))
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
    typer.echo(printable(json.dumps(found.to_dict())) if as_json else str(found))
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
    from allocation.live.ledger.history import safe_cells

    with read_ledger(ledger) as opened:
        table = look(opened, what)
    as_text = (
        printable(table.to_json(orient="records", date_format="iso"))
        if as_json
        else safe_cells(table).to_csv(index=False)
    )
    typer.echo(as_text.rstrip("\n"))
