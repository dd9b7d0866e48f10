"""run(): walk a policy forward and simulate what it decided, with the same fills and costs in both."""

import pandas as pd

from allocation.data.load import Bars
from allocation.execution.book import CASH_ACCOUNT, Rules
from allocation.execution.costs import Costs
from allocation.view import Policy
from backtest.engine.corporate_actions import UNEVENTFUL, Events
from backtest.engine.simulate import simulate
from backtest.engine.walk import walk_forward
from backtest.result.result import Result


def run(
    policy: Policy,
    bars: Bars,
    signal: pd.DataFrame | None,
    dates: pd.DatetimeIndex,
    *,
    costs: Costs | None = None,
    name: str = "portfolio",
    progress: bool = False,
    cash: float = 1_000_000.0,
    rules: Rules = CASH_ACCOUNT,
    events: Events = UNEVENTFUL,
    calendar: str | None = None,
) -> Result:
    """Return the Result of asking `policy` at the close of each of `dates`.

    Orders are filled in the session after, at `bars.open` where known, else at the close. See walk_forward
    and simulate for what they raise.
    """
    costs = Costs() if costs is None else costs
    weights = walk_forward(
        policy, bars.close, signal, dates, opens=bars.open, costs=costs, cash=cash, rules=rules, events=events,
        progress=progress,
    )  # fmt: skip
    return simulate(
        bars.close, weights, costs, opens=bars.open, cash=cash, name=name, rules=rules, events=events, calendar=calendar
    )
