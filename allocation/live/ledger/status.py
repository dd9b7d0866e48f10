"""What a ledger says now: the last run, holdings, NAV, the next session, and anything wrong."""

from dataclasses import dataclass
from datetime import datetime

import pandas as pd
from sqlalchemy import Connection, func, select

from allocation.execution.sizing import Order
from allocation.live import clock
from allocation.live.broker import OrderState
from allocation.live.clock import Hours, last_closed
from allocation.live.errors import LedgerError
from allocation.live.ledger import journal, tables
from allocation.live.ledger.database import Ledger
from allocation.schedule import rebalance_dates
from newsfolio.shared.calendars import exchange_hours
from newsfolio.shared.text_table import printable


@dataclass(frozen=True)
class PendingOrder:
    """An order of a session's decision that has not ended, and what was known of it, and when."""

    session: pd.Timestamp
    order: Order
    state: OrderState | None
    known: datetime | None

    def to_dict(self) -> dict[str, object]:
        """As plain values."""
        return {
            "session": f"{self.session:%Y-%m-%d}",
            "client_id": self.order.client_id,
            "asset": self.order.asset,
            "shares": self.order.shares,
            "status": self.state.status if self.state else "not sent",
            "filled": self.state.filled if self.state else 0.0,
            "known": None if self.known is None else f"{self.known:%Y-%m-%dT%H:%M:%SZ}",
        }

    def __str__(self) -> str:
        side, shares = "buy" if self.order.shares > 0 else "sell", abs(self.order.shares)
        said = "not sent" if self.state is None else f"{self.state.status}, {abs(self.state.filled):,.4f} filled"
        when = "" if self.known is None else f", as known at {self.known:%Y-%m-%d %H:%M} UTC"
        return f"{side} {shares:,.4f} {self.order.asset} of {self.session:%Y-%m-%d}: {said}{when}"


def pending_orders(connection: Connection) -> list[PendingOrder]:
    """Return what has not ended."""
    found = []
    for order in journal.unended_orders(connection):
        events = tables.order_events.c
        known = connection.scalar(select(func.max(events.at)).where(events.client_id == order.client_id))
        day = connection.scalar(select(tables.orders.c.session).where(tables.orders.c.client_id == order.client_id))
        found.append(
            PendingOrder(pd.Timestamp(day or "NaT"), order, journal.read_state(connection, order.client_id), known)
        )
    return found


@dataclass(frozen=True)
class Status:
    """run: (session, outcome, reason) of the last one; targets: weights that the last decision wanted; wrong: what
    somebody should look at, empty if nothing.
    """

    run: tuple[pd.Timestamp, str, str | None] | None
    decision: pd.Timestamp | None
    targets: pd.Series
    valuation: journal.Valuation | None
    hours: Hours
    pending: tuple[PendingOrder, ...]
    wrong: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """As plain values."""
        valuation = self.valuation
        return {
            "run": None if self.run is None else {
                "session": f"{self.run[0]:%Y-%m-%d}", "outcome": self.run[1], "reason": self.run[2],
            },
            "decision": None if self.decision is None else f"{self.decision:%Y-%m-%d}",
            "valued": None if valuation is None else f"{valuation.session:%Y-%m-%d}",
            "nav": None if valuation is None else valuation.nav,
            "cash": None if valuation is None else valuation.cash,
            "targets": {str(a): float(w) for a, w in self.targets.dropna().items()},
            "shares": {} if valuation is None else {str(a): float(n) for a, n in valuation.shares.items()},
            "next_session": f"{self.hours.next_session:%Y-%m-%d}",
            "pending": [order.to_dict() for order in self.pending],
            "wrong": list(self.wrong),
        }  # fmt: skip

    def __str__(self) -> str:
        lines = ["no run yet"] if self.run is None else [f"last run {self.run[0]:%Y-%m-%d}: {self.run[1]}"]
        if self.decision is not None:
            lines.append(f"last decision {self.decision:%Y-%m-%d}")
        if self.valuation is not None:
            lines += _worth(self.valuation, self.targets)
        lines += [f"pending: {order}" for order in self.pending]
        lines += [f"next session {self.hours.next_session:%Y-%m-%d}, opens {self.hours.next_open:%Y-%m-%d %H:%M} UTC"]
        return "\n".join(printable(line) for line in lines + [f"wrong: {what}" for what in self.wrong])


