"""`newsfolio backtest`: walk a strategy forward with and without its signal, compare it with simple ones, report."""

import atexit
import gc
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from allocation.errors import AllocationError, FrameError
from backtest.cli.inputs import Files, Inputs, Settings, read_inputs
from backtest.cli.prices import AllowJump, Asset, Assets, Calendar, Delistings, End, Start
from backtest.cli.study import Json

if TYPE_CHECKING:
    import pandas as pd

    from allocation.view import Policy
    from backtest.report.report import Report
    from backtest.result.result import Result

PEERS = ("equal weight", "buy and hold")
SELDOM = 100_000  # objects made between two searches for cycles: what is loaded here makes a million, and few cycles


def backtest(
    strategy: Annotated[Path, typer.Argument(help="A Python file with a function policy().")],
    prices: Annotated[
        str,
        typer.Option(
            help="A file of wide closes, or long with date, ticker, close, open and, for the capacity, volume; or a "
            "database: URL#TABLE."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for report.html, weights.parquet, figures.json, manifest.json.")],
    signal: Annotated[Path | None, typer.Option(help="A signal: sessions × assets.")] = None,
    headlines: Annotated[
        Path | None, typer.Option(help="What newsfolio score wrote (CSV, Parquet), shown with the worst drawdowns.")
    ] = None,
    benchmark: Annotated[
        Path | None,
        typer.Option(
            help="A benchmark of your own: dates and one column of prices or levels, or of returns (fractions) if that "
            "column is called return."
        ),
    ] = None,
    delistings: Delistings = None,
    start: Start = None,
    end: End = None,
    assets: Assets = None,
    asset: Asset = None,
    every: Annotated[str, typer.Option(help="daily, weekly, monthly, or a number of sessions.")] = "weekly",
    calendar: Calendar = "XNYS",
    fill: Annotated[str, typer.Option(help="open or close of the session after the decision.")] = "open",
    warmup: Annotated[int, typer.Option(min=0, help="Sessions before the first decision.")] = 60,
    cost_bp: Annotated[float, typer.Option(help="Cost of trading, basis points of the traded value.")] = 10.0,
    tried: Annotated[
        int | None, typer.Option(min=1, help="Settings tried so far, this one included: deflates the Sharpe ratio.")
    ] = None,
    attribution: Annotated[
        bool, typer.Option("--attribution", help="Say what the base, the risk model, the news and costs contributed.")
    ] = False,
    placebo: Annotated[
        bool, typer.Option("--placebo", help="Shuffle the signal a hundred times, and show what such chance gives.")
    ] = False,
    allow_jump: AllowJump = None,
    as_json: Json = False,
) -> None:
    """Walk a strategy forward, with and without its signal, compare it with simple benchmarks, and write a report."""
    gc.set_threshold(SELDOM)  # with the next line a tenth of the whole command
    atexit.register(gc.freeze)
    from backtest.report.text import report_text

    files = Files(
        strategy=strategy,
        prices=prices,
        signal=signal,
        headlines=headlines,
        benchmark=benchmark,
        delistings=delistings,
    )
    settings = Settings(
        every=every,
        calendar=calendar,
        fill=fill,
        warmup=warmup,
        cost_bp=cost_bp,
        tried=tried,
        attribution=attribution,
        placebo=placebo,
        start=start,
        end=end,
        assets=assets,
        asset=asset,
        allow_jump=tuple(allow_jump) if allow_jump else None,
    )
    report = _backtested(files, settings)
    _write(report, out)
    typer.echo(figures_json(report) if as_json else f"{report_text(report)}\n\nwritten to {out}")


def _backtested(files: Files, settings: Settings) -> "Report":
    """Run the strategy, its twin and the benchmarks, and gather what there is to say of them."""
    from allocation.frames import sessions_of
    from allocation.policies.sentiment import EqualWeight, Hold
    from allocation.policies.strategy_file import load_policy
    from backtest.report.manifest import manifest
    from backtest.report.report import Report
    from backtest.report.signal_notes import training_note
    from backtest.result.attribution import attribute
    from backtest.signal_study.information_coefficient import next_session_ic, placebo, same_session_ic

    policy = load_policy(files.strategy)
    inputs = read_inputs(files, settings)
    signal, bars = inputs.signal, inputs.bars
    stem = files.strategy.stem
    mine = _run(f"{stem} (yours)" if stem in PEERS else stem, policy, inputs, settings, signal)
    taught = None if signal is None else training_note(signal, sessions_of(mine.nav))
    money, why_not = _capacity(mine, inputs)
    mine = replace(mine, notes=(*mine.notes, *inputs.notes, *(each for each in (taught, why_not) if each)))
    twin, notices = _twin(mine, files, inputs, settings)
    others: tuple[Policy, ...] = (EqualWeight(), Hold())
    peers = [_run(name, other, inputs, settings, None) for name, other in zip(PEERS, others, strict=True)]
    if inputs.benchmark is not None:
        held = inputs.benchmark.nav.loc[mine.nav.index]
        peers.append(replace(inputs.benchmark, nav=held, weights=inputs.benchmark.weights.loc[held.index]))
    frames = {"closes": bars.close, "opens": bars.open, "signal": signal, "volumes": bars.volume}
    named_files = {"strategy": files.strategy, "benchmark": files.benchmark, "delistings": files.delistings}
    return Report(
        title=stem,
        results=[mine, *([] if twin is None else [twin]), *peers],
        twin=twin,
        notices=notices,
        signal=signal,
        coefficients=[]
        if signal is None
        else [same_session_ic(signal, bars.close), next_session_ic(signal, bars.close)],
        headlines=inputs.headlines,
        tried=settings.tried,
        attribution=attribute(mine, twin, peers[0]) if settings.attribution and twin is not None else None,
        placebo=placebo(signal, bars.close) if settings.placebo and signal is not None else None,
        capacity=money,
        manifest=manifest(named_files, frames, files=files.names, settings=asdict(settings)),
    )


def _twin(mine: "Result", files: Files, inputs: Inputs, settings: Settings) -> "tuple[Result | None, list[str]]":
    """The same policy without a signal, and what to say where there is none."""
    from allocation.frames import sessions_of
    from allocation.policies.strategy_file import load_policy

    if inputs.signal is None:
        return None, ["No signal was given: no part of this comes from news."]
    fresh = load_policy(files.strategy)  # the first may remember what it was shown
    try:
        twin = _run(f"{mine.name} without news", fresh, inputs, settings, None)
    except AllocationError as error:
        if settings.attribution:
            raise
        return None, [f"What the news added is not known: without its signal the strategy fails: {error}"]
    return _on_sessions(twin, sessions_of(mine.nav)), []


def _on_sessions(result: "Result", sessions: "pd.DatetimeIndex") -> "Result":
    """The result on these sessions: before its first decision it is in cash, as a policy that waits for news is."""
    if result.nav.index.equals(sessions):
        return result
    return replace(
        result,
        nav=result.nav.reindex(sessions).bfill(),
        weights=result.weights.reindex(sessions, fill_value=0.0),
        trades=result.trades[result.trades["session"].isin(sessions)],
        flows=None if result.flows is None else result.flows.reindex(sessions, fill_value=0.0),
    )


def _capacity(mine: "Result", inputs: Inputs) -> tuple[float | None, str | None]:
    """The capacity, where it can be known; where volumes are there but not all that it takes, why not."""
    from backtest.result.capacity import capacity

    value = inputs.bars.traded_value
    if value is None or mine.trades.empty:
        return None, None
    try:
        return capacity(mine, value), None
    except FrameError as error:
        return None, f"no capacity: {error}"


def _run(name: str, policy: "Policy", inputs: Inputs, settings: Settings, signal: "pd.DataFrame | None") -> "Result":
    from allocation.execution.costs import Costs
    from backtest.engine.evaluate import run

    return run(
        policy,
        inputs.bars,
        signal,
        inputs.dates,
        costs=Costs(commission=settings.cost_bp / 2e4, half_spread=settings.cost_bp / 2e4),
        name=name,
        progress=True,
        events=inputs.events,
        calendar=settings.calendar,
    )


def _write(report: "Report", out: Path) -> None:
    from allocation.data.files.wide import write_frame
    from backtest.report.page import write_report
    from backtest.result.files import save_result
    from newsfolio.shared.atomic import write_text
    from newsfolio.shared.text_table import json_text

    write_frame(report.strategy.targets, out / "weights.parquet")
    save_result(report.strategy, out / "result")
    write_text(figures_json(report, indent=2) + "\n", out / "figures.json")
    write_text(json_text(report.manifest, indent=2) + "\n", out / "manifest.json")
    write_report(report, out / "report.html")


def figures_json(report: "Report", indent: int | None = None) -> str:
    """Return all figures as JSON: each result by name, the strategy's with all that is known of it."""
    from backtest.report.tables import news_by_cost
    from backtest.result.capacity import PARTICIPATION, SHARE, WINDOW
    from backtest.result.cost_sensitivity import break_even_cost, cost_sensitivity
    from newsfolio.shared.text_table import json_text

    mine, *others = report.results
    own: dict[str, object] = {**mine.details(), "notes": mine.notes}
    if report.attribution is not None:
        own["attribution"] = report.attribution.annual.to_dict("index")
    if report.placebo is not None:
        low, high = report.placebo.interval
        own["placebo"] = {"shuffles": len(report.placebo.means), "mean": report.placebo.mean, "low": low, "high": high}
    if report.capacity is not None:
        assumed = {"participation": PARTICIPATION, "share_of_orders": SHARE, "sessions": WINDOW}
        own["capacity"] = {"nav": report.capacity, **assumed}
    if report.coverage is not None:
        own["coverage"] = asdict(report.coverage)
    table = cost_sensitivity(mine)
    if report.twin is not None and report.news is not None:
        table["added_by_news"] = news_by_cost(mine, report.twin, table.index)
        own["news"] = {**report.news.figures(), "break_even_cost": break_even_cost(mine, report.twin)}
    own["cost_sensitivity"] = {f"{cost:g}": row for cost, row in table.to_dict("index").items()}
    own["break_even_cost"] = break_even_cost(mine)
    own["tried"] = report.tried
    own |= {"warnings": report.warnings} if report.warnings else {}
    figures = {mine.name: own} | {other.name: {**other.figures(), "notes": other.notes} for other in others}
    return json_text(figures, indent=indent)
