"""Figures at other trading costs, and the cost at which nothing is left, both with the trades held fixed."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from allocation.errors import FrameError
from backtest.result import metrics
from backtest.result.result import Result
from newsfolio.shared.arrays import FloatArray

COSTS_BP = (0.0, 5.0, 10.0, 25.0, 50.0)
MEANING = "trades held fixed as fractions of NAV: a policy that knows of other costs would trade otherwise"


def cost_sensitivity(result: Result, costs_bp: Sequence[float] = COSTS_BP) -> pd.DataFrame:
    """Return total_return, annual_return and sharpe by cost in basis points of the traded value, trades held fixed.

    Nothing is run again: each session's return gets back what its trades cost, and pays the other rate on the value
    traded, both as fractions of the NAV before, r(c) = r + (paid - c × traded) / NAV. Costs of holding (borrow, loans)
    stay. A policy that knows of its costs would trade otherwise, so that high rates look worse and low ones no better
    than they would be.

    Raises:
        FrameError: a cost is negative or not a number.
    """
    before_costs, turnover = _before_costs(result)
    year, rows = result.sessions_per_year, {}
    for cost in costs_bp:
        if not 0.0 <= cost < np.inf:
            raise FrameError(f"a cost of {cost:g} bp has no meaning: give basis points of the traded value, 0 or more")
        returns = before_costs - cost / 1e4 * turnover
        rows[float(cost)] = {
            "total_return": float(np.prod(1.0 + returns) - 1.0),
            "annual_return": float(metrics.annual_return(returns, year)) if len(returns) else 0.0,
            "sharpe": float(metrics.sharpe(returns, year)) if len(returns) > 1 else float("nan"),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("cost_bp")


def break_even_cost(result: Result, benchmark: Result | None = None) -> float:
    """Return the cost, a fraction of the traded value, at which the mean return would be 0, trades held fixed.

    mean(return before trading costs) / mean(turnover). With a benchmark, such as the same policy without news, it is
    the cost at which both would earn the same: the difference of the means over that of the turnovers. Negative where
    there was nothing to pay costs from; NaN where nothing (more) was traded.

    Raises:
        FrameError: the benchmark covers other sessions.
    """
    before_costs, turnover = _before_costs(result)
    if benchmark is not None:
        if not benchmark.nav.index.equals(result.nav.index):
            raise FrameError(f"{benchmark.name} covers other sessions than {result.name}: run both on the same dates")
        others, their_turnover = _before_costs(benchmark)
        before_costs, turnover = before_costs - others, turnover - their_turnover
    if not len(turnover) or not turnover.mean() > 0.0:
        return float("nan")
    return float(before_costs.mean() / turnover.mean())


def _before_costs(result: Result) -> tuple[FloatArray, FloatArray]:
    """Return of each session before what its own trades cost, and the value traded over the NAV before."""
    paid = (result.costs / result.nav.shift(1)).iloc[1:]
    return (result.returns + paid).to_numpy(), result.turnover.to_numpy()
