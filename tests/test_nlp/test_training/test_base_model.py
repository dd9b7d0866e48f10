"""A base under a fresh head: our labels, float32, dropout between layers only."""

import shutil

import pytest
import torch
from test_nlp.test_training.small_runs import ROWS

from nlp.errors import ModelError
from nlp.labels import LABELS
from nlp.training.base_model import load_base
from nlp.training.finetune import finetune
from nlp.training.recipe import FinetuneConfig

pytestmark = pytest.mark.usefixtures("one_thread")


def test_dropout_applies_between_layers_and_not_to_attention(config):
    model, _ = load_base(config.base, 0, dropout=0.3)
    rates = {name: module.p for name, module in model.named_modules() if isinstance(module, torch.nn.Dropout)}
    attention = {name for name in rates if name.endswith("attention.self.dropout")}
    assert len(attention) == 2
    assert {rates[name] for name in attention} == {0.0}
    assert {rates[name] for name in rates.keys() - attention} == {0.3}


def test_a_base_gets_our_labels_and_is_trained_in_float32(config):
    model, _ = load_base(config.base, 0)
    assert model.config.id2label == dict(enumerate(LABELS))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_the_head_of_a_base_with_other_labels_is_not_taken_over(config):
    from transformers import AutoModelForSequenceClassification

    base = AutoModelForSequenceClassification.from_pretrained(config.base)
    fresh, _ = load_base(config.base, 0)
    assert base.config.id2label != fresh.config.id2label
    assert not torch.equal(base.classifier.weight, fresh.classifier.weight)
    assert fresh.classifier.weight.std().item() == pytest.approx(base.config.initializer_range, rel=0.3)
    assert not fresh.classifier.bias.any()
    for name, weight in base.bert.state_dict().items():  # the encoder and its pooler are kept
        assert torch.equal(weight, fresh.bert.state_dict()[name]), name


def test_an_encoder_that_is_not_whole_is_no_base(config, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(config.base, tmp_path / "base")
    weights = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if "layer.1" not in name and "pooler" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        ModelError, match=r"base: 16 weights are missing .*bert.encoder.layer.1.*, ...\): save the whole"
    ):
        load_base(str(folder), 0)


def test_an_unknown_base_is_named():
    with pytest.raises(ModelError, match="/nowhere: no such model folder"):
        finetune(ROWS, ROWS, FinetuneConfig(base="/nowhere"))
