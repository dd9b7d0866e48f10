"""Texts in words that a model does not know get no answer, are counted once, and most of them are refused."""

import logging

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast
from typer.testing import CliRunner

from newsfolio.command.app import app
from nlp.corpora.labelled import embedded_corpus
from nlp.errors import CorpusError, ModelError
from nlp.evaluation.evaluate import evaluate
from nlp.model.classifier import SentimentClassifier
from nlp.model.ensemble import SentimentEnsemble
from nlp.model.inference import tokenize
from nlp.model.unknown_words import UNREADABLE, unknown_ids, unknown_shares
from nlp.scoring.score import score_headlines, score_texts, with_scores
from nlp.scoring.store import ScoreStore, store_key
from nlp.scoring.stream.score_file import score_file
from nlp.training.base_model import load_base

pytestmark = pytest.mark.usefixtures("one_thread")

CHINESE = "公司宣布破产，股价暴跌"
OTHER_SCRIPTS = [
    CHINESE,
    "会社は破産を発表した",
    "삼성전자가 파산을 신청했다",
    "Компания объявила о банкротстве",
    "Η εταιρεία κήρυξε πτώχευση",
    "أعلنت الشركة إفلاسها",
    "บริษัทล้มละลาย",
    "कंपनी दिवालिया हो गई",
    "x" * 300,
]
READ = [
    "Profit rises 12.5 % to $3.4 bn",
    "Société Générale élève l’objectif – Münchener Rück führt",
    "$TSLA to the moon 🚀🚀 🚀",
    "Łódź, İstanbul, Đà Nẵng: ½ of β-blockers, 5 µm ™",
    "",
]


@pytest.fixture(scope="module")
def english():
    return load_base("minilm", 0)[1]


def shares(tokenizer, texts):
    return unknown_shares(tokenizer, unknown_ids(tokenizer), texts, tokenize(tokenizer, texts, 256)[0])


def test_other_scripts_are_unknown_to_an_english_encoder_and_european_languages_are_not(english):
    assert (shares(english, OTHER_SCRIPTS) > UNREADABLE).all()
    assert (shares(english, READ) <= UNREADABLE).all()
    assert (shares(english, embedded_corpus()["text"].tolist()) <= UNREADABLE).all()


@pytest.mark.parametrize(
    ("file", "least", "most"),
    [
        ("text/zh_news_sentiment", 0.99, 1),
        ("text/ko_phrasebank", 0.99, 1),
        ("text/ja_economy_watchers", 0.99, 1),
        ("phrasebank", 0, 0),
        ("fiqa_sentiment", 0, 0),
        ("twitter_financial_news", 0, 0.0005),
    ],
)
def test_shares_of_real_texts(english, real_data, file, least, most):
    texts = pd.read_parquet(real_data / f"{file}.parquet")["text"].tolist()[:4000]
    assert least <= (shares(english, texts) > UNREADABLE).mean() <= most


def trained(model, trainer, pre, decoder, texts):
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer, tokenizer.decoder = pre, decoder
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def test_a_vocabulary_of_bytes_spells_what_it_does_not_know(english):
    headlines = embedded_corpus()["text"].tolist()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    byte_level = trained(
        models.BPE(),
        trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet, show_progress=False),
        pre_tokenizers.ByteLevel(),
        decoders.ByteLevel(),
        [*headlines, *(["l’été, naïve – "] * 50)],
    )
    assert byte_level.unk_token_id is None
    assert (shares(byte_level, OTHER_SCRIPTS[:8]) > UNREADABLE).all()
    assert (shares(byte_level, headlines) <= UNREADABLE).all()


def test_an_encoder_reads_the_script_that_it_was_made_of():
    russian = ["Компания объявила о банкротстве", "Прибыль компании выросла", "Акции упали на бирже"] * 20
    tokenizer = trained(
        models.BPE(),
        trainers.BpeTrainer(vocab_size=300, show_progress=False),
        pre_tokenizers.Metaspace(),
        decoders.Metaspace(),
        russian,
    )
    assert (shares(tokenizer, russian[:3]) <= UNREADABLE).all()


@pytest.fixture(scope="module")
def classifier(tiny_model):
    return SentimentClassifier.load(tiny_model, device="cpu", dtype="float32")


@given(st.lists(st.sampled_from(["profit", "net loss", CHINESE, "日 loss", "", "x" * 200]), max_size=12))
def test_what_can_be_read_is_answered_as_before(classifier, texts):
    known = classifier.unknown_shares(texts) <= UNREADABLE
    found = classifier.predict_proba(texts)
    assert (np.isnan(found).all(axis=1) == ~known).all()
    assert (
        found[known].tolist() == classifier.predict_proba([t for t, k in zip(texts, known, strict=True) if k]).tolist()
    )


