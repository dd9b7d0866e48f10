"""A benchmark of the user's own: prices or returns, told apart by the column's name and checked."""

import numpy as np
import pandas as pd
import pytest

from allocation.errors import AllocationError
from backtest.result.benchmark_file import read_benchmark

SESSIONS = pd.bdate_range("2021-01-04", periods=60, name="date")
LEVELS = pd.Series(100 * np.cumprod(1 + 0.01 * np.random.default_rng(0).standard_normal(60)), SESSIONS, name="close")
RETURNS = LEVELS.pct_change().rename("return")


def written(folder, values, name="index.csv"):
    values.to_csv(folder / name)
    return folder / name


@pytest.mark.parametrize("column", ["close", "Adj Close", "nav", "value"])
def test_levels_are_read_as_they_are_and_named_after_the_file(column, tmp_path):
    found = read_benchmark(written(tmp_path, LEVELS.rename(column)), SESSIONS)
    np.testing.assert_allclose(found.nav, LEVELS)
    assert found.name == "index"
    assert read_benchmark(written(tmp_path, LEVELS.rename("SPX")), SESSIONS).name == "SPX"


@pytest.mark.parametrize("column", ["return", "Returns", "RETURN"])
@pytest.mark.parametrize("first", [0, 1])
def test_returns_are_compounded_and_the_first_session_needs_none(column, first, tmp_path):
    returns = RETURNS.fillna(0.004).iloc[first:].rename(column)
    found = read_benchmark(written(tmp_path, returns), SESSIONS)
    np.testing.assert_allclose(found.nav / found.nav.iloc[0], LEVELS / LEVELS.iloc[0])


def test_returns_of_days_without_a_session_count(tmp_path):
    extra = pd.Series([0.5], [pd.Timestamp("2021-01-09")], name="return").rename_axis("date")  # a Saturday
    returns = pd.concat([RETURNS.fillna(0.0), extra]).sort_index().rename("return")
    found = read_benchmark(written(tmp_path, returns.rename_axis("date")), SESSIONS)
    assert found.total_return == pytest.approx(1.5 * LEVELS.iloc[-1] / LEVELS.iloc[0] - 1)


def test_nothing_is_known_of_its_trades(tmp_path):
    found = read_benchmark(written(tmp_path, LEVELS), SESSIONS)
    assert np.isnan(found.annual_turnover)
    assert np.isnan(found.annual_cost)
    assert str(found).count("n/a") == 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (RETURNS.fillna(0.0).rename("close"), "close is 0 at 2021-01-04: give prices or levels above 0, or call the"),
        (RETURNS.abs().fillna(0.1).rename("close"), "in a median session, more than any benchmark does: give prices"),
        (100 * RETURNS.fillna(0.0), "return is -1.* at .*: give returns as fractions, 0.01 for 1 %"),
        (100 * RETURNS.abs().fillna(0.0), "return changes by .* give returns as fractions"),
        (LEVELS.drop(SESSIONS[[7, 9]]), "lacks 2 of the 60 sessions of the backtest, such as 2021-01-13"),
        (RETURNS.drop(SESSIONS[7]).fillna(0.0), "lacks 1 of the 60 sessions of the backtest, such as 2021-01-13"),
        (LEVELS.where(LEVELS.index != SESSIONS[3]), "lacks 1 of the 60 sessions"),
        (LEVELS.to_frame().assign(other=1.0), "has one column other than its dates, this one has close, other"),
        (pd.concat([LEVELS, LEVELS[:1]]), "2021-01-04 is there twice"),
        (LEVELS.astype(str) + " pence", r"close: row 1: '100.* pence' is not a number"),
    ],
)
def test_what_is_no_benchmark_is_refused(values, message, tmp_path):
    with pytest.raises(AllocationError, match=message):
        read_benchmark(written(tmp_path, values), SESSIONS)
