"""Prices from a file, a database or Yahoo Finance, as wide frames, adjusted for splits and dividends."""

import logging
import time
from collections.abc import Sequence
from datetime import date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from allocation.data.bars import bars_from_long, write_bars
from allocation.data.files.layout import read_price_file, say, understand
from allocation.errors import SourceError
from allocation.frames import Bars, named, sessions_of

__all__ = ["Bars", "bars_from_long", "day_of", "load_prices", "moment_of", "write_bars"]

log = logging.getLogger(__name__)

YAHOO = "yahoo:"  # before tickers, where a source is one text
ONE_DAY = pd.Timedelta(days=1)
PAUSES = (5.0, 30.0, 120.0)  # seconds before another try where the vendor limits requests
MOST_QUOTED = 200  # letters of what the client said
TIMEOUT = 30.0  # seconds for one answer
POLICY = "adjusted for splits and dividends by the vendor (yfinance, auto_adjust)"
RETRY = "check the ticker, or try again later: the vendor limits requests"
RENAMED = {
    "Date": "date", "Ticker": "ticker", "Open": "open", "Close": "close", "Dividends": "dividend",
    "Stock Splits": "split",
}  # fmt: skip


def load_prices(
    source: str | Path | Sequence[str],
    *,
    start: str | pd.Timestamp | None = None,
    end: str | pd.Timestamp | None = None,
    cache: str | Path | None = None,
    as_of: str | pd.Timestamp | None = None,
    asset: str | None = None,
) -> Bars:
    """Load adjusted prices from a file (a path), a database (a URL), or Yahoo Finance (a list of tickers, or
    `yahoo:TICKER,TICKER`): whatever a command line may name in one text.

    A file or table is either wide (a date column, then one column of adjusted closes per ticker) or long (columns
    date, ticker, close and optionally open, volume, adj_close: the opens and closes are then scaled by adj_close /
    close, and the volumes by close / adj_close; see bars_from_long).
    A database is named `URL#TABLE`, or `URL#SELECT ...`, whose :start and :end are bound to the dates. `start` and
    `end` are inclusive; a download needs both.

    With `cache`, a folder, what the vendor gave is kept and only missing days are fetched, every four weeks with all
    that is kept: the vendor may have mended it. A history that was rewritten is kept beside the old one: with `as_of`
    (a moment, UTC unless it has a zone) nothing is fetched, and the prices are those that were kept then. Last bars
    that are missing or late are logged.

    Raises:
        SourceError: the source gave nothing usable, or nothing between `start` and `end`.
        FrameError: what it gave are not prices.
    """
    first, last = _day(start, "start"), _day(end, "end")
    if isinstance(source, str) and source.startswith(YAHOO):
        source = source.removeprefix(YAHOO).replace(",", " ").split()
    if not isinstance(source, (str, Path)):
        return _from_yahoo(source, first, last, Path(cache) if cache else None, as_of)
    if as_of is not None:
        shown = "a database" if "://" in str(source) else str(source)  # a URL may hold a password
        raise SourceError(f"{shown}: only prices kept in a cache have versions: leave as_of out")
    bars, where = (
        _from_database(source, first, last, asset)
        if "://" in str(source)
        else (_from_file(Path(source), asset), source)
    )
    return _between(bars, first, last, where=str(where))


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


def moment_of(moment: str | pd.Timestamp, which: str) -> datetime:
    """Return a moment in UTC, without a zone; one that has no zone is UTC already.

    Raises:
        SourceError: it is no moment; `which` names it.
    """
    try:
        read = pd.Timestamp(datetime.fromisoformat(moment) if isinstance(moment, str) else moment)
        plain: datetime = (read.tz_convert("UTC").tz_localize(None) if read.tzinfo else read).to_pydatetime()
        return plain
    except (TypeError, ValueError, AttributeError) as error:
        raise SourceError(f"{which} is {moment!r}, which is not a moment: write YYYY-MM-DDTHH:MM") from error


def _between(bars: Bars, first: pd.Timestamp | None, last: pd.Timestamp | None, where: str) -> Bars:
    close = bars.close.loc[first:last]
    if close.empty:
        known = f"from {bars.close.index[0].date()} to {bars.close.index[-1].date()}"
        raise SourceError(f"{where}: has no prices {_range(first, last)}; it has them {known}: ask for these dates")
    others = (bars.open, bars.volume, bars.high, bars.low)
    return Bars(close, *(None if each is None else each.loc[first:last] for each in others))


def _range(first: pd.Timestamp | None, last: pd.Timestamp | None) -> str:
    start, end = ("None" if day is None else day.date() for day in (first, last))
    return f"from {start} to {end}"


def _from_file(path: Path, asset: str | None) -> Bars:
    found = read_price_file(path, asset)
    say(path, found.notes)
    return found.bars


def _from_database(
    source: str | Path, first: pd.Timestamp | None, last: pd.Timestamp | None, asset: str | None
) -> tuple[Bars, str]:
    from allocation.data.sql_prices import read_prices_table  # loads SQLAlchemy

    table, where = read_prices_table(str(source), first, last)
    found = understand(table, where, asset, [])
    say(where, found.notes)
    return found.bars, where


