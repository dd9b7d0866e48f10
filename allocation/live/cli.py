"""`newsfolio rebalance` and `status`: one scheduled step, and what the ledger says."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from allocation.errors import AllocationError
from allocation.live.settings_file import use_settings
from allocation.live.tools import Tools

STOPPED = 3  # exit code: a guard holds the step

LedgerUrl = Annotated[str, typer.Option(help="The ledger: a file, or postgresql://user@host/name.")]
Json = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]
Calendar = Annotated[str, typer.Option(help="Exchange calendar, such as XNYS or XLON.")]
SettingsFile = Annotated[
    Path | None,
    typer.Option(
        "--settings", is_eager=True, callback=use_settings, help="TOML file of these options; the command line wins."
    ),
]


def register(app: typer.Typer, tools: Tools) -> None:
    """Add the commands to `app`."""

    def rebalance(
        strategy: Annotated[Path, typer.Argument(help="A Python file with a function policy().")],
        ledger: LedgerUrl,
        prices: Annotated[str, typer.Option(help="A file, URL#TABLE of a database, or yahoo:TICKER,TICKER,...")],
        _settings: SettingsFile = None,
        since: Annotated[str | None, typer.Option(help="First date to ask Yahoo Finance for.")] = None,
        price_cache: Annotated[Path | None, typer.Option(help="Folder that keeps what Yahoo Finance gave.")] = None,
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
        on_failure: Annotated[
            str | None,
            typer.Option(
                envvar="NEWSFOLIO_ON_FAILURE",
                help="Command to run with the reason as its last argument, or https address to post it to.",
            ),
        ] = None,
        log: Annotated[str, typer.Option(help="quiet, text or json: what is said on stderr meanwhile.")] = "quiet",
        as_json: Json = False,
    ) -> None:
        """Do one scheduled step: decide once for the session's close, send the orders, reconcile. Safe to repeat.

        Exit code 3: a guard holds the step and nothing was sent.
        """
        from allocation.live.command import Call, Run, Sources

        call = Call(
            strategy, Sources(prices, since, price_cache, news, model, signal), date, every, calendar, broker, cash,
            {"cost_bp": cost_bp, "lot": lot, "minimum": minimum, "reserve": reserve},
            {"weight": max_weight, "turnover": max_turnover, "coverage": min_coverage},
            tuple(allow or ()),
        )  # fmt: skip
        with _failing(on_failure), _logged(log):
            typer.echo(call.text(tools, Run(ledger, dry_run, wait, metrics, as_json)))

    app.command()(rebalance)
    app.command()(status)


def status(
    ledger: LedgerUrl, _settings: SettingsFile = None, calendar: Calendar = "XNYS", as_json: Json = False
) -> None:
    """Say what the ledger knows: last run, holdings, NAV, next session, and anything wrong (then exit code 1)."""
    from allocation.live.ledger import read_ledger
    from allocation.live.status import status as look

    with read_ledger(ledger) as opened:
        found = look(opened, calendar)
    typer.echo(json.dumps(found.to_dict()) if as_json else str(found))
    if found.wrong:
        raise typer.Exit(1)


@contextmanager
def _failing(target: str | None) -> Iterator[None]:
    """Tell `target` why a step did not get to its end, whatever stopped it; a guard's stop is exit code 3."""
    from allocation.live.errors import Stopped
    from allocation.live.events import redacted
    from allocation.live.notify import notify, told_plainly

    try:
        yield
    except Exception as error:
        code = _exit_code(error)
        reason = told_plainly(redacted(str(error) or type(error).__name__))
        if target is not None:
            notify(target, reason, code)
        if isinstance(error, Stopped):
            typer.echo(reason, err=True)
            raise typer.Exit(STOPPED) from None
        if redacted(str(error)) != str(error):
            raise AllocationError(reason) from None
        raise


def _exit_code(error: Exception) -> int:
    from allocation.live.errors import Stopped

    return STOPPED if isinstance(error, Stopped) else 2 if isinstance(error, typer.BadParameter) else 1


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
