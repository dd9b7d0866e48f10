"""`newsfolio backtest`: walk a strategy forward, simulate it beside two that know nothing, and write a report."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from allocation.errors import AllocationError, SourceError
from backtest.cli_study import Json

if TYPE_CHECKING:
    import pandas as pd

    from allocation.policy import Policy
    from allocation.prices import Bars
    from backtest.result import Result

PEERS = ("equal weight", "buy and hold")
PricesFile = Annotated[Path, typer.Option(help="Prices: wide closes, or long with date, ticker, close, open.")]


def backtest(
    strategy: Annotated[Path, typer.Argument(help="A Python file with a function policy().")],
    prices: PricesFile,
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
    as_json: Json = False,
) -> None:
    """Walk a strategy forward, simulate it beside equal weights and buy-and-hold, and write a report."""
    from backtest.strategy_file import load_policy

    settings = Settings(every, calendar, fill, warmup, cost_bp, tried)
    policy = load_policy(strategy)
    data = read(prices, signal, headlines, settings)
    results = _results({_name(strategy): policy}, data, settings)
    _write(results, data, settings, strategy, out)
    typer.echo(_json(results) if as_json else _text(results, out))


@dataclass(frozen=True)
class Settings:
    """What was asked for on the command line, beside the files."""

    every: str
    calendar: str
    fill: str
    warmup: int
    cost_bp: float
    tried: int | None


@dataclass(frozen=True)
class Data:
    """What the files hold, their names, and the sessions to decide on."""

    bars: "Bars"
    signal: "pd.DataFrame | None"
    headlines: "pd.DataFrame | None"
    dates: "pd.DatetimeIndex"
    files: dict[str, str]


def read(prices: Path, signal: Path | None, headlines: Path | None, settings: Settings) -> Data:
    """Read and check all files before anything long begins.

    Raises:
        AllocationError: a file cannot be read or does not hold what it should, or no date is left to decide on.
    """
    from allocation.files import read_frame, read_table
    from allocation.frames import sessions_of
    from backtest.headlines import checked_headlines

    bars = _bars_to_fill(prices, settings.fill)
    values = read_frame(signal) if signal else None
    news = read_table(headlines) if headlines else None
    if news is not None:
        checked_headlines(news, str(headlines))
    named = {"prices": prices, "signal": signal, "headlines": headlines}
    files = {kind: path.name for kind, path in named.items() if path is not None}
    return Data(bars, values, news, _dates(sessions_of(bars.close), settings), files)


def _bars_to_fill(prices: Path, fill: str) -> "Bars":
    if fill not in ("open", "close"):
        raise AllocationError(f"fill {fill!r} is not known: use open or close")
    from allocation.prices import Bars, load_prices

    bars = load_prices(prices)
    if fill == "close":
        return Bars(bars.close)
    if bars.open is None:
        raise SourceError(f"{prices}: has no open prices to fill at: add a column open, or pass --fill close")
    return bars


def _dates(sessions: "pd.DatetimeIndex", settings: Settings) -> "pd.DatetimeIndex":
    from backtest.schedule import rebalance_dates

    every, warmup = settings.every, settings.warmup
    asked = int(every) if every.isascii() and every.isdecimal() else every
    dates = rebalance_dates(sessions, asked, settings.calendar)  # type: ignore[arg-type]
    dates = dates[dates >= sessions[min(warmup, len(sessions) - 1)]]
    if not len(dates):
        raise AllocationError(f"no rebalancing date after {warmup} of {len(sessions)} sessions: lower --warmup")
    return dates


def _name(strategy: Path) -> str:
    return f"{strategy.stem} (yours)" if strategy.stem in PEERS else strategy.stem


def _results(strategy: "dict[str, Policy]", data: Data, settings: Settings) -> "list[Result]":
    from allocation.frames import sessions_of
    from allocation.policy import EqualWeight, Hold
    from backtest.book import Costs
    from backtest.run import run
    from backtest.training_dates import training_note

    costs = Costs(commission=settings.cost_bp / 2e4, half_spread=settings.cost_bp / 2e4)
    policies = strategy | dict(zip(PEERS, (EqualWeight(), Hold()), strict=True))
    results = [
        run(policy, data.bars, data.signal, data.dates, costs=costs, name=name, progress=True,
            calendar=settings.calendar)
        for name, policy in policies.items()
    ]  # fmt: skip
    mine = results[0]
    note = None if data.signal is None else training_note(data.signal, sessions_of(mine.nav))
    return [mine if note is None else replace(mine, notes=(*mine.notes, note)), *results[1:]]


def _write(results: "list[Result]", data: Data, settings: Settings, strategy: Path, out: Path) -> None:
    from allocation.files import write_frame, write_text
    from backtest.json_text import json_text
    from backtest.manifest import manifest
    from backtest.report import write_report
    from backtest.result_files import save_result
    from backtest.signal_quality import next_session_ic, same_session_ic

    signal, prices = data.signal, data.bars.close
    coefficients = [] if signal is None else [same_session_ic(signal, prices), next_session_ic(signal, prices)]
    frames = {"closes": prices, "opens": data.bars.open, "signal": signal}
    made_from = manifest(strategy, frames, files=data.files, settings=asdict(settings))
    write_frame(results[0].targets, out / "weights.parquet")
    save_result(results[0], out / "result")
    write_text(_json(results, indent=2) + "\n", out / "figures.json")
    write_text(json_text(made_from, indent=2) + "\n", out / "manifest.json")
    write_report(
        out / "report.html", results, title=strategy.stem, signal=signal, coefficients=coefficients,
        headlines=data.headlines, tried=settings.tried, manifest=made_from,
    )  # fmt: skip


def _json(results: "list[Result]", indent: int | None = None) -> str:
    from backtest.json_text import json_text

    return json_text({result.name: result.figures() | {"notes": result.notes} for result in results}, indent=indent)


def _text(results: "list[Result]", out: Path) -> str:
    from backtest.result import comparison

    return "\n".join([comparison(results), *(f"note: {note}" for note in results[0].notes), f"written to {out}"])
