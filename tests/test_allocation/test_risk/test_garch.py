"""GARCH against the arch package, and what it must never see."""

import numpy as np
import pandas as pd
import pytest
from simulated_bars import BARS, simulated

from allocation import Bars, RiskError
from allocation.risk.garch import GarchVolatility


def test_forecasts_are_those_of_arch_within_the_noise_of_its_free_constant():
    arch = pytest.importorskip("arch")
    bars = Bars(simulated(5, 1200, 1)[0].close)
    returns = 100.0 * np.log(bars.close["A0"]).diff().dropna()
    fitted = arch.arch_model(returns, dist="t").fit(disp="off")
    theirs = np.sqrt(fitted.forecast(horizon=5).variance.iloc[-1].mean()) / 100.0
    ours = GarchVolatility(5, refit=len(bars.close) - 252)(bars)["A0"]
    assert ours == pytest.approx(theirs, rel=0.1)


def test_no_forecast_depends_on_a_later_row():
    model = GarchVolatility(refit=50)
    full, part = model.path(BARS), model.path(Bars(BARS.close.iloc[:412]))
    pd.testing.assert_frame_equal(full.iloc[:412], part, check_exact=True, check_freq=False)
    assert full.iloc[:251].isna().all(axis=None)
    assert full.iloc[260:].notna().all(axis=None)


def test_a_price_that_stands_still_has_no_forecast():
    still = BARS.close.assign(A1=10.0)
    assert GarchVolatility().path(Bars(still))["A1"].isna().all()


def test_settings_that_fit_nothing_are_refused():
    with pytest.raises(RiskError, match="fits nothing"):
        GarchVolatility(horizon=0)
