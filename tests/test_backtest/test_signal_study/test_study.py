"""The study: parity with alphalens, the promise of its intervals, its alarms on markets that are made to ring them."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import random_prices, random_signal
from test_backtest.planted import ASSETS, frames, quick

from allocation import Bars, FrameError, MissingPriceError
from allocation.errors import AllocationError
from backtest import MarketConfig, next_session_ic, same_session_ic, shuffled_across_assets, simulate_market
from backtest.signal_study.figure_table import across_assets, in_time, stale
from backtest.signal_study.forward_returns import THIS_CLOSE, forward_returns
from backtest.signal_study.information_coefficient import linear_ic, rank_ic
from backtest.signal_study.measures import HORIZONS, held_for
from backtest.signal_study.quantiles import quantile_numbers, quantile_returns, quantile_turnover
from backtest.signal_study.row_correlation import ranked
from newsfolio.shared.text_table import json_text

# Parity


@pytest.fixture(scope="module")
def clean():
    """alphalens' own frame of the factor, its quantiles and its forward returns, from the same signal and prices."""
    pytest.importorskip("alphalens")
    from alphalens.utils import get_clean_factor_and_forward_returns

    signal, prices = frames(5, n=120, edge=0.003)
    factor = signal.stack().rename_axis(["date", "asset"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = get_clean_factor_and_forward_returns(factor, prices, quantiles=5, periods=(1, 2, 5), max_loss=0.5)
    return signal, prices, table


def kept(signal, table):
    """The signal where alphalens keeps it: it drops a row that lacks any of the forward returns."""
    inside = table["factor"].unstack()
    return signal.reindex(inside.index).where(inside.notna())


def test_forward_returns_and_ics_are_those_of_alphalens(clean):
    from alphalens.performance import factor_information_coefficient

    signal, prices, table = clean
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = factor_information_coefficient(table)
    for column, horizon in zip(theirs.columns, (1, 2, 5), strict=True):
        returns = forward_returns(Bars(prices), horizon, THIS_CLOSE)
        np.testing.assert_allclose(returns.stack().reindex(table.index), table[column], atol=1e-10)
        ours = rank_ic(kept(signal, table), returns).reindex(theirs.index)
        assert len(ours) > 90
        np.testing.assert_allclose(ours, theirs[column], atol=1e-10)


def test_quantile_returns_are_those_of_alphalens(clean):
    from alphalens.performance import mean_return_by_quantile

    signal, prices, table = clean
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, _ = mean_return_by_quantile(table, demeaned=True)
    number = quantile_numbers(kept(signal, table).to_numpy())
    wide = table["factor_quantile"].unstack().to_numpy(dtype=float)
    np.testing.assert_array_equal(number, wide)
    days = table.index.get_level_values("date").unique()
    for column, horizon in zip(theirs.columns, (1, 2, 5), strict=True):
        returns = forward_returns(Bars(prices), horizon, THIS_CLOSE).loc[days].to_numpy()
        np.testing.assert_allclose(
            np.nanmean(quantile_returns(number, returns), axis=0), theirs[column].to_numpy(), atol=1e-10
        )


def test_turnover_and_autocorrelation_are_those_of_alphalens(clean):
    from alphalens.performance import factor_rank_autocorrelation
    from alphalens.performance import quantile_turnover as their_turnover

    from backtest.signal_study.row_correlation import linear_correlation

    signal, _, table = clean
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        turnover = [their_turnover(table["factor_quantile"], quantile, 1) for quantile in range(1, 6)]
        autocorrelation = factor_rank_autocorrelation(table, 1)
    values = kept(signal, table).to_numpy()
    for quantile, theirs in enumerate(turnover, start=1):
        np.testing.assert_allclose(quantile_turnover(quantile_numbers(values), quantile), theirs, atol=1e-10)
    ranks = ranked(values)
    np.testing.assert_allclose(linear_correlation(ranks[1:], ranks[:-1]), autocorrelation[1:], atol=1e-10)


def test_what_is_earned_from_each_entry_by_hand():
    """A signal of row 0 is known at its close: traded there, at the open of row 1, or at the close of row 1."""
    index = pd.bdate_range("2021-01-04", periods=4, name="date")
    close, opens = (pd.DataFrame({"A": each}, index) for each in ([10.0, 11.0, 13.0, 12.0], [9.0, 10.5, 12.0, 15.0]))
    bars = Bars(close, opens)
    for entry, horizon, earned in (
        ("this close", 1, [11 / 10, 13 / 11, 12 / 13]), ("this close", 2, [13 / 10, 12 / 11]),
        ("next open", 1, [12 / 10.5, 15 / 12]), ("next open", 2, [15 / 10.5]),
        ("next close", 1, [13 / 11, 12 / 13]), ("next close", 2, [12 / 11]),
    ):  # fmt: skip
        found = forward_returns(bars, horizon, entry)["A"]
        assert found.dropna().tolist() == pytest.approx(np.array(earned) - 1.0)
        assert found.notna().tolist() == [row < len(earned) for row in range(4)]


def test_rank_ics_of_a_study_are_those_of_their_own_functions():
    signal, prices = frames(1)
    found = quick(signal, Bars(prices, prices.shift(1).bfill()), horizons=HORIZONS)
    for entry in ("this close", "next open", "next close"):
        for horizon in HORIZONS:
            returns = forward_returns(Bars(prices, prices.shift(1).bfill()), horizon, entry)
            for section, ic in (("rank IC", rank_ic), ("linear IC", linear_ic)):
                expected = ic(signal, returns).mean()
                assert found.value(section, held_for(entry, horizon)) == pytest.approx(expected, abs=1e-12, nan_ok=True)
    assert found.value("rank IC", "this close, 1 session") == pytest.approx(next_session_ic(signal, prices).mean)
    assert found.value("single session", "same session") == pytest.approx(same_session_ic(signal, prices).mean)
    row = found.figures.loc[("rank IC", "this close, 1 session")]
    assert (row["low"], row["high"]) == pytest.approx(next_session_ic(signal, prices).interval)


# What must always hold


@settings(max_examples=3)
@given(seed=st.integers(0, 1000), order=st.permutations(ASSETS))
def test_the_order_of_columns_changes_no_bit(seed, order):
    signal, prices = frames(seed, n=60)
    one, other = quick(signal, prices), quick(signal[list(order)], prices[list(order)[::-1]])
    pd.testing.assert_frame_equal(one.figures, other.figures, check_exact=True)


def test_the_seed_moves_the_shuffles_only():
    signal, prices = frames(1)
    one, other = quick(signal, prices, seed=1).figures, quick(signal, prices, seed=2).figures
    moved = [column for column in one.columns if not one[column].equals(other[column])]
    assert set(moved) == {"assets_low", "assets_high", "time_low", "time_high"}
    assert one.equals(quick(signal, prices, seed=1).figures)


@pytest.mark.slow
def test_the_planted_ic_lies_in_the_interval_and_zero_in_that_of_a_shuffled_signal():
    """A hundred markets: at 95 %, 93 and more of each are to be expected with a chance of 87 %."""
    inside = {"planted": 0, "shuffled": 0}
    for seed in range(100):
        market = simulate_market(MarketConfig(seed=seed, end="2022-06-30"))
        signal = market.tone / market.tone.abs().max().max()
        for name, each, truth in (
            ("planted", signal, market.config.information_coefficient),
            ("shuffled", shuffled_across_assets(signal, seed), 0.0),
        ):
            low, high = next_session_ic(each, market.prices).interval
            inside[name] += low <= truth <= high
    assert inside["planted"] >= 93
    assert inside["shuffled"] >= 93


def test_a_planted_signal_stands_outside_all_shuffles_and_they_straddle_zero():
    signal, prices = frames(3, n=250, edge=0.004)
    row = quick(signal, prices, shuffles=20).figures.loc[("rank IC", "this close, 1 session")]
    assert row["value"] > max(row["assets_high"], row["time_high"]) > 0 > min(row["assets_low"], row["time_low"])
    assert abs(row["stale"]) < row["value"] / 3


# The placebos


@given(seed=st.integers(0, 1000), sessions=st.integers(2, 200))
def test_placebos_are_made_of_the_signal_itself(seed, sessions):
    signal = np.random.default_rng(seed).uniform(-1, 1, (sessions, 4))
    random = np.random.default_rng(seed)
    assert sorted(map(tuple, across_assets(signal, random).T)) == sorted(map(tuple, signal.T))
    moved = in_time(signal, random)
    assert sorted(map(tuple, moved)) == sorted(map(tuple, signal))
    assert not (moved == signal).all()
    assert np.isnan(stale(signal)[:21]).all()
    np.testing.assert_array_equal(stale(signal)[21:], signal[: max(sessions - 21, 0)])


# The alarms


def test_news_that_only_explains_rings():
    signal, prices = frames(2, n=250, same=0.01)
    found = quick(signal, prices)
    assert list(found.alarms) == ["explains"]
    assert "The news explains more than it predicts" in " ".join(str(found).split())
    assert found.verdict.startswith("No detectable edge")


def test_an_edge_that_is_gone_by_the_next_open_rings():
    """Prices jump to the open after the signal and stay: only who traded at the signal's own close has it."""
    random = np.random.default_rng(3)
    signal, _ = frames(3, n=250)
    returns = 0.01 * random.standard_normal(signal.shape)
    night = 0.006 * signal.shift(1).fillna(0.0).to_numpy()
    close = pd.DataFrame(50 * np.cumprod((1 + night) * (1 + returns), axis=0), signal.index, signal.columns)
    opens = close / (1 + returns)
    assert "overnight" in quick(signal, Bars(close, opens)).alarms


def test_an_edge_that_a_delay_takes_away_rings():
    _, prices = frames(4, n=250)
    hasty = prices.pct_change().shift(-2).clip(-0.03, 0.03) / 0.03  # as if it were known two sessions before
    late = hasty.shift(2)
    found = quick(hasty.fillna(0.0), prices, delayed=late.fillna(0.0))
    assert {"haste", "too good"} <= set(found.alarms)
    assert "haste" not in quick(hasty.fillna(0.0), prices, delayed=hasty.fillna(0.0)).alarms


# Its shape


def test_sectors_add_figures_where_there_are_three_names():
    signal, prices = frames(1)
    sectors = pd.Series(["one"] * 6 + ["two"] * 4 + ["three"] * 2, index=list(ASSETS))
    found = quick(signal, prices, sectors=sectors.drop(ASSETS[0]))
    assert list(found.figures.loc["sector"].index) == ["one", "two"]
    mine = list(ASSETS[6:10])
    expected = rank_ic(signal[mine], forward_returns(Bars(prices[mine]), 1, "next close")).mean()
    assert found.value("sector", "two") == pytest.approx(expected, abs=1e-12)
    assert any("1 assets have no sector" in note for note in found.notes)


def test_years_are_means_over_their_sessions():
    signal, prices = frames(1, n=400)
    found = quick(signal, prices)
    series = rank_ic(signal, forward_returns(Bars(prices), 1, "next close"))
    for year, mean in series.groupby(series.index.year).mean().items():
        assert found.value("year", str(year)) == pytest.approx(mean, abs=1e-12)


def test_the_break_even_cost_is_what_eats_the_return_of_the_long_short_portfolio():
    signal, prices = frames(1, edge=0.004)
    found = quick(signal, prices)
    ranks = signal.rank(axis=1)
    centred = ranks.sub(ranks.mean(axis=1), axis=0)
    weights = centred.div(centred.abs().sum(axis=1), axis=0).fillna(0.0)
    returns = forward_returns(Bars(prices), 1, "next close")
    live = returns.notna().any(axis=1)
    earned = (weights * returns.fillna(0.0)).sum(axis=1)[live].mean()
    traded = weights.diff().fillna(weights.iloc[[0]]).abs().sum(axis=1)[live].mean()
    assert found.value("trading", "break-even cost") == pytest.approx(earned / traded, rel=1e-9)


def test_json_is_strict_and_has_every_figure():
    signal, prices = frames(1)
    found = quick(signal, prices)
    plain = json.loads(json_text(found.to_dict()))
    assert sum(map(len, plain["figures"].values())) == len(found.figures)
    figure = plain["figures"]["rank IC"]["this close, 1 session"]
    assert set(figure) == {
        "value", "t", "ratio", "p", "holm", "periods", "interval", "bootstrap", "shuffled_across_assets",
        "shuffled_in_time", "stale", "sessions",
    }  # fmt: skip
    assert (plain["assets"], plain["sessions"], plain["shuffles"]) == (12, 90, 2)


def test_it_prints_what_it_says_first():
    signal, prices = frames(1)
    found = quick(signal, prices)
    lines = str(found).splitlines()
    text = " ".join(line.strip() for line in lines if line)
    assert tuple(lines[:3]) == found.lead
    assert lines[0] == found.verdict
    after = text.removeprefix(" ".join(found.lead)).strip()
    warnings = " ".join(f"warning ({name}): {sentence}" for name, sentence in found.alarms.items())
    assert after.removeprefix(warnings).strip().startswith("2021-01-04 to 2021-05-07, 90 sessions × 12 assets")
    for title in ("Rank IC by entry", "Decay", "Returns of quantiles", "Trading", "By year", "Abnormal return"):
        assert any(line.startswith(title) for line in lines)


def test_the_third_sentence_names_the_warnings_and_counts_the_tests_that_hold():
    rings, silent = quick(*frames(2, n=250, same=0.01)), quick(*frames(2))
    assert rings.lead[2].startswith("Warnings: explains. ")
    assert silent.lead[2].startswith("No warnings. ")
    for found in (rings, silent):
        adjusted = found.figures["holm"].dropna()
        assert found.lead[2].endswith(f" {(adjusted < 0.05).sum()} of {len(adjusted)} tests hold after adjustment.")
    assert (rings.figures["holm"] < 0.05).any()


def test_a_delay_is_judged_only_where_one_was_given():
    signal, prices = frames(2)
    note = "no delayed signal was given: whether the edge depends on haste is not judged"
    assert note in quick(signal, prices).notes
    assert note not in quick(signal, prices, delayed=signal.shift(1)).notes


@pytest.mark.parametrize("full", [False, True])
def test_it_fits_a_hundred_columns_whatever_the_names(full):
    signal, prices = frames(1, n=400, edge=0.003, same=0.005)
    names = {name: f"A fund with a long name, {name}" for name in ASSETS}
    signal, prices = signal.rename(columns=names), prices.rename(columns=names)
    sectors = pd.Series("consumer discretionary", index=list(names.values())[1:])
    signal[names[ASSETS[2]]] = np.nan
    bars = Bars(prices, prices.shift(1).bfill())
    text = quick(signal, bars, horizons=HORIZONS, sectors=sectors).to_text(full=full)
    assert max(map(len, text.splitlines())) <= 100
    assert ("bootstrap" in text) == full
    assert ("Linear IC by entry" in text) == full
    assert ("consumer discretionary" in text) == full
    assert all(word in text for word in ("periods", "placebos", "Decay", "sessions -5 to -1"))
    assert len(text.splitlines()) < (270 if full else 80)


def test_p_and_effective_periods_are_those_of_the_series():
    """An autocorrelated series has fewer periods than sessions, an independent one about as many."""
    signal, prices = frames(3, n=400)
    row = quick(signal, prices).figures.loc[("rank IC", "this close, 1 session")]
    assert row["periods"] > 0.7 * row["sessions"]
    slow = signal.ffill().rolling(40, min_periods=1).mean()
    late = quick(slow, prices, horizons=(1, 5)).figures.loc[("rank IC", "this close, 5 sessions")]
    assert late["periods"] < 0.5 * late["sessions"]
    line = next(line for line in str(quick(signal, prices)).splitlines() if line.startswith("this close, 1 session"))
    assert f"  {row['t']:.1f}   {row['p']:.3f}      {row['periods']:.0f}  " in line


def test_without_any_rank_ic_it_says_why():
    signal, prices = frames(1)
    few = list(ASSETS[:2])
    reason = "no session has three assets with both a signal and a return"
    assert quick(signal[few], prices[few]).verdict == f"Nothing can be said: {reason}."
    constant = signal * 0 + 0.5
    assert "the signal is the same for all assets in every session" in quick(constant, prices).verdict
    still = prices * 0 + 50.0
    assert "signal or returns are the same for all assets" in quick(signal, still).verdict
    assert "Nothing" not in quick(signal, prices).verdict


def test_figures_without_value_are_counted_and_not_shown_and_a_turnover_has_no_t():
    """Of four names there are no fifths."""
    signal, prices = frames(1)
    few = list(ASSETS[:4])
    found = quick(signal[few], prices[few])
    assert "16 figures have no value (too few sessions or assets) and are not shown: quantile return (12), " in (
        "\n".join(found.notes)
    )
    shown = str(found)
    assert "Returns of quantiles less the mean of all: none, too few sessions or assets" in shown
    assert "quantile 1" not in shown
    assert "next close, 1 session" in found.to_dict()["figures"]["monotonicity"]
    for name, has_t in (("autocorrelation of ranks", False), ("return of the long-short portfolio", True)):
        line = next(line for line in shown.splitlines() if line.startswith(name))
        t = found.figures.loc[("trading", name), "t"]
        assert np.isfinite(t)
        assert (f"  {t:.1f}" in line) == has_t


def test_few_names_short_samples_and_silence_are_not_an_error():
    prices = random_prices(1, 30)
    for signal in (random_signal(1, prices), random_signal(1, prices)[["AAA"]], random_signal(1, prices) * np.nan):
        found = quick(signal, prices)
        assert found.verdict.startswith(("No detectable edge", "An edge", "The signal points", "Nothing can be said"))
        json_text(found.to_dict())


def test_wrong_usage_is_named():
    signal, prices = frames(1)
    with pytest.raises(AllocationError, match=r"horizons are \(2, 5\): give different numbers of sessions, 1 among"):
        quick(signal, prices, horizons=(2, 5))
    with pytest.raises(AllocationError, match="shuffles is 1: give at least 2"):
        quick(signal, prices, shuffles=1)
    with pytest.raises(FrameError, match="outside"):
        quick(3 * signal, prices)
    with pytest.raises(MissingPriceError, match="without a price column"):
        quick(signal, prices.drop(columns=ASSETS[0]))
