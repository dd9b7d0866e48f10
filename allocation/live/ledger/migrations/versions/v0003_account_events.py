"""What changes an account other than fills: opening, deposits, splits, renames, positions closed by hand.

An account of before gets an opening event from which its holdings follow: what the ledger held last, less its fills.
"""

import datetime as dt
from collections import defaultdict
from typing import Any

import sqlalchemy as sa
from alembic import op

from allocation.live.ledger.migrations.versions.v0002_append_only import append_only

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the table, open the account that is there, and let the database refuse changes."""
    op.create_table(
        "account_events",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("asset", sa.String(64)),
        sa.Column("shares", sa.Double, nullable=False),
        sa.Column("cash", sa.Double, nullable=False),
        sa.Column("price", sa.Double),
        sa.Column("reason", sa.Text),
    )
    _open_what_is_there(op.get_bind())
    append_only("account_events")


def _open_what_is_there(connection: Any) -> None:
    created = connection.execute(sa.text("SELECT created, broker FROM portfolio")).first()
    held = _held_on_paper(connection) if created and created.broker == "paper" else _held_at_a_broker(connection)
    if created is None or held is None:
        return
    cash, shares = held
    fills = connection.execute(
        sa.text("SELECT asset, fills.shares, fills.price, cost FROM fills JOIN orders USING (client_id)")
    )
    for asset, count, price, cost in fills:
        shares[asset] -= count
        cash += count * price + cost
    table = sa.table("account_events", *map(sa.column, ("at", "kind", "asset", "shares", "cash", "reason")))
    row = {"at": created.created, "kind": "open", "reason": "opened before account events were recorded"}
    rows = [row | {"asset": None, "shares": 0.0, "cash": cash}]
    rows += [row | {"asset": asset, "shares": count, "cash": 0.0} for asset, count in shares.items() if count]
    connection.execute(sa.insert(table).values(at=sa.bindparam("at", type_=sa.DateTime)), [_dated(row) for row in rows])


def _dated(row: dict[str, Any]) -> dict[str, Any]:
    """SQLite gives a time back as text where no type is stated."""
    at = row["at"]
    return row | {"at": dt.datetime.fromisoformat(at) if isinstance(at, str) else at}


def _held_on_paper(connection: Any) -> tuple[float, dict[str, float]] | None:
    """The newest book; an account that never traded is worth what it was valued at, and gets its first book."""
    book = connection.execute(sa.text("SELECT id, cash FROM books ORDER BY id DESC LIMIT 1")).first()
    if book is not None:
        rows = connection.execute(sa.text("SELECT asset, shares FROM positions WHERE book = :book"), {"book": book.id})
        return book.cash, defaultdict(float, {row.asset: row.shares for row in rows})
    cash = connection.scalar(sa.text("SELECT cash FROM valuations ORDER BY session DESC LIMIT 1"))
    if cash is None:
        return None
    connection.execute(sa.text("INSERT INTO books (cause, cash) VALUES ('start', :cash)"), {"cash": cash})
    return cash, defaultdict(float)


def _held_at_a_broker(connection: Any) -> tuple[float, dict[str, float]] | None:
    """The last valuation and the fills written after it."""
    last = connection.execute(sa.text("SELECT session, at, cash FROM valuations ORDER BY session DESC LIMIT 1")).first()
    if last is None:
        return None
    rows = connection.execute(
        sa.text("SELECT asset, shares FROM holdings WHERE session = :session"), {"session": last.session}
    )
    shares = defaultdict(float, {row.asset: row.shares for row in rows})
    later = connection.execute(
        sa.text("SELECT asset, f.shares, f.price FROM fills f JOIN orders USING (client_id) WHERE f.at > :at"),
        {"at": last.at},
    )
    cash = last.cash
    for asset, count, price in later:
        shares[asset] += count
        cash -= count * price
    return cash, shares
