"""What another package lends to the command: `allocation` itself knows nothing of news."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd


@dataclass(frozen=True)
class NewsSignal:
    """A signal made of news: sessions × assets, the newest headline (UTC), and the fingerprint of what scored it."""

    signal: pd.DataFrame
    newest: pd.Timestamp
    model: str


# (news file, model or None where it has scores, sessions, calendar) -> signal
ReadNewsSignal = Callable[[Path, str | None, pd.DatetimeIndex, str], NewsSignal]
