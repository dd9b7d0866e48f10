"""What changes an account other than fills, as events that are only added to; holdings are the sum of both."""

from dataclasses import dataclass
from datetime import datetime
from itertools import chain

import pandas as pd
from sqlalchemy import Connection, insert, select

from allocation.live.ledger.tables import account_events, baskets, fills, orders

OPEN, DEPOSIT, WITHDRAW, SPLIT, RENAME, CLOSE, ADOPT = (
    "open", "deposit", "withdraw", "split", "rename", "close", "adopt",
)  # fmt: skip


@dataclass(frozen=True)
class AccountEvent:
    """What one event adds to shares of an asset and to cash; price: where a position was closed at one."""

    kind: str
    asset: str | None = None
    shares: float = 0.0
    cash: float = 0.0
    price: float | None = None
    reason: str | None = None


def write_events(connection: Connection, events: list[AccountEvent], now: datetime) -> None:
    """Add events to the record."""
    if events:
        connection.execute(insert(account_events), [vars(event) | {"at": now} for event in events])


def is_opened(connection: Connection) -> bool:
    """Return whether the account has an opening balance."""
    return connection.execute(select(account_events.c.id).limit(1)).first() is not None


def event_holdings(connection: Connection) -> tuple[float, pd.Series]:
    """Return cash and shares by asset: the sum of all account events and fills.

    What filled after an asset was renamed, of an order under its old name, counts under the new one.
    """
    changed = select(account_events.c.asset, account_events.c.shares, account_events.c.cash)
    paid = (fills.c.shares * fills.c.price + fills.c.cost).label("paid")
    filled = (
        select(orders.c.asset, fills.c.shares, paid, fills.c.at, baskets.c.sized)
        .join(orders, orders.c.client_id == fills.c.client_id)
        .join(baskets, baskets.c.session == orders.c.session)
    )
    renamed = renames(connection)
    cash, shares = 0.0, dict[str, float]()
    traded = (
        (_name_at(renamed, asset, since=sized, until=at), count, -money)
        for asset, count, money, at, sized in connection.execute(filled)
    )
    for asset, count, money in chain(connection.execute(changed), traded):
        cash += money
        if asset is not None:
            shares[asset] = shares.get(asset, 0.0) + count
    return cash, pd.Series(dict(sorted(shares.items())), dtype=float)


def renamed_since(connection: Connection, moment: datetime) -> dict[str, str]:
    """Return the new name of each asset that was renamed after a moment."""
    names: dict[str, str] = {}
    for old, new, at in renames(connection):
        if at < moment:
            continue
        names = {first: new if last == old else last for first, last in names.items()} | {old: new}
    return names


def renames(connection: Connection) -> list[tuple[str, str, datetime]]:
    """Return old name, new name and moment of each rename, in their order."""
    events = account_events.c
    named = select(events.asset, events.reason, events.at).where(events.kind == RENAME, events.reason.is_not(None))
    return [(str(old), str(new), at) for old, new, at in connection.execute(named.order_by(events.id))]


def _name_at(renamed: list[tuple[str, str, datetime]], asset: str, *, since: datetime, until: datetime) -> str:
    """What an asset of `since` is called at `until`."""
    for old, new, at in renamed:
        asset = new if old == asset and since <= at <= until else asset
    return asset
