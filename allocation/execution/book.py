"""Shares and cash, what they are worth, and what the account may do with them."""

from dataclasses import KW_ONLY, dataclass

import numpy as np

from allocation.errors import AllocationError
from newsfolio.shared.arrays import FloatArray


@dataclass(frozen=True)
class Rules:
    """What the account may do, in a backtest and live.

    lot: shares come in multiples of it (0: any fraction). leverage: the most that weights may sum to; above 1 cash is
    borrowed. minimum: least value of an order, in money; smaller ones are not sent. reserve: fraction of NAV that is
    kept in cash, for instance against a worse price.
    """

    _: KW_ONLY  # four plain numbers: a bare one could be meant as any of them
    lot: float = 0.0
    leverage: float = 1.0
    minimum: float = 0.0
    reserve: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what no broker means, and a leverage that leaves money forcibly idle or has no bound."""
        if not 0.0 <= self.lot < np.inf:
            raise AllocationError(f"lot is {self.lot:g}: give a number of shares, 0 for any fraction")
        if not 1.0 <= self.leverage <= 100.0:
            raise AllocationError(f"leverage is {self.leverage:g}: give the most that weights may sum to, in [1, 100]")
        if not 0.0 <= self.minimum < np.inf:
            raise AllocationError(f"minimum is {self.minimum:g}: give the least value of an order, an amount of money")
        if not 0.0 <= self.reserve < 1.0:
            raise AllocationError(f"reserve is {self.reserve:g}: give a fraction of NAV in [0, 1), 0.02 for 2 %")


CASH_ACCOUNT = Rules()


def market_value(shares: FloatArray, prices: FloatArray) -> FloatArray:
    """Return shares × prices, 0 where there are no shares even if the price is not known."""
    value = shares * prices
    np.copyto(value, 0.0, where=shares == 0.0)
    return value


@dataclass(frozen=True)
class Book:
    """Shares of each asset (a vector) and cash."""

    shares: FloatArray
    cash: float

    def values(self, marks: FloatArray) -> FloatArray:
        """Money in each asset at prices `marks`; an asset without any price yet is worth 0 as none is held."""
        return market_value(self.shares, marks)

    def nav(self, marks: FloatArray) -> float:
        """Cash plus the value of all shares."""
        return self.cash + float(self.values(marks).sum())

    def weights(self, marks: FloatArray) -> FloatArray:
        """Value of each asset over NAV."""
        return self.values(marks) / self.nav(marks)
