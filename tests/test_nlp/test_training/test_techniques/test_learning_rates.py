"""Learning rates fall by the layer, for every naming of layers; each parameter is in one group."""

import pytest
import torch
import transformers

from nlp.errors import ModelError
from nlp.training.techniques.learning_rates import parameter_depths, parameter_groups

SIZES = {"vocab_size": 30, "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 8, "num_labels": 3}
CONFIGS = {
    "bert": transformers.BertConfig(**SIZES, num_hidden_layers=3),  # MiniLM too
    "roberta": transformers.RobertaConfig(**SIZES, num_hidden_layers=3),
    "xlm-roberta": transformers.XLMRobertaConfig(**SIZES, num_hidden_layers=3),
    "electra": transformers.ElectraConfig(**SIZES, embedding_size=4, num_hidden_layers=3),
    "distilbert": transformers.DistilBertConfig(vocab_size=30, dim=8, n_heads=2, hidden_dim=8, n_layers=3,
                                                num_labels=3),
    "modernbert": transformers.ModernBertConfig(**SIZES, num_hidden_layers=3, pad_token_id=0, bos_token_id=1,
                                                eos_token_id=2, cls_token_id=1, sep_token_id=2),
}  # fmt: skip
HEAD = {
    "bert": ("bert.pooler.", "classifier."), "distilbert": ("pre_classifier.", "classifier."),
    "modernbert": ("head.", "classifier."),
}  # fmt: skip


@pytest.fixture(params=CONFIGS)
def kind(request):
    return request.param


def build(kind):
    torch.manual_seed(0)
    return transformers.AutoModelForSequenceClassification.from_config(CONFIGS[kind])


def rates(model, groups):
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {names[id(parameter)]: group["lr"] for group in groups for parameter in group["params"]}


def expected(kind, name):
    if name.startswith(HEAD.get(kind, ("classifier.",))):
        return 1e-3
    for layer in range(3):
        if f".layer.{layer}." in name or f".layers.{layer}." in name:
            return 1e-4 * 0.8 ** (2 - layer)
    return 1e-4 * 0.8**3 if "embeddings" in name else 1e-4


def test_rates_fall_by_the_layer(kind):
    model = build(kind)
    found = rates(model, parameter_groups(model, learning_rate=1e-4, layer_decay=0.8, head_factor=10.0))
    for name, rate in found.items():
        assert rate == pytest.approx(expected(kind, name)), name
    assert sorted(set(found.values())) == pytest.approx([1e-4 * 0.8**3, 1e-4 * 0.8**2, 1e-4 * 0.8, 1e-4, 1e-3])


def test_each_parameter_is_in_exactly_one_group(kind):
    model = build(kind)
    groups = parameter_groups(model, learning_rate=1e-4, layer_decay=0.9, head_factor=3.0, weight_decay=0.01)
    grouped = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(grouped) == sorted(id(parameter) for parameter in model.parameters())
    assert [group["lr"] for group in groups] == sorted(group["lr"] for group in groups)


def test_biases_and_norms_do_not_decay(kind):
    model = build(kind)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    seen = set()
    for group in parameter_groups(model, learning_rate=1e-4, weight_decay=0.05):
        for parameter in group["params"]:
            plain = names[id(parameter)].endswith(".bias") or "norm" in names[id(parameter)].lower()
            assert group["weight_decay"] == (0.0 if plain else 0.05), names[id(parameter)]
            seen.add(plain)
    assert seen == {True, False}


def test_one_step_of_adamw_moves_each_layer_by_its_rate(kind):
    model = build(kind)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    groups = parameter_groups(model, learning_rate=1e-4, layer_decay=0.8, head_factor=10.0)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    torch.optim.AdamW(groups).step()
    for name, parameter in model.named_parameters():  # Adam's first step is the learning rate times the sign
        moved = (before[name] - parameter).max().item()
        assert moved == pytest.approx(expected(kind, name), rel=2e-2), name


def test_equal_rates_are_the_default(kind):
    model = build(kind)
    assert set(rates(model, parameter_groups(model, learning_rate=1e-4)).values()) == {1e-4}


def test_a_model_without_numbered_layers_takes_equal_rates_only():
    model = transformers.AlbertForSequenceClassification(
        transformers.AlbertConfig(**SIZES, embedding_size=4, num_hidden_layers=2)
    )
    groups = parameter_groups(model, learning_rate=1e-4, head_factor=10.0)
    assert set(rates(model, groups).values()) == {1e-4, 1e-3}
    with pytest.raises(ModelError, match="AlbertForSequenceClassification has no numbered layers: .* only be 1"):
        parameter_groups(model, learning_rate=1e-4, layer_decay=0.9)


def test_frozen_parameters_are_left_out():
    model = build("bert")
    model.bert.embeddings.requires_grad_(False)
    groups = parameter_groups(model, learning_rate=1e-4, layer_decay=0.8)
    assert not [name for name in rates(model, groups) if "embeddings" in name]
    assert min(group["lr"] for group in groups) == pytest.approx(1e-4 * 0.8**2)


def test_depths_by_hand():
    depths = parameter_depths(build("bert"))
    assert depths["bert.embeddings.word_embeddings.weight"] == 0
    assert depths["bert.encoder.layer.0.attention.self.query.weight"] == 1
    assert depths["bert.encoder.layer.2.output.LayerNorm.bias"] == 3
    assert depths["bert.pooler.dense.weight"] is None
    assert depths["classifier.bias"] is None
