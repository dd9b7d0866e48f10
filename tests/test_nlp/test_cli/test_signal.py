"""`newsfolio signal` passes each option on to the function that it is a skin of."""

import re

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from nlp.cli.signal import signal
from nlp.errors import NewsError
from nlp.signals.cross_section import cross_section
from nlp.signals.daily import daily_signal
from nlp.signals.novelty import weigh_headlines
from nlp.signals.sessions import assign_session, calendar_sessions
from nlp.texts.headlines import read_headlines

TEXTS = ["Acme lifts outlook", "Acme lifts its outlook", "Acme sued"]


@pytest.fixture
def scored(tmp_path):
    random = np.random.default_rng(1)
    published = pd.Timestamp("2021-03-01 12:00", tz="UTC") + pd.to_timedelta(random.integers(0, 60 * 24 * 60, 300), "m")
    news = {"published": published, "asset": random.choice(list("ABCD"), 300), "text": random.choice(TEXTS, 300)}
    pd.DataFrame(news).assign(score=random.uniform(-1, 1, 300)).to_csv(tmp_path / "scored.csv", index=False)
    return tmp_path


def ran(folder, *options):
    app = typer.Typer()
    app.command()(signal)
    result = CliRunner().invoke(app, [str(folder / "scored.csv"), "--out", str(folder / "made.parquet"), *options])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result, pd.read_parquet(folder / "made.parquet") if result.exit_code == 0 else None


def by_hand(rows, cutoff="close", **options):
    known = assign_session(rows["published"], cutoff=cutoff, time_known=rows["time_known"])
    return daily_signal(rows, calendar_sessions("XNYS", known.min(), known.max()), cutoff=cutoff, **options)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], lambda rows: by_hand(rows)),
        (["--cutoff", "close-30"], lambda rows: by_hand(rows, cutoff="close-30")),
        (["--prior-count", "fit"], lambda rows: by_hand(rows, prior_count="fit")),
        (
            ["--prior-count", "7", "--aggregation", "sum"],
            lambda rows: by_hand(rows, prior_count=7.0, aggregation="sum"),
        ),
        (["--novelty-hours", "48"], lambda rows: by_hand(weigh_headlines(rows, hours=48.0))),
        (["--relative", "rank"], lambda rows: cross_section(by_hand(rows), "rank")),
        (["--relative", "zscore"], lambda rows: cross_section(by_hand(rows), "zscore")),
        (["--delay", "90"], lambda rows: by_hand(rows.assign(published=rows["published"] + pd.Timedelta("90min")))),
    ],
)
def test_each_option_does_what_its_function_does(scored, options, expected):
    _, made = ran(scored, *options)
    pd.testing.assert_frame_equal(made, expected(read_headlines(scored / "scored.csv")), check_freq=False)


SECTORS = pd.Series(["one", "one", "two", "two"], index=list("ABCD"), name="sector")


@pytest.mark.parametrize("how", ["zscore", "rank"])
def test_sectors_are_read_by_ticker(scored, how):
    table = SECTORS.rename_axis("ticker").reset_index()
    table.sample(frac=1, random_state=1).to_csv(scored / "sectors.csv", index=False)
    _, made = ran(scored, "--relative", how, "--sectors", str(scored / "sectors.csv"))
    expected = cross_section(by_hand(read_headlines(scored / "scored.csv")), how, sectors=SECTORS)
    pd.testing.assert_frame_equal(made, expected, check_freq=False)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("ticker,sector\nA,one\n", [], "--sectors has no effect without --relative"),
        ("ticker,group\nA,one\n", ["--relative", "rank"], "sector"),
        ("ticker,sector\nA,one\nA,two\n", ["--relative", "rank"], "A has two sectors: keep one"),
        ("ticker,sector\nA,one\n", ["--relative", "rank"], r"B has no sector \(3 such assets\)"),
    ],
)
def test_sectors_that_make_no_sense_write_nothing(scored, text, options, message):
    (scored / "sectors.csv").write_text(text)
    with pytest.raises(NewsError, match=message):
        ran(scored, "--sectors", str(scored / "sectors.csv"), *options)
    assert not (scored / "made.parquet").exists()


def test_it_says_what_was_dropped_and_made(scored):
    result, made = ran(scored)
    assert f"300 headlines -> {len(made)} sessions × 4 assets" in result.output
    assert "dropped: 0 without text, 0 without asset, 0 exact repeats" in result.output


def test_it_says_what_taught_the_classifier_or_that_this_is_not_recorded(scored):
    result, made = ran(scored)
    assert "not recorded: which texts taught the classifier" in result.output
    assert made.attrs == {}
    rows = pd.read_csv(scored / "scored.csv").assign(published=lambda t: pd.to_datetime(t["published"], utc=True))
    rows.attrs.update({"trained_on": "corpus one", "trained_until": "2020-05-06"})
    rows.to_parquet(scored / "scored.parquet")
    app = typer.Typer()
    app.command()(signal)
    told = CliRunner().invoke(app, [str(scored / "scored.parquet"), "--out", str(scored / "other.parquet")])
    assert "the classifier was taught by corpus one, the last of 2020-05-06" in told.output
    assert pd.read_parquet(scored / "other.parquet").attrs == rows.attrs


def test_a_delay_leaves_bare_dates_alone(scored):
    rows = pd.read_csv(scored / "scored.csv")
    rows.assign(published=rows["published"].str[:10]).to_csv(scored / "scored.csv", index=False)
    assert ran(scored, "--delay", "600")[1].equals(ran(scored)[1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--aggregation", "median"], "--aggregation 'median' is not known: use mean, sum"),
        (["--relative", "z"], "--relative 'z' is not known: use no, zscore, rank"),
        (["--prior-count", "strong"], "--prior-count 'strong' is not a number"),
        (["--delay", "-5"], "--delay -5 is not less than a day"),
        (["--cutoff", "noon"], "cut-off 'noon' is not known"),
    ],
)
def test_options_that_make_no_sense_write_nothing(scored, options, message):
    with pytest.raises(NewsError, match=message):
        ran(scored, *options)
    assert not (scored / "made.parquet").exists()


def test_ready_made_scores_need_no_text_and_may_have_a_scale_and_names_of_their_own(tmp_path):
    days = pd.bdate_range("2023-02-27", periods=60).tz_localize("America/New_York") + pd.Timedelta(hours=10)
    rows = pd.DataFrame({"created_at": days.tz_convert("UTC"), "Symbol": ["AAA", "BBB"] * 30, "tone": [1, 4, 5] * 20})
    rows.to_csv(tmp_path / "scored.csv", index=False)
    _, made = ran(tmp_path, "--columns", "score=tone", "--scale", "1..5")
    ready = rows.rename(columns={"created_at": "published", "Symbol": "asset"}).assign(score=[-1.0, 0.5, 1.0] * 20)
    expected = daily_signal(ready, calendar_sessions("XNYS", days[0].tz_localize(None).normalize(), made.index[-1]))
    pd.testing.assert_frame_equal(made, expected, check_freq=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scale", "5"], "scale '5' is not understood: write the lowest and the highest score, as 1..5"),
        (["--scale", "5..1"], "scale '5..1' is not understood"),
        (["--scale", "0..0.1"], "is not on the scale 0..0.1"),
        (["--columns", "score"], "write published=NAME,asset=NAME"),
    ],
)
def test_scales_and_columns_that_make_no_sense_are_named(scored, options, message):
    with pytest.raises(NewsError, match=re.escape(message)):
        ran(scored, *options)
