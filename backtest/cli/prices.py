"""The prices of a command: options that mean the same in all of them, and one function that reads and checks."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from allocation.errors import SourceError

if TYPE_CHECKING:
    import pandas as pd

    from allocation.data.sessions import SessionCheck
    from allocation.frames import Bars
    from backtest.engine.corporate_actions import Events

Start = Annotated[str | None, typer.Option(help="First session of the prices to use, YYYY-MM-DD.")]
End = Annotated[str | None, typer.Option(help="Last session of the prices to use, YYYY-MM-DD.")]
Assets = Annotated[str | None, typer.Option(help="Assets to use, with commas between them; default all.")]
Asset = Annotated[str | None, typer.Option(help="Name of the asset, where the file has one asset's bars and no name.")]
Calendar = Annotated[str, typer.Option(help="Exchange calendar of the prices: XNYS, XLON, 24/7, ...")]
AllowJump = Annotated[
    list[str] | None, typer.Option(help="Asset whose moves as large as a split's are real; repeat for more.")
]
Delistings = Annotated[
    Path | None,
    typer.Option(help="Table with asset, date (the last on which it traded) and return (from there; -1: nothing)."),
]


NOTHING = 1e-9  # of the last price


@dataclass(frozen=True, kw_only=True)
class PriceChoice:
    """Which prices of a source to use, and what is known of them that they do not show."""

    start: str | None = None
    end: str | None = None
    assets: str | None = None
    asset: str | None = None
    allow_jump: tuple[str, ...] | None = None
    delistings: Path | None = None
    calendar: str | None = None  # None: whichever fits, as nothing depends on it


@dataclass(frozen=True)
class ChosenPrices:
    """Checked prices, the delistings among them, and what to say of them."""

    bars: "Bars"
    events: "Events"
    sessions: "SessionCheck"
    notes: tuple[str, ...]

    def signal_of_assets(self, signal: "pd.DataFrame", choice: PriceChoice) -> "pd.DataFrame":
        """The signal of the assets that were asked for; where none were, one without prices stays, to be refused."""
        if choice.assets is None:
            return signal
        kept = signal[signal.columns.intersection(self.bars.close.columns)]
        kept.attrs.update(signal.attrs)
        return kept


def read_prices(source: str | Path, choice: PriceChoice, where: str) -> ChosenPrices:
    """Return the prices that were chosen of a file or database; `where` names the source in messages.

    Raises:
        AllocationError: they cannot be read, an asset is not there, a price jumps as at a split, or the rows are not
            sessions of the calendar.
    """
    from allocation.data.jumps import frozen_note, refuse_jumps
    from allocation.data.load import load_prices
    from allocation.data.sessions import check_sessions, ends_note, unpriced_note
    from backtest.engine.corporate_actions import UNEVENTFUL

    bars = load_prices(source, start=choice.start, end=choice.end, asset=choice.asset)
    if choice.assets is not None:
        bars = _of_assets(bars, choice.assets, where)
    unpriced = unpriced_note(bars.close, where)
    refuse_jumps(bars, where, choice.allow_jump or ())
    met = check_sessions(bars.close, choice.calendar or "XNYS")
    if choice.calendar is None and met.fitting is not None:
        met = check_sessions(bars.close, met.fitting)
    if met.problem is not None and (choice.calendar is not None or met.last > met.today):
        raise SourceError(f"{where}: {met.problem}")
    events = UNEVENTFUL if choice.delistings is None else _delisted(choice.delistings, bars)
    ends = ends_note(bars.close.drop(columns=list(events.delistings)))
    said = (unpriced, met.note, ends, frozen_note(bars.close))
    return ChosenPrices(bars, events, met, tuple(note for note in said if note is not None))


def _of_assets(bars: "Bars", asked: str, where: str) -> "Bars":
    from allocation.frames import named

    wanted = list(dict.fromkeys(name.strip() for name in asked.split(",") if name.strip()))
    absent = [name for name in wanted if name not in bars.close.columns]
    if absent or not wanted:
        raise SourceError(
            f"--assets: {where} has no {named(absent) or 'asset of no name'}; it has {named(bars.close.columns)}: "
            "give tickers with commas between them"
        )
    traded = bars.close[wanted].notna().any(axis=1)  # on the sessions of others these have no rows
    return replace(bars, **{name: each.loc[traded, wanted] for name, each in vars(bars).items() if each is not None})


def _delisted(path: Path, bars: "Bars") -> "Events":
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
    return Events(delistings={name: Delisting(day, value) for name, day, value in rows if name in bars.close.columns})


def with_payouts(bars: "Bars", events: "Events", *, paid: bool = True) -> "Bars":
    """Return the bars with what holders of delisted assets received as the price of the session after, and none later.

    A price is never 0: where nothing was paid it is a billionth of the last. Not `paid`: no price after the delisting.
    """
    import numpy as np
    import pandas as pd

    price = np.full(bars.close.shape, np.nan)
    gone = np.zeros(bars.close.shape, dtype=bool)
    for row, received in events.exits(bars.close).items():
        for column, value in received.items():
            gone[row:, column] = True
            if paid and not np.isnan(value):  # there was a price before
                price[row, column] = max(value, NOTHING * bars.close.iloc[:row, column].dropna().iloc[-1])
    payouts = pd.DataFrame(price, bars.close.index, bars.close.columns)
    others = {"high": bars.high, "low": bars.low, "volume": bars.volume}
    frames = {"close": bars.close.mask(gone, payouts)}
    frames |= {} if bars.open is None else {"open": bars.open.mask(gone, payouts)}
    frames |= {name: frame.mask(gone) for name, frame in others.items() if frame is not None}
    return replace(bars, **frames)
