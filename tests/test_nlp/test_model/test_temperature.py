"""Temperature scaling: recovers what was done to the logits, keeps the guesses, mends the confidence."""

import logging

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from nlp.errors import CorpusError
from nlp.evaluation.calibration import expected_calibration_error
from nlp.labels import LABELS
from nlp.model.temperature import COLDEST, HOTTEST, at_temperature, fit_temperature, negative_log_likelihood


def drawn(seed, n=400, spread=1.5):
    """Logits, and labels drawn from their softmax: the right temperature is 1."""
    random = np.random.default_rng(seed)
    logits = random.normal(0.0, spread, (n, 3))
    codes = (softmax(logits, axis=1).cumsum(axis=1) < random.random((n, 1))).sum(axis=1).clip(max=2)
    return logits, pd.Series(np.array(LABELS)[codes])


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
        lambda t: negative_log_likelihood(logits, labels, t), bounds=(COLDEST, HOTTEST), method="bounded",
        options={"xatol": 1e-7},
    )  # fmt: skip
    assert negative_log_likelihood(logits, labels, best) <= searched.fun + 1e-12
    assert best == pytest.approx(searched.x, rel=1e-3)


@given(st.integers(0, 1000))
def test_probabilities_give_the_temperature_of_their_logits(seed):
    logits, labels = drawn(seed)
    shifted = logits + np.arange(len(logits))[:, None]
    expected = fit_temperature(logits, labels)
    assert fit_temperature(shifted, labels) == pytest.approx(expected)
    assert fit_temperature(softmax(logits, axis=1), labels) == pytest.approx(expected)
    assert fit_temperature(softmax(logits, axis=1).astype(np.float32), labels) == pytest.approx(expected, rel=1e-4)


@given(st.integers(0, 1000), st.floats(COLDEST, HOTTEST))
def test_a_temperature_never_changes_the_guess(seed, temperature):
    logits, _ = drawn(seed, 50)
    probabilities = at_temperature(logits, temperature)
    assert probabilities.dtype == np.float32
    assert np.allclose(probabilities.sum(axis=1), 1.0, atol=1e-6)
    guess = logits.argmax(axis=1)
    assert (probabilities[np.arange(50), guess] == probabilities.max(axis=1)).all()


@given(st.integers(0, 200))
def test_a_classifier_that_is_too_sure_becomes_better_calibrated(seed):
    logits, labels = drawn(seed, 2000)
    fitted, tested = slice(1000), slice(1000, None)
    sure = at_temperature(3.0 * logits, 1.0)
    mended = at_temperature(sure, fit_temperature(sure[fitted], labels[fitted]))
    truth = np.array([LABELS.index(label) for label in labels[tested]])
    assert negative_log_likelihood(mended[tested], labels[tested]) < negative_log_likelihood(
        sure[tested], labels[tested]
    )
    assert expected_calibration_error(mended[tested], truth) < expected_calibration_error(sure[tested], truth)


def test_by_hand():
    # Half of the texts are right, with log-odds of 2 to 0 to 0: right in 1/2 where softmax(2/T) = 1/2, e^(2/T) = 2.
    logits = np.tile([2.0, 0.0, 0.0], (4, 1))
    labels = pd.Series(["negative", "negative", "neutral", "positive"])
    assert fit_temperature(logits, labels) == pytest.approx(2.0 / np.log(2.0))
    assert negative_log_likelihood(np.zeros((4, 3)), labels) == pytest.approx(np.log(3.0))


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
