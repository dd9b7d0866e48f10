"""Corporate actions that prices do not show: dividends on unadjusted prices, delistings with what holders received."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from allocation.errors import FrameError, MissingPriceError
from allocation.frames import check_weights, named, sessions_of


class Delisting(NamedTuple):
    """The last day on which the asset traded, and the return from its last close to what holders received.

    Both as CRSP states them (DLSTDT, DLRET): -1 where nothing was paid. Holders are paid in the first session after.
    """

    date: pd.Timestamp
    value: float


@dataclass(frozen=True)
class Events:
    """Dividends and delistings.

    dividends: cash per share (sessions × assets) on the ex-date; holders at the close before receive it that
    session, shorts pay it. Only for prices that are not adjusted for dividends, which would count them twice.
    delistings: asset -> Delisting: the position is closed, free of costs, in the first session after its date, and no
    order in the asset is filled from then on, whatever prices follow. A mere return in its place takes the date of the
    asset's last price, which is known only once all prices are: where they have gaps, or more may come, state the date.
    """

    dividends: pd.DataFrame | None = None
    delistings: Mapping[str, Delisting | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """A return below -100 % would take more than was held."""
        for asset, day, value in self._delisted():
            if not -1.0 <= value < np.inf:
                raise FrameError(
                    f"delistings: {value:g} for {asset} is no return: give -1 for nothing, 0 for its price"
                )
            if pd.isna(day) and day is not None:
                raise FrameError(f"delistings: {asset} has no date: give the last day on which it traded")

    def _delisted(self) -> Iterator[tuple[str, pd.Timestamp | None, float]]:
        """Asset, its last day where one is stated, and the return from its last close."""
        for asset, stated in self.delistings.items():
            day, value = stated if isinstance(stated, tuple) else (None, stated)
            yield asset, None if day is None else pd.Timestamp(day), value

    def per_share(self, prices: pd.DataFrame) -> pd.DataFrame | None:
        """Dividends on the sessions and assets of `prices`, 0 where there is none; None where none are given."""
        if self.dividends is None:
            return None
        paid = check_weights(self.dividends).fillna(0.0)
        if (paid < 0).any(axis=None):
            raise FrameError("dividends: a negative amount per share: give what holders received")
        unpriced = [*paid.columns.difference(prices.columns), *(d.date() for d in paid.index.difference(prices.index))]
        if unpriced:
            raise MissingPriceError(
                f"dividends has {named(unpriced)} without prices: give dividends on priced sessions"
            )
        return paid.reindex(index=prices.index, columns=prices.columns, fill_value=0.0)

    def exits(self, prices: pd.DataFrame) -> dict[int, dict[int, float]]:
        """Row of the session in which holders are paid -> column -> price they receive."""
        unknown = sorted(set(self.delistings) - set(prices.columns))
        if unknown:
            raise MissingPriceError(f"delistings names {named(unknown)} without a price column: drop it or add prices")
        found: dict[int, dict[int, float]] = {}
        for asset, day, value in self._delisted():
            column, row = int(prices.columns.get_indexer(pd.Index([asset]))[0]), _row_paid(prices[asset], day)
            if row < len(prices):
                before = prices[asset].iloc[:row].dropna()
                found.setdefault(row, {})[column] = float(before.iloc[-1]) * (1.0 + value) if len(before) else np.nan
        return found

    def notes(self, prices: pd.DataFrame) -> Iterator[str]:
        """What a reader of the result should know about these."""
        for asset, day, _ in self._delisted():
            row = _row_paid(prices[asset], day)
            if row < len(prices):
                if day is None:
                    last = sessions_of(prices)[row - 1].date()
                    yield f"delisting of {asset}: no date was stated, that of its last price, {last}, is taken"
                elif prices[asset].iloc[row:].notna().any():
                    yield f"{asset} has prices after its delisting on {day.date()}: no order is filled at them"


def _row_paid(prices: pd.Series, day: pd.Timestamp | None) -> int:
    """Number of the session in which holders are paid; that of none where it is yet to come."""
    if day is not None:
        return int(prices.index.searchsorted(day, side="right"))
    known = np.flatnonzero(prices.notna())
    return int(known[-1]) + 1 if len(known) else len(prices)


UNEVENTFUL = Events()
