"""The effect of a word: exactly its weight where a score is a sum over words, and what it must be elsewhere."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp.errors import ModelError
from nlp.explain.words import COLUMNS, WORD, explain_scores, faithfulness, left_out
from nlp.labels import LABELS
from nlp.model.classifier import SentimentClassifier

WEIGHTS = {"profit": 0.3, "falls": -0.4, "rises": 0.25, "涨": 0.2, "跌": -0.3, "5.5": 0.1}


class Additive:
    """A classifier whose score is the sum of its words' weights; Cyrillic it cannot read."""

    temperature, multi_label, fingerprint, training = 1.0, False, "", None

    def __init__(self, task="tone", labels=LABELS):
        self.task, self.labels = task, labels

    def predict_proba(self, texts, **_):
        score = np.array([sum(WEIGHTS.get(word, 0.0) for word in WORD.findall(text)) for text in texts])
        unread = np.array([any("а" <= letter <= "я" for letter in text) for text in texts], dtype=bool)
        shares = np.stack([0.5 - score / 2, np.zeros(len(texts)), 0.5 + score / 2], axis=1).reshape(len(texts), 3)
        shares[unread] = np.nan
        return shares.astype(np.float32)

    def save(self, folder):
        raise NotImplementedError


TEXTS = st.lists(st.sampled_from([*WEIGHTS, "the", "bank's", "U.S.", "$3,000", "a-b"]), max_size=8).map(" ".join)


@given(st.lists(TEXTS, max_size=6))
def test_where_a_score_is_a_sum_the_effect_is_the_word_s_weight(texts):
    found = explain_scores(texts, Additive())
    assert list(found.columns) == list(COLUMNS)
    for row in found.itertuples():
        assert texts[row.row][row.start : row.end] == row.word
        assert row.effect == pytest.approx(WEIGHTS.get(row.word, 0.0), abs=1e-6)
    assert len(found) == sum(len(WORD.findall(text)) for text in texts)
    assert found["row"].is_monotonic_increasing


def test_each_character_of_chinese_is_a_word_and_a_number_is_one():
    found = explain_scores(["股价涨5.5%", "profit falls, profit"], Additive())
    assert found["word"].tolist() == ["股", "价", "涨", "5.5%", "profit", "falls", "profit"]
    assert found["effect"].round(4).tolist() == [0, 0, 0.2, 0, 0.3, -0.4, 0.3]


def test_an_empty_text_has_no_words_and_one_that_cannot_be_read_no_effects():
    found = explain_scores(["", "...", "прибыль растёт", "profit"], Additive())
    assert found["row"].tolist() == [2, 2, 3]
    assert found["effect"].isna().tolist() == [True, True, False]
    assert explain_scores([], Additive()).empty


def test_of_another_task_the_likeliest_label_or_the_one_asked_for_is_explained():
    topics = Additive("topic", ("oil", "rates", "gold"))
    assert explain_scores(["profit"], topics)["effect"].tolist() == pytest.approx([0.15])
    assert explain_scores(["profit"], topics, label="oil")["effect"].tolist() == pytest.approx([-0.15])
    with pytest.raises(ModelError, match="'steel' is no label of this classifier: use oil, rates, gold"):
        explain_scores(["profit"], topics, label="steel")


def test_words_are_left_out_without_a_trace():
    assert left_out("profit falls, again", [(7, 12)]) == "profit , again"
    assert left_out("one two three", [(8, 13), (0, 3)]) == "two"
    assert left_out("one", [(0, 3)]) == ""


def test_the_words_that_matter_matter_more_than_words_at_random():
    random = np.random.default_rng(1)
    texts = [" ".join(random.choice([*WEIGHTS, *["the"] * 6, "of"], 12)) for _ in range(200)]
    judged = faithfulness(texts, Additive(), explain_scores(texts, Additive()))
    assert judged.comprehensiveness > 2 * judged.random
    assert judged.sufficiency < judged.comprehensiveness
    assert judged.texts == 200
    whole = faithfulness(texts, Additive(), explain_scores(texts, Additive()), share=1.0)
    assert whole.comprehensiveness == pytest.approx(whole.random)
    assert whole.sufficiency == pytest.approx(0.0, abs=1e-6)


def test_nothing_to_explain_is_said():
    with pytest.raises(ModelError, match="no text has words that the model can read"):
        faithfulness(["прибыль"], Additive(), explain_scores(["прибыль"], Additive()))
    with pytest.raises(ModelError, match="share of the words is 0"):
        faithfulness(["profit"], Additive(), explain_scores(["profit"], Additive()), share=0.0)


def test_the_effect_is_the_difference_of_two_scores_of_the_model(tiny_model, one_thread, caplog):
    classifier = SentimentClassifier.load(tiny_model, dtype="float32", device="cpu")
    texts = ["net profit of the shares rises to 5", "sales, falls", "profit " * 100]
    found = explain_scores(texts, classifier)

    def score(text):
        shares = classifier.predict_proba([text])[0].astype(np.float64)
        return shares[2] - shares[0]

    for row in found[found["row"] < 2].itertuples():
        without = left_out(texts[row.row], [(row.start, row.end)])
        assert row.effect == pytest.approx(score(texts[row.row]) - score(without), abs=1e-6)
    late = found[(found["row"] == 2) & (found.index > found.index[-20])]
    assert (late["effect"] == 0).all()  # the model does not read so far
    assert len(caplog.records) == 1  # the long text, once


def test_texts_do_not_change_each_other(tiny_model, one_thread):
    classifier = SentimentClassifier.load(tiny_model, dtype="float32", device="cpu")
    texts = ["net profit rises", "the sales falls in the shares", "loss"]
    together = explain_scores(texts, classifier)
    alone = pd.concat([explain_scores([text], classifier).assign(row=row) for row, text in enumerate(texts)])
    np.testing.assert_allclose(together["effect"], alone["effect"], atol=1e-6)
