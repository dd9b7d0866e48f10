"""The three wide frames that pass between the packages, checked once, at the door.

Index: sorted, unique, tz-naive session dates. Columns: asset tickers. Row t is what is known at the close
of session t. `prices` are positive (NaN: not traded that session), `signal` lies in [-1, 1] (NaN: no news,
never the same as 0), `weights` are fractions of NAV (NaN: hold, no trade that session).

Each check returns a float64 copy whose columns are sorted, so that the order in which a caller lists the
assets can never change a result, not even its last bit.
"""

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real

import numpy as np
import pandas as pd

from allocation.errors import FrameError, MissingPriceError

log = logging.getLogger(__name__)

NUMBER_KINDS = "iuf"  # numpy's letters for whole and real numbers
INFINITE = (np.inf, -np.inf)
MOST_NAMED = 5  # labels written out in an error before "and n more"


@dataclass(frozen=True)
class Bars:
    """Adjusted prices of each session (sessions × assets); `open`, `high` and `low` are None where they are not known.

    volume: shares traded in the session, of the same adjustment as the prices; None where not known. No policy sees it.
    """

    close: pd.DataFrame
    open: pd.DataFrame | None = None
    volume: pd.DataFrame | None = None
    high: pd.DataFrame | None = None
    low: pd.DataFrame | None = None

    @property
    def traded_value(self) -> pd.DataFrame | None:
        """Money that changed hands in each session, nearly: every share of it at the close; None without volumes."""
        return None if self.volume is None else self.close * self.volume


def check_prices(prices: pd.DataFrame, name: str = "prices") -> pd.DataFrame:
    """Return prices (sessions × assets) as checked float64, columns sorted; every value > 0 or NaN."""
    checked = _check_wide(prices, name)
    _refuse(checked, checked <= 0, name, "is not a price: prices are > 0, or NaN where nothing traded")
    _refuse(checked, checked.isin(INFINITE), name, "is not a price: correct the source")
    return checked


def check_signal(signal: pd.DataFrame) -> pd.DataFrame:
    """Return a signal (sessions × assets) as checked float64, columns sorted; every value in [-1, 1] or NaN."""
    checked = _check_wide(signal, "signal")
    _refuse(checked, checked.abs() > 1, "signal", "lies outside [-1, 1]: scale the signal")
    return checked


def check_weights(weights: pd.DataFrame) -> pd.DataFrame:
    """Return target weights (sessions × assets) as checked float64, columns sorted; finite, or NaN for hold."""
    checked = _check_wide(weights, "weights")
    _refuse(checked, checked.isin(INFINITE), "weights", "is not a weight: weights are finite fractions of NAV")
    return checked


