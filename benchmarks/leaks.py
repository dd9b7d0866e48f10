"""How often the alarms on leaks are raised: on simulated leaks, on simulated honest signals, and on real news.

    python benchmarks/leaks.py [--studies 40] [--kind "one session early"]
    python benchmarks/leaks.py --whole 100
    NEWSFOLIO_DATA=/folder/with/the/data python benchmarks/leaks.py --real

Simulated: five strengths × three sizes, so many studies each. The strength is the IC of what is leaked or planted: of
the next session's return in an early score, of the gap in one that is counted an evening early, of a real edge. For
back-filled news it is the share of sessions whose move is large enough for items to be added before it. Returns have
fat tails, a common factor, and a gap at the open that makes up 10 to 50 % of a session's move. `--whole` runs whole
studies of honest signals and counts every alarm but `explains`, which is no false alarm. `--real` takes tweets and
headlines scored by a word list, as they are and with their dates spoiled.
"""

import argparse
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from allocation import Bars
from allocation.data.load import bars_from_long
from backtest.signal_study.leaks import leak_alarms, response
from backtest.signal_study.measures import study_data
from backtest.signal_study.study import study
from newsfolio.shared.arrays import FloatArray

SIZES = ((250, 20), (500, 50), (750, 100))
STRENGTHS = (0.01, 0.02, 0.03, 0.06, 0.10)
SAME, KEEP = 0.10, 0.5 ** (1 / 3)  # IC of news with its own session; what a tone keeps of itself each session
TAILS = 4.0
Spoiler = Callable[[pd.DataFrame, Bars], pd.DataFrame]


@dataclass
class World:
    """Standard news and returns (sessions × assets) in units of an asset's volatility, before they become prices."""

    signal: FloatArray
    returns: FloatArray
    night: FloatArray


def later(values: FloatArray, lag: int = 1) -> FloatArray:
    return np.vstack([np.zeros((lag, values.shape[1])), values[:-lag]])


def fading(news: FloatArray, keep: float = KEEP) -> FloatArray:
    tone, state = np.zeros_like(news), np.zeros(news.shape[1])
    for row, new in enumerate(news):
        state = keep * state + new
        tone[row] = state
    return tone / tone.std()


