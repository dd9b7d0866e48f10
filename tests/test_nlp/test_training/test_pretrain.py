"""Further pretraining: the loss falls, the folder is a base, the pooler stays what it was."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from nlp.errors import ModelError, NlpError
from nlp.model.files import PRETRAINED, texts_of_base
from nlp.provenance import TrainingTexts
from nlp.training.base_model import load_base
from nlp.training.pretrain import PretrainConfig, pretrain

TEXTS = [f"profit rises to {n} net sales of the shares {n} {n} {n}" for n in range(10)] * 2 + ["", "  "]
CONFIG = PretrainConfig(epochs=1, learning_rate=1e-2, batch_size=5, mask_share=0.3, seed=1)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def trained(tiny_model, tmp_path_factory):
    from dataclasses import replace

    return pretrain(TEXTS, tiny_model, tmp_path_factory.mktemp("pre") / "encoder", replace(CONFIG, epochs=20))


def record(folder):
    return json.loads((folder / PRETRAINED).read_text())


def encoder_weights(folder):
    """By the encoder's own names: a classifier's checkpoint has them under a prefix."""
    return {name.removeprefix("bert."): weight for name, weight in load_file(folder / "model.safetensors").items()}


def test_the_loss_falls(trained):
    assert record(trained)["last_loss"] < 0.5 * record(trained)["first_loss"]


def test_the_record_says_what_was_done(trained, tiny_model):
    said = record(trained)
    assert said["base"] == str(tiny_model)
    assert said["texts"] == 10  # the repeats and the blanks left out
    assert said["steps"] == 2 * 20
    assert said["config"]["mask_share"] == 0.3
    assert len(said["texts_sha256"]) == 64


def test_the_encoder_has_moved_and_the_pooler_has_not(trained, tiny_model):
    before, after = encoder_weights(tiny_model), encoder_weights(trained)
    assert set(after) == {name for name in before if not name.startswith("classifier.")}
    for name, weight in after.items():
        assert torch.equal(weight, before[name]) == name.startswith("pooler."), name


def test_the_folder_holds_what_a_base_needs_and_no_more(trained):
    names = {path.name for path in trained.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", PRETRAINED} <= names
    assert not [name for name in names if name.endswith(".bin")]
    assert len({path.stat().st_mode for path in trained.iterdir()}) == 1


def test_it_is_the_base_of_a_fine_tuning(trained, tiny_model):
    model, tokenizer = load_base(str(trained), 0)
    weights = encoder_weights(trained)
    for name, weight in model.bert.named_parameters():
        assert torch.equal(weight, weights[name]), name
    assert model.num_labels == 3
    words = "profit rises 12"
    assert tokenizer(words)["input_ids"] == load_base(str(tiny_model), 0)[1](words)["input_ids"]


def test_a_base_without_a_pooler_gets_none(tiny_model, tmp_path):
    bare = shutil.copytree(tiny_model, tmp_path / "bare")
    weights = {name: w for name, w in load_file(bare / "model.safetensors").items() if "pooler" not in name}
    save_file(weights, bare / "model.safetensors", metadata={"format": "pt"})
    folder = pretrain(TEXTS, bare, tmp_path / "out", CONFIG)
    assert not [name for name in encoder_weights(folder) if "pooler" in name]
    load_base(str(folder), 0)


def test_other_kinds_of_encoders_and_their_shorter_positions(tmp_path, tiny_model):
    from transformers import AutoTokenizer, RobertaConfig, RobertaModel

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    config = RobertaConfig(
        vocab_size=len(tokenizer), hidden_size=8, num_attention_heads=2, num_hidden_layers=1, intermediate_size=8,
        max_position_embeddings=20, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    RobertaModel(config, add_pooling_layer=False).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    folder = pretrain(["profit " * 50, "loss"], tmp_path / "base", tmp_path / "out", CONFIG)
    assert load_base(str(folder), 0)[0].config.model_type == "roberta"


def test_the_same_seed_gives_the_same_bits_another_seed_others(tiny_model, tmp_path):
    from dataclasses import replace

    one, again, other = (
        (pretrain(TEXTS, tiny_model, tmp_path / str(n), replace(CONFIG, seed=seed)) / "model.safetensors").read_bytes()
        for n, seed in enumerate([3, 3, 4])
    )
    assert one == again
    assert one != other


def test_long_texts_are_cut_and_counted(tiny_model, tmp_path, caplog):
    pretrain(["profit " * 100, "loss"], tiny_model, tmp_path / "out", CONFIG)
    assert "1 of 2 texts are longer than 64 tokens and were truncated" in caplog.text


def test_a_failure_leaves_the_old_folder(tiny_model, tmp_path, monkeypatch):
    import transformers

    target = pretrain(TEXTS, tiny_model, tmp_path / "out", CONFIG)
    before = (target / "model.safetensors").read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(transformers.PreTrainedModel, "save_pretrained", full)
    with pytest.raises(ModelError, match="No space left"):
        pretrain(TEXTS, tiny_model, target, CONFIG)
    assert (target / "model.safetensors").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("profit", "texts is one string"),
        ([], "no text to train on"),
        (["", " "], "no text to train on"),
        (["profit", 3], "row 2: the text is 3"),
    ],
)
def test_texts_that_cannot_be_used_are_named(tiny_model, tmp_path, texts, message):
    with pytest.raises(NlpError, match=message):
        pretrain(texts, tiny_model, tmp_path / "out", CONFIG)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0.0}, {"learning_rate": 0.0}, {"batch_size": 0}, {"mask_share": 0.0}, {"mask_share": 1.0},
              {"max_length": 2}, {"warmup": 1.0}, {"weight_decay": -1.0}], ids=str,
)  # fmt: skip
def test_settings_that_make_no_sense_are_named(tiny_model, tmp_path, wrong):
    from dataclasses import replace

    with pytest.raises(ModelError, match=next(iter(wrong))):
        pretrain(TEXTS, tiny_model, tmp_path / "out", replace(CONFIG, **wrong))


def test_the_date_of_the_last_text_goes_with_the_encoder_and_with_what_is_trained_from_it(tiny_model, tmp_path):
    first = pretrain(TEXTS, tiny_model, tmp_path / "first", CONFIG, until="2015-06-30")
    assert texts_of_base(first) == TrainingTexts(("masked words",), "2015-06-30")
    again = pretrain(TEXTS, first, tmp_path / "again", CONFIG, until="2014-01-01")
    assert texts_of_base(again).until == "2015-06-30"
    assert texts_of_base(pretrain(TEXTS, first, tmp_path / "undated", CONFIG)).until is None
    with pytest.raises(NlpError, match="until is 'June': give the last text's date as YYYY-MM-DD"):
        pretrain(TEXTS, tiny_model, tmp_path / "out", CONFIG, until="June")


def test_a_base_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ModelError, match="/nowhere: no such model folder"):
        pretrain(TEXTS, "/nowhere", tmp_path / "out", CONFIG)


def test_a_base_with_weights_missing_is_named(tiny_model, tmp_path):
    bare = shutil.copytree(tiny_model, tmp_path / "bare")
    weights = {name: w for name, w in load_file(bare / "model.safetensors").items() if "layer.1." not in name}
    save_file(weights, bare / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="bare: 16 weights are missing"):
        pretrain(TEXTS, bare, tmp_path / "out", CONFIG)


def test_a_tokenizer_without_a_mask_is_named(tiny_model, tmp_path):
    bare = shutil.copytree(tiny_model, tmp_path / "bare")
    path = bare / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"mask_token": None}))
    with pytest.raises(ModelError, match="no mask token"):
        pretrain(TEXTS, bare, tmp_path / "out", CONFIG)
