"""Prices from a file or from Yahoo Finance, as one pair of wide frames, adjusted for splits and dividends."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from allocation.errors import SourceError
from allocation.files import parse_dates, read_frame, read_table, write_whole
from allocation.frames import check_prices, named

log = logging.getLogger(__name__)

LONG_COLUMNS = ("date", "ticker", "close")


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
    adj_close / close). `start` and `end` are inclusive dates. With `cache`, a folder, vendor answers are
    kept as Parquet and read from there the next time.

    Raises:
        SourceError: the file or vendor gave nothing usable.
        FrameError: what it gave are not prices.
    """
    if isinstance(source, (str, Path)):
        bars = _from_file(Path(source))
    else:
        bars = _from_yahoo(tuple(sorted(source)), start, end, Path(cache) if cache else None)
    opens = None if bars.open is None else bars.open.loc[start:end]
    return Bars(bars.close.loc[start:end], opens)


def _from_file(path: Path) -> Bars:
    table = read_table(path)
    if set(LONG_COLUMNS) <= set(table.columns):
        return bars_from_long(table, where=str(path))
    return Bars(check_prices(read_frame(path), name=str(path)))


def bars_from_long(table: pd.DataFrame, where: str = "prices") -> Bars:
    """Turn rows of (date, ticker, close[, open][, adj_close]) into adjusted wide frames."""
    missing = [column for column in LONG_COLUMNS if column not in table.columns]
    if missing:
        raise SourceError(f"{where}: has no column {named(missing)}; it has {named(table.columns)}")
    keys = pd.MultiIndex.from_arrays([parse_dates(table["date"], where), table["ticker"].astype(str)])
    if keys.has_duplicates:
        date, ticker = keys[keys.duplicated()][0]
        raise SourceError(
            f"{where}: has {ticker} on {str(date)[:10]} twice: keep one row per ticker and date"
        )
    adjusted = "adj_close" if "adj_close" in table.columns else "close"
    factor = table[adjusted] / table["close"]
    close = _widen(table[adjusted], keys, f"{where}: {adjusted}")
    if "open" not in table.columns:
        return Bars(close)
    return Bars(close, _widen(table["open"] * factor, keys, f"{where}: open"))


def _widen(values: pd.Series, keys: pd.MultiIndex, name: str) -> pd.DataFrame:
    wide = values.set_axis(keys).unstack().sort_index()
    wide.index.name, wide.columns.name = "date", None
    return check_prices(wide, name)


def write_bars(bars: Bars, path: str | Path) -> Path:
    """Write bars as a long table (date, ticker, close and, where known, open) that `load_prices` reads."""
    frames = {"close": bars.close} | ({} if bars.open is None else {"open": bars.open})
    long = pd.DataFrame({name: frame.stack() for name, frame in frames.items()})
    table = long.rename_axis(["date", "ticker"]).reset_index()
    path = Path(path)
    if path.suffix == ".csv":
        return write_whole(path, lambda temporary: table.to_csv(temporary, index=False))
    return write_whole(path, lambda temporary: table.to_parquet(temporary, index=False))


def _from_yahoo(
    tickers: tuple[str, ...],
    start: str | pd.Timestamp | None,
    end: str | pd.Timestamp | None,
    cache: Path | None,
) -> Bars:
    if not tickers:
        raise SourceError("no ticker was named: pass at least one")
    kept = cache / f"yahoo-{'_'.join(tickers)}-{start}-{end}.parquet" if cache else None
    if kept is not None and kept.is_file():
        return _from_file(kept)
    bars = bars_from_long(_download(tickers, start, end), where="Yahoo Finance")
    absent = [ticker for ticker in tickers if ticker not in bars.close.columns]
    if absent:
        raise SourceError(f"Yahoo Finance has no prices of {named(absent)} from {start} to {end}")
    if kept is not None:
        write_bars(bars, kept)
    return bars


def _download(
    tickers: tuple[str, ...], start: str | pd.Timestamp | None, end: str | pd.Timestamp | None
) -> pd.DataFrame:
    import yfinance  # loads requests, curl and SQLite: only when a vendor is asked

    after_end = None if end is None else pd.Timestamp(end) + pd.Timedelta(days=1)  # yfinance's end is exclusive
    try:
        answer = yfinance.download(
            list(tickers),
            start=start,
            end=after_end,
            auto_adjust=True,
            progress=False,
            multi_level_index=True,
        )
    except Exception as error:  # the client raises whatever its transport raises
        raise SourceError(f"Yahoo Finance did not answer: {type(error).__name__}: {error}") from error
    if answer is None or answer.empty:
        raise SourceError(f"Yahoo Finance has no prices of {named(tickers)} from {start} to {end}")
    long = answer[["Open", "Close"]].stack(level="Ticker").dropna(subset=["Close"]).reset_index()
    renamed: pd.DataFrame = long.rename(columns={"Date": "date", "Ticker": "ticker", "Open": "open", "Close": "close"})
    return renamed
