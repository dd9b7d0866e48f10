"""What another package lends to the command: `allocation` itself knows nothing of news."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # half a second of pandas that `newsfolio --help` does without
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd

    # (news file, model or None where it has scores, sessions, calendar) -> signal
    ReadNewsSignal = Callable[[Path, str | None, pd.DatetimeIndex, str], "NewsSignal"]


@dataclass(frozen=True)
class NewsSignal:
    """A signal made of news: sessions × assets, the newest headline (UTC), and the fingerprint of what scored it."""

    signal: "pd.DataFrame"
    newest: "pd.Timestamp"
    model: str
