"""What can go wrong with a real account, as one tree below AllocationError.

AllocationError
├── LedgerError           the ledger cannot be opened, locked or understood
├── BrokerError           the broker did not answer, or not as it documents
│   └── NoAnswerError     it did not answer at all
├── GuardStopError        a guard holds the step: somebody must look, then allow it by name; nothing was sent
└── UnfilledOrdersError   orders were rejected, expired or filled in part; the others were sent
"""

from allocation.errors import AllocationError


class LedgerError(AllocationError):
    """The ledger cannot be opened, is held by another run, or was written by a newer version."""


class BrokerError(AllocationError):
    """The broker did not answer, refused the keys, or answered what it does not document."""


class NoAnswerError(BrokerError):
    """The broker did not answer, however often it was asked."""


class GuardStopError(AllocationError):
    """Guards that hold a step; `guards` are their names, each of which can be allowed unless a `remedy` is given."""

    def __init__(self, findings: "tuple[tuple[str, str], ...]", remedy: str = "") -> None:
        self.guards = tuple(name for name, _ in findings)
        reasons = "; ".join(f"[{name}] {reason}" for name, reason in findings)
        allowed = " ".join(f"--allow {name}" for name in dict.fromkeys(self.guards))
        super().__init__(
            f"stopped, nothing was sent: {reasons}. {remedy or f'Look into it, then repeat with {allowed}'}"
        )


class UnfilledOrdersError(AllocationError):
    """Orders that did not become what was decided; `orders` says of each what became of it."""

    def __init__(self, orders: tuple[str, ...]) -> None:
        self.orders = orders
        super().__init__(f"{len(orders)} orders did not fill as decided: {'; '.join(orders)}")
