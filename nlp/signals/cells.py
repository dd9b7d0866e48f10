"""Scored headlines -> weighted sums per session and asset, equal to the last bit in every order of the rows."""

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from newsfolio.shared.arrays import FloatArray
from nlp.errors import NewsError
from nlp.signals.sessions import assign_session

log = logging.getLogger(__name__)

Places = NDArray[np.int64]

WEIGHTS = ("novelty", "relevance")
COARSE, FINE = 2.0**27, 2.0**53
LEAST_WEIGHT = 1.0 / FINE  # less is nothing in a sum


@dataclass(frozen=True)
class Cells:
    """What was published for each session and asset (sessions × assets): 0 where there is no news.

    count: headlines; weight: their weights; total: weights × scores; squares: weights × scores².
    """

    count: FloatArray
    weight: FloatArray
    total: FloatArray
    squares: FloatArray
    assets: pd.Index


def sum_cells(scored: pd.DataFrame, sessions: pd.DatetimeIndex, calendar: str, cutoff: str) -> Cells:
    """Add up the headlines of each session (`assign_session`) and asset.

    A row weighs novelty × relevance, each 1 where it has none. News of other sessions, and rows without weight, are
    left out and counted in the log.

    Raises:
        NewsError: an asset is no text, a score lies outside [-1, 1], or a weight outside [0, 1].
    """
    code, assets = _assets(scored["asset"])
    score, weight = _scores(scored), np.ones(len(scored))
    for name in WEIGHTS:
        if name in scored.columns:
            weight = weight * _share(scored[name], name)
    unscored = np.isnan(score)
    if unscored.any():
        log.warning("%d of %d headlines have no score and are not used", int(unscored.sum()), len(score))
        score, weight = np.where(unscored, 0.0, score), np.where(unscored, 0.0, weight)
    if unscored.all():
        raise NewsError(f"none of {len(score)} headlines has a score: score them first (newsfolio score)")
    session = assign_session(scored["published"], calendar, cutoff, time_known=scored.get("time_known"))
    row = sessions.get_indexer(session.as_unit(sessions.unit))
    weightless = int(((row >= 0) & (weight < LEAST_WEIGHT) & ~unscored).sum())
    outside = int((row < 0).sum())
    if outside:
        log.warning(
            "%d of %d headlines are known only outside the sessions %s to %s and are not used",
            outside,
            len(row),
            sessions[0].date(),
            sessions[-1].date(),
        )
    if weightless:
        log.warning("%d of %d headlines have weight 0 (novelty or relevance 0) and are not used", weightless, len(row))
    used = (row >= 0) & (weight >= LEAST_WEIGHT)
    cell = row.astype(np.int64) * len(assets) + code
    if not used.all():
        cell, score, weight = cell[used], score[used], weight[used]
    return _summed(cell, score, weight, (len(sessions), len(assets)), assets)


def _summed(cell: Places, score: FloatArray, weight: FloatArray, shape: tuple[int, int], assets: pd.Index) -> Cells:
    def added(values: FloatArray | None) -> FloatArray:
        sums = np.bincount(cell, weights=values, minlength=shape[0] * shape[1])
        return sums.astype(np.float64, copy=False).reshape(shape)

    def exactly(values: FloatArray) -> FloatArray:
        coarse, fine = _split(values)
        return added(coarse) / COARSE + added(fine) / FINE

    weighted = weight * score
    return Cells(
        count=added(None),
        weight=exactly(weight),
        total=exactly(weighted),
        squares=exactly(weighted * score),
        assets=assets,
    )


def _split(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Values of at most 1 as coarse / COARSE + fine / FINE, both whole numbers, the rest (2^-54) rounded away.

    Sums of whole numbers below 2^53 are exact, so no order of the rows can show in them, up to 2^26 rows a cell; that
    takes a quarter of the time of sorting. (J. Demmel and H. D. Nguyen, "Parallel reproducible summation", IEEE
    Transactions on Computers 64(7), 2015, by whom sums are split so.)
    """
    fine = values * COARSE
    coarse = np.rint(fine)
    fine -= coarse  # in place: fresh memory costs more than the arithmetic
    fine *= FINE / COARSE
    return coarse, np.rint(fine, out=fine)


def _assets(column: pd.Series) -> tuple[Places, pd.Index]:
    """Position of each row's asset among the sorted assets."""
    code, found = pd.factorize(column)
    unnamed = np.array([not isinstance(asset, str) for asset in found] + [True])  # the last one for code -1
    if unnamed[code].any():
        row = int(np.flatnonzero(unnamed[code])[0])
        raise NewsError(f"row {row + 1}: asset {column.iloc[row]!r} is not text: name it or drop the row")
    assets = pd.Index(sorted(found))
    return assets.get_indexer(pd.Index(found))[code].astype(np.int64), assets


def _scores(scored: pd.DataFrame) -> FloatArray:
    """Scores as numbers, NaN where there is none."""
    column = scored["score"]
    score = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = ~(np.abs(score) <= 1) & ~column.isna().to_numpy()
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise NewsError(
            f"row {row + 1}: score {column.iloc[row]} lies outside [-1, 1] ({int(wrong.sum())} such rows): give "
            "p(positive) - p(negative), as score_headlines does, or name the lowest and highest score (--scale 1..5)"
        )
    return score


def parse_scale(text: str) -> tuple[float, float]:
    """Read `1..5`, the lowest and the highest score.

    Raises:
        NewsError: it is not of this form.
    """
    low, dots, high = text.partition("..")
    try:
        lowest, highest = float(low), float(high)
    except ValueError:
        lowest = highest = np.nan
    if not dots or not lowest < highest < np.inf:
        raise NewsError(f"scale {text!r} is not understood: write the lowest and the highest score, as 1..5")
    return lowest, highest


def rescaled(scored: pd.DataFrame, scale: tuple[float, float]) -> pd.DataFrame:
    """Return the rows with scores from [lowest, highest] mapped onto [-1, 1].

    Raises:
        NewsError: a score is not a number on the scale.
    """
    lowest, highest = scale
    column = scored["score"]
    score = pd.to_numeric(column, errors="coerce")
    wrong = (~score.between(lowest, highest) & column.notna()).to_numpy()
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise NewsError(
            f"row {row + 1}: score {column.iloc[row]} is not on the scale {lowest:g}..{highest:g} "
            f"({int(wrong.sum())} such rows): name the scale that it is on"
        )
    return scored.assign(score=2.0 * (score - lowest) / (highest - lowest) - 1.0)


def _share(column: pd.Series, name: str) -> FloatArray:
    share = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    absent = column.isna().to_numpy()
    wrong = ~(absent | ((share >= 0) & (share <= 1)))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise NewsError(
            f"row {row + 1}: {name} {column.iloc[row]} lies outside [0, 1] ({int(wrong.sum())} such rows): give a "
            "weight from 0 to 1, or nothing where it is not known"
        )
    return np.where(absent, 1.0, share)
