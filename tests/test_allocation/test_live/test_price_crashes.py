"""kill -9 while prices are fetched: the cache holds an answer whole or not at all, and the next night goes on."""

import signal

import numpy as np
import pandas as pd
from live_support import ended, in_a_child, kill_at

from allocation.data.cache import Vendor, fetch_missing, kept_prices
from allocation.data.versions import price_fetches

DAYS = pd.bdate_range("2021-01-04", periods=40)
FIRST, LAST = (DAYS[0], DAYS[30]), (DAYS[0], DAYS[39])


def vendor(factor):
    """One whose past is multiplied by a factor, as by a split."""

    def fetch(tickers, first, last):
        days = DAYS[(first <= DAYS) & (last >= DAYS)]
        close = factor * np.arange(1.0, 1.0 + len(DAYS))[DAYS.get_indexer(days)]
        frames = [pd.DataFrame({"date": days, "ticker": t, "close": close, "open": close}) for t in tickers]
        return pd.concat(frames, ignore_index=True)

    return Vendor("Exchange", "adjusted", "client 1", fetch)


def first_night(folder):
    fetch_missing(folder, ["AAA", "BBB"], FIRST, vendor(1.0))


def second_night(folder):
    fetch_missing(folder, ["AAA", "BBB"], LAST, vendor(0.5))


def said(folder, span):
    return kept_prices(folder, ["AAA", "BBB"], span)


def test_a_fetch_is_kept_whole_or_not_at_all(tmp_path):
    first_night(tmp_path / "calm")
    before = said(tmp_path / "calm", FIRST)
    second_night(tmp_path / "calm")
    after = said(tmp_path / "calm", LAST)
    kills = 0
    for count in range(1, 100):
        folder = tmp_path / f"k{count}"
        first_night(folder)
        if ended(in_a_child(lambda count=count, folder=folder: (kill_at(count), second_night(folder)))) == 0:
            break
        kills += 1
        assert len(price_fetches(folder)) == 2
        pd.testing.assert_frame_equal(said(folder, FIRST), before, check_exact=True)
        second_night(folder)
        pd.testing.assert_frame_equal(said(folder, LAST), after, check_exact=True)
        assert {path.suffix for path in folder.iterdir()} == {".sqlite"}
    assert kills > 8


def test_a_first_fetch_that_was_killed_leaves_nothing(tmp_path):
    first_night(tmp_path / "calm")
    for count in (1, 3, 6):
        folder = tmp_path / f"k{count}"
        killed = ended(in_a_child(lambda count=count, folder=folder: (kill_at(count), first_night(folder))))
        assert killed == -signal.SIGKILL
        first_night(folder)
        pd.testing.assert_frame_equal(said(folder, FIRST), said(tmp_path / "calm", FIRST), check_exact=True)
