"""A configuration that trains the tiny model in seconds."""

import pytest

from nlp.training.recipe import FinetuneConfig


@pytest.fixture(scope="module")
def config(tiny_model):
    return FinetuneConfig(
        base=str(tiny_model), epochs=1, batch_size=8, learning_rate=1e-3, head_factor=1.0, max_length=64
    )
