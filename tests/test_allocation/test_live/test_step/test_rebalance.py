"""One scheduled step: N of them are the backtest, a repetition changes nothing, and guards stop what is odd."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from live_support import CASH, EASY, SESSIONS, Desk, Tilted, market

from allocation import AllocationError, Bars, EqualWeight, FrameError, Hold, LedoitWolf, PolicyError, SentimentPolicy
from allocation.forecast.blend import Blend
from allocation.forecast.ridge import CrossSectionalRidge
from allocation.frames import frame_digest
from allocation.live import GuardStopError, Inputs, LedgerError, Limits, Rules, Settings, open_ledger
from allocation.live.ledger.journal import last_decision, portfolio_name
from backtest import Costs, run

DAYS = SESSIONS[10:19]


@pytest.fixture
def desk(tmp_path):
    return Desk(str(tmp_path / "book.sqlite"))


def against_the_backtest(desk, days, signal=None):
    """Largest difference of targets, held weights and relative NAV between steps and backtest."""
    known = desk.bars.close.index <= days[-1]
    bars = Bars(desk.bars.close[known], desk.bars.open[known])
    expected = run(desk.policy, bars, signal, days, costs=Costs())
    wanted = expected.targets.reindex(days)
    worst = 0.0
    for day in days:
        report = desk.step(day)
        weights = report.weights.reindex(desk.bars.close.columns, fill_value=0.0)
        worst = max(
            worst,
            (report.targets - wanted.loc[day]).abs().fillna(0.0).max(),
            float((report.targets.isna() != wanted.loc[day].isna()).any()),
            np.abs(weights - expected.weights.loc[day]).max(),
            abs(report.nav / CASH - expected.nav.loc[day] / expected.nav.iloc[0]),
        )
    return worst


@pytest.mark.parametrize("policy", [EqualWeight(), Hold(), Tilted()])
def test_scheduled_steps_are_the_backtests_steps(tmp_path, policy):
    desk = Desk(str(tmp_path / "book.sqlite"), policy=policy)
    assert against_the_backtest(desk, DAYS) < 1e-10


def test_a_step_s_view_shows_the_opens_highs_and_lows_that_a_backtest_s_does(tmp_path):
    closes, opens = (getattr(market(2), name) for name in ("close", "open"))
    edges = np.maximum(closes, opens) * 1.01, np.minimum(closes, opens) * 0.99
    bars, shown = Bars(closes, opens, None, *edges), []

    def policy(view):
        shown.append(view.bars)
        return view.held * 0.0 + 0.2

    desk = Desk(str(tmp_path / "book.sqlite"), bars, policy)
    desk.step(DAYS[0])
    run(policy, bars, None, DAYS[:1])
    for name in ("close", "open", "high", "low"):
        live, backtest = (getattr(each, name) for each in shown)
        pd.testing.assert_frame_equal(live, backtest, check_exact=True, check_freq=False)
        assert live.index[-1] == DAYS[0]


def test_so_they_are_every_third_session_with_gaps_in_prices(tmp_path):
    """Days between two decisions are stepped through as well, as a daily timer does."""
    bars = market(3)
    gaps = np.random.default_rng(3).random(bars.close.shape) < 0.04
    gaps[9:12], gaps[24:] = False, False
    desk = Desk(str(tmp_path / "b.sqlite"), Bars(bars.close.mask(gaps), bars.open.mask(gaps)), Tilted(0.6),
                Settings(Rules(), Limits(1.0, 2.0, 0.0, 0.0, 9.0)))  # fmt: skip
    due = DAYS[::3]
    known = desk.bars.close.index <= DAYS[-1]
    expected = run(desk.policy, Bars(desk.bars.close[known], desk.bars.open[known]), None, due, costs=Costs())
    for day in DAYS:
        report = desk.step(day, due=day in due)
        weights = report.weights.reindex(desk.bars.close.columns, fill_value=0.0)
        np.testing.assert_allclose(weights, expected.weights.loc[day], atol=1e-10)
        if day in due:
            pd.testing.assert_series_equal(report.targets, expected.targets.loc[day], check_names=False, rtol=1e-10)


@pytest.mark.slow
def test_a_year_of_a_strategy_file_is_its_backtest(tmp_path):
    """252 sessions of simulated market, the optimizer of the example strategy loaded afresh each night."""
    from pathlib import Path

    from allocation.policies.strategy_file import load_policy
    from backtest import simulate_market

    strategy = Path(__file__).parents[4] / "examples" / "strategy.py"
    whole = simulate_market()
    end = 70 + 252
    bars, signal = Bars(whole.prices.iloc[:end], whole.opens.iloc[:end]), np.tanh(whole.tone).iloc[:end]
    days = bars.close.index[70:]
    expected = run(load_policy(strategy), bars, signal, days, costs=Costs())
    desk = Desk(str(tmp_path / "b.sqlite"), bars, inputs=Inputs(bars, signal))
    for day in days:
        desk.policy = load_policy(strategy)
        report = desk.step(day)
        weights = report.weights.reindex(bars.close.columns, fill_value=0.0)
        np.testing.assert_allclose(report.targets, expected.targets.loc[day], atol=1e-10)
        np.testing.assert_allclose(weights, expected.weights.loc[day], atol=1e-10)


def test_a_step_can_be_repeated(desk):
    first = desk.step(DAYS[0])
    assert (first.decided, first.nav) == ("now", CASH)
    second = desk.step(DAYS[1])
    before = {table: desk.rows(table) for table in ("decisions", "targets", "orders", "fills", "books", "positions")}
    again = desk.step(DAYS[1])
    assert (second.decided, again.decided) == ("now", "before")
    pd.testing.assert_series_equal(again.targets, second.targets, check_names=False)
    assert {table: desk.rows(table) for table in before} == before
    assert len(desk.rows("orders")) == 4
    assert [row[4] for row in desk.rows("runs")] == ["done"] * 3


def test_a_price_revision_rewrites_no_decision(desk):
    first = desk.step(DAYS[0])
    desk.policy, desk.bars = Tilted(), market(99)
    again = desk.step(DAYS[0])
    pd.testing.assert_series_equal(again.targets, first.targets, check_names=False)


def test_the_digest_of_a_signal_is_also_that_of_the_further_ones_that_a_forecast_reads(tmp_path):
    bars = market()
    own, more = (pd.DataFrame(x, bars.close.index, bars.close.columns) for x in (0.1, 0.2))
    changed = more.copy()
    changed.loc[DAYS[0], "AAA"] = 0.3

    def told(name, *frames):
        forecast = CrossSectionalRidge({f"more {place}": frame for place, frame in enumerate(frames)})
        policy = SentimentPolicy(forecast=Blend(((forecast, 1.0),)), risk=LedoitWolf(min_returns=5), min_history=5)
        desk = Desk(str(tmp_path / name), bars, policy, inputs=Inputs(bars, own))
        desk.step(DAYS[0])
        with desk.opened() as (ledger, _), ledger.transaction() as connection:
            return last_decision(connection).provenance.signal

    plain, one, again, other = told("a"), told("b", more), told("c", more), told("d", changed)
    assert plain == frame_digest(own.loc[: DAYS[0]])
    assert one == again
    assert len({plain, one, other}) == 3


def test_a_dry_run_keeps_nothing(desk, tmp_path):
    opened = (tmp_path / "book.sqlite").read_bytes()
    report = desk.step(DAYS[0], dry_run=True)
    assert report.decided == "now"
    assert "dry run" in str(report)
    assert (tmp_path / "book.sqlite").read_bytes() == opened
    desk.step(DAYS[0])
    before = (tmp_path / "book.sqlite").read_bytes()
    shown = desk.step(DAYS[1], dry_run=True)
    assert (tmp_path / "book.sqlite").read_bytes() == before
    assert shown.nav == desk.step(DAYS[1]).nav


def test_a_session_that_is_not_due_is_valued_and_not_decided(desk):
    report = desk.step(DAYS[0], due=False)
    assert (report.decided, report.nav, report.targets) == ("no", CASH, None)
    assert desk.rows("decisions") == []
    assert len(desk.rows("valuations")) == 1


def test_steps_that_were_missed_fill_at_the_open_that_followed_the_decision(desk):
    desk.step(DAYS[0])
    desk.step(DAYS[4])
    late = desk.rows("fills")
    price = {row[3]: row[5] for row in desk.rows("orders")}
    opens = desk.bars.open.loc[DAYS[1]]
    assert len(late) == 4
    assert price == {asset: opens[asset] for asset in opens.index}


# Splits, dividends and mended prices


def rewritten(bars, until, asset, factor):
    """As a vendor adjusts: all of the asset's history up to `until` is multiplied."""
    frames = [frame.copy() for frame in (bars.close, bars.open)]
    for frame in frames:
        frame.loc[:until, asset] *= factor
    return Bars(*frames)


