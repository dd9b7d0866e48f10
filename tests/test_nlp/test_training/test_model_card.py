"""The model card: every fact is there, and nothing from outside can dress itself up as more than text."""

import dataclasses
import json
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp.errors import CorpusError
from nlp.evaluation.evaluate import evaluate_probabilities
from nlp.evaluation.multi_label import evaluate_multi_label
from nlp.labels import LABELS
from nlp.training.model_card import CardFacts, corpus_digest, corpus_facts, escaped, model_card, training_period

ROWS = pd.DataFrame(
    {
        "text": ["profit rises", "loss widens", "ceo named"],
        "label": ["positive", "negative", "neutral"],
        "published": ["2012-03-01T10:00:00Z", "2013-05-02", "2014-12-31T23:30:00Z"],
    }
)


def facts(**changes):
    labels = pd.Series([*LABELS] * 20)
    probabilities = np.random.default_rng(0).dirichlet([1.0] * 3, 60).astype(np.float32)
    given = CardFacts(
        name="Tone of headlines", base="all-MiniLM-L6-v2", fingerprint="ab12" * 16,
        training=(corpus_facts(ROWS, name="press_wire", licence="CC BY-NC-SA 3.0", dates="published"),),
        evaluated_on=corpus_facts(ROWS[:2], name="held out"), evaluation=evaluate_probabilities(probabilities, labels),
        split="near-duplicates kept together, seed 0", temperature=1.2345,
        config={"learning_rate": 5e-5, "base": "minilm"}, limits=("Tweets were not seen",),
    )  # fmt: skip
    return dataclasses.replace(given, **changes)


def front_matter(card):
    lines = card.split("---\n")[1].strip().splitlines()
    return {key: json.loads(value) for key, value in (line.split(": ", 1) for line in lines)}


def test_every_fact_is_in_the_card():
    known = facts()
    card = model_card(known)
    low, high = known.evaluation.accuracy_interval
    for part in (
        "# Tone of headlines", "all-MiniLM-L6-v2", known.fingerprint, "1.2345", known.training[0].digest,
        known.evaluated_on.digest, "CC BY-NC-SA 3.0", "near-duplicates kept together, seed 0",
        "published from 2012-03-01 to 2014-12-31", "| learning\\_rate | 5e-05 |", "- Tweets were not seen",
        f"| accuracy | {known.evaluation.accuracy:.3f} | {low:.3f} to {high:.3f} |", "Measured on 60 texts of held out",
        "| training | press\\_wire | 3 | 1 | 1 | 1 |", "## Known limits", f1_row(known.evaluation, "neutral"),
    ):  # fmt: skip
        assert part in card
    assert card == model_card(facts())


def f1_row(evaluation, label):
    row = evaluation.per_class.loc[label]
    assert row["f1_low"] < evaluation.f1[label] < row["f1_high"]
    return f"| F1 {label} | {evaluation.f1[label]:.3f} | {row['f1_low']:.3f} to {row['f1_high']:.3f} |"


def test_the_front_matter_tells_what_a_backtest_needs():
    told = front_matter(model_card(facts()))
    assert (told["training_texts_from"], told["training_texts_until"]) == ("2012-03-01", "2014-12-31")
    assert told["base_model"] == "all-MiniLM-L6-v2"


def test_dates_that_are_not_all_known_are_not_claimed():
    undated = facts(training=(*facts().training, corpus_facts(ROWS, name="no dates")))
    card = model_card(undated)
    assert "not known for all of them" in card
    assert front_matter(card)["training_texts_until"] is None
    assert training_period(undated.training) is None
    assert training_period(()) is None
    later = dataclasses.replace(undated.training[0], first_date="2011-01-01", last_date="2013-01-01")
    assert training_period((undated.training[0], later)) == ("2011-01-01", "2014-12-31")


