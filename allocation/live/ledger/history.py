"""What a ledger has recorded, as tables: NAV, decisions, orders, fills, and events of the account."""

from typing import Any

import pandas as pd
from sqlalchemy import Select, select

from allocation.errors import AllocationError
from allocation.live.ledger import tables as t
from allocation.live.ledger.database import Ledger
from newsfolio.shared.text_table import printable

ORDER = t.orders.c
QUERIES: dict[str, Select[Any]] = {
    "nav": select(*t.valuations.c["session", "nav", "cash"]).order_by(t.valuations.c.session),
    "decisions": select(*t.targets.c["session", "asset", "target", "held", "close"]).order_by(
        t.targets.c.session, t.targets.c.asset
    ),
    "orders": select(*ORDER["session", "client_id", "asset", "shares", "price"]).order_by(ORDER.session, ORDER.place),
    "fills": select(t.fills.c.at, ORDER.asset, *t.fills.c["shares", "price", "cost", "client_id"])
    .join(t.orders, ORDER.client_id == t.fills.c.client_id)
    .order_by(t.fills.c.at, t.fills.c.client_id),
    "events": select(*t.account_events.c["at", "kind", "asset", "shares", "cash", "price", "reason"]).order_by(
        t.account_events.c.id
    ),
}


def history(ledger: Ledger, what: str) -> pd.DataFrame:
    """Return one table of the record, oldest rows first; what: nav, decisions, orders, fills or events.

    Sessions are dates, moments UTC; shares below 0 were sold; targets of NaN were held.

    Raises:
        AllocationError: there is no such table.
    """
    if what not in QUERIES:
        raise AllocationError(f"there is no history of {what!r}: use {', '.join(QUERIES)}")
    with ledger.transaction() as connection:
        rows = connection.execute(QUERIES[what])
        return pd.DataFrame(rows.all(), columns=list(rows.keys()))


def safe_cells(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with texts that neither a terminal nor a spreadsheet obeys: control characters are spaces, and
    what would be a formula has an apostrophe in front.
    """

    def safe(cell: object) -> object:
        if not isinstance(cell, str):
            return cell
        text = printable(cell)
        return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) else text

    return table.map(safe)