@pytest.mark.parametrize("factor", [0.5, 0.99, 3.0])
def test_a_split_or_dividend_changes_shares_and_no_weight(tmp_path, factor):
    """The rewritten history is what the backtest of that day sees, too."""
    plain = Desk(str(tmp_path / "plain.sqlite"))
    split = Desk(str(tmp_path / "split.sqlite"), rewritten(plain.bars, DAYS[-1], "BBB", 1.0 / factor))
    for day in DAYS[:3]:
        plain.step(day), split.step(day)
    split.bars = plain.bars
    for day in DAYS[3:5]:
        expected, report = plain.step(day), split.step(day)
        np.testing.assert_allclose(report.weights, expected.weights, rtol=1e-12)
        assert report.nav == pytest.approx(expected.nav, rel=1e-12)
        assert any("BBB ×" in note for note in report.notes) == (day == DAYS[3])


def test_a_mended_price_stops_the_step_and_leaves_the_shares_when_allowed(desk):
    desk.step(DAYS[0]), desk.step(DAYS[1])
    held = desk.shares().shares["BBB"]
    desk.bars.close.loc[DAYS[1], "BBB"] *= 1.1
    with pytest.raises(
        GuardStopError, match=r"nothing was sent: \[revised-prices\] past prices of BBB.*--allow revised-pric"
    ):
        desk.step(DAYS[2], due=False)
    desk.settings = Settings(Rules(), Limits(1.0, 2.0, 0.0, allowed=frozenset({"revised-prices"})))
    desk.step(DAYS[2], due=False)
    orders = [row for row in desk.rows("orders") if row[3] == "BBB" and str(row[1]) == f"{DAYS[1]:%Y-%m-%d}"]
    assert desk.shares().shares["BBB"] == pytest.approx(held + sum(row[4] for row in orders), rel=1e-12)


