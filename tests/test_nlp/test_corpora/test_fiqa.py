"""Scores that become labels, and FiQA's own JSON."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nlp.corpora.fiqa import read_fiqa_json, scored_rows
from nlp.corpora.formats import read_corpus
from nlp.errors import CorpusError


def scored(*scores):
    return pd.DataFrame({"text": [f"text {n}" for n in range(len(scores))], "score": list(scores)})


def side(score, below):
    """The label by the definition, in words of Python alone."""
    return "neutral" if abs(score) < below or score == 0 else "positive" if score > 0 else "negative"


@given(st.lists(st.floats(-1, 1) | st.sampled_from([-0.1, 0.0, -0.0, 0.1, 1.0]), min_size=1), st.floats(0, 1))
def test_the_label_is_the_side_of_a_score_that_is_large_enough(scores, below):
    rows = scored_rows(scored(*scores), "here", neutral_below=below)
    assert rows["label"].tolist() == [side(score, below) for score in scores]
    assert rows["score"].tolist() == scores


def test_both_sides_are_cut_alike():
    rows = scored_rows(scored(-0.1, -0.099, 0.099, 0.1), "here")
    assert rows["label"].tolist() == ["negative", "neutral", "neutral", "positive"]


def test_scores_may_be_words_and_every_other_column_is_kept():
    rows = scored_rows(scored("0.4", " -1 ").assign(n=[1, 2]), "here")
    assert rows["score"].tolist() == [0.4, -1.0]
    assert rows["n"].tolist() == [1, 2]


@pytest.mark.parametrize("bad", [1.01, -7, np.nan, np.inf, "much", None, "0,4"])
def test_a_score_that_is_none_is_named_with_its_row(bad):
    with pytest.raises(CorpusError, match=r"here: row 2: score .* is no number in \[-1, 1\] \(1 such rows\)"):
        scored_rows(scored(0.5, bad, -1), "here")


def test_a_row_without_text_needs_no_score():
    table = scored(0.5, np.nan, -1).assign(text=["a", None, "b"])
    corpus = read_corpus(table)
    assert corpus.rows["label"].tolist() == ["positive", "negative"]
    assert corpus.counts.without_text == 1


@pytest.mark.parametrize("below", [-0.1, 1.1, float("nan")])
def test_a_bound_that_makes_no_sense_is_named(below):
    with pytest.raises(CorpusError, match=f"neutral_below is {below:g}: give the size"):
        scored_rows(scored(0.5), "here", neutral_below=below)


def task(rows):
    """FiQA's form: one entry per sentence, one info per opinion."""
    entries = {}
    for number, (text, target, score) in enumerate(rows):
        entry = {"sentence": text, "info": [{"snippets": "['x']", "target": target, "sentiment_score": f"{score}"}]}
        entries[str(number)] = entry
    return entries


words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(str.strip)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(words, words, st.floats(-1, 1)), min_size=1, max_size=8, unique_by=lambda row: (row[0], row[1])
    ),
    ascii_only=st.booleans(),
)
def test_opinions_come_back_as_they_were_written(tmp_path, rows, ascii_only):
    path = tmp_path / "task1.json"
    path.write_text(json.dumps(task(rows), ensure_ascii=ascii_only), encoding="utf-8")
    read = read_corpus(path, on_mixed="keep").rows
    assert list(zip(read["text"], read["target"], read["score"], strict=True)) == rows


def test_every_opinion_of_a_sentence_is_a_row(tmp_path):
    entry = {
        "sentence": "Aalto up as Berg tumbles",
        "info": [
            {"target": "Aalto", "sentiment_score": "0.5", "aspects": "['Stock']"},
            {"target": "Berg", "sentiment_score": "-0.6"},
        ],
    }
    path = tmp_path / "task1.json"
    path.write_text(json.dumps({"7": entry, "8": {"sentence": "Quiet day", "info": []}}), encoding="utf-8")
    kept = read_corpus(path, on_mixed="keep").rows
    assert kept[["id", "text", "target", "label"]].to_numpy().tolist() == [
        ["7", "Aalto up as Berg tumbles", "Aalto", "positive"],
        ["7", "Aalto up as Berg tumbles", "Berg", "negative"],
    ]
    with pytest.raises(CorpusError, match="holds no labelled text"):
        read_corpus(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read as JSON: Expecting"),
        ("[" * 100_000, "cannot be read as JSON: "),
        ("[]", "is no object of id -> sentence and info"),
        ('{"1": {"sentence": "a"}}', "entry 1 has no sentence and list of info"),
        ('{"1": {"info": []}}', "entry 1 has no sentence and list of info"),
        ('{"1": 5}', "entry 1 has no sentence and list of info"),
        ('{"1": {"sentence": "a", "info": [{"target": "b"}]}}', "entry 1: an opinion has no sentiment_score"),
        ('{"1": {"sentence": "a", "info": ["b"]}}', "entry 1: an opinion has no sentiment_score"),
        ('{"1": {"sentence": "a", "info": []}, "1": {}}', "one object has the name '1' twice"),
        ('{"1": {"sentence": "a", "info": [{"sentiment_score": "NaN"}]}}', "opinions: row 1: score 'NaN' is no number"),
        ('{"1": {"sentence": "a", "info": [{"sentiment_score": {}}]}}', "opinions: row 1: score {} is no number"),
        ('{"1": {"sentence": 5, "info": [{"sentiment_score": "0"}]}}', "the column text holds numbers"),
        ("{}", "holds no labelled text"),
    ],
)
def test_files_of_another_form_are_refused(tmp_path, content, message):
    path = tmp_path / "task1.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(CorpusError, match=f"task1.json: .*{message}"):
        read_corpus(path)


def test_a_file_that_is_not_utf8_is_refused(tmp_path):
    (tmp_path / "t.json").write_bytes(b'{"1": "\xe4"}')
    with pytest.raises(CorpusError, match="t.json: cannot be read as JSON: 'utf-8' codec"):
        read_fiqa_json(tmp_path / "t.json")


def test_on_the_shared_rows_few_are_neutral_and_targets_that_disagree_are_few(real_data):
    corpus = read_corpus(real_data / "fiqa_sentiment.parquet")
    assert corpus.form == "scored opinions"
    assert (corpus.counts.read, corpus.counts.kept, corpus.counts.mixed) == (954, 904, 16)
    assert (corpus.rows["label"] == "neutral").mean() < 0.1
