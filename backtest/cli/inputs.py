"""What `newsfolio backtest` was asked for, and the files it reads, checked before anything long begins."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from allocation.errors import AllocationError, SourceError

if TYPE_CHECKING:
    import pandas as pd

    from allocation.frames import Bars
    from backtest.engine.corporate_actions import Events
    from backtest.result.result import Result


@dataclass(frozen=True, kw_only=True)
class Files:
    """The files that were named; prices may be a database."""

    strategy: Path
    prices: str
    signal: Path | None = None
    headlines: Path | None = None
    benchmark: Path | None = None
    delistings: Path | None = None

    @property
    def names(self) -> dict[str, str]:
        """Their names by kind, without folders; of a database, whose URL may hold a password, only its table."""
        database = "://" in self.prices
        prices = f"a database, {self.prices.partition('#')[2]}" if database else Path(self.prices).name
        others = {
            "signal": self.signal,
            "headlines": self.headlines,
            "benchmark": self.benchmark,
            "delistings": self.delistings,
        }
        return {"prices": prices} | {kind: path.name for kind, path in others.items() if path is not None}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What else was asked for on the command line."""

    every: str
    calendar: str
    fill: str
    warmup: int
    cost_bp: float
    tried: int | None
    attribution: bool
    placebo: bool
    start: str | None = None
    end: str | None = None
    assets: str | None = None
    allow_jump: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What the files hold, and the sessions to decide on; notes: what of the signal is not used."""

    bars: "Bars"
    signal: "pd.DataFrame | None"
    headlines: "pd.DataFrame | None"
    dates: "pd.DatetimeIndex"
    events: "Events"
    benchmark: "Result | None"
    notes: tuple[str, ...]


def read_inputs(files: Files, settings: Settings) -> Inputs:
    """Read and check all files.

    Raises:
        AllocationError: a file cannot be read or does not hold what it should, the signal does not meet the prices,
            or no date is left to decide on.
    """
    from allocation.data.files.wide import read_frame
    from allocation.data.jumps import frozen_note
    from allocation.frames import sessions_of
    from backtest.report.headlines import checked_headlines
    from backtest.report.signal_notes import matched_signal
    from backtest.result.benchmark_file import read_benchmark
    from newsfolio.shared.tables import read_table

    if settings.attribution and files.signal is None:
        raise AllocationError("--attribution asks what the news added: give a --signal")
    if settings.placebo and files.signal is None:
        raise AllocationError("--placebo shuffles a signal: give a --signal")
    bars, events = _bars(files, settings)
    dates = _dates(sessions_of(bars.close), settings)
    signal, notes = None, list[str]()
    if files.signal is not None:
        signal = read_frame(files.signal)
        if settings.assets is not None:  # else an asset without prices is an error, not a wish
            kept = signal[signal.columns.intersection(bars.close.columns)]
            kept.attrs.update(signal.attrs)
            signal = kept
        signal, notes = matched_signal(signal, bars.close, dates[0])
    still = frozen_note(bars.close)
    notes = [*notes, *([] if still is None else [still])]
    headlines = None if files.headlines is None else read_table(files.headlines, SourceError)[0]
    if headlines is not None:
        checked_headlines(headlines, str(files.headlines))
    sessions = sessions_of(bars.close)
    benchmark = None
    if files.benchmark is not None:
        benchmark = read_benchmark(files.benchmark, sessions[sessions >= dates[0]])
    return Inputs(
        bars=bars,
        signal=signal,
        headlines=headlines,
        dates=dates,
        events=events,
        benchmark=benchmark,
        notes=tuple(notes),
    )


def _bars(files: Files, settings: Settings) -> "tuple[Bars, Events]":
    """The prices of the sessions and assets that were asked for, and the delistings among them."""
    from allocation.data.jumps import refuse_jumps
    from allocation.data.load import load_prices
    from backtest.engine.corporate_actions import UNEVENTFUL

    if settings.fill not in ("open", "close"):
        raise AllocationError(f"fill {settings.fill!r} is not known: use open or close")
    where = files.names["prices"]
    bars = load_prices(files.prices, start=settings.start, end=settings.end)
    if settings.assets is not None:
        bars = _of_assets(bars, settings.assets, where)
    bars = refuse_jumps(bars, where, settings.allow_jump or ())
    if settings.fill == "close":
        bars = replace(bars, open=None)
    elif bars.open is None:
        raise SourceError(f"{where}: has no open prices to fill at: add a column open, or pass --fill close")
    return bars, UNEVENTFUL if files.delistings is None else _delisted(files.delistings, bars.close.columns)


def _of_assets(bars: "Bars", asked: str, where: str) -> "Bars":
    from allocation.frames import Bars, named

    wanted = [name.strip() for name in asked.split(",") if name.strip()]
    absent = [name for name in wanted if name not in bars.close.columns]
    if absent or not wanted:
        raise SourceError(
            f"--assets: {where} has no {named(absent) or 'asset of no name'}; it has {named(bars.close.columns)}: "
            "give tickers with commas between them"
        )
    kept = list(dict.fromkeys(wanted))
    others = (bars.open, bars.volume, bars.high, bars.low)
    return Bars(bars.close[kept], *(None if each is None else each[kept] for each in others))


def _delisted(path: Path, assets: "pd.Index") -> "Events":
    """What holders received, and when, of those of the file's assets that have prices."""
    from allocation.data.files.dates import parse_dates
    from backtest.engine.corporate_actions import Delisting, Events
    from newsfolio.shared.tables import need_columns, read_table

    table, where = read_table(path, SourceError)
    need_columns(table, ("asset", "date", "return"), where, SourceError)
    names, dates = table["asset"].astype(str), parse_dates(table["date"], where)
    if names.duplicated().any():
        raise SourceError(f"{where}: duplicate entry for {names[names.duplicated()].iloc[0]}: keep one")
    try:
        returns = table["return"].astype(float)
    except ValueError as error:
        raise SourceError(f"{where}: return: {error}: give fractions, -1 for nothing, 0 for the last price") from error
    rows = zip(names, dates, returns, strict=True)
    return Events(delistings={name: Delisting(day, value) for name, day, value in rows if name in assets})


def _dates(sessions: "pd.DatetimeIndex", settings: Settings) -> "pd.DatetimeIndex":
    from allocation.schedule import rebalance_dates

    every, warmup = settings.every, settings.warmup
    asked = int(every) if every.isascii() and every.isdecimal() else every
    dates = rebalance_dates(sessions, asked, settings.calendar)  # type: ignore[arg-type]
    dates = dates[dates >= sessions[min(warmup, len(sessions) - 1)]]
    if not len(dates):
        raise AllocationError(f"no rebalancing date after {warmup} of {len(sessions)} sessions: lower --warmup")
    return dates
