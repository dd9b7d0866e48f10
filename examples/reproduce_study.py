"""The table of published studies: long-short quintiles on news, by timing, cost and scorer, with placebos and years.

    NEWSFOLIO_DATA=/folder/with/the/data python examples/reproduce_study.py [--model FOLDER] [--out DIR]
    python examples/reproduce_study.py --news NEWS --prices PRICES --words WORDS [--model FOLDER] [--out DIR]

News is a table with published (UTC), asset, text; prices are long with date, ticker, open, close; words a table with
word, category. Without them the tweets, prices and word list of the data folder are taken (StockNet, 2014-2015).

Each session, assets are ranked by the mean score of the news of one window; the top fifth is bought and the bottom
fifth sold short, with equal weights. News from before the open (the same morning) or after the close (the evening
before, weekends) is traded from that open to that close; news during the session from its close to the next one.
Every position is closed again, so that costs are paid four times on the capital: two legs, in and out. Studies that
report large Sharpe ratios do so on thousands of stocks; expect nothing of eighty-seven.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from allocation import Bars
from allocation.data.load import bars_from_long, load_prices
from backtest import newey_west_t, sharpe_interval
from backtest.signal_study.information_coefficient import shuffled_across_assets
from newsfolio.shared.atomic import write_text
from nlp import SentimentClassifier, assign_session, read_headlines, score_headlines
from nlp.evaluation.baselines import read_word_list
from nlp.scoring.score import with_scores

WINDOWS = ("before open", "intraday", "after close")
COSTS_BP = (0, 5, 10, 25)
FEWEST_NAMES, FIFTH = 10, 0.2
TRADED = 4.0  # of each unit of capital: two legs, each opened and closed
PLACEBOS, YEAR, ZONE = 100, 252, "America/New_York"
NEEDED = ("stocknet_news.parquet", "stocknet_prices.parquet", "loughran_mcdonald_2014.csv")
HEADER = ("scorer", "window", "cost", "bp a session", "Sharpe", "95 % interval", "t", "sessions")


def main(news: pd.DataFrame, bars: Bars, scorers: dict[str, Callable[[pd.DataFrame], pd.DataFrame]], out: Path) -> None:
    placed = with_windows(news, pd.DatetimeIndex(bars.close.index))
    rows, years, placebos = [], {}, []
    for scorer, score in scorers.items():
        scored = score(placed)
        for window in WINDOWS:
            signal = window_signal(scored[scored["window"] == window], bars)
            held = holding_returns(bars, window)
            gross = long_short(signal, held)
            rows.extend(table_row(scorer, window, cost, gross) for cost in COSTS_BP)
            years[f"{scorer}, {window}"] = gross.groupby(pd.DatetimeIndex(gross.index).year).mean() * 1e4
            placebos.append((scorer, window, *placebo_range(signal, held)))
    report(rows, years, placebos, out)


def with_windows(news: pd.DataFrame, sessions: pd.DatetimeIndex) -> pd.DataFrame:
    """News with the session it is traded in and its window; of news whose time is unknown no window is known."""
    if "time_known" in news.columns:
        print(f"left out, as only their date is known: {int((~news['time_known'].astype(bool)).sum()):,} rows")
        news = news[news["time_known"].astype(bool)]
    by_open, by_close = (assign_session(news["published"], cutoff=cutoff) for cutoff in ("open", "close"))
    local = pd.DatetimeIndex(news["published"]).tz_convert(ZONE).tz_localize(None).normalize()
    overnight = np.where(local == by_close, WINDOWS[0], WINDOWS[2])
    placed = news.assign(session=by_close, window=np.where(by_open == by_close, overnight, WINDOWS[1]))
    inside = placed["session"].isin(sessions)
    print(f"news: {len(placed):,} rows, {int(inside.sum()):,} of them in sessions that have prices")
    return placed[inside]


def window_signal(scored: pd.DataFrame, bars: Bars) -> pd.DataFrame:
    """Mean score of each session's news (sessions × assets), NaN without any."""
    means = scored.pivot_table(index="session", columns="asset", values="score", aggfunc="mean")
    return means.reindex(index=bars.close.index, columns=bars.close.columns)


def holding_returns(bars: Bars, window: str) -> pd.DataFrame:
    """What each asset earned from the first trade after the window on (row: session of the news)."""
    if window == "intraday":
        return bars.close.shift(-1) / bars.close - 1.0
    return bars.close / bars.open - 1.0


