"""`newsfolio signal`: scored headlines to one signal per session and asset."""

from pathlib import Path
from typing import Annotated

import typer


def signal(
    scored: Annotated[Path, typer.Argument(help="Headlines with a column score.")],
    out: Annotated[Path, typer.Option(help="Where to write the signal: sessions × assets.")],
    calendar: Annotated[str, typer.Option(help="Exchange calendar, such as XNYS or XLON.")] = "XNYS",
    halflife: Annotated[float, typer.Option(help="Sessions in which news loses half its weight.")] = 3.0,
    prior_strength: Annotated[float, typer.Option(help="Neutral headlines to shrink towards.")] = 2.0,
    silence: Annotated[int, typer.Option(help="Sessions after the last news until there is no signal.")] = 20,
    timezone: Annotated[str | None, typer.Option(help="Zone of publication times that name none.")] = None,
) -> None:
    """Turn scored headlines into one signal per session and asset."""
    from nlp.headlines import read_headlines
    from nlp.sessions import assign_session, calendar_sessions
    from nlp.signals import daily_signal
    from nlp.tables import write_indexed

    rows = read_headlines(scored, timezone=timezone)
    known = assign_session(rows["published"], calendar, time_known=rows["time_known"])
    sessions = calendar_sessions(calendar, known.min(), known.max())
    frame = daily_signal(
        rows, sessions, halflife=halflife, prior_strength=prior_strength, silence=silence, calendar=calendar
    )
    write_indexed(frame, out)
    typer.echo(
        f"{len(rows):,} headlines -> {frame.shape[0]:,} sessions × {frame.shape[1]} assets, "
        f"{frame.notna().to_numpy().mean():.0%} covered; written to {out}"
    )
