"""An ensemble is the mean of its members, is saved as one folder, and takes no member with other labels."""

import json
import shutil

import numpy as np
import pytest
import torch

from nlp.errors import ModelError, NlpError
from nlp.labels import LABELS
from nlp.model.classifier import SentimentClassifier
from nlp.model.ensemble import SIDECAR, SentimentEnsemble, load_classifier
from nlp.model.outputs import softmax

TEXTS = ["profit rises", "loss said to the shares", "", "sales in the net", "profit rises"]

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def members(tiny_model):
    return [member(tiny_model, seed) for seed in range(3)]


def member(tiny_model, seed, **settings):
    """The tiny model with another random head."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(tiny_model)
    torch.manual_seed(seed)
    torch.nn.init.normal_(model.classifier.weight)
    return SentimentClassifier(model, AutoTokenizer.from_pretrained(tiny_model), dtype="float32", **settings)


@pytest.fixture
def saved(members, tmp_path):
    return SentimentEnsemble(members, temperature=1.5).save(tmp_path / "ensemble")


def load(folder):
    return load_classifier(folder, device="cpu", dtype="float32")


def test_probabilities_are_the_members_mean(members):
    probabilities = SentimentEnsemble(members).predict_proba(TEXTS)
    mean = np.mean([one.predict_proba(TEXTS) for one in members], axis=0)
    np.testing.assert_allclose(probabilities, mean, atol=1e-6)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-6)
    assert (probabilities.shape, probabilities.dtype) == ((len(TEXTS), 3), np.float32)
    np.testing.assert_array_equal(probabilities[0], probabilities[4])


def test_the_members_differ(members):
    assert not np.allclose(members[0].predict_proba(TEXTS), members[1].predict_proba(TEXTS), atol=0.01)


def test_one_member_alone_is_itself_at_its_own_temperature(tiny_model):
    alone = member(tiny_model, 0, temperature=2.0)
    np.testing.assert_allclose(SentimentEnsemble([alone]).predict_proba(TEXTS), alone.predict_proba(TEXTS), atol=1e-6)


def test_the_ensembles_temperature_divides_the_log_of_the_mean(members):
    flat = SentimentEnsemble(members).predict_proba(TEXTS)
    warm = SentimentEnsemble(members, temperature=3.0).predict_proba(TEXTS)
    np.testing.assert_allclose(warm, softmax(np.log(flat) / 3.0), atol=1e-6)
    one = SentimentEnsemble(members[:1], temperature=3.0).predict_proba(TEXTS)
    members[0].temperature = 3.0
    np.testing.assert_allclose(one, members[0].predict_proba(TEXTS), atol=1e-6)
    members[0].temperature = 1.0


def test_no_texts_give_no_rows(members):
    assert SentimentEnsemble(members).predict_proba([]).shape == (0, 3)


def test_what_is_no_text_is_refused(members):
    for texts in ("profit", ["profit", None]):
        with pytest.raises(NlpError, match="string"):
            SentimentEnsemble(members).predict_proba(texts)


def test_saved_and_loaded_it_is_the_same(members, saved):
    ensemble = SentimentEnsemble(members, temperature=1.5)
    again = load(saved)
    assert isinstance(again, SentimentEnsemble)
    assert again.temperature == 1.5
    assert again.fingerprint == ensemble.fingerprint
    np.testing.assert_array_equal(again.predict_proba(TEXTS), ensemble.predict_proba(TEXTS))
    assert sorted(path.name for path in saved.iterdir()) == [SIDECAR, "members"]
    assert sorted(path.name for path in (saved / "members").iterdir()) == ["0", "1", "2"]
    assert not list(saved.rglob("*.bin"))
    assert len({path.stat().st_mode for path in saved.rglob("*") if path.is_file()}) == 1


def test_one_classifier_loads_through_the_same_door(tiny_model):
    assert isinstance(load(tiny_model), SentimentClassifier)
    assert isinstance(load(str(tiny_model)), SentimentClassifier)


def test_a_relative_folder_will_do(saved, monkeypatch):
    monkeypatch.chdir(saved.parent)
    assert load(saved.name).fingerprint == load(saved).fingerprint


def test_the_fingerprint_tells_members_and_temperature_apart(members):
    prints = [
        SentimentEnsemble(members).fingerprint, SentimentEnsemble(members[:2]).fingerprint,
        SentimentEnsemble(members, temperature=1.1).fingerprint, members[0].fingerprint,
        SentimentEnsemble(members[:1]).fingerprint,
    ]  # fmt: skip
    assert len(set(prints)) == 5
    assert SentimentEnsemble(members).fingerprint == prints[0]


def fails(*_):
    raise OSError(28, "No space left on device")


def test_a_failed_save_leaves_nothing(members, tmp_path, monkeypatch):
    monkeypatch.setattr(members[1], "save", fails)
    with pytest.raises(ModelError, match="No space left"):
        SentimentEnsemble(members).save(tmp_path / "ensemble")
    assert not list(tmp_path.iterdir())


REFUSED = "model_files.whole_folder does not know ensemble.json: it takes a saved ensemble for other files"


def test_an_ensemble_takes_the_place_of_an_older_one(members, saved):
    assert load(SentimentEnsemble(members[:2]).save(saved)).fingerprint == SentimentEnsemble(members[:2]).fingerprint


def test_a_failed_save_leaves_the_old_one(members, saved, monkeypatch):
    before = load(saved).fingerprint
    monkeypatch.setattr(members[1], "save", fails)
    with pytest.raises(ModelError, match="No space left"):
        SentimentEnsemble(members).save(saved)
    assert load(saved).fingerprint == before
    assert [path.name for path in saved.parent.iterdir()] == ["ensemble"]


def test_members_with_other_labels_are_refused(tiny_model, members, saved):
    other = member(tiny_model, 5)
    other.model.config.id2label = {0: "bad", 1: "good", 2: "so-so"}
    with pytest.raises(ModelError, match=r"member 3 of the ensemble: .*labels are bad, good, so-so"):
        SentimentEnsemble([*members, other])
    path = saved / "members" / "1" / "config.json"
    path.write_text(path.read_text().replace('"neutral"', '"mixed"'))
    with pytest.raises(ModelError, match="mixed"):
        load(saved)


def test_a_member_whose_columns_are_in_another_order_is_welcome(tiny_model, members):
    from transformers import AutoModelForSequenceClassification

    turned = AutoModelForSequenceClassification.from_pretrained(tiny_model)
    order = [2, 0, 1]
    with torch.no_grad():
        turned.classifier.weight.copy_(members[0].model.classifier.weight[order])
        turned.classifier.bias.copy_(members[0].model.classifier.bias[order])
    turned.config.id2label = {new: members[0].model.config.id2label[old] for new, old in enumerate(order)}
    pair = SentimentEnsemble([members[0], SentimentClassifier(turned, members[0].tokenizer, dtype="float32")])
    np.testing.assert_allclose(pair.predict_proba(TEXTS), members[0].predict_proba(TEXTS), atol=1e-6)


def test_no_members_and_no_temperature_are_refused(members):
    with pytest.raises(ModelError, match="no classifiers"):
        SentimentEnsemble([])
    for temperature in (0.0, -1.0, float("nan")):
        with pytest.raises(ModelError, match="temperature is not > 0"):
            SentimentEnsemble(members, temperature=temperature)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ["down", "flat", "up"]}, "its labels are down, flat, up"),
        ({"members": "many"}, "cannot be read"),
        ({"members": 2}, "not those that ensemble.json was written for"),
        ({"members": 4}, "3: no such model folder"),
        ({"temperature": 0}, "temperature is not > 0"),
    ],
)
def test_a_sidecar_that_does_not_fit_is_named(saved, change, message):
    path = saved / SIDECAR
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ModelError, match=message):
        load(saved)


def test_a_sidecar_that_is_no_json_or_not_there_is_named(saved):
    (saved / SIDECAR).write_text("{")
    with pytest.raises(ModelError, match=r"ensemble\.json: cannot be read"):
        load(saved)
    (saved / SIDECAR).unlink()
    with pytest.raises(ModelError, match=r"has no ensemble\.json"):
        SentimentEnsemble.load(saved)


def test_an_exchanged_member_is_noticed(saved):
    shutil.rmtree(saved / "members" / "1")
    shutil.copytree(saved / "members" / "0", saved / "members" / "1")
    with pytest.raises(ModelError, match="its members are not those"):
        load(saved)


def test_the_labels_are_written_down(saved):
    assert json.loads((saved / SIDECAR).read_text())["labels"] == list(LABELS)
