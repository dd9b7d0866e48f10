"""The study: figures against plain formulas, noise that is called nothing, and all that is promised to scripts."""

import dataclasses
import json
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from simulated_bars import simulated

from allocation import AllocationError, Bars, HarVolatility, NewsVolatility
from backtest import WarningEvent, index_volatility, judge_warnings
from backtest.statistics.significance import Interval
from backtest.warning.scores import judge_probabilities, variance_losses
from backtest.warning.today import NO_NEWS
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


def sentences(found, **change):
    return dataclasses.replace(found, **change).lead


def test_the_forecast_is_said_to_be_better_worse_or_no_more_than_chance(found):
    better, chance = found.lead[0], dataclasses.replace(found.against["ewma60"], t=0.4, p=0.7)
    assert re.search(r"is \d+\.\d% below that of EWMA 60 \(t \d+\.\d\)\.$", better)
    assert sentences(found, against={**found.against, "ewma60": chance})[0].endswith("(t 0.4): no more than chance.")
    means = {"har": 0.5, "ewma60": 0.4}
    worse = sentences(found, losses=SimpleNamespace(mean=means.get))[0]
    assert "is 25.0% above that of EWMA 60" in worse
    assert "below" not in worse


def test_news_is_said_to_add_only_beyond_placebos_and_chance(found):
    clear = dataclasses.replace(found.news, gain=0.05, t=4.0, p=0.0001)
    placebos = {"moved in time": (0.0, 0.01)}
    said = sentences(found, news=clear, placebo_gains=placebos, coefficients=found.coefficients + 1.0)[1]
    assert said == "News adds to HAR: QLIKE +5.00%, t 4.0, placebos +0.50%."
    for change in (
        {"news": dataclasses.replace(clear, t=1.9)},
        {"news": dataclasses.replace(clear, p=0.2)},
        {"placebo_gains": {"moved in time": (0.0, 0.06)}},
    ):
        usual = {"news": clear, "placebo_gains": placebos, "coefficients": found.coefficients + 1.0}
        assert sentences(found, **usual | change)[1].startswith("News adds nothing that its placebos or chance do not")
    unused = sentences(found, news=clear, placebo_gains=placebos, coefficients=found.coefficients * 0.0)[1]
    assert unused.startswith("News adds nothing: no feature had a coefficient")


def test_alarms_are_judged_with_their_interval_where_there_were_any(found):
    mine = dataclasses.replace(found.alarms["news"], precision=0.125, base_rate=0.11, per_asset_year=1.5)
    mine = dataclasses.replace(mine, precision_interval=Interval(0.08, 0.17), alarms=20)
    alarms = {**found.alarms, "news": mine}
    bare = sentences(found, alarms=alarms, coefficients=found.coefficients * 0.0)[2]
    assert bare == (
        "At 1.5 alarms an asset and year 12.5% were right (95 % 8.0% to 17.0%), against a base rate of 11.0%."
    )
    assert "; prices alone: " in sentences(found, alarms=alarms, coefficients=found.coefficients + 1.0)[2]
    none = {**found.alarms, "news": dataclasses.replace(mine, alarms=0)}
    assert sentences(found, alarms=none)[2] == "No alarm was raised: there is nothing to judge."
    assert "No alarm was raised" not in bare


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
    assert {"news", "another asset's news"} <= set(bare.to_dict()["alarms"]["by"])


def test_without_news_nothing_is_printed_of_it_but_that_there_was_none():
    bare = judge_warnings(BARS, event=EVENT, placebos=1)
    assert bare.news_given is False
    assert [line for line in str(bare).splitlines() if "news" in line.lower()] == [f"note: {NO_NEWS}"]
    assert len(bare.lead) == 2


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