def test_facts_of_a_corpus():
    corpus = corpus_facts(ROWS, name="x", dates="published")
    assert (corpus.rows, dict(corpus.counts), corpus.licence) == (3, dict.fromkeys(LABELS, 1), "not stated")
    assert (corpus.first_date, corpus.last_date) == ("2012-03-01", "2014-12-31")
    with pytest.raises(CorpusError, match="has no column day .it has text, label, published"):
        corpus_facts(ROWS, name="x", dates="day")
    with pytest.raises(CorpusError, match="the column text holds something that is not a date .2014-03-07.: "):
        corpus_facts(ROWS, name="x", dates="text")
    for times in (None, ["2012-03-01", None, "2014-12-31"]):  # one text without a date may be of any day
        assert corpus_facts(ROWS.assign(published=times), name="x", dates="published").last_date is None


def test_the_digest_is_of_texts_and_labels_only():
    one = corpus_digest(ROWS)
    assert one == corpus_digest(ROWS[::-1].drop(columns="published"))
    assert one != corpus_digest(ROWS.assign(label=ROWS["label"].iloc[::-1].to_numpy()))
    assert one != corpus_digest(pd.concat([ROWS, ROWS[:1]]))
    assert len(one) == 64


HOSTILE = [
    "<script>alert(1)</script>", "[click](http://evil.example)", "![x](http://evil.example/p.png)", "a | b", "`code`",
    "**bold** _it_", "# heading", "line\n\n# heading\n---\n", "https://evil.example", "www.evil.example", "- item",
    "1. item", "&lt;b&gt;", "\u202ereversed", "\x00\x1b[31m", "---", "~~gone~~", "$x^2$",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_text_cannot_change_the_card(text):
    plain = model_card(facts())
    hostile = model_card(
        facts(
            name=text, base=text, split=text, config={text: text}, limits=(text,), fingerprint=text,
            evaluated_on=corpus_facts(ROWS, name=text, licence=text),
            training=(dataclasses.replace(facts().training[0], name=text, licence=text),),
        )
    )  # fmt: skip
    for mark in ("\n# ", "\n## ", "\n---\n", "\n- "):
        assert hostile.count(mark) == plain.count(mark)
    body = hostile.split("\n---\n", 1)[1]
    assert not re.search(r"<|(?<!\\)\[|://|www\.|(?<!\\)!|(?<!\\)~|(?<!\\)\$", body)
    bars = [len(re.findall(r"(?<!\\)\|", line)) for line in body.splitlines() if line.startswith("|")]
    assert sorted(set(bars)) == [3, 4, 10]
    assert front_matter(hostile)["base_model"] == text


@given(st.text())
def test_escaped_text_is_one_short_visible_line(text):
    line = escaped(text)
    assert "\n" not in line
    assert line.isprintable()
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_\[\]|<>]", line)


@pytest.mark.parametrize("text", ["plain words, 5e-05 and -0.1 (of 3)", "0.1", "-0.1", "ä — “quoted”: 50 %", ""])
def test_harmless_text_stays_as_it_is(text):
    assert escaped(text) == text


def test_long_text_is_cut():
    assert escaped("x" * 1000) == "x" * 299 + "…"


def test_many_labels_are_rows_and_texts_with_several_count_once():
    names = tuple(f"topic{n}" for n in range(9))
    rows = pd.DataFrame({"text": ["a", "b"], "label": ["topic0|topic3", "topic0"]})
    figures = evaluate_multi_label(np.full((2, 9), 0.2, dtype=np.float32), rows["label"], names=names)
    corpus = corpus_facts(rows, name="wire", names=names, multi_label=True)
    assert (corpus.rows, corpus.counts["topic0"], corpus.counts["topic3"]) == (2, 2, 1)
    card = model_card(facts(task="topic", training=(corpus,), evaluated_on=corpus, evaluation=figures))
    assert "| use | corpus | texts | licence |" in card
    assert "| training | wire | 2 | not stated |" in card
    assert "| texts of | training: wire | evaluation: wire |" in card
    assert "| topic0 | 2 | 2 |" in card
    assert "Labels of topic, several per text: topic0, topic1" in card
