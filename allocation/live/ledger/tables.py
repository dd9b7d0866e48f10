"""The ledger's tables. Times are UTC without a zone; shares and money are doubles, as in a backtest.

Decisions, targets, orders, order events, fills and account events are only ever added to: the database itself refuses
to change or delete them (see migrations). What is held is the sum of fills and account events. `books` and
`positions` are the paper broker's account, one snapshot per change.
"""

from sqlalchemy import (
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

metadata = MetaData()
NAME = String(64)
DIGEST = String(64)

portfolio = Table(
    "portfolio",
    metadata,
    Column("id", Integer, primary_key=True),  # always 1: one ledger, one portfolio
    Column("name", NAME, nullable=False),  # random, in every client id: two ledgers never share an order
    Column("broker", NAME, nullable=False),
    Column("created", DateTime, nullable=False),
)
runs = Table(
    "runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("session", Date, nullable=False),
    Column("started", DateTime, nullable=False),
    Column("finished", DateTime),
    Column("outcome", NAME),  # done, stopped, failed; NULL: still running, or killed
    Column("reason", Text),
)
decisions = Table(
    "decisions",
    metadata,
    Column("session", Date, primary_key=True),  # one decision per session, whoever asks
    Column("run", Integer, ForeignKey("runs.id"), nullable=False),
    Column("decided", DateTime, nullable=False),
    Column("prices", DIGEST, nullable=False),
    Column("signal", DIGEST, nullable=False),
    Column("strategy", DIGEST, nullable=False),
    Column("model", Text, nullable=False),
    Column("config", DIGEST, nullable=False),
    Column("basket", NAME, nullable=False),  # close: orders came with the decision; open: sized at the next open
)
targets = Table(
    "targets",
    metadata,
    Column("session", Date, ForeignKey("decisions.session"), nullable=False),
    Column("asset", NAME, nullable=False),
    Column("target", Double),  # NULL: hold
    Column("held", Double, nullable=False),
    Column("close", Double),
    PrimaryKeyConstraint("session", "asset"),
)
baskets = Table(
    "baskets",
    metadata,
    Column("session", Date, ForeignKey("decisions.session"), primary_key=True),
    Column("sized", DateTime, nullable=False),
    Column("tracking_error", Double, nullable=False),
    Column("gap", Double, nullable=False),
)
orders = Table(
    "orders",
    metadata,
    Column("client_id", NAME, primary_key=True),
    Column("session", Date, ForeignKey("baskets.session"), nullable=False),
    Column("place", Integer, nullable=False),  # sells come first
    Column("asset", NAME, nullable=False),
    Column("shares", Double, nullable=False),  # below 0: sell
    Column("price", Double, nullable=False),  # that the order was sized with
)
order_events = Table(
    "order_events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("client_id", NAME, ForeignKey("orders.client_id"), nullable=False),
    Column("at", DateTime, nullable=False),
    Column("status", NAME, nullable=False),
    Column("filled", Double, nullable=False),  # shares so far, signed as the order
    Column("price", Double),  # average of those
    Column("reason", Text),
)
fills = Table(
    "fills",
    metadata,
    Column("client_id", NAME, ForeignKey("orders.client_id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("at", DateTime, nullable=False),
    Column("shares", Double, nullable=False),
    Column("price", Double, nullable=False),
    Column("cost", Double, nullable=False),
    PrimaryKeyConstraint("client_id", "number"),
)
books = Table(
    "books",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("session", Date),  # whose closes the shares were last valued at; NULL at the start
    Column("cause", NAME, nullable=False),  # start, fill, adjust
    Column("cash", Double, nullable=False),
)
positions = Table(
    "positions",
    metadata,
    Column("book", Integer, ForeignKey("books.id"), nullable=False),
    Column("asset", NAME, nullable=False),
    Column("shares", Double, nullable=False),
    Column("close", Double, nullable=False),  # at the book's session, and one session before: a vendor that
    Column("earlier", Double),  # rewrites history for a split or dividend changes both alike
    PrimaryKeyConstraint("book", "asset"),
)
account_events = Table(
    "account_events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", DateTime, nullable=False),
    Column("kind", NAME, nullable=False),  # open, deposit, withdraw, split, rename, close, adopt
    Column("asset", NAME),  # NULL: cash alone
    Column("shares", Double, nullable=False),  # what it adds to the holdings
    Column("cash", Double, nullable=False),
    Column("price", Double),
    Column("reason", Text),
)
valuations = Table(
    "valuations",
    metadata,
    Column("session", Date, primary_key=True),
    Column("at", DateTime, nullable=False),
    Column("nav", Double, nullable=False),
    Column("cash", Double, nullable=False),
)
holdings = Table(
    "holdings",
    metadata,
    Column("session", Date, ForeignKey("valuations.session"), nullable=False),
    Column("asset", NAME, nullable=False),
    Column("shares", Double, nullable=False),
    Column("close", Double, nullable=False),
    PrimaryKeyConstraint("session", "asset"),
)

APPEND_ONLY = (
    "decisions", "targets", "baskets", "orders", "order_events", "fills", "account_events", "books", "positions",
)  # fmt: skip
