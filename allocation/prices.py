"""Prices from a file or from Yahoo Finance, as one pair of wide frames, adjusted for splits and dividends."""

import hashlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from allocation.errors import FrameError, SourceError
from allocation.files import check_ending, parse_dates, read_frame, read_table, write_whole
from allocation.frames import check_prices, named

log = logging.getLogger(__name__)

LONG_COLUMNS = ("date", "ticker", "close")
MARKS_OF_LONG = {"ticker", "close", "open", "adj_close"}  # no wide file has assets of these names
PAUSES = (5.0, 30.0, 120.0)  # seconds before another try where the vendor limits requests
RETRY = "check the ticker, or try again later: the vendor limits requests"


@dataclass(frozen=True)
class Bars:
    """Adjusted prices of each session (sessions × assets); `open` is None where only closes are known."""

    close: pd.DataFrame
    open: pd.DataFrame | None = None


def load_prices(
    source: str | Path | Sequence[str],
    *,
    start: str | pd.Timestamp | None = None,
    end: str | pd.Timestamp | None = None,
    cache: str | Path | None = None,
) -> Bars:
    """Load adjusted prices from a file (a path) or from Yahoo Finance (a list of tickers).

    A file is either wide (a date column, then one column of adjusted closes per ticker) or long (columns
    date, ticker, close and optionally open, adj_close: the opens and closes are then scaled by
    adj_close / close). `start` and `end` are inclusive dates; a download needs both. With `cache`, a folder,
    vendor answers about days that are over are kept as Parquet and read from there the next time.

    Raises:
        SourceError: the file or vendor gave nothing usable, or nothing between `start` and `end`.
        FrameError: what it gave are not prices.
    """
    first, last = _day(start, "start"), _day(end, "end")
    if isinstance(source, (str, Path)):
        return _between(_from_file(Path(source)), first, last, where=str(source))
    if first is None or last is None:
        raise SourceError(f"prices from {start} to {end}: a download needs both start and end: name two dates")
    tickers = tuple(sorted({ticker.upper() for ticker in source}))
    bars = _from_yahoo(tickers, first, last, Path(cache) if cache else None)
    return _between(bars, first, last, where="Yahoo Finance")


def _day(day: str | pd.Timestamp | None, which: str) -> pd.Timestamp | None:
    return None if day is None else day_of(day, which)


def day_of(day: str | pd.Timestamp, which: str) -> pd.Timestamp:
    """Return a date as a tz-naive midnight.

    Raises:
        SourceError: it is no date in the form YYYY-MM-DD; `which` names it.
    """
    try:
        moment = pd.Timestamp(date.fromisoformat(day) if isinstance(day, str) else day)
        return moment.tz_localize(None).normalize()
    except (TypeError, ValueError) as error:
        raise SourceError(f"{which} is {day!r}, which is not a date: write YYYY-MM-DD") from error


def _between(bars: Bars, first: pd.Timestamp | None, last: pd.Timestamp | None, where: str) -> Bars:
    close = bars.close.loc[first:last]
    if close.empty:
        known = f"from {bars.close.index[0].date()} to {bars.close.index[-1].date()}"
        raise SourceError(f"{where}: has no prices {_range(first, last)}; it has them {known}: ask for these dates")
    return Bars(close, None if bars.open is None else bars.open.loc[first:last])


def _range(first: pd.Timestamp | None, last: pd.Timestamp | None) -> str:
    start, end = ("None" if day is None else day.date() for day in (first, last))
    return f"from {start} to {end}"


def _from_file(path: Path) -> Bars:
    table = read_table(path)
    if MARKS_OF_LONG & set(table.columns):
        return bars_from_long(table, where=str(path))
    return Bars(check_prices(read_frame(path), name=str(path)))


def bars_from_long(table: pd.DataFrame, where: str = "prices") -> Bars:
    """Turn rows of (date, ticker, close[, open][, adj_close]) into adjusted wide frames."""
    missing = [column for column in LONG_COLUMNS if column not in table.columns]
    if missing:
        raise SourceError(f"{where}: has no column {named(missing)}; it has {named(table.columns)}")
    keys = _keys(table, where)
    wide = {
        column: _widen(table[column], keys, f"{where}: {column}")
        for column in ("close", "open", "adj_close")
        if column in table.columns
    }
    if "adj_close" not in wide:
        return Bars(wide["close"], wide.get("open"))
    factor = wide["adj_close"] / wide["close"]
    return Bars(wide["adj_close"], wide["open"] * factor if "open" in wide else None)


