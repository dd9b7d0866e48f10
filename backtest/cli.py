"""`newsfolio backtest`, and the list of this package's commands: thin skins over its functions."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from allocation.errors import AllocationError, SourceError
from backtest.cli_study import Json, study
from backtest.json_text import json_text as json_text  # newsfolio.py takes it from here

if TYPE_CHECKING:
    import pandas as pd

    from allocation.policy import Policy
    from allocation.prices import Bars

PEERS = ("equal weight", "buy and hold")
PricesFile = Annotated[Path, typer.Option(help="Prices: wide closes, or long with date, ticker, close, open.")]


def register(app: typer.Typer) -> None:
    """Add this package's commands to `app`."""
    for command in (study, backtest):
        app.command()(command)


def backtest(
    strategy: Annotated[Path, typer.Argument(help="A Python file with a function policy().")],
    prices: PricesFile,
    out: Annotated[Path, typer.Option(help="Folder for report.html, weights.parquet and figures.json.")],
    signal: Annotated[Path | None, typer.Option(help="A signal: sessions × assets.")] = None,
    every: Annotated[str, typer.Option(help="daily, weekly, monthly, or a number of sessions.")] = "weekly",
    calendar: Annotated[str, typer.Option(help="Exchange calendar of the prices.")] = "XNYS",
    fill: Annotated[str, typer.Option(help="open or close of the session after the decision.")] = "open",
    warmup: Annotated[int, typer.Option(min=0, help="Sessions before the first decision.")] = 60,
    cost_bp: Annotated[float, typer.Option(help="Cost of trading, basis points of the traded value.")] = 10.0,
    as_json: Json = False,
) -> None:
    """Walk a strategy forward, simulate it beside equal weights and buy-and-hold, and write a report."""
    from allocation.files import read_frame, write_frame, write_text
    from allocation.frames import sessions_of
    from allocation.policy import EqualWeight, Hold
    from backtest.book import Costs
    from backtest.report import write_report
    from backtest.result import comparison
    from backtest.result_files import save_result
    from backtest.run import run

    policies: list[tuple[str, Policy]] = [
        (_name(strategy), load_policy(strategy)),
        (PEERS[0], EqualWeight()),
        (PEERS[1], Hold()),
    ]
    bars = _bars_to_fill(prices, fill)
    values = read_frame(signal) if signal else None
    dates = _dates(sessions_of(bars.close), every, calendar, warmup)
    costs = Costs(commission=cost_bp / 2e4, half_spread=cost_bp / 2e4)
    results = [run(policy, bars, values, dates, costs=costs, name=name, progress=True) for name, policy in policies]
    write_frame(results[0].targets, out / "weights.parquet")
    save_result(results[0], out / "result")
    figures = {result.name: result.figures() for result in results}
    write_text(json_text(figures, indent=2) + "\n", out / "figures.json")
    write_report(out / "report.html", results, title=strategy.stem, signal=values)
    text = "\n".join([comparison(results), *(f"note: {note}" for note in results[0].notes), f"written to {out}"])
    typer.echo(json_text(figures) if as_json else text)


def _name(strategy: Path) -> str:
    return f"{strategy.stem} (yours)" if strategy.stem in PEERS else strategy.stem


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


def _dates(sessions: "pd.DatetimeIndex", every: str, calendar: str, warmup: int) -> "pd.DatetimeIndex":
    from backtest.schedule import rebalance_dates

    dates = rebalance_dates(sessions, int(every) if every.isascii() and every.isdecimal() else every, calendar)  # type: ignore[arg-type]
    dates = dates[dates >= sessions[min(warmup, len(sessions) - 1)]]
    if not len(dates):
        raise AllocationError(f"no rebalancing date after {warmup} of {len(sessions)} sessions: lower --warmup")
    return dates


def load_policy(path: Path) -> "Policy":
    """Run a strategy file, the user's own code, and return what its policy() gives.

    Raises:
        SourceError: no such file, no function policy(), or the file or function fails.
    """
    module = _executed(path)
    if not hasattr(module, "policy"):
        raise SourceError(f"{path}: needs a function policy() that returns the policy")
    policy = _guarded(module.policy, str(path))()
    if not callable(policy):
        raise SourceError(
            f"{path}: policy() returned a {type(policy).__name__}: return a callable from View to weights"
        )
    return _guarded(policy, str(path))


def _executed(path: Path) -> ModuleType:
    if not path.is_file():
        raise SourceError(f"{path}: no such file")
    spec = importlib.util.spec_from_file_location(f"strategy_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise SourceError(f"{path}: is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up by name
    _guarded(spec.loader.exec_module, str(path))(module)
    return module


def _guarded(function: Callable[..., Any], where: str) -> Callable[..., Any]:
    """Whatever the user's own code raises is told in one line; our errors pass as they are."""

    def guarded(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except AllocationError:
            raise
        except (Exception, SystemExit) as error:
            raise SourceError(f"{where}: {type(error).__name__}: {error}") from error

    return guarded
