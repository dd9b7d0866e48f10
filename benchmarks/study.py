"""The figures of a signal, ours and alphalens': forward returns, IC, quantile returns, turnover, rank autocorrelation.

    python benchmarks/study.py --sessions 1000 --assets 100

Both get the same signal and closes, five quantiles and three horizons. The last row adds what alphalens does not have:
two more entries and horizons, Newey-West and bootstrap intervals, an event study, and 80 placebos.
"""

import argparse
import time
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd

from allocation import Bars
from backtest.signal_study.forward_returns import THIS_CLOSE, forward_returns
from backtest.signal_study.quantiles import quantile_numbers, quantile_returns, quantile_turnover
from backtest.signal_study.row_correlation import linear_correlation, rank_correlation, ranked
from backtest.signal_study.study import study

PERIODS = (1, 5, 10)


def frames(sessions: int, assets: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    random = np.random.default_rng(0)
    index = pd.bdate_range("2015-01-02", periods=sessions, name="date")
    names = [f"A{n:04d}" for n in range(assets)]
    signal = pd.DataFrame(random.uniform(-1, 1, (sessions, assets)), index, names)
    steps = 1.0 + 0.01 * random.standard_normal((sessions, assets))
    return signal, pd.DataFrame(50.0 * np.cumprod(steps, axis=0), index, names)


def ours(signal: pd.DataFrame, prices: pd.DataFrame) -> float:
    values, bars = signal.to_numpy(), Bars(prices)
    number, ranks = quantile_numbers(values), ranked(values)
    returns = {period: forward_returns(bars, period, THIS_CLOSE).to_numpy() for period in PERIODS}
    found = [rank_correlation(values, each) for each in returns.values()]
    for each in returns.values():
        quantile_returns(number, each)
    for quantile in range(1, 6):
        quantile_turnover(number, quantile)
    linear_correlation(ranks[1:], ranks[:-1])
    return float(np.nanmean(found[0][: -PERIODS[-1]]))


def alphalens(signal: pd.DataFrame, prices: pd.DataFrame) -> float:
    from alphalens import performance, utils

    factor = signal.stack().rename_axis(["date", "asset"])
    table = utils.get_clean_factor_and_forward_returns(factor, prices, quantiles=5, periods=PERIODS)
    ic = performance.factor_information_coefficient(table)
    performance.mean_return_by_quantile(table, demeaned=True)
    for quantile in range(1, 6):
        performance.quantile_turnover(table["factor_quantile"], quantile, 1)
    performance.factor_rank_autocorrelation(table, 1)
    return float(ic.iloc[:, 0].mean())


def measure(name: str, run: Callable[[], object]) -> float:
    """Print the seconds of this process (others may share the machine) and of the clock, best of three."""
    best = (np.inf, np.inf)
    for _ in range(3):
        clock, own = time.perf_counter(), time.process_time()
        result = run()
        best = min(best, (time.process_time() - own, time.perf_counter() - clock))
    shown = f"mean rank IC {result:+.6f}" if isinstance(result, float) else ""
    print(f"{name:<28}{best[0]:9.3f} s of processor{best[1]:9.3f} s  {shown}", flush=True)
    return best[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--assets", type=int, default=100)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    signal, prices = frames(options.sessions, options.assets)
    print(f"{options.sessions} sessions × {options.assets} assets, horizons {PERIODS}")
    alphalens(signal.iloc[:40, :10], prices.iloc[:40, :10])  # its imports
    mine = measure("ours, the same figures", lambda: ours(signal, prices))
    theirs = measure("alphalens-reloaded", lambda: alphalens(signal, prices))
    print(f"{'ratio':<28}{theirs / mine:9.1f}")
    measure("ours, the whole study", lambda: study(signal, Bars(prices, prices)))


if __name__ == "__main__":
    main()
