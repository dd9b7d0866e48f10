"""Scored headlines to a daily signal: ours beside plain pandas, each in a process of its own.

    python benchmarks/daily_signal.py --rows 10000000 --assets 500

Ours knows the exchange's holidays, early closes and clock changes, gives the same bits in every order of the rows and
makes the companions (count, dispersion, surprise) too; plain pandas does what a first script would: New York time,
16:00, business days, groupby, and the same decayed mean.
"""

import argparse
import resource
import subprocess
import sys
import time

import numpy as np
import pandas as pd

from nlp.signals.daily import daily_signal, news_signal
from nlp.signals.sessions import assign_session, calendar_sessions

FIRST, LAST = "2014-01-02", "2023-12-29"
KEEP, PRIOR = 0.5 ** (1 / 3), 2.0
METHODS = ("ours", "ours with companions", "ours, sessions only", "plain pandas")


def scored(rows: int, assets: int) -> pd.DataFrame:
    random = np.random.default_rng(0)
    first, last = (int(pd.Timestamp(day).timestamp()) for day in (FIRST, LAST))
    published = pd.DatetimeIndex(random.integers(first, last, rows).astype("datetime64[s]")).tz_localize("UTC")
    names = pd.Series([f"A{n:04d}" for n in range(assets)], dtype="str")
    asset = names.iloc[random.integers(0, assets, rows)].reset_index(drop=True)
    return pd.DataFrame({
        "published": published, "asset": asset, "score": random.uniform(-1, 1, rows),
        "novelty": 0.75 ** random.integers(0, 4, rows),
    })  # fmt: skip


def plain(news: pd.DataFrame) -> pd.DataFrame:
    local = news["published"].dt.tz_convert("America/New_York")
    day = (local + pd.Timedelta(hours=8)).dt.tz_localize(None).dt.normalize()
    session = day + pd.to_timedelta(day.dt.day_of_week.map({5: 2, 6: 1}).fillna(0), unit="D")
    weighted = news.assign(session=session, total=news["novelty"] * news["score"])
    sums = weighted.groupby(["session", "asset"])[["novelty", "total"]].sum()
    weight, total = sums["novelty"].unstack(fill_value=0.0), sums["total"].unstack(fill_value=0.0)
    decayed = [frame.ewm(alpha=1 - KEEP, adjust=False).mean() / (1 - KEEP) for frame in (weight, total)]
    return decayed[1] / (PRIOR + decayed[0])


def run(method: str, news: pd.DataFrame) -> None:
    if method == "plain pandas":
        plain(news)
    elif method == "ours, sessions only":
        assign_session(news["published"])
    else:
        make = daily_signal if method == "ours" else news_signal
        make(news, calendar_sessions("XNYS", pd.Timestamp(FIRST), pd.Timestamp(LAST)))


def measure(method: str, rows: int, assets: int) -> None:
    """Print the seconds of this process and of the clock, rows per second of the former, and the most memory."""
    news = scored(rows, assets)
    run(method, news.head(1000))  # the calendar is made once
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started, own = time.perf_counter(), time.process_time()
    run(method, news)
    seconds, own = time.perf_counter() - started, time.process_time() - own
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times = f"{own:8.1f} s of processor{seconds:8.1f} s{rows / own / 1e6:8.2f} M rows/s"
    print(f"{method:<22}{times}{most / 2**20:8.2f} GB, of it rows {before / 2**20:.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--assets", type=int, default=500)
    parser.add_argument("--method", choices=METHODS)
    options = parser.parse_args()
    if options.method:
        return measure(options.method, options.rows, options.assets)
    print(f"{options.rows:,} headlines on {options.assets} assets, {FIRST} to {LAST}")
    for method in METHODS:
        subprocess.run(  # noqa: S603 - this very file
            [sys.executable, __file__, "--rows", str(options.rows), "--assets", str(options.assets),
             "--method", method], check=True,
        )  # fmt: skip
    return None


if __name__ == "__main__":
    main()
