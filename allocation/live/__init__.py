"""What only a real account needs: orders, a ledger, brokers, and one scheduled step that is safe to repeat.

Names are loaded when first touched (PEP 562), so `import allocation.live` loads no SQLAlchemy.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from allocation.live.alpaca import AlpacaBroker
    from allocation.live.brokers import Account, Broker, OrderState
    from allocation.live.errors import BrokerError, LedgerError, Stopped
    from allocation.live.guards import Limits
    from allocation.live.ledger import Ledger, open_ledger, read_ledger
    from allocation.live.metrics import write_metrics
    from allocation.live.orders import Basket, Order, Rules, Standing, client_id, size_orders
    from allocation.live.paper import PaperBroker
    from allocation.live.rebalance import rebalance
    from allocation.live.report import StepReport
    from allocation.live.status import Status, status
    from allocation.live.step import Inputs, Settings

_HOME = {
    "Account": "brokers",
    "AlpacaBroker": "alpaca",
    "Basket": "orders",
    "Broker": "brokers",
    "BrokerError": "errors",
    "Inputs": "step",
    "Ledger": "ledger",
    "LedgerError": "errors",
    "Limits": "guards",
    "Order": "orders",
    "OrderState": "brokers",
    "PaperBroker": "paper",
    "Rules": "orders",
    "Settings": "step",
    "Standing": "orders",
    "Status": "status",
    "StepReport": "report",
    "Stopped": "errors",
    "client_id": "orders",
    "open_ledger": "ledger",
    "read_ledger": "ledger",
    "rebalance": "rebalance",
    "size_orders": "orders",
    "status": "status",
    "write_metrics": "metrics",
}

__all__ = [
    "Account",
    "AlpacaBroker",
    "Basket",
    "Broker",
    "BrokerError",
    "Inputs",
    "Ledger",
    "LedgerError",
    "Limits",
    "Order",
    "OrderState",
    "PaperBroker",
    "Rules",
    "Settings",
    "Standing",
    "Status",
    "StepReport",
    "Stopped",
    "client_id",
    "open_ledger",
    "read_ledger",
    "rebalance",
    "size_orders",
    "status",
    "write_metrics",
]


class _Face(ModuleType):
    """Keeps the functions named like their file in sight: importing `live.rebalance` must not hide `rebalance()`."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Face


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'allocation.live' has no attribute {name!r}")
    return getattr(import_module(f"allocation.live.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
