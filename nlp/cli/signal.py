"""`newsfolio signal`: scored headlines to one signal per session and asset."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nlp.cli.options import Midnight, Timezone
from nlp.errors import NewsError, NlpError

if TYPE_CHECKING:
    import pandas as pd


def signal(
    scored: Annotated[Path, typer.Argument(help="Headlines with a column score.")],
    out: Annotated[Path, typer.Option(help="Where to write the signal: sessions × assets.")],
    calendar: Annotated[str, typer.Option(help="Exchange calendar, such as XNYS or XLON.")] = "XNYS",
    cutoff: Annotated[
        str, typer.Option(help="News counts until the close, the open, or minutes before: close-15.")
    ] = "close",
    halflife: Annotated[float, typer.Option(help="Sessions in which news loses half its weight.")] = 3.0,
    prior_count: Annotated[
        str, typer.Option("--prior-count", "--prior-strength", help="Neutral headlines to shrink by, or fit.")
    ] = "2.0",
    max_age: Annotated[
        int, typer.Option("--max-age", "--silence", help="Sessions after the last news until there is no signal.")
    ] = 20,
    aggregation: Annotated[
        str, typer.Option("--aggregation", "--how", help="mean, or sum: stronger the more headlines agree.")
    ] = "mean",
    novelty_hours: Annotated[
        float, typer.Option(help="Repeats of a story within so many hours count less, round-ups too; 0: all alike.")
    ] = 0.0,
    relative: Annotated[str, typer.Option(help="no, or zscore or rank across the assets of a session.")] = "no",
    sectors: Annotated[
        Path | None, typer.Option(help="Table with columns ticker and sector: --relative compares within them.")
    ] = None,
    delay: Annotated[float, typer.Option(help="Minutes by which all news is published later.")] = 0.0,
    aliases: Annotated[Path | None, typer.Option(help="Table with columns alias and asset.")] = None,
    timezone: Timezone = None,
    midnight: Midnight = "auto",
    columns: Annotated[
        str, typer.Option(help="Columns by other names: published=created_at,asset=ticker,score=tone.")
    ] = "",
    scale: Annotated[str, typer.Option(help="Lowest and highest score where that is not -1..1: 1..5.")] = "",
) -> None:
    """Turn scored headlines into one signal per session and asset."""
    from newsfolio.shared.tables import need_columns, write_indexed
    from nlp.signals.cells import parse_scale, rescaled
    from nlp.signals.daily import daily_signal
    from nlp.signals.sessions import assign_session, calendar_sessions
    from nlp.texts.columns import parse_columns
    from nlp.texts.headlines import headlines_with_report

    kind, crossed = (
        _one_of(aggregation, ("mean", "sum"), "--aggregation"),
        _one_of(relative, ("no", "zscore", "rank"), "--relative"),
    )
    groups = _read_sectors(sectors, crossed)
    rows, report = headlines_with_report(
        scored,
        timezone=timezone,
        aliases=aliases,
        midnight=midnight,
        columns=parse_columns(columns),
        text_needed=bool(novelty_hours),
    )
    need_columns(rows, ("score",), report.where, NewsError)
    rows = _delayed(_weighed(rescaled(rows, parse_scale(scale)) if scale else rows, novelty_hours), delay)
    known = assign_session(rows["published"], calendar, cutoff, time_known=rows["time_known"])
    frame = daily_signal(
        rows, calendar_sessions(calendar, known.min(), known.max()), halflife=halflife,
        prior_count=_number_or_fit(prior_count), max_age=max_age, calendar=calendar, cutoff=cutoff,
        aggregation="sum" if kind == "sum" else "mean",
    )  # fmt: skip
    write_indexed(_crossed(frame, crossed, groups), out, NlpError)
    typer.echo(
        f"{report}\n{len(rows):,} headlines -> {frame.shape[0]:,} sessions × {frame.shape[1]} assets, "
        f"{frame.notna().to_numpy().mean():.0%} covered; written to {out}\n{_taught(frame)}"
    )


def _taught(frame: "pd.DataFrame") -> str:
    """Up to when a backtest of the signal may be hindsight, or that nobody can tell."""
    from nlp.provenance import TRAINED_ON, TRAINED_UNTIL, UNKNOWN, read_provenance

    found = read_provenance(frame)
    if not found:
        return "not recorded: which texts taught the classifier of the scores (CSV files and joined frames lose it)"
    corpora, until = (found.get(name, UNKNOWN) for name in (TRAINED_ON, TRAINED_UNTIL))
    source = "texts whose source was not recorded" if corpora == UNKNOWN else corpora
    dated = f"the last of {until}" if until != UNKNOWN else "whose dates are not known: any session may be hindsight"
    return f"the classifier was taught by {source}, {dated}"


def _one_of(given: str, known: tuple[str, ...], option: str) -> str:
    if given not in known:
        raise NewsError(f"{option} {given!r} is not known: use {', '.join(known)}")
    return given


def _number_or_fit(given: str) -> float | Literal["fit"]:
    if given == "fit":
        return "fit"
    try:
        return float(given)
    except ValueError as error:
        raise NewsError(f"--prior-count {given!r} is not a number: give one > 0, or fit") from error


def _weighed(rows: "pd.DataFrame", hours: float) -> "pd.DataFrame":
    from nlp.signals.novelty import weigh_headlines

    return weigh_headlines(rows, hours=hours) if hours else rows


def _delayed(rows: "pd.DataFrame", minutes: float) -> "pd.DataFrame":
    """All instants later by so many minutes; a date without a time stays that date."""
    import pandas as pd

    if not 0 <= minutes < 24 * 60:
        raise NewsError(f"--delay {minutes:g} is not less than a day: give minutes from 0 to 1439")
    later = rows["published"] + pd.Timedelta(minutes=minutes)
    return rows.assign(published=later.where(rows["time_known"], rows["published"]))


def _read_sectors(path: Path | None, relative: str) -> "pd.Series | None":
    from newsfolio.shared.tables import need_columns, read_table

    if path is None:
        return None
    if relative == "no":
        raise NewsError("--sectors has no effect without --relative: add --relative zscore or rank")
    table, where = read_table(path, NewsError, words=("ticker",))
    need_columns(table, ("ticker", "sector"), where, NewsError)
    rows = table[["ticker", "sector"]].dropna().drop_duplicates()
    twice = rows.loc[rows["ticker"].duplicated(), "ticker"]
    if len(twice):
        raise NewsError(f"{where}: {twice.iloc[0]} has two sectors: keep one")
    return rows.set_index("ticker")["sector"].astype(str)


def _crossed(frame: "pd.DataFrame", relative: str, sectors: "pd.Series | None") -> "pd.DataFrame":
    from nlp.signals.cross_section import cross_section

    if relative == "no":
        return frame
    return cross_section(frame, "rank" if relative == "rank" else "zscore", sectors=sectors)
