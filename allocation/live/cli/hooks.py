"""What another package lends to the command: `allocation` itself knows nothing of news."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # half a second of pandas that `newsfolio --help` does without
    from collections.abc import Callable

    import pandas as pd

    from allocation.live.cli.options import NewsFile


@dataclass(frozen=True)
class NewsSignal:
    """A signal made of news: sessions × assets, the newest headline (UTC), and the fingerprint of what scored it."""

    signal: "pd.DataFrame"
    newest: "pd.Timestamp"
    model: str


@dataclass(frozen=True)
class NewsReader:
    """signal: makes one of a news file, for sessions of a calendar; news, model: open a file or a classifier and say
    what it is, without scoring or keeping anything.
    """

    signal: "Callable[[NewsFile, pd.DatetimeIndex, str], NewsSignal]"
    news: "Callable[[NewsFile], str]"
    model: "Callable[[str], str]"
