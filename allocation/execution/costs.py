"""What trading and holding cost: commissions, spread, market impact, borrow fees and the price of cash."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from allocation.errors import AllocationError, MissingPriceError
from allocation.frames import check_prices, named
from newsfolio.shared.arrays import FloatArray

if TYPE_CHECKING:
    from pandas.core.window import Rolling

DAYS_A_YEAR = 365  # yearly rates accrue by calendar days, as brokers charge them
MOST_OF_VALUE = 0.1  # beyond a tenth of the traded value it was given in percent or basis points
MOST_A_YEAR = 1.0  # beyond 100 % a year it was given in percent
IMPACT_WINDOW, FEWEST_RETURNS = 21, 5  # sessions of the volatility and the traded value that impact is scaled by


@dataclass(frozen=True)
class Impact:
    """Square-root market impact: a trade of value Q costs coefficient × volatility × sqrt(Q / daily value) × Q.

    volatility: of session returns, and daily_value: money traded in the asset per session (sessions × assets),
    both averaged over the 21 sessions that end with the one before the fill. A coefficient near 1 fits most
    studies (B. Tóth et al., "Anomalous price impact and the critical nature of liquidity in financial markets",
    Physical Review X 1, 2011).
    """

    daily_value: pd.DataFrame = field(compare=False, repr=False)
    coefficient: float = 1.0

    def __post_init__(self) -> None:
        """A coefficient that pays for trading, or one in basis points, is a slip."""
        if not 0.0 <= self.coefficient <= 10.0:
            raise AllocationError(f"impact: coefficient is {self.coefficient:g}: give a number in [0, 10], near 1")

    def slopes(self, prices: pd.DataFrame) -> FloatArray:
        """Return k (sessions × assets): a trade of value Q in that session costs k × Q^1.5; NaN where unknown."""
        value = check_prices(self.daily_value.where(self.daily_value > 0), "daily_value")
        absent = prices.columns.difference(value.columns)
        if len(absent):
            raise MissingPriceError(f"daily_value lacks {named(absent)}: give the traded value of every asset")
        traded = _recent(value.reindex(index=prices.index, columns=prices.columns)).mean()
        volatility = _recent(prices.pct_change(fill_method=None)).std(ddof=0)
        return np.asarray((self.coefficient * volatility / traded**0.5).shift(1))


def _recent(frame: pd.DataFrame) -> "Rolling[pd.DataFrame]":
    return frame.rolling(IMPACT_WINDOW, min_periods=FEWEST_RETURNS)


@dataclass(frozen=True)
class Costs:
    """What trading and holding cost.

    commission and half_spread: fractions of the traded value, 0.0005 is five basis points. per_share: money per
    share, added to the commission; minimum: least commission of an order, in money. impact: see Impact.
    borrow: yearly fee on the value of shorts; cash_yield: yearly interest on cash, the proceeds of shorts
    included; loan: yearly interest on borrowed cash. The yearly ones accrue from close to close, by calendar days
    over 365, on what was held at the close before.
    """

    commission: float = 0.0005
    half_spread: float = 0.0005
    per_share: float = 0.0
    minimum: float = 0.0
    impact: Impact | None = None
    borrow: float = 0.0
    cash_yield: float = 0.0
    loan: float = 0.0

    def __post_init__(self) -> None:
        """A negative cost would pay for trading; too large a one is in percent or basis points."""
        for name, value in (("commission", self.commission), ("half_spread", self.half_spread)):
            if not 0.0 <= value <= MOST_OF_VALUE:
                raise AllocationError(f"costs: {name} is {value:g}: give a fraction in [0, 0.1], 0.001 for 10 bp")
        for name, value in (("per_share", self.per_share), ("minimum", self.minimum)):
            if not 0.0 <= value < np.inf:
                raise AllocationError(f"costs: {name} is {value:g}: give an amount of money, 0 or more")
        for name, value in (("borrow", self.borrow), ("cash_yield", self.cash_yield), ("loan", self.loan)):
            if not -0.1 <= value <= MOST_A_YEAR or (value < 0 and name != "cash_yield"):
                raise AllocationError(f"costs: {name} is {value:g}: give a yearly fraction, 0.03 for 3 % a year")

    @classmethod
    def of(cls, costs: "Costs | float | None") -> "Costs":
        """Costs as they are; a number is a fraction of the traded value, half commission and half spread.

        Raises:
            AllocationError: it is neither, or a number outside [0, 0.1], such as basis points.
        """
        if costs is None:
            return cls()
        if isinstance(costs, cls):
            return costs
        if isinstance(costs, bool) or not isinstance(costs, int | float | np.number):
            raise AllocationError(f"costs is a {type(costs).__name__}: give Costs(...), or a fraction, 0.001 for 10 bp")
        if not 0.0 <= costs <= MOST_OF_VALUE:
            raise AllocationError(
                f"costs is {costs:g}: give a fraction of the traded value in [0, {MOST_OF_VALUE:g}], 0.001 for 10 bp"
            )
        return cls(commission=float(costs) / 2.0, half_spread=float(costs) / 2.0)

    @property
    def rate(self) -> float:
        """Cost per unit of traded value, before what depends on shares, orders and size."""
        return self.commission + self.half_spread

    @property
    def accrue(self) -> bool:
        """Whether holding costs or earns anything while nothing is traded."""
        return any((self.borrow, self.cash_yield, self.loan))


FREE = Costs(0.0, 0.0)


class CostBreakdown(NamedTuple):
    """Money paid for orders, each on its own, by kind."""

    commission: FloatArray
    spread: FloatArray
    impact: FloatArray

    @property
    def per_asset(self) -> FloatArray:
        """All kinds together."""
        return self.commission + self.spread + self.impact


def cost_breakdown(
    costs: Costs, value: FloatArray, shares: FloatArray, slopes: FloatArray | None = None
) -> CostBreakdown:
    """Return what orders of these absolute values and absolute numbers of shares cost.

    slopes: of the impact, per order; see Impact.slopes.
    """
    commission = costs.commission * value
    if costs.per_share or costs.minimum:
        commission = np.where(shares > 0, np.maximum(costs.minimum, commission + costs.per_share * shares), 0.0)
    impact = np.zeros(value.shape) if slopes is None else np.where(value > 0, slopes * value**1.5, 0.0)
    return CostBreakdown(commission, costs.half_spread * value, impact)


def total_cost(costs: Costs, value: FloatArray, price: FloatArray, slopes: FloatArray | None = None) -> float:
    """Return what orders of these absolute values at these prices cost together; 0 for those of value 0."""
    if slopes is None and not (costs.per_share or costs.minimum):
        return costs.rate * float(value.sum())
    return float(cost_breakdown(costs, value, value / price, slopes).per_asset.sum())


class Flows(NamedTuple):
    """Money that came in (+) or went out (-) between two closes without any trade."""

    interest: float = 0.0
    loan: float = 0.0
    borrow: float = 0.0
    dividends: float = 0.0


def accrued(costs: Costs, cash: float, values: FloatArray, days: float) -> Flows:
    """Return interest and fees of `days` calendar days on what was held when they began."""
    share = days / DAYS_A_YEAR
    short = -float(values[values < 0].sum())
    return Flows(
        interest=max(cash, 0.0) * costs.cash_yield * share,
        loan=min(cash, 0.0) * costs.loan * share,
        borrow=-short * costs.borrow * share,
    )
