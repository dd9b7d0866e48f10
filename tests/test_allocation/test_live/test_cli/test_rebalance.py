"""What a night does with its options: a dry run decides anew, another ledger is noticed, and what is said is plain."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from allocation.live import open_account, open_ledger

STEP = "rebalance strategy.py --ledger book.sqlite --prices bars.csv"
BEFORE, DAY, NEXT, THIRD = "2022-09-19", "2022-09-20", "2022-09-21", "2022-09-22"
TILT = """import pandas as pd

def policy():
    return lambda view: pd.Series({"AAA": 0.4, "BBB": 0.3, "CCC": 0.2, "DDD": 0.05})
"""
ESCAPE = "\x1b[2J\x9b1m"


@pytest.fixture
def long_prices(folder):
    """Change the prices' rows."""

    def change(rows_to):
        bars = pd.read_csv(folder / "bars.csv")
        rows_to(bars).to_csv(folder / "bars.csv", index=False)

    return change


# A dry run of a session that was decided


def test_a_dry_run_decides_anew_and_says_how_that_differs(command, folder):
    command(f"{STEP} --date {DAY}")
    book = (folder / "book.sqlite").read_bytes()
    code, out, _ = command(f"{STEP} --date {DAY} --dry-run")
    assert (code, "had been decided, and was decided again (dry run" in out) == (0, True)
    assert "the same as what was decided" in out
    (folder / "strategy.py").write_text(TILT)
    code, out, _ = command(f"{STEP} --date {DAY} --dry-run --cost-bp 5")
    assert code == 0
    differs = [line.removeprefix("differs: ") for line in out.splitlines() if line.startswith("differs: ")]
    assert differs == [
        "strategy is not what the decision was made of",
        "config is not what the decision was made of",
        *(f"{asset}: 25.00% was decided, {now} now" for asset, now in
          zip(("AAA", "BBB", "CCC", "DDD"), ("40.00%", "30.00%", "20.00%", "5.00%"), strict=True)),
    ]  # fmt: skip
    report = json.loads(command(f"{STEP} --date {DAY} --dry-run --json")[1])
    assert (report["decided"], report["targets"]["AAA"], len(report["changes"])) == ("again", 0.4, 5)
    assert (folder / "book.sqlite").read_bytes() == book
    assert "had been decided\n" in command(f"{STEP} --date {DAY}")[1]


def test_a_dry_run_decides_on_any_day(command, at):
    at("2022-09-24 20:35")  # a Saturday
    assert "is not a session" in command(STEP)[1]
    assert command(f"{STEP} --dry-run")[1].startswith("2022-09-23 decided (dry run")


def test_today_s_limits_hold_a_dry_run_of_what_was_decided(command):
    command(f"{STEP} --date {DAY}")
    code, _, err = command(f"{STEP} --date {DAY} --dry-run --max-weight 0.2")
    assert (code, "[weight] AAA 25.0%" in err) == (3, True)


def test_a_dry_run_of_orders_that_were_sent_sends_nothing(command, folder, alpaca, at):
    step = STEP.replace("book", "broker") + " --broker alpaca --lot 1"
    at("2022-09-20 20:35")
    assert command(step)[0] == 0
    sent = dict(alpaca.orders)
    (folder / "strategy.py").write_text(TILT)
    report = json.loads(command(f"{step} --dry-run --json")[1])
    assert (report["decided"], alpaca.orders) == ("again", sent)
    assert {trade["asset"]: round(trade["value"] / 1e5, 2) for trade in report["trades"]} == {
        "AAA": 0.4, "BBB": 0.3, "CCC": 0.2, "DDD": 0.05,
    }  # fmt: skip


# What is traded


def test_trades_are_shares_money_cost_and_turnover(command, folder):
    out = command(f"{STEP} --date {DAY}")[1]
    rows = {line.split()[2]: line.split() for line in out.splitlines() if line.startswith("  ")}
    assert set(rows) == {"AAA", "BBB", "CCC", "DDD"}
    price = pd.read_csv(folder / "bars.csv").query(f"date == '{DAY}' and ticker == 'AAA'")["close"].item()
    money = 24_975.0249750249750  # a quarter of what is left after costs of 10 bp
    assert rows["AAA"] == f"buy {money / price:,.4f} AAA {money:,.2f} at {price:,.4f}, cost 24.98: at the open".split()
    assert "turnover 99.9% of NAV one way, cost 99.90, estimated with the closes" in out
    report = json.loads(command(f"{STEP} --date {DAY} --json")[1])
    assert report["cost"] == pytest.approx(99.90, abs=0.01)
    assert report["turnover"] == pytest.approx(sum(trade["value"] for trade in report["trades"]) / report["nav"])


def test_only_what_changes_is_shown(command, folder):
    command(f"{STEP} --date {DAY}")
    (folder / "strategy.py").write_text(
        "def policy():\n    return lambda view: view.held.where(view.held.index != 'AAA', 0.1)\n"
    )
    command(f"{STEP} --date {NEXT} --allow config")
    (folder / "strategy.py").write_text("def policy():\n    return lambda view: view.held * float('nan')\n")
    out = command(f"{STEP} --date {THIRD} --allow config")[1]
    assert [line.split()[:3:2] for line in out.splitlines() if line.startswith("  ")] == []
    assert "nothing to trade" in out


# Another ledger


