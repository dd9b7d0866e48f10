"""money_of(): what vectorbt's fills of a plan took out of each session's cash, where it filled them all."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from allocation.errors import FrameError
from backtest.engine.trade_log import TradeLog
from newsfolio.shared.arrays import FloatArray

FILLED = 1e-9  # of the largest order: difference between the shares ordered and the shares vectorbt filled
AT_ONCE = 16_384  # records looked at together: 0.9 MB of them, which stays in the processor's cache

Fills = NDArray[Any]  # records: idx (row of the plan), col, size, price, fees, side (0 buys)


def money_of(fills: Fills, plan: TradeLog, sessions: pd.DatetimeIndex, assets: pd.Index) -> FloatArray:
    """Return the money that each row of a plan took, by vectorbt's records of its fills.

    It is added up from the fills, not read off the engine's cash: that holds what was lent, which depends on the
    largest position ever, so that the last bits of early sessions would depend on later ones.

    Raises:
        FrameError: an order was cut, which vectorbt does silently, and logs as filled.
    """
    spent, whole = np.zeros(len(plan.rows)), len(fills) == np.count_nonzero(plan.traded)
    ordered, most = plan.traded.ravel(), FILLED * float(np.abs(plan.traded).max())
    for first in range(0, len(fills), AT_ONCE):
        some = fills[first : first + AT_ONCE]
        row, shares = some["idx"], np.where(some["side"] == 0, some["size"], -some["size"])
        whole = whole and not (np.abs(ordered[row * len(assets) + some["col"]] - shares) > most).any()
        spent[row[0] : row[-1] + 1] += np.bincount(row - row[0], shares * some["price"] + some["fees"])
    if not whole:
        _refuse_cuts(fills, plan, most, sessions, assets)
    return spent


def _refuse_cuts(fills: Fills, plan: TradeLog, most: float, sessions: pd.DatetimeIndex, assets: pd.Index) -> None:
    """vectorbt cuts an order it has no cash for and logs it as filled; here that is an error."""
    missing = plan.traded.copy()
    missing[fills["idx"], fills["col"]] -= np.where(fills["side"] == 0, fills["size"], -fills["size"])
    for row, column in np.argwhere(np.abs(missing) > most):
        raise FrameError(
            f"vectorbt left {missing[row, column]:g} of {plan.traded[row, column]:g} shares unfilled of "
            f"{assets[column]} at {sessions[plan.rows[row]].date()}: leave more cash for costs"
        )