def long_short(signal: pd.DataFrame, held: pd.DataFrame) -> pd.Series:
    """Mean return of the top fifth less that of the bottom fifth, per session; ties are never split."""
    known = signal.where(held.notna())
    low, high = (known.quantile(level, axis=1) for level in (FIFTH, 1.0 - FIFTH))
    long = known.ge(high, axis=0) & known.gt(low, axis=0)
    short = known.le(low, axis=0) & known.lt(high, axis=0)
    earned = held.where(long).mean(axis=1) - held.where(short).mean(axis=1)
    return earned[known.count(axis=1) >= FEWEST_NAMES].dropna()


def table_row(scorer: str, window: str, cost_bp: int, gross: pd.Series) -> tuple[str, ...]:
    net = gross - TRADED * cost_bp / 1e4
    low, high = sharpe_interval(net, YEAR)
    sharpe = net.mean() / net.std(ddof=1) * YEAR**0.5 if len(net) > 1 else float("nan")
    return (scorer, window, f"{cost_bp} bp", f"{1e4 * net.mean():+.1f}", f"{sharpe:+.2f}", f"{low:+.2f} to {high:+.2f}",
            f"{newey_west_t(net):+.1f}", f"{len(net)}")  # fmt: skip


def placebo_range(signal: pd.DataFrame, held: pd.DataFrame) -> tuple[float, float]:
    """Where 95 % of the mean gross returns lie, in bp, when each session's scores are permuted among its assets."""
    means = [1e4 * long_short(shuffled_across_assets(signal, seed), held).mean() for seed in range(PLACEBOS)]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def report(rows: list[tuple[str, ...]], years: dict[str, pd.Series], placebos: list, out: Path) -> None:
    table = pd.DataFrame(rows, columns=list(HEADER))
    by_year = pd.DataFrame(years).T
    print(
        f"\n{table.to_string(index=False)}\n\ngross basis points a session, by year\n{by_year.round(1).to_string()}\n"
    )
    for scorer, window, low, high in placebos:
        print(f"placebo, {scorer}, {window}: 95 % of {PLACEBOS} shuffles {low:+.1f} to {high:+.1f} bp gross")
    write_text(table.to_csv(index=False), out / "table.csv")
    write_text(by_year.to_csv(), out / "by_year.csv")
    print(f"\nwritten to {out}")


def scorers(words: Path, model: Path | None) -> dict[str, Callable[[pd.DataFrame], pd.DataFrame]]:
    """The word list, and a fine-tuned model where its folder is given."""
    listed = read_word_list(words)
    found = {"word list": lambda rows: with_scores(rows, listed.predict_proba(list(rows["text"])))}
    if model is not None:
        classifier = SentimentClassifier.load(model)
        found[model.name] = lambda rows: score_headlines(rows, classifier, progress=True)
    return found


def stocknet(data: Path) -> tuple[pd.DataFrame, Bars]:
    missing = [name for name in NEEDED if not (data / name).is_file()]
    if missing:
        sys.exit(f"error: {data} lacks {', '.join(missing)}: set NEWSFOLIO_DATA, or name --news, --prices and --words")
    raw = pd.read_parquet(data / "stocknet_news.parquet").rename(columns={"ticker": "asset", "created_at": "published"})
    bars = bars_from_long(pd.read_parquet(data / "stocknet_prices.parquet"), where="stocknet_prices.parquet")
    kept = raw[raw["lang"].eq("en") & ~raw["is_retweet"].astype(bool) & raw["asset"].isin(bars.close.columns)]
    return read_headlines(kept[["published", "asset", "text"]]), bars


def given(news: Path, prices: Path) -> tuple[pd.DataFrame, Bars]:
    bars = load_prices(prices)
    if bars.open is None:
        sys.exit(f"error: {prices} has no column open: the windows before the open and after the close need it")
    return read_headlines(news), bars


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Long-short quintiles on news, by timing, cost and scorer.")
    for name in ("--news", "--prices", "--words", "--model"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/study"))
    asked = parser.parse_args()
    data = Path(os.environ.get("NEWSFOLIO_DATA", "."))
    if (asked.news is None) != (asked.prices is None):
        parser.error("--news and --prices go together")
    table, found = stocknet(data) if asked.news is None else given(asked.news, asked.prices)
    main(table, found, scorers(asked.words or data / NEEDED[2], asked.model), asked.out)