def _from_yahoo(
    named_tickers: Sequence[str],
    first: pd.Timestamp | None,
    last: pd.Timestamp | None,
    cache: Path | None,
    as_of: str | pd.Timestamp | None,
) -> Bars:
    tickers = tuple(sorted({ticker.upper() for ticker in named_tickers}))
    if first is None or last is None:
        raise SourceError(f"prices from {first} to {last}: a download needs both start and end: name two dates")
    if not tickers:
        raise SourceError("no ticker was named: pass at least one")
    if cache is None and as_of is not None:
        raise SourceError("as_of asks for prices that were kept: name the cache that keeps them")
    bars = bars_from_long(_rows(tickers, (first, last), cache, as_of), where="Yahoo Finance")
    if as_of is None:
        _tell_of_late_bars(bars.close, last)
    return _between(bars, first, last, where="Yahoo Finance")


def _rows(
    tickers: tuple[str, ...],
    span: tuple[pd.Timestamp, pd.Timestamp],
    cache: Path | None,
    as_of: str | pd.Timestamp | None,
) -> pd.DataFrame:
    """Rows of (date, ticker, close, open) of all the tickers, from the vendor or the cache."""
    if cache is None:
        return _all_of(tickers, span)
    from allocation.data.cache import Vendor, fetch_missing, kept_prices  # loads SQLAlchemy

    if as_of is None:
        fetch_missing(
            cache, tickers, span, Vendor("Yahoo Finance", POLICY, f"yfinance {version('yfinance')}", _download)
        )
    return kept_prices(cache, tickers, span, None if as_of is None else moment_of(as_of, "as_of"))


def _all_of(tickers: tuple[str, ...], span: tuple[pd.Timestamp, pd.Timestamp]) -> pd.DataFrame:
    table = _download(tickers, *span)
    absent = sorted(set(tickers) - set(table["ticker"]))
    if absent:
        raise SourceError(f"Yahoo Finance has no prices of {named(absent)} {_range(*span)}: {RETRY}")
    return table[["date", "ticker", "close", "open"]]


def _tell_of_late_bars(close: pd.DataFrame, last: pd.Timestamp) -> None:
    """Log where the newest bars are missing, of all assets or of some."""
    newest, until = sessions_of(close)[-1], min(last, pd.Timestamp.now("UTC").tz_localize(None).normalize())
    if np.busday_count((newest + ONE_DAY).date(), (until + ONE_DAY).date()) > 0:
        log.warning(
            "Yahoo Finance: no prices after %s, asked up to %s: a holiday, or the vendor is late",
            newest.date(), until.date(),
        )  # fmt: skip
    late = [asset for asset in close.columns if np.isnan(close[asset].iloc[-1])]
    if late:
        since = named(f"{asset} since {sessions_of(close[asset].dropna())[-1]:%Y-%m-%d}" for asset in late)
        log.warning("Yahoo Finance: no price at %s of %s: not traded, or the vendor is late", newest.date(), since)


# Yahoo Finance, through yfinance


def _download(tickers: Sequence[str], first: pd.Timestamp, last: pd.Timestamp) -> pd.DataFrame:
    """Rows of (date, ticker, close, open[, dividend, split]): none of a ticker that Yahoo does not know.

    Yahoo is asked again after a pause where it limits requests; the client itself gives up at once.
    """
    for pause in (*PAUSES, None):
        with _Heard() as heard:
            answer = _asked(tickers, first, last)
        if not heard.limit or pause is None:
            break
        log.warning("Yahoo Finance limits requests: trying again in %g s", pause)
        time.sleep(pause)
    if heard.limit:
        raise SourceError(f"Yahoo Finance limits requests and did not give all of {named(tickers)}: try again later")
    if answer is None or answer.empty or answer["Close"].isna().all(axis=None):
        log.warning("Yahoo Finance gave nothing of %s: %s", named(tickers), heard.last or "it does not say why")
        return pd.DataFrame(columns=["date", "ticker", "close", "open"])
    wanted = [name for name in ("Open", "Close", "Dividends", "Stock Splits") if name in answer.columns]
    rows: pd.DataFrame = answer[wanted].stack(level="Ticker").dropna(subset=["Close"]).reset_index()
    return rows.rename(columns=RENAMED)


class _Heard(logging.Handler):
    """What went wrong, and whether Yahoo limits requests: `yfinance.download` says so in its log and nowhere else."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.limit, self.last = False, ""

    def emit(self, record: logging.LogRecord) -> None:
        self.last = " ".join(record.getMessage().split())[:MOST_QUOTED]
        self.limit |= "RateLimit" in self.last

    def __enter__(self) -> "_Heard":
        logging.getLogger("yfinance").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("yfinance").removeHandler(self)


def _asked(tickers: Sequence[str], first: pd.Timestamp, last: pd.Timestamp) -> Any:
    import yfinance  # loads requests, curl and SQLite: only when a vendor is asked

    # Else the client tells of a time-out as of a ticker that is "possibly delisted".
    hidden, yfinance.config.debug.hide_exceptions = yfinance.config.debug.hide_exceptions, False
    try:
        return yfinance.download(
            list(tickers),
            start=first,
            end=last + ONE_DAY,  # yfinance's end is exclusive
            auto_adjust=True,
            actions=True,
            progress=False,
            timeout=TIMEOUT,
            multi_level_index=True,
        )
    except Exception as error:  # the client raises whatever its transport raises
        reason = f"{type(error).__name__}: {error}"
        raise SourceError(f"Yahoo Finance did not answer: {reason}: {RETRY}") from error
    finally:
        yfinance.config.debug.hide_exceptions = hidden
