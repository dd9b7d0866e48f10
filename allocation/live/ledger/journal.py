"""What the ledger remembers: runs, decisions, baskets, orders and what became of them, valuations."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update

from allocation.execution.sizing import Order, OrderList, client_id
from allocation.live.broker import ENDED, OrderState
from allocation.live.errors import LedgerError
from allocation.live.ledger import tables
from allocation.live.ledger.events import is_opened

CLOSE, OPEN = "close", "open"  # prices that a basket is sized with: at once, or at the next session's open


@dataclass(frozen=True)
class Provenance:
    """Digests of all that a decision follows from; model: a fingerprint, or what took its place."""

    prices: str
    signal: str
    strategy: str
    model: str
    config: str


@dataclass(frozen=True)
class Decision:
    """Targets decided at the close of `session` (by asset; NaN: hold), and what was held and seen then."""

    session: pd.Timestamp
    targets: pd.Series
    held: pd.Series
    closes: pd.Series
    provenance: Provenance
    basket: str
    decided: datetime


@dataclass(frozen=True)
class Valuation:
    """What the portfolio was worth at the close of `session`: shares and closes by asset, cash, NAV."""

    session: pd.Timestamp
    shares: pd.Series
    closes: pd.Series
    cash: float
    nav: float


def portfolio_name(connection: Connection, broker: str) -> str:
    """Return the portfolio's name.

    Raises:
        LedgerError: no account was opened, or the ledger is of another broker's account.
    """
    row = connection.execute(select(tables.portfolio)).first()
    if row is None or not is_opened(connection):
        raise LedgerError("no account is open in this ledger: `newsfolio account open --cash AMOUNT` opens one")
    if row.broker != broker:
        raise LedgerError(f"this ledger is of the broker {row.broker}, not {broker}: use another ledger for it")
    return str(row.name)


def make_portfolio(connection: Connection, broker: str, now: datetime) -> None:
    """Name the portfolio of a new account at random.

    Raises:
        LedgerError: an account is open already.
    """
    row = connection.execute(select(tables.portfolio)).first()
    if row is not None and is_opened(connection):
        raise LedgerError(f"an account at {row.broker} is open in this ledger since {row.created:%Y-%m-%d}")
    if row is None:
        connection.execute(insert(tables.portfolio).values(id=1, name=uuid.uuid4().hex, broker=broker, created=now))


def account_opened(connection: Connection) -> tuple[str, datetime]:
    """Return the broker of the ledger's account, and when it was opened.

    Raises:
        LedgerError: no account was opened.
    """
    row = connection.execute(select(tables.portfolio)).first()
    if row is None:
        raise LedgerError("no account is open in this ledger: `newsfolio account open --cash AMOUNT` opens one")
    return str(row.broker), row.created


def refuse_to_go_back(connection: Connection, session: pd.Timestamp) -> None:
    """Raise LedgerError where a later session has been valued or decided: what came after would not follow from it."""
    latest = [connection.scalar(select(func.max(t.c.session))) for t in (tables.valuations, tables.decisions)]
    reached = max((day for day in latest if day is not None), default=session.date())
    if reached > session.date():
        raise LedgerError(f"the ledger is at {reached}: a step for {session:%Y-%m-%d} comes too late, nothing was done")


def start_run(connection: Connection, session: pd.Timestamp, now: datetime) -> int:
    """Note that a run began; return its number."""
    done = connection.execute(insert(tables.runs).values(session=session.date(), started=now))
    return int(done.inserted_primary_key[0])  # type: ignore[index]


def finish_run(connection: Connection, run: int, outcome: str, reason: str | None, now: datetime) -> None:
    """Note how a run ended."""
    values = {"finished": now, "outcome": outcome, "reason": reason}
    connection.execute(update(tables.runs).where(tables.runs.c.id == run).values(values))


def last_run(connection: Connection) -> Row[Any] | None:
    """Return the newest row of `runs`."""
    return connection.execute(select(tables.runs).order_by(tables.runs.c.id.desc()).limit(1)).first()


def write_decision(connection: Connection, decision: Decision, run: int) -> None:
    """Add a decision; the session is its key, so that there is never a second one."""
    session, made = decision.session.date(), decision.provenance
    connection.execute(
        insert(tables.decisions).values(
            session=session, run=run, decided=decision.decided, prices=made.prices, signal=made.signal,
            strategy=made.strategy, model=made.model, config=made.config, basket=decision.basket,
        )
    )  # fmt: skip
    frame = pd.DataFrame({"target": decision.targets, "held": decision.held, "close": decision.closes})
    rows = [
        {"session": session, "asset": str(asset), "target": _known(target), "held": held, "close": _known(close)}
        for asset, target, held, close in frame.itertuples()
    ]
    connection.execute(insert(tables.targets), rows)


def _known(value: float) -> float | None:
    return None if pd.isna(value) else float(value)


def read_decision(connection: Connection, session: pd.Timestamp) -> Decision | None:
    """Return the decision of a session."""
    return _decision(connection, select(tables.decisions).where(tables.decisions.c.session == session.date()))


def last_decision(connection: Connection, before: pd.Timestamp | None = None) -> Decision | None:
    """Return the newest decision, or the newest of the sessions before one."""
    query = select(tables.decisions).order_by(tables.decisions.c.session.desc()).limit(1)
    return _decision(connection, query if before is None else query.where(tables.decisions.c.session < before.date()))


def _decision(connection: Connection, query: Select[Any]) -> Decision | None:
    row = connection.execute(query).first()
    if row is None:
        return None
    targets = tables.targets.c
    rows = connection.execute(
        select(targets.asset, targets.target, targets.held, targets.close).where(targets.session == row.session)
    )
    frame = pd.DataFrame(rows.all(), columns=["asset", "target", "held", "close"]).set_index("asset").sort_index()
    frame = frame.astype(float)
    made = Provenance(row.prices, row.signal, row.strategy, row.model, row.config)
    return Decision(
        pd.Timestamp(row.session), frame["target"], frame["held"], frame["close"], made, row.basket, row.decided
    )


def write_basket(
    connection: Connection, session: pd.Timestamp, basket: OrderList, portfolio: str, now: datetime
) -> list[Order]:
    """Add the orders of a decision, named so that a retry finds them again."""
    connection.execute(
        insert(tables.baskets).values(
            session=session.date(), sized=now, tracking_error=basket.tracking_error, gap=basket.gap
        )
    )
    made = [
        Order(client_id(portfolio, session, str(asset)), str(asset), float(shares), float(price))
        for asset, shares, price in zip(basket.shares.index, basket.shares, basket.prices, strict=True)
    ]
    rows = [
        {
            "client_id": order.client_id, "session": session.date(), "place": place, "asset": order.asset,
            "shares": order.shares, "price": order.price,
        }
        for place, order in enumerate(made)
    ]  # fmt: skip
    if rows:
        connection.execute(insert(tables.orders), rows)
    return made


def read_basket(connection: Connection, session: pd.Timestamp) -> list[Order] | None:
    """Return the orders of a decision, sells first; None where they have not been sized yet."""
    baskets, orders = tables.baskets, tables.orders
    if connection.execute(select(baskets).where(baskets.c.session == session.date())).first() is None:
        return None
    rows = connection.execute(select(orders).where(orders.c.session == session.date()).order_by(orders.c.place))
    return [Order(row.client_id, row.asset, row.shares, row.price) for row in rows]


def write_retry(connection: Connection, session: pd.Timestamp, dead: Order, shares: float) -> Order:
    """Add an order for what is left of one that the broker says is dead, under a name of its own."""
    orders = tables.orders
    place = connection.scalar(select(func.max(orders.c.place)).where(orders.c.session == session.date())) or 0
    head, day, digest, *attempt = dead.client_id.split("-")
    made = Order(f"{head}-{day}-{digest}-{int(attempt[0]) + 1 if attempt else 2}", dead.asset, shares, dead.price)
    connection.execute(
        insert(orders).values(
            client_id=made.client_id, session=session.date(), place=place + 1, asset=made.asset, shares=shares,
            price=made.price,
        )
    )  # fmt: skip
    return made


def unended_orders(connection: Connection) -> list[Order]:
    """Return orders of any session that have not ended: sent and working, or never sent."""
    orders, events = tables.orders, tables.order_events
    ended = select(events.c.client_id).where(events.c.status.in_(ENDED))
    rows = connection.execute(
        select(orders).where(orders.c.client_id.not_in(ended)).order_by(orders.c.session, orders.c.place)
    )
    return [Order(row.client_id, row.asset, row.shares, row.price) for row in rows]


def read_state(connection: Connection, client: str) -> OrderState | None:
    """Return the newest state of an order, None where it was never sent."""
    events = tables.order_events
    row = connection.execute(
        select(events).where(events.c.client_id == client).order_by(events.c.id.desc()).limit(1)
    ).first()
    if row is None:
        return None
    cost = connection.scalar(select(func.sum(tables.fills.c.cost)).where(tables.fills.c.client_id == client))
    return OrderState(client, row.status, row.filled, row.price, float(cost or 0.0), row.reason)


def write_state(connection: Connection, state: OrderState, now: datetime) -> bool:
    """Add what is new about an order, and a fill for shares that came; return whether there was anything new."""
    before = read_state(connection, state.client_id)
    if before is not None and (before.ended or before == state):
        return False
    connection.execute(
        insert(tables.order_events).values(
            client_id=state.client_id, at=now, status=state.status, filled=state.filled, price=state.price,
            reason=state.reason,
        )
    )  # fmt: skip
    known, fills = before or OrderState(state.client_id, "accepted"), tables.fills
    shares = state.filled - known.filled
    if shares and state.price is not None:
        # The shares that came since, at the price that brings the average of all to what the broker states.
        paid = state.filled * state.price - known.filled * (known.price or 0.0)
        number = connection.scalar(select(func.count()).select_from(fills).where(fills.c.client_id == state.client_id))
        connection.execute(
            insert(fills).values(
                client_id=state.client_id,
                number=number,
                at=now,
                shares=shares,
                price=paid / shares,
                cost=state.cost - known.cost,
            )
        )
    return True


def write_valuation(connection: Connection, valuation: Valuation, now: datetime) -> None:
    """Put down what the portfolio is worth; a later look at the same session takes its place."""
    session = valuation.session.date()
    for table in (tables.holdings, tables.valuations):
        connection.execute(delete(table).where(table.c.session == session))
    connection.execute(
        insert(tables.valuations).values(session=session, at=now, nav=valuation.nav, cash=valuation.cash)
    )
    rows = [
        {"session": session, "asset": str(asset), "shares": float(shares), "close": float(close)}
        for asset, shares, close in zip(valuation.shares.index, valuation.shares, valuation.closes, strict=True)
    ]
    if rows:
        connection.execute(insert(tables.holdings), rows)


def last_valuation(connection: Connection, of: pd.Timestamp | None = None) -> Valuation | None:
    """Return the newest valuation, or that of a session."""
    query = select(tables.valuations).order_by(tables.valuations.c.session.desc()).limit(1)
    if of is not None:
        query = query.where(tables.valuations.c.session == of.date())
    row = connection.execute(query).first()
    if row is None:
        return None
    held = tables.holdings.c
    rows = connection.execute(select(held.asset, held.shares, held.close).where(held.session == row.session))
    frame = pd.DataFrame(rows.all(), columns=["asset", "shares", "close"]).set_index("asset").sort_index().astype(float)
    return Valuation(pd.Timestamp(row.session), frame["shares"], frame["close"], row.cash, row.nav)


def seconds(moment: datetime) -> float:
    """Return a time of the ledger, UTC without a zone, as seconds since 1970."""
    return moment.replace(tzinfo=UTC).timestamp()
