"""Covariances beside those of skfolio, and what it costs to estimate them anew at each date.

    pip install -e ".[bench]"
    OMP_NUM_THREADS=1 python -P benchmarks/risk.py

Sample, Ledoit-Wolf and OAS are of one definition in both; skfolio's exponential weights are not demeaned, ours are.
Milliseconds of processor time, the best of fifty.
"""

import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from allocation import OAS, LedoitWolf, Sample

N_ASSETS, WINDOW = 100, 261


def market() -> pd.DataFrame:
    random = np.random.default_rng(1)
    returns = 0.008 * random.standard_normal((WINDOW + 1, 1)) + 0.012 * random.standard_normal((WINDOW + 1, N_ASSETS))
    index = pd.bdate_range("2012-01-02", periods=len(returns))
    return pd.DataFrame(100 * np.cumprod(1 + returns, axis=0), index, [f"A{i:03}" for i in range(N_ASSETS)])


def best_ms(run: Callable[[], object]) -> float:
    times = []
    for _ in range(50):
        started = time.process_time()
        run()
        times.append(time.process_time() - started)
    return 1e3 * min(times)


def main() -> None:
    from skfolio import moments

    prices = market()
    returns = prices.pct_change().iloc[1:]
    pairs = {
        "sample": (Sample(window=WINDOW), moments.EmpiricalCovariance()),
        "Ledoit-Wolf": (LedoitWolf(window=WINDOW), moments.LedoitWolf()),
        "OAS": (OAS(window=WINDOW), moments.OAS()),
    }
    print(f"{N_ASSETS} assets, {WINDOW} sessions: largest difference from skfolio's over its largest entry; time")
    for name, (ours, theirs) in pairs.items():
        expected = theirs.fit(returns.iloc[-WINDOW:]).covariance_
        off = np.abs(ours(prices).covariance().to_numpy() - expected).max() / np.abs(expected).max()
        print(f"  {name}: {off:.0e}; {best_ms(lambda ours=ours: ours(prices)):.2f} ms")
    rows = returns.to_numpy()[-WINDOW:]
    gram = rows.T @ rows

    def updated() -> np.ndarray:  # the newest session in, the oldest out, the mean moved
        moved = rows[0] - rows[1]
        return gram + np.outer(rows[0], rows[0]) - np.outer(rows[1], rows[1]) - np.outer(moved, moved)

    anew, carried = best_ms(lambda: rows.T @ rows), best_ms(updated)
    print(f"  window times itself {anew:.3f} ms, updated from the day before {carried:.3f} ms")


if __name__ == "__main__":
    main()
