"""The study: figures against plain formulas, noise that is called nothing, and all that is promised to scripts."""

import json

import numpy as np
import pandas as pd
import pytest
from simulated_bars import simulated

from allocation import AllocationError, Bars, HarVolatility, NewsVolatility
from backtest import WarningEvent, index_volatility, judge_warnings
from backtest.warning.scores import judge_probabilities, variance_losses
from newsfolio.shared.text_table import json_text

N, ASSETS = 1100, 5
BARS, _ = simulated(11, N, ASSETS)
EVENT = WarningEvent("move", 5, 2.5)
NOISE = pd.DataFrame(np.random.default_rng(5).standard_normal((N, ASSETS)), BARS.close.index, BARS.close.columns)


@pytest.fixture(scope="module")
def found():
    return judge_warnings(BARS, {"noise": NOISE}, event=EVENT, placebos=2)


def test_what_is_promised_to_scripts_is_there(found):
    figures = json.loads(json_text(found.to_dict()))
    assert {"har", "ewma60", "garch"} <= set(figures["volatility"]["qlike"])
    assert figures["volatility"]["n"] > 1000
    for key in ("qlike_gain", "t", "placebo_gain"):
        assert isinstance(figures["news"][key], float)
    for key in ("qlike_gain_interval", "placebo_gain_interval"):
        assert len(figures["news"][key]) == 2
    for key in ("per_asset_year", "precision", "base_rate", "lead_sessions"):
        assert key in figures["alarms"]
    for key in ("precision_interval", "lead_sessions_interval"):
        assert len(figures["alarms"][key]) == 2
    assert 0.0 < figures["alarms"]["per_asset_year"] <= 2.0


def test_news_that_is_noise_is_called_nothing(found):
    assert "News adds nothing" in found.lead[1]
    assert abs(found.news.gain) < 0.02


def test_it_prints_in_a_hundred_columns(found):
    assert max(map(len, str(found).splitlines())) <= 100
    for words in ("har", "ewma60", "garch", "placebo: moved in time", "AUROC", "usefulness"):
        assert words in str(found)


def test_har_beats_the_averages_where_volatility_changes(found):
    assert found.losses.mean("har") < found.losses.mean("ewma60") < found.losses.mean("sample252")
    assert found.against["ewma60"].t > 2.0
    assert found.tests["ewma60"] >= found.against["ewma60"].p


def test_without_news_the_forecast_is_that_of_prices(found):
    bare = judge_warnings(BARS, event=EVENT, placebos=1)
    assert bare.losses.mean("news") == bare.losses.mean("har") == pytest.approx(found.losses.mean("har"))
    assert bare.news.gain == bare.news.t == bare.placebo_gain == 0.0
    assert any("no news was given" in note for note in bare.notes)


def test_qlike_is_its_formula_on_squared_returns():
    path = HarVolatility().path(BARS)
    losses = variance_losses({"har": path}, BARS, 5, squared_returns=True)
    squares = (np.log(BARS.close).diff() ** 2).to_numpy()
    row, column = 600, 2
    ratio = squares[row + 1 : row + 6, column].mean() / path.to_numpy()[row, column] ** 2
    assert losses.by["har"][row, column] == pytest.approx(ratio - np.log(ratio) - 1.0)
    assert not losses.known[-5:].any()


def test_probability_figures_are_those_of_their_definitions():
    random = np.random.default_rng(2)
    p = random.random((400, 3)) * 0.2
    came = (random.random((400, 3)) < p).astype(float)
    found = judge_probabilities(p, came, np.ones(p.shape, dtype=bool))
    assert found.brier == pytest.approx(np.mean((p - came) ** 2))
    above = (p.ravel()[came.ravel() == 1][:, None] > p.ravel()[came.ravel() == 0]).mean()
    assert found.auroc == pytest.approx(above)
    assert found.ece < 0.05
    assert sum(cells for _, _, cells in found.bins) == 1200


def test_an_index_of_volatility_is_scaled_by_what_was_known():
    index = pd.Series(20.0, BARS.close.index)
    scaled = index_volatility(index, BARS)
    squares = (np.log(BARS.close).diff() ** 2).rolling(504, min_periods=60).mean()
    np.testing.assert_allclose(scaled.iloc[200:], np.sqrt(squares.iloc[200:]), rtol=1e-9)


def test_too_little_history_is_refused_and_one_asset_is_judged():
    with pytest.raises(AllocationError, match="399 sessions cannot be judged"):
        judge_warnings(Bars(BARS.close.iloc[:399]))
    one = Bars(*(None if part is None else part[["A0"]] for part in vars(BARS).values()))
    found = judge_warnings(one, {"noise": NOISE[["A0"]]}, event=EVENT, placebos=1)
    assert any("one asset" in note for note in found.notes)
    with pytest.raises(AllocationError, match="placebos is 0"):
        judge_warnings(BARS, placebos=0)


def test_closes_alone_are_judged_and_it_is_said():
    found = judge_warnings(Bars(BARS.close), model=NewsVolatility(HarVolatility()), event=EVENT, placebos=1)
    assert any("no highs and lows" in note for note in found.notes)
    assert found.losses.n > 1000
