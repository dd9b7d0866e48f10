"""Forward returns by entry and holding period."""

import numpy as np
import pandas as pd

from allocation.errors import AllocationError, MissingPriceError
from allocation.frames import Bars

THIS_CLOSE, NEXT_OPEN, NEXT_CLOSE = "this close", "next open", "next close"
ENTRIES = (THIS_CLOSE, NEXT_OPEN, NEXT_CLOSE)


def forward_returns(bars: Bars, horizon: int = 1, entry: str = NEXT_OPEN) -> pd.DataFrame:
    """Return per session t and asset the return over `horizon` sessions from the entry that follows row t.

    `next open`: open[t+1+h] / open[t+1] - 1; `next close`: close[t+1+h] / close[t+1] - 1, both after a signal of the
    close of t is known. `this close`: close[t+h] / close[t] - 1, the usual convention of studies: it needs the signal a
    moment before that close. NaN where either price is missing and in the last rows.

    Raises:
        AllocationError: the entry is not known or the horizon is not a number of sessions.
        MissingPriceError: next open without opens.
    """
    if entry not in ENTRIES:
        raise AllocationError(f"entry {entry!r} is not known: use {', '.join(ENTRIES)}")
    if not isinstance(horizon, int) or horizon < 1:
        raise AllocationError(f"horizon is {horizon!r}: give a number of sessions, 1 or more")
    prices = bars.open if entry == NEXT_OPEN else bars.close
    if prices is None:
        raise MissingPriceError("entry at the next open needs opens: give bars with open, or enter at the next close")
    values, wait = prices.to_numpy(dtype=np.float64), 0 if entry == THIS_CLOSE else 1
    returns = np.full(values.shape, np.nan)
    n = len(values) - wait - horizon
    if n > 0:
        returns[:n] = values[wait + horizon :] / values[wait : wait + n] - 1.0
    return pd.DataFrame(returns, prices.index, prices.columns)


def session_returns(bars: Bars) -> pd.DataFrame:
    """Return the close-to-close return of each session itself; NaN in the first."""
    close = bars.close
    return close / close.shift(1) - 1.0
