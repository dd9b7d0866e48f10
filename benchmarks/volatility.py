"""Volatility forecasts judged walk-forward: QLIKE of the next five sessions, beside the usual rivals.

    pip install -e ".[test]"
    NEWSFOLIO_DATA=... OMP_NUM_THREADS=1 python -P benchmarks/volatility.py

Target: the mean range variance of sessions t+1 ... t+5 (overnight gap squared plus Garman-Klass), and then the mean
squared return of the same sessions, which has far more noise. Forecasts are variances of one session. For the range
target every forecast, ours too, is scaled by the asset's past ratio of range variance to squared return (504 sessions),
so that no method wins by its unit. t is Diebold and Mariano's of HAR against each rival (Newey-West, 9 lags; losses
averaged over the assets of a session first): negative where HAR is better.

Then a book of equal weights that is scaled to a volatility (10 % a year; the ETFs 5 %), asked daily and traded where
its exposure is further from the target than a band: how far its volatility over 22 sessions varies, and its turnover.
Then what a walk costs: the forecast of 500 assets, asked weekly for 2,500 sessions.

    python -P benchmarks/volatility.py [qlike | book | walk]
"""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from allocation import (
    EWMA,
    Bars,
    GarchVolatility,
    HarVolatility,
    LedoitWolf,
    RiskEstimator,
    ScaledRisk,
    View,
    range_variance,
)
from allocation.forecast.newey_west import newey_west_variance
from allocation.risk.scaled import risk_of
from backtest import run

HORIZON, FIRST, RATIO = 5, 300, 504


def bars_of(table: pd.DataFrame) -> Bars:
    table = table.rename(columns=str.lower).rename(columns={"asset": "ticker"})
    table["date"] = pd.to_datetime(table["date"])
    factor = table["adj_close"] / table["close"] if "adj_close" in table else 1.0
    marks = ["open", "high", "low", "close"]
    table[marks] = table[marks].mul(factor, axis=0)
    table = table[(table[marks] > 0).all(axis=1)]
    wide = {name: table.pivot(index="date", columns="ticker", values=name) for name in marks}
    return Bars(wide["close"], wide["open"], None, wide["high"], wide["low"])


def qlike(target: pd.DataFrame, forecast: pd.DataFrame) -> pd.DataFrame:
    ratio = target / forecast
    return ratio - np.log(ratio) - 1.0


def judge(name: str, bars: Bars) -> None:
    variance = range_variance(bars)
    variance = variance.clip(
        upper=50.0 * variance.rolling(RATIO, min_periods=60).median()
    )  # a low of 0.01 is a bad tick
    returns = np.log(bars.close).diff()
    squares = (returns**2).where(variance.notna())
    rivals = {
        "sample 252": squares.rolling(252, min_periods=120).mean(),
        "EWMA 60": squares.ewm(halflife=60, min_periods=60).mean(),
        "EWMA 11": squares.ewm(halflife=11, min_periods=60).mean(),
        "GARCH-t": GarchVolatility(HORIZON).path(bars) ** 2,
        "HAR": HarVolatility(HORIZON).path(bars) ** 2,
    }
    ratio = variance.rolling(RATIO, min_periods=60).mean() / squares.rolling(RATIO, min_periods=60).mean()
    for target_name, source, scale in (("range", variance, ratio), ("squared return", squares, 1.0)):
        target = source[::-1].rolling(HORIZON).mean()[::-1].shift(-1).iloc[FIRST:]
        target = target.where(target > 1e-3 * source.expanding(60).median().iloc[FIRST:])
        losses = {rival: qlike(target, (scale * forecast).iloc[FIRST:]) for rival, forecast in rivals.items()}
        both = np.logical_and.reduce([np.isfinite(loss) for loss in losses.values()])
        base = losses["EWMA 60"].where(both).stack().mean()
        print(f"{name}, {target_name}: n = {int(both.sum())}")
        for rival, loss in losses.items():
            mean = loss.where(both).stack().mean()
            difference = (losses["HAR"] - loss).where(both).mean(axis=1).dropna().to_numpy()
            t = difference.mean() / np.sqrt(newey_west_variance(difference, lags=9)) if rival != "HAR" else np.nan
            print(f"  {rival:12} {mean:.3f}  {mean / base - 1:+.1%} of EWMA 60   t {t:+.1f}")


