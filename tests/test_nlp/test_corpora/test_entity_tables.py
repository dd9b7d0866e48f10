"""A label per entity: cells as JSON, as Python literals, and as what only looks like one."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsfolio.shared.tables import write_table
from nlp.corpora.entity_tables import LONGEST, entity_rows
from nlp.corpora.formats import read_corpus
from nlp.errors import CorpusError
from nlp.labels import LABELS

TABLE = pd.DataFrame(
    {
        "S No.": [1, 2, 3],
        "Title": ["Aalto up as Berg tumbles", "Aalto and Berg rise", "Cobalt steady"],
        "Decisions": [
            "{'Aalto': 'positive', 'Berg': 'negative'}",
            '{"Aalto": "positive", "Berg": "Positive"}',
            "{'Cobalt': 'neutral'}",
        ],
    }
)

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(str.strip)
decisions = st.dictionaries(words, st.sampled_from(LABELS), min_size=1, max_size=4)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    told=st.dictionaries(words, decisions, min_size=1, max_size=6),
    write=st.sampled_from([repr, json.dumps, lambda cell: json.dumps(cell, ensure_ascii=False, indent=1), dict]),
    ending=st.sampled_from(["csv", "parquet", "jsonl", None]),
)
def test_every_entity_comes_back_with_its_label(tmp_path, told, write, ending):
    if write is dict:
        ending = None if ending in ("csv", "parquet") else ending
    if ending == "csv":  # where "\r" ends a line, pandas reads it as "\n"
        told = {text.replace("\r", " ").strip() or "x": cell for text, cell in told.items()}
    table = pd.DataFrame({"Title": list(told), "Decisions": [write(cell) for cell in told.values()]})
    read = read_corpus(table if ending is None else write_table(table, tmp_path / f"t.{ending}"), on_mixed="keep")
    expected = [(text, entity, label) for text, cell in told.items() for entity, label in cell.items()]
    assert list(zip(read.rows["text"], read.rows["target"], read.rows["label"], strict=True)) == expected
    assert read.counts.read == read.counts.kept == len(expected)
    assert read.form == "labels per entity"


def test_a_text_whose_entities_disagree_is_dropped_or_kept_as_told():
    dropped, kept, voted = (read_corpus(TABLE, on_mixed=choice) for choice in ("drop", "keep", "vote"))
    assert dropped.rows["text"].tolist() == ["Aalto and Berg rise", "Cobalt steady"]
    assert (dropped.counts.mixed, dropped.counts.repeats) == (2, 1)
    assert kept.rows[["S No.", "target", "label"]].to_numpy().tolist() == [
        [1, "Aalto", "positive"], [1, "Berg", "negative"], [2, "Aalto", "positive"], [2, "Berg", "positive"],
        [3, "Cobalt", "neutral"],
    ]  # fmt: skip
    assert (voted.counts.tied, voted.counts.repeats, voted.counts.kept) == (2, 1, 2)


def test_what_was_read_can_be_written_and_read_again(tmp_path):
    for choice in ("drop", "keep"):
        rows = read_corpus(TABLE, on_mixed=choice).rows
        path = write_table(rows, tmp_path / "rows.csv")
        assert read_corpus(path, on_mixed=choice).rows.equals(rows)


def test_an_entity_told_of_twice_is_heard_twice():
    for cell in ("{'A': 'positive', 'A': 'negative'}", '{"A": "positive", "A": "negative"}'):
        table = pd.DataFrame({"Title": ["x", "y"], "Decisions": [cell, "{'A': 'neutral'}"]})
        assert read_corpus(table, on_mixed="keep").counts.tied == 2


def test_titles_without_words_are_counted_whatever_their_decisions():
    table = pd.DataFrame({"Title": [None, " ", "x"], "Decisions": [np.nan, "nonsense", "{'A': 'neutral'}"]})
    corpus = read_corpus(table)
    assert corpus.counts.without_text == 2
    assert corpus.rows.to_dict("records") == [{"text": "x", "target": "A", "label": "neutral"}]


def test_an_unknown_label_is_named_with_the_row_of_the_table():
    table = TABLE.assign(Decisions=[*TABLE["Decisions"][:2], "{'Cobalt': 'great'}"])
    with pytest.raises(CorpusError, match="row 3: label 'great' is not known; known are negative, neutral, positive"):
        read_corpus(table)


@pytest.mark.parametrize(
    "cell",
    [
        "__import__('os').system('touch pwned')",
        "{'A': __import__('os').getcwd()}",
        "{'A': open('pwned', 'w').name}",
        "{**{'A': 'positive'}}",
        "{'A': 'positive' for _ in [1]}",
        "{f'A': 'positive'}",
        "{'A': 'posi' + 'tive'}",
        "{'A': b'positive'}",
        "{'A': 'positive', 1: 'neutral'}",
        "{'A': {'B': 'positive'}}",
        "{'A': ['positive']}",
        "{'A'}",
        "[['A', 'positive']]",
        '[["A", "positive"]]',
        '"A"',
        "{}",
        "",
        "{'': 'positive'}",
        "positive",
        "{'A': 'positive'",
        "(" * 5000,
        "-" * 9000 + "1",
        "not " * 2000 + "1",
        "1+" * 4000 + "1",
        "[" * 9999,
        '{"A":' * 1900,
        "{'A': 'positive'}" + " " * LONGEST,
        "{'A': '\0'}\0",
        5.0,
        None,
    ],
)
def test_a_cell_that_is_no_plain_dict_of_words_is_named_and_never_run(tmp_path, monkeypatch, cell):
    monkeypatch.chdir(tmp_path)
    table = pd.DataFrame({"Title": ["x", "y"], "Decisions": ["{'A': 'neutral'}", cell]}, dtype=object)
    with pytest.raises(CorpusError, match=r"the frame: row 2: Decisions is .*: write \{'entity': 'positive', \.\.\.\}"):
        read_corpus(table)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("column", ["label", "target"])
def test_a_column_that_would_be_written_over_is_refused(column):
    with pytest.raises(CorpusError, match=f"here: has a column {column} as well as Decisions"):
        entity_rows(TABLE.assign(**{column: "x"}), "here")
