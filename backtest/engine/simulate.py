"""simulate(): what target weights would have earned."""

import pandas as pd

from allocation.errors import MissingPriceError
from allocation.execution.book import CASH_ACCOUNT, Rules
from allocation.execution.costs import Costs
from allocation.frames import check_prices, check_weights, named
from backtest.engine.corporate_actions import UNEVENTFUL, Events
from backtest.engine.evaluate import check_leverage, evaluate
from backtest.engine.market import MarketArrays
from backtest.engine.replay import AccountReplay
from backtest.result.result import Result


def simulate(
    prices: pd.DataFrame,
    weights: pd.DataFrame,
    costs: Costs | float | None = None,
    *,
    opens: pd.DataFrame | None = None,
    cash: float = 1_000_000.0,
    name: str = "portfolio",
    rules: Rules = CASH_ACCOUNT,
    events: Events = UNEVENTFUL,
    calendar: str | None = None,
) -> Result:
    """Fill target weights in the session after each was decided and keep the books from then on.

    prices: adjusted closes (sessions × assets), or split-adjusted ones with their dividends in `events`. weights:
    targets decided at the close of their row, fractions of the NAV left after the costs of reaching them; NaN
    holds. Fills are in the next session: at `opens` where given (any frame of prices, such as vwap_proxy's), else
    at its close. costs: a number is a fraction of the traded value; 10 bp of it and nothing for holding if None.
    rules: whole shares and leverage. The result begins at the first decision. calendar: the exchange whose sessions a
    year annualise the figures; 252, or 365 where every day has a session, if None.

    Weights that sum to more than rules.leverage are refused. A target for an asset that has no price in the fill
    session is not filled, and a decision on the last session has no session to fill in: both are counted in
    `Result.notes`.

    Raises:
        FrameError: a frame breaks its contract, weights sum to more than is allowed, or all capital is lost.
        MissingPriceError: weights name assets or sessions without prices, or a position outlives its prices and
            no delisting return is stated.
    """
    costs = Costs.of(costs)
    prices, weights = check_prices(prices), check_weights(weights)
    unknown = weights.columns.difference(prices.columns)
    if len(unknown):
        raise MissingPriceError(f"weights has {named(unknown)} without a price column: add prices or drop the column")
    unpriced = weights.index.difference(prices.index)
    if len(unpriced):
        raise MissingPriceError(f"weights has a row on {unpriced[0].date()} where prices has none: decide on sessions")
    check_leverage(weights, rules)
    targets = weights.reindex(columns=prices.columns).dropna(how="all")
    rows = prices.index.get_indexer(targets.index)
    start = int(rows[0]) if len(rows) else 0
    replay = AccountReplay.start(MarketArrays.of(prices, opens, costs, events), costs, rules, cash, start)
    for row, wanted in zip(rows.tolist(), targets.to_numpy(), strict=True):
        replay.advance(row)
        replay.order(wanted)
    return evaluate(replay, targets, prices, cash=cash, name=name, calendar=calendar)
