"""Volatility forecasts judged walk-forward: QLIKE of the next five sessions, beside the usual rivals.

    pip install -e ".[test]"
    NEWSFOLIO_DATA=... OMP_NUM_THREADS=1 python -P benchmarks/volatility.py

Target: the mean range variance of sessions t+1 ... t+5 (overnight gap squared plus Garman-Klass), and then the mean
squared return of the same sessions, which has far more noise. Forecasts are variances of one session. For the range
target every forecast, ours too, is scaled by the asset's past ratio of range variance to squared return (504 sessions),
so that no method wins by its unit. t is Diebold and Mariano's of HAR against each rival (Newey-West, 9 lags; losses
averaged over the assets of a session first): negative where HAR is better.
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd

from allocation import Bars, HarVolatility, range_variance
from allocation.forecast.newey_west import newey_west_variance

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


def garch(returns: pd.DataFrame, refit: int = 63) -> pd.DataFrame:
    """GARCH(1,1) with t innovations of each asset, parameters anew every quarter from all sessions before."""
    from arch import arch_model

    found = pd.DataFrame(np.nan, returns.index, returns.columns)
    for asset in returns:
        series = 100.0 * returns[asset].dropna()
        for start in range(FIRST, len(series), refit):
            fitted = arch_model(series, dist="t").fit(last_obs=series.index[start], disp="off")
            ahead = fitted.forecast(horizon=HORIZON, start=series.index[start], reindex=False).variance.mean(axis=1)
            found.loc[ahead.index[:refit], asset] = ahead.iloc[:refit] / 1e4
    return found


def qlike(target: pd.DataFrame, forecast: pd.DataFrame) -> pd.DataFrame:
    ratio = target / forecast
    return ratio - np.log(ratio) - 1.0


def judge(name: str, bars: Bars, *, with_garch: bool) -> None:
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
        "HAR": HarVolatility(HORIZON).path(bars) ** 2,
    }
    if with_garch:
        rivals["GARCH-t"] = garch(returns)
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


def main() -> None:
    data = Path(os.environ["NEWSFOLIO_DATA"])
    judge("Dow Jones index", bars_of(pd.read_csv(data / "djia_index.csv").assign(ticker="DJIA")), with_garch=True)
    judge("32 ETFs", bars_of(pd.read_parquet(data / "etf_prices_yahoo.parquet")), with_garch=True)
    judge("Dow stocks", bars_of(pd.read_parquet(data / "market/djia30_prices_2006.parquet")), with_garch=False)
    judge("108 large stocks", bars_of(pd.read_parquet(data / "market/us_large_prices.parquet")), with_garch=False)
    judge("88 stocks", bars_of(pd.read_parquet(data / "stocknet_prices.parquet")), with_garch=False)


if __name__ == "__main__":
    main()
