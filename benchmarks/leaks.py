"""How often the alarms on leaks are raised: on simulated leaks, on simulated honest signals, and on real news.

    python benchmarks/leaks.py [--studies 200] [--kind "one session early"]
    python benchmarks/leaks.py --grid --studies 40
    NEWSFOLIO_DATA=/folder/with/the/data python benchmarks/leaks.py --real

The first prints, at 500 sessions × 50 assets and a strength of 0.03, the share of studies with an alarm on a leak, for
the kinds that thresholds were chosen on and for those kept apart (`leak_kinds`), and then that of whole studies with
any alarm but `explains`, which is no false alarm, and with each verdict. `--grid`: five strengths × three sizes. The
strength is the IC of what is leaked or planted: of the next session's return in an early score, of the gap in one that
is counted an evening early, of a real edge. For back-filled news it is the share of sessions whose move is large enough
for items to be added before it (0.10 in the first table). `--real` takes tweets and headlines scored by a word list, as
they are and with their dates spoiled.
"""

import argparse
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from leak_kinds import HELD_OUT, HELD_OUT_LEAKS, HONEST, LEAKS, World, chosen_on, fat, held_out

from allocation import Bars
from allocation.data.load import bars_from_long
from backtest.signal_study.leaks import leak_alarms, response
from backtest.signal_study.measures import study_data
from backtest.signal_study.study import study

SIZES = ((250, 20), (500, 50), (750, 100))
STRENGTHS = (0.01, 0.02, 0.03, 0.06, 0.10)
ALL_LEAKS = LEAKS | HELD_OUT_LEAKS
KINDS = (*LEAKS, *HONEST, *HELD_OUT_LEAKS, *HELD_OUT)
WITHOUT_STRENGTH = ("no edge", "clustered volatility")
WHOLE = (
    ("no edge", 0.0),
    *((kind, ic) for kind in ("reaction only", "edge and reaction", "edge, no reaction") for ic in (0.03, 0.06)),
    *((kind, 0.03) for kind in ("momentum of 20 sessions, no edge", "3 % of the cells, no edge", "reversal, edge")),
    *((kind, 0.03) for kind in ("half-life 20, no reaction", "drift after news, half-life 5")),
)
Spoiler = Callable[[pd.DataFrame, Bars], pd.DataFrame]


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


def raised(signal: pd.DataFrame, bars: Bars) -> list[str]:
    values, data = study_data(signal, bars, None, (1,))
    return [name for name, _ in leak_alarms(response(values, data))]


def world_of(kind: str, ic: float, size: tuple[int, int], seed: list[int]) -> tuple[pd.DataFrame, Bars]:
    random = np.random.default_rng(seed)
    make = held_out if kind in (*HELD_OUT_LEAKS, *HELD_OUT) else chosen_on
    return frames(make(kind, ic, size, random), random)


def shares(kind: str, ic: float, number: int, studies: int) -> tuple[float, float]:
    """Share of studies with any alarm on a leak, and with that which is meant."""
    count: Counter[str] = Counter()
    for seed in range(studies):
        names = raised(*world_of(kind, ic, SIZES[number], [seed, number, KINDS.index(kind), int(1000 * ic)]))
        count.update(["any"] if names else [], own=ALL_LEAKS.get(kind) in names)
    return count["any"] / studies, count["own"] / studies


def one_size(studies: int, kinds: list[str], ic: float = 0.03) -> None:
    print(f"alarms on leaks, 500 × 50, strength {ic}, {studies} studies each: any (that which is meant)", flush=True)
    for kind in kinds:
        found, own = shares(kind, 0.10 if kind == "back-filled" else ic, 1, studies)
        apart = "kept apart" if kind in (*HELD_OUT_LEAKS, *HELD_OUT) else ""
        print(f"{kind:<40}{found:>7.1%}{f'  ({own:.1%})' if kind in ALL_LEAKS else '':<11}{apart}", flush=True)


def grid(studies: int, kinds: list[str]) -> None:
    print(f"{'kind':<40}{'size':>9}  any alarm (its own), by strength {STRENGTHS}; {studies} studies each", flush=True)
    for kind in kinds:
        for number, size in enumerate(SIZES):
            cells = []
            for ic in STRENGTHS if kind not in WITHOUT_STRENGTH else STRENGTHS[:1]:
                found, own = shares(kind, ic, number, studies)
                cells.append(f"{found:.0%}" + (f" ({own:.0%})" if kind in ALL_LEAKS else ""))
            print(f"{kind:<40}{size[0]:>5} × {size[1]:<4}{'  '.join(cells)}", flush=True)


def whole(studies: int, size: tuple[int, int] = SIZES[1]) -> None:
    """Every alarm of whole studies; three placebos of each kind, which is fewer than `chance` would need."""
    print(f"whole studies, {size[0]} × {size[1]}, {studies} each: any alarm but explains; verdicts", flush=True)
    for kind, ic in WHOLE:
        alarms: Counter[str] = Counter()
        verdicts: Counter[str] = Counter()
        for seed in range(studies):
            found = study(*world_of(kind, ic, size, [seed, 99]), horizons=(1,), shuffles=3)
            names = [name for name in found.alarms if name != "explains"]
            alarms.update(["any"] if names else [], **dict.fromkeys(names, 1))
            verdicts.update([found.verdict.partition(":")[0].lower()])
        cells = (
            ", ".join(f"{name} {number / studies:.1%}" for name, number in each.items()) for each in (alarms, verdicts)
        )
        print(f"{kind:<40}{ic:.2f}  {'; '.join(cell or 'none' for cell in cells)}", flush=True)


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
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--kind", choices=KINDS, action="append")
    parser.add_argument("--grid", action="store_true")
    parser.add_argument("--real", action="store_true")
    options = parser.parse_args()
    if options.real:
        real(Path(os.environ.get("NEWSFOLIO_DATA", ".")))
    elif options.grid:
        grid(options.studies, options.kind or [*LEAKS, *HONEST])
    else:
        one_size(options.studies, options.kind or list(KINDS))
        if not options.kind:
            whole(options.studies)


if __name__ == "__main__":
    main()