@pytest.mark.parametrize("split", [2.0, 0.1, 1.0])
def test_a_split_behind_a_corrected_price_is_stated_and_never_guessed(desk, split):
    """Both past closes are changed, and no two alike: the last is corrected, whatever else happened."""
    desk.step(DAYS[0]), desk.step(DAYS[1])
    before = desk.shares()
    held = before.shares["BBB"]
    for frame in (desk.bars.close, desk.bars.open):
        frame["BBB"] /= split
    desk.bars.close.loc[DAYS[1], "BBB"] *= 1.02
    desk.bars.close.loc[DAYS[0], "BBB"] *= 0.99
    allowed = Limits(1.0, 2.0, 0.0, price_jump=9.0, allowed=frozenset({"revised-prices"}))
    with pytest.raises(GuardStopError, match=r"may hide a split.*repeat with --split TICKER=RATIO"):
        desk.step(DAYS[2], due=False, limits=allowed)
    with pytest.raises(GuardStopError, match=rf"by {split / 0.99:.6g}, not by {7 * split:g}\): a correction that may"):
        desk.step(DAYS[2], due=False, limits=replace(allowed, splits={"BBB": 7.0 * split}))
    assert desk.shares() == before
    stated = replace(allowed, allowed=frozenset(), splits={"BBB": split})
    report = desk.step(DAYS[2], due=False, limits=stated)
    orders = [row for row in desk.rows("orders") if row[3] == "BBB" and str(row[1]) == f"{DAYS[1]:%Y-%m-%d}"]
    assert desk.shares().shares["BBB"] == pytest.approx(held * split + sum(row[4] for row in orders), rel=1e-12)
    assert any(f"shares of BBB × {split:g}: as was stated" == note for note in report.notes) == (split != 1.0)
    again = desk.step(DAYS[2], due=False, limits=stated)
    assert again.nav == report.nav
    assert any("that was stated was not used" in note for note in again.notes)


