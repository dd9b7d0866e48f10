"""Adapters: nothing outside them moves; merged, the model says what the adapted one said and is a plain one."""

import sys

import pytest
import torch
import transformers

from nlp.errors import ModelError
from nlp.training.base_model import load_base
from nlp.training.techniques.lora import adapt, merged

SIZES = {"vocab_size": 30, "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 12, "num_labels": 3}
CONFIGS = {
    "bert": transformers.BertConfig(**SIZES, num_hidden_layers=2),
    "roberta": transformers.RobertaConfig(**SIZES, num_hidden_layers=2),
    "distilbert": transformers.DistilBertConfig(
        vocab_size=30, dim=8, n_heads=2, hidden_dim=12, n_layers=2, num_labels=3
    ),
    "modernbert": transformers.ModernBertConfig(
        **SIZES, num_hidden_layers=2, pad_token_id=0, bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2
    ),
}
WHOLE = ("classifier.", "pre_classifier.", "head.", "bert.pooler.")
INPUTS = {
    "input_ids": torch.tensor([[2, 5, 7, 3], [2, 6, 3, 0]]),
    "attention_mask": torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]]),
    "labels": torch.tensor([0, 2]),
}

pytest.importorskip("peft")

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(params=CONFIGS)
def base(request):
    torch.manual_seed(0)
    return transformers.AutoModelForSequenceClassification.from_config(CONFIGS[request.param])


def weights(model):
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def train(model, steps=3):
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=0.05)
    model.train()
    for _ in range(steps):
        optimizer.zero_grad()
        model(**INPUTS).loss.backward()
        optimizer.step()
    return model.eval()


def logits(model):
    with torch.no_grad():
        return model.eval()(**INPUTS).logits


def in_layers(name):
    return ".layer." in name or ".layers." in name


def test_a_fresh_adapter_changes_nothing(base):
    before = logits(base)
    torch.testing.assert_close(logits(adapt(base)), before)


def test_what_is_trained_is_adapters_and_head(base):
    plain = [name for name, _ in base.named_parameters()]
    model = adapt(base)
    trained = {
        name.removeprefix("base_model.model.") for name, weight in model.named_parameters() if weight.requires_grad
    }
    head = {name for name in trained if "lora_" not in name}
    assert {name.replace(".modules_to_save.default", "") for name in head} == {n for n in plain if n.startswith(WHOLE)}
    assert any(".lora_A." in name for name in trained)
    assert all(in_layers(name) for name in trained - head)


def test_training_leaves_all_other_weights_to_the_last_bit(base):
    before = weights(base)
    model = train(adapt(base))
    for name, weight in model.named_parameters():
        plain = name.removeprefix("base_model.model.").replace(".base_layer", "").replace(".original_module", "")
        if not weight.requires_grad:
            assert torch.equal(weight, before[plain]), name
    after = weights(merged(model))
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    matrices = {name for name, weight in before.items() if in_layers(name) and weight.ndim == 2}
    assert moved == matrices | {name for name in before if name.startswith(WHOLE)}


def test_merged_it_says_what_the_adapted_said(base):
    before = logits(base)
    model = train(adapt(base, rank=4, alpha=16))
    adapted = logits(model)
    plain = merged(model)
    torch.testing.assert_close(logits(plain), adapted, rtol=0, atol=1e-5)
    assert not torch.allclose(adapted, before, atol=1e-2)


def test_merged_it_is_a_plain_model_again(base, tmp_path):
    names = list(base.state_dict())
    kind = type(base)
    plain = merged(train(adapt(base)))
    assert type(plain) is kind
    assert sorted(plain.state_dict()) == sorted(names)
    plain.save_pretrained(tmp_path)
    again = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path, use_safetensors=True)
    assert torch.equal(logits(again), logits(plain))


def test_merging_by_hand():
    torch.manual_seed(0)
    base = transformers.AutoModelForSequenceClassification.from_config(CONFIGS["bert"])
    name = "bert.encoder.layer.1.attention.self.query"
    before = base.get_submodule(name).weight.detach().clone()
    model = train(adapt(base, rank=4, alpha=12.0))
    layer = model.get_base_model().get_submodule(name)
    change = 12.0 / 4 * layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    assert torch.linalg.matrix_rank(change) == 4
    torch.testing.assert_close(merged(model).get_submodule(name).weight, before + change)


def test_a_model_without_adapters_is_its_own_merger(base):
    assert merged(base) is base


def test_the_base_of_a_fine_tuning_takes_adapters_and_becomes_a_classifier(tiny_model):
    from nlp.model.classifier import SentimentClassifier

    model, tokenizer = load_base(str(tiny_model), 0)
    plain = merged(train(adapt(model)))
    classifier = SentimentClassifier(plain, tokenizer, dtype="float32")
    assert classifier.predict_proba(["profit rises"]).shape == (1, 3)


def test_layerwise_rates_see_through_the_adapter(base):
    from nlp.training.techniques.learning_rates import parameter_groups

    model = adapt(base)
    names = {id(weight): name for name, weight in model.named_parameters()}
    groups = parameter_groups(model, learning_rate=1e-4, layer_decay=0.5, head_factor=10.0)
    seen = {names[id(weight)]: group["lr"] for group in groups for weight in group["params"]}
    assert set(seen) == {name for name, weight in model.named_parameters() if weight.requires_grad}
    for name, rate in seen.items():
        wanted = 1e-3 if "modules_to_save" in name else 1e-4 if ".1." in name.partition("lora")[0] else 5e-5
        assert rate == pytest.approx(wanted), name


def test_without_peft_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ModelError, match=r"need peft: pip install 'newsfolio\[lora\]'"):
        adapt(torch.nn.Linear(1, 1))


def test_a_model_without_numbered_layers_is_named():
    model = transformers.AlbertForSequenceClassification(
        transformers.AlbertConfig(**SIZES, embedding_size=4, num_hidden_layers=2)
    )
    with pytest.raises(ModelError, match="AlbertForSequenceClassification has no linear maps in numbered layers"):
        adapt(model)
