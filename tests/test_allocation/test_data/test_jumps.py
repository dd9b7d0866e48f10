"""Unadjusted splits and changed units are found on closes and opens; a market's own moves are not."""

import numpy as np
import pandas as pd
import pytest

from allocation import Bars, SourceError
from allocation.data.jumps import find_jumps, frozen_note, refuse_jumps

DAYS = pd.bdate_range("2020-01-01", periods=120)
DAY = DAYS[60]


def quiet(seed=0, deviation=0.015):
    moves = np.random.default_rng(seed).normal(0, deviation, (120, 2)).clip(-2.5 * deviation, 2.5 * deviation)
    return pd.DataFrame(50 * np.exp(moves.cumsum(axis=0)), index=DAYS, columns=["AAA", "BBB"])


@pytest.mark.parametrize(
    ("factor", "split"),
    [(1 / 2, "2:1"), (2 / 3, "3:2"), (1 / 4, "4:1"), (1 / 20, "20:1"), (10, "1:10"), (0.01, "100:1")],
)
def test_a_split_is_found_with_its_asset_date_and_ratio(factor, split):
    close = quiet()
    close.loc[DAY:, "AAA"] *= factor
    close["AAA"] = close["AAA"].where(close.index != DAY, close["AAA"].shift(1) * factor * 1.004)
    (jump,) = find_jumps(Bars(close))
    assert (jump.asset, jump.date, jump.split) == ("AAA", DAY, split)


def test_an_open_in_pence_is_found_there_and_back():
    close = quiet()
    opens = close.shift(1).bfill() * 1.001
    assert not find_jumps(Bars(close, opens))
    opens.loc[DAY, "AAA"] *= 100
    assert [(jump.asset, jump.date) for jump in find_jumps(Bars(close, opens))] == [("AAA", DAY)] * 2


def test_a_crash_among_large_moves_is_none():
    close = quiet(deviation=0.08)
    close.loc[DAY:, "AAA"] *= 0.5
    assert not find_jumps(Bars(close))


def test_a_crash_on_which_much_was_traded_is_none():
    close = quiet()
    close.loc[DAY:, "AAA"] *= 0.5
    volume = pd.DataFrame(1000.0, index=DAYS, columns=close.columns)
    volume.loc[DAY] = 2000.0
    assert find_jumps(Bars(close, volume=volume))
    volume.loc[DAY] = 8000.0
    assert not find_jumps(Bars(close, volume=volume))


def test_a_jump_is_refused_unless_its_asset_is_allowed():
    close = quiet()
    close.loc[DAY:, "AAA"] *= 0.25
    bars = Bars(close)
    with pytest.raises(SourceError, match=r"p.csv: .*AAA on 2020-03-25 \(x 0.2.*, as 4:1\).*--allow-jump AAA$"):
        refuse_jumps(bars, "p.csv")
    assert refuse_jumps(bars, "p.csv", ["AAA"]) is bars
    with pytest.raises(SourceError, match="has no CCC whose jump"):
        refuse_jumps(bars, "p.csv", ["CCC"])


def test_closes_that_stand_still_for_a_month_are_said():
    random = np.random.default_rng(1)
    closes = pd.DataFrame(
        100 * np.exp(0.01 * random.standard_normal((300, 3)).cumsum(axis=0)),
        index=pd.bdate_range("2020-01-01", periods=300),
        columns=list("ABC"),
    )
    assert frozen_note(closes) is None
    closes.iloc[50:70, 0] = 99.0  # twenty rows
    assert frozen_note(closes) is None
    closes.iloc[100:200, 1] = 55.0
    closes.iloc[150:160, 1] = np.nan  # not traded: no row of its own
    assert "1 assets have the same close for 21 rows or more, such as B for 90" in str(frozen_note(closes))