def status(ledger: Ledger, calendar: str = "XNYS", now: pd.Timestamp | None = None, *, every: str = "daily") -> Status:
    """Look at a ledger; now: the time (UTC), by default the clock's. every: the schedule, daily, weekly or monthly."""
    now = clock.utc_now() if now is None else now
    hours = last_closed(now, calendar)
    with ledger.transaction() as connection:
        row, decision = journal.last_run(connection), journal.last_decision(connection)
        valuation = journal.last_valuation(connection)
        pending = pending_orders(connection)
        opened = connection.scalar(select(tables.portfolio.c.created))
    run = None if row is None else (pd.Timestamp(row.session), row.outcome or "not ended", row.reason)
    wrong = []
    if run is not None and run[1] != "done":
        outcome = "ended with unfilled orders" if run[1] == "unfilled" else run[1]
        reason = run[2] or "has not ended: it is at work, or was killed"
        said = reason if run[2] is None or reason.startswith(outcome) else f"{outcome}: {reason}"
        wrong.append(f"the last run {said}")
    is_new = opened is not None and journal.seconds(opened) >= hours.close.timestamp()  # no run was due since
    if (valuation is None and not is_new) or (valuation is not None and valuation.session < hours.session):
        wrong.append(f"no run has finished for {hours.session:%Y-%m-%d}, which closed at {hours.close:%H:%M} UTC")
    over = [order for order in pending if order.session < hours.session]  # and so the session it was for has closed
    if over:
        wrong.append(f"{len(over)} orders have not ended, though {hours.session:%Y-%m-%d} has closed")
    missed = _missed(decision.session if decision else None, hours.session, every, calendar)
    if missed:
        wrong.append(f"no decision for {missed}, a rebalancing date: the next run decides late")
    targets = decision.targets if decision else pd.Series(dtype=float)
    return Status(run, decision.session if decision else None, targets, valuation, hours, tuple(pending), tuple(wrong))


def _missed(last: pd.Timestamp | None, until: pd.Timestamp, every: str, calendar: str) -> str:
    """The first weekly or monthly date that has passed since the last decision; of daily ones no run has finished."""
    if last is None or every not in ("weekly", "monthly"):
        return ""
    sessions = exchange_hours(calendar, last, until, error=LedgerError).sessions
    sessions = sessions[(sessions > last) & (sessions <= until)]
    dates = rebalance_dates(sessions, every, calendar) if len(sessions) else sessions  # type: ignore[arg-type]
    return f"{dates[0]:%Y-%m-%d}" if len(dates) else ""


def _worth(valuation: journal.Valuation, targets: pd.Series) -> list[str]:
    """NAV, and by asset the shares, the weight, and the weight that was last wanted."""
    lines = [f"at {valuation.session:%Y-%m-%d}: NAV {valuation.nav:,.2f}, cash {valuation.cash:,.2f}"]
    held = pd.DataFrame(
        {
            "shares": valuation.shares,
            "weight": valuation.shares * valuation.closes / valuation.nav,
            "target": targets,
        }
    )
    held[["shares", "weight"]] = held[["shares", "weight"]].fillna(0.0)
    held = held[(held["shares"] != 0.0) | (held["target"].fillna(0.0) != 0.0)]
    lines += [f"  {'':<8} {'shares':>14} {'weight':>7} {'target':>7}"] if len(held) else []
    return lines + [
        f"  {asset:<8} {shares:>14,.4f} {weight:>7.2%} {'hold' if pd.isna(target) else f'{target:.2%}':>7}"
        for asset, shares, weight, target in held.sort_values("weight", ascending=False).itertuples()
    ]
