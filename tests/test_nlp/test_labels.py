"""Label maps on one line, and the numbers of published corpora."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp.corpora.labelled import read_labelled
from nlp.errors import CorpusError
from nlp.labels import (
    LABEL_MAP,
    PHRASEBANK_HUB_LABELS,
    TWITTER_NEWS_LABELS,
    divided,
    has_several,
    joined,
    label_matrix,
    parse_label_map,
)

ROWS = pd.DataFrame({"text": ["down", "second", "third"], "label": [0, 1, 2]})

words = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=6).map(str.lower)


def test_the_numbers_of_two_corpora_mean_what_their_publishers_say():
    assert read_labelled(ROWS, label_map=TWITTER_NEWS_LABELS)["label"].tolist() == ["negative", "positive", "neutral"]
    assert read_labelled(ROWS, label_map=PHRASEBANK_HUB_LABELS)["label"].tolist() == ["negative", "neutral", "positive"]


def test_numbers_are_never_guessed():
    with pytest.raises(CorpusError, match="label 0 is not known; .*: pass --labels or a label_map"):
        read_labelled(ROWS)


@given(st.dictionaries(words, st.sampled_from(sorted(LABEL_MAP)), min_size=1), st.sampled_from(["", " ", "  "]))
def test_a_map_on_one_line_is_read_back(meanings, blank):
    line = ",".join(f"{blank}{theirs}{blank}={blank}{ours.upper()}" for theirs, ours in meanings.items())
    assert parse_label_map(line) == {theirs: LABEL_MAP[ours] for theirs, ours in meanings.items()}


def test_a_line_gives_the_map_of_the_tweets():
    read = read_labelled(ROWS, label_map=parse_label_map("0=bearish,1=bullish,2=neutral"))
    assert read.equals(read_labelled(ROWS, label_map=TWITTER_NEWS_LABELS))


@pytest.mark.parametrize("line", ["", "0", "0=", "=negative", "0=negative,", "0=up", "0=negative;1=positive"])
def test_a_part_that_tells_nothing_is_named(line):
    with pytest.raises(CorpusError, match="is no label and its meaning: write 0=negative; known are negative, neutral"):
        parse_label_map(line)


def test_a_label_has_one_meaning():
    with pytest.raises(CorpusError, match="the label 'up' is given two meanings"):
        parse_label_map("Up=positive,up=neutral")


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("earn", ("earn",)),
        ("grain|corn", ("corn", "grain")),
        ("corn|corn", ("corn",)),
        ("Company | Product News", ("Company | Product News",)),
        ("M&A | Investments|Fed | Central Banks", ("Fed | Central Banks", "M&A | Investments")),
    ],
)
def test_a_bar_without_blanks_divides_labels_and_one_between_blanks_is_part_of_a_name(cell, names):
    assert divided(cell) == names
    assert divided(joined(names)) == names


@pytest.mark.parametrize("cell", ["a |b", "a| b", "a|b |c"])
def test_a_bar_with_a_blank_on_one_side_is_not_guessed(cell):
    with pytest.raises(CorpusError, match="a \\| with a blank on one side: write a\\|b for two labels"):
        divided(cell)


@pytest.mark.parametrize("cell", ["|a", "a|", "a||b", "|"])
def test_an_empty_name_is_refused(cell):
    with pytest.raises(CorpusError, match="has an empty name"):
        divided(cell)


def test_a_column_is_multi_label_where_any_cell_is():
    assert has_several(pd.Series(["a", "a|b"]))
    assert not has_several(pd.Series(["a | b", "c"]))


def test_a_matrix_has_a_column_per_label():
    assert label_matrix(pd.Series(["b|a", "c"]), known=("a", "b", "c")).tolist() == [[1, 1, 0], [0, 0, 1]]
    with pytest.raises(CorpusError, match="row 2: label 'd' is none of a, b"):
        label_matrix(pd.Series(["a", "d|a"]), known=("a", "b"))
