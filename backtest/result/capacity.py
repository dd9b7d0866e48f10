"""capacity(): how much money a strategy can carry before its orders are too large for the market."""

import numpy as np
import pandas as pd

from allocation.errors import FrameError
from backtest.result.result import Result

PARTICIPATION, SHARE, WINDOW = 0.01, 0.95, 21  # of the value traded, of the orders, sessions
MEANING = (
    f"NAV at which {100 * SHARE:g} % of orders stay within {100 * PARTICIPATION:g} % of what the asset traded a day "
    f"in the {WINDOW} sessions before"
)


def capacity(
    result: Result,
    daily_value: pd.DataFrame,
    *,
    participation: float = PARTICIPATION,
    share: float = SHARE,
    window: int = WINDOW,
) -> float:
    """Return the NAV at which a share `share` of orders stays within `participation` of what the asset trades a day.

    daily_value: money traded per session (sessions × assets), as Bars.traded_value; its mean over the `window`
    sessions before the order counts. Orders grow in proportion to NAV. Infinite where nothing was traded.

    Raises:
        FrameError: participation or share is no fraction, or an order has no traded value before it.
    """
    if not (0 < participation <= 1 and 0 < share <= 1):
        raise FrameError(f"participation {participation:g} and share {share:g} must be fractions in (0, 1]")
    trades = result.trades
    if trades.empty:
        return float("inf")
    usual = daily_value.rolling(window, min_periods=1).mean().shift(1)
    rows = usual.index.get_indexer(pd.Index(trades["session"]))
    columns = usual.columns.get_indexer(pd.Index(trades["asset"]))
    if (rows < 0).any() or (columns < 0).any():
        raise FrameError("daily_value lacks sessions or assets that were traded: give those of the prices")
    available = usual.to_numpy()[rows, columns]
    if not (available > 0).all():
        first = trades[~(available > 0)].iloc[0]
        raise FrameError(f"daily_value of {first['asset']} before {first['session'].date()} is unknown or 0")
    before = result.nav.shift(1).reindex(trades["session"]).to_numpy()
    of_nav = (trades["shares"].abs() * trades["price"]).to_numpy() / before
    return float(np.quantile(participation * available / of_nav, 1.0 - share))
