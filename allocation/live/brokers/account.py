"""An account by hand: opened, paid into, and what a company does to a holding; each act is an event in the ledger."""

from datetime import datetime

import numpy as np
import pandas as pd

from allocation.errors import AllocationError
from allocation.live.broker import Account
from allocation.live.brokers.paper import PaperAccount, read_book, write_book
from allocation.live.clock import utc_now
from allocation.live.ledger import events, journal
from allocation.live.ledger.database import Ledger
from allocation.live.ledger.events import AccountEvent, event_holdings, write_events

PAPER = "paper"


def open_account(
    ledger: Ledger, cash: float = 100_000.0, *, broker: str = PAPER, at_broker: Account | None = None
) -> None:
    """Open the ledger's account: on paper with `cash`, at a real broker with what is there.

    Raises:
        LedgerError: an account is open in this ledger. AllocationError: cash is no amount above 0.
    """
    opening, now = [], _now()
    if at_broker is None:
        _check_money(cash)
    else:
        cash = at_broker.cash
        opening = [AccountEvent(events.OPEN, asset, shares) for asset, shares in sorted(at_broker.shares.items())]
    with ledger.transaction() as connection:
        journal.make_portfolio(connection, broker, now)
        write_events(connection, [AccountEvent(events.OPEN, cash=cash), *opening], now)
        if at_broker is None:
            columns = pd.DataFrame({"shares": [], "close": [], "earlier": []}, dtype=float)
            write_book(connection, events.OPEN, PaperAccount(None, cash, columns))


def deposit(ledger: Ledger, amount: float) -> None:
    """Record money that was paid in; on paper it is there from now on."""
    _check_money(amount)
    _record(ledger, [AccountEvent(events.DEPOSIT, cash=amount)])


def withdraw(ledger: Ledger, amount: float) -> None:
    """Record money that was taken out.

    Raises:
        AllocationError: on paper there is less cash.
    """
    _check_money(amount)
    with ledger.transaction() as connection:
        broker, _ = journal.account_opened(connection)
        if broker == PAPER and amount > (cash := read_book(connection).cash):
            raise AllocationError(f"{amount:,.2f} cannot be withdrawn: the cash is {cash:,.2f}, sell first")
    _record(ledger, [AccountEvent(events.WITHDRAW, cash=-amount)])


def rename_asset(ledger: Ledger, old: str, new: str) -> float:
    """Record that a ticker has changed; return the shares that go by the new name, which may be 0.

    Raises:
        AllocationError: the names are one, or the new one is held already: a share of one is not a share of the other.
    """
    if old == new:
        raise AllocationError(f"{old} and {new} are one name: give the old ticker and the new one")
    shares, there = _shares(ledger, old), _shares(ledger, new)
    if there:
        raise AllocationError(
            f"{new} is held already ({there:,.4f} shares), and two positions cannot go by one name: check the tickers; "
            f"if {old} was taken over, record what a share brought: newsfolio account close {old} --price"
        )
    _record(
        ledger,
        [
            AccountEvent(events.RENAME, old, -shares, reason=new),
            AccountEvent(events.RENAME, new, shares),
        ],
    )
    return shares


def close_position(ledger: Ledger, asset: str, price: float) -> float:
    """Record that a position has ended, at what each share brought, such as in a merger; return the money.

    Raises:
        AllocationError: none is held, or the price is none.
    """
    if not 0.0 <= price < np.inf:
        raise AllocationError(f"the price is {price:g}: give the money that one share brought, 0 if nothing")
    shares = _shares(ledger, asset)
    if not shares:
        raise AllocationError(f"{asset} is not held: see `newsfolio status`")
    _record(ledger, [AccountEvent(events.CLOSE, asset, -shares, shares * price, price)])
    return shares * price


def _shares(ledger: Ledger, asset: str) -> float:
    with ledger.transaction() as connection:
        broker, _ = journal.account_opened(connection)
        held = read_book(connection).positions["shares"] if broker == PAPER else event_holdings(connection)[1]
    return float(held.get(asset, 0.0))


def _record(ledger: Ledger, made: list[AccountEvent]) -> None:
    """Write events; on paper the book follows at once."""
    with ledger.transaction() as connection:
        broker, _ = journal.account_opened(connection)
        write_events(connection, made, _now())
        if broker != PAPER:
            return
        book = read_book(connection)
        positions = book.positions
        for event in made:
            if event.kind == events.RENAME and event.reason is not None and event.asset in positions.index:
                there = positions["shares"].get(event.reason, 0.0)
                renamed = positions.rename(index={event.asset: event.reason})  # its marks go with it
                positions = renamed[~renamed.index.duplicated(keep="last")].copy()
                positions.loc[event.reason, "shares"] = there - event.shares
            if event.kind == events.CLOSE:
                positions = positions.drop(index=event.asset)
        cash = book.cash + sum(event.cash for event in made)
        write_book(connection, made[0].kind, PaperAccount(book.session, cash, positions))


def _check_money(amount: float) -> None:
    if not 0.0 < amount < np.inf:
        raise AllocationError(f"{amount:,.2f} is no amount of money: name one above 0")


def _now() -> datetime:
    return utc_now().tz_localize(None).to_pydatetime()
