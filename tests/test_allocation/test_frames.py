"""The door: what each frame must be, and what is said of one that is not."""

import logging

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import random_prices, random_signal

from allocation import FrameError, MissingPriceError, align, check_prices, check_signal, check_weights, frame_digest

CHECKS = {"prices": check_prices, "signal": check_signal, "weights": check_weights}
DATES = pd.DatetimeIndex(["2021-01-04", "2021-01-05", "2021-01-06"], name="date")


def frame(index=DATES, columns=("BBB", "AAA")):
    """A frame that passes all three checks, columns not sorted."""
    return pd.DataFrame([[0.1, 0.5], [np.nan, 0.6], [0.3, 0.7]], index=index, columns=list(columns))


def with_cell(value):
    changed = frame()
    changed.iloc[1, 0] = value
    return changed


def text():
    return frame().assign(BBB=["0.1", "n/a", "0.3"])


BROKEN = {
    "a Series": (frame()["AAA"], "{} is a Series: pass a DataFrame of sessions × assets"),
    "an array": (np.ones((3, 2)), "{} is a ndarray: pass a DataFrame"),
    "None": (None, "{} is a NoneType: pass a DataFrame"),
    "no sessions": (frame().iloc[:0], r"{} is empty \(0 sessions × 2 assets\)"),
    "no assets": (frame().iloc[:, :0], r"{} is empty \(3 sessions × 0 assets\)"),
    "text": (text(), "{} holds text, not numbers, in BBB: .+"),
    "numbered rows": (frame(range(3)), "{} is indexed by int64, not by dates: set a DatetimeIndex"),
    "text dates": (frame(DATES.strftime("%Y-%m-%d")), "{} is indexed by str, not by dates: set a DatetimeIndex"),
    "date objects": (frame(DATES.date), "{} is indexed by object, not by dates"),
    "a time zone": (frame(DATES.tz_localize("UTC")), r"{} has a time zone \(UTC\): .*use .tz_localize\(None\)"),
    "NaT": (frame([*DATES[:2], pd.NaT]), "{} has 1 rows without a date: drop or date them"),
    "a time of day": (
        frame(DATES + pd.to_timedelta([0, 16, 0], unit="h")),
        r"{} has a time of day at 2021-01-05 16:00:00: .*use .normalize\(\)",
    ),
    "a date twice": (frame(DATES[[0, 1, 1]]), "{} has 2021-01-05 twice: keep one row per session"),
    "unsorted": (
        frame(DATES[[0, 2, 1]]),
        r"{} is not sorted: 2021-01-05 follows 2021-01-06; use .sort_index\(\)",
    ),
    "a ticker twice": (frame(columns=["AAA", "AAA"]), "{} has the asset 'AAA' twice: keep one column"),
    "a numbered ticker": (frame(columns=["AAA", 7]), "{} has the column 7: assets are named by text tickers"),
    "a column level": (
        frame(columns=pd.MultiIndex.from_tuples([("Close", "AAA"), ("Close", "BBB")])),
        r"{} has the column \('Close', 'AAA'\): assets are named by text tickers",
    ),
}


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("fault", BROKEN)
def test_a_frame_of_the_wrong_shape_is_refused_with_its_remedy(name, fault):
    broken, complaint = BROKEN[fault]
    with pytest.raises(FrameError, match=complaint.format(name)):
        CHECKS[name](broken)


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("prices", 0.0, "0 for BBB at 2021-01-05 is not a price: prices are > 0, or NaN where nothing traded"),
        ("prices", -3.5, "-3.5 for BBB at 2021-01-05 is not a price: prices are > 0"),
        ("prices", np.inf, "inf for BBB at 2021-01-05 is not a price: correct the source"),
        ("prices", -np.inf, "-inf for BBB at 2021-01-05 is not a price"),
        ("signal", 1.25, r"1.25 for BBB at 2021-01-05 lies outside \[-1, 1\]: scale the signal"),
        ("signal", -1.0001, "-1.0001 for BBB at 2021-01-05 lies outside"),
        ("signal", -np.inf, "-inf for BBB at 2021-01-05 lies outside"),
        ("weights", np.inf, "inf for BBB at 2021-01-05 is not a weight: weights are finite fractions of NAV"),
    ],
)
def test_a_wrong_value_is_named_with_its_asset_and_session(name, value, complaint):
    with pytest.raises(FrameError, match=rf"{name}: {complaint}.* \(1 such cells\)"):
        CHECKS[name](with_cell(value))


def test_the_first_wrong_value_is_named_and_all_are_counted():
    wrong = frame()
    wrong.iloc[1:, 1] = 0.0
    wrong.iloc[2, 0] = -1.0
    with pytest.raises(FrameError, match=r"^vendor: 0 for AAA at 2021-01-05 .*\(3 such cells\)$"):
        check_prices(wrong, name="vendor")


