"""Sweeps: logged, resumed, the same in parallel, and judged by how many settings were tried."""

import os
import signal
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import two_ray_nodes
from support import random_prices

from allocation import FrameError, SourceError
from backtest import Costs, grid, simulate, sweep
from backtest.sweeps.trials import Trial, Trials, key_of

PRICES = random_prices(1, 60)
SETTINGS = grid({"tilt": [0.0, 0.1, 0.2], "bp": [0, 10]})


def tilted(prices):
    """Return what makes a portfolio tilted to the first asset; defined in here, so that it is sent to workers whole.

    A function of this file's own is sent by name, and a worker cannot import a test file.
    """

    def make(setting):
        weights = prices.iloc[::5] * 0 + 0.2
        weights["AAA"] += setting["tilt"]
        return simulate(prices, weights, Costs(setting["bp"] / 1e4, 0.0))

    return make


def quick(prices):
    """A mean of returns in place of a Result, for which workers need not load a simulator."""

    def make(setting):
        returns = prices.pct_change().iloc[1:].mean(axis=1) * (1 + setting["tilt"]) - setting["bp"] / 1e4
        figures = {"total_return": float(returns.sum()), "sharpe": float(returns.mean() / returns.std())}
        return SimpleNamespace(returns=returns, figures=lambda: figures)

    return make


def refusing():
    def make(setting):
        raise FrameError(f"no such tilt: {setting['tilt']}")

    return make


def killed_once(make, mark):
    """As `make`, but the first of all workers kills itself at the third setting."""

    def kill(setting):
        if setting == {"tilt": 0.1, "bp": 0} and not os.path.exists(mark):
            open(mark, "x").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return make(setting)

    return kill


made = tilted(PRICES)


def test_a_grid_is_every_combination():
    assert grid({"a": [1, 2], "b": ["x"]}) == [{"a": 1, "b": "x"}, {"a": 2, "b": "x"}]
    with pytest.raises(FrameError, match="at least one axis"):
        grid({"a": []})


def test_a_sweep_is_its_single_runs(tmp_path):
    found = sweep(made, SETTINGS, study="s", log=tmp_path / "trials.sqlite")
    assert found.tried == len(found.table) == 6
    for number, setting in enumerate(SETTINGS):
        alone = made(setting)
        assert found.returns[number].to_numpy().tobytes() == alone.returns.to_numpy().tobytes()
        assert found.table.loc[number, "sharpe"] == alone.sharpe
    assert found.best == int(np.argmax([made(setting).sharpe for setting in SETTINGS]))
    assert "6 settings, 6 tried in all" in str(found)
    assert 0.0 <= found.deflated_sharpe <= 1.0


def test_serial_and_parallel_are_the_same_to_the_last_bit(tmp_path):
    serial = sweep(made, SETTINGS, study="s", log=tmp_path / "serial.sqlite")
    parallel = sweep(made, SETTINGS, study="s", log=tmp_path / "parallel.sqlite", workers=2)
    assert serial.returns.to_numpy().tobytes() == parallel.returns.to_numpy().tobytes()
    pd.testing.assert_frame_equal(serial.table, parallel.table, check_exact=True)


def test_two_ray_nodes_go_on_where_one_machine_stopped(tmp_path):
    address = two_ray_nodes.address()
    serial = sweep(quick(PRICES), SETTINGS, study="s", log=tmp_path / "serial.sqlite")
    sweep(quick(PRICES), SETTINGS[:2], study="s", log=tmp_path / "ray.sqlite")
    spread = sweep(quick(PRICES), SETTINGS, study="s", log=tmp_path / "ray.sqlite", ray=address)
    assert serial.returns.to_numpy().tobytes() == spread.returns.to_numpy().tobytes()
    pd.testing.assert_frame_equal(serial.table, spread.table, check_exact=True)
    assert Trials(tmp_path / "ray.sqlite").count("s") == spread.tried == 6
    with pytest.raises(FrameError, match="no such tilt"):  # and Ray is left as it was found: to be connected to again
        sweep(refusing(), SETTINGS, study="t", log=tmp_path / "ray.sqlite", ray=address)