@dataclass(frozen=True)
class ScaledBook:
    """Equal weights, scaled to the target by the risk that is forecast; held while exposure lies within the band."""

    risk: RiskEstimator
    band: float
    target: float = 0.10

    def __call__(self, view: View) -> pd.Series:
        assets = view.tradable[view.prices[view.tradable].iloc[-61:].notna().all().to_numpy()]
        equal = pd.Series(1.0 / len(assets), assets)
        volatility = float(np.sqrt(252.0 * (equal @ risk_of(self.risk, view.bars, assets).times(equal))))
        exposure, held = min(self.target / volatility, 1.0), float(view.held.sum())
        if held > 0.0 and abs(held / exposure - 1.0) < self.band:
            return view.held * np.nan
        return (equal * exposure).reindex(view.held.index, fill_value=0.0)


def book(name: str, bars: Bars, target: float) -> None:
    print(f"{name}: a book scaled to {target:.0%}, at costs of 10 bp")
    for label, risk, band in (
        ("LedoitWolf", LedoitWolf(), 0.0),
        ("LedoitWolf", LedoitWolf(), 0.15),
        ("HAR", ScaledRisk(), 0.0),
        ("HAR", ScaledRisk(), 0.15),
        ("HAR", ScaledRisk(), 0.25),
        ("HAR on EWMA 21", ScaledRisk(correlation=EWMA(halflife=21, window=126)), 0.15),
        ("HAR on EWMA 21", ScaledRisk(correlation=EWMA(halflife=21, window=126)), 0.25),
    ):
        found = run(ScaledBook(risk, band, target), bars, None, bars.close.index[260:-1], costs=0.001)
        spread = (found.returns.rolling(22).std() * np.sqrt(252.0)).std()
        print(f"  {label:14} band {band:4.0%}: sd of 22-session volatility {spread:.4f}, "
              f"turnover a year {found.annual_turnover:.1f}")  # fmt: skip


def walk(n_sessions: int = 2500, n_assets: int = 500) -> None:
    random = np.random.default_rng(0)
    returns = 0.01 * random.standard_normal((n_sessions, n_assets))
    index = pd.bdate_range("2010-01-01", periods=n_sessions)
    close = pd.DataFrame(50.0 * np.exp(returns.cumsum(axis=0)), index, [f"A{i:03}" for i in range(n_assets)])
    before = close.shift(1).fillna(50.0)
    edges = np.maximum(close, before) * 1.004, np.minimum(close, before) * 0.996
    bars, started = Bars(close, before, None, *edges), time.process_time()
    run(ScaledBook(ScaledRisk(), 0.0), bars, None, index[260:-1:5])
    print(f"{n_assets} assets × {n_sessions} sessions, asked weekly: {time.process_time() - started:.0f} s of one core")


def main() -> None:
    asked = sys.argv[1:] or ["qlike", "book", "walk"]
    data = Path(os.environ["NEWSFOLIO_DATA"])
    etfs = bars_of(pd.read_parquet(data / "etf_prices_yahoo.parquet"))
    dow = bars_of(pd.read_parquet(data / "market/djia30_prices_2006.parquet"))
    if "qlike" in asked:
        judge("Dow Jones index", bars_of(pd.read_csv(data / "djia_index.csv").assign(ticker="DJIA")))
        judge("32 ETFs", etfs)
        judge("Dow stocks", dow)
        judge("108 large stocks", bars_of(pd.read_parquet(data / "market/us_large_prices.parquet")))
        judge("88 stocks", bars_of(pd.read_parquet(data / "stocknet_prices.parquet")))
    if "book" in asked:
        book("Dow stocks", dow, 0.10)
        book("32 ETFs", etfs, 0.05)  # unlevered these funds hardly ever reach 10 %
    if "walk" in asked:
        walk()


if __name__ == "__main__":
    main()
