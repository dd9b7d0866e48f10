"""A BERT with the tokenizer of a multilingual encoder (a unigram model over pieces, as sentencepiece makes them)."""

import numpy as np
import pytest
import torch

from nlp.model.classifier import TextClassifier
from nlp.model.files import quiet_transformers
from nlp.training.base_model import load_base

TEXTS = ["净利同比增长13%", "이익이 감소했다", "profit rises", "", "净利", "净利同比增长13% profit", "Gewinn fällt"]

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def multilingual(tmp_path_factory):
    """A small one with random weights, saved as multilingual-e5-small is."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("multilingual") / "model"
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "▁", "净利", "同比", "增长", "▁profit", "▁rises", "이익", "이", "감소"]
    pieces += sorted(set("".join(TEXTS)) - {" "})
    unigram = Tokenizer(models.Unigram([(piece, -float(n)) for n, piece in enumerate(pieces)], unk_id=3))
    unigram.pre_tokenizer, unigram.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    unigram.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    marks = {"bos": "<s>", "cls": "<s>", "eos": "</s>", "sep": "</s>", "pad": "<pad>", "unk": "<unk>"}
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(pieces), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64, pad_token_id=1, initializer_range=0.5,
    )  # fmt: skip
    with quiet_transformers():
        BertModel(config).save_pretrained(folder)
        named = {f"{name}_token": mark for name, mark in marks.items()}
        PreTrainedTokenizerFast(tokenizer_object=unigram, model_max_length=64, **named).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("several", [False, True])
def test_packed_scores_are_those_of_the_plain_forward_pass(multilingual, several, tmp_path):
    shares = np.array([0.5, 0.2, 0.1]) if several else None
    model, tokenizer = load_base(str(multilingual), 0, labels=("a", "b", "c"), shares=shares)
    classifier = TextClassifier(model.eval(), tokenizer, task="topic", dtype="float32")
    with torch.no_grad():
        logits = torch.cat([model(**tokenizer(text, return_tensors="pt")).logits for text in TEXTS])
    expected = (torch.sigmoid(logits) if several else torch.softmax(logits, dim=-1)).numpy()
    np.testing.assert_allclose(classifier.predict_proba(TEXTS), expected, atol=1e-5)
    loaded = TextClassifier.load(classifier.save(tmp_path / "m"), dtype="float32")
    np.testing.assert_array_equal(loaded.predict_proba(TEXTS), classifier.predict_proba(TEXTS))
    assert loaded.fingerprint == classifier.fingerprint
