"""What changes an account other than fills, as events that are only added to; holdings are the sum of both."""

from dataclasses import dataclass
from datetime import datetime
from itertools import chain

import pandas as pd
from sqlalchemy import Connection, insert, select

from allocation.live.ledger.tables import account_events, fills, orders

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
    """Return cash and shares by asset: the sum of all account events and fills."""
    changed = select(account_events.c.asset, account_events.c.shares, account_events.c.cash)
    filled = select(orders.c.asset, fills.c.shares, -(fills.c.shares * fills.c.price + fills.c.cost).label("cash"))
    filled = filled.join(orders, orders.c.client_id == fills.c.client_id)
    cash, shares = 0.0, dict[str, float]()
    for asset, count, money in chain(connection.execute(changed), connection.execute(filled)):
        cash += money
        if asset is not None:
            shares[asset] = shares.get(asset, 0.0) + count
    return cash, pd.Series(dict(sorted(shares.items())), dtype=float)


def renamed_since(connection: Connection, moment: datetime) -> dict[str, str]:
    """Return the new name of each asset that was renamed after a moment."""
    rows = connection.execute(
        select(account_events.c.asset, account_events.c.reason)
        .where(account_events.c.kind == RENAME, account_events.c.reason.is_not(None), account_events.c.at >= moment)
        .order_by(account_events.c.id)
    )
    names: dict[str, str] = {}
    for old, new in rows:
        names = {first: new if last == old else last for first, last in names.items()} | {old: new}
    return names
