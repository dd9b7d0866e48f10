"""What people first pass to run(): taken where the meaning is plain, else refused with the value and its unit."""

import numpy as np
import pandas as pd
import pytest
from support import random_prices, random_signal

from allocation import AllocationError, Bars, EqualWeight
from allocation.schedule import rebalance_dates
from backtest import Costs, run

DAYS = pd.bdate_range("2022-09-06", periods=55, name="date")
PRICES = random_prices(1, 55).set_axis(DAYS)
SIGNAL = random_signal(1, PRICES)


def test_a_frame_of_closes_a_schedule_and_a_number_are_plain():
    plain = run(EqualWeight(), PRICES, None, "weekly", costs=0.001)
    written = run(
        EqualWeight(), Bars(PRICES), None, rebalance_dates(DAYS, "weekly"),
        costs=Costs(commission=0.0005, half_spread=0.0005),
    )  # fmt: skip
    np.testing.assert_allclose(plain.nav, written.nav, rtol=1e-12)
    for dates in (5, list(DAYS[::5]), [f"{day:%Y-%m-%d}" for day in DAYS[::5]]):
        np.testing.assert_array_equal(run(EqualWeight(), PRICES, None, dates).targets.index, DAYS[::5])


REFUSED = {
    "costs in basis points": ({"costs": 10}, r"costs is 10: give a fraction of the traded value .* 0.001 for 10 bp"),
    "costs as text": ({"costs": "10bp"}, "costs is a str: give Costs"),
    "costs that are true": ({"costs": True}, "costs is a bool"),
    "a class of costs": ({"costs": Costs}, "costs is a type"),
    "a negative cost": ({"costs": -0.001}, "costs is -0.001: give a fraction"),
    "a class of policy": ({"policy": EqualWeight}, r"policy is the class EqualWeight: .* such as EqualWeight\(\)"),
    "no policy": ({"policy": None}, "policy is a NoneType: pass a callable"),
    "an unknown schedule": ({"dates": "yearly"}, "schedule 'yearly' is not known: use daily, weekly, monthly or a num"),
    "no schedule": ({"dates": None}, "dates is None: give sessions of the prices, or daily, weekly, monthly"),
    "no session": ({"dates": 0}, "schedule 0 is not known"),
    "an array": ({"bars": PRICES.to_numpy()}, r"bars is a ndarray: give Bars\(close, open\), or a frame of closes"),
    "a path": ({"bars": "p.csv"}, "bars is a str: give Bars"),
    "a signal in percent": ({"signal": SIGNAL * 100}, r"signal: -?\d+.* for .* at .* lies outside \[-1, 1\]: scale"),
    "standard scores": ({"signal": SIGNAL * 3}, r"lies outside \[-1, 1\]: scale the signal"),
    "prices of zero": ({"bars": PRICES * 0}, "0 for AAA at 2022-09-06 is not a price"),
}  # fmt: skip


@pytest.mark.parametrize(("given", "complaint"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_meant_otherwise_is_refused_in_one_line(given, complaint):
    call = {"policy": EqualWeight(), "bars": PRICES, "signal": None, "dates": "weekly"} | given
    options = {"costs": call.pop("costs")} if "costs" in call else {}
    with pytest.raises(AllocationError, match=complaint) as raised:
        run(*call.values(), **options)
    assert "\n" not in str(raised.value)
