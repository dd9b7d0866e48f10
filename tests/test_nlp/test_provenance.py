import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from nlp.errors import CorpusError, ModelError
from nlp.model.classifier import SentimentClassifier
from nlp.model.ensemble import SentimentEnsemble
from nlp.model.files import PRETRAINED, texts_of_base
from nlp.provenance import TrainingTexts, attach_provenance, combine, joined, read_provenance, training_texts
from nlp.scoring.score import score_headlines
from nlp.scoring.stream.score_file import score_file

ROWS = pd.DataFrame({"text": ["a", "b", "c"], "label": "neutral", "corpus": ["one", "two", "one"]})
TOLD = TrainingTexts(("one", "two"), "2014-03-09")
MARKS = {"trained_on": "one, two", "trained_until": "2014-03-09"}


@pytest.mark.parametrize("column", ["published", "created_at", "date"])
def test_the_last_date_of_all_texts_is_found(column):
    # The second is the later instant, and still the 9th in London.
    dates = ["2014-03-09", "2014-03-09T18:30:00-05:00", "2011-01-01T00:00:00Z"]
    assert training_texts(ROWS.assign(**{column: dates})) == TOLD


def test_an_instant_late_in_the_evening_of_new_york_is_the_next_day():
    late = training_texts(ROWS.assign(date=["2014-03-09T22:00:00-05:00", "2014-03-09", "2014-03-09"]))
    assert late.until == "2014-03-10"


@pytest.mark.parametrize("dates", [None, ["2014-03-09", None, "2014-03-09"]])
def test_one_text_without_a_date_may_be_of_any_day(dates):
    rows = ROWS if dates is None else ROWS.assign(date=dates)
    assert training_texts(rows) == TrainingTexts(("one", "two"), None)
    assert training_texts(rows).attrs["trained_until"] == "unknown"


def test_each_corpus_may_be_dated_in_a_column_of_its_own():
    dated = [
        ROWS.iloc[:2].assign(corpus="one", published="2014-03-07"),
        ROWS.iloc[2:].assign(corpus="two", date="2014-03-09"),
    ]
    assert training_texts(pd.concat(dated, ignore_index=True)) == TOLD
    undated = ROWS.iloc[:1].assign(corpus="three")
    assert training_texts(pd.concat([*dated, undated])) == TrainingTexts(("one", "two", "three"), None)


def test_dates_that_are_none_are_named():
    with pytest.raises(CorpusError, match=r"the column date holds something that is not a date \(2014-03-07\)"):
        training_texts(ROWS.assign(date="yesterday"))


def test_of_several_the_last_date_counts_and_is_unknown_where_one_is():
    assert joined([None, None]) is None
    assert joined([TOLD, TrainingTexts(("three",), "2015-01-01")]) == TrainingTexts(
        ("one", "two", "three"), "2015-01-01"
    )
    assert joined([TOLD, TrainingTexts(("three",))]).until is None
    assert joined([TOLD, None]).until is None


def test_what_taught_the_base_counts_too():
    later = TrainingTexts(("words",), "2016-05-01")
    assert combine(None, TOLD) == TOLD
    assert combine(later, TOLD, TrainingTexts((), "2014-01-01")) == TrainingTexts(("words", "one", "two"), "2016-05-01")
    assert combine(TrainingTexts(("words",)), TOLD).until is None
    assert combine(TOLD, TrainingTexts(("held out",))).until is None


def test_a_base_tells_what_newsfolio_taught_it_and_a_plain_one_nothing(tiny_model, tmp_path):
    assert texts_of_base(tiny_model) is None
    assert texts_of_base("minilm") is None
    classifier = SentimentClassifier.load(tiny_model, device="cpu", dtype="float32")
    classifier.training = TOLD
    classifier.save(tmp_path / "tuned")
    assert texts_of_base(tmp_path / "tuned") == TOLD
    (tmp_path / "tuned" / PRETRAINED).write_text("[]")
    with pytest.raises(ModelError, match=f"{PRETRAINED}: cannot be read"):
        texts_of_base(tmp_path / "tuned")


