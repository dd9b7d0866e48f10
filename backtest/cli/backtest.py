"""`newsfolio backtest`: walk a strategy forward, simulate it beside two that know nothing, and write a report."""

import atexit
import gc
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from allocation.errors import AllocationError, FrameError, SourceError
from backtest.cli.study import Json

if TYPE_CHECKING:
    import pandas as pd

    from allocation.data.load import Bars
    from allocation.view import Policy
    from backtest.result.attribution import Attribution
    from backtest.result.result import Result
    from backtest.signal_study.information_coefficient import Placebo

PEERS = ("equal weight", "buy and hold")
SELDOM = 100_000  # objects made between two searches for cycles: what is loaded here makes a million, and few cycles
Prices = Annotated[
    str,
    typer.Option(
        help="A file of wide closes, or long with date, ticker, close, open and, for the capacity, volume; or a "
        "database: URL#TABLE."
    ),
]


def backtest(
    strategy: Annotated[Path, typer.Argument(help="A Python file with a function policy().")],
    prices: Prices,
    out: Annotated[Path, typer.Option(help="Folder for report.html, weights.parquet, figures.json, manifest.json.")],
    signal: Annotated[Path | None, typer.Option(help="A signal: sessions × assets.")] = None,
    headlines: Annotated[
        Path | None, typer.Option(help="What newsfolio score wrote (CSV, Parquet), shown beside the worst drawdowns.")
    ] = None,
    every: Annotated[str, typer.Option(help="daily, weekly, monthly, or a number of sessions.")] = "weekly",
    calendar: Annotated[str, typer.Option(help="Exchange calendar of the prices.")] = "XNYS",
    fill: Annotated[str, typer.Option(help="open or close of the session after the decision.")] = "open",
    warmup: Annotated[int, typer.Option(min=0, help="Sessions before the first decision.")] = 60,
    cost_bp: Annotated[float, typer.Option(help="Cost of trading, basis points of the traded value.")] = 10.0,
    tried: Annotated[
        int | None, typer.Option(min=1, help="Settings tried before this one, it included: deflates the Sharpe ratio.")
    ] = None,
    attribution: Annotated[
        bool, typer.Option("--attribution", help="Run the strategy without news too, and say what each part earned.")
    ] = False,
    placebo: Annotated[
        bool, typer.Option("--placebo", help="Shuffle the signal a hundred times, and show what such chance gives.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Walk a strategy forward, simulate it beside equal weights and buy-and-hold, and write a report."""
    from allocation.policies.strategy_file import load_policy

    _spare_searches()
    settings = Settings(every, calendar, fill, warmup, cost_bp, tried, attribution, placebo)
    policy = load_policy(strategy)
    data = read(prices, signal, headlines, settings)
    found = _found(strategy, policy, data, settings)
    _write(found, data, settings, strategy, out)
    typer.echo(_json(found) if as_json else _text(found, out))


def _spare_searches() -> None:
    """Look for cycles seldom, and not once more at the end: together that takes a tenth of the whole command."""
    gc.set_threshold(SELDOM)
    atexit.register(gc.freeze)


@dataclass(frozen=True)
class Settings:
    """What was asked for on the command line, beside the files."""

    every: str
    calendar: str
    fill: str
    warmup: int
    cost_bp: float
    tried: int | None
    attribution: bool
    placebo: bool


@dataclass(frozen=True)
class Data:
    """What the files hold, their names, and the sessions to decide on."""

    bars: "Bars"
    signal: "pd.DataFrame | None"
    headlines: "pd.DataFrame | None"
    dates: "pd.DatetimeIndex"
    files: dict[str, str]


def read(prices: str, signal: Path | None, headlines: Path | None, settings: Settings) -> Data:
    """Read and check all files before anything long begins.

    Raises:
        AllocationError: a file cannot be read or does not hold what it should, or no date is left to decide on.
    """
    from allocation.data.files.wide import read_frame
    from allocation.frames import sessions_of
    from backtest.report.headlines import checked_headlines
    from newsfolio.shared.tables import read_table

    if settings.attribution and signal is None:
        raise AllocationError("--attribution asks what the news added: give a --signal")
    if settings.placebo and signal is None:
        raise AllocationError("--placebo shuffles a signal: give a --signal")
    bars = _bars_to_fill(prices, settings.fill)
    values = read_frame(signal) if signal else None
    news = read_table(headlines, SourceError)[0] if headlines else None
    if news is not None:
        checked_headlines(news, str(headlines))
    named = {"signal": signal, "headlines": headlines}
    files = {"prices": _source(prices)} | {kind: path.name for kind, path in named.items() if path is not None}
    return Data(bars, values, news, _dates(sessions_of(bars.close), settings), files)


def _source(prices: str) -> str:
    """A file's name; of a database, whose URL may hold a password, only what was asked of it."""
    return f"a database, {prices.partition('#')[2]}" if "://" in prices else Path(prices).name


def _bars_to_fill(prices: str, fill: str) -> "Bars":
    if fill not in ("open", "close"):
        raise AllocationError(f"fill {fill!r} is not known: use open or close")
    from allocation.data.load import load_prices

    bars = load_prices(prices)
    if fill == "close":
        return replace(bars, open=None)
    if bars.open is None:
        raise SourceError(f"{_source(prices)}: has no open prices to fill at: add a column open, or pass --fill close")
    return bars


def _dates(sessions: "pd.DatetimeIndex", settings: Settings) -> "pd.DatetimeIndex":
    from allocation.schedule import rebalance_dates

    every, warmup = settings.every, settings.warmup
    asked = int(every) if every.isascii() and every.isdecimal() else every
    dates = rebalance_dates(sessions, asked, settings.calendar)  # type: ignore[arg-type]
    dates = dates[dates >= sessions[min(warmup, len(sessions) - 1)]]
    if not len(dates):
        raise AllocationError(f"no rebalancing date after {warmup} of {len(sessions)} sessions: lower --warmup")
    return dates


def _name(strategy: Path) -> str:
    return f"{strategy.stem} (yours)" if strategy.stem in PEERS else strategy.stem


@dataclass(frozen=True)
class _Found:
    """The strategy's result, those it is compared with, and what was asked or known beside.

    capacity: of the strategy, in money; None where the prices came without volumes, or nothing was traded.
    """

    results: "list[Result]"
    attribution: "Attribution | None"
    placebo: "Placebo | None"
    capacity: float | None


def _found(strategy: Path, policy: "Policy", data: Data, settings: Settings) -> _Found:
    from allocation.frames import sessions_of
    from allocation.policies.strategy_file import load_policy
    from backtest.report.training_overlap import training_note
    from backtest.result.attribution import attribute

    name = _name(strategy)
    mine = _run(name, policy, data, settings, data.signal)
    note = None if data.signal is None else training_note(data.signal, sessions_of(mine.nav))
    mine = mine if note is None else replace(mine, notes=(*mine.notes, note))
    mine, money = _capacity(mine, data)
    peers = _peers(data, settings)
    chance = _placebo(data) if settings.placebo else None
    if not settings.attribution:
        return _Found([mine, *peers], None, chance, money)
    fresh = load_policy(strategy)  # the first may remember what it was shown
    without = _run(f"{name} without news", fresh, data, settings, None)
    return _Found([mine, without, *peers], attribute(mine, without, peers[0]), chance, money)


def _peers(data: Data, settings: Settings) -> "list[Result]":
    """Those that know nothing of the news: equal weights and buy-and-hold."""
    from allocation.policies.sentiment import EqualWeight, Hold

    others: tuple[Policy, ...] = (EqualWeight(), Hold())
    return [_run(name, other, data, settings, None) for name, other in zip(PEERS, others, strict=True)]


def _placebo(data: Data) -> "Placebo | None":
    from backtest.signal_study.information_coefficient import placebo

    return None if data.signal is None else placebo(data.signal, data.bars.close)


def _capacity(mine: "Result", data: Data) -> "tuple[Result, float | None]":
    """The capacity, where it can be known; where volumes are there but not all that it takes, a note says which."""
    from backtest.result.capacity import capacity

    value = data.bars.traded_value
    if value is None or mine.trades.empty:
        return mine, None
    try:
        return mine, capacity(mine, value)
    except FrameError as error:
        return replace(mine, notes=(*mine.notes, f"no capacity: {error}")), None


def _run(name: str, policy: "Policy", data: Data, settings: Settings, signal: "pd.DataFrame | None") -> "Result":
    from allocation.execution.costs import Costs
    from backtest.engine.run_backtest import run

    costs = Costs(commission=settings.cost_bp / 2e4, half_spread=settings.cost_bp / 2e4)
    return run(policy, data.bars, signal, data.dates, costs=costs, name=name, progress=True, calendar=settings.calendar)


def _write(found: _Found, data: Data, settings: Settings, strategy: Path, out: Path) -> None:
    from allocation.data.files.wide import write_frame
    from backtest.report.manifest import manifest
    from backtest.report.page import Report, write_report
    from backtest.result.files import save_result
    from backtest.signal_study.information_coefficient import next_session_ic, same_session_ic
    from newsfolio.shared.atomic import write_text
    from newsfolio.shared.text_table import json_text

    signal, prices, mine = data.signal, data.bars.close, found.results[0]
    coefficients = [] if signal is None else [same_session_ic(signal, prices), next_session_ic(signal, prices)]
    frames = {"closes": prices, "opens": data.bars.open, "signal": signal, "volumes": data.bars.volume}
    made_from = manifest(strategy, frames, files=data.files, settings=asdict(settings))
    write_frame(mine.targets, out / "weights.parquet")
    save_result(mine, out / "result")
    write_text(_json(found, indent=2) + "\n", out / "figures.json")
    write_text(json_text(made_from, indent=2) + "\n", out / "manifest.json")
    report = Report(
        title=strategy.stem,
        results=found.results,
        signal=signal,
        coefficients=coefficients,
        headlines=data.headlines,
        tried=settings.tried,
        attribution=found.attribution,
        placebo=found.placebo,
        capacity=found.capacity,
        manifest=made_from,
    )
    write_report(report, out / "report.html")


def _json(found: _Found, indent: int | None = None) -> str:
    from backtest.result.capacity import PARTICIPATION, SHARE, WINDOW
    from newsfolio.shared.text_table import json_text

    mine, *others = found.results
    figures: dict[str, dict[str, object]] = {mine.name: {**mine.details(), "notes": mine.notes}}
    figures |= {other.name: {**other.figures(), "notes": other.notes} for other in others}
    if found.attribution is not None:
        figures[mine.name]["attribution"] = found.attribution.annual.to_dict("index")
    if found.placebo is not None:
        low, high = found.placebo.interval
        shuffled = {"shuffles": len(found.placebo.means), "mean": found.placebo.mean, "low": low, "high": high}
        figures[mine.name]["placebo"] = shuffled
    if found.capacity is not None:
        assumed = {"participation": PARTICIPATION, "share_of_orders": SHARE, "sessions": WINDOW}
        figures[mine.name]["capacity"] = {"nav": found.capacity, **assumed}
    return json_text(figures, indent=indent)


def _text(found: _Found, out: Path) -> str:
    from backtest.result.capacity import MEANING
    from backtest.result.result import comparison

    capacity = None if found.capacity is None else f"capacity {found.capacity:,.0f}: {MEANING}"
    asked = (capacity, found.attribution, found.placebo)
    parts = [part for each in asked if each is not None for part in ("", str(each))]
    notes = (f"note: {note}" for note in found.results[0].notes)
    return "\n".join([comparison(found.results), *parts, "", *notes, f"written to {out}"])
