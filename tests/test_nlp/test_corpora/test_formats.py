"""Which form a corpus is in, and one account of what was read."""

import logging

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsfolio.shared.tables import write_table
from nlp.corpora.formats import read_corpus
from nlp.corpora.labelled import read_labelled
from nlp.errors import CorpusError
from nlp.labels import LABELS

PLAIN = pd.DataFrame({"text": ["a", "b"], "label": ["bullish", "neutral"]})


@pytest.mark.parametrize(
    ("table", "form"),
    [
        (PLAIN, "labelled table"),
        (PLAIN.assign(score=0.5), "labelled table"),
        (PLAIN.assign(Title="x", Decisions="{}"), "labelled table"),
        (pd.DataFrame({"text": ["a"], "score": [0.5]}), "scored opinions"),
        (pd.DataFrame({"Title": ["a"], "Decisions": ["{'A': 'neutral'}"], "score": 1}), "labels per entity"),
    ],
)
@pytest.mark.parametrize("ending", [None, "csv", "parquet", "jsonl"])
def test_the_form_is_told_from_the_columns(tmp_path, caplog, table, form, ending):
    source = table if ending is None else write_table(table, tmp_path / f"t.{ending}")
    with caplog.at_level(logging.INFO):
        corpus = read_corpus(source)
    assert corpus.form == form
    assert f": read as {form}" in caplog.text
    assert str(corpus).startswith(f"{form}: {len(table)} rows read, {len(table)} kept; ")


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(LABELS)), min_size=1, max_size=20).filter(
        lambda rows: len({text for text, _ in rows}) > len(rows) / 2
    )
)
def test_plain_tables_are_read_as_read_labelled_reads_them(rows):
    table = pd.DataFrame([*rows, ("e", "neutral")], columns=["text", "label"]).assign(n=1)
    corpus = read_corpus(table)
    assert corpus.rows.equals(read_labelled(table))
    assert corpus.counts.kept == len(corpus.rows)


def test_names_and_meanings_of_ones_own_are_passed_on():
    table = pd.DataFrame({"tweet": ["a", "b"], "mood": [0, 1]})
    corpus = read_corpus(table, text="tweet", label="mood", label_map={0: "negative", 1: "positive"})
    assert corpus.rows.to_numpy().tolist() == [["a", "negative"], ["b", "positive"]]
    scores = pd.DataFrame({"tweet": ["a"], "score": [-0.3]})
    for below, label in ((0.3, "negative"), (0.4, "neutral")):
        read = read_corpus(scores, text="tweet", neutral_below=below, label_map={"0": "negative"})
        assert read.rows["label"].tolist() == [label]


def test_what_a_model_made_is_no_corpus():
    table = pd.DataFrame({"text": ["a"], "negative": 0.1, "neutral": 0.1, "positive": 0.8, "score": 0.7})
    with pytest.raises(CorpusError, match="the frame: holds a model's scores, not labels"):
        read_corpus(table)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "rows.xlsx",
            r"rows.xlsx: the ending '.xlsx' is not known: use .csv, .parquet, .jsonl, .tsv, .json \(FiQA\), .zip",
        ),
        ("rows", "rows: the ending '' is not known"),
        ("gone.csv", "gone.csv: no such file"),
        ("gone.json", "gone.json: cannot be read as JSON: .*No such file"),
        (pd.DataFrame({"text": ["a"]}), r"has no column label \(it has text\): rename or add it"),
        (pd.DataFrame({"score": [1.0]}), r"has no column text \(it has score\): rename or add it"),
        (pd.DataFrame({"text": [], "label": []}), "the frame: holds no labelled text"),
        (pd.DataFrame({"text": [], "score": []}), "the frame: holds no labelled text"),
        (pd.DataFrame({"Title": [], "Decisions": []}), "the frame: holds no labelled text"),
        (pd.DataFrame(), "has no column text, label"),
    ],
)
def test_what_is_no_corpus_is_named(source, message):
    with pytest.raises(CorpusError, match=message):
        read_corpus(source)


def test_a_csv_column_of_numbers_is_no_column_of_texts(tmp_path):
    rows = pd.DataFrame({"text": ["1", "2.5", None], "label": ["positive", "negative", "neutral"]})
    with pytest.raises(CorpusError, match=r"n\.csv: the column text holds numbers: name the column of sentences text"):
        read_corpus(write_table(rows, tmp_path / "n.csv"))
    assert len(read_corpus(write_table(rows.replace("1", "up 1"), tmp_path / "one.csv")).rows) == 2


def test_an_unknown_choice_is_named():
    with pytest.raises(CorpusError, match="on_mixed is 'skip': give drop, keep or vote"):
        read_corpus(PLAIN, on_mixed="skip")


def test_a_corpus_prints_itself():
    table = pd.DataFrame({"text": ["a", "a", "b"], "label": ["bullish", "positive", "neutral"]})
    assert str(read_corpus(table)) == (
        "labelled table: 3 rows read, 2 kept; dropped: 1 exact repeats; 0 negative, 1 neutral, 1 positive"
    )


@pytest.mark.parametrize(
    ("name", "form", "read", "kept"),
    [
        ("phrasebank", "labelled table", 3896, 3887),
        ("fiqa_sentiment", "scored opinions", 954, 904),
        ("twitter_financial_news", "labelled table", 9543, 9543),
    ],
)
def test_shared_corpora_are_read_as_they_are(real_data, name, form, read, kept):
    corpus = read_corpus(real_data / f"{name}.parquet")
    assert (corpus.form, corpus.counts.read, corpus.counts.kept) == (form, read, kept)
    assert set(corpus.rows["label"]) == set(LABELS)
    assert corpus.rows["text"].is_unique


def test_several_columns_of_texts_are_joined():
    rows = pd.DataFrame({"title": ["Up", "Down ", ""], "body": ["more", None, " "], "label": ["a", "b", "a"], "n": 1})
    read = read_corpus(rows, text=("title", "body"), label_map=None)
    assert read.rows["text"].tolist() == ["Up\nmore", "Down"]
    assert read.counts.without_text == 1
    assert list(read.rows["n"]) == [1, 1]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (("title", "lead"), "has no column lead"),
        (("title", "n"), "the column n holds numbers: name columns of sentences"),
        (("title", "title2"), "has a column text as well as title, title2, joined as text: rename it"),
    ],
)
def test_columns_that_cannot_be_joined_are_named(columns, message):
    rows = pd.DataFrame({"title": ["Up"], "title2": ["up"], "text": ["x"], "label": ["a"], "n": 1})
    with pytest.raises(CorpusError, match=message):
        read_corpus(rows, text=columns, label_map=None)