def test_a_stated_split_changes_no_shares_where_one_past_close_is_as_it_was(desk):
    """Such as one that was left in a settings file."""
    desk.step(DAYS[0]), desk.step(DAYS[1])
    held = desk.shares().shares["BBB"]
    desk.bars.close.loc[DAYS[1], "BBB"] *= 1.02
    stated = Limits(1.0, 2.0, 0.0, splits={"BBB": 2.0})
    with pytest.raises(GuardStopError, match=r"\[revised-prices\] past prices of BBB.*--allow revised-prices"):
        desk.step(DAYS[2], due=False, limits=stated)
    desk.step(DAYS[2], due=False, limits=replace(stated, allowed=frozenset({"revised-prices"})))
    orders = [row for row in desk.rows("orders") if row[3] == "BBB" and str(row[1]) == f"{DAYS[1]:%Y-%m-%d}"]
    assert desk.shares().shares["BBB"] == pytest.approx(held + sum(row[4] for row in orders), rel=1e-12)


@pytest.mark.parametrize("ratio", [0.0, -2.0, np.nan, np.inf])
def test_a_split_needs_a_ratio(ratio):
    with pytest.raises(AllocationError, match="no split has the ratio of AAA="):
        Limits(splits={"AAA": ratio})


# Guards


def signal_like(bars, value=0.5):
    return bars.close * 0.0 + value


STOPS = {
    "stale-prices": (lambda d: setattr(d, "bars", Bars(*(f.drop(DAYS[1]) for f in (d.bars.close, d.bars.open)))),
                     Limits(), "no prices of 2022-09-21: the last is of 2022-09-20"),
    "coverage": (lambda d: setattr(d, "inputs", Inputs(d.bars, signal_like(d.bars, np.nan))), Limits(), "0% of assets"),
    "stale-news": (lambda d: setattr(d, "inputs", Inputs(d.bars, newest_news=pd.Timestamp("2022-09-01", tz="UTC"))),
                   Limits(), "the newest headline is of 2022-09-01"),
    "model": (lambda d: setattr(d, "inputs", Inputs(d.bars, model="other")), Limits(), "the model is other, at 2022"),
    "config": (lambda d: setattr(d, "inputs", Inputs(d.bars, strategy="x")), Limits(), "the strategy file has changed"),
    "weight": (lambda _: None, Limits(weight=0.2), "AAA 25.0%.*, the limit is 20%"),
    "turnover": (lambda d: setattr(d, "policy", lambda view: pd.Series([1.0, 0, 0, 0], view.held.index)),
                 Limits(weight=1.0), "7[45]% of NAV would be traded one way, the limit is 50%"),
    "borrow": (lambda d: setattr(d, "policy", lambda view: pd.Series(0.3, view.held.index)), Limits(), "sum to 1.2000"),
    "price-jump": (lambda d: d.bars.close.__setitem__("AAA", d.bars.close["AAA"].where(DAYS[1] > SESSIONS, 9)),
                   Limits(), "AAA moved 8.%"),
    "clock": (lambda _: None, Limits(), "2022-09-21 closes at 2022-09-21 20:00 UTC"),
}  # fmt: skip


@pytest.mark.parametrize("name", STOPS)
def test_a_guard_stops_before_anything_is_decided(desk, name):
    change, limits, reason = STOPS[name]
    desk.step(DAYS[0])
    change(desk)
    desk.settings = Settings(Rules(), limits)
    now = pd.Timestamp("2022-09-21T19:59Z") if name == "clock" else None
    with pytest.raises(GuardStopError, match=reason) as stopped:
        desk.step(DAYS[1], now=now)
    assert stopped.value.guards == (name,)
    assert len(desk.rows("decisions")) == 1
    assert desk.rows("runs")[-1][4:] == ("stopped", str(stopped.value))


@pytest.mark.parametrize("name", [name for name in STOPS if name != "stale-prices"])
def test_a_guard_can_be_allowed_by_name(desk, name):
    change, limits, _ = STOPS[name]
    desk.step(DAYS[0])
    change(desk)
    desk.settings = Settings(Rules(), replace(limits, allowed=frozenset({name})))
    report = desk.step(DAYS[1], now=pd.Timestamp("2022-09-21T19:59Z") if name == "clock" else None)
    assert [guard for guard, _ in report.allowed] == [name]
    assert f"allowed [{name}]" in str(report)


def test_a_strategy_that_returns_nothing_at_all_is_stopped(desk):
    desk.policy = lambda view: view.held * np.nan
    with pytest.raises(GuardStopError, match="the strategy returned no weight, and nothing is held"):
        desk.step(DAYS[0])