def align(prices: pd.DataFrame, signal: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return both frames on the sessions and assets of `prices`, matched by label.

    An asset without any signal gets a column of NaN. Signal rows before the first or after the last price
    row are left out, and the count is logged.

    Raises:
        MissingPriceError: a signal column has no price column, or a signal row inside the price history falls
            on a date that has no price row (the calendars differ).
    """
    prices, signal = check_prices(prices), check_signal(signal)
    unpriced = signal.columns.difference(prices.columns)
    if len(unpriced):
        raise MissingPriceError(
            f"signal has {named(unpriced)} without a price column: add the prices or drop the column"
        )
    inside = signal.loc[prices.index[0] : prices.index[-1]]
    unmatched = inside.index.difference(prices.index)
    if len(unmatched):
        days = named(day.date() for day in pd.DatetimeIndex(unmatched))
        raise MissingPriceError(f"signal has rows on {days} where prices has none: use one calendar for both")
    if len(inside) < len(signal):
        log.warning(
            "%d of %d signal rows lie outside the price history %s to %s and are not used",
            len(signal) - len(inside),
            len(signal),
            prices.index[0].date(),
            prices.index[-1].date(),
        )
    return prices, signal.reindex(index=prices.index, columns=prices.columns)


def frame_digest(frame: pd.DataFrame) -> str:
    """SHA-256 of a frame's dates, tickers and values; the order of its columns does not matter."""
    canonical = frame.sort_index(axis=1)
    digest = hashlib.sha256()
    digest.update("\x1f".join(map(str, canonical.columns)).encode())
    digest.update(canonical.index.to_numpy().astype("datetime64[ns]").tobytes())
    values = np.array(canonical.to_numpy(dtype=np.float64), order="C")
    values[np.isnan(values)] = np.nan  # 0/0 sets the sign bit of its NaN: one kind of gap, one digest
    digest.update(values.tobytes())
    return digest.hexdigest()


def sessions_of(frame: pd.DataFrame | pd.Series) -> pd.DatetimeIndex:
    """Return the index of a checked frame as what it is: dates."""
    return pd.DatetimeIndex(frame.index)


def named(labels: Iterable[object]) -> str:
    """Write a few labels for an error message: `AAPL, MSFT and 3 more`."""
    words = [str(label) for label in labels]
    more = len(words) - MOST_NAMED
    return ", ".join(words[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _check_wide(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    if not isinstance(frame, pd.DataFrame):
        raise FrameError(f"{name} is a {type(frame).__name__}: pass a DataFrame of sessions × assets")
    if frame.empty:
        raise FrameError(f"{name} is empty ({frame.shape[0]} sessions × {frame.shape[1]} assets)")
    _check_sessions(frame.index, name)
    columns = frame.columns
    if columns.has_duplicates:
        raise FrameError(f"{name} has the asset {columns[columns.duplicated()][0]!r} twice: keep one column")
    unnamed = [column for column in columns if not isinstance(column, str)]
    if unnamed:
        raise FrameError(f"{name} has the column {unnamed[0]!r}: assets are named by text tickers")
    for column in columns[[dtype.kind not in NUMBER_KINDS for dtype in frame.dtypes]]:
        for day, value in frame[column].dropna().items():  # `astype` would make a number of '0.1', True and 1+2j
            if isinstance(value, (bool, np.bool_)) or not isinstance(value, (Real, Decimal)):
                kind = "text" if isinstance(value, str) else type(value).__name__
                raise FrameError(
                    f"{name} holds {kind}, not numbers, in {column}: {value!r} at {day.date()}: "  # type: ignore[attr-defined]
                    "convert the column to float64"
                )
    return frame.astype(np.float64).sort_index(axis=1)


def _check_sessions(index: pd.Index, name: str) -> None:
    if not isinstance(index, pd.DatetimeIndex):
        raise FrameError(f"{name} is indexed by {index.dtype}, not by dates: set a DatetimeIndex of sessions")
    if index.tz is not None:
        raise FrameError(f"{name} has a time zone ({index.tz}): sessions are plain dates, use .tz_localize(None)")
    if index.hasnans:
        raise FrameError(f"{name} has {int(np.sum(index.isna()))} rows without a date: drop or date them")
    clocked = index[index != index.normalize()]
    if len(clocked):
        raise FrameError(f"{name} has a time of day at {clocked[0]}: sessions are plain dates, use .normalize()")
    if index.has_duplicates:
        twice = index[index.duplicated()][0]
        raise FrameError(f"{name} has {twice.date()} twice: keep one row per session")
    if not index.is_monotonic_increasing:
        later = int(np.flatnonzero(np.diff(index.asi8) < 0)[0])
        raise FrameError(
            f"{name} is not sorted: {index[later + 1].date()} follows {index[later].date()}; use .sort_index()"
        )


def _refuse(frame: pd.DataFrame, wrong: pd.DataFrame, name: str, complaint: str) -> None:
    """Raise on the first cell of `frame` that is `wrong`, naming its value, asset and session."""
    rows, columns = np.nonzero(wrong.to_numpy())
    if len(rows):
        row, column = rows[0], columns[0]
        raise FrameError(
            f"{name}: {frame.to_numpy()[row, column]:g} for {frame.columns[column]} at {frame.index[row].date()} "
            f"{complaint} ({len(rows)} such cells)"
        )
