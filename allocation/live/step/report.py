"""What one step did, for people, programs and monitors."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from allocation.execution.sizing import Order
from allocation.live.broker import OrderState


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
class StepReport:
    """One step. decided: `now`, `before` (this was a repetition) or `no` (not due); orders with their states (None:
    not sent yet); allowed: findings of guards that were let through; notes: what differed from the targets; unfilled:
    orders that did not become what was decided, which makes the step no success; valued: when nav, cash and weights
    are from.
    """

    session: pd.Timestamp
    next_session: pd.Timestamp
    decided: str
    targets: pd.Series | None
    weights: pd.Series
    nav: float
    cash: float
    orders: tuple[tuple[Order, OrderState | None], ...]
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
            "allowed": [{"guard": name, "finding": finding} for name, finding in self.allowed],
            "notes": list(self.notes),
            "unfilled": list(self.unfilled),
            "valued": self.valued,
        }

    def __str__(self) -> str:
        said = {"now": "decided", "before": "had been decided", "no": "is no rebalancing date"}[self.decided]
        lines = [f"{self.session:%Y-%m-%d} {said}{' (dry run: nothing is kept or sent)' if self.dry_run else ''}"]
        lines += [f"at {self.valued}: NAV {self.nav:,.2f}, cash {self.cash:,.2f} ({self.cash / self.nav:.1%})"]
        for order, state in self.orders:
            side = "buy " if order.shares > 0 else "sell"
            lines.append(f"  {side} {abs(order.shares):>14,.4f} {order.asset:<8} {_said(state)}")
        lines += [] if self.orders else _aims(self.targets, self.weights)
        lines += [f"allowed [{name}]: {finding}" for name, finding in self.allowed]
        lines += [f"note: {note}" for note in self.notes]
        lines += [f"not filled: {order}" for order in self.unfilled]
        return "\n".join([*lines, f"next session {self.next_session:%Y-%m-%d}"])


def _aims(targets: pd.Series | None, weights: pd.Series) -> list[str]:
    """What is held and aimed at, where no orders tell: a paper account without lots is filled at the open by weight."""
    if targets is None:
        return []
    table = pd.DataFrame({"held": weights, "target": targets}).fillna({"held": 0.0})
    table["target"] = table["target"].fillna(table["held"])
    shown = table[(table != 0.0).any(axis=1)]
    return [f"  {asset!s:<8} {row.held:8.2%} -> {row.target:.2%} at the open" for asset, row in shown.iterrows()]


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
