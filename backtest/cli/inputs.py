"""What `newsfolio backtest` was asked for, and the files it reads, checked before anything long begins."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from allocation.errors import AllocationError, SourceError
from backtest.cli.prices import PriceChoice, read_prices

if TYPE_CHECKING:
    import pandas as pd

    from allocation.data.sessions import SessionCheck
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
    asset: str | None = None
    allow_jump: tuple[str, ...] | None = None

    def choice(self, delistings: Path | None) -> PriceChoice:
        """Which prices to use."""
        return PriceChoice(
            start=self.start,
            end=self.end,
            assets=self.assets,
            asset=self.asset,
            allow_jump=self.allow_jump,
            delistings=delistings,
            calendar=self.calendar,
        )


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
    from allocation.frames import sessions_of
    from backtest.report.headlines import checked_headlines
    from backtest.report.signal_notes import matched_signal
    from backtest.result.benchmark_file import read_benchmark
    from newsfolio.shared.tables import read_table

    if settings.attribution and files.signal is None:
        raise AllocationError("--attribution asks what the news added: give a --signal")
    if settings.placebo and files.signal is None:
        raise AllocationError("--placebo shuffles a signal: give a --signal")
    if settings.fill not in ("open", "close"):
        raise AllocationError(f"fill {settings.fill!r} is not known: use open or close")
    choice = settings.choice(files.delistings)
    prices = read_prices(files.prices, choice, files.names["prices"])
    bars = replace(prices.bars, open=None) if settings.fill == "close" else prices.bars
    if settings.fill == "open" and bars.open is None:
        raise SourceError(
            f"{files.names['prices']}: has no open prices to fill at: add a column open, or pass --fill close"
        )
    dates = _dates(prices.sessions, sessions_of(bars.close), settings)
    signal, notes = None, list[str]()
    if files.signal is not None:
        signal = prices.signal_of_assets(read_frame(files.signal), choice)
        signal, notes = matched_signal(signal, bars.close, dates[0])
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
        events=prices.events,
        benchmark=benchmark,
        notes=(*notes, *prices.notes),
    )


def _dates(met: "SessionCheck", sessions: "pd.DatetimeIndex", settings: Settings) -> "pd.DatetimeIndex":
    from allocation.schedule import rebalance_dates, rebalance_rows

    every, warmup = settings.every, settings.warmup
    if every in ("weekly", "monthly") and met.a_year is None and len(met.outside):
        raise SourceError(f"{met.note}: leave these rows out of the file, or count sessions (--every 5)")
    asked = int(every) if every.isascii() and every.isdecimal() else every
    if met.a_year is not None and asked in ("weekly", "monthly"):
        dates = rebalance_rows(sessions, asked)  # type: ignore[arg-type]
    else:
        dates = rebalance_dates(sessions, asked, settings.calendar)  # type: ignore[arg-type]
    dates = dates[dates >= sessions[min(warmup, len(sessions) - 1)]]
    if not len(dates):
        raise AllocationError(f"no rebalancing date after {warmup} of {len(sessions)} sessions: lower --warmup")
    return dates
