"""Headlines around a report's drawdowns: a plain table of them, checked, and those of the days around a date."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np
import pandas as pd

from allocation.errors import FrameError
from allocation.frames import named
from backtest.report.charts import signed

MOST = 3
DAYS_BEFORE, DAYS_AFTER = 3, 1  # three days, so that a Monday's bottom sees Friday's news


@dataclass(frozen=True)
class Headline:
    """A headline as the report shows it; `url` is empty unless it is safe to follow."""

    when: str
    asset: str
    text: str
    score: str
    url: str


@dataclass(frozen=True)
class Headlines:
    """Rows with day (the date that counts), published (UTC, NaT where unknown), asset, text, score and url.

    by: in words, whose date `day` is.
    """

    rows: pd.DataFrame
    by: str

    def around(self, bottom: pd.Timestamp) -> Iterator[Headline]:
        """Those of the days around `bottom`: the most negative first, then the nearest in time.

        One text about several assets, or sent again, is one headline: the first of it, with all its assets.
        """
        since, until = bottom - pd.Timedelta(days=DAYS_BEFORE), bottom + pd.Timedelta(days=DAYS_AFTER)
        near = self.rows[self.rows["day"].between(since, until)]
        moment = near["published"].dt.tz_localize(None).fillna(near["day"])
        near = near.assign(distance=(moment - bottom).abs())
        ordered = near.sort_values(["score", "distance"], kind="stable")
        for row in ordered.drop_duplicates("text").head(MOST).to_dict("records"):
            published, form = row["published"], "%Y-%m-%d %H:%M UTC" if row["clocked"] else "%Y-%m-%d"
            yield Headline(
                when=f"session {row['day']:%Y-%m-%d}" if pd.isna(published) else f"{published:{form}}",
                asset=named(ordered.loc[ordered["text"] == row["text"], "asset"].unique()),
                text=str(row["text"]),
                score="" if math.isnan(row["score"]) else signed(row["score"], "+z.2f"),
                url=_web_address(row["url"]),
            )


def checked_headlines(table: pd.DataFrame, where: str = "headlines") -> Headlines:
    """Return a table of headlines as a report needs it.

    table: columns asset, text and published or session; where known also score (negative is bad news), url, and
    time_known (False: published is a date without a time). session is the date at whose close a headline was known,
    and decides which days it belongs to; without that column the UTC date of publication does, however late in the
    evening. Times without a zone are taken as UTC.

    Raises:
        FrameError: a column is missing, a row has no text, or one of its values is no time or number.
    """
    dated = [column for column in ("published", "session") if column in table.columns]
    absent = [column for column in ("asset", "text") if column not in table.columns]
    if absent or not dated:
        wanted = named(absent or ("published or session",))
        raise FrameError(f"{where} lacks {wanted}: give the columns published (or session), asset, text")
    rows = pd.DataFrame({"asset": table["asset"], "text": table["text"]}).reset_index(drop=True)
    _refuse(rows["text"].isna() | (rows["text"].astype(str).str.strip() == ""), table["text"], where, "has no text")
    for column in ("published", "session"):
        rows[column] = _times(table[column], where) if column in dated else pd.NaT
    rows["published"] = pd.to_datetime(rows["published"], utc=True)
    day = rows["session"] if "session" in dated else rows["published"].dt.tz_localize(None)
    rows["day"] = pd.to_datetime(day).dt.tz_localize(None).dt.normalize()
    rows["score"] = _numbers(table["score"], where) if "score" in table.columns else np.nan
    rows["url"] = table["url"].to_numpy() if "url" in table.columns else None
    rows["clocked"] = table["time_known"].to_numpy(dtype=bool) if "time_known" in table.columns else True
    return Headlines(rows, "session" if "session" in dated else "UTC date of publication")


def _times(values: pd.Series, where: str) -> pd.Series:
    plain = pd.api.types.is_datetime64_any_dtype(values)
    times = pd.to_datetime(values, utc=True, errors="coerce", format=None if plain else "ISO8601")
    _refuse(times.isna(), values, where, "is not a time in the form 2014-03-07T15:30:00+00:00")
    return times.reset_index(drop=True)


def _numbers(values: pd.Series, where: str) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce")
    _refuse(numbers.isna() & values.notna(), values, where, "is not a number")
    return numbers.reset_index(drop=True)


def _refuse(wrong: pd.Series, values: pd.Series, where: str, what: str) -> None:
    bad = np.flatnonzero(wrong)
    if len(bad):
        shown = f"{values.name} {values.iloc[bad[0]]!r} {what}" if "has" not in what else what
        raise FrameError(f"{where}: row {bad[0] + 1}: {shown} ({len(bad)} such rows)")


def _web_address(url: object) -> str:
    """Return `url` if it is an http or https address, else nothing: `javascript:` would run when clicked."""
    if not isinstance(url, str):
        return ""
    try:
        parts = urlsplit(url)
    except ValueError:  # such as an unclosed IPv6 bracket
        return ""
    return url if parts.scheme in ("http", "https") and parts.netloc else ""
