"""What the market did, as arrays: prices of fills and marks, days, dividends, impact, delistings; and vwap_proxy()."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from allocation.errors import FrameError
from allocation.execution.costs import Costs
from allocation.frames import check_prices, sessions_of
from backtest.engine.corporate_actions import UNEVENTFUL, Events
from newsfolio.shared.arrays import FloatArray


@dataclass(frozen=True)
class MarketArrays:
    """What the market did (arrays of sessions × assets, named by the two indexes).

    closes: last known close. fills: price of a fill, NaN where the asset does not trade. marks: value of a share
    when fills happen. days: calendar days since the session before. dividends: cash per share, None for none.
    slopes: of the impact, None for none. exits: row -> column -> price that holders are paid. notes: what a reader of
    the result should know about these.
    """

    sessions: pd.DatetimeIndex
    assets: pd.Index
    closes: FloatArray
    fills: FloatArray
    marks: FloatArray
    days: FloatArray
    dividends: FloatArray | None = None
    slopes: FloatArray | None = None
    exits: Mapping[int, Mapping[int, float]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, prices: pd.DataFrame, opens: pd.DataFrame | None, costs: Costs, events: Events = UNEVENTFUL
    ) -> "MarketArrays":
        """Arrays of checked prices: fills at `opens` where given, else at closes.

        At the open an asset that does not trade is worth its last close before that session; one that has an open but
        no close up to then could not be valued, and counts as not trading.
        """
        exits = events.exits(prices)
        closes = prices.ffill()
        fills, marks = prices, closes
        if opens is not None:
            opens = check_prices(opens, "opens")
            for kind, wanted, given in (
                ("assets", closes.columns, opens.columns),
                ("sessions", closes.index, opens.index),
            ):
                if len(absent := wanted.difference(given)):
                    first = str(absent[0]).removesuffix(" 00:00:00")
                    raise FrameError(f"opens lacks {len(absent)} {kind} of prices, such as {first}: give both or none")
            fills = opens.loc[closes.index, closes.columns].where(closes.notna())
            marks = fills.fillna(closes.shift(1))
        tradable = fills.to_numpy()
        if exits:  # an open after the delisting is no chance to buy what holders were just paid out of
            tradable = tradable.copy()
            for row, paid in exits.items():
                tradable[row:, list(paid)] = np.nan
        sessions, dividends = sessions_of(prices), events.per_share(prices)
        return cls(
            sessions=sessions,
            assets=prices.columns,
            closes=closes.to_numpy(),
            fills=tradable,
            marks=marks.to_numpy(),
            days=np.diff(sessions.to_numpy().astype("datetime64[D]").astype(np.float64), prepend=np.nan),
            dividends=None if dividends is None else dividends.to_numpy(),
            slopes=None if costs.impact is None else costs.impact.slopes(prices),
            exits=exits,
            notes=tuple(events.notes(prices)),
        )


def vwap_proxy(high: pd.DataFrame, low: pd.DataFrame, close: pd.DataFrame) -> pd.DataFrame:
    """Return the typical price (high + low + close) / 3 of each session (sessions × assets), NaN where any is missing.

    Pass it as `opens` to fill the orders of the session before at it. It is no volume-weighted average: daily
    bars do not hold one.

    Raises:
        FrameError: a frame breaks its contract, the labels differ, or a close lies outside its low and high.
    """
    high, low, close = check_prices(high, "high"), check_prices(low, "low"), check_prices(close, "close")
    for name, frame in (("high", high), ("low", low)):
        if not (frame.index.equals(close.index) and frame.columns.equals(close.columns)):
            raise FrameError(f"{name} and close differ in sessions or assets: cut all three from one table")
    outside = (close > high * (1 + 1e-9)) | (close < low * (1 - 1e-9))
    if outside.any(axis=None):
        day = outside.index[outside.any(axis=1)][0]
        asset = outside.columns[outside.loc[day]][0]
        raise FrameError(f"close of {asset} at {day.date()} lies outside its low and high: adjust all three alike")
    return (high + low + close) / 3.0
