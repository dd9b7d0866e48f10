"""Corpora below each other: each row keeps its weight, and nothing near a held-out text is trained on."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp.corpora.mixing import apart_from, mixed, split_first
from nlp.errors import CorpusError
from nlp.labels import LABELS
from nlp.texts.near_duplicates import duplicate_groups
from nlp.training.targets import row_weights

THINGS = ("turnover", "margin", "order book", "guidance", "dividend", "headcount", "capacity", "inventory")
PLACES = ("Aberdeen", "Bremen", "Cork", "Dijon", "Espoo", "Faro", "Graz", "Haifa")


def corpus(start, rows):
    """Sentences of which each shares no three words in a row with another."""
    texts = [f"{THINGS[n % 8]}{n} {PLACES[n // 8 % 8]}{n} plant{n} reports{n}" for n in range(start, start + rows)]
    return pd.DataFrame({"text": texts, "label": [LABELS[n % 3] for n in range(rows)]})


@given(st.floats(0.01, 10), st.floats(0.01, 10))
def test_every_row_is_there_with_its_corpus_and_weight(one, other):
    rows = mixed({"a": (corpus(0, 5), one), "b": (corpus(50, 3), other)})
    assert rows.groupby("corpus").size().to_dict() == {"a": 5, "b": 3}
    assert rows.loc[rows["corpus"] == "b", "weight"].eq(other).all()
    assert list(rows["text"]) == [*corpus(0, 5)["text"], *corpus(50, 3)["text"]]


@given(st.lists(st.floats(0, 10), min_size=5, max_size=5), st.floats(0.01, 10))
def test_a_weight_of_its_own_counts_beside_that_of_the_corpus(own, weight):
    rows = mixed({"a": (corpus(0, 5).assign(weight=own), weight), "b": (corpus(50, 3), 2.0)})
    assert rows["weight"].tolist() == pytest.approx([weight * each for each in own] + [2.0] * 3)


@pytest.mark.parametrize("wrong", ["much", None])
def test_a_weight_that_is_no_number_is_named_by_the_training(wrong):
    rows = mixed({"a": (corpus(0, 3).assign(weight=["1", wrong, "2"]), 0.5)})
    assert rows["weight"].iloc[[0, 2]].tolist() == [0.5, 1.0]
    with pytest.raises(CorpusError, match="row 2: the weight is nan: give a number >= 0"):
        row_weights(rows)


def test_near_duplicates_of_a_held_out_file_leave_the_training(caplog):
    train = pd.concat([corpus(0, 20), corpus(100, 5)])
    held = corpus(0, 20).assign(text=lambda rows: rows["text"].str.upper() + " today")
    kept = apart_from(train, held)
    pd.testing.assert_frame_equal(kept, corpus(100, 5))
    assert "20 training texts are near-duplicates of held-out ones and were left out" in caplog.text
    pd.testing.assert_frame_equal(apart_from(corpus(0, 20), corpus(100, 5)), corpus(0, 20))
    with pytest.raises(CorpusError, match="all training texts are near-duplicates of held-out ones"):
        apart_from(corpus(0, 20), held)


@pytest.mark.parametrize("seed", range(3))
def test_near_duplicates_of_held_out_texts_leave_the_other_corpora(seed, caplog):
    first = corpus(0, 60)
    copies = first.assign(text=first["text"].str.upper() + " today")
    train, held = split_first({"ours": (first, 1.0), "theirs": (copies, 0.5)}, valid=0.2, seed=seed)
    assert len(held) == 12
    assert set(held["corpus"]) == {"ours"}
    assert (train["corpus"] == "theirs").sum() == 60 - 12
    assert "12 texts of the other corpora are near-duplicates" in caplog.text
    groups = duplicate_groups([*train["text"], *held["text"]])
    assert not set(groups[: len(train)]) & set(groups[len(train) :])


def test_corpora_that_share_nothing_are_kept_whole():
    train, held = split_first({"ours": (corpus(0, 30), 1.0), "theirs": (corpus(100, 30), 0.3)}, valid=0.1)
    assert len(train) + len(held) == 60
    assert "group" not in train
    assert np.isclose(train.loc[train["corpus"] == "theirs", "weight"], 0.3).all()


@pytest.mark.parametrize(
    ("corpora", "message"),
    [
        ({}, "there is no corpus to mix"),
        ({"a": (corpus(0, 3), 0.0)}, "a: its weight is 0: give a number above 0"),
        ({"a": (corpus(0, 3), float("nan"))}, "a: its weight is nan"),
    ],
)
def test_what_cannot_be_mixed_is_named(corpora, message):
    with pytest.raises(CorpusError, match=message):
        mixed(corpora)