def _keys(table: pd.DataFrame, where: str) -> pd.MultiIndex:
    nameless = np.flatnonzero(table["ticker"].isna() | (table["ticker"] == ""))
    if len(nameless):
        raise SourceError(f"{where}: row {nameless[0] + 1}: has no ticker: name one ({len(nameless)} such rows)")
    keys = pd.MultiIndex.from_arrays([parse_dates(table["date"], where), table["ticker"].astype(str)])
    if keys.has_duplicates:
        day, ticker = keys[keys.duplicated()][0]
        raise SourceError(f"{where}: has {ticker} on {str(day)[:10]} twice: keep one row per ticker and date")
    return keys


def _widen(values: pd.Series, keys: pd.MultiIndex, name: str) -> pd.DataFrame:
    wide = _numbers(values, name).set_axis(keys).unstack().sort_index()
    wide.index.name, wide.columns.name = "date", None
    return check_prices(wide, name)


def _numbers(values: pd.Series, name: str) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce")
    lost = np.flatnonzero(numbers.isna() & values.notna())
    if len(lost):
        raise FrameError(
            f"{name}: row {lost[0] + 1}: {values.iloc[lost[0]]!r} is not a number: correct it, or leave it empty "
            f"where nothing traded ({len(lost)} such rows)"
        )
    return numbers


def write_bars(bars: Bars, path: str | Path) -> Path:
    """Write bars as a long table (date, ticker, close and, where known, open) that `load_prices` reads."""
    path = Path(path)
    check_ending(path)
    frames = {"close": bars.close} | ({} if bars.open is None else {"open": bars.open})
    long = pd.DataFrame({name: frame.stack() for name, frame in frames.items()})
    table = long.rename_axis(["date", "ticker"]).reset_index()
    if path.suffix == ".csv":
        return write_whole(path, lambda temporary: table.to_csv(temporary, index=False))
    return write_whole(path, lambda temporary: table.to_parquet(temporary, index=False))


def _from_yahoo(tickers: tuple[str, ...], start: pd.Timestamp, end: pd.Timestamp, cache: Path | None) -> Bars:
    if not tickers:
        raise SourceError("no ticker was named: pass at least one")
    # A session that is not over has another answer tomorrow.
    kept = _kept(cache, tickers, start, end) if cache and end < pd.Timestamp.now().normalize() else None
    if kept is not None and kept.is_file():
        return _from_file(kept)
    bars = bars_from_long(_download(tickers, start, end), where="Yahoo Finance")
    absent = [ticker for ticker in tickers if ticker not in bars.close.columns]
    if absent:
        raise SourceError(f"Yahoo Finance has no prices of {named(absent)} {_range(start, end)}: {RETRY}")
    if kept is not None:
        write_bars(bars, kept)
    return bars


def _kept(cache: Path, tickers: tuple[str, ...], start: pd.Timestamp, end: pd.Timestamp) -> Path:
    """A name of one length, however many tickers, and of no other tickers or dates."""
    asked = repr((tickers, str(start.date()), str(end.date())))
    return cache / f"yahoo-{hashlib.sha256(asked.encode()).hexdigest()}.parquet"


def _download(tickers: tuple[str, ...], start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    """Ask Yahoo, and again after a pause where it limits requests; the client itself gives up at once."""
    for pause in (*PAUSES, None):
        with _Limited() as limited:
            answer = _asked(tickers, start, end)
        if not limited.seen or pause is None:
            break
        log.warning("Yahoo Finance limits requests: trying again in %g s", pause)
        time.sleep(pause)
    if limited.seen:
        raise SourceError(f"Yahoo Finance limits requests and did not give all of {named(tickers)}: try again later")
    if answer is None or answer.empty or answer["Close"].isna().all(axis=None):
        raise SourceError(f"Yahoo Finance has no prices of {named(tickers)} {_range(start, end)}: {RETRY}")
    long = answer[["Open", "Close"]].stack(level="Ticker").dropna(subset=["Close"]).reset_index()
    renamed: pd.DataFrame = long.rename(columns={"Date": "date", "Ticker": "ticker", "Open": "open", "Close": "close"})
    return renamed


class _Limited(logging.Handler):
    """Whether Yahoo turned requests away: `yfinance.download` says so in its log and nowhere else."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen = False

    def emit(self, record: logging.LogRecord) -> None:
        self.seen |= "RateLimit" in record.getMessage()

    def __enter__(self) -> "_Limited":
        logging.getLogger("yfinance").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("yfinance").removeHandler(self)


def _asked(tickers: tuple[str, ...], start: pd.Timestamp, end: pd.Timestamp) -> Any:
    import yfinance  # loads requests, curl and SQLite: only when a vendor is asked

    try:
        return yfinance.download(
            list(tickers),
            start=start,
            end=end + pd.Timedelta(days=1),  # yfinance's end is exclusive
            auto_adjust=True,
            progress=False,
            multi_level_index=True,
        )
    except Exception as error:  # the client raises whatever its transport raises
        reason = f"{type(error).__name__}: {error}"
        raise SourceError(f"Yahoo Finance did not answer: {reason}: {RETRY}") from error
