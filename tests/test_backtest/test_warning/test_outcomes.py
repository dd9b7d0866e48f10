"""What a warning is a warning of, by hand; probabilities that are calibrated and never know the future."""

import numpy as np
import pandas as pd
import pytest
from simulated_bars import simulated

from allocation import AllocationError, Bars, HarVolatility
from backtest import WarningEvent
from backtest.warning.outcomes import probabilities, usual_volatility

BARS, TRUTH = simulated(8, 1500, 6)
EVENT = WarningEvent("move", 3, 2.5)
PATH = HarVolatility(horizon=3).path(BARS)


def closes(returns) -> pd.DataFrame:
    logs = np.concatenate([[0.0], np.cumsum(returns)])
    return pd.DataFrame({"A": 100.0 * np.exp(logs)}, pd.bdate_range("2020-01-01", periods=len(logs)))


QUIET = [0.01, -0.01] * 50


def test_a_move_is_seen_from_each_session_whose_horizon_holds_it():
    close = closes([*QUIET, -0.05, *QUIET[:10]])
    came, after = WarningEvent("move", 3, 4.0).outcomes(close)
    rows = np.flatnonzero(came[:, 0] == 1.0)
    assert rows.tolist() == [98, 99, 100]
    assert after[rows, 0].tolist() == [3.0, 2.0, 1.0]
    assert np.isnan(came[-3:, 0]).all()
    assert np.isnan(came[:60, 0]).all()


def test_a_drawdown_is_a_fall_from_now_and_a_rise_is_none():
    for sign, expected in ((-1.0, True), (1.0, False)):
        close = closes([*QUIET, *(sign * np.full(4, 0.03)), *QUIET[:10]])
        came, _ = WarningEvent("drawdown", 4, 4.0).outcomes(close)
        assert bool(came[100, 0] == 1.0) is expected


def test_high_volatility_is_a_mean_square_above_the_usual():
    close = closes([*QUIET, 0.03, -0.03, 0.03, *QUIET[:10]])
    came, after = WarningEvent("high volatility", 3, 4.0).outcomes(close)
    assert came[100, 0] == 1.0
    assert after[100, 0] == 2.0  # 2 × 0.03² / 3 lies above (2 × 0.01)²
    assert came[80, 0] == 0.0


@pytest.mark.parametrize("wrong", [("crash", 5, 4.0), ("move", 0, 4.0), ("move", 5, 0.0)])
def test_what_is_no_event_is_refused(wrong):
    with pytest.raises(AllocationError, match="is no event: use move, drawdown"):
        WarningEvent(*wrong)


def test_probabilities_are_calibrated():
    p = probabilities(PATH, BARS, EVENT).to_numpy()
    came, _ = EVENT.outcomes(BARS.close)
    known = np.isfinite(p) & np.isfinite(came)
    groups = np.array_split(np.argsort(p[known]), 5)
    for rows in groups:
        assert p[known][rows].mean() == pytest.approx(came[known][rows].mean(), abs=0.06)
    assert came[known][groups[-1]].mean() > 2.0 * came[known][groups[0]].mean()


@pytest.mark.parametrize("end", [700, 1201])
def test_no_probability_depends_on_a_later_price_to_the_last_bit(end):
    later, _ = simulated(9, 1500, 6)
    close = pd.concat([BARS.close.iloc[:end], later.close.iloc[end:]])
    path = pd.concat([PATH.iloc[:end], PATH.iloc[end:] * 3.0])
    full, part = (probabilities(*each, EVENT).iloc[:end] for each in ((PATH, BARS), (path, Bars(close))))
    assert full.to_numpy().tobytes() == part.to_numpy().tobytes()


def test_the_usual_volatility_is_that_of_the_year_before():
    expected = np.sqrt((np.log(BARS.close).diff() ** 2).iloc[-252:].mean())
    np.testing.assert_allclose(usual_volatility(BARS.close).iloc[-1], expected, rtol=1e-9)
