"""Baselines: what each says of texts one can judge by eye, and what it reaches on real ones."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score

from nlp.corpora.labelled import embedded_corpus
from nlp.errors import CorpusError
from nlp.evaluation.baselines import (
    WordList,
    fit_baselines,
    fit_majority,
    fit_word_weights,
    read_word_list,
    without_near_duplicates,
)
from nlp.evaluation.evaluate import evaluate_probabilities
from nlp.labels import LABELS

LISTS = WordList(negative=frozenset({"loss", "weak"}), positive=frozenset({"gain", "strong"}))
TRAIN = pd.DataFrame(
    {
        "text": ["profit rises", "sales rise", "loss widens", "sales fall", "ceo named", "the meeting is today"],
        "label": ["positive", "positive", "negative", "negative", "neutral", "neutral"],
    }
)
BASELINES = {"majority": fit_majority(TRAIN), "list": LISTS, "weights": fit_word_weights(TRAIN)}


def guess(baseline, *texts):
    return [LABELS[code] for code in baseline.predict_proba(texts).argmax(axis=1)]


@pytest.mark.parametrize("baseline", BASELINES.values(), ids=BASELINES)
@given(texts=st.lists(st.text(max_size=30), max_size=5))
def test_probabilities_are_probabilities_in_the_order_given(baseline, texts):
    probabilities = baseline.predict_proba(texts)
    assert probabilities.shape == (len(texts), 3)
    assert probabilities.dtype == np.float32
    assert (probabilities >= 0).all()
    assert probabilities.sum(axis=1) == pytest.approx(1.0, abs=1e-6)
    assert np.allclose(baseline.predict_proba(texts[::-1]), probabilities[::-1], atol=1e-6)


@pytest.mark.parametrize("baseline", BASELINES.values(), ids=BASELINES)
def test_a_baseline_is_frozen_prints_itself_and_can_be_evaluated(baseline):
    with pytest.raises(dataclasses.FrozenInstanceError):
        baseline.anything = 1
    assert len(repr(baseline)) < 100
    labels = TRAIN["label"]
    assert evaluate_probabilities(baseline.predict_proba(list(TRAIN["text"])), labels).n == 6


def test_the_majority_gives_the_shares():
    labels = pd.DataFrame({"label": ["neutral"] * 5 + ["positive"] * 3 + ["negative"] * 2})
    assert fit_majority(labels).shares == (0.2, 0.5, 0.3)
    assert guess(fit_majority(labels), "whatever") == ["neutral"]


@pytest.mark.parametrize(
    ("text", "balance"),
    [
        ("A strong gain", 2),
        ("STRONG, but a LOSS", 0),
        ("weak, weak and weak", -3),
        ("no gain", -1),
        ("the gain was not so very strong", 0),  # not turns strong: one up, one down
        ("not one of them strong", 1),  # four words on
        ("no loss", 0),
        ("it didn't gain", -1),
        ("it didn’t gain", -1),
        ("it did n't gain", -1),
        ("gains strongly", 0),
        ("", 0),
        ("never weak, never strong", -1),
    ],
)
def test_words_are_counted_and_turned_by_hand(text, balance):
    assert LISTS.balance(text) == balance


def test_the_heavier_side_wins_and_a_balance_is_neutral():
    assert guess(LISTS, "gain", "loss", "gain and loss", "neither here") == [
        "positive",
        "negative",
        "neutral",
        "neutral",
    ]
    one = LISTS.predict_proba(["gain"])[0]
    assert one == pytest.approx(np.exp([-1, 0.5, 1]) / np.exp([-1, 0.5, 1]).sum())
    assert LISTS.predict_proba(["strong gain"])[0, 2] > one[2]


@given(st.lists(st.sampled_from(["loss", "weak", "gain", "strong", "the"]), max_size=12))
def test_swapping_the_lists_mirrors_the_probabilities(words):
    swapped = WordList(negative=LISTS.positive, positive=LISTS.negative)
    text = [" ".join(words)]
    assert np.allclose(swapped.predict_proba(text), LISTS.predict_proba(text)[:, ::-1])


def test_a_word_list_is_read_whatever_its_case_and_other_categories(tmp_path):
    table = pd.DataFrame(
        {
            "word": ["LOSS", "Gain", "may", "both", "both", "none"],
            "category": ["Negative", "POSITIVE", "uncertainty", "negative", "positive", "positive"],
        }
    )
    table.to_csv(tmp_path / "words.csv", index=False)
    words = read_word_list(tmp_path / "words.csv")
    assert words == read_word_list(table) == WordList(frozenset({"loss"}), frozenset({"gain", "none"}))


IN_OR_OUT = st.sampled_from([2009, 0, -2020])


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.tuples(IN_OR_OUT, IN_OR_OUT)))
def test_both_layouts_of_the_same_words_are_the_same_list(drawn):
    years = {"rise": (0, 2009), "fall": (2009, 0), **drawn}
    master = pd.DataFrame(
        [(word.upper(), 7, negative, positive, 2009) for word, (negative, positive) in years.items()],
        columns=["Word", "Seq_num", "Negative", "Positive", "Uncertainty"],
    )
    listed = pd.DataFrame(
        [(word, "Negative") for word, (negative, _) in years.items() if negative == 2009]
        + [(word, "Positive") for word, (_, positive) in years.items() if positive == 2009]
        + [(word, "Uncertainty") for word in years],
        columns=["WORD", "Category"],
    )
    assert read_word_list(master) == read_word_list(listed)
    assert "rise" in read_word_list(master).positive - read_word_list(master).negative


def test_the_master_dictionary_is_read_from_a_file(tmp_path):
    (tmp_path / "master.csv").write_text(
        "Word,Seq_num,Word Count,Negative,Positive,Syllables\n"
        "LOSS,1,90,2009,0,1\nGAIN,2,80,0,2009,1\nTRUE,3,9,0,0,1\nUSED,4,9,-2020,0,1\n"
    )
    assert read_word_list(tmp_path / "master.csv") == WordList(frozenset({"loss"}), frozenset({"gain"}))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            pd.DataFrame({"word": ["a"], "Positive": [1]}),
            r"has neither the columns word and category nor, .* word, negative and positive \(it has word, positive\)",
        ),
        (pd.DataFrame({"word": ["a"], "Word": ["b"], "category": ["positive"]}), "has the column word twice"),
        (
            pd.DataFrame({"Word": ["GAIN", "LOSS"], "Negative": [0, "yes"], "Positive": [2009, 0]}),
            "negative of the word LOSS is yes: give a year or 0",
        ),
        (pd.DataFrame({"Word": ["A"], "Negative": [-2020], "Positive": [2009]}), "its categories are positive"),
        (
            pd.DataFrame({"word": ["a"], "category": ["litigious"]}),
            "needs words of category negative and positive, its categories are litigious",
        ),
        (pd.DataFrame({"word": ["a"], "category": ["positive"]}), "its categories are positive"),
        ("/nowhere/words.csv", "no such file"),
    ],
)
def test_a_table_without_both_lists_is_named(table, message):
    with pytest.raises(CorpusError, match=message):
        read_word_list(table)


def test_words_of_a_single_text_are_left_out_of_a_corpus_of_a_hundred():
    rows = pd.concat([TRAIN] * 17)[:101].reset_index(drop=True)
    rows.loc[100, "text"] = "once"
    words = fit_word_weights(rows).pipeline[0].vocabulary_
    assert "profit" in words
    assert "once" not in words
    assert "named" in fit_word_weights(TRAIN).pipeline[0].vocabulary_


def test_word_weights_learn_what_they_are_shown():
    weights = fit_word_weights(TRAIN)
    assert guess(weights, *TRAIN["text"]) == TRAIN["label"].tolist()
    assert guess(weights, "profit rises again", "its loss widens") == ["positive", "negative"]


def test_word_weights_are_repeatable_whatever_the_order_of_rows():
    rows = embedded_corpus()[::5]
    one, same, other = (
        fit_word_weights(given).predict_proba(list(rows["text"]))
        for given in (rows, rows, rows.sample(frac=1.0, random_state=0))
    )
    assert (one == same).all()
    assert np.allclose(other, one, atol=0.01)


def test_baselines_are_those_that_can_be_had():
    assert fit_baselines(None, None) == {}
    assert fit_baselines(None, LISTS) == {"word list": LISTS}
    assert list(fit_baselines(TRAIN, LISTS)) == ["majority", "word list", "TF-IDF + logistic regression"]
    assert list(fit_baselines(TRAIN, None)) == ["majority", "TF-IDF + logistic regression"]


def test_near_duplicates_of_test_texts_are_left_out_of_training():
    test = pd.DataFrame({"text": ["Sales fall!", "an offer for the harbour crane", "something quite new here"]})
    train = pd.concat([TRAIN, pd.DataFrame({"text": ["AN OFFER for the harbour crane"], "label": ["neutral"]})])
    kept, met = without_near_duplicates(train, test)
    assert kept["text"].tolist() == [text for text in TRAIN["text"] if text != "sales fall"]
    assert kept.index.tolist() == [0, 1, 2, 3, 4]
    assert met.tolist() == [True, True, False]
    with pytest.raises(CorpusError, match="all 6 training texts are near-duplicates of test texts: give other ones"):
        without_near_duplicates(TRAIN, TRAIN)


def test_what_cannot_be_fitted_is_named():
    with pytest.raises(CorpusError, match="no training text is labelled negative, positive: all of"):
        fit_word_weights(TRAIN[TRAIN["label"] == "neutral"])
    with pytest.raises(CorpusError, match="bullish"):
        fit_majority(pd.DataFrame({"label": ["neutral", "bullish"]}))
    with pytest.raises(CorpusError, match="no labelled texts"):
        fit_majority(TRAIN[:0])


def test_baselines_on_the_phrasebank_are_where_others_found_them(real_data):
    bank = pd.read_parquet(real_data / "phrasebank.parquet").drop_duplicates("text")
    test, train = bank[bank["fold"] == 0], bank[bank["fold"] != 0]
    words = read_word_list(real_data / "loughran_mcdonald_2014.csv")
    reached = {
        name: accuracy_score(rows["label"], guess(baseline, *rows["text"]))
        for name, baseline, rows in (
            ("majority", fit_majority(train), test),
            ("list", words, bank),
            ("weights", fit_word_weights(train), test),
        )
    }
    assert 0.60 < reached["list"] < 0.75
    assert reached["majority"] < 0.6 < 0.74 < reached["weights"] < 0.84