def test_news_that_are_all_of_later_days_are_no_news(desk):
    desk.inputs = Inputs(desk.bars, newest_news=pd.NaT)
    with pytest.raises(GuardStopError, match=r"\[stale-news\] there is no headline up to 2022-09-20"):
        desk.step(DAYS[0])


def test_an_unknown_guard_cannot_be_allowed():
    with pytest.raises(ValueError, match="no guard is called everything: the guards are stale-prices"):
        Limits(allowed=frozenset({"everything"}))


def test_a_decision_from_the_future_is_a_wrong_clock(desk):
    desk.step(DAYS[0], now=pd.Timestamp("2030-01-01", tz="UTC"))
    with pytest.raises(
        GuardStopError, match="the last decision was made at 2030-01-01 00:00 UTC, which is yet to come"
    ):
        desk.step(DAYS[1])


# Bad input


@pytest.mark.parametrize(
    ("policy", "complaint"),
    [
        (lambda _: 0.5, "2022-09-20: the policy returned a float: return a Series"),
        (lambda view: view.held.iloc[:3], "the policy's weights and the assets differ in DDD"),
        (lambda _: pd.Series(0.2, ["AAA", "AAA", "BBB", "CCC"]), "duplicate weight for AAA"),
        (lambda view: view.held.astype(str), "the policy returned weights of type"),
        (lambda view: view.held + np.inf, "infinite weight of AAA"),
    ],
)
def test_an_answer_that_is_no_row_of_weights_sends_nothing(desk, policy, complaint):
    desk.policy = policy
    with pytest.raises(PolicyError, match=complaint):
        desk.step(DAYS[0])
    assert desk.rows("decisions") == desk.rows("orders") == []
    assert desk.rows("runs")[-1][4] == "failed"


def test_a_day_without_a_session_has_no_step(desk):
    with pytest.raises(ValueError, match="2022-09-24 is not a session of XNYS: name a session"):
        desk.step(pd.Timestamp("2022-09-24"))


def test_a_held_asset_whose_prices_end_is_kept_at_its_last_price(desk):
    for day in DAYS[:2]:
        desk.step(day)
    desk.bars.close.loc[DAYS[2] :, "BBB"] = np.nan
    desk.bars.open.loc[DAYS[2] :, "BBB"] = np.nan
    desk.settings = Settings(Rules(), Limits(1.0, 2.0, 0.0, priced=0.7))
    report = desk.step(DAYS[2])
    assert report.weights["BBB"] > 0.2
    with pytest.raises(GuardStopError, match="BBB of 4 assets have no price at 2022-09-23"):
        desk.step(DAYS[3], limits=EASY)


def test_a_held_asset_without_a_price_column_is_refused(desk):
    for day in DAYS[:2]:
        desk.step(day)
    desk.bars = Bars(desk.bars.close.drop(columns="BBB"), desk.bars.open.drop(columns="BBB"))
    with pytest.raises(ValueError, match="prices lack the asset BBB, which the paper account was counted at"):
        desk.step(DAYS[2])


def test_another_brokers_ledger_is_refused(desk):
    desk.step(DAYS[0])
    with (
        desk.opened() as (ledger, _),
        ledger.transaction() as connection,
        pytest.raises(LedgerError, match="broker pa"),
    ):
        portfolio_name(connection, "alpaca")


def test_a_session_before_the_ledgers_last_is_refused(desk):
    for day in DAYS[:3]:
        desk.step(day)
    with pytest.raises(LedgerError, match="the ledger is at 2022-09-22: a step for 2022-09-20 comes too late"):
        desk.step(DAYS[0])


def test_prices_that_are_none_are_refused(desk):
    desk.bars = Bars(-desk.bars.close)
    with pytest.raises(FrameError, match="is not a price"):
        desk.step(DAYS[0])


def test_whole_shares_leave_cash_and_no_fraction(desk):
    desk.settings = Settings(Rules(lot=1.0, minimum=100.0), EASY)
    for day in DAYS[:5]:
        report = desk.step(day)
        assert report.cash >= 0.0
    shares = np.array(list(desk.shares().shares.values()))
    assert (shares == np.round(shares)).all()
    assert report.cash < 200.0


def test_the_ledger_is_closed_for_others_meanwhile(desk):
    with (
        desk.opened(),
        pytest.raises(LedgerError, match="another run has held the ledger for 0.1 s"),
        open_ledger(desk.url, wait=0.1),
    ):
        pass
