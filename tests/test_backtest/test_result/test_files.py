"""A result comes back from disk as it was, and a damaged one is named."""

import json

import pandas as pd
import pytest
from support import random_prices

from allocation import SourceError
from backtest import Costs, load_result, save_result, simulate

PRICES = random_prices(1, 30)


def result(level=0.2, calendar=None):
    weights = PRICES.iloc[::7] * 0 + level
    return simulate(PRICES, weights, Costs(cash_yield=0.02), name="ours <&>", calendar=calendar)


@pytest.mark.parametrize("calendar", [None, "XNYS"])
def test_it_comes_back_as_it_was(tmp_path, calendar):
    ours = result(calendar=calendar)
    back = load_result(save_result(ours, tmp_path / "a" / "ours"))
    assert (back.name, back.notes, back.sessions_in_year) == (ours.name, ours.notes, ours.sessions_in_year)
    pd.testing.assert_series_equal(back.nav, ours.nav, check_exact=True, check_freq=False)
    for name in ("weights", "trades", "targets", "flows"):
        mine, theirs = getattr(ours, name), getattr(back, name)
        pd.testing.assert_frame_equal(mine, theirs, check_exact=True, check_freq=False, check_column_type=False)
    assert back.figures() == ours.figures()
    assert str(back) == str(ours)


def test_figures_can_be_read_by_a_person(tmp_path):
    stored = json.loads((save_result(result(), tmp_path / "ours") / "result.json").read_text())
    assert stored["name"] == "ours <&>"
    assert stored["figures"]["sharpe"] == pytest.approx(result().sharpe)


def test_an_older_result_is_replaced_and_nothing_else_is(tmp_path):
    save_result(result(0.1), tmp_path / "ours")
    save_result(result(0.2), tmp_path / "ours")
    assert load_result(tmp_path / "ours").nav.equals(result(0.2).nav)
    assert [path.name for path in tmp_path.iterdir()] == ["ours"]
    (tmp_path / "letters").mkdir()
    with pytest.raises(SourceError, match="letters: is there and holds no result"):
        save_result(result(), tmp_path / "letters")


@pytest.mark.parametrize("name", ["nav.parquet", "trades.parquet", "result.json"])
def test_missing_and_damaged_files_are_named(tmp_path, name):
    folder = save_result(result(), tmp_path / "ours")
    (folder / name).write_text("{}")
    with pytest.raises(SourceError, match="ours: the result is damaged"):
        load_result(folder)
    (folder / name).unlink()
    with pytest.raises(SourceError, match=f"ours: holds no result, {name} is missing"):
        load_result(folder)


def test_a_result_of_the_future_is_refused(tmp_path):
    folder = save_result(result(), tmp_path / "ours")
    stored = json.loads((folder / "result.json").read_text()) | {"format": 99}
    (folder / "result.json").write_text(json.dumps(stored))
    with pytest.raises(SourceError, match="written by a newer newsfolio"):
        load_result(folder)
