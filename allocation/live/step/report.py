"""What one step did, for people, programs and monitors."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from allocation.execution.costs import Costs
from allocation.execution.sizing import Order
from allocation.live.broker import OrderState
from newsfolio.shared.text_table import printable


@dataclass(frozen=True)
class NoSession:
    """A day on which there is nothing to do, and why."""

    reason: str
    unfilled: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """As plain values."""
        return {"session": None, "reason": self.reason}

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True)
class Trade:
    """Shares of an asset that a decision trades (below 0: sold), the price they were sized with, and the cost."""

    asset: str
    shares: float
    price: float
    cost: float

    @classmethod
    def of(cls, order: Order, costs: Costs) -> "Trade":
        """What an order trades."""
        return cls(order.asset, order.shares, order.price, order.cost(costs))

    @property
    def value(self) -> float:
        """Money that changes hands, never negative."""
        return abs(self.shares) * self.price


@dataclass(frozen=True)
class StepReport:
    """One step, and when nav, cash and weights are from (`valued`).

    decided: `now`, `before` (this was a repetition), `again` (a repetition in a dry run, which decides anew) or `no`
    (not due). orders: with their states (None: not sent yet). trades: what the decision trades, on paper as sized with
    the closes. changes: how what was decided again differs from what was decided. allowed: findings of guards that were
    let through. notes: what differed from the targets. unfilled: orders that did not become what was decided, which
    makes the step no success.
    """

    session: pd.Timestamp
    next_session: pd.Timestamp
    decided: str
    targets: pd.Series | None
    weights: pd.Series
    nav: float
    cash: float
    orders: tuple[tuple[Order, OrderState | None], ...]
    trades: tuple[Trade, ...] = ()
    changes: tuple[str, ...] = ()
    allowed: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    unfilled: tuple[str, ...] = ()
    valued: str = ""
    dry_run: bool = False

    @property
    def counts(self) -> Mapping[str, int]:
        """Orders by status."""
        statuses = [state.status if state else "not sent" for _, state in self.orders]
        return {status: statuses.count(status) for status in sorted(set(statuses))}

    @property
    def turnover(self) -> float:
        """The larger of what is bought and what is sold, as a fraction of NAV."""
        bought = sum(trade.value for trade in self.trades if trade.shares > 0)
        return max(bought, sum(trade.value for trade in self.trades) - bought) / self.nav

    @property
    def cost(self) -> float:
        """What the trades cost, as stated by the settings."""
        return sum(trade.cost for trade in self.trades)

    def to_dict(self) -> dict[str, object]:
        """As plain values; weights that are not held or targeted are left out."""
        return {
            "session": f"{self.session:%Y-%m-%d}",
            "next_session": f"{self.next_session:%Y-%m-%d}",
            "decided": self.decided,
            "dry_run": self.dry_run,
            "nav": self.nav,
            "cash": self.cash,
            "weights": {str(a): float(w) for a, w in self.weights.items() if w},
            "targets": None if self.targets is None else {str(a): _known(w) for a, w in self.targets.items()},
            "orders": [_order(order, state) for order, state in self.orders],
            "trades": [vars(trade) | {"value": trade.value} for trade in self.trades],
            "turnover": self.turnover,
            "cost": self.cost,
            "changes": list(self.changes),
            "allowed": [{"guard": name, "finding": finding} for name, finding in self.allowed],
            "notes": list(self.notes),
            "unfilled": list(self.unfilled),
            "valued": self.valued,
        }

    def __str__(self) -> str:
        said = {
            "now": "decided",
            "before": "had been decided",
            "again": "had been decided, and was decided again",
            "no": "is no rebalancing date",
        }[self.decided]
        lines = [f"{self.session:%Y-%m-%d} {said}{' (dry run: nothing is kept or sent)' if self.dry_run else ''}"]
        lines += [f"at {self.valued}: NAV {self.nav:,.2f}, cash {self.cash:,.2f} ({self.cash / self.nav:.1%})"]
        states = {} if self.decided == "again" else {order.asset: _said(state) for order, state in self.orders}
        for trade in self.trades:
            side = "buy " if trade.shares > 0 else "sell"
            worth = f"{trade.value:>14,.2f} at {trade.price:,.4f}, cost {trade.cost:,.2f}"
            state = states.get(trade.asset, "at the open")
            lines.append(f"  {side} {abs(trade.shares):>14,.4f} {trade.asset:<8} {worth}: {state}")
        if self.trades:
            estimated = "" if self.orders else ", estimated with the closes"
            lines.append(f"turnover {self.turnover:.1%} of NAV one way, cost {self.cost:,.2f}{estimated}")
        elif self.decided != "no":
            lines.append("nothing to trade")
        if self.decided == "again":
            lines += [f"differs: {change}" for change in self.changes] or ["the same as what was decided"]
        lines += [f"allowed [{name}]: {finding}" for name, finding in self.allowed]
        lines += [f"note: {note}" for note in self.notes]
        lines += [f"not filled: {order}" for order in self.unfilled]
        return "\n".join(printable(line) for line in [*lines, f"next session {self.next_session:%Y-%m-%d}"])


def _said(state: OrderState | None) -> str:
    if state is None:
        return "not sent"
    at = f" {abs(state.filled):,.4f} at {state.price:,.4f}" if state.price else ""
    return f"{state.status}{at}{f': {state.reason}' if state.reason else ''}"


def _order(order: Order, state: OrderState | None) -> dict[str, object]:
    return {
        "client_id": order.client_id,
        "asset": order.asset,
        "shares": order.shares,
        "status": state.status if state else "not sent",
        "filled": state.filled if state else 0.0,
        "price": state.price if state else None,
        "reason": state.reason if state else None,
    }


def _known(value: float) -> float | None:
    return None if pd.isna(value) else float(value)
