"""The sentences on the risk of today: each where it must appear, and where it must not."""

import numpy as np
import pandas as pd
import pytest

from backtest import WarningEvent
from backtest.warning.today import RiskToday


def today(volatility=0.30, usual=0.20, alarmed=0, assets=12):
    names = [f"A{number:02d}" for number in range(assets)]
    table = pd.DataFrame(
        {
            "volatility": volatility,
            "usual": usual,
            "probability": 0.1,
            "base_rate": 0.05,
            "alarm": np.arange(assets) < alarmed,
            "why": "",
        },
        names,
    )
    columns = ["session", "asset", "probability", "volatility", "usual", "outcome", "after"]
    nothing = pd.DataFrame(columns=columns)
    return RiskToday(pd.Timestamp("2020-03-02"), WarningEvent("move", 5, 2.5), table, nothing, table, 0.05, ())


def test_the_market_is_forecast_where_its_history_is_long_enough():
    market, _ = today().lead
    assert market == "Volatility of 30.0% a year is expected of the average asset, 1.50 times the usual."
    short, _ = today(volatility=np.nan).lead
    assert short == "No volatility can be forecast yet: histories are too short."


@pytest.mark.parametrize(
    ("alarmed", "said"),
    [
        (0, "No alarm."),
        (2, "Alarm: A00, A01."),
        (12, "Alarm: A00, A01, A02, A03, A04, A05, A06, A07, A08, A09 and 2 more."),
    ],
)
def test_who_has_an_alarm_is_named(alarmed, said):
    assert today(alarmed=alarmed).lead[1] == said
