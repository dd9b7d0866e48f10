"""Until when news counts for a session: at its close, at its open, or minutes before either."""

import re
from dataclasses import dataclass

import pandas as pd

from nlp.errors import NewsError
from nlp.signals.exchange_hours import Hours

_FORM = re.compile(r"(open|close)(?:-(\d{1,4}))?")
DAY = 24 * 60


@dataclass(frozen=True)
class Cutoff:
    """News published before this moment of a session counts for it; `minutes` before its open or close."""

    event: str
    minutes: int = 0

    def instants(self, hours: Hours) -> pd.DatetimeIndex:
        """Return the moment (UTC) for each session."""
        events = hours.opens if self.event == "open" else hours.closes
        return events - pd.Timedelta(minutes=self.minutes)


def parse_cutoff(text: str) -> Cutoff:
    """Read `close`, `open`, or either with minutes before it: `close-15`.

    Raises:
        NewsError: the text is none of these, or the minutes make a day or more.
    """
    found = _FORM.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise NewsError(f"cut-off {text!r} is not known: use 'close', 'open', or minutes before one, as 'close-15'")
    minutes = int(found[2] or 0)
    if minutes >= DAY:
        raise NewsError(f"cut-off {text!r} lies a day or more before the {found[1]}: give fewer than {DAY} minutes")
    return Cutoff(found[1], minutes)
