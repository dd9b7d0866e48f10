"""Which numbers a classifier computes in, and what is said where it cannot."""

from types import SimpleNamespace

import pytest
import torch

from nlp.errors import ModelError
from nlp.model.classifier import SentimentClassifier
from nlp.model.forward import precision
from nlp.model.forward.precision import chosen_precision


def model(device="cpu", known=True):
    return SimpleNamespace(device=torch.device(device), known=known)


@pytest.fixture(autouse=True)
def pretended(monkeypatch):
    monkeypatch.setattr(precision, "is_known", lambda model: getattr(model, "known", True))


def on_processor(monkeypatch, *, int8, bfloat16):
    monkeypatch.setattr(precision, "int8_runs", lambda: int8)
    monkeypatch.setattr(precision, "bfloat16_pays", lambda: bfloat16)


@pytest.mark.parametrize(
    ("int8", "bfloat16", "known", "chosen"),
    [
        (True, True, True, "int8"),
        (True, True, False, "bfloat16"),
        (True, False, False, "float32"),
        (False, True, True, "bfloat16"),
        (False, False, True, "float32"),
    ],
)
def test_auto_takes_what_is_fastest_on_the_processor(monkeypatch, int8, bfloat16, known, chosen):
    on_processor(monkeypatch, int8=int8, bfloat16=bfloat16)
    assert chosen_precision("auto", model(known=known)) == chosen


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "int8"])
def test_what_is_asked_for_is_taken(monkeypatch, dtype):
    on_processor(monkeypatch, int8=True, bfloat16=True)
    assert chosen_precision(dtype, model()) == dtype


def test_auto_leaves_apples_gpu_in_float32(monkeypatch):
    on_processor(monkeypatch, int8=True, bfloat16=True)
    assert chosen_precision("auto", model("mps")) == "float32"


@pytest.mark.parametrize(
    ("where", "int8", "message"),
    [
        (model("cuda"), True, "int8 is computed on the CPU, not on cuda: use bfloat16"),
        (model(), False, "this processor has no VNNI or AMX to multiply int8 exactly: use float32"),
        (model(known=False), True, "int8 is for BERT, RoBERTa and DistilBERT, not SimpleNamespace: use bfloat16"),
    ],
)
def test_int8_where_there_is_none_is_refused_with_the_reason(monkeypatch, where, int8, message):
    on_processor(monkeypatch, int8=int8, bfloat16=True)
    with pytest.raises(ModelError, match=message):
        chosen_precision("int8", where)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_classifier_tells_its_precision(tiny_model, dtype):
    assert SentimentClassifier.load(tiny_model, device="cpu", dtype=dtype).precision == dtype
