"""What a decision may know, and the two callables that decide from it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd

from allocation.frames import Bars


@dataclass(frozen=True)
class View:
    """All that a policy may know at the close of session `now`.

    prices and signal (sessions × assets) end at `now`; held is the weight of each asset at that close,
    after drift, before any trade. The target a policy returns is filled in the session after `now`. opens, highs and
    lows are of the same sessions and assets as prices; None where they are not known.
    """

    now: pd.Timestamp
    prices: pd.DataFrame
    signal: pd.DataFrame
    held: pd.Series
    opens: pd.DataFrame | None = None
    highs: pd.DataFrame | None = None
    lows: pd.DataFrame | None = None

    @property
    def bars(self) -> Bars:
        """Prices with what is known of opens, highs and lows, cut to the sessions and assets of `prices`."""
        return Bars(self.prices, *(self._of_prices(each) for each in (self.opens, None, self.highs, self.lows)))

    def _of_prices(self, marks: pd.DataFrame | None) -> pd.DataFrame | None:
        index, columns = self.prices.index, self.prices.columns
        if marks is None or (marks.index.equals(index) and marks.columns.equals(columns)):
            return marks
        return marks.reindex(index=index, columns=columns)

    @property
    def tradable(self) -> pd.Index:
        """Assets with a price at `now`."""
        priced: pd.Index = self.prices.columns[~np.isnan(self.prices.to_numpy()[-1])]
        return priced


Policy = Callable[[View], pd.Series]
Forecast = Callable[[View], pd.Series]  # what is known now -> expected return per session, by asset


@runtime_checkable
class HasExtraInputs(Protocol):
    """A forecast or policy that reads frames other than those of its view, of which a ledger keeps the digest."""

    def inputs_digest(self, now: pd.Timestamp) -> str:
        """Return a digest of those frames as known at the close of `now`; empty where there are none."""


def inputs_digest_of(reader: object, now: pd.Timestamp) -> str:
    """Return the digest of what a forecast or policy reads besides its view; empty where it reads nothing more."""
    return reader.inputs_digest(now) if isinstance(reader, HasExtraInputs) else ""
