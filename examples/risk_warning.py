"""Risk of the Dow's stocks through 2008, forecast from prices and headlines, and what the warnings were worth.

    NEWSFOLIO_DATA=/folder/with/the/data python examples/risk_warning.py [--model FOLDER] [--out DIR]

The folder has market/djia30_prices_2006.parquet (date, asset, open, high, low, close),
market/reuters_company_news.parquet (published in UTC, asset, text) and, where there is one, market/risk_daily.parquet
(date, vix_close) as a rival. Headlines are scored by the classifier of --model, else by a word list
(loughran_mcdonald_2014.csv: word, category).

First some closes of the autumn of 2008, each with what was known at it and nothing later; then the study of all years,
and the same as a page. What to expect: ranges forecast volatility far better than averages of squared returns;
headlines add next to nothing to them, no more than another company's do; and alarms come in crises, when prices have
begun to move.

Mind: a word list, or a model made after these years, has seen how they ended; the companies are those of the index
later.
"""

import argparse
import os
import sys
from pathlib import Path

import pandas as pd

from allocation import Bars, HarVolatility, NewsVolatility, frame_digest
from allocation.data.load import bars_from_long
from backtest import RiskToday, WarningEvent, index_volatility, judge_warnings, risk_today, write_warnings
from nlp import (
    SentimentClassifier,
    assign_session,
    due_feature,
    find_events,
    news_features,
    read_headlines,
    read_word_list,
    score_headlines,
)
from nlp.scoring.score import with_scores

PRICES, NEWS = "market/djia30_prices_2006.parquet", "market/reuters_company_news.parquet"
WORDS, VIX = "loughran_mcdonald_2014.csv", "market/risk_daily.parquet"
CLOSES = (
    "2008-09-12",
    "2008-09-15",
    "2008-09-29",
    "2008-10-10",
)  # before and after Lehman, the bail-out refused, the low
EVENT = WarningEvent("move", horizon=5, sigmas=4.0)


def main(
    data: Path, out: Path, model: Path | None = None, *, closes: tuple[str, ...] = CLOSES, placebos: int = 3
) -> None:
    missing = [name for name in (PRICES, NEWS, *([] if model else [WORDS])) if not (data / name).is_file()]
    if missing:
        sys.exit(f"error: {data} lacks {', '.join(missing)}: point NEWSFOLIO_DATA at the folder of the data sets")
    bars = bars_from_long(pd.read_parquet(data / PRICES).rename(columns={"asset": "ticker"}), where=PRICES)
    news = scored(read_headlines(pd.read_parquet(data / NEWS)[["published", "asset", "text"]]), data, model)
    print(f"{len(news):,} headlines; prices {frame_digest(bars.close)[:12]}")
    for close in closes:
        print(f"\n# known at the close of {close}")
        print(today(until(bars, close), news).to_text(most=6))
    print("\n# all years")
    rivals = {"vix": index_volatility(vix(data / VIX), bars)} if (data / VIX).is_file() else {}
    found = judge_warnings(bars, features(bars, news), event=EVENT, rivals=rivals, placebos=placebos)
    print(found)
    page = write_warnings(today(bars, news), out / "risk_warning.html", title="Risk of the Dow's stocks", study=found)
    print(f"\npage: {page}")


def scored(news: pd.DataFrame, data: Path, model: Path | None) -> pd.DataFrame:
    if model is not None:
        return score_headlines(news, SentimentClassifier.load(model), progress=True)
    return with_scores(news, read_word_list(data / WORDS).predict_proba(news["text"].tolist()))


def until(bars: Bars, close: str) -> Bars:
    """The bars as they were known at a close."""
    return Bars(**{name: None if part is None else part.loc[:close] for name, part in vars(bars).items()})


def features(bars: Bars, news: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """What is unusual in number or tone, and what is due, as far as a headline named the day."""
    sessions, assets = pd.DatetimeIndex(bars.close.index), bars.close.columns
    due = find_events(news).dropna(subset="due").assign(known=lambda rows: rows["published"])
    due = {"due": due_feature(due, sessions, assets, EVENT.horizon)} if len(due) else {}
    return news_features(news, sessions, assets) | due


def today(bars: Bars, news: pd.DataFrame) -> RiskToday:
    """Risk at the last close of the bars; later headlines belong to no session of theirs."""
    model = NewsVolatility(HarVolatility(horizon=EVENT.horizon), features(bars, news))
    headlines = news.assign(session=assign_session(news["published"], time_known=news.get("time_known")))
    return risk_today(bars, model, EVENT, headlines=headlines)


def vix(path: Path) -> pd.Series:
    table = pd.read_parquet(path)
    return pd.Series(table["vix_close"].to_numpy(), pd.to_datetime(table["date"])).dropna()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--out", type=Path, default=Path("risk_warning"))
    asked = parser.parse_args()
    main(Path(os.environ.get("NEWSFOLIO_DATA", ".")), asked.out, asked.model)
