"""`newsfolio risk`: what risk is to be expected now and why; or, with --study, what such warnings were worth."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from allocation.errors import AllocationError
from backtest.cli.prices import (
    AllowJump,
    Asset,
    Assets,
    Calendar,
    Delistings,
    End,
    PriceChoice,
    Start,
    read_prices,
    with_payouts,
)
from newsfolio.command.news import score_known
from newsfolio.shared.text_table import json_text
from nlp.cli.options import Columns, Midnight, Timezone

if TYPE_CHECKING:
    import pandas as pd

    from allocation import Bars
    from allocation.risk.news_volatility import NewsVolatility
    from backtest.warning.outcomes import WarningEvent
    from backtest.warning.study import WarningStudy
    from backtest.warning.today import RiskToday

log = logging.getLogger(__name__)

ALARM_EXIT = 3
STATE = "state.json"
METRICS = "risk.prom"


@dataclass(frozen=True, kw_only=True)
class NewsChoice:
    """What is known besides prices."""

    news: Path | None
    model: str | None
    events: Path | None
    calendar: str
    timezone: str | None
    midnight: Literal["auto", "time", "date"]
    columns: str


def risk(
    prices: Annotated[str, typer.Argument(help="Prices: long with date, ticker, open, high, low, close; or closes.")],
    news: Annotated[Path | None, typer.Option(help="Headlines: published, asset, text; score where known.")] = None,
    model: Annotated[str | None, typer.Option(help="Folder of the classifier that scores the headlines.")] = None,
    events: Annotated[
        Path | None, typer.Option(help="What is due: asset, known (UTC), due; else read in the news.")
    ] = None,
    timezone: Timezone = None,
    midnight: Midnight = "auto",
    columns: Columns = "",
    out: Annotated[Path | None, typer.Option(help="Folder for risk.html, risk.json, state.json and risk.prom.")] = None,
    study: Annotated[bool, typer.Option("--study", help="Judge forecasts and alarms on the history.")] = False,
    kind: Annotated[str, typer.Option(help="What is warned of: move, drawdown or 'high volatility'.")] = "move",
    horizon: Annotated[int, typer.Option(help="Sessions within which it comes.")] = 5,
    sigmas: Annotated[float, typer.Option(help="Its size, in usual standard deviations.")] = 4.0,
    alarms: Annotated[float, typer.Option(help="Most alarms of an asset in a year.")] = 2.0,
    placebos: Annotated[int, typer.Option(help="Placebos of each kind, with --study.")] = 3,
    vix: Annotated[Path | None, typer.Option(help="Table of date and close of VIX, a rival with --study.")] = None,
    notify: Annotated[str | None, typer.Option(help="Command or https address for a change of alarms.")] = None,
    fail_on: Annotated[str | None, typer.Option(help="'alarm': exit with 3 where there is one now.")] = None,
    start: Start = None,
    end: End = None,
    assets: Assets = None,
    asset: Asset = None,
    delistings: Delistings = None,
    allow_jump: AllowJump = None,
    calendar: Calendar = "XNYS",
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Forecast the risk of each asset, with news where there is some, and raise alarms; --study judges them."""
    from backtest.warning.outcomes import WarningEvent
    from backtest.warning.study import judge_warnings
    from backtest.warning.today import risk_today

    if fail_on not in (None, "alarm"):
        raise AllocationError(f"--fail-on {fail_on!r} is not known: the only state to fail on is alarm")
    if notify is not None and out is None:
        raise AllocationError("--notify tells of changes: give --out, where the state of before is kept")
    event = WarningEvent(kind, horizon, sigmas)  # type: ignore[arg-type]
    choice = PriceChoice(
        start=start,
        end=end,
        assets=assets,
        asset=asset,
        allow_jump=tuple(allow_jump or ()),
        delistings=delistings,
    )
    chosen = read_prices(prices, choice, Path(prices).name)
    bars = with_payouts(chosen.bars, chosen.events, paid=False)
    for note in chosen.notes:
        log.warning("%s: %s", Path(prices).name, note)
    news_choice = NewsChoice(
        news=news,
        model=model,
        events=events,
        calendar=calendar,
        timezone=timezone,
        midnight=midnight,
        columns=columns,
    )
    volatility, headlines = _model(bars, news_choice, event)
    found = None
    if study:
        rivals = {} if vix is None else {"vix": _vix(vix, bars)}
        found = judge_warnings(
            bars, model=volatility, event=event, rivals=rivals, alarms_per_year=alarms, placebos=placebos
        )
    today = risk_today(bars, volatility, event, alarms_per_year=alarms, headlines=headlines)
    before = None if out is None else _state(out)
    if out is not None:
        _write(out, today, found, Path(prices).stem)
    figures = today.to_dict() if found is None else found.to_dict()
    typer.echo(json_text(figures) if as_json else str(today if found is None else found))
    if notify is not None and before is not None and set(before) != set(today.alarmed):
        _tell(notify, before, today)
    if fail_on == "alarm" and today.alarmed:
        raise typer.Exit(ALARM_EXIT)


