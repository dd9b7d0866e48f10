"""The first tables."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

NAME = sa.String(64)
DIGEST = sa.String(64)


TABLES: dict[str, tuple[sa.Column[Any] | sa.PrimaryKeyConstraint, ...]] = {
    "portfolio": (
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", NAME, nullable=False),
        sa.Column("broker", NAME, nullable=False),
        sa.Column("created", sa.DateTime, nullable=False),
    ),
    "runs": (
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("session", sa.Date, nullable=False),
        sa.Column("started", sa.DateTime, nullable=False),
        sa.Column("finished", sa.DateTime),
        sa.Column("outcome", NAME),
        sa.Column("reason", sa.Text),
    ),
    "decisions": (
        sa.Column("session", sa.Date, primary_key=True),
        sa.Column("run", sa.Integer, sa.ForeignKey("runs.id"), nullable=False),
        sa.Column("decided", sa.DateTime, nullable=False),
        *(sa.Column(name, DIGEST, nullable=False) for name in ("prices", "signal", "strategy")),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("config", DIGEST, nullable=False),
        sa.Column("basket", NAME, nullable=False),
    ),
    "targets": (
        sa.Column("session", sa.Date, sa.ForeignKey("decisions.session"), nullable=False),
        sa.Column("asset", NAME, nullable=False),
        sa.Column("target", sa.Double),
        sa.Column("held", sa.Double, nullable=False),
        sa.Column("close", sa.Double),
        sa.PrimaryKeyConstraint("session", "asset"),
    ),
    "baskets": (
        sa.Column("session", sa.Date, sa.ForeignKey("decisions.session"), primary_key=True),
        sa.Column("sized", sa.DateTime, nullable=False),
        sa.Column("tracking_error", sa.Double, nullable=False),
        sa.Column("gap", sa.Double, nullable=False),
    ),
    "orders": (
        sa.Column("client_id", NAME, primary_key=True),
        sa.Column("session", sa.Date, sa.ForeignKey("baskets.session"), nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("asset", NAME, nullable=False),
        sa.Column("shares", sa.Double, nullable=False),
        sa.Column("price", sa.Double, nullable=False),
    ),
    "order_events": (
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("client_id", NAME, sa.ForeignKey("orders.client_id"), nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("status", NAME, nullable=False),
        sa.Column("filled", sa.Double, nullable=False),
        sa.Column("price", sa.Double),
        sa.Column("reason", sa.Text),
    ),
    "fills": (
        sa.Column("client_id", NAME, sa.ForeignKey("orders.client_id"), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        *(sa.Column(name, sa.Double, nullable=False) for name in ("shares", "price", "cost")),
        sa.PrimaryKeyConstraint("client_id", "number"),
    ),
    "books": (
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("session", sa.Date),
        sa.Column("cause", NAME, nullable=False),
        sa.Column("cash", sa.Double, nullable=False),
    ),
    "positions": (
        sa.Column("book", sa.Integer, sa.ForeignKey("books.id"), nullable=False),
        sa.Column("asset", NAME, nullable=False),
        sa.Column("shares", sa.Double, nullable=False),
        sa.Column("close", sa.Double, nullable=False),
        sa.Column("earlier", sa.Double),
        sa.PrimaryKeyConstraint("book", "asset"),
    ),
    "valuations": (
        sa.Column("session", sa.Date, primary_key=True),
        sa.Column("at", sa.DateTime, nullable=False),
        *(sa.Column(name, sa.Double, nullable=False) for name in ("nav", "cash")),
    ),
    "holdings": (
        sa.Column("session", sa.Date, sa.ForeignKey("valuations.session"), nullable=False),
        sa.Column("asset", NAME, nullable=False),
        *(sa.Column(name, sa.Double, nullable=False) for name in ("shares", "close")),
        sa.PrimaryKeyConstraint("session", "asset"),
    ),
}


def upgrade() -> None:
    """Create every table of the first version."""
    for name, columns in TABLES.items():
        op.create_table(name, *columns)
