"""Shares and cash between sessions: what a fill does to them, shared by the walk and the simulation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allocation.errors import AllocationError

Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]

MOST_ITERATIONS = 100  # each shrinks the error by rate × gross exposure: 1e-17 in six or seven at 10 bp


@dataclass(frozen=True)
class Costs:
    """What trading costs, as fractions of the traded value: 0.0005 is five basis points."""

    commission: float = 0.0005
    half_spread: float = 0.0005

    def __post_init__(self) -> None:
        """A negative cost would pay for trading; beyond a tenth somebody gave percent or basis points."""
        for name, value in (("commission", self.commission), ("half_spread", self.half_spread)):
            if not 0.0 <= value <= 0.1:
                raise AllocationError(f"costs: {name} is {value:g}: give a fraction in [0, 0.1], 0.001 for 10 bp")

    @property
    def rate(self) -> float:
        """Cost per unit of traded value."""
        return self.commission + self.half_spread


FREE = Costs(0.0, 0.0)


@dataclass(frozen=True)
class Book:
    """Shares of each asset (a vector) and cash."""

    shares: Vector
    cash: float

    def values(self, marks: Vector) -> Vector:
        """Money in each asset at prices `marks`; an asset without any price yet is worth 0 as none is held."""
        return np.where(self.shares == 0.0, 0.0, self.shares * marks)

    def nav(self, marks: Vector) -> float:
        """Cash plus the value of all shares."""
        return self.cash + float(self.values(marks).sum())

    def weights(self, marks: Vector) -> Vector:
        """Value of each asset over NAV."""
        return self.values(marks) / self.nav(marks)


@dataclass(frozen=True)
class Fill:
    """One session's trades: the book afterwards, shares traded, and what kept it from the targets.

    `untraded`: assets with a target but no price. `scale`: 1, or the factor by which all targets were cut
    because value locked in assets that were held left less than they needed.
    """

    book: Book
    traded: Vector
    cost: float
    untraded: Mask
    scale: float


def fill(book: Book, targets: Vector, prices: Vector, marks: Vector, costs: Costs) -> Fill:
    """Trade to `targets`, fractions of the NAV that is left after the costs of getting there (NaN: hold).

    prices are those of the fill (NaN: cannot trade); marks are the same where known, else the last known
    price. NAV after costs solves V = V0 - rate × sum |target × V - value| and is found by iteration, a
    contraction for any rate × gross exposure below 1. Value locked in untraded assets comes first: the
    targets are scaled down alike where cash would go negative.
    """
    asked = np.isfinite(targets)
    trading = asked & np.isfinite(prices)
    before = book.values(marks)
    gross_nav, locked = book.nav(marks), float(before[~trading].sum())
    aims, held = targets[trading], before[trading]
    nav = gross_nav
    for _ in range(MOST_ITERATIONS):
        scale = _affordable(float(aims.sum()), locked / nav)
        after_costs = gross_nav - costs.rate * float(np.abs(scale * aims * nav - held).sum())
        if after_costs <= 0:
            raise AllocationError(f"trading costs of {gross_nav - after_costs:,.2f} exceed NAV {gross_nav:,.2f}")
        if after_costs == nav:
            break
        nav = after_costs
    shares = book.shares.copy()
    shares[trading] = scale * aims * nav / prices[trading]
    traded = shares - book.shares
    paid = traded[trading] * prices[trading]
    cost = costs.rate * float(np.abs(paid).sum())
    untraded = asked & ~trading & ((targets != 0.0) | (book.shares != 0.0))
    return Fill(Book(shares, book.cash - float(paid.sum()) - cost), traded, cost, untraded, scale)


def _affordable(aimed: float, locked: float) -> float:
    return 1.0 if aimed <= 0.0 or aimed + locked <= 1.0 else max(0.0, (1.0 - locked) / aimed)
