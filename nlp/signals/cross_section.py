"""A signal relative to the other assets of its session, or of its sector: z-scores and ranks."""

from typing import Literal

import numpy as np
import pandas as pd

from nlp.errors import NewsError

WIDEST = 3.0  # standard deviations at which a z-score is cut off, so that it fits into [-1, 1]
FEWEST_NAMES = 3  # fewer have no meaningful spread
ROUNDING = 1e-12  # a relative spread smaller than this is rounding


def cross_section(
    signal: pd.DataFrame, how: Literal["zscore", "rank"] = "zscore", *, sectors: pd.Series | None = None
) -> pd.DataFrame:
    """Return the signal (sessions × assets) relative to the assets covered in the same session, in [-1, 1].

    `zscore`: (value - mean) / standard deviation across assets (divisor n), cut off at ±3 and divided by 3. `rank`:
    mean ranks spread evenly from -1 to 1. sectors (indexed by asset): compare with the same sector only: the mean
    of the sector is taken away before z-scores are made, ranks are within the sector, and an asset that is alone
    there gets 0. NaN stays NaN; a session with fewer than three covered assets is NaN, one without spread 0.

    Raises:
        NewsError: how is not known, or an asset has no sector.
    """
    if how not in ("zscore", "rank"):
        raise NewsError(f"how is {how!r}: use 'zscore' or 'rank'")
    ordered = signal.sort_index(axis=1)  # else the order of columns would choose the last bit of a sum
    sector = _sectors(ordered.columns, sectors)
    relative = _ranks(ordered, sector) if how == "rank" else _zscores(ordered, sector)
    enough = ordered.notna().sum(axis=1) >= FEWEST_NAMES
    crossed = relative.where(enough, np.nan, axis=0)[signal.columns]
    crossed.attrs.update(signal.attrs)  # the training texts of the classifier, for one
    return crossed


def _sectors(assets: pd.Index, sectors: pd.Series | None) -> pd.Series:
    if sectors is None:
        return pd.Series("", index=assets)
    sector = sectors.reindex(assets)
    if sector.isna().any():
        lacking = sector.index[sector.isna()]
        raise NewsError(f"{lacking[0]} has no sector ({len(lacking)} such assets): name one or drop the column")
    return sector


def _zscores(signal: pd.DataFrame, sector: pd.Series) -> pd.DataFrame:
    parts = [part.sub(part.mean(axis=1), axis=0) for _, part in signal.T.groupby(sector) for part in [part.T]]
    centred = pd.concat(parts, axis=1)[signal.columns]
    spread = (centred**2).mean(axis=1) ** 0.5
    flat = spread <= ROUNDING * signal.abs().max(axis=1)
    z = centred.div(spread.mask(flat), axis=0).clip(-WIDEST, WIDEST) / WIDEST
    return z.mask(signal.notna() & flat.to_numpy()[:, None], 0.0)


def _ranks(signal: pd.DataFrame, sector: pd.Series) -> pd.DataFrame:
    parts = []
    for assets in sector.groupby(sector).groups.values():
        part = signal[list(assets)]
        n = part.notna().sum(axis=1)
        middle, half_range = (n + 1) / 2, ((n - 1) / 2).where(n > 1, 1.0)
        parts.append(part.rank(axis=1).sub(middle, axis=0).div(half_range, axis=0))
    return pd.concat(parts, axis=1)[signal.columns]