@pytest.mark.slow
def test_ray_is_the_same_to_the_last_bit_also_when_a_worker_is_killed(tmp_path):
    address = two_ray_nodes.address()
    serial = sweep(made, SETTINGS, study="s", log=tmp_path / "serial.sqlite")
    dying = killed_once(made, str(tmp_path / "killed"))
    spread = sweep(dying, SETTINGS, study="s", log=tmp_path / "ray.sqlite", ray=address)
    assert (tmp_path / "killed").exists()
    assert serial.returns.to_numpy().tobytes() == spread.returns.to_numpy().tobytes()
    pd.testing.assert_frame_equal(serial.table, spread.table, check_exact=True)


def test_without_ray_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SourceError, match=r'Ray is not installed: pip install "newsfolio\[ray\]"'):
        sweep(made, SETTINGS, study="s", log=tmp_path / "t.sqlite", ray="auto")


def test_where_no_cluster_answers_it_is_said(tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed")
    with pytest.raises(SourceError, match=r"no Ray cluster answers at 127.0.0.1:9 .*: start one with"):
        sweep(made, SETTINGS, study="s", log=tmp_path / "t.sqlite", ray="127.0.0.1:9")


def test_an_interrupted_sweep_goes_on_where_it_stopped(tmp_path):
    asked = []

    def failing(setting):
        asked.append(setting)
        if len(asked) == 4:
            raise KeyboardInterrupt
        return made(setting)

    log = tmp_path / "trials.sqlite"
    with pytest.raises(KeyboardInterrupt):
        sweep(failing, SETTINGS, study="s", log=log)
    found = sweep(failing, SETTINGS, study="s", log=log)
    assert [setting for setting in asked if asked.count(setting) > 1] == [SETTINGS[3]] * 2
    assert found.returns.equals(sweep(made, SETTINGS, study="fresh", log=log).returns)


def test_what_was_tried_before_counts(tmp_path):
    log = tmp_path / "trials.sqlite"
    first = sweep(made, SETTINGS[:2], study="s", log=log)
    more = sweep(made, SETTINGS, study="s", log=log)
    again = sweep(made, SETTINGS[:2], study="s", log=log)
    assert (first.tried, more.tried, again.tried) == (2, 6, 6)
    assert again.deflated_sharpe < first.deflated_sharpe
    assert Trials(log).count("another study") == 0


def test_a_heat_map_averages_the_other_axes(tmp_path):
    found = sweep(made, SETTINGS, study="s", log=tmp_path / "t.sqlite")
    table = found.heat_map("tilt", "bp", "annual_cost")
    assert table.shape == (3, 2)
    assert (table[0] == 0).all()
    assert table.loc[0.1, 10] == found.table.query("tilt == 0.1 and bp == 10")["annual_cost"].item()
    with pytest.raises(FrameError, match="the sweep has no 'nothing'"):
        found.heat_map("tilt", "nothing")


def test_wrong_settings_are_named(tmp_path):
    log = tmp_path / "t.sqlite"
    with pytest.raises(FrameError, match="no setting"):
        sweep(made, [], study="s", log=log)
    with pytest.raises(FrameError, match=r'duplicate entry for the setting \{"bp": 0, "tilt": 0.0\}'):
        sweep(made, [SETTINGS[0], SETTINGS[0]], study="s", log=log)
    with pytest.raises(SourceError, match="cannot be logged: use numbers and text"):
        sweep(made, [{"tilt": object()}], study="s", log=log)
    log.write_text("this is no database, and long enough to be seen as none" * 40)
    with pytest.raises(SourceError, match="cannot be used as a file of trials"):
        sweep(made, SETTINGS, study="s", log=log)


def test_a_trial_comes_back_as_it_was(tmp_path):
    trials = Trials(tmp_path / "t.sqlite")
    returns = made(SETTINGS[0]).returns
    trial = Trial({"b": "'; DROP TABLE trial; --", "a": None}, {"sharpe": float("nan"), "x": 1.5}, returns)
    trials.record("s", trial)
    back = trials.of("s")[key_of({"a": None, "b": "'; DROP TABLE trial; --"})]
    assert back.setting == trial.setting
    assert np.isnan(back.figures["sharpe"])
    assert back.figures["x"] == 1.5
    pd.testing.assert_series_equal(back.returns, returns, check_freq=False, check_index_type=False)
