"""A benchmark of the user's own, from a file: an index, a fund, another book."""

from pathlib import Path

import pandas as pd

from allocation.data.files.wide import read_frame
from allocation.errors import SourceError
from allocation.frames import sessions_of
from backtest.result.result import Result

RETURNS = ("return", "returns")  # a column of this name holds returns, any other holds prices
PLAIN = ("close", "price", "level", "value", "nav", "adjclose", *RETURNS)  # names that say nothing of what it is
MOST_USUAL = 0.05  # a median absolute change beyond 5 % a session is no benchmark, but a slip


def read_benchmark(path: str | Path, sessions: pd.DatetimeIndex) -> Result:
    """Return the benchmark of a file as a Result over `sessions`, that of a portfolio without trades.

    The file has a column of dates and one other: prices or index levels (> 0), or simple returns as fractions where
    that column is called return. Of returns, the row of session t is from the close before to that of t; the first
    session needs none.

    Raises:
        SourceError: the file has more columns, lacks a session, or holds something else (returns as prices, percent).
    """
    values, name = _column(Path(path))
    known = values.dropna()
    if str(values.name).lower() in RETURNS:
        _check(path, known, bad=known <= -1.0, change=known, remedy="give returns as fractions, 0.01 for 1 %")
        levels = (1.0 + known).cumprod()
        if len(sessions) > 1 and sessions[0] not in levels.index and sessions[1] == levels.index[0]:
            levels = pd.concat([pd.Series([1.0], sessions[:1]), levels])
    else:
        remedy = "give prices or levels above 0, or call the column return"
        _check(path, known, bad=known <= 0.0, change=known.pct_change().dropna(), remedy=remedy)
        levels = known
    absent = sessions.difference(sessions_of(levels))
    if len(absent):
        raise SourceError(
            f"{path}: lacks {len(absent)} of the {len(sessions)} sessions of the backtest, such as "
            f"{absent[0].date()}: give a value for each, or cut the backtest with --start and --end"
        )
    nothing = pd.DataFrame(index=sessions)
    trades = pd.DataFrame({"session": sessions[:0], "asset": pd.Series(dtype=str)})
    trades = trades.assign(shares=0.0, price=0.0, cost=0.0)
    return Result(
        name=name, nav=levels.reindex(sessions).rename("nav"), weights=nothing, trades=trades, targets=nothing
    )


def _column(path: Path) -> tuple[pd.Series, str]:
    """The one column other than the dates, and a name for it: its own, or the file's where that says nothing."""
    frame = read_frame(path)
    if frame.shape[1] != 1:
        names = ", ".join(map(str, frame.columns[:5])) or "none"
        raise SourceError(f"{path}: a benchmark has one column other than its dates, this one has {names}: keep one")
    values = frame.iloc[:, 0]
    if not pd.api.types.is_numeric_dtype(values):
        raise SourceError(f"{path}: {values.name} holds {values.iloc[0]!r}, not numbers")
    if values.index.has_duplicates:
        raise SourceError(f"{path}: {values.index[values.index.duplicated()][0].date()} is there twice: keep one row")
    plain = "".join(str(values.name).lower().split()).replace("_", "") in PLAIN
    return values.sort_index(), path.stem if plain else str(values.name)


def _check(path: str | Path, known: pd.Series, *, bad: pd.Series, change: pd.Series, remedy: str) -> None:
    """Refuse what cannot be what its column's name says."""
    if bad.any():
        day = known.index[int(bad.to_numpy().argmax())]
        raise SourceError(f"{path}: {known.name} is {known[day]:g} at {day.date()}: {remedy}")
    if change.abs().median() > MOST_USUAL:
        raise SourceError(
            f"{path}: {known.name} changes by {change.abs().median():.0%} in a median session, more than any "
            f"benchmark does: {remedy}"
        )
