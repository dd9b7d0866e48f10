"""Does confidence mean what it says? Calibration error and reliability curve over bins of equal mass."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from newsfolio.shared.arrays import FloatArray, IntArray
from nlp.evaluation.bootstrap import group_codes, in_grains
from nlp.evaluation.metrics import Scores, guesses

BINS = 15
DRAWS_IF_CALIBRATED = 200
BARS = 20  # of the histogram of confidence, from the least that a guess can have (1/3 of three labels) up to 1
Z = 1.959964  # 97.5 % quantile of the normal law


class CalibrationNull(NamedTuple):
    """Distribution of the calibration error of a calibrated classifier: its mean and its 95 % quantile (`most`)."""

    mean: float
    most: float


def gaps_by_bin(probabilities: Scores, truth: IntArray, bins: int = BINS) -> FloatArray:
    """Return confidence - right of each text in the column of its bin, 0 elsewhere (texts × bins).

    As sums of it are all that the calibration error needs, a resample keeps the bins of the texts as they were.
    """
    confidence = confidence_of(probabilities)
    gap = in_grains(confidence - (guesses(probabilities) == truth))
    return np.asarray(np.eye(bins)[_bins(confidence, bins)] * gap[:, None])


def calibration_error(gaps: FloatArray, n: FloatArray | int) -> FloatArray:
    """Gap between confidence and accuracy, a mean weighted by bin size; gaps: sums (... × bins) over n texts (...).

    M. Naeini, G. Cooper and M. Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning",
    AAAI 2015, with bins of (nearly) equal counts instead of equal width. Equal confidences share a bin.
    """
    return np.asarray(np.abs(gaps).sum(axis=-1) / n)


def confidence_of(probabilities: Scores) -> FloatArray:
    """The largest probability of each row."""
    return np.asarray(probabilities.max(axis=1), dtype=np.float64)


def error_if_calibrated(probabilities: Scores, groups: ArrayLike | None = None, *, seed: int = 0) -> CalibrationNull:
    """Return the calibration error that chance alone would show, on so many texts, were each confidence right.

    A mean of absolute values is above 0 even then, so an error is compared with this and not with 0. After
    J. Bröcker and L. Smith, "Increasing the reliability of reliability diagrams", Weather and Forecasting 2007, with
    near-duplicates right or wrong together.
    """
    confidence = confidence_of(probabilities)
    # Groups are numbered by their sum of confidence, so that what is drawn for each does not depend on row order.
    code = group_codes(groups, len(confidence))
    total = np.bincount(code, weights=in_grains(confidence))
    bins, group = _bins(confidence, BINS), np.argsort(np.argsort(total, kind="stable"))[code]
    random = np.random.default_rng(seed)
    errors = []
    for _ in range(DRAWS_IF_CALIBRATED):
        gaps = in_grains(confidence - (random.random(len(confidence))[group] < confidence))
        by_bin: FloatArray = np.bincount(bins, weights=gaps, minlength=BINS).astype(np.float64)
        errors.append(calibration_error(by_bin, len(gaps)))
    return CalibrationNull(float(np.mean(errors)), float(np.quantile(errors, 0.95)))


def reliability_curve(probabilities: Scores, truth: IntArray, *, groups: ArrayLike | None = None) -> pd.DataFrame:
    """Return one row per bin, least confident first: texts, groups, least, most, confidence, accuracy, low, high.

    least and most are the ends of the bin, confidence is its mean. low and high: the 95 % interval of the accuracy
    by E. B. Wilson, 1927, which has a width even where all are right; near-duplicates count as one text in it.
    """
    confidence = confidence_of(probabilities)
    right, group = guesses(probabilities) == truth, group_codes(groups, len(truth))
    rows = pd.DataFrame({"bin": _bins(confidence, BINS), "confidence": confidence, "right": right, "group": group})
    curve = rows.groupby("bin").agg(
        texts=("right", "size"),
        groups=("group", "nunique"),
        least=("confidence", "min"),
        most=("confidence", "max"),
        confidence=("confidence", "mean"),
        accuracy=("right", "mean"),
    )
    low, high = wilson(curve["accuracy"].to_numpy(), curve["groups"].to_numpy())
    return curve.assign(low=low, high=high).set_axis(pd.RangeIndex(1, len(curve) + 1, name="bin"))


def confidence_histogram(probabilities: Scores, truth: IntArray) -> pd.DataFrame:
    """Return how many texts are guessed how surely, in twenty bars of equal width: least, most, texts, right."""
    edges = np.linspace(1.0 / probabilities.shape[1], 1.0, BARS + 1)
    bar = np.clip(np.searchsorted(edges, confidence_of(probabilities), side="right") - 1, 0, BARS - 1)
    texts = np.bincount(bar, minlength=BARS)
    right = np.bincount(bar[guesses(probabilities) == truth], minlength=BARS)
    return pd.DataFrame({"least": edges[:-1], "most": edges[1:], "texts": texts, "right": right})


def wilson(share: FloatArray, n: IntArray) -> tuple[FloatArray, FloatArray]:
    """Lower and upper end of the 95 % interval of a share of n independent texts."""
    centre = share + Z**2 / (2 * n)
    reach = Z * np.sqrt(share * (1 - share) / n + Z**2 / (4.0 * n**2))
    # Within the last bit of the share itself, where this is 0 or 1.
    return np.minimum((centre - reach) / (1 + Z**2 / n), share), np.maximum((centre + reach) / (1 + Z**2 / n), share)


def _bins(confidence: FloatArray, bins: int) -> IntArray:
    rank = np.searchsorted(np.sort(confidence), confidence)
    return np.asarray(rank * bins // len(confidence), dtype=np.int64)