def test_another_ledger_of_the_same_broker_is_noticed(command, folder):
    assert command(f"{STEP} --date {DAY}")[0] == 0
    shutil.move("book.sqlite", "kept.sqlite")
    with open_ledger("book.sqlite", create=True) as ledger:
        open_account(ledger, 5_000.0)
    code, out, err = command(f"{STEP} --date {NEXT}")
    assert (code, out) == (3, "")
    assert "[ledger] sqlite:///book.sqlite is another account than the one that ran here last" in err
    report = json.loads(command(f"{STEP} --date {NEXT} --allow ledger --json")[1])
    assert report["allowed"][0]["guard"] == "ledger"
    assert command(f"{STEP} --date {NEXT}")[0] == 0  # from now on it is this one


def test_an_older_copy_of_the_ledger_is_noticed(command):
    assert command(f"{STEP} --date {DAY}")[0] == 0
    shutil.copy("book.sqlite", "copy.sqlite")
    assert command(f"{STEP} --date {NEXT}")[0] == 0
    shutil.copy("copy.sqlite", "book.sqlite")
    code, _, err = command(f"{STEP} --date {NEXT}")
    assert (code, "knows of 1 runs, and the last one here was run 2: it is an older copy" in err) == (3, True)
    assert "look into it, then run once with --allow ledger" in command(f"{STEP} --check")[1]


def test_an_account_that_was_opened_on_purpose_is_the_one(command, folder):
    command(f"{STEP} --date {DAY}")
    shutil.move("book.sqlite", "kept.sqlite")
    assert command("account open --ledger book.sqlite")[0] == 0
    assert command(f"{STEP} --date {NEXT}")[0] == 0


def test_what_ran_last_is_no_secret_and_no_reason_to_fail(command, folder, caplog):
    (folder / "state").write_text("no folder")
    assert command(f"{STEP} --date {DAY}")[0] == 0
    assert "it cannot be noted which ledger ran" in caplog.text


# Jumps that are real, and news as they are written


def test_a_jump_of_one_asset_can_be_allowed_by_name(command, long_prices):
    def crashed(bars):
        late = (bars["date"] >= NEXT) & (bars["ticker"] == "BBB")
        return bars.assign(**{name: bars[name].where(~late, bars[name] / 2.0) for name in ("open", "close")})

    command(f"{STEP} --date {DAY}")
    long_prices(crashed)
    code, _, err = command(f"{STEP} --date {NEXT}")
    assert (code, "[price-jump] not adjusted for a split" in err) == (3, True)
    assert command(f"{STEP} --date {NEXT} --allow-jump AAA")[0] == 3
    assert "prices have no ZZZ whose jump could be allowed" in command(f"{STEP} --date {NEXT} --allow-jump ZZZ")[2]
    assert command(f"{STEP} --date {NEXT} --allow-jump BBB")[0] == 0


def test_a_split_behind_a_correction_is_stated_by_name(command, long_prices):
    def revised(bars):
        bbb = bars["ticker"] == "BBB"
        ratio = np.where(bbb & (bars["date"] == DAY), 1.02 / 1.25, np.where(bbb & (bars["date"] < NEXT), 1 / 1.25, 1.0))
        return bars.assign(**{name: bars[name] * ratio for name in ("open", "close")})

    for day in (BEFORE, DAY):
        assert command(f"{STEP} --date {day}")[0] == 0
    long_prices(revised)
    code, _, err = command(f"{STEP} --date {NEXT} --allow revised-prices")
    assert (code, "the session before by 1.25): a correction that may hide a split" in err) == (3, True)
    assert "prices have no ZZZ whose split could be followed" in command(f"{STEP} --date {NEXT} --split ZZZ=2")[2]
    assert "--split BBB: write TICKER=RATIO" in command(f"{STEP} --date {NEXT} --split BBB")[2]
    code, out, _ = command(f"{STEP} --date {NEXT} --split BBB=1.25")
    assert (code, "note: shares of BBB × 1.25: as was stated" in out) == (0, True)


def test_news_are_read_as_the_settings_say(command, folder):
    news = pd.read_csv(folder / "scored.csv")
    news["published"] = news["published"].str.slice(0, 10) + " 00:00"
    news.rename(columns={"published": "made", "asset": "who"}).to_csv(folder / "other.csv", index=False)
    (folder / "night.toml").write_text(
        'columns = "published=made,asset=who"\nmidnight = "time"\ntimezone = "America/New_York"\n'
    )
    step = f"{STEP} --news other.csv --settings night.toml --date {DAY} --dry-run --json"
    assert command(f"{STEP} --news other.csv --date {DAY}")[0] == 1
    assert command(step)[0] == 0
    (folder / "night.toml").write_text('midnight = "noon"\n')
    assert "midnight: " in command(step)[2]


# Control characters


def test_control_characters_of_tickers_and_texts_reach_no_terminal(command, folder, long_prices):
    long_prices(lambda bars: bars.assign(ticker=bars["ticker"].replace("BBB", f"B{ESCAPE}B")))
    said = []
    for day in (DAY, NEXT):
        code, out, err = command(f"{STEP} --date {day} --log text --max-turnover 2")
        assert code == 0
        said += [out, err]
    for line in ("status --ledger book.sqlite", f"{STEP} --date {NEXT} --json", f"{STEP} --date {THIRD} --dry-run"):
        said += command(line)[1:]
    for what in ("nav", "decisions", "orders", "fills", "events"):
        for more in ("", " --json"):
            said += command(f"history {what} --ledger book.sqlite{more}")[1:]
    (folder / "strategy.py").write_text(f"def policy():\n    raise ValueError({ESCAPE!r} + 'no')\n")
    code, out, err = command(f"{STEP} --date {THIRD}")
    said += [out, err, *command("status --ledger book.sqlite")[1:]]
    assert code == 1
    assert len("".join(said)) > 2_000
    assert all(line.isprintable() for text in said for line in text.splitlines())
    assert ESCAPE not in "".join(said)
