"""Drawdowns of a portfolio from its highest value before, with their dates."""

from itertools import pairwise

import numpy as np
import pandas as pd


def drawdown_table(nav: pd.Series, most: int = 5) -> pd.DataFrame:
    """Return the deepest drawdowns, deepest first, one row each.

    Columns: depth (negative fraction), start (last session at the peak), bottom, recovered (first session back at
    the peak; NaT if not yet), sessions (from the peak to recovery or to the end). quantstats (0.0.86) dates a drawdown
    from the session after the peak to the last session below it, one later and one earlier than here.
    """
    fall = (nav / nav.cummax() - 1.0).to_numpy()
    days = pd.DatetimeIndex(nav.index)
    peaks = np.append(np.flatnonzero(fall == 0.0), len(fall))
    spans = [(first, after) for first, after in pairwise(peaks.tolist()) if after - first > 1]
    deepest = sorted(spans, key=lambda span: float(fall[slice(*span)].min()))[:most]
    bottoms = [first + int(fall[first:after].argmin()) for first, after in deepest]
    return pd.DataFrame(
        {
            "depth": [float(fall[bottom]) for bottom in bottoms],
            "start": [days[first] for first, _ in deepest],
            "bottom": [days[bottom] for bottom in bottoms],
            "recovered": [days[after] if after < len(days) else pd.NaT for _, after in deepest],
            "sessions": [min(after, len(days) - 1) - first for first, after in deepest],
        }
    )
