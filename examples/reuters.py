"""Years of Reuters headlines on large US companies, the whole way, year by year, crises and all.

    NEWSFOLIO_DATA=/folder/with/the/data python examples/reuters.py [--model FOLDER] [--out DIR]

The folder's market/ has reuters_company_news.parquet (published in UTC, asset, text) and prices, of which one file may
be missing: us_large_prices.parquet (date, asset, open, close, adj_close) and djia30_prices_2006.parquet (the same
without adj_close). Any years will do: each panel of prices is judged over the sessions that have both news and prices.
Headlines are scored by the classifier of --model, else by a word list (loughran_mcdonald_2014.csv: word, category).

For each panel and year: the IC of the session's own news with that session and with the next, and what one policy
earned with the news and without it, weekly at the next open, net of costs. Then the study of the whole. What to expect:
news moves prices in its own session, and what is left for the next one does not pay for trading.

Mind: the companies are those that were large years later, so returns are too high with and without news alike
(survivorship); some headlines name a company only in passing; the Dow's prices leave out dividends; and a word list or
a model made after these years has seen how they ended.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

from allocation import Bars, LongOnly, MaxWeight, NoView, SentimentPolicy
from allocation.data.load import bars_from_long
from backtest import (
    Costs,
    InformationCoefficient,
    Result,
    newey_west_t,
    next_session_ic,
    rebalance_dates,
    run,
    same_session_ic,
    write_study,
)
from backtest.signal_study.study import study
from nlp import SentimentClassifier, calendar_sessions, daily_signal, read_headlines, read_word_list, score_headlines
from nlp.scoring.score import with_scores

NEWS, WORDS = "market/reuters_company_news.parquet", "loughran_mcdonald_2014.csv"
PANELS = {"large companies": "market/us_large_prices.parquet", "the Dow": "market/djia30_prices_2006.parquet"}
HASTE = pd.Timedelta(minutes=30)
MOST_MISSING = 0.01  # of a stock's sessions
FEWEST = 20  # sessions of a year that is shown
HISTORY = 60  # sessions of prices before the first decision
MOST_PER_STOCK = 0.10
COSTS_BP = (0, 5, 10, 25, 50)
Scorer = Callable[[pd.DataFrame], pd.DataFrame]


def main(data: Path, out: Path, model: Path | None = None, *, shuffles: int = 20) -> None:
    panels = {name: data / file for name, file in PANELS.items() if (data / file).is_file()}
    missing = [name for name in (NEWS, *([] if model else [WORDS])) if not (data / name).is_file()]
    missing += [] if panels else list(PANELS.values())
    if missing:
        sys.exit(f"error: {data} lacks {', '.join(missing)}: point NEWSFOLIO_DATA at the folder of the data sets")
    scored = scorer(data, model)(read_headlines(pd.read_parquet(data / NEWS)[["published", "asset", "text"]]))
    for name, file in panels.items():
        one_panel(name, scored, load_bars(file), out, shuffles)


def scorer(data: Path, model: Path | None) -> Scorer:
    """The model where one is given, else the word list."""
    if model is not None:
        classifier = SentimentClassifier.load(model)
        return lambda news: score_headlines(news, classifier, progress=True)
    words = read_word_list(data / WORDS)
    return lambda news: with_scores(news, words.predict_proba(news["text"].tolist()))


def load_bars(file: Path) -> Bars:
    """Opens and closes of the stocks that lack hardly any; a missing session keeps the price of the one before."""
    bars = bars_from_long(pd.read_parquet(file).rename(columns={"asset": "ticker"}), where=file.name)
    if bars.open is None:
        sys.exit(f"error: {file} has no column open: entries are at the next open")
    lacking = bars.close.isna().mean() > MOST_MISSING
    kept = bars.close.columns[~lacking]
    close = bars.close[kept].ffill()
    opens = bars.open[kept].fillna(close.shift(1))
    filled = int(bars.close[kept].isna().sum().sum() + bars.open[kept].isna().sum().sum())
    whole = kept[close.notna().all()]
    left_out = ", ".join(bars.close.columns.difference(whole)) or "none"
    print(f"\n{file.name}: {len(whole)} stocks, {filled} missing prices filled with the close before; left out, as "
          f"more are missing: {left_out}")  # fmt: skip
    return Bars(close[whole], opens[whole].fillna(close[whole]))


def one_panel(name: str, scored: pd.DataFrame, bars: Bars, out: Path, shuffles: int) -> None:
    """Print the years, the study and the conclusion of one panel of prices."""
    days = scored["published"].dt.tz_localize(None).dt.normalize()
    first, last = max(days.min(), bars.close.index[0]), min(days.max(), bars.close.index[-1])
    news = scored[scored["asset"].isin(bars.close.columns) & days.between(first, last)]
    sessions = calendar_sessions("XNYS", first, last)
    sessions = sessions[sessions.isin(bars.close.index)]
    inside = Bars(bars.close.loc[sessions], bars.open.loc[sessions])
    late = news.assign(published=news["published"] + HASTE)
    own, signal, delayed = (
        daily_signal(rows, calendar_sessions("XNYS", first, last), **options).reindex(sessions)
        for rows, options in ((news, {"max_age": 1, "halflife": 0.1}), (news, {}), (late, {}))
    )
    print(f"# {name}: {len(news):,} headlines, {sessions[0].date()} to {sessions[-1].date()}, "
          f"{own.notna().to_numpy().mean():.0%} of cells have news of their own")  # fmt: skip
    ics = same_session_ic(own, inside.close), next_session_ic(own, inside.close)
    results = twins(bars, signal, sessions)
    print(by_year(ics, results).to_string(), *ics, "", sep="\n")
    found = study(signal, inside, delayed=delayed, shuffles=shuffles)
    print(found)
    page = write_study(found, out / f"{name.replace(' ', '_')}.html", title=name)
    print(f"\npage: {page}\n")
    print("mean active return a year, by cost in basis points of the traded value: "
          + ", ".join(f"{cost}: {value:+.2%}" for cost, value in active_by_cost(*results).items()))  # fmt: skip
    print(*conclusions(*ics, active(*results), results[0].sessions_per_year), sep="\n")


def twins(bars: Bars, signal: pd.DataFrame, sessions: pd.DatetimeIndex) -> tuple[Result, Result]:
    """The policy with the news and the same policy without, from the first session with enough history on."""
    start = max(sessions[0], bars.close.index[min(HISTORY, len(bars.close) - 1)])
    dates = rebalance_dates(sessions[sessions >= start], "weekly")
    until = Bars(bars.close.loc[: sessions[-1]], bars.open.loc[: sessions[-1]])
    limits = (LongOnly(), MaxWeight(MOST_PER_STOCK))
    news, twin = (
        run(policy, until, signal, dates, costs=Costs(), name=name, progress=True)
        for name, policy in (
            ("with news", SentimentPolicy(constraints=limits)),
            ("without", SentimentPolicy(forecast=NoView(), constraints=limits)),
        )
    )
    return news, twin


def active(news: Result, twin: Result) -> pd.Series:
    """What the news added in each session, net of costs."""
    return news.returns - twin.returns


def by_year(ics: tuple[InformationCoefficient, InformationCoefficient], results: tuple[Result, Result]) -> pd.DataFrame:
    """One row per year of at least `FEWEST` sessions: ICs, both policies' returns and what the news added, with t."""
    rows = {}
    sessions = ics[0].per_session.groupby(ics[0].per_session.index.year).size()
    for year, count in sessions.items():
        if count < FEWEST:
            print(f"{year}: too few sessions to be shown ({count})")
            continue
        same, following = (each.per_session[each.per_session.index.year == year].dropna() for each in ics)
        with_news, without = (each.returns[each.returns.index.year == year] for each in results)
        added = with_news - without
        rows[year] = {
            "same IC": f"{same.mean():+.3f}",
            "t": f"{newey_west_t(same):.1f}",
            "next IC": f"{following.mean():+.3f}",
            "t ": f"{newey_west_t(following):.1f}",
            "with news": f"{(1.0 + with_news).prod() - 1.0:+.1%}",
            "without": f"{(1.0 + without).prod() - 1.0:+.1%}",
            "news added": f"{added.sum():+.2%}",
            " t ": f"{newey_west_t(added):.1f}",
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def active_by_cost(news: Result, twin: Result) -> dict[int, float]:
    """Mean active return a year at other costs of the same trades."""
    gross = (news.gross_returns - twin.gross_returns).mean()
    traded = (news.turnover - twin.turnover).mean()
    return {cost: float((gross - cost / 1e4 * traded) * news.sessions_per_year) for cost in COSTS_BP}


def conclusions(
    same: InformationCoefficient, following: InformationCoefficient, added: pd.Series, sessions_per_year: int
) -> Iterator[str]:
    """What the figures say, in words."""
    if same.t > 2:
        yield f"The news goes with the return of its own session (rank IC {same.mean:+.3f}, t = {same.t:.1f})."
    else:
        yield f"The news is not seen to go with its own session (t = {same.t:.1f}): no scorer to build on."
    if abs(following.t) <= 2:
        yield f"It is not seen to predict the next one (rank IC {following.mean:+.3f}, t = {following.t:.1f})."
    else:
        yield f"It goes with the next one too (t = {following.t:.1f}): look for a look-ahead before believing it."
    ic = InformationCoefficient("added", added)  # the same Newey-West interval of a mean
    low, high = (bound * sessions_per_year for bound in ic.interval)
    figure = f"{ic.mean * sessions_per_year:+.2%} a year net of costs, 95 % {low:+.2%} to {high:+.2%}, t = {ic.t:.1f}"
    if abs(ic.t) <= 2 or not abs(ic.t) >= 0:
        yield f"What it added to the policy cannot be told from nothing ({figure})."
    else:
        yield f"It {'added to' if ic.t > 0 else 'cost'} the policy ({figure})."


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Headlines on large companies, year by year.")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/reuters"))
    asked = parser.parse_args()
    main(Path(os.environ.get("NEWSFOLIO_DATA", ".")), asked.out, asked.model)
