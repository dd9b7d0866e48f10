"""Corporate actions that prices do not show: dividends on unadjusted prices, delistings with what holders received."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from allocation.errors import FrameError, MissingPriceError
from allocation.frames import check_weights, named, sessions_of


class Delisting(NamedTuple):
    """The session in which holders are paid, and the return from the last close before to what they receive."""

    date: pd.Timestamp
    value: float


@dataclass(frozen=True)
class Events:
    """Dividends and delistings.

    dividends: cash per share (sessions × assets) on the ex-date; holders at the close before receive it that
    session, shorts pay it. Only for prices that are not adjusted for dividends, which would count them twice.
    delistings: asset -> Delisting: the position is closed, free of costs, on that date or in the first session after
    it, and no order in the asset is filled from then on, whatever prices follow; -1 is the return where nothing was
    paid. A mere return instead takes the session after the asset's last price, which is known only once all prices
    are: where they have gaps, or more of them may come, state the date.
    """

    dividends: pd.DataFrame | None = None
    delistings: Mapping[str, Delisting | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """A return below -100 % would take more than was held."""
        for asset, stated in self.delistings.items():
            value = stated[1] if isinstance(stated, tuple) else stated
            if not -1.0 <= value < np.inf:
                raise FrameError(
                    f"delistings: {value:g} for {asset} is no return: give -1 for nothing, 0 for its price"
                )
            if isinstance(stated, tuple) and pd.isna(pd.Timestamp(stated[0])):
                raise FrameError(f"delistings: {asset} has no date: give the session in which holders were paid")

    @classmethod
    def of_table(cls, table: pd.DataFrame, dividends: pd.DataFrame | None = None) -> "Events":
        """Return the delistings of a table with the columns asset, date and return.

        Raises:
            FrameError: a column is missing, an asset is there twice, or a date or return has no meaning.
        """
        missing = [name for name in ("asset", "date", "return") if name not in table.columns]
        if missing:
            raise FrameError(f"delistings lacks the column {missing[0]!r}: give asset, date and return")
        twice = table["asset"][table["asset"].duplicated()]
        if len(twice):
            raise FrameError(f"delistings: duplicate entry for {twice.iloc[0]}: keep one")
        dates, values = pd.to_datetime(table["date"], errors="coerce"), pd.to_numeric(table["return"], errors="coerce")
        wrong = dates.isna() | values.isna()
        if wrong.any():
            row = table[wrong].iloc[0]
            raise FrameError(
                f"delistings: {row['asset']} has the date {row['date']} and the return {row['return']}: give a day "
                "such as 2020-03-02 and a fraction such as -0.3"
            )
        rows = zip(table["asset"].astype(str), dates, values.astype(float), strict=True)
        return cls(dividends, {asset: Delisting(date, value) for asset, date, value in rows})

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
        for asset, stated in self.delistings.items():
            column = int(prices.columns.get_indexer(pd.Index([asset]))[0])
            row, value = self._row(prices, asset), stated[1] if isinstance(stated, tuple) else stated
            if row < len(prices):
                before = prices[asset].iloc[:row].dropna()
                found.setdefault(row, {})[column] = float(before.iloc[-1]) * (1.0 + value) if len(before) else np.nan
        return found

    def notes(self, prices: pd.DataFrame) -> Iterator[str]:
        """What a reader of the result should know about these."""
        for asset, stated in self.delistings.items():
            row = self._row(prices, asset)
            if row < len(prices):
                day = sessions_of(prices)[row].date()
                if not isinstance(stated, tuple):
                    yield f"delisting of {asset}: no date was stated, {day}, the session after its last price, is taken"
                elif prices[asset].iloc[row:].notna().any():
                    yield f"{asset} has prices on and after its delisting of {day}: no order is filled at them"

    def _row(self, prices: pd.DataFrame, asset: str) -> int:
        """Number of the session in which holders are paid; that of none where it is yet to come."""
        stated = self.delistings[asset]
        if isinstance(stated, tuple):
            return int(prices.index.searchsorted(pd.Timestamp(stated[0])))
        known = np.flatnonzero(prices[asset].notna())
        return int(known[-1]) + 1 if len(known) else len(prices)


UNEVENTFUL = Events()