def fat(random: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    return random.standard_t(TAILS, shape) / np.sqrt(TAILS / (TAILS - 2.0))


def made(kind: str, ic: float, shape: tuple[int, int], random: np.random.Generator) -> World:
    """One world of a kind; the first row of honest signals is known at its close, as it should be."""
    news, noise, nothing = random.standard_normal(shape), fat(random, shape), np.zeros(shape)
    tone = fading(news)
    match kind:
        case "no edge":
            return World(news, noise, nothing)
        case "reaction only":
            return World(tone, ic * news + noise, nothing)
        case "edge and reaction":
            return World(tone, SAME * news + ic * later(tone) + noise, nothing)
        case "one-session edge and reaction":
            return World(news, SAME * news + ic * later(news) + noise, nothing)
        case "edge, no reaction":
            return World(tone, ic * later(tone) + noise, nothing)
        case "edge, no reaction, half-life 1":
            tone = fading(news, 0.5)
            return World(tone, ic * later(tone) + noise, nothing)
        case "one session early":
            return World(np.roll(news, -1, axis=0), ic * news + noise, nothing)
        case "one session early, fading":
            return World(np.roll(tone, -1, axis=0), ic / np.sqrt(1.0 - KEEP**2) * news + noise, nothing)
        case "in the gap":
            return World(news, noise, ic * later(news))
        case "a third hours early":
            evening = random.standard_normal(shape)
            mixed = np.sqrt(2 / 3) * news + np.sqrt(1 / 3) * evening
            effect = ic * np.sqrt(3.0)
            return World(mixed, effect * news + noise, effect * later(evening))
    clustered, signal = volatile(random, news, noise)
    if kind == "back-filled":
        large = np.abs(clustered) > np.quantile(np.abs(clustered), 1.0 - ic, axis=0)
        added = np.roll(large, -1, axis=0) & (random.random(shape) < 0.5)
        signal = np.where(np.isnan(signal) & added, random.standard_normal(shape), signal)
    return World(signal, clustered, nothing)


def volatile(random: np.random.Generator, news: FloatArray, noise: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Returns whose volatility jumps with some news and fades slowly; a signal where there is news."""
    shocks = random.random(news.shape) < 0.05
    state = fading(shocks.astype(float), 0.7) * fading(shocks.astype(float), 0.7).std()
    return np.exp(0.35 * state) * noise, np.where(shocks | (random.random(news.shape) < 0.2), news, np.nan)


def frames(world: World, random: np.random.Generator) -> tuple[pd.DataFrame, Bars]:
    sessions, assets = world.signal.shape
    volatility = 0.015 * random.uniform(0.7, 1.3, assets)
    common = 0.009 * fat(random, (sessions, 1)) * random.uniform(0.8, 1.2, assets)
    share = random.uniform(0.1, 0.5, world.returns.shape)
    night = volatility * (world.night + share * world.returns) + 0.3 * common
    night = night + 0.002 * random.standard_normal(night.shape)
    close = 100.0 * np.cumprod(1.0 + np.maximum(volatility * (world.returns + world.night) + common, -0.5), axis=0)
    index = pd.bdate_range("2015-01-02", periods=sessions, name="date")
    names = [f"A{number:03d}" for number in range(assets)]
    signal, closes, opens = (
        pd.DataFrame(each, index, names)
        for each in (
            world.signal / np.nanmax(np.abs(world.signal)),
            close,
            np.vstack([close[:1], close[:-1]]) * (1.0 + night),
        )
    )
    return signal, Bars(closes, opens)


LEAKS = {
    "one session early": "early", "one session early, fading": "early", "in the gap": "overnight",
    "a third hours early": "timestamps", "back-filled": "back-fill",
}  # fmt: skip
HONEST = ("no edge", "reaction only", "edge and reaction", "one-session edge and reaction", "edge, no reaction",
          "edge, no reaction, half-life 1", "clustered volatility")  # fmt: skip


def raised(signal: pd.DataFrame, bars: Bars) -> list[str]:
    values, data = study_data(signal, bars, None, (1,))
    return [name for name, _ in leak_alarms(response(values, data))]


def simulated(studies: int, kinds: list[str]) -> None:
    print(f"{'kind':<32}{'size':>9}  any alarm (its own), by strength {STRENGTHS}; {studies} studies each", flush=True)
    for kind in kinds:
        for number, size in enumerate(SIZES):
            cells = []
            for ic in STRENGTHS if kind not in ("no edge", "clustered volatility") else STRENGTHS[:1]:
                count: Counter[str] = Counter()
                for seed in range(studies):
                    random = np.random.default_rng([seed, number, (*LEAKS, *HONEST).index(kind), int(1000 * ic)])
                    names = raised(*frames(made(kind, ic, size, random), random))
                    count.update(["any"] if names else [], own=LEAKS.get(kind) in names)
                own = f" ({count['own'] / studies:.0%})" if kind in LEAKS else ""
                cells.append(f"{count['any'] / studies:.0%}{own}")
            print(f"{kind:<32}{size[0]:>5} × {size[1]:<4}{'  '.join(cells)}", flush=True)


def whole(studies: int, size: tuple[int, int] = SIZES[1]) -> None:
    """Every alarm of whole studies; three placebos of each kind, which is fewer than `chance` would need."""
    print(f"whole studies, {size[0]} × {size[1]}, {studies} each: share with any alarm but explains")
    for kind in ("no edge", "reaction only", "edge and reaction", "edge, no reaction"):
        for ic in (0.03, 0.06) if kind != "no edge" else (0.0,):
            count: Counter[str] = Counter()
            for seed in range(studies):
                random = np.random.default_rng([seed, 99])
                found = study(*frames(made(kind, ic, size, random), random), horizons=(1,), shuffles=3)
                names = [name for name in found.alarms if name != "explains"]
                count.update(["any"] if names else [], **dict.fromkeys(names, 1))
            shares = ", ".join(f"{name} {number / studies:.1%}" for name, number in count.items()) or "none"
            print(f"{kind:<32} strength {ic:.2f}: {shares}", flush=True)


def real(data: Path) -> None:
    from nlp import calendar_sessions, daily_signal, read_headlines, read_word_list
    from nlp.scoring.score import with_scores

    words = read_word_list(data / "loughran_mcdonald_2014.csv")
    for name, (news, bars) in {"StockNet": stocknet(data), "Reuters": reuters(data)}.items():
        news = read_headlines(news.loc[news["asset"].isin(bars.close.columns), ["published", "asset", "text"]])
        scored = with_scores(news, words.predict_proba(news["text"].tolist()))
        days = scored["published"].dt.tz_localize(None).dt.normalize()
        sessions = calendar_sessions(
            "XNYS", max(days.min(), bars.close.index[0]), min(days.max(), bars.close.index[-1])
        )
        bars = Bars(*(each.reindex(sessions).dropna(axis=1, how="all") for each in (bars.close, bars.open)))
        for how, options in (("as traded", {}), ("the session's own news", {"max_age": 1, "halflife": 0.1})):
            for label, rows, spoiled in spoilt(scored, bars):
                signal = daily_signal(spoiled, sessions, **options).reindex(columns=bars.close.columns).shift(rows)
                values, data_ = study_data(signal, bars, None, (1,))
                found = response(values, data_)
                names = ", ".join(alarm for alarm, _ in leak_alarms(found)) or "-"
                cells = (
                    f"{name}, {how}",
                    label,
                    f"{found.same.mean:+.3f} ({found.same.t:.1f})",
                    f"{found.following.mean:+.3f} ({found.following.t:.1f})",
                    f"{found.night.t:.1f}",
                    f"{found.size_same.mean:+.3f} / {found.size_following.mean:+.3f}",
                    names,
                )
                print(f"| {' | '.join(cells)} |", flush=True)


def spoilt(scored: pd.DataFrame, bars: Bars) -> Iterator[tuple[str, int, pd.DataFrame]]:
    """What the data are called, by how many rows the signal moves, and the news."""
    yield "as it is", 0, scored
    yield "signal one session early", -1, scored
    for hours in (5, 24):
        yield f"stamps {hours} hours early", 0, scored.assign(published=scored["published"] - pd.Timedelta(hours=hours))
    moves = bars.close.pct_change(fill_method=None)
    size = moves.sub(moves.mean(axis=1), axis=0).abs()
    large = (size > 3.0 * size.mean()).stack()
    random = np.random.default_rng(0)
    dates = [(date, asset) for date, asset in large.index[large.to_numpy()] if random.random() < 0.5]
    added = pd.DataFrame(dates, columns=["date", "asset"])
    published = added["date"].dt.tz_localize("America/New_York") - pd.Timedelta(hours=12)  # noon of the day before
    rows = pd.DataFrame({
        "published": published.dt.tz_convert("UTC").astype(scored["published"].dtype), "asset": added["asset"],
        "text": "added", "score": random.choice([-0.9, 0.9], len(added)), "time_known": True,
    })  # fmt: skip
    yield f"{len(rows):,} items added before large moves", 0, pd.concat([scored, rows], ignore_index=True)


def stocknet(data: Path) -> tuple[pd.DataFrame, Bars]:
    news = pd.read_parquet(data / "stocknet_news.parquet").rename(
        columns={"ticker": "asset", "created_at": "published"}
    )
    kept = news[news["lang"].eq("en") & ~news["is_retweet"].astype(bool)]
    return kept, bars_from_long(pd.read_parquet(data / "stocknet_prices.parquet"), where="stocknet_prices.parquet")


def reuters(data: Path) -> tuple[pd.DataFrame, Bars]:
    prices = pd.read_parquet(data / "market/us_large_prices.parquet").rename(columns={"asset": "ticker"})
    return pd.read_parquet(data / "market/reuters_company_news.parquet"), bars_from_long(
        prices, where="us_large_prices"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=40)
    parser.add_argument("--kind", choices=(*LEAKS, *HONEST), action="append")
    parser.add_argument("--whole", type=int)
    parser.add_argument("--real", action="store_true")
    options = parser.parse_args()
    if options.real:
        real(Path(os.environ.get("NEWSFOLIO_DATA", ".")))
    elif options.whole:
        whole(options.whole)
    else:
        simulated(options.studies, options.kind or [*LEAKS, *HONEST])


if __name__ == "__main__":
    main()
