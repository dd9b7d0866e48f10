"""vwap_proxy(): what a trade spread over a session would have paid, as near as daily bars can say."""

import pandas as pd

from allocation.errors import FrameError
from allocation.frames import check_prices


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
