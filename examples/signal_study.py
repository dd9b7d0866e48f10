"""From dated texts to a studied signal without training anything: tweets (StockNet) and headlines (Benzinga).

    NEWSFOLIO_DATA=/folder/with/the/data python examples/signal_study.py [OUT]

A word list scores the texts, repeats and round-ups count less, and each study asks what the signal explains and what
it predicts, compared with placebos, and whether what it predicts survives if all news came thirty minutes later. What
to expect: nothing to trade. The word list captures some of what moved prices on the day, and nothing about the next.

StockNet's tweets are compared with StockNet's prices; Benzinga's headlines, of which only four companies are among the
431 that cvxportfolio's paper has returns of, against those.
"""

import os
import sys
from pathlib import Path

import pandas as pd

from allocation import Bars
from allocation.data.load import bars_from_long
from backtest.cli.study import read_sectors
from backtest.signal_study.output.page import write_study
from backtest.signal_study.study import Study, study
from nlp import SentimentClassifier, calendar_sessions, daily_signal, read_word_list
from nlp.evaluation.baselines import WordList
from nlp.scoring.score import with_scores
from nlp.signals.novelty import weigh_headlines
from nlp.texts.headlines import headlines_with_report

HASTE = pd.Timedelta(minutes=30)
NEEDED = ("stocknet_news.parquet", "stocknet_prices.parquet", "stocknet_sectors.csv", "benzinga_sample.parquet",
          "loughran_mcdonald_2014.csv", "peers/cvxportfolio_paper_returns.csv.gz")  # fmt: skip


def main(out: Path, data: Path, *, shuffles: int = 20) -> None:
    missing = [name for name in NEEDED if not (data / name).is_file()]
    if missing:
        sys.exit(f"error: {data} lacks {', '.join(missing)}: point NEWSFOLIO_DATA at the folder of the data sets")
    words = read_word_list(data / "loughran_mcdonald_2014.csv")
    bars = bars_from_long(pd.read_parquet(data / "stocknet_prices.parquet"), where="stocknet_prices.parquet")
    sectors = read_sectors(data / "stocknet_sectors.csv")
    for name, table, prices, groups in (
        ("StockNet", stocknet(data), bars, sectors), ("Benzinga", benzinga(data), closes_of_the_paper(data), None),
    ):  # fmt: skip
        print(f"\n# {name}")
        found = judged(scored_news(table, words, list(prices.close.columns)), prices, groups, shuffles)
        print(found)
        print(f"page: {write_study(found, out / f'{name.lower()}.html', title=name)}")


def stocknet(data: Path) -> pd.DataFrame:
    """English tweets; of a retweet the text without "RT @name:", so that it repeats its original."""
    news = pd.read_parquet(data / "stocknet_news.parquet").rename(
        columns={"ticker": "asset", "created_at": "published"}
    )
    news = news[news["lang"].eq("en")]
    return news.assign(text=news["text"].str.replace(r"^RT @\w+:?\s*", "", regex=True))


def benzinga(data: Path) -> pd.DataFrame:
    """Headlines; of some only the date is known, and they count from the session after it."""
    return pd.read_parquet(data / "benzinga_sample.parquet").rename(
        columns={"ticker": "asset", "created_at": "published"}
    )


def closes_of_the_paper(data: Path) -> Bars:
    """Closes made of daily returns; the last column is cash."""
    returns = pd.read_csv(data / "peers/cvxportfolio_paper_returns.csv.gz", index_col=0, parse_dates=True)
    return Bars(100.0 * (1.0 + returns.drop(columns="USDOLLAR")).cumprod().rename_axis("date"))


def scored_news(table: pd.DataFrame, words: WordList | SentimentClassifier, assets: list[str]) -> pd.DataFrame:
    """Rows on these assets with a score, a novelty and a relevance; any classifier will do for `words`."""
    wanted = table[table["asset"].isin(assets)]
    news, report = headlines_with_report(wanted[["published", "asset", "text", *_time_known(wanted)]])
    print(report)
    weighed = weigh_headlines(news)
    print(f"novelty: {(weighed['novelty'] < 1).mean():.0%} repeat a story of the last day; "
          f"relevance: {(weighed['relevance'] < 1).mean():.0%} name several of these assets")  # fmt: skip
    return with_scores(weighed, words.predict_proba(news["text"].tolist()))


def _time_known(table: pd.DataFrame) -> list[str]:
    return ["time_known"] if "time_known" in table.columns else []


def judged(scored: pd.DataFrame, bars: Bars, sectors: pd.Series | None, shuffles: int) -> Study:
    """The study of the signal over the sessions that have both news and prices; all assets with a price count."""
    days = scored["published"].dt.tz_localize(None).dt.normalize()
    first, last = max(days.min(), bars.close.index[0]), min(days.max(), bars.close.index[-1])
    inside = scored[days.between(first, last)]
    sessions = calendar_sessions("XNYS", first, last)
    late = inside.assign(published=inside["published"] + HASTE)
    signal, delayed = (daily_signal(each, sessions, prior_count="fit") for each in (inside, late))
    close, opens = (None if each is None else each.loc[sessions[0] : sessions[-1]] for each in (bars.close, bars.open))
    return study(signal, Bars(close, opens), sectors=sectors, delayed=delayed, shuffles=shuffles)


if __name__ == "__main__":
    main(
        Path(sys.argv[1]) if len(sys.argv) > 1 else Path("runs/signal_study"),
        Path(os.environ.get("NEWSFOLIO_DATA", ".")),
    )
