"""What a broker is: an account, and orders that keep their name however often they are sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pandas as pd

from allocation.execution.sizing import Order

ENDED = ("filled", "rejected", "cancelled", "expired")


@dataclass(frozen=True)
class OrderState:
    """How far an order is: status `accepted`, `partial`, or one of ENDED; shares filled so far (below 0: sold),
    their average price, their cost, and the broker's reason where it refused.
    """

    client_id: str
    status: str
    filled: float = 0.0
    price: float | None = None
    cost: float = 0.0
    reason: str | None = None

    @property
    def ended(self) -> bool:
        """Nothing more will be filled."""
        return self.status in ENDED


@dataclass(frozen=True)
class Account:
    """Cash, shares by asset (none at 0), what may be spent on new orders, and the client ids of working orders.

    prices: what the broker itself values the shares at, where it says so.
    """

    cash: float
    shares: Mapping[str, float]
    buying_power: float
    working: tuple[str, ...] = ()
    prices: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class AssetTerms:
    """How a broker trades an asset. refusal: why it does not now, None where it does."""

    refusal: str | None = None
    fractionable: bool = True
    shortable: bool = True


class Broker(Protocol):
    """An account at a broker. Whatever fails raises BrokerError.

    simulated: it fills orders when `open_session` tells it the prices, so that orders are sized with those; a real
    one fills them by itself at prices that nobody knows when they are sent.
    """

    @property
    def name(self) -> str:
        """How the ledger knows it."""

    @property
    def simulated(self) -> bool:
        """Whether fills wait for `open_session`."""

    def account(self) -> Account:
        """Return what the broker says is there now."""

    def submit(self, order: Order) -> OrderState:
        """Send an order; one whose client id is known already is not sent again, its state is returned."""

    def state(self, client_id: str) -> OrderState | None:
        """Return how far an order is, None where the broker never got it."""

    def terms(self, assets: Sequence[str]) -> Mapping[str, AssetTerms]:
        """Return how each asset trades now."""

    def clock(self) -> pd.Timestamp | None:
        """Return the broker's own time (UTC), None where it has none."""
