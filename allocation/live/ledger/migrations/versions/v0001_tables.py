"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

NAME = sa.String(64)
DIGEST = sa.String(64)


def upgrade() -> None:
    """Create every table of the first version."""
    _what_ran()
    _what_was_decided()
    _what_was_ordered()
    _what_is_held()


def _what_ran() -> None:
    op.create_table(
        "portfolio",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", NAME, nullable=False),
        sa.Column("broker", NAME, nullable=False),
        sa.Column("created", sa.DateTime, nullable=False),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("session", sa.Date, nullable=False),
        sa.Column("started", sa.DateTime, nullable=False),
        sa.Column("finished", sa.DateTime),
        sa.Column("outcome", NAME),
        sa.Column("reason", sa.Text),
    )


def _what_was_decided() -> None:
    op.create_table(
        "decisions",
        sa.Column("session", sa.Date, primary_key=True),
        sa.Column("run", sa.Integer, sa.ForeignKey("runs.id"), nullable=False),
        sa.Column("decided", sa.DateTime, nullable=False),
        *(sa.Column(name, DIGEST, nullable=False) for name in ("prices", "signal", "strategy")),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("config", DIGEST, nullable=False),
        sa.Column("basket", NAME, nullable=False),
    )
    op.create_table(
        "targets",
        sa.Column("session", sa.Date, sa.ForeignKey("decisions.session"), nullable=False),
        sa.Column("asset", NAME, nullable=False),
        sa.Column("target", sa.Double),
        sa.Column("held", sa.Double, nullable=False),
        sa.Column("close", sa.Double),
        sa.PrimaryKeyConstraint("session", "asset"),
    )


def _what_was_ordered() -> None:
    op.create_table(
        "baskets",
        sa.Column("session", sa.Date, sa.ForeignKey("decisions.session"), primary_key=True),
        sa.Column("sized", sa.DateTime, nullable=False),
        sa.Column("tracking_error", sa.Double, nullable=False),
        sa.Column("gap", sa.Double, nullable=False),
    )
    op.create_table(
        "orders",
        sa.Column("client_id", NAME, primary_key=True),
        sa.Column("session", sa.Date, sa.ForeignKey("baskets.session"), nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("asset", NAME, nullable=False),
        sa.Column("shares", sa.Double, nullable=False),
        sa.Column("price", sa.Double, nullable=False),
    )
    op.create_table(
        "order_events",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("client_id", NAME, sa.ForeignKey("orders.client_id"), nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("status", NAME, nullable=False),
        sa.Column("filled", sa.Double, nullable=False),
        sa.Column("price", sa.Double),
        sa.Column("reason", sa.Text),
    )
    op.create_table(
        "fills",
        sa.Column("client_id", NAME, sa.ForeignKey("orders.client_id"), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        *(sa.Column(name, sa.Double, nullable=False) for name in ("shares", "price", "cost")),
        sa.PrimaryKeyConstraint("client_id", "number"),
    )


def _what_is_held() -> None:
    op.create_table(
        "books",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("session", sa.Date),
        sa.Column("cause", NAME, nullable=False),
        sa.Column("cash", sa.Double, nullable=False),
    )
    op.create_table(
        "positions",
        sa.Column("book", sa.Integer, sa.ForeignKey("books.id"), nullable=False),
        sa.Column("asset", NAME, nullable=False),
        sa.Column("shares", sa.Double, nullable=False),
        sa.Column("close", sa.Double, nullable=False),
        sa.Column("earlier", sa.Double),
        sa.PrimaryKeyConstraint("book", "asset"),
    )
    op.create_table(
        "valuations",
        sa.Column("session", sa.Date, primary_key=True),
        sa.Column("at", sa.DateTime, nullable=False),
        *(sa.Column(name, sa.Double, nullable=False) for name in ("nav", "cash")),
    )
    op.create_table(
        "holdings",
        sa.Column("session", sa.Date, sa.ForeignKey("valuations.session"), nullable=False),
        sa.Column("asset", NAME, nullable=False),
        *(sa.Column(name, sa.Double, nullable=False) for name in ("shares", "close")),
        sa.PrimaryKeyConstraint("session", "asset"),
    )
