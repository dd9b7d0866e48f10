"""Scored headlines -> what may move risk: news that is unusually frequent, or unusually negative, and what is due."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from newsfolio.shared.tables import need_columns, read_table
from nlp.errors import NewsError
from nlp.signals.sessions import assign_session

USUAL = 60  # sessions over which the usual level is taken
SILENT = 5  # sessions without any headline, after which there is no news rather than none to tell
FEWEST = 20  # sessions, of fewer of which no level is usual


def news_features(
    headlines: pd.DataFrame, sessions: pd.DatetimeIndex, assets: Iterable[str], *, calendar: str = "XNYS"
) -> dict[str, pd.DataFrame]:
    """Return features of risk by name (sessions × assets); row t is what is known at the close of t.

    headlines: rows of published (UTC) and asset, where known score in [-1, 1], and time_known. unusual count: log of 1
    plus the session's headlines, less the mean of that over the 60 sessions before. unusually negative: the same of
    the sum of what scores lie below 0, where there are scores. Each also for the market, as the mean over all assets.
    NaN in the first sessions, for an asset that has had no headline yet, of which nothing can be unusual, and where no
    asset has had one for five sessions: there the news has not begun, or has ended.

    Raises:
        NewsError: a column is missing, or no headline belongs to these sessions and assets.
    """
    need_columns(headlines, ("published", "asset"), "headlines", NewsError)
    columns = pd.Index(sorted(assets))
    session = assign_session(headlines["published"], calendar, time_known=headlines.get("time_known"))
    row = sessions.get_indexer(session.as_unit(sessions.unit))
    column = columns.get_indexer(pd.Index(headlines["asset"].astype(str)))
    used = (row >= 0) & (column >= 0)
    if not used.any():
        raise NewsError(
            f"none of {len(headlines)} headlines is on an asset and in a session of the prices: "
            "check tickers, dates and time zone"
        )
    cell, size = row[used] * len(columns) + column[used], len(sessions) * len(columns)
    amounts = {"unusual count": np.ones(used.sum())}
    if "score" in headlines.columns:
        score = pd.to_numeric(headlines["score"], errors="coerce").fillna(0.0).to_numpy(dtype=np.float64)
        amounts["unusually negative"] = np.maximum(-score[used], 0.0)
    found = {}
    count = np.bincount(cell, minlength=size).reshape(len(sessions), -1)
    seen = count.cumsum(axis=0) > 0
    covered = pd.Series(count.sum(axis=1), sessions).rolling(SILENT, min_periods=1).sum() > 0
    for name, amount in amounts.items():
        sums = np.bincount(cell, weights=amount, minlength=size).reshape(len(sessions), -1)
        logs = pd.DataFrame(np.log1p(sums), sessions, columns).where(covered, axis=0)
        unusual = logs - logs.rolling(USUAL, min_periods=FEWEST).mean().shift(1)
        market = logs.mean(axis=1)
        together = market - market.rolling(USUAL, min_periods=FEWEST).mean().shift(1)
        found[name] = unusual.where(seen)
        found[f"{name}, market"] = pd.DataFrame(
            np.repeat(together.to_numpy()[:, None], len(columns), axis=1), sessions, columns
        )
    return found


def due_feature(
    events: pd.DataFrame, sessions: pd.DatetimeIndex, assets: Iterable[str], horizon: int, *, calendar: str = "XNYS"
) -> pd.DataFrame:
    """Return 1 where an event is due in the next `horizon` sessions, and it is known that it is, else 0.

    events: rows of asset, known (UTC: when it was published that the event is to come; a date without a time counts
    from the session after) and due (the date it is due on; where that is no session, the next one).

    Raises:
        NewsError: a column is missing or a time cannot be read.
    """
    need_columns(events, ("asset", "known", "due"), "events", NewsError)
    columns = pd.Index(sorted(assets))
    try:
        known = pd.to_datetime(events["known"], utc=True, format="ISO8601")
        due = pd.to_datetime(events["due"], format="ISO8601").dt.tz_localize(None).dt.normalize()
    except (ValueError, TypeError, AttributeError) as error:
        raise NewsError(f"events: a time in known or due cannot be read: {error}") from error
    dated = known == known.dt.normalize()  # midnight is a date without a time
    session = assign_session(known, calendar, time_known=~dated)
    first = sessions.searchsorted(session.as_unit(sessions.unit))
    last = sessions.searchsorted(pd.DatetimeIndex(due).as_unit(sessions.unit))
    beyond = last == len(sessions)  # after the last session weekdays are counted
    end = sessions[-1].to_datetime64().astype("datetime64[D]")
    last[beyond] += np.busday_count(end, due[beyond].to_numpy().astype("datetime64[D]")) - 1
    past = np.zeros((len(sessions), len(columns)))
    for asset, begin, at in zip(columns.get_indexer(pd.Index(events["asset"].astype(str))), first, last, strict=True):
        if asset >= 0:  # due in t+1 ... t+horizon
            past[max(begin, at - horizon, 0) : at, asset] = 1.0
    return pd.DataFrame(past, sessions, columns)


def read_due_events(path: str | Path) -> pd.DataFrame:
    """Read rows of asset, known and due from CSV or Parquet; rows that are due at no date are left out.

    In the output of `newsfolio events`, which has a column published, an event is known when its headline was.

    Raises:
        NewsError: the file cannot be read, a column is missing, nothing is due at any date, a time or date cannot be
            read, or an event is known only after it was due.
    """
    table, where = read_table(path, NewsError, words=("asset",))
    if "published" in table.columns:
        table = table.assign(known=table["published"])
    need_columns(table, ("asset", "known", "due"), where, NewsError)
    due = table.loc[table["due"].notna(), ["asset", "known", "due"]]
    if due.empty:
        raise NewsError(f"{where}: none of {len(table)} events is due at a date: leave --events out")
    known = pd.to_datetime(due["known"], utc=True, format="ISO8601", errors="coerce")
    day = pd.to_datetime(due["due"], utc=True, format="ISO8601", errors="coerce")
    late = known.dt.normalize() > day + pd.Timedelta(days=1)  # a day that has begun in UTC may not have elsewhere
    for wrong, column, problem in (
        (known.isna(), "known", "is no time in UTC: write 2024-03-05T13:02:11Z"),
        (day.isna(), "due", "is no date: write YYYY-MM-DD"),
        (late, "known", "is after the event was due: known is when it was published that the event is to come"),
    ):
        if wrong.any():
            first = int(np.argmax(wrong))
            value, row = due[column].iloc[first], int(np.flatnonzero(table["due"].notna())[first]) + 1
            shown = "nothing" if pd.isna(value) else repr(str(value))
            raise NewsError(f"{where}: row {row}: {column}: {shown} {problem} ({int(wrong.sum())} such rows)")
    return due
