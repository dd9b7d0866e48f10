"""Encoders taken apart and packed give the logits of transformers' own padded forward pass."""

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp.model.forward.attention import ON_CPU
from nlp.model.forward.encoders import is_known, read_encoder
from nlp.model.forward.packed import logits_of_pack, packs

VOCABULARY, POSITIONS, PAD = 50, 40, 1
SHAPE = {"vocab_size": VOCABULARY, "num_labels": 3, "max_position_embeddings": POSITIONS + PAD + 1, "pad_token_id": PAD,
         "initializer_range": 0.4}  # fmt: skip
BERT_SHAPE = SHAPE | {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24, "type_vocab_size": 2,
}  # fmt: skip
DISTIL_SHAPE = SHAPE | {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24}


def bert_like(family, **changes):
    config = getattr(transformers, f"{family}Config")(**BERT_SHAPE | changes)
    return getattr(transformers, f"{family}ForSequenceClassification")(config)


def distilbert(**changes):
    return transformers.DistilBertForSequenceClassification(transformers.DistilBertConfig(**DISTIL_SHAPE | changes))


MODELS = {
    "bert": lambda: bert_like("Bert"),
    "bert, tanh": lambda: bert_like("Bert", hidden_act="gelu_new"),
    "bert, relu": lambda: bert_like("Bert", hidden_act="relu"),
    "bert, one layer": lambda: bert_like("Bert", num_hidden_layers=1),
    "bert, 4 heads": lambda: bert_like("Bert", num_attention_heads=4),
    "roberta": lambda: bert_like("Roberta"),
    "xlm-roberta": lambda: bert_like("XLMRoberta"),
    "camembert": lambda: bert_like("Camembert"),
    "distilbert": distilbert,
}


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    torch.manual_seed(0)
    made = MODELS[request.param]().eval()
    with torch.no_grad():  # biases and norms are drawn as 0 and 1, and would not be missed
        for weight in made.parameters():
            if weight.ndim == 1:
                weight.add_(torch.randn_like(weight) * 0.3)
    return made


def plain(model, ids):
    """Padded to the longest, as transformers would have it."""
    longest = max(map(len, ids))
    inputs = torch.tensor([[*text, *[PAD] * (longest - len(text))] for text in ids])
    mask = torch.tensor([[1] * len(text) + [0] * (longest - len(text)) for text in ids])
    with torch.inference_mode():
        return model(input_ids=inputs, attention_mask=mask).logits.numpy()


def packed(encoder, ids, tokens):
    logits = np.full((len(ids), 3), np.nan, dtype=np.float32)
    with torch.inference_mode():
        for pack in packs(ids, encoder.embeddings, tokens):
            logits[pack.texts] = logits_of_pack(encoder, pack, torch.device("cpu"), ON_CPU).numpy()
    return logits


texts = st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=POSITIONS)  # PAD among them


@settings(max_examples=15)
@given(ids=st.lists(texts, min_size=1, max_size=12), tokens=st.integers(1, 300))
def test_packed_equals_padded(model, ids, tokens):
    np.testing.assert_allclose(packed(read_encoder(model), ids, tokens), plain(model, ids), atol=2e-5, rtol=0)


def test_these_architectures_are_known(model):
    assert is_known(model)


@pytest.mark.parametrize(
    "other",
    [
        lambda: bert_like("Electra"),
        lambda: bert_like("Bert", hidden_act="silu"),
        lambda: bert_like("Bert", is_decoder=True),
        lambda: bert_like("Bert", position_embedding_type="relative_key"),
    ],
)
def test_others_are_not(other):
    assert not is_known(other())


def test_a_model_with_an_adapter_in_it_is_not_known():
    peft = pytest.importorskip("peft")
    adapted = bert_like("Bert")
    peft.inject_adapter_in_model(peft.LoraConfig(target_modules=["query"]), adapted)
    assert not is_known(adapted)
