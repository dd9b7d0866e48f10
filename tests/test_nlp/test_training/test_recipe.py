"""Presets, and settings that make no sense."""

import math
from dataclasses import replace

import pytest
from test_nlp.test_training.small_runs import ROWS

from nlp.errors import ModelError
from nlp.training.finetune import finetune
from nlp.training.recipe import PRESETS, FinetuneConfig

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_has_the_seed_it_is_given(name):
    assert FinetuneConfig.preset(name, seed=7) == replace(FinetuneConfig.preset(name), seed=7)


def test_an_unknown_preset_is_named():
    with pytest.raises(ModelError, match="the preset 'huge' is not known: use default, small, full"):
        FinetuneConfig.preset("huge")


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0}, {"epochs": -1}, {"batch_size": 0}, {"learning_rate": -1e-3}, {"dropout": 1.5}, {"warmup": 2.0},
        {"max_length": 0}, {"head_factor": 0.0}, {"weight_decay": -1.0}, {"layer_decay": 0.0}, {"layer_decay": 1.1},
        {"learning_rate": 0.0}, {"label_smoothing": 1.0}, {"label_smoothing": -0.1}, {"focal_gamma": -1.0},
        {"focal_gamma": math.nan}, {"average_decay": -0.1}, {"average_decay": 1.0}, {"average_decay": math.nan},
        {"adversarial_norm": -1.0}, {"adversarial_norm": math.nan}, {"lora_rank": -1},
    ],
    ids=str,
)  # fmt: skip
def test_settings_that_make_no_sense_are_named(config, wrong):
    with pytest.raises(ModelError, match=next(iter(wrong))):
        finetune(ROWS, ROWS, replace(config, **wrong))
