"""The options of `newsfolio rebalance` as records, a field for each; those that other commands share have names."""

import inspect
import os
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import typer

from allocation.live.cli.settings_file import use_settings

HOOK = "NEWSFOLIO_ON_FAILURE"  # a hook that hears of a broken settings file, too


def _settings_or_report(context: typer.Context, path: Path | None) -> Path | None:
    """As `use_settings`; at night nobody but the hook of the environment hears that the file is broken."""
    if path is None or context.command.name != "rebalance":
        return use_settings(context, path)
    from allocation.live.monitor.failures import report_failure  # loads SQLAlchemy

    with report_failure(os.environ.get(HOOK)):
        return use_settings(context, path)


LedgerUrl = Annotated[str, typer.Option(help="The ledger: a file, or postgresql://user@host/name.")]
SettingsFile = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        is_eager=True,
        callback=_settings_or_report,
        help="TOML file of these options; the command line wins.",
    ),
]
Every = Annotated[str, typer.Option(help="daily, weekly, monthly, or a number of sessions.")]
Calendar = Annotated[str, typer.Option(help="Exchange calendar, such as XNYS or XLON.")]
BrokerName = Annotated[str, typer.Option(help="paper, or alpaca (keys from the environment).")]
Wait = Annotated[float, typer.Option(help="Seconds to wait for another run.")]
Record = Annotated[str, typer.Argument(help="nav, decisions, orders, fills or events.")]
Json = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The strategy and its data. prices: a file, `URL#TABLE`, or `yahoo:TICKER,TICKER`, asked from `since` on."""

    strategy: Annotated[Path, typer.Argument(help="A Python file with a function policy().")]
    prices: Annotated[str, typer.Option(help="A file, URL#TABLE of a database, or yahoo:TICKER,TICKER,...")]
    since: Annotated[str | None, typer.Option(help="First date to ask Yahoo Finance for.")] = None
    price_cache: Annotated[Path | None, typer.Option(help="Folder that keeps what Yahoo Finance gave.")] = None
    signal: Annotated[Path | None, typer.Option(help="A signal, in place of news.")] = None


@dataclass(frozen=True, kw_only=True)
class NewsFile:
    """The news, how its file is read, and the model that scores it."""

    news: Annotated[Path | None, typer.Option(help="Headlines: published, asset, text.")] = None
    model: Annotated[str | None, typer.Option(help="Classifier that scores them, unless they have scores.")] = None
    timezone: Annotated[str | None, typer.Option(help="Zone of publication times that name none.")] = None
    midnight: Annotated[
        Literal["auto", "time", "date"],
        typer.Option(help="Whether publication at exactly 0:00 is a time or a date."),
    ] = "auto"
    columns: Annotated[
        str, typer.Option(help="Columns by other names: published=created_at,asset=ticker,text=title.")
    ] = ""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When a step is due. date: the session to decide for, by default the last one that closed."""

    date: Annotated[str | None, typer.Option(help="Session to decide for; by default the last closed.")] = None
    every: Every = "daily"
    calendar: Calendar = "XNYS"


@dataclass(frozen=True, kw_only=True)
class Trading:
    """Where orders go and what they may be."""

    broker: BrokerName = "paper"
    cost_bp: Annotated[float, typer.Option(help="Cost of trading, basis points of the traded value.")] = 10.0
    lot: Annotated[float, typer.Option(help="Shares that trades are multiples of; 0: any fraction.")] = 0.0
    minimum: Annotated[float, typer.Option(help="Least value of an order.")] = 0.0
    reserve: Annotated[float, typer.Option(help="Fraction of NAV kept in cash when orders are sized.")] = 0.0


@dataclass(frozen=True, kw_only=True)
class Guards:
    """Where guards stop a step, and what somebody let through."""

    max_weight: Annotated[float, typer.Option(help="Guard: largest weight.")] = 0.5
    max_turnover: Annotated[float, typer.Option(help="Guard: largest one-way turnover.")] = 0.5
    min_coverage: Annotated[float, typer.Option(help="Guard: least share of assets with a signal.")] = 0.2
    allow: Annotated[list[str] | None, typer.Option(help="Let a guard's finding through, by name.")] = None
    allow_jump: Annotated[
        list[str] | None, typer.Option(help="An asset whose price jumps are real, though they look like a split.")
    ] = None
    split: Annotated[
        list[str] | None, typer.Option(help="TICKER=RATIO on paper, where [revised-prices] asks for it.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class Target:
    """The ledger, and whether anything is kept in it."""

    ledger: LedgerUrl
    wait: Wait = 60.0
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide and show; keep and send nothing.")] = False
    check: Annotated[
        bool, typer.Option("--check", help="Open and check all that a step needs, on any day; write nothing.")
    ] = False


@dataclass(frozen=True, kw_only=True)
class Output:
    """Who hears what of the run."""

    metrics: Annotated[Path | None, typer.Option(help="Where to write figures for Prometheus.")] = None
    on_failure: Annotated[
        str | None,
        typer.Option(
            envvar=HOOK, help="Command to run with the reason as its last argument, or https address to post it to."
        ),
    ] = None
    log: Annotated[str, typer.Option(help="quiet, text or json: what is said on stderr meanwhile.")] = "quiet"
    as_json: Json = False


def command_of(run: Callable[..., None], *records: type) -> Callable[..., None]:
    """Return a command with an option per field of the records, which hands `run` one of each, in their order."""
    parameters, hints = [], {}
    for record in records:
        types = get_type_hints(record, include_extras=True)
        for field in fields(record):
            default = inspect.Parameter.empty if field.default is MISSING else field.default
            kind, hints[field.name] = inspect.Parameter.KEYWORD_ONLY, types[field.name]
            parameters.append(inspect.Parameter(field.name, kind, default=default, annotation=types[field.name]))
    parameters.append(
        inspect.Parameter("_settings", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=SettingsFile)
    )

    def command(**given: Any) -> None:
        run(*(record(**{field.name: given[field.name] for field in fields(record)}) for record in records))

    command.__doc__ = run.__doc__
    command.__name__ = run.__name__
    command.__annotations__ = hints | {"_settings": SettingsFile}
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return command
