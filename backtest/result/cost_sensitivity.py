"""cost_sensitivity(): what other trading costs would leave of a result, from its log of trades, without a new run."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocation.errors import FrameError
from backtest.result import metrics
from backtest.result.result import Result

BASIS_POINTS = (0.0, 5.0, 10.0, 25.0, 50.0)


@dataclass(frozen=True)
class CostSensitivity:
    """What is left of a result at other trading costs, each in basis points of the traded value.

    table: a row per cost; columns annual_return (geometric), sharpe and, against a benchmark that pays the same costs,
    active_return (its mean, annualised by multiplication), as plain fractions. break_even: the cost at which the mean
    return is 0, active_break_even that at which the mean active return is 0; 0 where it is below 0 even free of costs,
    NaN where no cost makes it 0: nothing is traded, or not more than the benchmark trades.
    """

    table: pd.DataFrame
    break_even: float
    active_break_even: float


def cost_sensitivity(
    result: Result, basis_points: Sequence[float] = BASIS_POINTS, *, benchmark: Result | None = None
) -> CostSensitivity:
    """Return what `result` would have returned had trading cost so many basis points of the traded value.

    Each session gets its own trading costs back and pays the others instead: return + paid - cost × turnover, all over
    the NAV of the close before. The trades are those that were made, although a policy that knows its costs would make
    others; costs of holding stay. benchmark: over the same sessions, such as the same policy without news.

    Raises:
        FrameError: a cost is negative, or the benchmark covers other sessions.
    """
    if any(cost < 0 for cost in basis_points):
        raise FrameError(f"a cost of {min(basis_points):g} bp would pay for trading: give basis points of 0 or more")
    if benchmark is not None and not benchmark.nav.index.equals(result.nav.index):
        raise FrameError(f"{benchmark.name} covers other sessions than {result.name}: run both on the same dates")
    free, turnover = _free(result), result.turnover
    active = None if benchmark is None else free - _free(benchmark)
    more = None if benchmark is None else turnover - benchmark.turnover
    year, rows = result.sessions_per_year, {}
    for cost in basis_points:
        returns = (free - 1e-4 * cost * turnover).to_numpy()
        rows[cost] = {"annual_return": np.nan, "sharpe": np.nan}
        if len(returns) > 1:
            rows[cost]["annual_return"] = float(metrics.annual_return(returns, year))
            rows[cost]["sharpe"] = float(metrics.sharpe(returns, year))
        if active is not None and more is not None:
            rows[cost]["active_return"] = float((active - 1e-4 * cost * more).mean() * year)
    return CostSensitivity(
        table=pd.DataFrame.from_dict(rows, orient="index").rename_axis("basis points"),
        break_even=_break_even(free, turnover),
        active_break_even=np.nan if active is None or more is None else _break_even(active, more),
    )


def _free(result: Result) -> pd.Series:
    """Returns before trading costs."""
    return result.returns + (result.costs / result.nav.shift(1)).iloc[1:]


def _break_even(free: pd.Series, turnover: pd.Series) -> float:
    traded = float(turnover.sum())
    return max(1e4 * float(free.sum()) / traded, 0.0) if traded > 1e-12 else float("nan")