@pytest.mark.parametrize(
    "values", [["0.1", "0.2", "0.3"], [True, False, True], [0.1, 0.2, 1j]], ids=["text", "booleans", "complex"]
)
def test_columns_that_are_not_numbers_are_refused_even_if_they_could_be_cast(values):
    with pytest.raises(FrameError, match="not numbers, in BBB: .* at 2021-01-04: convert the column"):
        check_signal(frame().assign(BBB=values))


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_returns_a_sorted_float_copy_and_leaves_its_input(name):
    given_ = frame()
    before = given_.copy()
    checked = CHECKS[name](given_)
    assert list(checked.columns) == ["AAA", "BBB"]
    assert (checked.dtypes == np.float64).all()
    pd.testing.assert_frame_equal(checked, before[["AAA", "BBB"]])
    checked.iloc[0, 0] = 0.9
    pd.testing.assert_frame_equal(given_, before)


@pytest.mark.parametrize("values", [[1, 2, 3], pd.array([1, None, 3], dtype="Int64"), np.float32([0.5, 1, 2])])
def test_any_kind_of_number_becomes_float64(values):
    checked = check_prices(pd.DataFrame({"AAA": values}, index=DATES))
    assert checked["AAA"].dtype == np.float64
    assert checked["AAA"].iloc[2] == values[2]


@pytest.mark.parametrize("name", CHECKS)
@given(order=st.permutations(range(4)))
def test_the_order_of_columns_does_not_show_in_what_is_checked(name, order):
    values = random_signal(1, random_prices(1)).abs().clip(lower=0.01)
    assert CHECKS[name](values.iloc[:, list(order)]).equals(CHECKS[name](values))


@given(seed=st.integers(0, 1000), order=st.permutations(range(4)), kept=st.integers(1, 4))
def test_align_matches_by_label(seed, order, kept):
    prices = random_prices(seed)
    signal = random_signal(seed, prices).iloc[10:40, list(order)[:kept]]
    aligned_prices, aligned = align(prices.iloc[:, list(order)], signal)
    assert aligned_prices.equals(prices.sort_index(axis=1))
    assert aligned.index.equals(prices.index)
    assert aligned.columns.equals(aligned_prices.columns)
    assert aligned.loc[signal.index, signal.columns].equals(signal)
    assert aligned.notna().sum().sum() == signal.notna().sum().sum()


def test_a_signal_without_a_price_column_is_refused():
    prices = random_prices(1)
    strangers = random_signal(1, prices).rename(columns=lambda name: f"X{name}").assign(XE=0.0, XF=0.0)
    with pytest.raises(MissingPriceError, match="signal has XAAA, XBBB, XCCC, XDDD, XE and 1 more without a price"):
        align(prices, strangers)


def test_a_signal_on_a_date_inside_the_history_without_prices_is_refused():
    prices = random_prices(1)
    signal = random_signal(1, prices)
    with pytest.raises(
        MissingPriceError, match="signal has rows on 2021-01-11 where prices has none: use one calendar"
    ):
        align(prices.drop(prices.index[5]), signal)


def test_signal_rows_outside_the_price_history_are_left_out_aloud(caplog):
    prices = random_prices(1)
    signal = random_signal(1, prices)
    with caplog.at_level(logging.WARNING):
        _, aligned = align(prices.iloc[10:-5], signal)
    assert aligned.index.equals(prices.index[10:-5])
    assert "15 of 120 signal rows lie outside the price history 2021-01-18 to 2021-06-11" in caplog.text


def test_nothing_is_logged_when_every_row_is_used(caplog):
    prices = random_prices(1)
    align(prices, random_signal(1, prices))
    assert not caplog.records


@given(seed=st.integers(0, 100), order=st.permutations(range(4)))
def test_a_digest_does_not_depend_on_the_order_of_columns(seed, order):
    prices = random_prices(seed, 20)
    assert frame_digest(prices.iloc[:, list(order)]) == frame_digest(prices)
    assert frame_digest(prices.set_axis(prices.index.as_unit("s"))) == frame_digest(prices)


@given(row=st.integers(0, 19), column=st.integers(0, 3))
def test_a_digest_moves_with_the_last_bit_of_any_value(row, column):
    prices = random_prices(1, 20)
    changed = prices.copy()
    changed.iat[row, column] = np.nextafter(prices.iat[row, column], np.inf)
    assert frame_digest(changed) != frame_digest(prices)


def test_a_digest_moves_with_a_date_a_ticker_and_a_gap():
    prices = random_prices(1, 20)
    others = [
        prices.shift(1, freq="D"),
        prices.rename(columns={"AAA": "ABA"}),
        prices.mask(prices > prices.max().max() - 1e-9),
    ]
    assert len({frame_digest(other) for other in [prices, *others]}) == 4


def test_equal_frames_have_one_digest_wherever_their_gaps_came_from():
    zeros = pd.DataFrame(0.0, index=DATES, columns=["AAA"])
    divided, written = zeros / zeros, zeros * np.nan
    assert divided.equals(written)
    assert frame_digest(-np.abs(divided)) == frame_digest(np.abs(written))