@pytest.fixture(scope="module")
def taught(tiny_model):
    classifier = SentimentClassifier.load(tiny_model, device="cpu", dtype="float32")
    classifier.training = TOLD
    return classifier


@pytest.mark.parametrize("training", [None, TOLD, TrainingTexts(("one",))])
def test_a_saved_model_remembers_and_stays_the_same_model(tiny_model, tmp_path, training):
    classifier = SentimentClassifier.load(tiny_model, device="cpu", dtype="float32")
    known = classifier.fingerprint
    classifier.training = training
    back = SentimentClassifier.load(classifier.save(tmp_path / "m"), device="cpu", dtype="float32")
    assert back.training == training
    assert back.fingerprint == known
    both = SentimentEnsemble([classifier, back])
    assert SentimentEnsemble.load(both.save(tmp_path / "e"), device="cpu", dtype="float32").training == training


def test_a_date_that_was_tampered_with_is_refused(taught, tmp_path):
    folder = taught.save(tmp_path / "m")
    sidecar = json.loads((folder / "newsfolio.json").read_text())
    (folder / "newsfolio.json").write_text(json.dumps(sidecar | {"trained_until": "soon"}))
    with pytest.raises(ModelError, match=r"newsfolio\.json: cannot be read"):
        SentimentClassifier.load(folder, device="cpu", dtype="float32")


def test_a_card_is_there_with_the_model_or_not_at_all(taught, tmp_path, monkeypatch):
    folder = taught.save(tmp_path / "m", card="old")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(folder), "write_text", full)
    with pytest.raises(ModelError, match="No space left on device"):
        taught.save(folder, card="new")
    assert (folder / "README.md").read_bytes() == b"old"
    assert SentimentClassifier.load(folder, device="cpu", dtype="float32").fingerprint == taught.fingerprint


NEWS = pd.DataFrame(
    {
        "published": pd.to_datetime(["2024-05-06 14:00", "2024-05-07 15:00", "2024-05-08 16:00"], utc=True),
        "asset": ["AAA", "BBB", "AAA"],
        "text": ["Profit rose", "A loss", "No news"],
    }
)


def test_scores_and_signals_carry_it_on_through_files(taught, tmp_path):
    from newsfolio.command.app import app

    NEWS.to_parquet(tmp_path / "news.parquet")
    assert read_provenance(score_headlines(NEWS, taught)) == MARKS
    assert not NEWS.attrs
    score_file(tmp_path / "news.parquet", tmp_path / "scored.parquet", taught)
    assert read_provenance(pd.read_parquet(tmp_path / "scored.parquet")) == MARKS
    for relative in ("no", "rank"):
        options = ["--out", str(tmp_path / "signal.parquet"), "--relative", relative, "--novelty-hours", "24"]
        told = CliRunner().invoke(app, ["signal", str(tmp_path / "scored.parquet"), *options])
        assert told.exit_code == 0, told.output
        assert read_provenance(pd.read_parquet(tmp_path / "signal.parquet")) == MARKS


def test_nothing_is_said_where_nothing_is_known(tiny_model, tmp_path):
    classifier = SentimentClassifier.load(tiny_model, device="cpu", dtype="float32")
    NEWS.to_csv(tmp_path / "news.csv", index=False)
    score_file(tmp_path / "news.csv", tmp_path / "scored.parquet", classifier)
    assert not pd.read_parquet(tmp_path / "scored.parquet").attrs
    assert not score_headlines(NEWS, classifier).attrs


def test_other_attrs_of_a_frame_stay():
    frame = NEWS.copy()
    frame.attrs = {"source": "wire"}
    assert attach_provenance(frame, TOLD).attrs == {"source": "wire", **MARKS}
