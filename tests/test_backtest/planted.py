"""Small markets whose signal goes with the return of its own session, of the next, or of none."""

import numpy as np
import pandas as pd

from backtest.signal_study.study import study

ASSETS = tuple(f"S{n:02d}" for n in range(12))


def frames(seed, n=90, edge=0.0, same=0.0):
    """A signal with gaps and prices that it goes with: `same` in its own session, `edge` in the next."""
    random = np.random.default_rng(seed)
    index = pd.bdate_range("2021-01-04", periods=n, name="date")
    signal = pd.DataFrame(random.uniform(-1, 1, (n, len(ASSETS))), index, list(ASSETS))
    known = signal.to_numpy()
    returns = 0.01 * random.standard_normal(known.shape) + same * known
    returns[1:] += edge * known[:-1]
    prices = pd.DataFrame(50 * np.cumprod(1 + returns, axis=0), index, list(ASSETS))
    return signal.mask(random.random(signal.shape) < 0.2), prices


def quick(signal, prices, **options):
    return study(signal, prices, **{"shuffles": 2, "horizons": (1, 5)} | options)
