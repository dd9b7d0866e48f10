"""Temperature scaling: one number that makes a classifier's confidence match its accuracy."""

import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import logit, softmax

from newsfolio.shared.arrays import FloatArray
from nlp.evaluation.metrics import Scores, checked_codes, checked_matrix
from nlp.labels import LABELS

log = logging.getLogger(__name__)

COLDEST, HOTTEST = 0.05, 20.0
EPSILON = float(np.finfo(np.float32).epsneg) / 2.0  # half a step below 1, where float32 rounds to 1
LEAST = float(np.finfo(np.float32).tiny)  # a probability that underflowed in float32 is not impossible


def fit_temperature(
    logits_or_probabilities: Scores,
    labels: pd.Series,
    *,
    names: Sequence[str] = LABELS,
    multi_label: bool = False,
) -> float:
    """Return the temperature, in [0.05, 20], at which these texts' labels are likeliest.

    Logits or probabilities: texts × names; log-probabilities are logits, so both give the same temperature. Rows that
    are nowhere negative and sum to 1 are taken for probabilities. Above 1 the classifier was overconfident. Fit on
    texts that training never saw, or the temperature comes out too low. Where every text is right, or none better
    than chance, there is no best one: the end of the range, and a warning.

    multi_label: labels are cells of several, and what is given must be probabilities, each of its own label; the
    likelihood is then that of independent yes and no, softmax the sigmoid.

    Minimises the negative log-likelihood of softmax(logits / T): C. Guo, G. Pleiss, Y. Sun and K. Weinberger, "On
    calibration of modern neural networks", ICML 2017. It is convex in 1 / T, so the root of its slope is the answer.

    Raises:
        CorpusError: no texts, an unknown label, or numbers that are not (texts × names) and finite.
    """
    if multi_label:
        matrix = checked_matrix(logits_or_probabilities, labels, names)
        chances = np.clip(logits_or_probabilities.astype(np.float64), LEAST, 1.0 - EPSILON)
        yes = logit(chances).ravel()
        logits, truth = np.stack([np.zeros_like(yes), yes], axis=1), matrix.ravel().astype(np.int64)
    else:
        truth = checked_codes(logits_or_probabilities, labels, names)
        logits = logits_or_probabilities.astype(np.float64)
        if (logits >= 0.0).all() and np.allclose(logits.sum(axis=1), 1.0, atol=1e-3):  # they are probabilities
            logits = np.log(np.maximum(logits, LEAST))
    inverse_low, inverse_high = 1.0 / HOTTEST, 1.0 / COLDEST
    if _slope(inverse_low, logits, truth) >= 0.0:
        return _end(HOTTEST, "uniform probabilities fit better")
    if _slope(inverse_high, logits, truth) <= 0.0:
        return _end(COLDEST, "every text is right")
    return 1.0 / float(brentq(_slope, inverse_low, inverse_high, args=(logits, truth)))


def _slope(inverse: float, logits: FloatArray, truth: NDArray[np.int64]) -> float:
    """Derivative of the mean negative log-likelihood by 1 / T: expected logit less the label's own."""
    expected = (softmax(logits * inverse, axis=1) * logits).sum(axis=1)
    return float((expected - logits[np.arange(len(truth)), truth]).mean())


def _end(temperature: float, why: str) -> float:
    log.warning("no temperature is best (%s): %g is used; fit on more texts", why, temperature)
    return temperature
