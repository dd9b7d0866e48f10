"""The whole way on real data: 92,207 tweets on 87 US stocks, January 2014 to September 2015 (StockNet).

    NEWSFOLIO_DATA=/folder/with/the/data python examples/stocknet.py [OUT]

It fine-tunes on labelled financial tweets, scores the StockNet tweets, builds a signal for each stock, and rebalances
weekly at the next open, 10 bp of the traded value. What to expect: tweets explain the return of their own session
(rank IC of about 0.05) and predict nothing of the next one. A large edge here would be a look-ahead, not a discovery.

Which tweets count: those in English; of a retweet, the text without "RT @name:", so that it equals its original; and
of equal texts on one stock, letters and links aside, only the first, since an echo brings no news.
"""

import os
import re
import sys
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from allocation import Bars, EqualWeight, Hold, NoView, SentimentPolicy, frame_digest
from allocation.data.load import bars_from_long
from backtest import (
    Costs,
    Report,
    Result,
    comparison,
    next_session_ic,
    placebo,
    rebalance_dates,
    run,
    same_session_ic,
    write_report,
)
from nlp import (
    FinetuneConfig,
    SentimentClassifier,
    daily_signal,
    finetune,
    read_headlines,
    read_labelled,
    score_headlines,
    split,
)

MOST_PER_STOCK = 0.05
CONFIG = FinetuneConfig(epochs=2.0)  # 9,543 tweets: two passes see as many texts as four over a PhraseBank
FIRST, LAST = "2014-01-02", "2015-09-30"  # the sessions that have tweets
NEEDED = ("twitter_financial_news.parquet", "stocknet_news.parquet", "stocknet_prices.parquet")


def main(out: Path, data: Path) -> None:
    missing = [name for name in NEEDED if not (data / name).is_file()]
    if missing:
        sys.exit(f"error: {data} lacks {', '.join(missing)}: point NEWSFOLIO_DATA at the folder of the data sets")
    bars = load_bars(data)
    news = load_news(data, list(bars.close.columns))
    classifier = train(data)
    scored = score_headlines(news, classifier, progress=True)
    sessions = bars.close.loc[FIRST:LAST].index
    signal = daily_signal(scored, sessions)
    covered = signal.notna().to_numpy().mean()
    print(f"signal: {signal.shape[0]} sessions × {signal.shape[1]} stocks, {covered:.0%} covered")

    fresh = daily_signal(scored, sessions, max_age=1, halflife=0.1)  # the session's own tweets and no older ones
    coefficients = [
        same_session_ic(fresh, bars.close, name="same session, its own tweets"),
        next_session_ic(fresh, bars.close, name="next session, its own tweets"),
        next_session_ic(signal, bars.close, name="next session, signal as traded"),
    ]
    results = backtests(bars, signal)
    print(*coefficients, placebo(signal, bars.close), sep="\n")
    print(verdict(coefficients[0].t, coefficients[2].t))
    print(f"\nweekly, filled at the next open, net of 10 bp of the traded value\n{comparison(results)}")
    manifest = {"finetune": asdict(CONFIG), "model": classifier.fingerprint, "signal": frame_digest(signal),
                "prices": frame_digest(bars.close)}  # fmt: skip
    report = Report(
        title="StockNet 2014-2015",
        results=results,
        twin=results[1],
        notices=[verdict(coefficients[0].t, coefficients[2].t)],
        coefficients=coefficients,
        signal=signal,
        headlines=scored,
        manifest=manifest,
    )
    write_report(report, out / "report.html")
    print(f"\nreport written to {out / 'report.html'}")


def load_bars(data: Path) -> Bars:
    """Adjusted opens and closes of the stocks that trade until the end of the sample."""
    bars = bars_from_long(pd.read_parquet(data / "stocknet_prices.parquet"), where="stocknet_prices.parquet")
    close, opens = bars.close.loc[:LAST], bars.open.loc[:LAST]
    ended = close.columns[close.iloc[-1].isna()]
    print(f"prices: {close.shape[1]} stocks; left out, as their prices end before {LAST}: {', '.join(ended) or 'none'}")
    return Bars(close.drop(columns=ended), opens.drop(columns=ended))


def load_news(data: Path, stocks: list[str]) -> pd.DataFrame:
    """English tweets on stocks that have prices, retweets reduced to their original, echoes dropped."""
    raw = pd.read_parquet(data / "stocknet_news.parquet")
    news = raw.rename(columns={"ticker": "asset", "created_at": "published"})
    news = news[news["lang"].eq("en") & news["asset"].isin(stocks)]
    news = news.assign(text=news["text"].str.replace(r"^RT @\w+:?\s*", "", regex=True))
    news = news.sort_values(["published", "id"])
    echo = news.assign(gist=news["text"].map(gist)).duplicated(["asset", "gist"])
    print(
        f"news: {len(raw):,} tweets, {len(news):,} in English on these stocks, {int((~echo).sum()):,} not seen before"
    )
    return read_headlines(news.loc[~echo, ["published", "asset", "text"]])


def gist(text: str) -> str:
    """What makes two tweets the same: letters and digits, without links."""
    return re.sub(r"[^a-z0-9]+", " ", re.sub(r"https?://\S+", " ", text.lower())).strip()


def train(data: Path) -> SentimentClassifier:
    """A classifier fine-tuned on labelled financial tweets; a tenth is held out."""
    rows = read_labelled(data / "twitter_financial_news.parquet")
    classifier, report = finetune(*split(rows), CONFIG, progress=True)
    print(report)
    return classifier


def backtests(bars: Bars, signal: pd.DataFrame) -> list[Result]:
    """The sentiment policy beside policies that do not see the news; 87 stocks, at most 5 % in each."""
    from allocation import LongOnly, MaxWeight

    limits = (LongOnly(), MaxWeight(MOST_PER_STOCK))
    policies = {
        "sentiment": SentimentPolicy(constraints=limits),
        "same without signal": SentimentPolicy(forecast=NoView(), constraints=limits),
        "equal weight": EqualWeight(),
        "buy and hold": Hold(),
    }
    dates = rebalance_dates(bars.close.loc[FIRST:].index, "weekly")
    return [
        run(policy, bars, signal, dates, costs=Costs(), name=name, progress=True) for name, policy in policies.items()
    ]


def verdict(same_t: float, next_t: float) -> str:
    """What the two t-values say, in words."""
    if abs(next_t) < 2:
        explains = "explain the return of their own session but" if same_t > 2 else "explain little and"
        return f"The tweets {explains} are not seen to predict the next one: no edge to trade."
    return f"Next-session t = {next_t:.1f}: look for a look-ahead before believing it."


if __name__ == "__main__":
    main(
        Path(sys.argv[1]) if len(sys.argv) > 1 else Path("runs/stocknet"),
        Path(os.environ.get("NEWSFOLIO_DATA", ".")),
    )
