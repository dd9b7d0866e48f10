"""What other packages lend to the command: `allocation` itself knows neither news nor schedules."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from allocation.policy import Policy


@dataclass(frozen=True)
class NewsSignal:
    """A signal made of news: sessions × assets, the newest headline (UTC), and what scored it."""

    signal: "pd.DataFrame"
    newest: "pd.Timestamp"
    model: str


@dataclass(frozen=True)
class Tools:
    """load_policy: of a strategy file; news_signal: of news, model, sessions and calendar; due: whether a session is a
    rebalancing date of a schedule, given all sessions and the calendar.
    """

    load_policy: "Callable[[Path], Policy]"
    news_signal: "Callable[[Path, str | None, pd.DatetimeIndex, str], NewsSignal]"
    due: "Callable[[pd.Timestamp, pd.DatetimeIndex, str, str], bool]"
