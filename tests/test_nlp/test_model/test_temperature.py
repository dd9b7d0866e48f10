"""Temperature scaling: recovers what was done to the logits, keeps the guesses, mends the confidence."""

import logging

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from nlp.errors import CorpusError
from nlp.evaluation.calibration import calibration_error, gaps_by_bin
from nlp.labels import LABELS
from nlp.model.temperature import COLDEST, HOTTEST, fit_temperature


def drawn(seed, n=400, spread=1.5):
    """Logits, and labels drawn from their softmax: the right temperature is 1."""
    random = np.random.default_rng(seed)
    logits = random.normal(0.0, spread, (n, 3))
    codes = (softmax(logits, axis=1).cumsum(axis=1) < random.random((n, 1))).sum(axis=1).clip(max=2)
    return logits, pd.Series(np.array(LABELS)[codes])


def mean_loss(logits, labels, temperature=1.0):
    """Negative log-likelihood per text: what a temperature is to make least."""
    likelihood = log_softmax(np.asarray(logits, dtype=np.float64) / temperature, axis=1)
    return -likelihood[np.arange(len(labels)), labels.map(LABELS.index)].mean()


@pytest.mark.parametrize("temperature", [0.3, 0.7, 1.0, 1.8, 4.0])
def test_a_known_temperature_is_recovered(temperature):
    logits, labels = drawn(0, 40_000)
    assert fit_temperature(temperature * logits, labels) == pytest.approx(temperature, rel=0.03)


@given(st.integers(0, 1000), st.floats(0.3, 4.0))
def test_scaled_logits_have_the_temperature_scaled(seed, factor):
    logits, labels = drawn(seed)
    assert fit_temperature(factor * logits, labels) == pytest.approx(factor * fit_temperature(logits, labels), rel=1e-6)


@given(st.integers(0, 1000))
def test_no_other_temperature_is_likelier(seed):
    logits, labels = drawn(seed, 100)
    best = fit_temperature(logits, labels)
    searched = minimize_scalar(
        lambda t: mean_loss(logits, labels, t), bounds=(COLDEST, HOTTEST), method="bounded",
        options={"xatol": 1e-7},
    )  # fmt: skip
    assert mean_loss(logits, labels, best) <= searched.fun + 1e-12
    assert best == pytest.approx(searched.x, rel=1e-3)


@given(st.integers(0, 1000))
def test_probabilities_give_the_temperature_of_their_logits(seed):
    logits, labels = drawn(seed)
    shifted = logits + np.arange(len(logits))[:, None]
    expected = fit_temperature(logits, labels)
    assert fit_temperature(shifted, labels) == pytest.approx(expected)
    assert fit_temperature(softmax(logits, axis=1), labels) == pytest.approx(expected)
    assert fit_temperature(softmax(logits, axis=1).astype(np.float32), labels) == pytest.approx(expected, rel=1e-4)


@given(st.integers(0, 200))
def test_a_classifier_that_is_too_sure_becomes_better_calibrated(seed):
    logits, labels = drawn(seed, 2000)
    fitted, tested = slice(1000), slice(1000, None)
    scaled = 3.0 * logits / fit_temperature(softmax(3.0 * logits[fitted], axis=1), labels[fitted])
    truth = labels[tested].map(LABELS.index).to_numpy()
    losses, errors = [], []
    for each in (scaled[tested], 3.0 * logits[tested]):
        losses.append(mean_loss(each, labels[tested]))
        errors.append(calibration_error(gaps_by_bin(softmax(each, axis=1), truth).sum(axis=0), len(truth)))
    assert losses[0] < losses[1]
    assert errors[0] < errors[1]


def test_by_hand():
    # Half of the texts are right, with log-odds of 2 to 0 to 0: right in 1/2 where softmax(2/T) = 1/2, e^(2/T) = 2.
    logits = np.tile([2.0, 0.0, 0.0], (4, 1))
    labels = pd.Series(["negative", "negative", "neutral", "positive"])
    assert fit_temperature(logits, labels) == pytest.approx(2.0 / np.log(2.0))


def test_a_probability_of_zero_is_not_impossible():
    probabilities = np.float32([[1, 0, 0], [1, 0, 0], [0.2, 0.5, 0.3]])
    assert np.isfinite(fit_temperature(probabilities, pd.Series(["negative", "neutral", "neutral"])))


@pytest.mark.parametrize(("sign", "end"), [(1.0, COLDEST), (-1.0, HOTTEST)])
def test_where_no_temperature_is_best_the_end_is_taken_and_told(caplog, sign, end):
    with caplog.at_level(logging.WARNING):
        assert fit_temperature(sign * np.eye(3), pd.Series(LABELS)) == end
    assert "no temperature is best" in caplog.text


@pytest.mark.parametrize(
    ("logits", "labels"),
    [
        (np.empty((0, 3)), []),
        (np.zeros((2, 3)), ["neutral"]),
        (np.zeros((2, 2)), ["neutral", "neutral"]),
        (np.zeros((1, 3)), ["bullish"]),
        (np.array([[0.0, np.nan, 0.0]]), ["neutral"]),
    ],
)
def test_what_cannot_be_fitted_is_refused(logits, labels):
    with pytest.raises(CorpusError):
        fit_temperature(logits, pd.Series(labels, dtype=object))