def _model(bars: "Bars", choice: NewsChoice, event: "WarningEvent") -> "tuple[NewsVolatility, pd.DataFrame | None]":
    """The forecast with all that is known besides prices, and the headlines by session."""
    import pandas as pd

    from allocation.risk.news_volatility import NewsVolatility
    from allocation.risk.volatility import HarVolatility
    from nlp import assign_session, find_events, read_headlines
    from nlp.signals.features import due_feature, news_features, read_due_events
    from nlp.texts.columns import parse_columns

    sessions, features, headlines = pd.DatetimeIndex(bars.close.index), dict[str, pd.DataFrame](), None
    if choice.news is not None:
        named = parse_columns(choice.columns)
        scored = read_headlines(choice.news, timezone=choice.timezone, midnight=choice.midnight, columns=named)
        if choice.model is not None:
            scored, _ = score_known(scored, choice.model, progress=True)
        elif "score" not in scored.columns:
            log.warning(
                "%s: no scores and no --model: only the number of headlines is used, not their tone", choice.news.name
            )
        features |= news_features(scored, sessions, bars.close.columns, calendar=choice.calendar)
        session = assign_session(scored["published"], choice.calendar, time_known=scored.get("time_known"))
        headlines = scored.assign(session=session.as_unit(sessions.unit))
    elif choice.model is not None:
        raise AllocationError("--model scores headlines: give --news as well")
    due = None if choice.events is None else read_due_events(choice.events)
    if due is None and headlines is not None:
        found = find_events(headlines, calendar=choice.calendar)
        due = found.loc[found["due"].notna()].assign(known=lambda rows: rows["published"])
    if due is not None and len(due):
        if choice.events is not None and (elsewhere := int((~due["asset"].astype(str).isin(bars.close.columns)).sum())):
            log.warning("%s: %d of %d events are of assets without prices", choice.events.name, elsewhere, len(due))
        features["due"] = due_feature(due, sessions, bars.close.columns, event.horizon, calendar=choice.calendar)
    return NewsVolatility(HarVolatility(horizon=event.horizon), features), headlines


def _vix(path: Path, bars: "Bars") -> "pd.DataFrame":
    import pandas as pd

    from allocation.data.files.dates import parse_dates
    from allocation.errors import SourceError
    from backtest.warning.study import index_volatility
    from newsfolio.shared.tables import need_columns, read_table

    table, where = read_table(path, SourceError)
    named = "vix_close" if "vix_close" in table.columns else "close"
    need_columns(table, ("date", named), where, SourceError)
    values = pd.to_numeric(table[named], errors="coerce")
    series = pd.Series(values.to_numpy(), pd.DatetimeIndex(parse_dates(table["date"], where))).dropna()
    return index_volatility(series[~series.index.duplicated()], bars)


def _state(out: Path) -> list[str]:
    """Assets that had an alarm when this was last run; none where it never was."""
    path = out / STATE
    if not path.is_file():
        return []
    try:
        return [str(each) for each in json.loads(path.read_text(encoding="utf-8"))["alarm"]]
    except (ValueError, KeyError, TypeError) as error:
        raise AllocationError(f"{path}: is not what newsfolio risk wrote: remove it to begin anew") from error


def _write(out: Path, today: "RiskToday", found: "WarningStudy | None", title: str) -> None:
    from backtest.warning.page import write_warnings
    from newsfolio.shared.atomic import write_text

    write_warnings(today, out / "risk.html", title=f"Risk of {title}", study=found)
    figures = {"today": today.to_dict()} | ({} if found is None else {"study": found.to_dict()})
    write_text(json_text(figures, indent=2) + "\n", out / "risk.json")
    metrics = [  # in Prometheus' text format; assets without a forecast are left out
        "# HELP newsfolio_risk_session_timestamp_seconds The session whose close is known.",
        "# TYPE newsfolio_risk_session_timestamp_seconds gauge",
        f"newsfolio_risk_session_timestamp_seconds {today.session.timestamp()!r}",
        "# HELP newsfolio_risk_alarms Assets with an alarm now.",
        "# TYPE newsfolio_risk_alarms gauge",
        f"newsfolio_risk_alarms {len(today.alarmed)}",
    ]
    for name, what in (("volatility", "Forecast volatility, a year's."), ("probability", "Probability of the event.")):
        metrics += [f"# HELP newsfolio_risk_{name} {what}", f"# TYPE newsfolio_risk_{name} gauge"]
        for asset, value in today.table[name].dropna().items():
            label = json.dumps(str(asset), ensure_ascii=False)
            metrics.append(f"newsfolio_risk_{name}{{asset={label}}} {float(value)!r}")
    write_text("\n".join(metrics) + "\n", out / METRICS)
    state = {"session": f"{today.session:%Y-%m-%d}", "alarm": today.alarmed}
    write_text(json_text(state, indent=2) + "\n", out / STATE)  # last: a run that failed before tells again


def _tell(target: str, before: list[str], today: "RiskToday") -> None:
    """One message for what changed since the last run."""
    from allocation.live.monitor.notify import notify

    began, ended = sorted(set(today.alarmed) - set(before)), sorted(set(before) - set(today.alarmed))
    table = today.table
    chances = dict(zip(table.index.astype(str), table["probability"].tolist(), strict=True))
    reasons = dict(zip(table.index.astype(str), table["why"].tolist(), strict=True))
    parts = [f"alarm for {each} ({chances[each]:.1%}: {reasons[each] or 'prices alone'})" for each in began]
    parts += [f"alarm over for {', '.join(ended)}"] if ended else []
    notify(target, f"risk at {today.session.date()}, {today.event}: {'; '.join(parts)}", ALARM_EXIT if began else 0)
