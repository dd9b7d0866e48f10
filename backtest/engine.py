"""fill_orders(): vectorbt's Rust engine behind one function; nothing else calls it."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from allocation.errors import FrameError
from backtest.book import Vector
from backtest.plan import Plan

FILLED = 1e-9  # of the largest order: difference between the shares ordered and the shares vectorbt filled
AT_ONCE = 16_384  # records looked at together: 0.9 MB of them, which stays in the processor's cache


def fill_orders(plan: Plan, cash: float, sessions: pd.DatetimeIndex, assets: pd.Index) -> Vector:
    """Let vectorbt fill the orders of a plan out of `cash`; return the money that each of its sessions took.

    The engine is told only the sessions with orders: in between nothing changes hands. The money is added up from
    the fills, not read off the engine's cash: that holds what was lent, which depends on the largest position ever,
    so that the last bits of early sessions would depend on later ones.

    Raises:
        FrameError: an order was cut, which vectorbt does silently, and logs as filled.
    """
    fills = _filled(plan, cash)
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


def _filled(plan: Plan, cash: float) -> NDArray[Any]:
    """Return vectorbt's records of fills (idx: row of the plan, col, size, price, fees, side: 0 buys).

    It is asked below Portfolio.from_orders, which spends as long again on frames that nobody looks at.
    """
    from vectorbt.portfolio.dispatch import simulate_from_orders  # 2-3 s to load: only when something is simulated

    fills, _ = simulate_from_orders(
        target_shape=plan.traded.shape,
        group_lens=np.array([plan.traded.shape[1]]),  # one group that shares its cash
        init_cash=np.array([cash]),
        call_seq=np.argsort(plan.traded > 0.0, axis=1, kind="stable"),  # sells before buys; "auto" sorts by value
        size=plan.traded,  # an amount of shares, 0 for no order
        price=plan.prices,
        fixed_fees=plan.cost,  # in money: fractions, minima and impact are worked out already
        max_orders=plan.traded.size,
        max_logs=1,
        engine="rust",
    )
    return np.asarray(fills)


def _refuse_cuts(fills: NDArray[Any], plan: Plan, most: float, sessions: pd.DatetimeIndex, assets: pd.Index) -> None:
    """vectorbt cuts an order it has no cash for and logs it as filled; here that is an error."""
    missing = plan.traded.copy()
    missing[fills["idx"], fills["col"]] -= np.where(fills["side"] == 0, fills["size"], -fills["size"])
    for row, column in np.argwhere(np.abs(missing) > most):
        raise FrameError(
            f"vectorbt left {missing[row, column]:g} of {plan.traded[row, column]:g} shares unfilled of "
            f"{assets[column]} at {sessions[plan.rows[row]].date()}: leave more cash for costs"
        )
