"""What a file of news holds, for a person who has not seen it: period, midnights, hours of publication, repeats."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from newsfolio.shared.calendars import exchange_hours
from nlp.errors import NewsError
from nlp.texts.aliases import Aliases
from nlp.texts.headlines import HeadlineReport, headlines_with_report
from nlp.texts.times import Midnight

HOUR = pd.Timedelta(hours=1)
BAR = 40  # characters of the longest bar


@dataclass(frozen=True)
class NewsDescription:
    """What `describe_news` found; prints itself.

    report: rows kept and dropped. hours: rows with a time by hour of the exchange's clock, 24 numbers from midnight.
    before_close, after_close: share of the rows with a time that were published in the hour before, or after, a close.
    columns: which columns there are, as newsfolio reads them.
    """

    report: HeadlineReport
    zone: str
    hours: tuple[int, ...]
    before_close: float
    after_close: float
    columns: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        report = asdict(self.report) | {name: getattr(self.report, name).isoformat() for name in ("first", "last")}
        return report | {
            "zone": self.zone,
            "hours": list(self.hours),
            "before_close": self.before_close,
            "after_close": self.after_close,
            "columns": list(self.columns),
        }

    def __str__(self) -> str:
        """The report, the midnights, and a histogram of the hours in which news was published."""
        timed = sum(self.hours)
        lines = [
            str(self.report),
            f"columns: {', '.join(self.columns)}",
            f"{self.report.midnights:,} midnights read as dates, {self.report.multiline:,} texts with line breaks",
        ]
        if not timed:
            return "\n".join([*lines, "no row has a time of day: all count from the session after their date"])
        widest = max(self.hours)
        bars = [f"{hour:02}  {rows:>9,}  {'#' * round(BAR * rows / widest)}" for hour, rows in enumerate(self.hours)]
        return "\n".join([
            *lines,
            f"published by hour of {self.zone} ({timed:,} rows with a time): few at night and most from 7 to 17 where "
            "the stamps carry the right zone",
            *bars,
            f"in the hour before a close {self.before_close:.1%}, in the hour after {self.after_close:.1%}",
        ])  # fmt: skip


def describe_news(
    source: str | Path | pd.DataFrame,
    *,
    timezone: str | None = None,
    aliases: Aliases | None = None,
    midnight: Midnight = "auto",
    columns: Mapping[str, str] | None = None,
    calendar: str = "XNYS",
) -> NewsDescription:
    """Return what a source of news holds; whether its stamps carry the right zone only a person can see.

    Arguments as of `read_headlines`; rows need no text. calendar: the exchange whose clock and closes are meant.

    Raises:
        NewsError: as `read_headlines`, or the calendar is unknown.
    """
    news, report = headlines_with_report(
        source, timezone=timezone, aliases=aliases, midnight=midnight, columns=columns, text_needed=False
    )
    instants = pd.DatetimeIndex(news["published"][news["time_known"]])
    exchange = exchange_hours(calendar, report.first.tz_localize(None), report.last.tz_localize(None), error=NewsError)
    hours = np.bincount(instants.tz_convert(exchange.zone).hour, minlength=24)
    near = [
        exchange.closes.searchsorted(instants + ahead, side="right") - exchange.closes.searchsorted(instants - back)
        for ahead, back in ((HOUR, pd.Timedelta(0)), (pd.Timedelta(0), HOUR))
    ]
    before, after = (float((count > 0).mean()) if len(instants) else 0.0 for count in near)
    return NewsDescription(
        report=report,
        zone=exchange.zone,
        hours=tuple(int(rows) for rows in hours),
        before_close=before,
        after_close=after,
        columns=tuple(str(name) for name in news.columns),
    )