def test_an_ensemble_reads_what_all_its_members_read(classifier, tiny_model, caplog):
    one_more = SentimentClassifier.load(tiny_model, device="cpu", dtype="float32")
    one_more._unknown = classifier._unknown | {classifier.tokenizer.convert_tokens_to_ids("profit")}
    both = SentimentEnsemble([classifier, one_more])
    texts = ["profit", "loss", CHINESE]
    with caplog.at_level(logging.WARNING):
        assert np.isnan(both.predict_proba(["£ profit", "loss", CHINESE])[:, 0]).tolist() == [True, False, True]
    assert both.unknown_shares(["£ profit", "loss", CHINESE]).tolist() == [1.0, 0.0, 1.0]
    assert [record.message[:14] for record in caplog.records] == ["2 of 3 texts a"]
    assert len(texts) == 3


def test_scores_are_missing_and_said_once_however_many_calls(classifier, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("nlp.scoring.score.COMMIT_TEXTS", 2)
    rows = pd.DataFrame({"text": ["profit", CHINESE, "loss", f"{CHINESE}。", "sales"]})
    with ScoreStore(tmp_path / "s", store_key(classifier)) as store:
        for _ in range(2):
            caplog.clear()
            with caplog.at_level(logging.WARNING):
                scored = score_headlines(rows, classifier, store=store)
            assert scored["score"].isna().tolist() == [False, True, False, True, False]
            assert sum("words that the model does not know" in each.message for each in caplog.records) == 1
        assert len(store) == 3  # what has no answer is not kept
    assert np.isnan(score_texts([CHINESE], classifier)).all()


def test_no_label_is_given_to_what_cannot_be_read():
    labelled = with_scores(pd.DataFrame({"text": ["a", "b"]}), np.float32([[0.2, 0.8], [np.nan, np.nan]]), ("x", "y"))
    assert labelled["label"].isna().tolist() == [False, True]


def news(texts):
    published = pd.date_range("2023-01-02 10:00", periods=len(texts), freq="7h", tz="UTC")
    return pd.DataFrame({"published": published, "asset": "AAA", "text": texts})


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
@pytest.mark.parametrize("kept", [True, False])
def test_a_file_is_scored_with_gaps_or_refused_where_most_is_unreadable(
    classifier, tmp_path, monkeypatch, caplog, ending, kept
):
    monkeypatch.setattr("nlp.scoring.stream.read.PART_ROWS", 3)
    path, out = tmp_path / "news.csv", tmp_path / f"out.{ending}"
    texts = [f"profit {n}" if n % 3 else f"{CHINESE}{n}" for n in range(9)]
    news(texts).to_csv(path, index=False)
    with ScoreStore(tmp_path / "s", store_key(classifier)) as store:
        how = {"store": store} if kept else {}
        with caplog.at_level(logging.WARNING):
            report = score_file(path, out, classifier, **how)
        assert (report.scored, report.unreadable) == (6, 3)
        assert np.isfinite(report.mean_score)
        assert (
            sum("3 of 9 rows are in words that the model does not know" in each.message for each in caplog.records) == 1
        )
        out.unlink()
        news([CHINESE + str(n) for n in range(7)] + ["profit"]).to_csv(path, index=False)
        with pytest.raises(ModelError, match="7 of 8 rows are in words that the model does not know.*--base"):
            score_file(path, out, classifier, **how)
    assert not [each for each in tmp_path.iterdir() if each.name.startswith(("out", "."))]


def test_the_commands_refuse_what_they_cannot_read_in_one_line(tiny_model, tmp_path, caplog):
    texts = ["".join(np.random.default_rng(row).permutation(list(CHINESE * 3))) for row in range(30)]
    labelled = pd.DataFrame({"text": texts, "label": ["negative", "neutral", "positive"] * 10})
    labelled.to_csv(tmp_path / "l.csv", index=False)
    news([CHINESE]).to_csv(tmp_path / "n.csv", index=False)
    for arguments, error in [
        (["score", tmp_path / "n.csv", "--model", tiny_model, "--out", tmp_path / "o.csv", "--no-store"], ModelError),
        (["evaluate", tiny_model, tmp_path / "l.csv"], CorpusError),
        (["finetune", tmp_path / "l.csv", "--out", tmp_path / "m"], ModelError),
    ]:
        result = CliRunner().invoke(app, list(map(str, arguments)))
        assert isinstance(result.exception, error)
        assert "--base" in str(result.exception)
    assert not (tmp_path / "o.csv").exists()
    assert not (tmp_path / "m").exists()


def test_figures_are_those_of_the_texts_that_were_read_and_say_so(classifier):
    texts = ["profit rises", "loss", "net sales", "profit", "loss falls", "shares"]
    labelled = pd.DataFrame({"text": texts, "label": ["positive", "negative", "neutral"] * 2})
    more = pd.DataFrame({"text": [CHINESE], "label": ["negative"]})
    found = evaluate(classifier, pd.concat([labelled, more], ignore_index=True))
    assert (found.n, found.accuracy) == (6, evaluate(classifier, labelled).accuracy)
    assert "1 of 7 texts are left out: the model does not know their words." in found.notes
