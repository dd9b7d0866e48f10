"""What happens to assets beside prices: dividends on unadjusted prices, and delistings with what holders received."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from allocation.errors import FrameError, MissingPriceError
from allocation.frames import check_weights, named


@dataclass(frozen=True)
class Events:
    """Dividends and delistings.

    dividends: cash per share (sessions × assets) on the ex-date; holders at the close before receive it that
    session, shorts pay it. Only for prices that are not adjusted for dividends, which would count them twice.
    delistings: asset -> return from its last price to what holders received, -1 if nothing. The position is
    closed, free of costs, in the session after the asset's last price; an asset whose prices go on until the end
    was not delisted yet.
    """

    dividends: pd.DataFrame | None = None
    delistings: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """A return below -100 % would take more than was held."""
        for asset, value in self.delistings.items():
            if not -1.0 <= value < np.inf:
                raise FrameError(
                    f"delistings: {value:g} for {asset} is no return: give -1 for nothing, 0 for its price"
                )

    def per_share(self, prices: pd.DataFrame) -> pd.DataFrame | None:
        """Dividends on the sessions and assets of `prices`, 0 where there is none; None where none are given."""
        if self.dividends is None:
            return None
        paid = check_weights(self.dividends).fillna(0.0)
        if (paid < 0).any(axis=None):
            raise FrameError("dividends: a negative amount per share: give what holders received")
        strangers = [*paid.columns.difference(prices.columns), *(d.date() for d in paid.index.difference(prices.index))]
        if strangers:
            raise MissingPriceError(
                f"dividends has {named(strangers)} without prices: give dividends on priced sessions"
            )
        return paid.reindex(index=prices.index, columns=prices.columns, fill_value=0.0)

    def exits(self, prices: pd.DataFrame) -> dict[int, dict[int, float]]:
        """Row of the session in which holders are paid -> column -> price they receive."""
        strangers = sorted(set(self.delistings) - set(prices.columns))
        if strangers:
            raise MissingPriceError(
                f"delistings names {named(strangers)} without a price column: drop it or add prices"
            )
        found: dict[int, dict[int, float]] = {}
        for asset, value in self.delistings.items():
            column = int(prices.columns.get_indexer(pd.Index([asset]))[0])
            known = np.flatnonzero(prices[asset].notna())
            if len(known) and known[-1] + 1 < len(prices):
                price = float(prices[asset].iloc[known[-1]]) * (1.0 + value)
                found.setdefault(int(known[-1]) + 1, {})[column] = price
        return found


UNEVENTFUL = Events()
