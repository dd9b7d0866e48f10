"""`newsfolio account`: opening an account, and what happens to it outside a step, as events in its ledger."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from allocation.live.cli import options as opt
from newsfolio.shared.text_table import printable

if TYPE_CHECKING:
    from allocation.live.ledger.database import Ledger

Cash = Annotated[float, typer.Option(help="What an account on paper starts with.")]
Amount = Annotated[float, typer.Argument(help="Money, above 0.")]
Ticker = Annotated[str, typer.Argument(help="The asset's ticker.")]
NewTicker = Annotated[str, typer.Argument(help="Its new ticker.")]
Price = Annotated[float, typer.Option(help="Money that one share brought; 0 if nothing.")]

account = typer.Typer(
    name="account", help="Open an account; record deposits, new tickers and ended positions.", no_args_is_help=True
)


@account.command("open")
def open_(
    ledger: opt.LedgerUrl,
    cash: Cash = 100_000.0,
    broker: opt.BrokerName = "paper",
    _settings: opt.SettingsFile = None,
    wait: opt.Wait = 60.0,
) -> None:
    """Open a ledger's account: on paper with --cash, at a broker with what is there. No other command makes one."""
    from allocation.live.brokers.account import open_account
    from allocation.live.brokers.alpaca import broker_named
    from allocation.live.ledger.database import open_ledger
    from allocation.live.ledger.last_run import remember

    connected = broker_named(broker)
    there = connected.account() if connected else None
    with open_ledger(ledger, wait=wait, create=True) as opened, remember(opened):
        open_account(opened, cash, broker=broker, at_broker=there)
    typer.echo(f"opened at {broker} with {cash if there is None else there.cash:,.2f} in cash")


@account.command()
def deposit(amount: Amount, ledger: opt.LedgerUrl, _settings: opt.SettingsFile = None, wait: opt.Wait = 60.0) -> None:
    """Record money that was paid in."""
    from allocation.live.brokers import account as act

    with _opened(ledger, wait) as opened:
        act.deposit(opened, amount)
    typer.echo(f"{amount:,.2f} paid in")


@account.command()
def withdraw(amount: Amount, ledger: opt.LedgerUrl, _settings: opt.SettingsFile = None, wait: opt.Wait = 60.0) -> None:
    """Record money that was taken out."""
    from allocation.live.brokers import account as act

    with _opened(ledger, wait) as opened:
        act.withdraw(opened, amount)
    typer.echo(f"{amount:,.2f} taken out")


@account.command()
def rename(
    old: Ticker, new: NewTicker, ledger: opt.LedgerUrl, _settings: opt.SettingsFile = None, wait: opt.Wait = 60.0
) -> None:
    """Record that an asset goes by another ticker, such as FB by META."""
    from allocation.live.brokers.account import rename_asset

    with _opened(ledger, wait) as opened:
        shares = rename_asset(opened, old, new)
    typer.echo(printable(f"{old} is {new}: {shares:,.4f} shares"))


@account.command()
def close(
    asset: Ticker,
    ledger: opt.LedgerUrl,
    price: Price,
    _settings: opt.SettingsFile = None,
    wait: opt.Wait = 60.0,
) -> None:
    """Record that a position has ended at a price, as in a merger or a delisting."""
    from allocation.live.brokers.account import close_position

    with _opened(ledger, wait) as opened:
        money = close_position(opened, asset, price)
    typer.echo(printable(f"{asset} is closed: {money:,.2f}"))


@contextmanager
def _opened(url: str, wait: float) -> "Iterator[Ledger]":
    from allocation.live.ledger.database import open_ledger

    with open_ledger(url, wait=wait) as opened:
        yield opened
